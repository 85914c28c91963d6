import { requireLabels, requireObject, requireSameLength, requireSample } from '../input.js';
import type { ScoredLabels } from './checks.js';

/**
 * Area under the ROC curve: the probability that a random row of class 1 has a higher score than a random row of
 * class 0, ties counting half (Mann-Whitney U / (n1 n0)). Depends on ranks only, so any finite score is accepted.
 *
 * null when all labels are of one class: there is no pair to compare, which a judge calls `noData`.
 *
 * @throws AnalysisInputError for no rows, labels other than 0 and 1, scores that are not finite, unequal lengths.
 *
 * @example
 * auc({ labels: [0, 0, 1, 1], probabilities: [0.1, 0.4, 0.35, 0.8] }); // 0.75
 */
export function auc(input: ScoredLabels): number | null {
  requireObject('input', input);
  const { labels, probabilities } = input;
  requireLabels('labels', labels);
  requireSample('probabilities', probabilities);
  requireSameLength('probabilities', probabilities, 'labels', labels);
  const positives: number[] = [];
  const negatives: number[] = [];
  for (let i = 0; i < labels.length; i++) (labels[i] === 1 ? positives : negatives).push(probabilities[i]!);
  if (positives.length === 0 || negatives.length === 0) return null;
  const high = Float64Array.from(positives).sort();
  const low = Float64Array.from(negatives).sort();
  // Whole and half wins, exact up to 2^52 pairs.
  let wins = 0;
  let below = 0;
  let notAbove = 0;
  for (const score of high) {
    while (below < low.length && low[below]! < score) below++;
    notAbove = Math.max(notAbove, below);
    while (notAbove < low.length && low[notAbove]! <= score) notAbove++;
    wins += below + (notAbove - below) / 2;
  }
  return wins / high.length / low.length;
}
