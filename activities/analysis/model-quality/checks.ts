import { requireLabels, requireObject, requireProbabilities, requireSameLength, type Sample } from '../input.js';

/** Labels of a two-class problem and what a model said about them. */
export interface ScoredLabels {
  /** 0 or 1 per row, at least one row. */
  readonly labels: Sample;
  /** Probability of class 1 per row, in [0, 1], same order. */
  readonly probabilities: Sample;
}

/** Throws unless there is at least one row, labels are 0 or 1, and probabilities lie in [0, 1]. */
export function requireScoredLabels(input: ScoredLabels): void {
  requireObject('input', input);
  const { labels, probabilities } = input;
  requireLabels('labels', labels);
  requireProbabilities('probabilities', probabilities);
  requireSameLength('probabilities', probabilities, 'labels', labels);
}
