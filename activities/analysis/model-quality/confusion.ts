import { requireFinite } from '../input.js';
import { requireScoredLabels, type ScoredLabels } from './checks.js';

/** Input of {@link confusion}. */
export interface ThresholdInput extends ScoredLabels {
  /** A row is called class 1 when its probability is at least this. Any finite number. */
  readonly threshold: number;
}

/** Output of {@link confusion}. Ratios are in [0, 1] and null where the denominator is 0. */
export interface Confusion {
  readonly truePositives: number;
  readonly falsePositives: number;
  readonly trueNegatives: number;
  readonly falseNegatives: number;
  /** (TP + TN) / n. */
  readonly accuracy: number;
  /** TP / (TP + FP); null when nothing was called class 1. */
  readonly precision: number | null;
  /** TP / (TP + FN); null without rows of class 1. */
  readonly recall: number | null;
  /** 2 TP / (2 TP + FP + FN); null when all three are 0. */
  readonly f1: number | null;
  /** True positive rate, the same as recall. */
  readonly tpr: number | null;
  /** FP / (FP + TN); null without rows of class 0. */
  readonly fpr: number | null;
  /** Share of rows that are called class 1. */
  readonly selectionRate: number;
}

/**
 * Counts and rates of a two-class decision at a threshold; a row is called class 1 when its probability is >= it.
 *
 * @throws AnalysisInputError for no rows, labels other than 0 and 1, probabilities outside [0, 1], unequal lengths, a
 * threshold that is not finite.
 *
 * @example
 * confusion({ labels: [1, 0], probabilities: [0.9, 0.4], threshold: 0.5 }).accuracy; // 1
 */
export function confusion(input: ThresholdInput): Confusion {
  requireScoredLabels(input);
  requireFinite('threshold', input.threshold);
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < input.labels.length; i++) {
    const called = input.probabilities[i]! >= input.threshold ? 1 : 0;
    counts[2 * input.labels[i]! + called]! += 1;
  }
  const [trueNegatives, falsePositives, falseNegatives, truePositives] = counts as [number, number, number, number];
  const n = input.labels.length;
  const tpr = ratio(truePositives, truePositives + falseNegatives);
  return {
    truePositives,
    falsePositives,
    trueNegatives,
    falseNegatives,
    accuracy: (truePositives + trueNegatives) / n,
    precision: ratio(truePositives, truePositives + falsePositives),
    recall: tpr,
    f1: ratio(2 * truePositives, 2 * truePositives + falsePositives + falseNegatives),
    tpr,
    fpr: ratio(falsePositives, falsePositives + trueNegatives),
    selectionRate: (truePositives + falsePositives) / n,
  };
}

function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}
