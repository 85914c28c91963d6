import type { Sample } from './input.js';

/** A running sum that keeps the low-order bits which plain addition drops (Neumaier 1974). */
export interface CompensatedSum {
  /** Adds one term. */
  add(term: number): void;
  /** The sum so far. */
  value(): number;
}

/** A running compensated sum; `start` defaults to 0. Error about one rounding, whatever the number of terms. */
export const createSum = (start = 0): CompensatedSum => {
  let total = start;
  let lost = 0;
  return {
    add: (term) => {
      const next = total + term;
      lost += Math.abs(total) >= Math.abs(term) ? total - next + term : term - next + total;
      total = next;
    },
    value: () => total + lost,
  };
};

/** Compensated sum of a sample (Neumaier 1974). Empty: 0. */
export const sum = (values: Sample): number => {
  let total = 0;
  let lost = 0;
  for (let i = 0; i < values.length; i += 1) {
    const term = values[i] as number;
    const next = total + term;
    lost += Math.abs(total) >= Math.abs(term) ? total - next + term : term - next + total;
    total = next;
  }
  return total + lost;
};

/** Compensated sum of `term(0) ... term(count - 1)`. */
export const sumOf = (count: number, term: (index: number) => number): number => {
  const total = createSum();
  for (let i = 0; i < count; i += 1) total.add(term(i));
  return total.value();
};

/** a b - c d of whole numbers, exact before the last rounding: products of counts near 1e12 exceed 53 bits. */
export const productDifference = (a: number, b: number, c: number, d: number): number => {
  const [left, right] = [a * b, c * d];
  if (left <= Number.MAX_SAFE_INTEGER && right <= Number.MAX_SAFE_INTEGER) return left - right;
  return Number(BigInt(a) * BigInt(b) - BigInt(c) * BigInt(d));
};

/**
 * The power of two that brings the largest of the values near 1, so that squares neither overflow nor vanish; 1 where
 * they would not, and for zeros. Multiplying by it is exact for all but denormal results.
 */
export const safeScale = (...samples: readonly Sample[]): number => {
  let largest = 0;
  for (const sample of samples) for (const value of sample) largest = Math.max(largest, Math.abs(value));
  if (largest === 0 || (largest > 1e-100 && largest < 1e100)) return 1;
  // Two steps for denormals: a single power would be infinite.
  return 2 ** Math.min(1000, -Math.floor(Math.log2(largest)));
};

/** Arithmetic mean of a sample; NaN when empty. */
export const mean = (values: Sample): number => sum(values) / values.length;

/** Size, mean and the sum of squared deviations from the mean of a sample. */
export interface Moments {
  readonly n: number;
  readonly mean: number;
  /** Sum of (x - mean)^2; divide by n - 1 for the sample variance, by n for the population variance. */
  readonly squaredDeviations: number;
}

/**
 * Size, mean and squared deviations in two passes, corrected for the rounding of the mean (Chan, Golub, LeVeque 1983);
 * exact 0 for a constant sample.
 */
export const moments = (values: Sample): Moments => {
  const n = values.length;
  const average = mean(values);
  const squares = createSum();
  const rest = createSum();
  for (let i = 0; i < n; i += 1) {
    const deviation = (values[i] as number) - average;
    squares.add(deviation * deviation);
    rest.add(deviation);
  }
  const drift = rest.value();
  const corrected = squares.value() - (drift * drift) / n;
  return { n, mean: average, squaredDeviations: corrected > 0 ? corrected : 0 };
};
