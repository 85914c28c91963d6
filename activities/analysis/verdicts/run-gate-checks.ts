import { metricOf } from './run-gate-statistics.js';
import { formatCount, formatNumber } from './judge-metric-reasons.js';
import type { Verdict } from './judge-metric-types.js';
import type { JudgedRows, ResolvedGate } from './run-gate-input.js';
import { gateMetrics } from './run-gate-metrics.js';
import {
  aucInterval,
  clustersOf,
  fewestClusters,
  fewestErrors,
  lossesOf,
  meanInterval,
  pairedInterval,
  type GateInterval,
} from './run-gate-statistics.js';
import type { GateCheck, GateLimits, GateMetricName } from './run-gate-types.js';

/** Rows of a gate and the gate itself. */
export interface GateData extends JudgedRows {
  readonly gate: ResolvedGate;
}

/** The numbers of a check that compared nothing. */
export const noComparison = { slice: null, estimate: null, lower: null, upper: null, threshold: null } as const;

/** Floor of the candidate's own metric. */
export function floorCheck(data: GateData, metric: GateMetricName, limits: GateLimits): GateCheck {
  const { higherIsBetter } = gateMetrics[metric];
  const limit = higherIsBetter ? limits.atLeast! : limits.atMost!;
  const name = `${metric} ${higherIsBetter ? 'atLeast' : 'atMost'}`;
  const interval = ownInterval(data, metric);
  if (interval === null) return oneClass(data, name, 'floor', metric);
  const inside = higherIsBetter ? interval.lower >= limit : interval.upper <= limit;
  const outside = higherIsBetter ? interval.upper < limit : interval.lower > limit;
  const text = `${metric} ${formatNumber(interval.estimate)} ${range(interval)} on ${size(interval)}, ${
    higherIsBetter ? 'at least' : 'at most'
  } ${formatNumber(limit)} is asked`;
  return decide({ name, kind: 'floor', metric, interval, threshold: limit, inside, outside, text });
}

/** Non-inferiority against the champion: the worse end of the interval is within the margin. */
export function notWorseCheck(data: GateData, metric: GateMetricName, margin: number): GateCheck {
  const name = `${metric} notWorseBy`;
  if (!data.hasChampion) return noChampion(data, name, 'notWorse', metric);
  const interval = differenceOf(data, metric);
  if (interval === null) return oneClass(data, name, 'notWorse', metric);
  const { higherIsBetter } = gateMetrics[metric];
  const threshold = (higherIsBetter ? -margin : margin) + 0;
  const inside = higherIsBetter ? interval.lower >= threshold : interval.upper <= threshold;
  const outside = higherIsBetter ? interval.upper < threshold : interval.lower > threshold;
  const text = `${comparison(data, metric, interval)}, margin ${formatNumber(margin)}`;
  return decide({ name, kind: 'notWorse', metric, interval, threshold, inside, outside, text });
}

/** Superiority over the champion: the whole interval is above the gain that is asked. */
export function betterCheck(data: GateData, metric: GateMetricName, gain: number): GateCheck {
  const name = `${metric} betterBy`;
  if (!data.hasChampion) return noChampion(data, name, 'better', metric);
  const interval = differenceOf(data, metric);
  if (interval === null) return oneClass(data, name, 'better', metric);
  const { higherIsBetter } = gateMetrics[metric];
  const threshold = (higherIsBetter ? gain : -gain) + 0;
  const inside = higherIsBetter ? interval.lower > threshold : interval.upper < threshold;
  const outside = higherIsBetter ? interval.upper <= threshold : interval.lower >= threshold;
  const text = `${comparison(data, metric, interval)}, a gain above ${formatNumber(gain)} is asked`;
  return decide({ name, kind: 'better', metric, interval, threshold, inside, outside, text });
}

/** Budget against the pinned version, whatever the champion has become meanwhile. */
export function anchorCheck(data: GateData, anchor: NonNullable<ResolvedGate['anchor']>): GateCheck {
  const { metric, notWorseBy } = anchor;
  const name = `${metric} anchor`;
  if (!data.hasAnchor) {
    if (!data.hasChampion) return noChampion(data, name, 'anchor', metric);
    const reason = 'the rows carry no prediction of the pinned version, so its budget cannot be judged';
    return missing(data, name, 'anchor', metric, reason);
  }
  const losses = pairedInterval(metric, data.rows, 'anchor', data.gate);
  const { higherIsBetter } = gateMetrics[metric];
  const interval = higherIsBetter ? mirrored(losses) : losses;
  const threshold = (higherIsBetter ? -notWorseBy : notWorseBy) + 0;
  const inside = higherIsBetter ? interval.lower >= threshold : interval.upper <= threshold;
  const outside = higherIsBetter ? interval.upper < threshold : interval.lower > threshold;
  const text = `${metric} differs from the pinned version by ${signed(interval.estimate)} ${range(interval)} on ${size(
    interval
  )}, budget ${formatNumber(notWorseBy)}`;
  return decide({ name, kind: 'anchor', metric, interval, threshold, inside, outside, text });
}

