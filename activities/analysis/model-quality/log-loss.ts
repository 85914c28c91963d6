import { createSum } from '../sums.js';
import { requireScoredLabels, type ScoredLabels } from './checks.js';

/** Smallest probability that a loss is computed from: -ln of it, 34.54, is the largest loss of one row. */
const clipAt = 1e-15;

/** Output of {@link logLossDetails}. */
export interface LogLossDetails {
  /** Mean of -ln(probability given to the true class), in nats. */
  readonly value: number;
  /** Rows whose true class was given less than 1e-15; they count with -ln(1e-15) = 34.54. */
  readonly clipped: number;
  readonly n: number;
}

/**
 * Log loss of one row: -ln(p) for label 1, -ln(1 - p) for label 0, in nats, at most -ln(1e-15).
 * Nothing is checked: for the inner loop of a gate.
 */
export function rowLogLoss(label: number, probability: number): number {
  if (label === 1) return -Math.log(Math.max(probability, clipAt));
  // 1 - p is exact near 1; log1p keeps the digits of a tiny p.
  return 1 - probability < clipAt ? -Math.log(clipAt) : -Math.log1p(-probability);
}

/**
 * Log loss with the number of clipped rows. The clip is the same on both sides: a sure model that is wrong pays
 * -ln(1e-15) whether it said 0 or 1.
 *
 * @throws AnalysisInputError for no rows, labels other than 0 and 1, probabilities outside [0, 1], unequal lengths.
 */
export function logLossDetails(input: ScoredLabels): LogLossDetails {
  requireScoredLabels(input);
  const { labels, probabilities } = input;
  const total = createSum();
  let clipped = 0;
  for (let i = 0; i < labels.length; i++) {
    const ofTrueClass = labels[i] === 1 ? probabilities[i]! : 1 - probabilities[i]!;
    if (ofTrueClass < clipAt) clipped++;
    total.add(rowLogLoss(labels[i]!, probabilities[i]!));
  }
  // + 0 turns the -0 of a perfect model into 0.
  return { value: total.value() / labels.length + 0, clipped, n: labels.length };
}

/**
 * Log loss: mean of -ln(probability given to the true class), natural logarithm, clipped at 1e-15.
 * 0 is perfect, ln 2 = .693 is a coin. See {@link logLossDetails} for the number of clipped rows.
 *
 * @throws AnalysisInputError as {@link logLossDetails}.
 *
 * @example
 * logLoss({ labels: [1, 0], probabilities: [0.9, 0.4] }); // 0.3080930697…
 */
export function logLoss(input: ScoredLabels): number {
  return logLossDetails(input).value;
}
