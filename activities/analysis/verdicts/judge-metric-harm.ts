import { countEvidence, type EventSplit } from '../sequential/count-evidence.js';
import { csFactor } from '../sequential/asymptotic-cs.js';
import { lastNonNegative } from '../sequential/crossing.js';
import { ratioIntervalOf } from '../sequential/rate-ratio-sequence.js';
import { isCounts, isMoments, MEAN_BURN_IN, SQUARES_ROUNDING } from './judge-metric-input.js';
import type { ArmMoments, Harm, MetricStep, ResolvedSpec } from './judge-metric-types.js';

/** Whether the candidate's own rate is proven below `ignoreBelow`: the count test 'less' against that fixed share. */
export const isSmall = (
  events: number,
  trials: number,
  alpha: number,
  spec: Pick<ResolvedSpec, 'ignoreBelow' | 'priorStrength' | 'overdispersion'>
): boolean => {
  if (spec.ignoreBelow === null || trials === 0) return false;
  const split: EventSplit = {
    candidateEvents: events / spec.overdispersion,
    championEvents: (trials - events) / spec.overdispersion,
    candidateShare: spec.ignoreBelow,
    championShare: 1 - spec.ignoreBelow,
  };
  return countEvidence(split, 1, 'less', spec.priorStrength) >= -Math.log(alpha);
};

/** Splits of the steps in which both arms were counted, harmful arm first. */
const harmSplits = (
  steps: readonly MetricStep[],
  spec: Pick<ResolvedSpec, 'direction' | 'overdispersion'>
): EventSplit[] => {
  const splits: EventSplit[] = [];
  for (const { candidate, champion } of steps) {
    if (!isCounts(candidate) || !isCounts(champion)) continue;
    const trials = candidate.trials + champion.trials;
    if (trials === 0) continue;
    const [harmful, other] = spec.direction === 'lowerIsBetter' ? [candidate, champion] : [champion, candidate];
    splits.push({
      candidateEvents: harmful.events / spec.overdispersion,
      championEvents: other.events / spec.overdispersion,
      candidateShare: harmful.trials / trials,
      championShare: other.trials / trials,
    });
  }
  return splits;
};

/** Harm of an event rate: the ratio by the product over steps, the own rate pooled over steps. */
export const rateHarm = (steps: readonly MetricStep[], alpha: number, spec: ResolvedSpec): Harm => {
  const interval = ratioIntervalOf(harmSplits(steps, spec), alpha, spec.priorStrength);
  let events = 0;
  let trials = 0;
  for (const { candidate } of steps) {
    if (!isCounts(candidate)) continue;
    events += candidate.events;
    trials += candidate.trials;
  }
  const lacking = interval.estimate === null ? ['no event in either arm: a ratio cannot be judged'] : [];
  if (interval.lower > interval.upper)
    lacking.push('the steps contradict each other: no single ratio fits all of them');
  return { ...interval, small: isSmall(events, trials, alpha, spec), lacking };
};

/** Mean of an arm and the variance of that mean. */
interface MeanArm {
  readonly mean: number;
  readonly variance: number;
}

const meanArm = ({ n, sum, sumSquares }: ArmMoments): MeanArm => {
  const squares = sumSquares - (sum / n) * sum;
  return { mean: sum / n, variance: squares <= SQUARES_ROUNDING * sumSquares ? 0 : squares / (n - 1) / n };
};

interface Stratum {
  readonly harmful: MeanArm;
  readonly other: MeanArm;
}

/** mean(harmful) - factor mean(other) over the strata, combined by inverse variance. */
const combined = (strata: readonly Stratum[], factor: number): { estimate: number; standardError: number } => {
  let information = 0;
  let total = 0;
  for (const { harmful, other } of strata) {
    const variance = harmful.variance + factor * factor * other.variance;
    if (variance === 0) return { estimate: harmful.mean - factor * other.mean, standardError: 0 };
    information += 1 / variance;
    total += (harmful.mean - factor * other.mean) / variance;
  }
  return { estimate: total / information, standardError: Math.sqrt(1 / information) };
};

/** The factor at which the combined difference is zero: the ratio of means over the strata. */
const ratioEstimate = (strata: readonly Stratum[]): number => {
  let ratio = 1;
  // Weights depend on the ratio by a little: a few rounds settle them.
  for (let i = 0; i < 50; i += 1) {
    let top = 0;
    let bottom = 0;
    for (const { harmful, other } of strata) {
      const variance = harmful.variance + ratio * ratio * other.variance;
      top += harmful.mean / variance;
      bottom += other.mean / variance;
    }
    const next = top / bottom;
    if (Math.abs(next - ratio) <= 1e-14 * Math.abs(next)) return next;
    ratio = next;
  }
  return ratio;
};

/** Ends of the ratio of means: the factors that the one-sided sequences of harmful - factor * other do not reject. */
const ratioEnds = (strata: readonly Stratum[], factor: number, estimate: number): { lower: number; upper: number } => {
  const excess =
    (side: 1 | -1) =>
    (ratio: number): number => {
      const { estimate: gap, standardError } = combined(strata, ratio);
      return side * gap - factor * standardError;
    };
  const end = (side: 1 | -1): number => {
    const outside = excess(side);
    let from = estimate;
    for (let stride = Math.max(1e-6, Math.abs(estimate) / 64), i = 0; i < 60; i += 1, stride *= 1.5) {
      const next = from - side * stride;
      if (outside(next) >= 0) return lastNonNegative(outside, next, from);
      from = next;
    }
    return side === 1 ? -Infinity : Infinity;
  };
  return { lower: end(1), upper: end(-1) };
};

/** Harm of a mean, from the steps that have the burn-in of 100 units per arm. */
export const meanHarm = (steps: readonly MetricStep[], alpha: number, spec: ResolvedSpec): Harm => {
  const strata: Stratum[] = [];
  let n = 0;
  for (const { candidate, champion } of steps) {
    if (!isMoments(candidate) || !isMoments(champion)) continue;
    if (candidate.n < MEAN_BURN_IN || champion.n < MEAN_BURN_IN) continue;
    n += candidate.n + champion.n;
    const [harmful, other] = spec.direction === 'lowerIsBetter' ? [candidate, champion] : [champion, candidate];
    strata.push({ harmful: meanArm(harmful), other: meanArm(other) });
  }
  const unbounded = { estimate: null, lower: -Infinity, upper: Infinity, small: false };
  if (strata.length === 0) {
    return { ...unbounded, lacking: [`no step has ${MEAN_BURN_IN} ${spec.unit}s per arm yet, which a mean needs`] };
  }
  const { factor } = csFactor(n / spec.overdispersion, alpha, spec.tuning, true);
  const scaled = factor * Math.sqrt(spec.overdispersion);
  const difference = combined(strata, 1);
  if (difference.standardError === 0) {
    return { ...unbounded, lacking: [`the values do not vary, so their spread is unknown`] };
  }
  if (spec.scale === 'difference') {
    const half = scaled * difference.standardError;
    const { estimate } = difference;
    return { estimate, lower: estimate - half, upper: estimate + half, small: false, lacking: [] };
  }
  if (strata.some(({ other }) => other.mean <= 0)) {
    return { ...unbounded, lacking: [`a ratio needs a mean above 0 to compare with: set scale to 'difference'`] };
  }
  const estimate = ratioEstimate(strata);
  return { estimate, ...ratioEnds(strata, scaled, estimate), small: false, lacking: [] };
};
