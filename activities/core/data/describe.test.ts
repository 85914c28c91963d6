import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { describe, expect, it } from 'vitest';

import { describeSource } from './describe.js';
import { withEngine } from './engine.js';
import { openSource } from './source.js';
import { DAY_MS, PLAIN_COLUMNS, plainRows, runSql, temporaryFolder, writeRows } from './support.test.util.js';

const folder = temporaryFolder();
const rows = plainRows({ start: '2000-12-31T00:00:00Z', days: 2, perDay: 4 });
const file = await writeRows(join(folder, 'a.parquet'), PLAIN_COLUMNS, rows);

describe('describeSource', () => {
  it('names columns, types, rows and the span of event time', async () => {
    const found = await describeSource({ source: file, time: 'at', key: 'id', label: 'late' });
    expect(found).toEqual({
      files: [file],
      rows: 8,
      firstEvent: '2000-12-31T00:00:00.000Z',
      lastEvent: '2001-01-01T18:00:00.000Z',
      columns: [
        { name: 'id', type: 'VARCHAR', kind: 'string' },
        { name: 'at', type: 'TIMESTAMP', kind: 'time' },
        { name: 'x', type: 'DOUBLE', kind: 'number' },
        { name: 'place', type: 'VARCHAR', kind: 'string' },
        { name: 'late', type: 'INTEGER', kind: 'number' },
      ],
    });
    expect(await describeSource({ source: file })).toMatchObject({ rows: 8, firstEvent: null, lastEvent: null });
    expect(await describeSource({ source: pathToFileURL(file).href, time: 'at' })).toMatchObject({ files: [file] });
  });

  it('knows the kinds of all types, and dates before 1970', async () => {
    const kinds = join(folder, 'kinds.parquet');
    await runSql(
      `COPY (SELECT DATE '1969-12-31' AS d, 1::UTINYINT AS u, 1.5::DECIMAL(9,2) AS c, true AS b, [1] AS l, {'a': 1} AS s, ` +
        `'x'::BLOB AS y, uuid() AS id, TIMESTAMPTZ '2001-01-01 00:00:00+05' AS z, ['a'] AS m) TO '${kinds}' (FORMAT parquet)`
    );
    const found = await describeSource({ source: kinds, time: 'd', key: 'id' });
    expect(found.columns.map((column) => column.kind)).toEqual([
      'time',
      'number',
      'number',
      'boolean',
      'other',
      'other',
      'other',
      'string',
      'time',
      'other',
    ]);
    expect(found.firstEvent).toBe('1969-12-31T00:00:00.000Z');
    expect(await describeSource({ source: kinds, time: 'z' })).toMatchObject({ lastEvent: '2000-12-31T19:00:00.000Z' });
  });

  it.each([
    ['a missing file', { source: join(folder, 'none.parquet') }, 'NotFound', /there is no file .*none\.parquet/],
    ['a glob without a match', { source: join(folder, 'none-*.csv') }, 'NotFound', /no file matches/],
    ['a folder', { source: folder }, 'InvalidSpec', /is a folder: name its files/],
    ['a relative path', { source: 'data/a.parquet' }, 'InvalidSpec', /must be absolute/],
    ['another scheme', { source: 's3://bucket/a.parquet' }, 'InvalidSpec', /not from `s3:`/],
    ['a web address', { source: 'https://127.0.0.1/a.parquet' }, 'InvalidSpec', /not from `https:`/],
    ['a foreign host', { source: 'file://host/a.parquet' }, 'InvalidSpec', /not a valid file URI/],
    [
      'a backslash, which a pattern takes for more',
      { source: `${folder}/a\\*.csv` },
      'InvalidSpec',
      /no NUL and no backslash/,
    ],
    ['a NUL, which would end the path', { source: `${folder}/a\0.csv` }, 'InvalidSpec', /no NUL and no backslash/],
    ['another format', { source: join(folder, 'a.xlsx') }, 'InvalidSpec', /only .parquet, .csv and .csv.gz/],
    ['an empty CSV file', { source: join(folder, 'empty.csv') }, 'NotFound', /needs a header line/],
    ['two formats', { source: join(folder, 'mixed', '*') }, 'InvalidSpec', /mixes Parquet and CSV/],
    ['bytes that are not Parquet', { source: join(folder, 'fake.parquet') }, 'InvalidSpec', /could not be read/],
    ['a column name with NUL', { source: join(folder, 'nul.csv') }, 'InvalidSpec', /a column whose name contains NUL/],
    ['no rows', { source: join(folder, 'header.csv'), time: 'at' }, 'InvalidSpec', /data.time/],
    ['a time that is text', { source: file, time: 'place' }, 'InvalidSpec', /`place` has type VARCHAR; it must be/],
    ['a key that is a fraction', { source: file, time: 'at', key: 'x' }, 'InvalidSpec', /`x` has type DOUBLE; a key/],
    ['a label that is a time', { source: file, time: 'at', label: 'at' }, 'InvalidSpec', /a label must be/],
    [
      'keys that repeat',
      { source: file, time: 'at', key: 'place' },
      'InvalidSpec',
      /4 keys in `place` of .* name more than one row/,
    ],
  ])('refuses %s', async (_, input, errorClass, message) => {
    writeFileSync(join(folder, 'a.xlsx'), 'x');
    writeFileSync(join(folder, 'empty.csv'), '');
    writeFileSync(join(folder, 'nul.csv'), 'a\0b,c\n1,2\n');
    writeFileSync(join(folder, 'header.csv'), 'at,x\n');
    writeFileSync(join(folder, 'fake.parquet'), 'this is text, and long enough to be looked at');
    mkdirSync(join(folder, 'mixed'), { recursive: true });
    writeFileSync(join(folder, 'mixed', 'a.csv'), 'a\n1\n');
    writeFileSync(join(folder, 'mixed', 'b.parquet'), 'PAR1');
    await expect(describeSource(input)).rejects.toMatchObject({
      class: errorClass,
      message: expect.stringMatching(message) as string,
    });
  });

  it('refuses files of one glob that do not have the same columns', async () => {
    await writeRows(join(folder, 'part-1.parquet'), { a: 'INTEGER', b: 'INTEGER' }, [{ a: 1, b: 2 }]);
    await writeRows(join(folder, 'part-2.parquet'), { a: 'INTEGER' }, [{ a: 3 }]);
    await expect(describeSource({ source: join(folder, 'part-*.parquet') })).rejects.toMatchObject({
      class: 'InvalidSpec',
      message: expect.stringMatching(
        /part-2.parquet does not have the same columns as .*: they differ in `b`$/
      ) as string,
    });
    writeFileSync(join(folder, 'c-1.csv'), 'a,b\n1,2\n');
    writeFileSync(join(folder, 'c-2.csv'), 'b,a\n1,2\n');
    await expect(describeSource({ source: join(folder, 'c-*.csv') })).rejects.toThrow('they differ in their order');
    writeFileSync(join(folder, 'c-2.csv'), 'a,b\n3,x\n');
    expect((await describeSource({ source: join(folder, 'c-*.csv') })).columns.map((column) => column.type)).toEqual([
      'BIGINT',
      'VARCHAR',
    ]);
  });

  it('finds the columns of Parquet files by name, in whatever order each has them', async () => {
    await writeRows(join(folder, 'order-1.parquet'), { a: 'INTEGER', b: 'INTEGER' }, [{ a: 1, b: 10 }]);
    await writeRows(join(folder, 'order-2.parquet'), { b: 'INTEGER', a: 'INTEGER' }, [{ a: 2, b: 20 }]);
    await withEngine({}, undefined, async (engine) => {
      const { relation } = await openSource(engine, join(folder, 'order-*.parquet'));
      const [row] = await engine.rows(`SELECT sum(a)::INTEGER AS a, sum(b)::INTEGER AS b FROM ${relation}`);
      expect(row).toEqual({ a: 3, b: 30 });
    });
  });

  it('names no more than five of the columns that differ', async () => {
    writeFileSync(join(folder, 'wide-1.csv'), 'a,b,c,d,e,f,g\n1,2,3,4,5,6,7\n');
    writeFileSync(join(folder, 'wide-2.csv'), 'g\n7\n');
    await expect(describeSource({ source: join(folder, 'wide-*.csv') })).rejects.toThrow(
      /they differ in `a`, `b`, `c`, `d`, `e`$/
    );
  });

  it('keeps the keys of a CSV file as they are written', async () => {
    writeFileSync(join(folder, 'keys.csv'), 'id,at\n1.10,2001-01-01\n1.1,2001-01-02\n');
    const { columns } = await describeSource({ source: join(folder, 'keys.csv'), time: 'at', key: 'id' });
    expect(columns.map(({ type }) => type)).toEqual(['VARCHAR', 'DATE']);
    expect((await describeSource({ source: join(folder, 'keys.csv') })).columns[0]?.type).toBe('DOUBLE');
  });

  it('says what is wrong with a source that has no rows', async () => {
    const empty = await writeRows(join(folder, 'none-yet.parquet'), PLAIN_COLUMNS, []);
    expect(await describeSource({ source: empty })).toMatchObject({ rows: 0 });
    await expect(describeSource({ source: empty, time: 'at' })).rejects.toMatchObject({
      class: 'NotFound',
      message: `${empty} has no rows`,
    });
  });
});

