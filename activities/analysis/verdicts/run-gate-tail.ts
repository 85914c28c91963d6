import { gateMetrics } from './run-gate-metrics.js';
import type { GateMetricName } from './run-gate-types.js';

/** How much worse than the largest difference seen an unseen row is taken to be, when nobody says what a row can cost. */
const unseenTimesSeen = 5;

/** Rows too rare for this sample, and what they could add to the mean difference. */
export interface UnseenTail {
  /** Share of rows of which a sample of this size holds none with probability alpha: ln(1 / alpha) / n. */
  readonly share: number;
  /** Most by which such a row is worse than the other version's, in the unit of the loss. */
  readonly worstRow: number;
  /** What they could add to the mean beyond what the sample shows: share (worstRow - largest difference seen). */
  readonly mean: number;
}

/**
 * A sample in which rare, expensive rows do not occur looks light-tailed, and no statistic of it can tell: 29 % of the
 * samples of 500 rows hold none of a kind that is 1 in 400. What is known is how rare such rows are: with probability
 * 1 - alpha they are at most a share ln(1 / alpha) / n of all (the rule of three for alpha .05). With the worst cost B of
 * one row and the largest difference c that was seen, E (d - c)+ <= share (B - c); the bootstrap sees the rest.
 *
 * B is `worstRow` where it is stated (a clip, what one row can cost) and not refuted by a row that was seen, else 5
 * times the largest absolute difference seen, which is an assumption; at most 1 for the Brier score. Losses of 0 and 1
 * are judged by their number and leave nothing unseen.
 */
export function unseenTail(
  name: GateMetricName,
  differences: Float64Array,
  alpha: number,
  worstRow: number | undefined
): UnseenTail {
  const share = Math.log(1 / alpha) / differences.length;
  const { countsErrors, widestRow } = gateMetrics[name];
  let [seen, largest] = [0, 0];
  for (const difference of differences) {
    seen = Math.max(seen, difference);
    largest = Math.max(largest, Math.abs(difference));
  }
  // A stated cost that a row of the sample exceeds is refuted by it.
  const stated = worstRow !== undefined && worstRow >= seen ? worstRow : unseenTimesSeen * largest;
  const worst = Math.min(stated, widestRow);
  return { share, worstRow: worst, mean: countsErrors ? 0 : share * (worst - seen) };
}
