import { requireArray, requireObject, requireSample, requireSameLength, type Sample } from '../input.js';
import { createSum } from '../sums.js';
import { requireRange, requireTotal } from './checks.js';
import { totalVariation } from './distances.js';
import { sortedQuantile } from '../two-arms/paired-bootstrap.js';

/** Input of {@link wasserstein} and {@link energyDistance}. */
export interface WeightedSamples {
  /** One sample: finite numbers, at least one. */
  readonly x: Sample;
  /** The other sample. */
  readonly y: Sample;
  /** Weight per value of x: finite, at least 0, not all 0. Default: equal weights. */
  readonly xWeights?: Sample;
  /** Weight per value of y. */
  readonly yWeights?: Sample;
}

/**
 * First Wasserstein distance: the integral of |F - G|, the least mean distance by which the values of one sample must
 * be moved to become the other. In the unit of the values. One value of 1e8 moves it without limit: for drift use
 * {@link normedWasserstein}.
 *
 * @throws AnalysisInputError for empty samples, values that are not finite, weights of another length, negative or all 0.
 *
 * @example
 * wasserstein({ x: [0, 1, 3], y: [5, 6, 8] }); // 5
 */
export function wasserstein(input: WeightedSamples): number {
  return integrate(input, (gap) => gap);
}

/**
 * Energy distance: sqrt(2 times the integral of (F - G)^2), as SciPy. 0 exactly when the distributions are equal.
 *
 * @throws AnalysisInputError as {@link wasserstein}.
 *
 * @example
 * energyDistance({ x: [0], y: [2] }); // 2
 */
export function energyDistance(input: WeightedSamples): number {
  return Math.sqrt(2 * integrate(input, (gap) => gap * gap));
}

/** Input of {@link normedWasserstein}. */
export interface NormedWassersteinInput {
  /** Finite numbers, at least one. */
  readonly reference: Sample;
  /** Finite numbers, at least one. */
  readonly current: Sample;
  /**
   * Both sides are clipped to the type-7 quantiles [clip, 1 - clip] of the reference; in [0, .5), 0 clips to its range.
   * Default: the larger of .001 and 5 / reference size; for a reference of 10 values or fewer 0.
   */
  readonly clip?: number;
}

/**
 * Wasserstein distance in standard deviations of the reference, safe against outliers: both sides are clipped to the
 * reference's quantiles and the distance is divided by the population standard deviation of the clipped reference.
 * A shift of .2 standard deviations gives about .2.
 *
 * When the clipped reference is constant there is no scale: the result is then the total variation distance of the
 * shares below, at and above that constant, 0 to 1; for a constant reference the share of current values that left it.
 *
 * @throws AnalysisInputError for empty samples, values that are not finite, a clip outside [0, .5).
 *
 * @example
 * normedWasserstein({ reference: [1, 2, 3, 4], current: [2, 3, 4, 5], clip: 0 }); // 0.67082…: 5 is clipped to 4
 */
export function normedWasserstein(input: NormedWassersteinInput): number {
  requireObject('input', input);
  requireSample('reference', input.reference);
  requireSample('current', input.current);
  const reference = new Float64Array(input.reference).sort();
  const { low, high } = clipLimits(reference, input.clip);
  if (low === high) {
    const sides = (values: Sample): number[] => {
      const below = values.filter((value: number) => value < low).length;
      const above = values.filter((value: number) => value > low).length;
      return [below, values.length - below - above, above];
    };
    return totalVariation({ reference: sides(input.reference), current: sides(input.current) });
  }
  // Scaled to [0, 1] first, so that neither a difference nor a square can overflow or vanish.
  const half = high - low < Infinity ? 1 : 0.5;
  const scaled = (value: number): number => {
    const clipped = Math.min(Math.max(value, low), high);
    return (clipped * half - low * half) / (high * half - low * half);
  };
  const x = reference.map(scaled);
  const y = Float64Array.from(input.current, scaled);
  return integrate({ x, y }, (gap) => gap) / populationDeviation(x);
}

function clipLimits(reference: Float64Array, clip: number | undefined): { low: number; high: number } {
  if (clip !== undefined) requireRange('clip', clip, { min: 0, max: 0.5, open: 'max' });
  const byDefault = reference.length <= 10 ? 0 : Math.max(0.001, 5 / reference.length);
  const q = clip ?? byDefault;
  return { low: sortedQuantile(reference, q), high: sortedQuantile(reference, 1 - q) };
}

function populationDeviation(values: Float64Array): number {
  const total = createSum();
  for (const value of values) total.add(value);
  const mean = total.value() / values.length;
  const squares = createSum();
  for (const value of values) squares.add((value - mean) ** 2);
  return Math.sqrt(squares.value() / values.length);
}

/** Values in ascending order with the share of weight up to and including each. */
interface Cumulative {
  readonly values: Float64Array;
  readonly shares: Float64Array;
}

/** Integral of f(|F - G|) over the line. */
function integrate(input: WeightedSamples, f: (gap: number) => number): number {
  requireObject('input', input);
  const x = cumulative('x', input.x, 'xWeights', input.xWeights);
  const y = cumulative('y', input.y, 'yWeights', input.yWeights);
  const total = createSum();
  let i = 0;
  let j = 0;
  let previous = Math.min(x.values[0]!, y.values[0]!);
  while (i < x.values.length || j < y.values.length) {
    const next = Math.min(x.values[i] ?? Infinity, y.values[j] ?? Infinity);
    const gap = Math.abs((i === 0 ? 0 : x.shares[i - 1]!) - (j === 0 ? 0 : y.shares[j - 1]!));
    // Without a gap nothing is added, even when the step overflows.
    if (gap > 0) total.add(f(gap) * (next - previous));
    while (i < x.values.length && x.values[i]! <= next) i++;
    while (j < y.values.length && y.values[j]! <= next) j++;
    previous = next;
  }
  return total.value();
}

function cumulative(field: string, sample: Sample, weightField: string, weights: Sample | undefined): Cumulative {
  requireSample(field, sample);
  if (weights === undefined) {
    const values = new Float64Array(sample).sort();
    return { values, shares: values.map((_, i) => (i + 1) / values.length) };
  }
  requireArray(weightField, weights);
  requireSameLength(weightField, weights, field, sample);
  const total = requireTotal(weightField, weights);
  const order = Uint32Array.from(sample, (_, i) => i).sort((a, b) => sample[a]! - sample[b]!);
  const running = createSum();
  const shares = new Float64Array(order.length);
  order.forEach((index, i) => {
    running.add(weights[index]!);
    shares[i] = Math.min(1, running.value() / total);
  });
  return { values: Float64Array.from(order, (index) => sample[index]!), shares };
}
