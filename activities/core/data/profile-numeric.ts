import { numberOf, numberOrNull, type Engine, type EngineRow } from './engine.js';
import type { NumericProfile } from './profile-types.js';
import { sqlDoubles, sqlName } from './sql.js';

/** Bins of a reference: about this many, of equal share. */
const PERCENTILES = 100;

/** What one column contributes to the single scan of a profile, and how its answer is read. */
export interface ColumnScan<T> {
  /** Values computed once per row, as `expression AS alias`. */
  readonly project: readonly string[];
  /** Aggregates over the projected values, under aliases of their own. */
  readonly select: readonly string[];
  readonly read: (row: EngineRow) => T;
}

/** Largest magnitude that enters mean and M2: the square of a greater one is not a finite double. */
const MOMENT_LIMIT = '1e150';

/** A column as DOUBLE. */
function doubleSql(name: string): string {
  return `CAST(${sqlName(name)} AS DOUBLE)`;
}

/**
 * Distinct percentiles 0, 1, .., 100 of the finite values: the smallest value with at least that share at or below it.
 * Exact, so that the same rows give the same edges (an approximate quantile does not). Sorting can spill to disk, which a
 * quantile aggregate cannot, and takes a third of its time.
 */
export async function percentileEdges(engine: Engine, relation: string, name: string): Promise<readonly number[]> {
  const x = doubleSql(name);
  const [size] = await engine.rows(`SELECT count(*) FILTER (isfinite(${x})) AS n FROM ${relation}`);
  const n = numberOf(size, 'n');
  const ranks = Array.from({ length: PERCENTILES + 1 }, (_, i) => Math.max(1, Math.ceil((i * n) / PERCENTILES)));
  const rows = await engine.rows(
    `SELECT DISTINCT x FROM (SELECT x, row_number() OVER () AS rank FROM ` +
      `(SELECT ${x} AS x FROM ${relation} WHERE isfinite(${x}) ORDER BY x)) WHERE rank IN (${ranks.join(', ')}) ORDER BY x`
  );
  return rows.map((row) => numberOf(row, 'x'));
}

/**
 * Counts of one numeric column. With `points` (a current window) these are the point masses; without (a reference) every
 * edge that holds more than 1/100 of the finite values becomes one.
 */
export function numericScan(input: {
  readonly name: string;
  readonly alias: string;
  readonly importance: number;
  readonly edges: readonly number[];
  readonly points: readonly number[] | null;
}): ColumnScan<NumericProfile> {
  const { name, alias: a, importance, edges } = input;
  const x = doubleSql(name);
  // Bins of the engine are (previous, bound]: with the number just below an edge as a bound too, the edge's own bin holds
  // nothing but values equal to it. The first edge gets one to tell what lies below.
  const candidates = input.points ?? edges;
  const apart = new Set([...edges.slice(0, 1), ...candidates]);
  const bounds = [...new Set(edges.flatMap((edge) => (apart.has(edge) ? [nextBelow(edge), edge] : [edge])))];
  const project = [
    `${x} AS ${a}_x`,
    // NaN would land in the first bin and make minimum and mean NaN; an infinity makes the variance throw.
    `CASE WHEN isfinite(${x}) THEN ${x} END AS ${a}_f`,
    `CASE WHEN abs(${x}) < ${MOMENT_LIMIT} THEN ${x} END AS ${a}_m`,
  ];
  const select = [
    `count(${a}_x) AS ${a}_some`,
    `count(${a}_f) AS ${a}_n`,
    `count(${a}_m) AS ${a}_moderate`,
    `count(*) FILTER (isnan(${a}_x)) AS ${a}_nan`,
    `count(*) FILTER (${a}_x = 'Infinity'::DOUBLE) AS ${a}_high`,
    `min(${a}_f) AS ${a}_min`,
    `max(${a}_f) AS ${a}_max`,
    `avg(${a}_m) AS ${a}_mean`,
    `var_pop(${a}_m) AS ${a}_var`,
    ...(bounds.length === 0
      ? []
      : [`CAST(map_values(histogram(${a}_f, ${sqlDoubles(bounds)})) AS DOUBLE[]) AS ${a}_h`]),
  ];
  const read = (row: EngineRow): NumericProfile => {
    const n = numberOf(row, `${a}_n`);
    const some = numberOf(row, `${a}_some`);
    const nan = numberOf(row, `${a}_nan`);
    const positiveInfinity = numberOf(row, `${a}_high`);
    const bins = padded(row[`${a}_h`], bounds.length);
    const upTo = (bound: number) => bins.slice(0, bounds.indexOf(bound) + 1).reduce((sum, count) => sum + count, 0);
    const equal = (edge: number) => bins[bounds.indexOf(edge)]!;
    const points = input.points ?? edges.filter((edge) => equal(edge) > n / PERCENTILES);
    const [first] = edges;
    const underflow = first === undefined ? 0 : bins[0]!;
    const counts = edges.map((edge, i) => {
      const below = i === 0 ? underflow : upTo(edges[i - 1]!);
      return upTo(edge) - below - (points.includes(edge) ? equal(edge) : 0);
    });
    const moments = n > 0 && numberOf(row, `${a}_moderate`) === n;
    return {
      name,
      kind: 'numeric',
      importance,
      nulls: numberOf(row, 'n') - some,
      nan,
      negativeInfinity: some - n - nan - positiveInfinity,
      positiveInfinity,
      n,
      min: numberOrNull(row, `${a}_min`),
      max: numberOrNull(row, `${a}_max`),
      mean: moments ? numberOf(row, `${a}_mean`) : null,
      m2: moments ? numberOf(row, `${a}_var`) * n : null,
      edges,
      counts,
      points,
      pointCounts: points.map(equal),
      underflow,
      overflow: n - bins.reduce((sum, count) => sum + count, 0),
    };
  };
  return { project, select, read };
}

/** The greatest double below a finite one. */
function nextBelow(x: number): number {
  if (x === 0) return -Number.MIN_VALUE;
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  view.setBigInt64(0, view.getBigInt64(0) + (x > 0 ? -1n : 1n));
  return view.getFloat64(0);
}

function doubles(value: unknown): readonly number[] {
  return Array.isArray(value) ? value.map(Number) : [];
}

/** The first `length` counts of a histogram; it has one more when values fell outside, and is absent without values. */
function padded(value: unknown, length: number): readonly number[] {
  const counts = doubles(value);
  return Array.from({ length }, (_, i) => counts[i] ?? 0);
}
