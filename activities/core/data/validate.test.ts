import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { temporaryFolder, writeRows } from './support.test.util.js';
import { validateRows } from './validate.js';

const folder = temporaryFolder();
const COLUMNS = { x: 'DOUBLE', n: 'BIGINT', s: 'VARCHAR', b: 'BOOLEAN', t: 'TIMESTAMP', 'o\'d"': 'INTEGER' };
const rows = Array.from({ length: 10 }, (_, i) => ({
  x: [1, Number.NaN, null, -5, 100, 3, 3, 3, Infinity, 3][i],
  n: i,
  s: ['A', 'B', null, "it's", 'A', 'B', 'A', 'C', 'D', 'E'][i],
  b: i % 2 === 0,
  t: '2001-01-01 00:00:00',
  'o\'d"': i,
}));
const file = await writeRows(join(folder, 'a.parquet'), COLUMNS, rows);

describe('validateRows', () => {
  it('finds nothing wrong when nothing is', async () => {
    const found = await validateRows({
      files: [file],
      rules: [
        { column: 'x', type: 'number', min: -5, max: Infinity, missingAtMost: 0.2 },
        { column: 'n', type: 'number', min: 0, max: 9, missingAtMost: 0, oneOf: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] },
        { column: 's', type: 'string', oneOf: ['A', 'B', "it's", 'C', 'D', 'E'], missingAtMost: 0.1 },
        { column: 'b', type: 'boolean', oneOf: [true, false] },
        { column: 't', type: 'time' },
        { column: 'o\'d"', max: 9 },
      ],
    });
    expect(found).toEqual([]);
  });

  it('lists every breach at once, with numbers', async () => {
    const found = await validateRows({
      files: [file],
      rules: [
        { column: 'x', min: 0, max: 50, missingAtMost: 0.1 },
        { column: 's', oneOf: ['A', 'B'], missingAtMost: 0 },
        { column: 'b', oneOf: [true] },
        { column: 'n', type: 'string' },
        { column: 's', max: 3 },
        { column: 's', min: 3 },
        { column: 'ss', type: 'string' },
        { column: 'o\'d"', oneOf: [1, 'x'], min: 9.5 },
      ],
    });
    expect(found).toEqual([
      { column: 'x', rule: 'min', rows: 1, of: 10, message: '`x`: 1 row below 0, the least is -5' },
      { column: 'x', rule: 'max', rows: 2, of: 10, message: '`x`: 2 rows above 50, the greatest is Infinity' },
      {
        column: 'x',
        rule: 'missingAtMost',
        rows: 2,
        of: 10,
        message: '`x`: 2 rows of 10 are missing (20 %), allowed are 10 %',
      },
      {
        column: 's',
        rule: 'missingAtMost',
        rows: 1,
        of: 10,
        message: '`s`: 1 row of 10 are missing (10 %), allowed are 0 %',
      },
      {
        column: 's',
        rule: 'oneOf',
        rows: 4,
        of: 10,
        message: '`s`: 4 rows outside the allowed values, such as "C", "D", "E"',
      },
      {
        column: 'b',
        rule: 'oneOf',
        rows: 5,
        of: 10,
        message: '`b`: 5 rows outside the allowed values, such as "false"',
      },
      { column: 'n', rule: 'type', rows: 10, of: 10, message: '`n` has type BIGINT; expected is string' },
      { column: 's', rule: 'type', rows: 10, of: 10, message: '`s` has type VARCHAR; min and max need a number' },
      { column: 's', rule: 'type', rows: 10, of: 10, message: '`s` has type VARCHAR; min and max need a number' },
      { column: 'ss', rule: 'present', rows: 10, of: 10, message: 'there is no column `ss` (did you mean `s`?)' },
      { column: 'o\'d"', rule: 'min', rows: 10, of: 10, message: '`o\'d"`: 10 rows below 9.5, the least is 0' },
      {
        column: 'o\'d"',
        rule: 'oneOf',
        rows: 9,
        of: 10,
        message: '`o\'d"`: 9 rows outside the allowed values, such as "0", "2", "3"',
      },
    ]);
  });

  it('takes NaN for missing in fractions of either size, and holds it against no other rule', async () => {
    for (const x of ['FLOAT', 'DOUBLE']) {
      const file = await writeRows(join(folder, `${x}.parquet`), { x }, [
        { x: 'NaN' },
        { x: 1 },
        { x: null },
        { x: 1 },
      ]);
      const rules = [{ column: 'x', min: 0, max: 1, missingAtMost: 0.25, oneOf: [1] }];
      expect(await validateRows({ files: [file], rules })).toMatchObject([{ rule: 'missingAtMost', rows: 2, of: 4 }]);
    }
  });

  it('copes with no rows, columns without any value, an empty list of values, and CSV', async () => {
    const empty = await writeRows(join(folder, 'empty.parquet'), COLUMNS, []);
    const rules = [{ column: 'x', min: 0, max: 1, missingAtMost: 0, oneOf: [1] }];
    expect(await validateRows({ files: [empty], rules })).toEqual([]);
    const missing = await writeRows(join(folder, 'missing.parquet'), COLUMNS, [{ x: null }, { x: null }]);
    expect((await validateRows({ files: [missing], rules })).map((breach) => breach.rule)).toEqual(['missingAtMost']);
    expect(await validateRows({ files: [missing], rules: [] })).toEqual([]);
    const none = await validateRows({ files: [file], rules: [{ column: 'n', oneOf: [] }] });
    expect(none[0]).toMatchObject({ rule: 'oneOf', rows: 10 });
    const nul = await validateRows({ files: [file], rules: [{ column: 's', oneOf: ['A\0', 'B'] }] });
    expect(nul[0]).toMatchObject({ rule: 'oneOf', rows: 7 });
    const csv = join(folder, 'a.csv');
    writeFileSync(csv, 'code,x\n007,1\n008,\n');
    const found = await validateRows({
      files: [csv],
      rules: [
        { column: 'code', type: 'string', oneOf: ['007'] },
        { column: 'x', type: 'number', missingAtMost: 0.4 },
      ],
    });
    const digits = join(folder, 'digits.csv');
    writeFileSync(digits, 'code,x\n7,1\n8,2\n');
    const text = [{ column: 'code', type: 'string', oneOf: ['7', '8'] }] as const;
    expect(await validateRows({ files: [digits], rules: text })).toEqual([]);
    expect(found.map((breach) => breach.message)).toEqual([
      '`code`: 1 row outside the allowed values, such as "008"',
      '`x`: 1 row of 2 are missing (50 %), allowed are 40 %',
    ]);
  });
});
