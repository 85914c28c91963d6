import { requireNonNegative, requireNumber, requireObject, requireParameter } from '../input.js';
import { deviance, log1pMinus, logGammaPositive, stirlingError } from './gamma-kernel.js';
import { integrateTail } from './quadrature.js';

const TINY = 1e-300;
const SMOOTH_FROM = 400;

/**
 * ln |Gamma(x)|; Infinity at 0, -1, -2, ... Stirling's series from 9 on, the zeta series around 2 below, reflection for
 * negative x. Relative error about 1e-15. Throws `AnalysisInputError` for NaN.
 */
export const logGamma = (x: number): number => {
  requireNumber('x', x);
  if (x > 0) return x === Infinity ? Infinity : logGammaPositive(x);
  if (x === -Infinity || Number.isInteger(x)) return Infinity;
  // sin(pi x) from the distance to the nearest whole number: pi x itself would lose the digits.
  const distance = x - Math.round(x);
  return Math.log(Math.PI / Math.abs(Math.sin(Math.PI * distance))) - logGammaPositive(1 - x);
};

/** ln of x^a e^-x / Gamma(a), a > 0, x > 0. */
const logGammaKernel = (a: number, x: number): number =>
  a < 9
    ? a * Math.log(x) - x - logGammaPositive(a)
    : 0.5 * Math.log(a / (2 * Math.PI)) - stirlingError(a) - deviance(a, x);

/** ln P(a, x) by its series (DLMF 8.11.4), for x < a + 1. */
const logLowerSeries = (a: number, x: number): number => {
  let term = 1;
  let total = 1;
  for (let n = 1; n < 100_000; n += 1) {
    term *= x / (a + n);
    total += term;
    if (term < total * 1e-17) break;
  }
  return logGammaKernel(a, x) - Math.log(a) + Math.log(total);
};

/** ln Q(a, x) by its continued fraction (DLMF 8.9.2), for x >= a + 1. */
const logUpperFraction = (a: number, x: number): number => {
  let b = x + 1 - a;
  let c = 1 / TINY;
  let d = 1 / b;
  let value = d;
  for (let n = 1; n < 100_000; n += 1) {
    const coefficient = -n * (n - a);
    b += 2;
    d = coefficient * d + b;
    d = 1 / (Math.abs(d) < TINY ? TINY : d);
    c = b + coefficient / c;
    if (Math.abs(c) < TINY) c = TINY;
    const change = d * c;
    value *= change;
    if (Math.abs(change - 1) < 2e-16) break;
  }
  return logGammaKernel(a, x) + Math.log(value);
};

/** ln of the smaller tail of a smooth gamma density by quadrature from x outwards, in units of x. */
const logSmoothTail = (a: number, x: number, upper: boolean): number => {
  const p = a - 1;
  const sign = upper ? 1 : -1;
  const slope = sign * (p - x);
  const g = (s: number): number => p * log1pMinus(sign * s) + s * slope;
  const tail = integrateTail(g, Math.min(slope, 0), p, upper ? Infinity : 1);
  return logGammaKernel(a, x) + Math.log(tail);
};

/** Input of {@link regularizedGamma}; `upper` defaults to false. */
export interface GammaInput {
  readonly a: number;
  readonly x: number;
  readonly upper?: boolean;
}

/**
 * Regularised incomplete gamma function P(a, x), or Q(a, x) = 1 - P(a, x) with `upper` (computed directly, digits kept
 * down to 1e-300). Series and continued fraction (DLMF 8.11.4, 8.9.2), quadrature of the saddle-point density for
 * a >= 400. Throws `AnalysisInputError` unless a is within [1e-100, 1e100] and x >= 0 (x may be Infinity).
 */
export const regularizedGamma = (input: GammaInput): number => {
  requireObject('input', input);
  const { a, x, upper = false } = input;
  requireParameter('a', a);
  if (x !== Infinity) requireNonNegative('x', x);
  if (x === 0 || x === Infinity) return (x === 0) === upper ? 1 : 0;
  const lowerIsSmall = a >= SMOOTH_FROM ? x <= a : x < a + 1;
  const small = Math.exp(Math.min(0, smallTail(a, x, lowerIsSmall)));
  return lowerIsSmall === upper ? 1 - small : small;
};

const smallTail = (a: number, x: number, lowerIsSmall: boolean): number => {
  if (a >= SMOOTH_FROM) return logSmoothTail(a, x, !lowerIsSmall);
  return lowerIsSmall ? logLowerSeries(a, x) : logUpperFraction(a, x);
};

/**
 * Upper tail of the chi-square distribution: Q(df / 2, x / 2). 1 at x <= 0.
 * Throws `AnalysisInputError` unless df is within [1e-100, 1e100] and x is a number.
 */
export const chiSquareSf = (input: { readonly x: number; readonly df: number }): number => {
  requireObject('input', input);
  const { x, df } = input;
  requireNumber('x', x);
  requireParameter('df', df);
  return x <= 0 ? 1 : regularizedGamma({ a: df / 2, x: x / 2, upper: true });
};
