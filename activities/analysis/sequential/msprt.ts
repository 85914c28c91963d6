import { requireFinite, requireNonNegative, requireObject, requirePositive } from '../input.js';
import { evidencePValue } from './count-evidence.js';

/** Input of {@link msprt}. */
export interface MsprtInput {
  /** Candidate minus champion. */
  readonly difference: number;
  /** Variance of the difference. */
  readonly variance: number;
  /** Variance of the normal prior on the true difference. */
  readonly tau2: number;
  /** Difference under the null hypothesis; default 0. */
  readonly nullDifference?: number;
}

/** Evidence of one look. */
export interface MsprtResult {
  readonly logLikelihoodRatio: number;
  /** min(1, 1 / likelihood ratio) of this look; the smallest over all looks is valid at any stop. */
  readonly pValue: number;
}

/**
 * Mixture sequential probability ratio test with a normal prior (Johari et al., arXiv 1512.04922; reference 2.2 B):
 * ln L = ln(V / (V + tau^2)) / 2 + tau^2 (d - d0)^2 / (2 V (V + tau^2)). Variance 0 says nothing: evidence 0, p-value 1.
 * Throws `AnalysisInputError` for numbers that are not finite, a negative variance or tau2 <= 0.
 */
export const msprt = (input: MsprtInput): MsprtResult => {
  requireObject('input', input);
  const { difference, variance, tau2, nullDifference = 0 } = input;
  requireFinite('difference', difference);
  requireNonNegative('variance', variance);
  requirePositive('tau2', tau2);
  requireFinite('nullDifference', nullDifference);
  if (variance === 0) return { logLikelihoodRatio: 0, pValue: 1 };
  const gap = difference - nullDifference;
  requireFinite('difference', gap);
  const shrink = 1 / (1 + variance / tau2);
  const times = tau2 / variance;
  // Where the quotient overflows, its logarithm does not.
  const logTimes = times < Infinity ? Math.log1p(times) : Math.log(tau2) - Math.log(variance);
  // Kept finite: evidence is stored, and JSON knows no infinity.
  const exponent = Math.min(((shrink * gap) / variance) * (gap / 2), Number.MAX_VALUE);
  const logLikelihoodRatio = exponent - logTimes / 2;
  return { logLikelihoodRatio, pValue: evidencePValue(logLikelihoodRatio) };
};
