import { requireCount, requireNonNegative, requireProbability } from './input.js';

/**
 * A seeded stream of random numbers. The same seed gives the same numbers on every machine that rounds
 * `Math.log`, `Math.exp` and `Math.sqrt` alike; `uniform` and `integer` use whole-number arithmetic only.
 */
export interface Random {
  /** Uniform on [0, 1) with 53 bits. */
  uniform(): number;
  /** A whole number in [0, bound), without bias; `bound` from 1 to 2^53. */
  integer(bound: number): number;
  /** Standard normal (polar method of Marsaglia and Bray 1964). */
  normal(): number;
  /** Exponential with mean 1. */
  exponential(): number;
  /** Number of successes in n trials with probability p. */
  binomial(n: number, p: number): number;
  /** Poisson with the given mean. */
  poisson(mean: number): number;
}

const rotateLeft = (x: number, by: number): number => (x << by) | (x >>> (32 - by));

/** Fills the state from a seed: splitmix32 over both halves of it. */
const seedState = (seed: number): Uint32Array => {
  let low = seed >>> 0;
  const high = Math.floor(seed / 0x1_0000_0000) >>> 0;
  const state = new Uint32Array(4);
  for (let i = 0; i < 4; i += 1) {
    low = (low + 0x9e37_79b9) >>> 0;
    let z = (low ^ Math.imul(high, 0x85eb_ca6b + 2 * i)) >>> 0;
    z = Math.imul(z ^ (z >>> 16), 0x21f0_aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a_2d97);
    state[i] = (z ^ (z >>> 15)) >>> 0;
  }
  // The all-zero state is the one state the generator cannot leave.
  if ((state[0] as number) + (state[1] as number) + (state[2] as number) + (state[3] as number) === 0) state[0] = 1;
  return state;
};

/** ln k! through a table and Stirling's series: the acceptance tests below need 1e-9, not more. */
const LOG_FACTORIALS: readonly number[] = (() => {
  const table = [0];
  for (let k = 1; k < 64; k += 1) table.push((table[k - 1] as number) + Math.log(k));
  return table;
})();
const logFactorial = (k: number): number => {
  if (k < 64) return LOG_FACTORIALS[k] as number;
  const x = k + 1;
  return (x - 0.5) * Math.log(x) - x + 0.9189385332046728 + 1 / (12 * x) - 1 / (360 * x ** 3);
};

/** Transformed rejection with squeeze for n p >= 10, p <= .5 (Hörmann 1993, BTRS). */
const largeBinomial = (uniform: () => number, n: number, p: number): number => {
  const q = 1 - p;
  const spread = Math.sqrt(n * p * q);
  const b = 1.15 + 2.53 * spread;
  const a = -0.0873 + 0.0248 * b + 0.01 * p;
  const c = n * p + 0.5;
  const vr = 0.92 - 4.2 / b;
  const alpha = (2.83 + 5.1 / b) * spread;
  const logOdds = Math.log(p / q);
  const mode = Math.floor((n + 1) * p);
  const h = logFactorial(mode) + logFactorial(n - mode);
  for (;;) {
    const u = uniform() - 0.5;
    let v = uniform();
    const us = 0.5 - Math.abs(u);
    const k = Math.floor(((2 * a) / us + b) * u + c);
    if (us >= 0.07 && v <= vr) return k;
    if (k < 0 || k > n) continue;
    v = Math.log((v * alpha) / (a / (us * us) + b));
    if (v <= h - logFactorial(k) - logFactorial(n - k) + (k - mode) * logOdds) return k;
  }
};

/** Sums geometric gaps between successes: about n p steps, right for every n and small n p. */
const smallBinomial = (uniform: () => number, n: number, p: number): number => {
  const logQ = Math.log1p(-p);
  let position = 0;
  for (let k = 0; ; k += 1) {
    position += Math.floor(Math.log1p(-uniform()) / logQ) + 1;
    if (position > n) return k;
  }
};

/** Transformed rejection with squeeze for mean >= 10 (Hörmann 1993, PTRS). */
const largePoisson = (uniform: () => number, mean: number): number => {
  const spread = Math.sqrt(mean);
  const b = 0.931 + 2.53 * spread;
  const a = -0.059 + 0.02483 * b;
  const inverseAlpha = 1.1239 + 1.1328 / (b - 3.4);
  const vr = 0.9277 - 3.6224 / (b - 2);
  const logMean = Math.log(mean);
  for (;;) {
    const u = uniform() - 0.5;
    const v = uniform();
    const us = 0.5 - Math.abs(u);
    const k = Math.floor(((2 * a) / us + b) * u + mean + 0.43);
    if (us >= 0.07 && v <= vr) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    if (Math.log((v * inverseAlpha) / (a / (us * us) + b)) <= k * logMean - mean - logFactorial(k)) return k;
  }
};

/**
 * A seeded generator: xoshiro128** (Blackman and Vigna 2018) seeded by splitmix32. Not for secrets.
 * `seed` is a whole number in [0, 2^53); another value throws `AnalysisInputError`.
 */
export const createRandom = (seed: number): Random => {
  requireCount('seed', seed);
  const state = seedState(seed);
  const next = (): number => {
    const s1 = state[1] as number;
    const result = Math.imul(rotateLeft(Math.imul(s1, 5), 7), 9) >>> 0;
    const t = s1 << 9;
    const s2 = (state[2] as number) ^ (state[0] as number);
    const s3 = (state[3] as number) ^ s1;
    state[1] = s1 ^ s2;
    state[0] = (state[0] as number) ^ s3;
    state[2] = s2 ^ t;
    state[3] = rotateLeft(s3, 11);
    return result;
  };
  const uniform = (): number => ((next() >>> 5) * 0x400_0000 + (next() >>> 6)) / 0x20_0000_0000_0000;

  let spare: number | undefined;
  const normal = (): number => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    for (;;) {
      const x = 2 * uniform() - 1;
      const y = 2 * uniform() - 1;
      const square = x * x + y * y;
      if (square >= 1 || square === 0) continue;
      const factor = Math.sqrt((-2 * Math.log(square)) / square);
      spare = y * factor;
      return x * factor;
    }
  };

  const integer = (bound: number): number => {
    requireCount('bound', bound, 1);
    if (bound > 0x1_0000_0000) return Math.floor(uniform() * bound);
    // Values above the last full multiple of the bound would favour small results.
    const limit = 0x1_0000_0000 - (0x1_0000_0000 % bound);
    for (;;) {
      const value = next();
      if (value < limit) return value % bound;
    }
  };

  const binomial = (n: number, p: number): number => {
    requireCount('n', n);
    requireProbability('p', p);
    if (n === 0 || p === 0) return 0;
    if (p === 1) return n;
    if (p > 0.5) return n - binomial(n, 1 - p);
    return n * p < 10 ? smallBinomial(uniform, n, p) : largeBinomial(uniform, n, p);
  };

  const poisson = (mean: number): number => {
    requireNonNegative('mean', mean);
    if (mean >= 10) return largePoisson(uniform, mean);
    const limit = Math.exp(-mean);
    let product = uniform();
    let k = 0;
    while (product > limit) {
      product *= uniform();
      k += 1;
    }
    return k;
  };

  return { uniform, integer, normal, exponential: () => -Math.log1p(-uniform()), binomial, poisson };
};
