import { normalQuantile } from '../distributions/index.js';
import { requireCount, requireFinite, requireNonNegative, requireObject, requireShare } from '../input.js';

/** Input of {@link toleratedLoss}: the loss at release, as it was estimated. */
export interface ToleratedLossInput {
  /** Mean loss on rows the model was not trained on. */
  readonly mean: number;
  /** Standard deviation of the loss of one row. */
  readonly standardDeviation: number;
  /** Labels the mean was computed from, at least 1. */
  readonly n: number;
  /** Rise of the mean loss that is accepted, at least 0. */
  readonly tolerance: number;
  /** One-sided confidence of the upper limit, in (.5, 1). Default .99. */
  readonly confidence?: number;
}

/**
 * Mean loss to give to {@link eDetector} as `tolerated`: the upper confidence limit of the loss at release plus the
 * tolerance. A loss that was estimated too low by chance would otherwise raise an alarm sooner or later although nothing
 * changed: with 500 labels in about one stream of eight within a year of windows.
 *
 * @throws AnalysisInputError for numbers that are not finite, negative spread or tolerance, n below 1, a confidence
 * outside (0, 1).
 *
 * @example
 * toleratedLoss({ mean: 0.2, standardDeviation: 0.4, n: 2000, tolerance: 0.02 }); // 0.2408
 */
export function toleratedLoss(input: ToleratedLossInput): number {
  requireObject('input', input);
  const { mean, standardDeviation, n, tolerance, confidence = 0.99 } = input;
  requireFinite('mean', mean);
  requireNonNegative('standardDeviation', standardDeviation);
  requireCount('n', n, 1);
  requireNonNegative('tolerance', tolerance);
  requireShare('confidence', confidence);
  return mean + normalQuantile(confidence) * (standardDeviation / Math.sqrt(n)) + tolerance;
}
