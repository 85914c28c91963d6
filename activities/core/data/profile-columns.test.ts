import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { profileOf, type ProfileInput } from './profile.js';
import type { CategoricalProfile, NumericProfile } from './profile-types.js';
import { dataSpec, PLAIN_COLUMNS, plainRows, runSql, temporaryFolder, writeRows } from './support.test.util.js';

const folder = temporaryFolder();
const rows = plainRows({ start: '2001-01-01T00:00:00Z', days: 10, perDay: 4 });
const source = await writeRows(join(folder, 'a.parquet'), PLAIN_COLUMNS, rows);
const data = dataSpec(source);
const day = (from: number, to: number) => ({ from: `2001-01-0${from}T00:00:00Z`, to: `2001-01-0${to}T00:00:00Z` });
/** The same data with this in place of their columns. */
async function changed(name: string, columns: string): Promise<string> {
  const file = join(folder, `${name}.parquet`);
  await runSql(`COPY (SELECT ${columns} FROM '${source}') TO '${file}' (FORMAT parquet)`);
  return file;
}
const shape = async (input: ProfileInput) => {
  const { features, target } = await profileOf(input);
  return [...features, ...(target === null ? ['no label'] : [target])].map((of) =>
    typeof of === 'string' ? of : `${of.name} ${of.kind} ${of.importance}`
  );
};

describe('the columns of a profile', () => {
  it('are features and label; all are important where none is named, else those that are', async () => {
    expect(await shape({ data })).toEqual(['x numeric 1', 'place categorical 1', 'late categorical 1']);
    const features = { include: 'all', except: [], important: ['place'] } as const;
    const reference = await profileOf({ data: dataSpec(source, { features }) });
    const named = ['x numeric 0', 'place categorical 1', 'late categorical 0'];
    expect(await shape({ data: dataSpec(source, { features }) })).toEqual(named);
    // What is important is the reference's word, whatever the spec says meanwhile.
    expect(await shape({ data, reference })).toEqual(named);
  });

  it('leave out what a snapshot has left out already, and what is no number, boolean or text', async () => {
    const files = [await changed('less', 'id, "at", place, late, [x] AS nested, "at" AS seen')];
    const features = { include: 'all', except: ['x'], important: [] } as const;
    expect(await shape({ data: dataSpec(source, { features }), files })).toEqual([
      'place categorical 1',
      'late categorical 1',
    ]);
    await expect(
      profileOf({ data: dataSpec(source, { features: { ...features, important: ['x'] } }), files })
    ).rejects.toMatchObject({ class: 'InvalidSpec', message: expect.stringContaining('important: `x`') as string });
  });

  it('a label of many numbers is a quantity, one of few a class; a feature of few stays a quantity', async () => {
    const of = async (name: string, columns: string) =>
      shape({ data, files: [await changed(name, `id, "at", place, ${columns}`)] });
    const number = `CAST(substr(id, 2) AS INTEGER)`;
    expect(await of('few', `1 AS x, ${number} % 20 AS late`)).toContain('late categorical 1');
    expect(await of('many', `1 AS x, ${number} % 21 AS late`)).toContain('late numeric 1');
    expect(await of('missing', `1 AS x, CASE WHEN id > 'r2' THEN ${number} % 20 END AS late`)).toEqual([
      'place categorical 1',
      'x numeric 1',
      'late categorical 1',
    ]);
    expect(await of('text', `'a' AS x, ${number} AS late`)).toContain('x categorical 1');
  });

  it('are those of the reference: rows to be predicted have no label, but every feature', async () => {
    const reference = await profileOf({ data });
    expect(await shape({ data, reference, files: [await changed('unlabelled', 'id, "at", x, place')] })).toEqual([
      'x numeric 1',
      'place categorical 1',
      'no label',
    ]);
    const unlabelled = await profileOf({ data, files: [join(folder, 'unlabelled.parquet')] });
    expect(unlabelled.target).toBeNull();
    expect(await shape({ data, reference: unlabelled })).toEqual(['x numeric 1', 'place categorical 1', 'no label']);
    await expect(
      profileOf({ data, reference, files: [await changed('nested', `id, "at", [x] AS x, [place] AS place, late`)] })
    ).rejects.toMatchObject({
      class: 'InvalidSpec',
      message: expect.stringMatching(
        /`x` was a number in the reference and has type DOUBLE\[\] in .*; `place` was a category in the reference and has type VARCHAR\[\]/
      ) as string,
    });
    // A category may have become a number: it is compared as text.
    const files = [await changed('typed', `id, "at", x, 7 AS place, late`)];
    expect((await profileOf({ data, reference, files })).features[1]).toMatchObject({
      unseen: 40,
      counts: [0, 0, 0, 0],
    });
  });
});

