import { AnalysisInputError } from '../errors.js';
import {
  reject,
  requireArray,
  requireCount,
  requireFinite,
  requireNonNegative,
  requireObject,
  requirePositive,
  requireShare,
} from '../input.js';
import { gateMetrics, isGateMetric } from './run-gate-metrics.js';
import type { GateInput, GateLimits, GateMetricName, GateRow, GateSpec } from './run-gate-types.js';

/** A gate with all defaults filled in. */
export interface ResolvedGate {
  readonly metrics: readonly { readonly name: GateMetricName; readonly limits: GateLimits }[];
  readonly slices: { readonly by: readonly string[]; readonly minRows: number } | null;
  readonly anchor: { readonly notWorseBy: number; readonly metric: GateMetricName } | null;
  readonly minRows: number;
  readonly alpha: number;
  readonly iterations: number;
  readonly threshold: number;
  readonly seed: number;
}

/** Checks a gate and fills in its defaults; throws `AnalysisInputError` for one that is wrong or checks nothing. */
export function resolveGate(gate: GateSpec): ResolvedGate {
  requireObject('gate', gate);
  requireObject('gate.metrics', gate.metrics);
  const metrics = Object.entries(gate.metrics).map(([name, limits]) => ({ name: metricOf('metrics', name), limits }));
  for (const { name, limits } of metrics) requireLimits(name, limits);
  const anchor = gate.anchor ?? null;
  if (metrics.length === 0 && anchor === null) {
    throw new AnalysisInputError('gate', 'has no check at all: give a metric with a limit, or an anchor');
  }
  const confidence = gate.confidence ?? 0.95;
  requireShare('gate.confidence', confidence);
  if (confidence <= 0.5) reject('gate.confidence', 'a number inside (.5, 1)', confidence);
  const resolved: ResolvedGate = {
    metrics,
    slices: resolveSlices(gate, metrics),
    anchor: anchor === null ? null : resolveAnchor(anchor, metrics),
    minRows: gate.minRows ?? 500,
    alpha: 1 - confidence,
    iterations: gate.iterations ?? 10_000,
    threshold: gate.threshold ?? 0.5,
    seed: gate.seed,
  };
  requireCount('gate.minRows', resolved.minRows, 2);
  requireCount('gate.iterations', resolved.iterations, 100);
  requireFinite('gate.threshold', resolved.threshold);
  requireCount('gate.seed', resolved.seed);
  return resolved;
}

function metricOf(field: string, name: string): GateMetricName {
  if (isGateMetric(name)) return name;
  throw new AnalysisInputError(
    `gate.${field}.${name}`,
    `is no metric of a gate; known: ${Object.keys(gateMetrics).join(', ')}`
  );
}

function requireLimits(name: GateMetricName, limits: GateLimits): void {
  const field = `gate.metrics.${name}`;
  requireObject(field, limits);
  const { higherIsBetter } = gateMetrics[name];
  const wrong = higherIsBetter ? limits.atMost : limits.atLeast;
  if (wrong !== undefined) {
    const [better, bad, good] = higherIsBetter ? ['higher', 'atMost', 'atLeast'] : ['lower', 'atLeast', 'atMost'];
    throw new AnalysisInputError(`${field}.${bad}`, `does not fit a metric where ${better} is better: use ${good}`);
  }
  if (limits.worstRow !== undefined) {
    const { loss, countsErrors } = gateMetrics[name];
    if (loss === null || countsErrors) {
      throw new AnalysisInputError(`${field}.worstRow`, 'is for metrics whose rows can cost different amounts');
    }
    requirePositive(`${field}.worstRow`, limits.worstRow);
  }
  const given = (['atMost', 'atLeast', 'notWorseBy', 'betterBy'] as const).filter((key) => limits[key] !== undefined);
  if (given.length === 0) throw new AnalysisInputError(field, 'has no limit: give a floor, notWorseBy or betterBy');
  for (const key of given) {
    if (key === 'notWorseBy' || key === 'betterBy') requireNonNegative(`${field}.${key}`, limits[key]!);
    else requireFinite(`${field}.${key}`, limits[key]!);
  }
}

function resolveSlices(gate: GateSpec, metrics: ResolvedGate['metrics']): ResolvedGate['slices'] {
  const slices = gate.slices ?? null;
  if (slices === null) return null;
  requireObject('gate.slices', slices);
  requireArray('gate.slices.by', slices.by, 1);
  for (const [i, property] of slices.by.entries()) {
    if (typeof property !== 'string' || property === '')
      reject(`gate.slices.by[${i}]`, 'a property of the rows', property);
  }
  requireCount('gate.slices.minRows', slices.minRows, 2);
  if (!metrics.some(({ name }) => gateMetrics[name].loss !== null)) {
    throw new AnalysisInputError('gate.slices', 'needs a metric with a loss per row, such as logLoss or accuracy');
  }
  return slices;
}

