import { requireArray, requireObject, requireSameLength } from '../input.js';
import { confusion, type Confusion, type ThresholdInput } from './confusion.js';

/** Input of {@link fairness}. */
export interface FairnessInput extends ThresholdInput {
  /** Group of each row. */
  readonly groups: readonly (string | number)[];
}

/** Output of {@link fairness}. null where a group lacks the rows that the number needs. */
export interface Fairness {
  /** Largest minus smallest selection rate of the groups; null with fewer than two groups. */
  readonly demographicParityDifference: number | null;
  /** Smallest over largest selection rate (the four-fifths rule asks for .8); null when no group selects anybody. */
  readonly demographicParityRatio: number | null;
  /** The larger of the spreads of tpr and fpr; null when a group has no row of class 1 or none of class 0. */
  readonly equalizedOddsDifference: number | null;
  /** Counts and rates of each group; `n` is its number of rows: judge no group that has few. */
  readonly byGroup: Readonly<Record<string, Confusion & { readonly n: number }>>;
}

/**
 * Differences between groups of rows in what a decision at a threshold does to them, as fairlearn defines them
 * (method `between_groups`, worst case over tpr and fpr).
 *
 * @throws AnalysisInputError for no rows, labels other than 0 and 1, probabilities outside [0, 1], unequal lengths.
 *
 * @example
 * fairness({ labels: [1, 0], probabilities: [0.9, 0.4], threshold: 0.5, groups: ['a', 'b'] }).demographicParityDifference; // 1
 */
export function fairness(input: FairnessInput): Fairness {
  requireObject('input', input);
  requireArray('groups', input.groups, 1);
  // Checks all rows at once, so that an error names the row of the caller and not that of a group.
  confusion(input);
  requireSameLength('groups', input.groups, 'labels', input.labels);
  const rowsOf = new Map<string, number[]>();
  input.groups.forEach((group, i) => {
    const name = String(group);
    const rows = rowsOf.get(name);
    if (rows === undefined) rowsOf.set(name, [i]);
    else rows.push(i);
  });
  const groups = [...rowsOf].map(([name, rows]) => {
    const labels = rows.map((i) => input.labels[i]!);
    const probabilities = rows.map((i) => input.probabilities[i]!);
    return [name, { ...confusion({ labels, probabilities, threshold: input.threshold }), n: rows.length }] as const;
  });
  const selection = groups.map(([, group]) => group.selectionRate);
  const tprSpread = spread(groups.map(([, group]) => group.tpr));
  const fprSpread = spread(groups.map(([, group]) => group.fpr));
  const top = Math.max(...selection);
  return {
    demographicParityDifference: spread(selection),
    demographicParityRatio: groups.length < 2 || top === 0 ? null : Math.min(...selection) / top,
    equalizedOddsDifference: tprSpread === null || fprSpread === null ? null : Math.max(tprSpread, fprSpread),
    byGroup: Object.fromEntries(groups),
  };
}

function spread(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length < values.length || known.length < 2 ? null : Math.max(...known) - Math.min(...known);
}