describe('the values of a profile', () => {
  it('are 200 at most, also where more of them are frequent; the rest is counted together', async () => {
    const file = join(folder, 'many.parquet');
    await runSql(
      `COPY (SELECT i AS id, TIMESTAMP '2001-01-01' AS "at", 'p' || (i % 203) AS place, 1 AS late FROM range(609) r(i)) TO '${file}' (FORMAT parquet)`
    );
    const { features } = await profileOf({ data: dataSpec(file) });
    const [place] = features as readonly [CategoricalProfile];
    expect([place.values.length, place.complete, place.other, place.unseen]).toEqual([200, false, 9, 0]);
  });

  it('stand apart where more than one in a hundred is equal, and are counted nowhere where there is none', async () => {
    const file = join(folder, 'points.parquet');
    await runSql(
      `COPY (SELECT i AS id, TIMESTAMP '2001-01-01' AS "at", CASE WHEN i < 1000 THEN i ELSE 500 END AS x, NULL::DOUBLE AS none, 1 AS late FROM range(1300) r(i)) TO '${file}' (FORMAT parquet)`
    );
    const { features } = await profileOf({ data: dataSpec(file) });
    const [x, none] = features as readonly [NumericProfile, NumericProfile];
    expect([x.points, x.pointCounts, x.edges.length > 50]).toEqual([[500], [301], true]);
    expect(x.counts.reduce((sum, count) => sum + count, 0)).toBe(999);
    expect(none).toMatchObject({ nulls: 1300, edges: [], points: [], counts: [], underflow: 0, overflow: 0 });
  });
});

it('a profile of a reference without columns still counts the rows', async () => {
  const reference = { ...(await profileOf({ data })), features: [], target: null };
  expect(await profileOf({ data, reference })).toMatchObject({ rows: rows.length, features: [], target: null });
});

it('a profile is made within the memory that it was given', async () => {
  await expect(profileOf({ data }, undefined, { memoryLimit: 'lots' })).rejects.toMatchObject({
    message: expect.stringContaining('lots') as string,
  });
});

describe('the windows of a profile', () => {
  it('span from the first to the last, in whatever order they come', async () => {
    const windows = [day(5, 6), day(2, 9), day(1, 3)];
    for (const order of [windows, windows.toReversed()])
      expect(await profileOf({ data, windows: order })).toMatchObject({ window: day(1, 9), rows: 32 });
    expect((await profileOf({ data })).window).toBeNull();
  });

  it.each([
    ['a time that is not there', { time: 'att' }, [day(1, 2)], /^data\.time: .*did you mean `at`/],
    ['a time that is none', { time: 'x' }, [day(1, 2)], /^data\.time: `x` has type DOUBLE; it must be a time$/],
    ['a begin that is none', {}, [{ from: 'soon', to: day(1, 2).to }], /^window\.from: `soon` is not a time$/],
    ['an end that is none', {}, [{ from: day(1, 2).from, to: 'late' }], /^window\.to: `late` is not a time$/],
  ])('are refused with %s', async (_, spec, windows, message) => {
    await expect(profileOf({ data: dataSpec(source, spec), windows })).rejects.toMatchObject({
      class: 'InvalidSpec',
      message: expect.stringMatching(message) as string,
    });
  });
});
