import { join } from 'node:path';

import { chiSquareContingency, psi } from '@retempo/analysis';
import { canonicalJson } from '@retempo/workflows/domain';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { featureBins, targetBins } from './feature-bins.js';
import { mergeProfiles } from './merge-profiles.js';
import { profileOf } from './profile.js';
import type { CategoricalProfile, NumericProfile, Profile } from './profile-types.js';
import { dataSpec, PLAIN_COLUMNS, plainRows, runSql, temporaryFolder, writeRows } from './support.test.util.js';

const folder = temporaryFolder();
let counter = 0;
const fresh = (name: string) => join(folder, `${++counter}-${name}`);

type Value = number | null;
const COLUMNS = { id: 'BIGINT', at: 'TIMESTAMP', x: 'DOUBLE', place: 'VARCHAR', late: 'INTEGER' };

const fileOf = (xs: readonly Value[], places: readonly (string | null)[] = []) =>
  writeRows(
    fresh('x.parquet'),
    COLUMNS,
    xs.map((x, i) => ({ id: i, at: '2001-01-01 00:00:00', x, place: places[i] ?? null, late: i % 2 }))
  );
const profile = async (xs: readonly Value[], reference?: Profile, places?: readonly (string | null)[]) => {
  const file = await fileOf(xs, places);
  return profileOf({ data: dataSpec(file), ...(reference === undefined ? {} : { reference }) });
};
const numeric = (of: Profile) => of.features.find((feature) => feature.name === 'x') as NumericProfile;
const categorical = (of: Profile) => of.features.find((feature) => feature.name === 'place') as CategoricalProfile;

/** Percentile edges of plain numbers: the smallest value with at least the given share at or below it. */
function plainEdges(xs: readonly Value[]): number[] {
  const sorted = xs.filter((x): x is number => x !== null && Number.isFinite(x)).sort((a, b) => a - b);
  if (sorted.length === 0) return [];
  const at = (i: number) => sorted[Math.max(1, Math.ceil((i * sorted.length) / 100)) - 1]!;
  return [...new Set(Array.from({ length: 101 }, (_, i) => at(i) + 0))];
}

function plainCounts(xs: readonly Value[], edges: readonly number[], points: readonly number[]) {
  const finite = xs.filter((x): x is number => x !== null && Number.isFinite(x));
  const isPoint = (x: number) => points.some((point) => point === x);
  const mean = finite.reduce((sum, x) => sum + x, 0) / finite.length;
  return {
    nulls: xs.filter((x) => x === null).length,
    nan: xs.filter((x) => Number.isNaN(x)).length,
    negativeInfinity: xs.filter((x) => x === -Infinity).length,
    positiveInfinity: xs.filter((x) => x === Infinity).length,
    n: finite.length,
    counts: edges.map(
      (edge, i) => finite.filter((x) => !isPoint(x) && (i === 0 ? x === edge : x > edges[i - 1]! && x <= edge)).length
    ),
    pointCounts: points.map((point) => finite.filter((x) => x === point).length),
    underflow: finite.filter((x) => edges.length > 0 && x < edges[0]!).length,
    overflow: finite.filter((x) => edges.length === 0 || x > edges.at(-1)!).length,
    min: finite.length === 0 ? null : Math.min(...finite) + 0,
    max: finite.length === 0 ? null : Math.max(...finite) + 0,
    mean: finite.length === 0 ? null : mean,
    m2: finite.length === 0 ? null : finite.reduce((sum, x) => sum + (x - mean) ** 2, 0),
  };
}

function expectNumbers(got: NumericProfile, xs: readonly Value[], edges: readonly number[]): void {
  const { min, max, mean, m2, ...exact } = plainCounts(xs, edges, got.points);
  expect(got).toMatchObject(exact);
  const close = (a: number | null, b: number | null) => {
    if (a === null || b === null) expect(a).toBe(b);
    else expect(Math.abs(a - b)).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(b)));
  };
  close(got.min, min);
  close(got.max, max);
  close(got.mean, mean);
  close(got.m2, m2);
}

