import { requireCount, requireNumber, requireObject, requireProbability } from '../input.js';
import { betaTail } from './beta.js';
import { deviance, stirlingError } from './gamma-kernel.js';

/** Input of {@link binomialCdf}: P(at most k successes in n trials of probability p). */
export interface BinomialInput {
  readonly k: number;
  readonly n: number;
  readonly p: number;
}

/**
 * Binomial distribution function, P(X <= k) = I_(1-p)(n - k, k + 1); a fractional k counts as its floor.
 * Throws `AnalysisInputError` unless n is a whole number >= 0 and p is in [0, 1].
 */
export const binomialCdf = (input: BinomialInput): number => {
  requireObject('input', input);
  const { k, n, p } = input;
  requireNumber('k', k);
  requireCount('n', n);
  requireProbability('p', p);
  const whole = Math.floor(k);
  if (whole < 0) return 0;
  if (whole >= n) return 1;
  return betaTail(whole + 1, n - whole, p, 1 - p, true);
};

/** P(X >= k), computed directly so that small tails keep their digits; otherwise as {@link binomialCdf}. */
export const binomialUpper = (k: number, n: number, p: number): number => {
  if (k <= 0) return 1;
  if (k > n) return 0;
  return betaTail(k, n - k + 1, p, 1 - p, false);
};

/** ln P(X = k) with q = 1 - p given by the caller (Loader 2000); 0 <= k <= n, 0 < p < 1. */
export const logBinomialDensity = (k: number, n: number, p: number, q: number): number => {
  if (n === 0) return 0;
  if (k === 0) return n * (p < 0.5 ? Math.log1p(-p) : Math.log(q));
  if (k === n) return n * (q < 0.5 ? Math.log1p(-q) : Math.log(p));
  const rest = n - k;
  return (
    stirlingError(n) -
    stirlingError(k) -
    stirlingError(rest) -
    deviance(k, n * p) -
    deviance(rest, n * q) -
    0.5 * Math.log(2 * Math.PI * k * (rest / n))
  );
};
