import { studentTSf } from '../distributions/index.js';
import { holm } from '../multiple-testing/index.js';
import { formatP } from './judge-drift-reasons.js';
import { formatCount, formatNumber, formatUnits } from './judge-metric-reasons.js';
import { missing, noComparison, range, signed, size, type GateData } from './run-gate-checks.js';
import { gateMetrics } from './run-gate-metrics.js';
import { clustersOf, lossesOf, meanInterval, type GateInterval } from './run-gate-statistics.js';
import type { GateCheck, GateMetricName, GateRow, SliceResult } from './run-gate-types.js';

interface JudgedSlice extends SliceResult {
  readonly doubt: GateInterval['doubt'];
  readonly margin: number;
}

/** All slices of a gate: one check per property, the slices worst first, and how many had too few rows. */
export function judgeSlices(data: GateData): {
  readonly checks: readonly GateCheck[];
  readonly slices: readonly SliceResult[];
  readonly tooSmall: number;
} {
  const { slices } = data.gate;
  if (slices === null) return { checks: [], slices: [], tooSmall: 0 };
  if (!data.hasChampion) {
    const reason = 'no champion: there is nothing to compare with, so this passes unproven';
    const checks = slices.by.map((property) => ({
      ...missing(data, `slices ${property}`, 'slices', null, reason),
      verdict: 'pass' as const,
    }));
    return { checks, slices: [], tooSmall: 0 };
  }
  const groups = slices.by.map((property) => ({ property, byValue: groupBy(data.rows, property) }));
  const raw = groups.flatMap(({ property, byValue }) =>
    [...byValue].flatMap(([value, rows]) => (rows.length < slices.minRows ? [] : judge(data, property, value, rows)))
  );
  // One family: every slice of every property is a chance to refuse a good candidate.
  const adjusted = holm(raw.map(({ pValue }) => pValue));
  const judged = raw.map((slice, i) => ({ ...slice, adjustedPValue: adjusted[i]! }));
  const worstFirst = judged.toSorted(
    (a, b) => a.pValue - b.pValue || b.difference - a.difference || (nameOf(a) < nameOf(b) ? -1 : 1)
  );
  const tooSmall = groups
    .flatMap(({ byValue }) => [...byValue.values()])
    .filter((rows) => rows.length < slices.minRows);
  return {
    checks: groups.map(({ property, byValue }) => propertyCheck(data, property, byValue, worstFirst)),
    slices: worstFirst.map(({ doubt: _doubt, margin: _margin, ...slice }) => slice),
    tooSmall: tooSmall.length,
  };
}

/** Equal slices are ordered by name, so that the report does not depend on the order of the metrics. */
function nameOf({ property, value, metric }: SliceResult): string {
  return JSON.stringify([property, value, metric]);
}

/** Rows by the value of a property; a row without it has the value `(missing)`. */
function groupBy(rows: readonly GateRow[], property: string): Map<string, GateRow[]> {
  const groups = new Map<string, GateRow[]>();
  for (const row of rows) {
    const value = String(row.slice?.[property] ?? '(missing)');
    const group = groups.get(value);
    if (group === undefined) groups.set(value, [row]);
    else group.push(row);
  }
  return groups;
}

/** One-sided t test of "mean loss worse than the margin" per metric with a loss per row. */
function judge({ gate }: GateData, property: string, value: string, rows: readonly GateRow[]): JudgedSlice[] {
  return comparedMetrics(gate.metrics).map(({ metric, margin }) => {
    const candidate = lossesOf(metric, rows, 'candidate', gate.threshold);
    const champion = lossesOf(metric, rows, 'champion', gate.threshold);
    const differences = candidate.map((loss, i) => loss - champion[i]!);
    const interval = meanInterval(metric, differences, clustersOf(rows), gate.alpha, 'difference');
    const { estimate, lower, upper, standardError, n, clusterCount, doubt } = interval;
    const excess = estimate - margin;
    const pValue =
      standardError === 0 || standardError === Infinity
        ? Number(!(excess > 0 && standardError === 0))
        : studentTSf({ t: excess / standardError, df: clusterCount - 1 });
    return {
      property,
      value,
      metric,
      n,
      clusterCount,
      difference: estimate,
      lower,
      upper,
      pValue,
      adjustedPValue: 1,
      doubt,
      margin,
    };
  });
}

/** Metrics with a margin and a loss per row; without a margin any metric with a loss per row, at margin 0. */
function comparedMetrics(
  metrics: GateData['gate']['metrics']
): readonly { readonly metric: GateMetricName; readonly margin: number }[] {
  const perRow = metrics.filter(({ name }) => gateMetrics[name].loss !== null);
  const withMargin = perRow.filter(({ limits }) => limits.notWorseBy !== undefined);
  const chosen = withMargin.length > 0 ? withMargin : perRow;
  return chosen.map(({ name, limits }) => ({ metric: name, margin: limits.notWorseBy ?? 0 }));
}

function propertyCheck(
  data: GateData,
  property: string,
  byValue: ReadonlyMap<string, readonly GateRow[]>,
  worstFirst: readonly JudgedSlice[]
): GateCheck {
  const name = `slices ${property}`;
  const { minRows } = data.gate.slices!;
  if (byValue.size === 1 && byValue.has('(missing)')) {
    return missing(data, name, 'slices', null, `no row has the property ${property}`);
  }
  const own = worstFirst.filter((slice) => slice.property === property);
  const small = [...byValue.values()].filter((rows) => rows.length < minRows).length;
  const skipped =
    small === 0 ? '' : `; ${formatUnits(small, 'more slice')} with fewer than ${formatCount(minRows)} rows`;
  const worst = own[0];
  if (worst === undefined) return missing(data, name, 'slices', null, `no slice has ${formatCount(minRows)} rows`);
  const failed = own.filter((slice) => slice.adjustedPValue <= data.gate.alpha);
  const proven = failed.find((slice) => slice.doubt === null);
  const verdict = proven !== undefined ? 'fail' : failed.length > 0 ? 'inconclusive' : 'pass';
  const shown = proven ?? worst;
  const judged = new Set(own.map(({ value }) => value)).size;
  const doubt = verdict === 'inconclusive' ? ', but its interval cannot be trusted' : '';
  return {
    ...noComparison,
    name,
    kind: 'slices',
    metric: shown.metric,
    slice: `${property}=${shown.value}`,
    estimate: shown.difference,
    lower: shown.lower,
    upper: shown.upper,
    threshold: shown.margin,
    n: shown.n,
    clusterCount: shown.clusterCount,
    verdict,
    reason: `worst slice ${property}=${shown.value}: ${shown.metric} loss ${signed(shown.difference)} ${range(shown)} on ${size(
      shown
    )}, margin ${formatNumber(shown.margin)}, p ${formatP(shown.adjustedPValue)} after Holm over all slices${doubt}; ${formatCount(
      judged
    )} slices judged${skipped}`,
  };
}