describe('withEngine', () => {
  const endless = 'SELECT sum(sqrt(a.i * b.i)) FROM range(10000000) a(i), range(10000000) b(i)';

  it('interrupts a running statement when the call is aborted, and closes', async () => {
    for (const [deadlineMs, errorClass] of [
      [Date.now() + DAY_MS, 'Cancelled'],
      [Date.now(), 'DeadlineExceeded'],
    ] as const) {
      const controller = new AbortController();
      const asking = withEngine({}, { signal: controller.signal, deadlineMs }, (engine) => {
        const running = engine.rows(endless);
        setTimeout(() => controller.abort(), 30);
        return running;
      });
      await expect(asking).rejects.toMatchObject({ class: errorClass });
    }
  });

  it('cannot reach the network and leaves no file behind', async () => {
    const spilled = () => readdirSync(tmpdir()).filter((name) => name.startsWith(`retempo-data-${process.pid}-`));
    await withEngine({}, undefined, async (engine) => {
      expect(spilled()).toHaveLength(1);
      const [settings] = await engine.rows(
        `SELECT current_setting('autoinstall_known_extensions') AS i, current_setting('autoload_known_extensions') AS l, current_setting('TimeZone') AS z, current_setting('temp_directory') AS t`
      );
      // What does not fit into memory goes nowhere else: not into the folder that the worker was started in.
      expect(settings).toEqual({ i: false, l: false, z: 'UTC', t: join(tmpdir(), spilled()[0]!) });
      await expect(engine.rows(`SELECT * FROM read_csv('http://127.0.0.1:1/a.csv')`)).rejects.toMatchObject({
        message: expect.stringContaining('httpfs') as string,
      });
      await expect(engine.rows(`SET autoload_known_extensions = true`)).rejects.toThrow('locked');
    });
    expect(spilled()).toHaveLength(0);
  });

  it('spills within its memory limit and says so when that is not enough', async () => {
    const sorted =
      'SELECT max(x) AS m FROM (SELECT md5(i::VARCHAR) AS x FROM range(3000000) r(i) ORDER BY x LIMIT 2900000)';
    const rows = await withEngine({ memoryLimit: '80MB', threads: 1 }, undefined, (engine) => engine.rows(sorted));
    expect(rows).toHaveLength(1);
    await expect(
      withEngine({ memoryLimit: '20MB', threads: 1 }, undefined, (engine) =>
        engine.rows('SELECT len(list(i)) FROM range(30000000) r(i)')
      )
    ).rejects.toMatchObject({ class: 'ServiceFault', message: expect.stringContaining('memoryLimit') as string });
  });

  it('refuses an unusable memory limit', async () => {
    await expect(withEngine({ memoryLimit: 'lots' }, undefined, async () => 1)).rejects.toThrow('lots');
  });
});

