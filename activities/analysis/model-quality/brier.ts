import { sumOf } from '../sums.js';
import { requireScoredLabels, type ScoredLabels } from './checks.js';

/**
 * Brier score: mean of (probability - label)^2. 0 is perfect, .25 is a coin, 1 is always wrong and sure.
 *
 * @throws AnalysisInputError for no rows, labels other than 0 and 1, probabilities outside [0, 1], unequal lengths.
 *
 * @example
 * brier({ labels: [1, 0], probabilities: [0.9, 0.4] }); // 0.085
 */
export function brier(input: ScoredLabels): number {
  requireScoredLabels(input);
  const { labels, probabilities } = input;
  return sumOf(labels.length, (i) => (probabilities[i]! - labels[i]!) ** 2) / labels.length;
}
