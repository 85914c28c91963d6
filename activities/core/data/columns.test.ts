import { describe, expect, it } from 'vitest';

import { bindColumns, findColumn, groupingSql, selectFeatures, throwProblems } from './columns.js';
import { withEngine } from './engine.js';
import type { OpenSource } from './source.js';
import { dataSpec } from './support.test.util.js';

const source: OpenSource = {
  source: '/data/a.parquet',
  files: ['/data/a.parquet'],
  relation: 'rows',
  columns: [
    { name: 'id', type: 'BIGINT', kind: 'number' },
    { name: 'at', type: 'TIMESTAMP', kind: 'time' },
    { name: 'seen', type: 'TIMESTAMP WITH TIME ZONE', kind: 'time' },
    { name: 'x', type: 'DOUBLE', kind: 'number' },
    { name: 'a.day', type: 'VARCHAR', kind: 'string' },
    { name: 'flag', type: 'BOOLEAN', kind: 'boolean' },
    { name: 'nested', type: 'INTEGER[]', kind: 'other' },
    { name: 'late', type: 'INTEGER', kind: 'number' },
  ],
};

describe('bindColumns', () => {
  it('gives event times in UTC and keys as text', () => {
    const bound = bindColumns(source, { time: 'at', key: 'id', label: 'late' });
    expect(bound).toEqual({
      timeColumn: source.columns[1],
      keyColumn: source.columns[0],
      labelColumn: source.columns[7],
      time: 'CAST("at" AS TIMESTAMP)',
      key: 'CAST("id" AS VARCHAR)',
      problems: [],
    });
    expect(bindColumns(source, { time: 'seen', key: 'a.day' })).toMatchObject({
      labelColumn: null,
      time: `timezone('UTC', "seen")`,
      problems: [],
    });
  });

  it.each([
    [
      'that are not there',
      { time: 'att', key: 'iid', label: 'latee' },
      [/^data\.time: .*`att` \(did you mean `at`\?\)$/, /^data\.key: .*`iid`/, /^data\.label\.column: .*`latee`/],
    ],
    [
      'of the wrong type',
      { time: 'x', key: 'x', label: 'at' },
      [
        /^data\.time: `x` has type DOUBLE; it must be a date or a timestamp/,
        /^data\.key: `x` has type DOUBLE; a key must be text or a whole number$/,
        /^data\.label\.column: `at` has type TIMESTAMP; a label must be a number, a boolean or text$/,
      ],
    ],
    ['of a nested type', { time: 'at', key: 'nested', label: 'nested' }, [/^data\.key: `nested`/, /^data\.label/]],
    ['of which only one is wrong', { time: 'at', key: 'flag', label: 'flag' }, [/^data\.key: `flag` has type BOOLEAN/]],
  ] as const)('names all columns %s', (_, names, problems) => {
    const bound = bindColumns(source, names);
    expect(bound.problems).toEqual(problems.map((problem) => expect.stringMatching(problem) as string));
    expect(bound.labelColumn?.name).toBe(names.label === 'latee' ? undefined : names.label);
  });

  it('problems are thrown together, none is nothing', () => {
    expect(() => throwProblems([])).not.toThrow();
    expect(() => throwProblems(['a', 'b'])).toThrow(
      expect.objectContaining({ class: 'InvalidSpec', message: 'a; b' }) as Error
    );
    expect(findColumn(source, 'x', 'role')).toEqual({ column: source.columns[3] });
  });
});

describe('groupingSql', () => {
  const group = (name: string, eventTime = 'at') => groupingSql(source, { name, role: 'gate.slices.by', eventTime });

  it.each([
    ['at.day', '2001-01-01'],
    ['day', '2001-01-01'],
    ['week', '2001-W01'],
    ['month', '2001-01'],
    ['dayOfWeek', 'Mon'],
    ['hour', '05'],
    ['seen.hour', '23'],
    ['seen.day', '2000-12-31'],
    // A column of that name comes first.
    ['a.day', 'text'],
    ['x', '1.5'],
    ['flag', '(missing)'],
  ])('%s is %s', async (name, expected) => {
    const found = group(name);
    const row = `SELECT TIMESTAMP '2001-01-01 05:00:00' AS at, TIMESTAMPTZ '2001-01-01 00:30:00+01' AS seen, 1.5::DOUBLE AS x, 'text' AS "a.day", NULL::BOOLEAN AS flag`;
    const [answer] = await withEngine({ threads: 1 }, undefined, (engine) =>
      engine.rows(`SELECT ${'sql' in found ? found.sql : 'no'} AS value FROM (${row})`)
    );
    expect(answer).toEqual({ value: expected });
  });

  it.each([
    ['xx', /^gate\.slices\.by: \/data\/a\.parquet has no column `xx` \(did you mean `x`\?\)$/],
    ['att.day', /has no column `att` \(did you mean `at`\?\)$/],
    ['x.day', /^gate\.slices\.by: `x\.day` needs a time column, and `x` has type DOUBLE$/],
    ['at.year', /has no column `at\.year`/],
    ['at.toString', /has no column `at\.toString`/],
    ['constructor', /has no column `constructor`/],
  ])('%s is a problem', (name, problem) => {
    expect(group(name)).toEqual({ problem: expect.stringMatching(problem) as string });
  });

  it('a part of an event time that is none is a problem', () => {
    for (const eventTime of ['x', 'none'])
      expect(group('day', eventTime)).toEqual({ problem: expect.stringContaining('no column `day`') as string });
  });
});

describe('selectFeatures', () => {
  const select = (features: object) =>
    selectFeatures(
      source,
      dataSpec('/data/a.parquet', { features: { include: 'all', except: [], important: [], ...features } })
    );
  const names = (features: object) => select(features).features.map(({ name }) => name);

  it('gives the columns of the source in its order, without key, time, label and what is left out', () => {
    expect(names({})).toEqual(['seen', 'x', 'a.day', 'flag', 'nested']);
    expect(names({ except: ['x', 'nested'] })).toEqual(['seen', 'a.day', 'flag']);
    expect(names({ include: ['flag', 'x', 'at', 'id'] })).toEqual(['x', 'flag']);
    expect(names({ include: ['flag', 'x'], except: ['x'], important: ['flag'] })).toEqual(['flag']);
    expect(select({ important: ['x'] }).problems).toEqual([]);
    // The word for all columns names none.
    const data = dataSpec('/data/a.parquet', { label: { column: 'a', arrivesAfterMs: 0 } });
    expect(selectFeatures(source, data).problems).toEqual([]);
  });

  it.each([
    [{ except: ['xx'] }, [/^data\.features\.except: .*did you mean `x`/]],
    [{ include: ['xx'] }, [/^data\.features\.include: .*did you mean `x`/]],
    [{ include: ['x', 'late'] }, [/^data\.features\.include: `late` is the label; a model must not see it$/]],
    [{ important: ['late', 'fla'] }, [/^data\.features\.important: `late` is not a feature/, /did you mean `flag`/]],
    [{ include: ['x'], except: ['x'] }, [/^data\.features: no column is left to learn from$/]],
    [{ include: ['none'], except: ['nowhere'] }, [/except: .*`nowhere`/, /include: .*`none`/]],
  ])('%j is refused', (features, problems) => {
    expect(select(features).problems).toEqual(problems.map((problem) => expect.stringMatching(problem) as string));
  });
});
