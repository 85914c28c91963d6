import { requirePositive, requireProbability } from '../input.js';
import { deviance, log1pMinus, logGammaPositive, stirlingError } from './gamma-kernel.js';
import { integrateTail } from './quadrature.js';

const TINY = 1e-300;
const MAX_ITERATIONS = 5_000;
/** Both parameters above this: the density is smooth enough for quadrature, and continued fractions get long. */
const SMOOTH_FROM = 400;

/**
 * ln of x^a y^b / B(a, b) with y = 1 - x given by the caller, so that neither end loses digits; a, b > 0, 0 < x < 1.
 * Saddle-point form of Loader (2000): no cancellation, also for a + b = 1e12.
 */
export const logBetaKernel = (a: number, b: number, x: number, y: number): number => {
  const n = a + b;
  if (a < 1e-8 || b < 1e-8 || n < 12) {
    return a * Math.log(x) + b * Math.log(y) - (logGammaPositive(a) + logGammaPositive(b) - logGammaPositive(n));
  }
  return (
    0.5 * Math.log((a / n) * (b / (2 * Math.PI))) +
    stirlingError(n) -
    stirlingError(a) -
    stirlingError(b) -
    deviance(a, n * x) -
    deviance(b, n * y)
  );
};

/**
 * The denominator of I_x(a, b) = kernel / denominator as a continued fraction (DiDonato and Morris 1992, equation 9),
 * by Lentz's method. Up to about the mean it starts from a y - b x > -1: no cancellation at either end of (0, 1).
 */
const betaFraction = (a: number, b: number, x: number, y: number): number => {
  const start = a * y - b * x + 1;
  const n = a + b;
  let value = (a * start) / (a + 1);
  let c = value;
  let d = 0;
  for (let m = 1; m <= MAX_ITERATIONS; m += 1) {
    const centre = a + 2 * m - 1;
    const reach = (m * (b - m) * x) / centre;
    const alpha = (((a + m - 1) * (n + m - 1)) / centre) * x * reach;
    const beta = m + reach + ((a + m) * (start + m * (1 + y))) / (centre + 2);
    d = beta + alpha * d;
    d = 1 / (Math.abs(d) < TINY ? TINY : d);
    c = beta + alpha / c;
    if (Math.abs(c) < TINY) c = TINY;
    const change = c * d;
    value *= change;
    if (Math.abs(change - 1) < 3e-16) break;
  }
  return value;
};

/** ln I_x(a, b) for x up to about the mean, see {@link isLowerDirect}. */
const logLowerTail = (a: number, b: number, x: number, y: number): number => {
  const kernel = logBetaKernel(a, b, x, y);
  if (a < SMOOTH_FROM || b < SMOOTH_FROM) return kernel - Math.log(betaFraction(a, b, x, y));
  // Integral of t^(a-1) (1-t)^(b-1) from 0 to x in units of its value at x; t = x - s.
  const p = a - 1;
  const q = b - 1;
  const slope = (q * x - p * y) / (x * y);
  const g = (s: number): number => p * log1pMinus(-s / x) + q * log1pMinus(s / y) + s * slope;
  // In the flank between mode and mean the slope is positive by a hair: the tail is still found by its curvature.
  const tail = integrateTail(g, Math.min(slope, 0), p / (x * x) + q / (y * y), x);
  return kernel + Math.log(tail) - Math.log(x) - Math.log(y);
};

/** Whether the fraction for the lower tail converges at once: x below (a + 1) / (a + b + 2), about the mean. */
const isLowerDirect = (a: number, b: number, x: number, y: number): boolean => x * (b + 1) <= (a + 1) * y;

/** Both tails of the beta distribution as logarithms: ln I_x(a, b) and ln(1 - I_x(a, b)); y = 1 - x, 0 < x < 1. */
export const logBetaTails = (a: number, b: number, x: number, y: number): { lower: number; upper: number } => {
  if (isLowerDirect(a, b, x, y)) {
    const lower = Math.min(0, logLowerTail(a, b, x, y));
    return { lower, upper: logOneMinusExp(lower) };
  }
  const upper = Math.min(0, logLowerTail(b, a, y, x));
  return { lower: logOneMinusExp(upper), upper };
};

/** ln(1 - e^v) for v <= 0 (Mächler 2012). */
const logOneMinusExp = (v: number): number => (v > -Math.LN2 ? Math.log(-Math.expm1(v)) : Math.log1p(-Math.exp(v)));

/** I_x(a, b), or 1 - I_x(a, b) when `upper`, with y = 1 - x given by the caller; unchecked, x and y in [0, 1]. */
export const betaTail = (a: number, b: number, x: number, y: number, upper: boolean): number => {
  if (x <= 0) return upper ? 1 : 0;
  if (y <= 0) return upper ? 0 : 1;
  const lowerIsSmall = isLowerDirect(a, b, x, y);
  const small = Math.exp(Math.min(0, lowerIsSmall ? logLowerTail(a, b, x, y) : logLowerTail(b, a, y, x)));
  return lowerIsSmall === upper ? 1 - small : small;
};

/**
 * Regularised incomplete beta function I_x(a, b), or its complement 1 - I_x(a, b) with `upper` (computed directly, so
 * that small tails keep their digits down to 1e-300). Continued fraction of DiDonato and Morris (1992), Gauss-Legendre quadrature of the
 * saddle-point density for large parameters; relative error about 1e-13 for a, b up to 1e5 and 1e-9 up to 1e12.
 * Throws `AnalysisInputError` unless 0 <= x <= 1, a > 0, b > 0.
 */
export const regularizedBeta = ({ x, a, b, upper = false }: BetaInput): number => {
  requireProbability('x', x);
  requirePositive('a', a);
  requirePositive('b', b);
  return betaTail(a, b, x, 1 - x, upper);
};

/** Input of {@link regularizedBeta}; `upper` defaults to false. */
export interface BetaInput {
  readonly x: number;
  readonly a: number;
  readonly b: number;
  readonly upper?: boolean;
}

/**
 * The x with I_x(a, b) = p, by bracketed Newton steps on the smaller tail in log space; unchecked, 0 < p < 1.
 * `upper` asks for 1 - I_x(a, b) = p instead. Relative error about 1e-12.
 */
export const betaQuantile = (a: number, b: number, p: number, upper = false): number => {
  const target = Math.log(p);
  const side = upper ? 'upper' : 'lower';
  // Solve in the log-odds of x: both ends of (0, 1) are then equally far away.
  let low = -745;
  let high = 745;
  let u = Math.log(a / b);
  for (let i = 0; i < 200; i += 1) {
    const x = u < 0 ? Math.exp(u) / (1 + Math.exp(u)) : 1 / (1 + Math.exp(-u));
    const y = u < 0 ? 1 / (1 + Math.exp(u)) : Math.exp(-u) / (1 + Math.exp(-u));
    const value = logBetaTails(a, b, x, y)[side];
    const gap = value - target;
    if (gap > 0 === upper) low = u;
    else high = u;
    // d ln(tail) / du = +- kernel / tail, because dx = x y du.
    const slope = Math.exp(logBetaKernel(a, b, x, y) - value) * (upper ? -1 : 1);
    let next = u - gap / slope;
    if (!(next > low && next < high)) next = (low + high) / 2;
    if (Math.abs(next - u) <= 1e-15 * Math.max(1, Math.abs(u)) || high - low < 1e-15) {
      u = next;
      break;
    }
    u = next;
  }
  return u < 0 ? Math.exp(u) / (1 + Math.exp(u)) : 1 / (1 + Math.exp(-u));
};
