import { requireNumber, requireProbability } from '../input.js';
import { integrateTail } from './quadrature.js';

const SQRT_2PI = 2.5066282746310007;
const LOG_SQRT_2PI = 0.9189385332046728;

/** Phi(z) - 1/2 for small |z|: density times z + z^3/3 + z^5/(3 5) + ..., all terms of one sign. */
const fromCentre = (z: number): number => {
  const square = z * z;
  let term = z;
  let total = z;
  for (let k = 3; Math.abs(term) > Math.abs(total) * 1e-17; k += 2) {
    term *= square / k;
    total += term;
  }
  return (Math.exp(-square / 2) / SQRT_2PI) * total;
};

/** Mills' ratio sf(z) / density(z) for z > 0: integral of exp(-z s - s^2 / 2). */
const millsRatio = (z: number): number => (z > 1e9 ? 1 / z : integrateTail((s) => -s * (z + s / 2), -z, 1, Infinity));

/** exp(-z^2 / 2) with the square split, so that the rounding of a large square does not enter the exponent. */
const halfSquareExp = (z: number): number => {
  const head = Math.trunc(z * 16) / 16;
  return Math.exp((-head * head) / 2) * Math.exp((-(z - head) * (z + head)) / 2);
};

const CENTRE = 1.2;

const upperTail = (z: number): number => {
  if (z > 39) return 0;
  if (z > CENTRE) return (halfSquareExp(z) / SQRT_2PI) * millsRatio(z);
  if (z >= -CENTRE) return 0.5 - fromCentre(z);
  return 1 - upperTail(-z);
};

/** Upper tail of the standard normal distribution, P(Z > z); relative error about 1e-14 down to 1e-300. */
export const normalSf = (z: number): number => {
  requireNumber('z', z);
  return upperTail(z);
};

/** Standard normal distribution function, P(Z <= z); relative error about 1e-14 down to 1e-300. */
export const normalCdf = (z: number): number => {
  requireNumber('z', z);
  return upperTail(-z);
};

/** ln P(Z > z), finite wherever z^2 / 2 is. */
export const normalLogSf = (z: number): number => {
  requireNumber('z', z);
  if (z > CENTRE) return (-z * z) / 2 - LOG_SQRT_2PI + Math.log(millsRatio(z));
  return z < -CENTRE ? Math.log1p(-upperTail(-z)) : Math.log(upperTail(z));
};

/** Standard normal density. */
const normalDensity = (z: number): number => halfSquareExp(z) / SQRT_2PI;

/** The z >= 0 with P(Z > z) = p for p <= .5, from its logarithm: cubic steps on ln P from a rational start. */
const upperQuantile = (logP: number): number => {
  // Abramowitz and Stegun 26.2.23, error below 4.5e-4.
  const t = Math.sqrt(-2 * logP);
  let z = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  for (let i = 0; i < 3; i += 1) {
    const ratio = z > CENTRE ? millsRatio(z) : upperTail(z) / normalDensity(z);
    const gap = (z > CENTRE ? (-z * z) / 2 - LOG_SQRT_2PI + Math.log(ratio) : Math.log(upperTail(z))) - logP;
    // d ln sf / dz = -1 / ratio; second derivative (z - 1 / ratio) / ratio.
    const newton = gap * ratio;
    z += newton / (1 + (newton * (z - 1 / ratio)) / 2);
  }
  return z;
};

/**
 * Quantile of the standard normal distribution: the z with P(Z <= z) = p; -Infinity at 0, Infinity at 1.
 * Relative error about 1e-14 for every double p. Throws `AnalysisInputError` unless p is in [0, 1].
 */
export const normalQuantile = (p: number): number => {
  requireProbability('p', p);
  if (p === 0) return -Infinity;
  if (p === 1) return Infinity;
  const offset = p - 0.5;
  if (Math.abs(offset) < 0.38) {
    let z = offset * SQRT_2PI;
    for (let i = 0; i < 6; i += 1) {
      const newton = (fromCentre(z) - offset) / normalDensity(z);
      z -= newton / (1 + (newton * z) / 2);
    }
    return z;
  }
  return p < 0.5 ? -upperQuantile(Math.log(p)) : upperQuantile(Math.log1p(-p));
};