describe('openSource', () => {
  it('reads a file that looks like a glob, and adds no columns for partition folders', async () => {
    const partition = join(folder, 'year=2001');
    mkdirSync(partition);
    await writeRows(join(partition, 'a[b]*.parquet'), { a: 'INTEGER' }, [{ a: 1 }]);
    await writeRows(join(partition, 'ab.parquet'), { a: 'INTEGER' }, [{ a: 2 }]);
    const read = (source: string) =>
      withEngine({}, undefined, async (engine) => {
        const opened = await openSource(engine, source);
        expect(opened.columns.map((column) => column.name)).toEqual(['a']);
        return (await engine.rows(`SELECT a FROM ${opened.relation} ORDER BY a`)).map((row) => row['a']);
      });
    expect(await read(join(partition, 'a[b]*.parquet'))).toEqual([1]);
    expect(await read(join(partition, 'a[b]?parquet'))).toEqual([2]);
    expect(await read(join(folder, '**', 'a*.parquet').replace('**', 'year=*'))).toEqual([1, 2]);
  });

  it('reads several sources as one, a file that two of them name only once', async () => {
    const [first, second] = [join(folder, 'several-1.parquet'), join(folder, 'several-2.parquet')];
    await writeRows(first, { a: 'INTEGER' }, [{ a: 1 }]);
    await writeRows(second, { a: 'INTEGER' }, [{ a: 2 }]);
    await withEngine({}, undefined, async (engine) => {
      const opened = await openSource(engine, [second, pathToFileURL(first).href, join(folder, 'several-*.parquet')]);
      expect(opened.files).toEqual([first, second]);
      const [row] = await engine.rows(`SELECT count(*) AS n, sum(a)::INTEGER AS a FROM ${opened.relation}`);
      expect(row).toEqual({ n: 2, a: 3 });
    });
  });
});