const values = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: -3, max: 3 }).map((x) => x / 2) },
    { weight: 6, arbitrary: fc.double({ min: -1000, max: 1000, noNaN: true }) },
    { weight: 2, arbitrary: fc.constantFrom<Value>(null, Number.NaN, Infinity, -Infinity, -0, 0) }
  ),
  { maxLength: 150 }
);

describe('profileOf', () => {
  it('counts as plain JavaScript does, for a reference and for a window binned with it', async () => {
    await fc.assert(
      fc.asyncProperty(values, values, async (before, after) => {
        const reference = await profile(before);
        const edges = plainEdges(before);
        const found = numeric(reference);
        expect(found.edges).toEqual(edges);
        const finite = before.filter((x): x is number => x !== null && Number.isFinite(x));
        expect(found.points).toEqual(
          edges.filter((edge) => finite.filter((x) => x === edge).length > finite.length / 100)
        );
        expectNumbers(found, before, edges);
        const current = numeric(await profile(after, reference));
        expect(current).toMatchObject({ edges: found.edges, points: found.points });
        expectNumbers(current, after, edges);
      }),
      { numRuns: 25 }
    );
  });

  it('is the same canonical JSON every time and however the rows are ordered or typed', async () => {
    const rows = plainRows({ start: '2001-01-01T00:00:00Z', days: 10, perDay: 2_000 });
    const one = await writeRows(fresh('a.parquet'), PLAIN_COLUMNS, rows);
    const text = async (source: string) => canonicalJson(await profileOf({ data: dataSpec(source) }));
    const first = await text(one);
    expect(await text(one)).toBe(first);
    expect(first.length).toBeLessThan(10_000);
    const reversed = JSON.parse(
      await text(await writeRows(fresh('b.parquet'), PLAIN_COLUMNS, rows.toReversed()))
    ) as Profile;
    const { mean, m2, ...rest } = numeric(reversed);
    expect(numeric(JSON.parse(first) as Profile)).toMatchObject(rest);
    expect(mean).toBeCloseTo(numeric(JSON.parse(first) as Profile).mean!, 9);
    expect(m2! / numeric(JSON.parse(first) as Profile).m2!).toBeCloseTo(1, 9);
  });

  it('is the same to the last bit when there are many row groups to share out', async () => {
    const file = fresh('large.parquet');
    await runSql(
      `COPY (SELECT i AS id, TIMESTAMP '2001-01-01' AS at, sin(i) * 1e6 AS x, cos(i) AS y, i % 2 AS late FROM range(250000) r(i)) ` +
        `TO '${file}' (FORMAT parquet, ROW_GROUP_SIZE 20480)`
    );
    const text = async () => canonicalJson(await profileOf({ data: dataSpec(file) }, undefined, { threads: 4 }));
    const first = await text();
    for (let i = 0; i < 3; i++) expect(await text()).toBe(first);
  });

  it('keeps only the rows of a window, and the label as its own feature', async () => {
    const rows = plainRows({ start: '2001-01-01T00:00:00Z', days: 10, perDay: 10 }).map((row, i) =>
      i % 10 === 0 ? { ...row, late: null } : row
    );
    const source = await writeRows(fresh('a.parquet'), PLAIN_COLUMNS, rows);
    const window = { from: '2001-01-03T00:00:00Z', to: '2001-01-05T00:00:00Z' };
    const inside = rows.filter((row) => row.at >= '2001-01-03' && row.at < '2001-01-05');
    const found = await profileOf({ data: dataSpec(source), windows: [window] });
    expect(found).toMatchObject({ v: 'retempo.profile/v1', window, rows: 20 });
    expect(found.features.map((feature) => [feature.name, feature.kind])).toEqual([
      ['x', 'numeric'],
      ['place', 'categorical'],
    ]);
    const count = (label: number | null) => inside.filter((row) => row.late === label).length;
    expect(found.target).toMatchObject({ kind: 'categorical', nulls: count(null) });
    const target = found.target as CategoricalProfile;
    expect(Object.fromEntries(target.values.map((value, i) => [value, target.counts[i]]))).toEqual({
      0: count(0),
      1: count(1),
    });
  });

  it('adds up several windows, a row in two of them once', async () => {
    const rows = plainRows({ start: '2001-01-01T00:00:00Z', days: 10, perDay: 10 });
    const source = await writeRows(fresh('a.parquet'), PLAIN_COLUMNS, rows);
    const days = (from: string, to: string) => ({ from: `2001-01-${from}T00:00:00Z`, to: `2001-01-${to}T00:00:00Z` });
    const windows = [days('08', '09'), days('01', '03'), days('02', '04')];
    const found = await profileOf({ data: dataSpec(source), windows });
    expect(found).toMatchObject({ rows: 40, window: days('01', '09') });
    expect(await profileOf({ data: dataSpec(source), windows: [] })).toMatchObject({ rows: 0, window: null });
  });

  it('lists at most 200 categories, and no single row of free text', async () => {
    const places = Array.from({ length: 1_000 }, (_, i) => (i < 500 ? `p${i % 100}` : `free text ${i}`));
    const xs = places.map(() => 1);
    const reference = await profile(xs, undefined, places);
    const found = categorical(reference);
    expect(found.values).toHaveLength(100);
    expect(found).toMatchObject({ complete: false, other: 500, unseen: 0, nulls: 0 });
    expect(found.counts.every((count) => count === 5)).toBe(true);
    const later = categorical(await profile([1, 1, 1, 1], reference, ['p7', 'new', null, 'p7']));
    expect(later.counts[found.values.indexOf('p7')]).toBe(2);
    expect(later).toMatchObject({ other: 1, unseen: 0, nulls: 1 });
  });

  it('takes any text as a category and tells unseen ones apart', async () => {
    const odd = ['', "it's", 'Zürich 🛫', 'a"b;--', 'x'.repeat(500), 'NULL', `tab\t`, 'nul\0x', 'a'];
    const reference = await profile(
      odd.map(() => 1),
      undefined,
      odd
    );
    expect(new Set(categorical(reference).values)).toEqual(
      new Set(odd.map((value) => value.slice(0, 128).replace('\0', '\uFFFD')))
    );
    expect(categorical(reference).counts.every((count) => count === 1)).toBe(true);
    const later = categorical(await profile([1, 1, 1], reference, ["it's", 'A', 'b']));
    expect(later).toMatchObject({ complete: true, unseen: 2, other: 0 });
  });

  it('survives columns that are all missing, one row, no rows, and giant values', async () => {
    const empty = await profile([]);
    expect(numeric(empty)).toMatchObject({ n: 0, edges: [], counts: [], min: null, mean: null, m2: null });
    const missing = await profile([null, null]);
    expect(numeric(missing)).toMatchObject({ nulls: 2, n: 0, edges: [] });
    expect(categorical(missing)).toMatchObject({ nulls: 2, values: [] });
    expect(numeric(await profile([5, 6], missing))).toMatchObject({ overflow: 2, n: 2 });
    expect(numeric(await profile([3]))).toMatchObject({ edges: [3], points: [3], pointCounts: [1], m2: 0 });
    expect(Object.is(numeric(await profile([-0, -0])).edges[0], 0)).toBe(true);
    const giant = numeric(await profile([1e200, -1e308, 1]));
    expect(giant).toMatchObject({ n: 3, min: -1e308, max: 1e200, mean: null, m2: null });
    expect(canonicalJson(giant)).toContain('1e+200');
  });

  it('names columns that are gone or changed their type', async () => {
    const reference = await profile([1, 2, 3]);
    const changed = await writeRows(fresh('t.parquet'), { ...COLUMNS, x: 'VARCHAR' }, [
      { id: 1, at: '2001-01-01', x: 'a', place: 'b', late: 1 },
    ]);
    await expect(profileOf({ data: dataSpec(changed), reference })).rejects.toMatchObject({
      class: 'InvalidSpec',
      message: expect.stringContaining('`x` was a number in the reference and has type VARCHAR') as string,
    });
    const gone = await writeRows(fresh('g.parquet'), { id: 'BIGINT', at: 'TIMESTAMP', xx: 'DOUBLE', late: 'INTEGER' }, [
      { id: 1, at: '2001-01-01', xx: 1, late: 1 },
    ]);
    await expect(profileOf({ data: dataSpec(gone), reference })).rejects.toThrow(
      /no column `x` \(did you mean `xx`\?\).*no column `place`/
    );
  });

  it('reads hostile names, whole numbers, decimals and booleans', async () => {
    const file = fresh('n.parquet');
    await runSql(
      `COPY (SELECT i AS id, TIMESTAMP '2001-01-01' AS at, i::HUGEINT AS "a""b'; drop", (i / 4)::DECIMAL(9,2) AS "é 🛫", ` +
        `i % 2 = 0 AS flag, [i] AS nested, i % 3 AS late FROM range(40) r(i)) TO '${file}' (FORMAT parquet)`
    );
    const found = await profileOf({
      data: dataSpec(file, { features: { include: 'all', except: [], important: ['flag'] } }),
    });
    expect(found.features.map((feature) => [feature.name, feature.kind, feature.importance])).toEqual([
      [`a"b'; drop`, 'numeric', 0],
      ['é 🛫', 'numeric', 0],
      ['flag', 'categorical', 1],
    ]);
    expect(found.features[2]).toMatchObject({ values: ['false', 'true'], counts: [20, 20] });
    const again = await profileOf({ data: dataSpec(file), reference: found });
    expect(again).toEqual(found);
  });
});

