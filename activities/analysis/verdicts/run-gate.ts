import { requireObject } from '../input.js';
import { formatCount } from './judge-metric-reasons.js';
import type { Verdict } from './judge-metric-types.js';
import { anchorCheck, betterCheck, floorCheck, noComparison, notWorseCheck, type GateData } from './run-gate-checks.js';
import { judgedRows, resolveGate } from './run-gate-input.js';
import { gateMetrics } from './run-gate-metrics.js';
import { judgeSlices } from './run-gate-slices.js';
import type { GateCheck, GateInput, GateResult } from './run-gate-types.js';

/**
 * Decides whether a candidate may go on, from labelled rows that champion and candidate have both predicted.
 *
 * Checks: floors (`atMost`, `atLeast`) on the candidate's own metric; `notWorseBy` and `betterBy` against the champion
 * and `anchor.notWorseBy` against a pinned version, on the same rows; slices. Every check has an interval [lower, upper]
 * at level 1 - 2 alpha, alpha = 1 - `confidence`, and three regions: proven inside the limit is pass, proven outside is
 * fail, else inconclusive. Metrics with a loss per row are compared by {@link pairedBootstrap} over rows or whole
 * clusters, AUC by DeLong (clusters: bootstrap). A slice fails when its loss is proven worse than the margin after
 * Holm's correction over all slices.
 *
 * Result: fail if any check fails; else inconclusive if any is inconclusive or has no data (all without data: noData);
 * else pass. A missing, duplicate or unreadable key, label or prediction is `error` for the whole gate: no row is ever
 * left out, but those a version was trained on, which are counted. Fewer than `minRows` rows is `noData`. Heavy tails
 * (1 % of the rows carry most of the variance), fewer than 5 clusters and fewer than 20 disagreements are inconclusive,
 * and so is a proof that rows too rare for the sample could undo (`worstRow`).
 * Without a champion the comparisons pass and `rubberStamp` is true. Rules: progressive-delivery 3 and 4.2.
 *
 * @throws AnalysisInputError for a gate that is wrong or checks nothing.
 *
 * @example
 * runGate({ gate: { metrics: { logLoss: { atMost: 0.6, notWorseBy: 0.005 } }, seed: 1 }, rows }).verdict; // 'pass'
 */
export function runGate(input: GateInput): GateResult {
  requireObject('input', input);
  const gate = resolveGate(input.gate);
  const judged = judgedRows(input.rows, gate);
  if ('problems' in judged) {
    return result(
      judged.problems.map((reason) => dataCheck('error', reason, input.rows.length)),
      {}
    );
  }
  const { rows, trainedOn } = judged;
  const left =
    trainedOn === 0 ? '' : `; ${formatCount(trainedOn)} more were left out because a version was trained on them`;
  const counted = { rowsJudged: rows.length, rowsTrainedOn: trainedOn, rubberStamp: !judged.hasChampion };
  if (rows.length < gate.minRows) {
    const reason = `not enough data: ${formatCount(rows.length)} rows, at least ${formatCount(gate.minRows)} are needed${left}`;
    return result([dataCheck('noData', reason, rows.length)], counted);
  }
  const data: GateData = { ...judged, gate };
  const rowsCheck = dataCheck('pass', `${formatCount(rows.length)} rows were judged${left}`, rows.length);
  const compared = gate.metrics.flatMap(({ name, limits }) => [
    ...(limits.atMost === undefined && limits.atLeast === undefined ? [] : [floorCheck(data, name, limits)]),
    ...(limits.notWorseBy === undefined ? [] : [notWorseCheck(data, name, limits.notWorseBy)]),
    ...(limits.betterBy === undefined ? [] : [betterCheck(data, name, limits.betterBy)]),
  ]);
  const anchored = gate.anchor === null ? [] : [anchorCheck(data, gate.anchor)];
  const sliced = judgeSlices(data);
  const checks = [rowsCheck, ...compared, ...anchored, ...sliced.checks];
  return result(checks, { ...counted, gain: gainOf(checks), slices: sliced.slices, slicesTooSmall: sliced.tooSmall });
}

function dataCheck(verdict: Verdict, reason: string, n: number): GateCheck {
  return { ...noComparison, name: 'rows', kind: 'data', metric: null, n, clusterCount: n, verdict, reason };
}

function gainOf(checks: readonly GateCheck[]): number | null {
  const first = checks.find(({ kind, estimate }) => (kind === 'notWorse' || kind === 'better') && estimate !== null);
  if (first?.estimate == null || first.metric === null) return null;
  // + 0 turns -0 into 0.
  return (gateMetrics[first.metric].higherIsBetter ? first.estimate : -first.estimate) + 0;
}

/** Which verdict decides and speaks first. */
const weightOf: Readonly<Record<Verdict, number>> = { error: 0, fail: 1, inconclusive: 2, noData: 3, pass: 4 };

function result(checks: readonly GateCheck[], parts: Partial<GateResult>): GateResult {
  const ordered = checks.toSorted((a, b) => weightOf[a.verdict] - weightOf[b.verdict]);
  const decisive = ordered[0]!.verdict;
  const onlyNoData = checks.every(
    ({ kind, verdict }) => verdict === 'noData' || (kind === 'data' && verdict === 'pass')
  );
  return {
    verdict: decisive === 'noData' && !onlyNoData ? 'inconclusive' : decisive,
    checks,
    reasons: ordered.map(({ name, verdict, reason }) => `${name}: ${verdict}: ${reason}`),
    gain: null,
    rubberStamp: false,
    rowsJudged: 0,
    rowsTrainedOn: 0,
    slices: [],
    slicesTooSmall: 0,
    ...parts,
  };
}
