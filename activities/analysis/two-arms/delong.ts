import { requireLabels, requireObject, requireSameLength, requireSample, requireShare, type Sample } from '../input.js';
import { createSum } from '../sums.js';
import { intervalZ, normalPValue } from './proportions.js';

/** Input of {@link delong}: 0/1 labels and the scores of both models on the same rows; `confidence` defaults to .95. */
export interface DelongInput {
  readonly labels: Sample;
  readonly champion: Sample;
  readonly candidate: Sample;
  readonly confidence?: number;
}

/** Two areas under the ROC curve on the same rows. */
export interface DelongResult {
  /** Null when the labels are of one class. */
  readonly aucChampion: number | null;
  readonly aucCandidate: number | null;
  /** Positive when the candidate's area is larger. */
  readonly statistic: number;
  readonly pValue: number;
  /** Interval of candidate minus champion, within [-1, 1]. */
  readonly lower: number;
  readonly upper: number;
}

/** Average ranks (ties share theirs) of the values at the given positions. */
const midranks = (values: Sample, positions: Int32Array): Float64Array => {
  const order = Int32Array.from(positions.keys()).sort(
    (a, b) => (values[positions[a] as number] as number) - (values[positions[b] as number] as number)
  );
  const at = (i: number): number => values[positions[order[i] as number] as number] as number;
  const ranks = new Float64Array(positions.length);
  for (let i = 0; i < order.length;) {
    let j = i + 1;
    while (j < order.length && at(j) === at(i)) j += 1;
    for (let k = i; k < j; k += 1) ranks[order[k] as number] = (i + j + 1) / 2;
    i = j;
  }
  return ranks;
};

/** Placement of each positive among the negatives and of each negative among the positives. */
interface Placements {
  readonly auc: number;
  readonly positive: Float64Array;
  readonly negative: Float64Array;
}

const placementsOf = (scores: Sample, positives: Int32Array, negatives: Int32Array): Placements => {
  const m = positives.length;
  const n = negatives.length;
  const all = new Int32Array(m + n);
  all.set(positives);
  all.set(negatives, m);
  const joint = midranks(scores, all);
  const own = midranks(scores, positives);
  const others = midranks(scores, negatives);
  const positive = Float64Array.from(own, (rank, i) => ((joint[i] as number) - rank) / n);
  const negative = Float64Array.from(others, (rank, i) => 1 - ((joint[m + i] as number) - rank) / m);
  const total = createSum();
  for (let i = 0; i < m; i += 1) total.add((joint[i] as number) - (own[i] as number));
  return { auc: total.value() / m / n, positive, negative };
};

/** Variance of the mean of the differences of two columns. */
const meanVariance = (one: Float64Array, two: Float64Array): number => {
  const n = one.length;
  const total = createSum();
  for (let i = 0; i < n; i += 1) total.add((one[i] as number) - (two[i] as number));
  const centre = total.value() / n;
  const squares = createSum();
  for (let i = 0; i < n; i += 1) squares.add(((one[i] as number) - (two[i] as number) - centre) ** 2);
  return squares.value() / (n - 1) / n;
};

/**
 * DeLong's test of two correlated areas under the ROC curve (DeLong et al. 1988) in n log n by midranks (Sun and Xu
 * 2014). Identical rankings: statistic 0, p-value 1, interval [0, 0]. One class: areas null. A variance that cannot be
 * estimated (one row of a class, or separation without spread): statistic 0, p-value 1, interval [-1, 1].
 * Throws `AnalysisInputError` for empty or unequal columns, labels other than 0 and 1, scores that are not finite.
 */
export const delong = (input: DelongInput): DelongResult => {
  requireObject('input', input);
  const { labels, champion, candidate, confidence = 0.95 } = input;
  requireLabels('labels', labels);
  requireSample('champion', champion);
  requireSample('candidate', candidate);
  requireSameLength('champion', champion, 'labels', labels);
  requireSameLength('candidate', candidate, 'labels', labels);
  requireShare('confidence', confidence);
  const rows = Int32Array.from({ length: labels.length }, (_, i) => i);
  const positives = rows.filter((i) => labels[i] === 1);
  const negatives = rows.filter((i) => labels[i] === 0);
  const unknown = { statistic: 0, pValue: 1, lower: -1, upper: 1 };
  if (positives.length === 0 || negatives.length === 0) return { aucChampion: null, aucCandidate: null, ...unknown };
  const one = placementsOf(candidate, positives, negatives);
  const two = placementsOf(champion, positives, negatives);
  const areas = { aucChampion: two.auc, aucCandidate: one.auc };
  if (same(one.positive, two.positive) && same(one.negative, two.negative)) {
    return { ...areas, statistic: 0, pValue: 1, lower: 0, upper: 0 };
  }
  if (positives.length === 1 || negatives.length === 1) return { ...areas, ...unknown };
  const variance = meanVariance(one.positive, two.positive) + meanVariance(one.negative, two.negative);
  if (variance === 0) return { ...areas, ...unknown };
  const standardError = Math.sqrt(variance);
  const difference = one.auc - two.auc;
  const statistic = difference / standardError;
  const half = intervalZ(confidence) * standardError;
  return {
    ...areas,
    statistic,
    pValue: normalPValue(statistic, 'two-sided'),
    lower: Math.max(-1, difference - half),
    upper: Math.min(1, difference + half),
  };
};

const same = (one: Float64Array, two: Float64Array): boolean => one.every((value, i) => value === two[i]);