describe('mergeProfiles', () => {
  it('gives the profile of all rows together', async () => {
    const rows = plainRows({ start: '2001-01-01T00:00:00Z', days: 8, perDay: 50 }).map((row, i) =>
      i % 9 === 0 ? { ...row, x: null, place: null } : row
    );
    const source = await writeRows(fresh('a.parquet'), PLAIN_COLUMNS, rows);
    const data = dataSpec(source);
    const reference = await profileOf({
      data,
      windows: [{ from: '2001-01-01T00:00:00Z', to: '2001-01-03T00:00:00Z' }],
    });
    const of = (from: string, to: string) =>
      profileOf({ data, reference, windows: [{ from: `2001-01-0${from}T00:00:00Z`, to: `2001-01-0${to}T00:00:00Z` }] });
    const together = await of('3', '8');
    const merged = mergeProfiles(mergeProfiles(await of('3', '4'), await of('4', '4')), await of('4', '8'));
    const plain = (profile: Profile) => ({
      ...profile,
      features: profile.features.map((feature) => ({ ...feature, mean: 0, m2: 0 })),
    });
    expect(plain(merged)).toEqual(plain(together));
    expect(numeric(merged).mean).toBeCloseTo(numeric(together).mean!, 10);
    expect(numeric(merged).m2).toBeCloseTo(numeric(together).m2!, 6);
  });

  it('refuses bins of another reference', async () => {
    const a = await profile([1, 2, 3]);
    const b = await profile([1, 2, 4]);
    expect(() => mergeProfiles(a, b)).toThrow('the bins of `x` differ; make both with the same reference');
    expect(() => featureBins(a, b)).toThrow('`x` cannot be compared');
  });

  it.each([
    ['x', 'edges', (old: readonly unknown[]) => [...old.slice(0, -1), 9]],
    ['x', 'points', (old: readonly unknown[]) => [...old, 9]],
    ['place', 'values', (old: readonly unknown[]) => old.toReversed()],
  ])('refuses bins of which only some are of another reference: %s %s', async (name, part, other) => {
    const a = await profile([1, 2, 3], undefined, ['A', 'B', 'A']);
    const features = a.features.map((feature) =>
      feature.name === name
        ? { ...feature, [part]: other((feature as never as Record<string, unknown[]>)[part]!) }
        : feature
    );
    expect(() => featureBins(a, { ...a, features })).toThrow(`\`${name}\` cannot be compared`);
  });
});

