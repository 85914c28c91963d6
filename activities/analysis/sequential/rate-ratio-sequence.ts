import { requireArray, requireCounts, requireObject, requireParameter, requireShare, type Counts } from '../input.js';
import { countEvidence, type EventSplit } from './count-evidence.js';
import { DEFAULT_PRIOR_STRENGTH, splitOf } from './count-test.js';
import { lastNonNegative } from './crossing.js';

/** Counts of both arms within one traffic step; cumulative within the step. */
export interface RateStep {
  readonly candidate: Counts;
  readonly champion: Counts;
}

/** Input of {@link rateRatioSequence}; `alpha` is spent on each side. */
export interface RateRatioInput {
  readonly steps: readonly RateStep[];
  readonly alpha: number;
  readonly priorStrength?: number;
}

/** A running interval of the ratio of rates. */
export interface RateRatioInterval {
  /** Mantel-Haenszel ratio of rates over the steps; Infinity without champion events, null without any event. */
  readonly estimate: number | null;
  readonly lower: number;
  readonly upper: number;
  /** Trials of both arms over all steps. */
  readonly n: number;
}

/** ln of the evidence that the ratio of rates is above (`'greater'`) or below (`'less'`) `ratio`, over all steps. */
const stepsEvidence = (
  splits: readonly EventSplit[],
  ratio: number,
  alternative: 'greater' | 'less',
  priorStrength: number
): number => {
  let total = 0;
  for (const split of splits) total += countEvidence(split, ratio, alternative, priorStrength);
  return total;
};

/** Farthest ratio that is looked at, as a logarithm: e^40 and e^-40. */
const FARTHEST = 40;

/** The end of the set of ratios not rejected on one side of the estimate; null when nothing out to e^40 is rejected. */
const endOf = (
  splits: readonly EventSplit[],
  alternative: 'greater' | 'less',
  needed: number,
  priorStrength: number,
  start: number
): number | null => {
  const excess = (logRatio: number): number =>
    stepsEvidence(splits, Math.exp(logRatio), alternative, priorStrength) - needed;
  // 'greater' is rejected towards 0, 'less' towards infinity: walk from the estimate until it is.
  const direction = alternative === 'greater' ? -1 : 1;
  let outside = start;
  // The estimate itself may be rejected when steps disagree: step back first.
  for (let stride = 0.5; excess(outside) >= 0; stride *= 2) outside -= direction * stride;
  let inside = outside;
  for (let stride = 0.5; excess(inside) < 0; stride *= 2) {
    outside = inside;
    inside += direction * stride;
    if (Math.abs(inside) > FARTHEST) return null;
  }
  return Math.exp(lastNonNegative(excess, inside, outside));
};

/** As {@link rateRatioSequence} without checks, on splits; `n` is passed through. */
export const ratioIntervalOf = (
  splits: readonly EventSplit[],
  alpha: number,
  priorStrength: number
): { readonly estimate: number | null; readonly lower: number; readonly upper: number } => {
  // A step with an empty arm has a share of 0 or 1, and so no weight.
  let candidateWeight = 0;
  let championWeight = 0;
  for (const { candidateEvents, championEvents, candidateShare, championShare } of splits) {
    candidateWeight += candidateEvents * championShare;
    championWeight += championEvents * candidateShare;
  }
  const estimate = candidateWeight + championWeight === 0 ? null : candidateWeight / championWeight;
  const needed = -Math.log(alpha);
  // A half event keeps the start of the walk finite when one arm has none.
  const start = Math.log((candidateWeight + 0.25) / (championWeight + 0.25));
  const lower = candidateWeight === 0 ? null : endOf(splits, 'greater', needed, priorStrength, start);
  const upper = championWeight === 0 ? null : endOf(splits, 'less', needed, priorStrength, start);
  return { estimate, lower: lower ?? 0, upper: upper ?? Infinity };
};

/**
 * Running interval of the ratio of the candidate's event rate to the champion's: the ratios that the product over steps
 * of one-sided count tests does not reject, each side at `alpha`. Valid at any stop; steps are combined, never pooled.
 * `lower` comes from the test of "greater", `upper` from that of "less"; 0 and Infinity until there is evidence.
 * Throws `AnalysisInputError` for malformed counts, `alpha` outside (0, 1) or a strength that is not positive.
 */
export const rateRatioSequence = (input: RateRatioInput): RateRatioInterval => {
  requireObject('input', input);
  const { steps, alpha, priorStrength = DEFAULT_PRIOR_STRENGTH } = input;
  requireArray('steps', steps);
  requireShare('alpha', alpha);
  requireParameter('priorStrength', priorStrength);
  let n = 0;
  for (const [i, step] of steps.entries()) {
    requireObject(`steps[${i}]`, step);
    requireCounts(`steps[${i}].candidate`, step.candidate);
    requireCounts(`steps[${i}].champion`, step.champion);
    n += step.candidate.trials + step.champion.trials;
  }
  const splits = steps.map(({ candidate, champion }) => splitOf(candidate, champion));
  return { ...ratioIntervalOf(splits, alpha, priorStrength), n };
};
