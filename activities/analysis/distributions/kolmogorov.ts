import { requireCount, requireObject, requireProbability } from '../input.js';
import { createSum } from '../sums.js';
import { logBinomialDensity } from './binomial.js';
import { logGammaPositive } from './gamma-kernel.js';

/** Round half to even: `Math.round` would turn 2.5 into 3 where SciPy and NumPy give 2. */
const roundHalfEven = (x: number): number => {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
};

/** ln(n! / n^n). */
const logFactorialShare = (n: number): number => logGammaPositive(n + 1) - n * Math.log(n);

/**
 * One-sided P(D+ > d) of Smirnov: d times the sum over j of C(n, j) (d + j/n)^(j-1) (1 - d - j/n)^(n-j), all terms
 * positive. Above 40,000 terms the sum is taken with a stride: the terms are smooth and flat at both ends.
 */
const smirnovSf = (n: number, d: number): number => {
  const last = Math.floor(n * (1 - d));
  const stride = n > 40_000 ? Math.ceil(n / 20_000) : 1;
  const total = createSum();
  for (let j = 0; j <= last; j += stride) {
    const p = d + j / n;
    const q = 1 - p;
    if (q <= 0) continue;
    total.add(Math.exp(logBinomialDensity(j, n, p, q)) / p);
  }
  return Math.min(1, d * stride * total.value());
};

type Matrix = Float64Array;

const multiply = (left: Matrix, right: Matrix, size: number): Matrix => {
  const product: Matrix = new Float64Array(size * size);
  for (let i = 0; i < size; i += 1) {
    for (let k = 0; k < size; k += 1) {
      const factor = left[i * size + k] as number;
      if (factor === 0) continue;
      for (let j = 0; j < size; j += 1) {
        product[i * size + j] = (product[i * size + j] as number) + factor * (right[k * size + j] as number);
      }
    }
  }
  return product;
};

/** Divides a matrix whose centre is large by a power of two (exact) and returns the logarithm of that power. */
const rescale = (matrix: Matrix, k: number): number => {
  const size = 2 * k - 1;
  if ((matrix[(k - 1) * size + k - 1] as number) < 1e60) return 0;
  for (let i = 0; i < matrix.length; i += 1) matrix[i] = (matrix[i] as number) * 2 ** -200;
  return 200 * Math.LN2;
};

/** P(D_n <= d) by Durbin's matrix (Marsaglia, Tsang and Wang 2003): exact, n (2 n d)^3 work in log2(n) products. */
const durbinCdf = (n: number, d: number): number => {
  const k = Math.ceil(n * d);
  const h = k - n * d;
  const size = 2 * k - 1;
  const base = new Float64Array(size * size);
  // Inverse factorials first: entry (i, j) is 1 / (i - j + 1)! where that is defined.
  const inverse = [1];
  for (let i = 1; i <= size; i += 1) inverse.push((inverse[i - 1] as number) / i);
  for (let i = 0; i < size; i += 1) {
    for (let j = 0; j <= Math.min(i + 1, size - 1); j += 1) base[i * size + j] = inverse[i - j + 1] as number;
  }
  for (let i = 0; i < size; i += 1) {
    const share = inverse[i + 1] as number;
    base[i * size] = (1 - h ** (i + 1)) * share;
    base[(size - 1) * size + (size - 1 - i)] = (1 - h ** (i + 1)) * share;
  }
  base[(size - 1) * size] = (1 - 2 * h ** size + (2 * h > 1 ? (2 * h - 1) ** size : 0)) * (inverse[size] as number);

  let power: Matrix | undefined;
  let powerLog = 0;
  let square: Matrix = base;
  let squareLog = 0;
  for (let left = n; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) {
      power = power === undefined ? square.slice() : multiply(power, square, size);
      powerLog += squareLog + rescale(power, k);
    }
    if (left > 1) {
      square = multiply(square, square, size);
      squareLog = 2 * squareLog + rescale(square, k);
    }
  }
  const entry = (power as Matrix)[(k - 1) * size + k - 1] as number;
  return entry <= 0 ? 0 : Math.min(1, Math.exp(Math.log(entry) + powerLog + logFactorialShare(n)));
};

