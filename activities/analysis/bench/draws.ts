import type { Random } from '../random.js';

/** A gamma variable of this shape (at least 1) with mean 1 (Marsaglia and Tsang 2000). */
export const gammaFactor = (random: Random, shape: number): number => {
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const z = random.normal();
    const v = (1 + c * z) ** 3;
    if (v <= 0) continue;
    if (Math.log(random.uniform()) < z * z * 0.5 + d - d * v + d * Math.log(v)) return (d * v) / shape;
  }
};

/** Shares that sum to 1, Dirichlet with these weights (each at least 1). */
export const dirichlet = (random: Random, weights: readonly number[]): number[] => {
  const parts = weights.map((weight) => weight * gammaFactor(random, weight));
  const total = parts.reduce((sum, part) => sum + part, 0);
  return parts.map((part) => part / total);
};

/** Counts of n rows over bins with these shares. */
export const multinomial = (random: Random, n: number, shares: readonly number[]): number[] => {
  let left = n;
  let rest = 1;
  return shares.map((share) => {
    const count = rest <= share ? left : random.binomial(left, share / rest);
    left -= count;
    rest -= share;
    return count;
  });
};
