import { binomialCdf, kolmogorovSf, normalQuantile } from '../distributions/index.js';
import {
  chiSquareContingency,
  decileEdges,
  kolmogorovSmirnov,
  normedWasserstein,
  psi,
  wasserstein,
} from '../drift/index.js';
import type { Sample } from '../input.js';
import { sum } from '../sums.js';
import type { DriftComparison, DriftFeature, FeatureWindow } from './judge-drift-types.js';

/** Rows of a window that have a value. */
function presentRows({ counts, values }: FeatureWindow): number {
  return values === undefined ? sum(counts!) : values.length;
}

/** All rows of a window. */
export function allRows(window: FeatureWindow): number {
  return presentRows(window) + (window.missing ?? 0);
}

/** Compares the current window of a feature with one reference; both hold rows. */
export function compareWindows(
  kind: DriftFeature['kind'],
  referenceWindow: FeatureWindow,
  currentWindow: FeatureWindow,
  referenceTimes: number
): DriftComparison {
  const [reference, current] = [inOrder(referenceWindow), inOrder(currentWindow)];
  const binned = binnedPair(reference, current);
  const index = psi({
    reference: [...binned.reference, reference.missing ?? 0],
    current: [...binned.current, current.missing ?? 0],
  });
  const bothPresent = presentRows(reference) > 0 && presentRows(current) > 0;
  const shift = kind === 'categorical' ? null : bothPresent ? shiftOf(reference, current, binned) : 0;
  const referenceRows = allRows(reference);
  return {
    pValue: combinedP(kind, reference, current, binned, bothPresent),
    psi: index.value,
    psiNullQuantile99: index.nullQuantile99,
    shift,
    effect: Math.max(index.value, shift ?? 0),
    referenceRows,
    smallReference: referenceRows < referenceTimes * allRows(current),
  };
}

/** Every distance sorts what it gets, and sorting again what is in order costs a fraction. */
function inOrder(window: FeatureWindow): FeatureWindow {
  return window.values === undefined ? window : { ...window, values: new Float64Array(window.values).sort() };
}

interface Binned {
  readonly reference: readonly number[];
  readonly current: readonly number[];
}

function binnedPair(reference: FeatureWindow, current: FeatureWindow): Binned {
  if (reference.values === undefined) return { reference: [...reference.counts!], current: [...current.counts!] };
  const binOf = decileBins(reference.values);
  return { reference: countBins(reference.values, binOf), current: countBins(current.values!, binOf) };
}

const binCount = 19;

/**
 * Bins between the deciles of the reference, (previous, edge]. An edge that alone holds a tenth of the reference is a
 * point mass with a bin of its own, so that a column that leaves a constant is seen on either side.
 */
function decileBins(values: Sample): (value: number) => number {
  // A reference without any value has one bin: only missingness can be compared.
  if (values.length === 0) return () => 0;
  const edges = decileEdges(values);
  const masses = edges.map((edge) => Number(countEqual(values, edge) * 10 >= values.length));
  return (value) => {
    let edge = 0;
    while (edge < edges.length && value > edges[edge]!) edge += 1;
    return 2 * edge + (edges[edge] === value ? masses[edge]! : 0);
  };
}

function countEqual(values: Sample, wanted: number): number {
  let count = 0;
  for (const value of values) if (value === wanted) count += 1;
  return count;
}

function countBins(values: Sample, binOf: (value: number) => number): number[] {
  const counts = Array.from({ length: binCount }, () => 0);
  for (const value of values) counts[binOf(value)]! += 1;
  return counts;
}

/**
 * Shift in standard deviations. From values: {@link normedWasserstein}. From counts: Wasserstein distance between the
 * bins placed at the normal scores of the reference (the quantile of each bin's middle), over the standard deviation of
 * these scores: it depends on ranks only, and a shift of .2 standard deviations of a normal feature gives about .2.
 */
function shiftOf(reference: FeatureWindow, current: FeatureWindow, binned: Binned): number {
  if (reference.values !== undefined) {
    return normedWasserstein({ reference: reference.values, current: current.values! });
  }
  const total = sum(binned.reference);
  // Half a row at both ends keeps the scores of empty end bins finite.
  let below = 0;
  const scores = binned.reference.map((count) => {
    const middle = (below + count / 2 + 0.5) / (total + 1);
    below += count;
    return normalQuantile(middle);
  });
  const mean = scores.reduce((value, score, i) => value + (score * binned.reference[i]!) / total, 0);
  const variance = scores.reduce((value, score, i) => value + ((score - mean) ** 2 * binned.reference[i]!) / total, 0);
  // A reference in one bin has no scale: the PSI alone speaks.
  if (variance === 0) return 0;
  const distance = wasserstein({ x: scores, y: scores, xWeights: binned.reference, yWeights: binned.current });
  return distance / Math.sqrt(variance);
}

/** Values and missingness are two chances to reject: the smaller p-value counts twice. */
function combinedP(
  kind: DriftFeature['kind'],
  reference: FeatureWindow,
  current: FeatureWindow,
  binned: Binned,
  bothPresent: boolean
): number {
  const ofValues = bothPresent ? valuesP(kind, reference, current, binned) : 1;
  const missing = (reference.missing ?? 0) + (current.missing ?? 0);
  if (missing === 0) return ofValues;
  const ofMissing = missingP(current.missing ?? 0, missing, allRows(current) / (allRows(reference) + allRows(current)));
  return Math.min(1, (bothPresent ? 2 : 1) * Math.min(ofValues, ofMissing));
}

/** Two-sided binomial test of the share of missing rows that lie in the current window. */
function missingP(inCurrent: number, missing: number, share: number): number {
  const atMost = binomialCdf({ k: inCurrent, n: missing, p: share });
  const atLeast = binomialCdf({ k: missing - inCurrent, n: missing, p: 1 - share });
  return Math.min(1, 2 * Math.min(atMost, atLeast));
}

function valuesP(kind: DriftFeature['kind'], reference: FeatureWindow, current: FeatureWindow, binned: Binned): number {
  if (kind === 'categorical') return chiSquareContingency({ table: pooled(binned) }).pValue;
  if (reference.values !== undefined) {
    return kolmogorovSmirnov({ x: reference.values, y: current.values!, method: 'asymptotic' }).pValue;
  }
  return kolmogorovSf({ d: binnedDistance(binned), n: presentRows(reference), m: presentRows(current) });
}

/** Kolmogorov-Smirnov distance at the edges of the bins: at most that of the values, so its p-value is never too small. */
function binnedDistance({ reference, current }: Binned): number {
  const [n, m] = [sum(reference), sum(current)];
  let below = 0;
  let belowNow = 0;
  let largest = 0;
  reference.forEach((count, i) => {
    below += count;
    belowNow += current[i]!;
    largest = Math.max(largest, Math.abs(below / n - belowNow / m));
  });
  return Math.min(1, largest);
}

/** Categories with fewer than 5 expected rows on a side are pooled: the chi-square distribution wants at least that. */
function pooled({ reference, current }: Binned): number[][] {
  const share = sum(current) / (sum(reference) + sum(current));
  const smaller = Math.min(share, 1 - share);
  const rows: number[][] = [[0], [0]];
  reference.forEach((count, i) => {
    const together = count + current[i]!;
    if (together * smaller < 5) {
      rows[0]![0]! += count;
      rows[1]![0]! += current[i]!;
    } else {
      rows[0]!.push(count);
      rows[1]!.push(current[i]!);
    }
  });
  return rows;
}
