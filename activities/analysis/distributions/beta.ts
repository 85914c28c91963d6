import { requireObject, requireParameter, requireProbability } from '../input.js';
import { deviance, log1pMinus, logGammaPositive, logTinyBetaFactor, stirlingError } from './gamma-kernel.js';
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
  // Integral of t^(a-1) (1-t)^(b-1) from 0 to x in units of its value at x; t = x (1 - s), so that no x is too small.
  const p = a - 1;
  const q = b - 1;
  const odds = x / y;
  const slope = q * odds - p;
  const g = (s: number): number => p * log1pMinus(-s) + q * log1pMinus(s * odds) + s * slope;
  // In the flank between mode and mean the slope is positive by a hair: the tail is still found by its curvature.
  const tail = integrateTail(g, Math.min(slope, 0), p + q * odds * odds, 1);
  return kernel + Math.log(tail) - Math.log(y);
};

/** Whether the fraction for the lower tail converges at once: x below (a + 1) / (a + b + 2), about the mean. */
const isLowerDirect = (a: number, b: number, x: number, y: number): boolean => x * (b + 1) <= (a + 1) * y;

/**
 * ln(1 - I_x(a, b)) for a <= 1e-4 and b x <= 1.2, where I_x is so near 1 that its complement would have no digits:
 * 1 - e^L (1 + a T), L = a ln x + ln(Gamma(a + b) / (Gamma(1 + a) Gamma(b))), T the rest of the series DLMF 8.17.7.
 * null elsewhere.
 */
const logTinyComplement = (a: number, b: number, x: number): number | null => {
  if (a > 1e-4 || x > 0.7 || b * x > 1.2) return null;
  const logFirst = a * Math.log(x) + logTinyBetaFactor(a, b);
  let term = 1;
  let rest = 0;
  for (let n = 1; n < MAX_ITERATIONS; n += 1) {
    term *= ((n - b) / n) * x;
    rest += term / (a + n);
    if (Math.abs(term) < 1e-17 * Math.abs(rest)) break;
  }
  return Math.log(-Math.expm1(logFirst) - Math.exp(logFirst) * a * rest);
};

/** Both tails of the beta distribution as logarithms: ln I_x(a, b) and ln(1 - I_x(a, b)); y = 1 - x, 0 < x < 1. */
export const logBetaTails = (a: number, b: number, x: number, y: number): { lower: number; upper: number } => {
  if (isLowerDirect(a, b, x, y)) {
    const lower = Math.min(0, logLowerTail(a, b, x, y));
    return { lower, upper: logTinyComplement(a, b, x) ?? logOneMinusExp(lower) };
  }
  const upper = Math.min(0, logLowerTail(b, a, y, x));
  return { lower: logTinyComplement(b, a, y) ?? logOneMinusExp(upper), upper };
};

/** ln(1 - e^v) for v <= 0 (Mächler 2012). */
const logOneMinusExp = (v: number): number => (v > -Math.LN2 ? Math.log(-Math.expm1(v)) : Math.log1p(-Math.exp(v)));

/** I_x(a, b), or 1 - I_x(a, b) when `upper`, with y = 1 - x given by the caller; unchecked, x and y in [0, 1]. */
export const betaTail = (a: number, b: number, x: number, y: number, upper: boolean): number => {
  if (x <= 0) return upper ? 1 : 0;
  if (y <= 0) return upper ? 0 : 1;
  const lowerIsSmall = isLowerDirect(a, b, x, y);
  if (lowerIsSmall === upper) {
    const tiny = lowerIsSmall ? logTinyComplement(a, b, x) : logTinyComplement(b, a, y);
    if (tiny !== null) return Math.exp(tiny);
  }
  const small = Math.exp(Math.min(0, lowerIsSmall ? logLowerTail(a, b, x, y) : logLowerTail(b, a, y, x)));
  return lowerIsSmall === upper ? 1 - small : small;
};

/**
 * Regularised incomplete beta function I_x(a, b), or its complement 1 - I_x(a, b) with `upper` (computed directly, so
 * that small tails keep their digits down to 1e-300). Continued fraction of DiDonato and Morris (1992), Gauss-Legendre quadrature of the
 * saddle-point density for large parameters; relative error about 1e-13 for a, b up to 1e5 and 1e-9 up to 1e12.
 * Throws `AnalysisInputError` unless 0 <= x <= 1 and a, b are within [1e-100, 1e100].
 */
export const regularizedBeta = (input: BetaInput): number => {
  requireObject('input', input);
  const { x, a, b, upper = false } = input;
  requireProbability('x', x);
  requireParameter('a', a);
  requireParameter('b', b);
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