function resolveAnchor(
  anchor: NonNullable<GateSpec['anchor']>,
  metrics: ResolvedGate['metrics']
): NonNullable<ResolvedGate['anchor']> {
  requireObject('gate.anchor', anchor);
  requireNonNegative('gate.anchor.notWorseBy', anchor.notWorseBy);
  const name = anchor.metric ?? metrics.find((metric) => gateMetrics[metric.name].loss !== null)?.name;
  if (name === undefined) {
    throw new AnalysisInputError('gate.anchor.metric', 'must name a metric with a loss per row, such as logLoss');
  }
  const metric = metricOf('anchor.metric', name);
  if (gateMetrics[metric].loss === null) {
    throw new AnalysisInputError('gate.anchor.metric', `must be a metric with a loss per row, got ${metric}`);
  }
  return { notWorseBy: anchor.notWorseBy, metric };
}

/** Rows that may be judged, in the order of their keys, so that no result depends on the order of delivery. */
export interface JudgedRows {
  readonly rows: readonly GateRow[];
  readonly trainedOn: number;
  readonly hasChampion: boolean;
  readonly hasAnchor: boolean;
  readonly hasClusters: boolean;
}

/** Sorts the rows out, or says in sentences what is wrong with them: a bad row is an error and never left out. */
export function judgedRows(rows: GateInput['rows'], gate: ResolvedGate): JudgedRows | { readonly problems: string[] } {
  requireArray('rows', rows);
  const used = new Set(gate.metrics.map(({ name }) => name));
  if (gate.anchor !== null) used.add(gate.anchor.metric);
  const values = new Set([...used].map((name) => gateMetrics[name].values));
  const has = (column: 'champion' | 'anchor' | 'cluster'): boolean =>
    rows.some((row) => (row?.[column] ?? null) !== null);
  const columns = { champion: has('champion'), anchor: has('anchor'), cluster: has('cluster') };
  const problems = createProblems();
  const seen = new Set<string>();
  // By position, not forEach: that would pass over the holes of a sparse array.
  for (const [i, row] of rows.entries()) {
    const name = typeof row?.key === 'string' && row.key !== '' ? `row ${row.key}` : `row number ${i + 1}`;
    if (typeof row !== 'object' || row === null || typeof row.key !== 'string' || row.key === '') {
      problems.add(typeof row === 'object' && row !== null ? 'has no key' : 'is no object', name);
      continue;
    }
    if (seen.has(row.key)) problems.add('has a key that another row has too', name);
    seen.add(row.key);
    checkNumber(problems, name, 'label', row.label, values.has('class') ? 'label' : 'number');
    const kind = values.has('class') ? 'probability' : 'number';
    checkNumber(problems, name, 'candidate', row.candidate, kind);
    if (columns.champion) checkNumber(problems, name, 'champion', row.champion, kind);
    if (columns.anchor) checkNumber(problems, name, 'anchor', row.anchor, kind);
    if (columns.cluster && (row.cluster ?? null) === null) problems.add('has no cluster, others have one', name);
  }
  const sentences = problems.sentences();
  if (sentences.length > 0) return { problems: sentences };
  const judged = rows.filter((row) => row.trainedOn !== true);
  return {
    rows: judged.toSorted((a, b) => (a.key < b.key ? -1 : 1)),
    trainedOn: rows.length - judged.length,
    hasChampion: columns.champion,
    hasAnchor: columns.anchor,
    hasClusters: columns.cluster,
  };
}

function checkNumber(
  problems: Problems,
  row: string,
  column: string,
  value: unknown,
  kind: 'label' | 'probability' | 'number'
): void {
  if (value === undefined || value === null) problems.add(`has no ${column}, others have one`, row);
  else if (typeof value !== 'number' || !Number.isFinite(value))
    problems.add(`has a ${column} that is no finite number`, row);
  else if (kind === 'label' && value !== 0 && value !== 1) problems.add(`has a ${column} other than 0 and 1`, row);
  else if (kind === 'probability' && (value < 0 || value > 1)) problems.add(`has a ${column} outside [0, 1]`, row);
}

/** Problems by kind: one sentence each, with the number of rows and the first of them. */
interface Problems {
  add(kind: string, row: string): void;
  sentences(): string[];
}

function createProblems(): Problems {
  const byKind = new Map<string, { count: number; first: string }>();
  return {
    add(kind, row) {
      const known = byKind.get(kind);
      if (known === undefined) byKind.set(kind, { count: 1, first: row });
      else known.count++;
    },
    sentences: () =>
      [...byKind].map(([kind, { count, first }]) =>
        count === 1 ? `${first} ${kind}` : `${first} ${kind}, and ${count - 1} more rows like it`
      ),
  };
}