describe('featureBins', () => {
  const normal = (n: number, shift: number) =>
    Array.from({ length: n }, (_, i) => {
      // Sum of twelve low-discrepancy uniforms: normal enough, and the same every time.
      let sum = -6;
      for (let k = 1; k <= 12; k++)
        sum += ((i + 1) * Math.sqrt([2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37][k - 1]!)) % 1;
      return sum + shift;
    });

  it('makes about ten equal bins that keep every row, with missing values as the last', async () => {
    const before = [...normal(2_000, 0), ...Array.from({ length: 50 }, () => null)];
    const reference = await profile(before);
    const current = await profile([...normal(500, 0), Number.NaN, null, Infinity, 1e9, -Infinity], reference);
    const bins = featureBins(reference, current).find((found) => found.name === 'x')!;
    expect(bins.train.length).toBe(11);
    expect(bins.train.slice(0, -1).every((count) => count >= 180 && count <= 220)).toBe(true);
    expect(bins.train.reduce((sum, count) => sum + count, 0)).toBe(2_050);
    expect(bins.current.reduce((sum, count) => sum + count, 0)).toBe(505);
    expect(bins.train.at(-1)).toBe(50);
    expect(bins.current.at(-1)).toBe(2);
    expect(bins.labels.at(-1)).toBe('(missing)');
  });

  it('finds a shift in spite of one giant outlier, and none where there is none', async () => {
    const reference = await profile([...normal(2_000, 0), 1e8]);
    const score = async (xs: readonly Value[]) => {
      const bins = featureBins(reference, await profile(xs, reference)).find((found) => found.name === 'x')!;
      return {
        psi: psi({ reference: bins.train, current: bins.current }).value,
        p: chiSquareContingency({ table: [bins.train, bins.current] }).pValue,
      };
    };
    expect((await score(normal(1_000, 1))).psi).toBeGreaterThan(0.5);
    const calm = await score([...normal(1_000, 0), 1e8]);
    expect(calm.psi).toBeLessThan(0.02);
    expect(calm.p).toBeGreaterThan(0.05);
  });

  it('keeps a constant apart from what is below and above it', async () => {
    const reference = await profile(Array.from({ length: 100 }, () => 7));
    const bins = featureBins(reference, await profile([7, 7, 6, 8, 8.5, null], reference)).find((f) => f.name === 'x')!;
    expect(bins).toMatchObject({
      labels: ['< 7', '= 7', '> 7', '(missing)'],
      train: [0, 100, 0, 0],
      current: [1, 2, 2, 1],
    });
  });

  it('keeps every row of a season too, also where neither the reference nor the window has any', async () => {
    const reference = await profile(Array.from({ length: 100 }, () => 7));
    const season = await profile([7, 6, 6, 9, null, null], reference);
    const bins = featureBins(reference, await profile([7, 7], reference), season).find((f) => f.name === 'x')!;
    expect(bins).toMatchObject({
      labels: ['< 7', '= 7', '> 7', '(missing)'],
      train: [0, 100, 0, 0],
      current: [0, 2, 0, 0],
      season: [2, 1, 1, 2],
    });
    const foreign = await profile([1, 2, 3]);
    expect(() => featureBins(reference, reference, foreign)).toThrow('`x` cannot be compared');
  });

  it('judges rare categories together and unseen ones apart', async () => {
    const places = [
      ...Array.from({ length: 990 }, (_, i) => (i % 2 === 0 ? 'A' : 'B')),
      ...Array.from({ length: 10 }, (_, i) => `rare${i}`),
    ];
    const reference = await profile(
      places.map(() => 1),
      undefined,
      places
    );
    const current = await profile([1, 1, 1, 1], reference, ['A', 'rare3', 'new', null]);
    const bins = featureBins(reference, current).find((found) => found.name === 'place')!;
    expect(bins).toMatchObject({
      kind: 'categorical',
      labels: ['A', 'B', '(other)', '(unseen)', '(missing)'],
      train: [495, 495, 10, 0, 0],
      current: [1, 0, 1, 1, 1],
    });
    expect(targetBins(reference, current)).toMatchObject({ name: 'late', train: [500, 500, 0, 0, 0] });
  });
});
