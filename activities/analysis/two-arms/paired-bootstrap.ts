import {
  reject,
  requireArray,
  requireCount,
  requireFinite,
  requireObject,
  requireSameLength,
  requireSample,
  requireShare,
  type Sample,
} from '../input.js';
import { createRandom, type Random } from '../random.js';
import { mean, safeScale, sumOf } from '../sums.js';

/**
 * A statistic of a resample: the candidate's value minus the champion's when row i counts `weights[i]` times
 * (all ones: the data themselves). It must not keep the array: the next resample reuses it.
 */
export type WeightedStatistic = (weights: Float64Array) => number;

/** Input of {@link pairedBootstrap}. */
export interface PairedBootstrapInput {
  /** Loss of the champion per row. */
  readonly champion: Sample;
  /** Loss of the candidate on the same rows, in the same order (joined by key before). */
  readonly candidate: Sample;
  /** Cluster of each row (a day, a user): whole clusters are resampled. */
  readonly clusters?: readonly (string | number)[];
  /** `'mean'` (default): mean loss of the candidate minus that of the champion. */
  readonly statistic?: 'mean' | WeightedStatistic;
  readonly confidence: number;
  /** Default 2,000; a gate that denies takes 10,000. */
  readonly iterations?: number;
  readonly seed: number;
}

/** A percentile interval of a paired difference. */
export interface PairedBootstrapResult {
  /** Candidate minus champion on the data themselves. */
  readonly difference: number;
  readonly lower: number;
  readonly upper: number;
  /** Rows. */
  readonly n: number;
  /** Clusters; the number of rows where none were given. */
  readonly clusterCount: number;
  /**
   * True when the 1 % (at least one) largest absolute differences carry more than half of their variance, among rows
   * or among cluster totals: the interval is then too narrow and the caller must not decide on it.
   */
  readonly heavyTail: boolean;
}

const HEAVY_SHARE = 0.01;
const HEAVY_VARIANCE = 0.5;

const isHeavy = (differences: Float64Array): boolean => {
  const n = differences.length;
  const scale = safeScale(differences);
  if (scale !== 1) return isHeavy(differences.map((value) => value * scale));
  const centre = mean(differences);
  const total = sumOf(n, (i) => ((differences[i] as number) - centre) ** 2);
  if (total === 0) return false;
  const bySize = Float64Array.from(differences).sort((a, b) => Math.abs(b) - Math.abs(a));
  const top = sumOf(Math.ceil(n * HEAVY_SHARE), (i) => ((bySize[i] as number) - centre) ** 2);
  return top > HEAVY_VARIANCE * total;
};

/** Rows by cluster: cluster number of each row, in order of first appearance. */
const indexClusters = (clusters: readonly (string | number)[]): { readonly of: Int32Array; readonly count: number } => {
  const numbers = new Map<string | number, number>();
  const of = new Int32Array(clusters.length);
  for (const [i, cluster] of clusters.entries()) {
    if (typeof cluster !== 'string') requireFinite(`clusters[${i}]`, cluster);
    let number = numbers.get(cluster);
    if (number === undefined) {
      number = numbers.size;
      numbers.set(cluster, number);
    }
    of[i] = number;
  }
  return { of, count: numbers.size };
};

/** Mean difference of resamples from per-unit totals and sizes. */
const meanResamples = (random: Random, totals: Float64Array, sizes: Float64Array, replicates: Float64Array): void => {
  const units = totals.length;
  for (let r = 0; r < replicates.length; r += 1) {
    let total = 0;
    let size = 0;
    for (let i = 0; i < units; i += 1) {
      const pick = Math.floor(random.uniform() * units);
      total += totals[pick] as number;
      size += sizes[pick] as number;
    }
    replicates[r] = total / size;
  }
};

const weightedResamples = (
  random: Random,
  clusterOf: Int32Array,
  units: number,
  statistic: WeightedStatistic,
  replicates: Float64Array
): void => {
  const picks = new Float64Array(units);
  const weights = new Float64Array(clusterOf.length);
  for (let r = 0; r < replicates.length; r += 1) {
    picks.fill(0);
    for (let i = 0; i < units; i += 1) {
      const pick = Math.floor(random.uniform() * units);
      picks[pick] = (picks[pick] as number) + 1;
    }
    for (let i = 0; i < weights.length; i += 1) weights[i] = picks[clusterOf[i] as number] as number;
    const value = statistic(weights);
    if (Number.isNaN(value)) reject('statistic', 'a function that returns a number for every resample', value);
    replicates[r] = value;
  }
};

/** Quantile of a sorted sample by linear interpolation between order statistics (type 7 of Hyndman and Fan). */
export const sortedQuantile = (sorted: Sample, share: number): number => {
  const position = (sorted.length - 1) * share;
  const below = Math.floor(position);
  const low = sorted[below] as number;
  const rest = position - below;
  if (rest === 0) return low;
  const high = sorted[below + 1] as number;
  if (low === high) return low;
  return high - low < Infinity ? low + rest * (high - low) : low * (1 - rest) + high * rest;
};

/**
 * Percentile bootstrap of a paired difference, candidate minus champion, over rows or whole clusters (Efron 1979;
 * clusters: Field and Welsh 2007). The same seed gives the same interval.
 * Throws `AnalysisInputError` for empty or unequal columns, values that are not finite, a confidence outside (0, 1),
 * fewer than 1 iteration, a seed that is not a whole number, or a statistic that returns NaN.
 */
export const pairedBootstrap = (input: PairedBootstrapInput): PairedBootstrapResult => {
  requireObject('input', input);
  const { champion, candidate, clusters, statistic = 'mean', confidence, iterations = 2_000, seed } = input;
  requireSample('champion', champion);
  requireSample('candidate', candidate);
  requireSameLength('candidate', candidate, 'champion', champion);
  requireShare('confidence', confidence);
  requireCount('iterations', iterations, 1);
  if (statistic !== 'mean' && typeof statistic !== 'function') {
    reject('statistic', `'mean' or a function of weights`, statistic);
  }
  const n = champion.length;
  if (clusters !== undefined) {
    requireArray('clusters', clusters);
    requireSameLength('clusters', clusters, 'champion', champion);
  }
  // Below 1 for values whose sums would overflow; a power of two, so that it changes no digit.
  const scale = statistic === 'mean' ? Math.min(1, safeScale(champion, candidate)) : 1;
  const differences = Float64Array.from(
    { length: n },
    (_, i) => (candidate[i] as number) * scale - (champion[i] as number) * scale
  );
  const { of, count } =
    clusters === undefined ? { of: Int32Array.from({ length: n }, (_, i) => i), count: n } : indexClusters(clusters);
  const totals = new Float64Array(count);
  const sizes = new Float64Array(count);
  for (let i = 0; i < n; i += 1) {
    const cluster = of[i] as number;
    totals[cluster] = (totals[cluster] as number) + (differences[i] as number);
    sizes[cluster] = (sizes[cluster] as number) + 1;
  }
  const random = createRandom(seed);
  const replicates = new Float64Array(iterations);
  if (statistic === 'mean') meanResamples(random, totals, sizes, replicates);
  else weightedResamples(random, of, count, statistic, replicates);
  replicates.sort();
  const tail = (1 - confidence) / 2;
  return {
    difference: statistic === 'mean' ? mean(differences) / scale : statistic(new Float64Array(n).fill(1)),
    lower: sortedQuantile(replicates, tail) / scale,
    upper: sortedQuantile(replicates, 1 - tail) / scale,
    n,
    clusterCount: count,
    heavyTail: isHeavy(differences) || (clusters !== undefined && isHeavy(totals)),
  };
};