function ownInterval({ rows, gate }: GateData, metric: GateMetricName): GateInterval | null {
  if (gateMetrics[metric].loss === null) return aucInterval(rows, null, gate);
  const losses = lossesOf(metric, rows, 'candidate', gate.threshold);
  const interval = meanInterval(metric, losses, clustersOf(rows), gate.alpha);
  return gateMetrics[metric].higherIsBetter ? complement(interval) : interval;
}

function differenceOf({ rows, gate }: GateData, metric: GateMetricName): GateInterval | null {
  if (gateMetrics[metric].loss === null) return aucInterval(rows, 'champion', gate);
  const losses = pairedInterval(metric, rows, 'champion', gate);
  return gateMetrics[metric].higherIsBetter ? mirrored(losses) : losses;
}

/** From the difference of losses to that of a metric that is 1 minus the mean loss. */
function mirrored(interval: GateInterval): GateInterval {
  const { estimate, lower, upper } = interval;
  return { ...interval, estimate: -estimate + 0, lower: -upper + 0, upper: -lower + 0 };
}

function complement(interval: GateInterval): GateInterval {
  const { estimate, lower, upper } = interval;
  return { ...interval, estimate: 1 - estimate, lower: 1 - upper, upper: 1 - lower };
}

const doubtTexts = {
  fewClusters: `fewer than ${fewestClusters} clusters, or clusters with one class only, allow no interval`,
  heavyTail: 'heavy tail: 1 % of the rows carry more than half of the variance, so the interval cannot be trusted',
  fewErrors: `fewer than ${fewestErrors} rows tell the versions, or right from wrong, apart`,
} as const;

function decide(part: {
  readonly name: string;
  readonly kind: GateCheck['kind'];
  readonly metric: GateMetricName;
  readonly interval: GateInterval;
  readonly threshold: number;
  readonly inside: boolean;
  readonly outside: boolean;
  readonly text: string;
}): GateCheck {
  const { interval, inside, outside, text, ...rest } = part;
  const unseen = inside ? unseenDoubt(interval, part.metric, part.threshold) : null;
  const verdict: Verdict =
    interval.doubt !== null ? 'inconclusive' : outside ? 'fail' : inside && unseen === null ? 'pass' : 'inconclusive';
  const doubt = interval.doubt === null ? unseen : doubtTexts[interval.doubt];
  return {
    ...rest,
    slice: null,
    estimate: interval.estimate,
    lower: finiteOrNull(interval.lower),
    upper: finiteOrNull(interval.upper),
    n: interval.n,
    clusterCount: interval.clusterCount,
    verdict,
    reason: doubt === null ? text : `${text}; ${doubt}`,
  };
}

/** Why an interval inside its limit is not enough: rows too rare for the sample could use up what is left. */
function unseenDoubt(
  { lower, upper, n, unseen }: GateInterval,
  metric: GateMetricName,
  threshold: number
): string | null {
  const left = gateMetrics[metric].higherIsBetter ? lower - threshold : threshold - upper;
  if (unseen === undefined || unseen.mean <= left) return null;
  return `rows rarer than 1 in ${formatCount(Math.floor(1 / unseen.share))} need not be among ${formatCount(
    n
  )}: at ${formatNumber(unseen.worstRow)} worse each they add up to ${formatNumber(unseen.mean)}, ${formatNumber(
    left
  )} is left`;
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function noChampion(data: GateData, name: string, kind: GateCheck['kind'], metric: GateMetricName): GateCheck {
  const reason = 'no champion: there is nothing to compare with, so this passes unproven';
  return { ...missing(data, name, kind, metric, reason), verdict: 'pass' };
}

function oneClass(data: GateData, name: string, kind: GateCheck['kind'], metric: GateMetricName): GateCheck {
  return missing(data, name, kind, metric, `all labels are of one class, so there is no ${metric}`);
}

/** A check that could not be carried out. */
export function missing(
  { rows }: GateData,
  name: string,
  kind: GateCheck['kind'],
  metric: GateMetricName | null,
  reason: string
): GateCheck {
  return { ...noComparison, name, kind, metric, n: rows.length, clusterCount: 0, verdict: 'noData', reason };
}

function comparison({ rows, gate }: GateData, metric: GateMetricName, interval: GateInterval): string {
  const [candidate, champion] = (['candidate', 'champion'] as const).map((arm) =>
    formatNumber(metricOf(metric, rows, arm, gate.threshold)!)
  );
  return `${metric} ${candidate} on ${size(interval)}, champion ${champion}; difference ${signed(interval.estimate)} ${range(
    interval
  )}`;
}

/** `20 114 rows`, or `20 114 rows in 7 clusters`. */
export function size({ n, clusterCount }: { readonly n: number; readonly clusterCount: number }): string {
  return `${formatCount(n)} rows${clusterCount < n ? ` in ${formatCount(clusterCount)} clusters` : ''}`;
}

/** `[+0.011, +0.017]`; without signs for positive metrics of their own. */
export function range({ lower, upper }: { readonly lower: number; readonly upper: number }): string {
  return `[${formatNumber(lower)}, ${formatNumber(upper)}]`;
}

/** A difference with its sign: `+0.014`. */
export function signed(value: number): string {
  return value > 0 ? `+${formatNumber(value)}` : formatNumber(value);
}