/** P(D_n <= d) for large n by the expansion of Pelz and Good (1976) in powers of n^(-1/2). */
const pelzGoodCdf = (n: number, d: number): number => {
  const z = Math.sqrt(n) * d;
  const z2 = z * z;
  const z4 = z2 * z2;
  const pi2 = Math.PI ** 2;
  const pi4 = pi2 * pi2;
  if (pi2 / (8 * z2) > 700) return 0;
  let k0 = 0;
  let k1 = 0;
  let k2 = 0;
  let k3 = 0;
  const terms = Math.ceil((16 * z) / Math.PI) + 1;
  for (let i = terms; i >= 1; i -= 1) {
    const m2 = (2 * i - 1) ** 2;
    const weight = Math.exp((-pi2 * m2) / (8 * z2));
    k0 += weight;
    k1 += weight * ((pi2 * m2) / 4 - z2);
    k2 += weight * (6 * z4 * z2 + 2 * z4 + (2 * z4 - 5 * z2) * pi2 * (m2 / 4) + (pi4 * m2 * m2 * (1 - 2 * z2)) / 16);
    k3 +=
      weight *
      ((pi2 * pi4 * m2 ** 3 * (5 - 30 * z2)) / 64 +
        (pi4 * m2 * m2 * (212 * z4 - 60 * z2)) / 16 +
        (pi2 * m2 * (135 * z4 - 96 * z4 * z2)) / 4 -
        30 * z4 * z2 -
        90 * z4 * z4);
  }
  let extra2 = 0;
  let extra3 = 0;
  for (let i = terms; i >= 1; i -= 1) {
    const weight = i * i * Math.exp((-pi2 * i * i) / (2 * z2));
    extra2 += weight;
    extra3 += weight * (3 * z2 - pi2 * i * i);
  }
  const root = Math.sqrt(2 * Math.PI);
  const term2 = k2 / (72 * z4 * z2 * z) - (pi2 * extra2) / (36 * z2 * z);
  const term3 = k3 / (6480 * z4 * z4 * z2) + (pi2 * extra3) / (216 * z4 * z2);
  const value = root * (k0 / z + k1 / (6 * z4 * Math.sqrt(n)) + term2 / n + term3 / n ** 1.5);
  return Math.min(1, Math.max(0, value));
};

/** P(D_n >= d) of the two-sided one-sample statistic, n a whole number >= 1. */
const twoSidedSf = (n: number, d: number): number => {
  const t = n * d;
  if (d >= 1) return 0;
  if (t <= 0.5) return 1;
  if (t <= 1) return 1 - Math.exp(logFactorialShare(n) + n * Math.log(2 * t - 1));
  if (t >= n - 1) return Math.min(1, 2 * (1 - d) ** n);
  const scaled = t * d;
  // Beyond these limits both one-sided events together are rarer than the accuracy of their sum.
  if (d >= 0.5 || scaled >= (n <= 140 ? 4 : 2.2)) return scaled >= 370 ? 0 : Math.min(1, 2 * smirnovSf(n, d));
  if (n <= 140 || (n <= 100_000 && n * d ** 1.5 <= 1.4)) return 1 - durbinCdf(n, d);
  return 1 - pelzGoodCdf(n, d);
};

/** Input of {@link kolmogorovSf}: the largest distance d of two empirical distributions of n and m values. */
export interface KolmogorovInput {
  readonly d: number;
  readonly n: number;
  readonly m: number;
}

/**
 * p-value of the two-sample Kolmogorov-Smirnov distance: the exact one-sample distribution (`kstwo.sf` of SciPy) at the
 * effective size n m / (n + m), rounded half to even; at least 1. Method by region after Simard and L'Ecuyer (2011):
 * Durbin's matrix, Smirnov's sum, Pelz-Good. Throws `AnalysisInputError` unless 0 <= d <= 1 and n, m >= 1.
 */
export const kolmogorovSf = (input: KolmogorovInput): number => {
  requireObject('input', input);
  const { d, n, m } = input;
  requireProbability('d', d);
  requireCount('n', n, 1);
  requireCount('m', m, 1);
  return twoSidedSf(Math.max(1, roundHalfEven((n / (n + m)) * m)), d);
};
