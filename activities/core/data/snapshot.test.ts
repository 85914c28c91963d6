import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import type { DataSpec } from '@retempo/workflows/contracts';
import { describe, expect, it } from 'vitest';

import { countWindows, snapshotData } from './snapshot.js';
import {
  dataSpec,
  DAY_MS,
  PLAIN_COLUMNS,
  plainRows,
  readRows,
  runSql,
  temporaryFolder,
  writeRows,
  type PlainRow,
} from './support.test.util.js';

const folder = temporaryFolder();
let counter = 0;
const fresh = (name: string) => join(folder, `${++counter}-${name}`);

const digests = (root: string) =>
  readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((file) => [file.slice(root.length), createHash('sha256').update(readFileSync(file)).digest('hex')]);

const inWindow = (row: PlainRow, from: string, to: string) => {
  const at = Date.parse(`${row.at.replace(' ', 'T')}Z`);
  return at >= Date.parse(from) && at < Date.parse(to);
};

describe('snapshotData', () => {
  it('cuts the newest labelled windows by event time, across a year end, as a plain filter would', async () => {
    const rows = plainRows({ start: '2000-12-22T00:00:00Z', days: 14, perDay: 24 }).map((row, i) =>
      i % 50 === 0 ? { ...row, late: null } : row
    );
    const source = await writeRows(fresh('a.parquet'), PLAIN_COLUMNS, rows);
    const out = fresh('out');
    const result = await snapshotData({
      data: dataSpec(source, { unit: 'at.day' }),
      folder: out,
      sliceBy: ['place', 'dayOfWeek', 'at.month'],
    });

    // Newest event 2001-01-04 23:00, labels 2 days later: complete up to 2001-01-02 23:00, whole days: 2001-01-02.
    expect(result.watermark).toBe('2001-01-04T23:00:00.000Z');
    expect(result.evaluate).toMatchObject({ from: '2000-12-30T00:00:00.000Z', to: '2001-01-02T00:00:00.000Z' });
    expect(result.train).toMatchObject({ from: '2000-12-24T00:00:00.000Z', to: '2000-12-29T00:00:00.000Z' });

    const train = rows.filter((row) => inWindow(row, result.train.from, result.train.to));
    const evaluate = rows.filter((row) => inWindow(row, result.evaluate.from, result.evaluate.to));
    const labelled = (of: readonly PlainRow[]) =>
      of.filter((row) => row.late !== null).sort((a, b) => (a.at < b.at ? -1 : 1));
    expect(result.train.rows).toBe(labelled(train).length);
    const counted = await countWindows({ data: dataSpec(source, { unit: 'at.day' }) });
    expect(counted).toEqual({ train: result.train, evaluate: result.evaluate });
    expect(result.evaluate.rows).toBe(labelled(evaluate).length);
    expect(result.labelCoverage).toEqual({
      train: labelled(train).length / 120,
      evaluate: labelled(evaluate).length / 72,
      unlabelled: 192 - labelled(train).length - labelled(evaluate).length,
    });
    expect(result.labelCoverage.unlabelled).toBeGreaterThan(0);

    const asDate = (row: PlainRow) => new Date(`${row.at.replace(' ', 'T')}Z`);
    expect(await readRows(join(result.folders.train, 'train.parquet'))).toEqual(
      labelled(train).map((row) => ({ id: row.id, at: asDate(row), x: row.x, place: row.place, late: row.late }))
    );
    expect(await readRows(join(result.folders.evaluate, 'features.parquet'))).toEqual(
      labelled(evaluate).map((row) => ({ id: row.id, at: asDate(row), x: row.x, place: row.place }))
    );
    const weekdays = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
    expect(await readRows(join(result.folders.labels, 'labels.parquet'))).toEqual(
      labelled(evaluate).map((row) => ({
        key: row.id,
        time: asDate(row),
        label: row.late,
        unit: row.at.slice(0, 10),
        'slice:place': row.place,
        'slice:dayOfWeek': weekdays[asDate(row).getUTCDay()],
        'slice:at.month': row.at.slice(0, 7),
      }))
    );
  });

  it('writes the same bytes for the same rows, whatever their order, files, format of the path and threads', async () => {
    // Many rows share an instant: then their keys decide.
    const rows = plainRows({ start: '2001-03-01T00:00:00Z', days: 12, perDay: 12_000 }).map((row) => ({
      ...row,
      at: `${row.at.slice(0, 13)}:00:00`,
    }));
    const one = await writeRows(fresh('one.parquet'), PLAIN_COLUMNS, rows);
    const base = fresh('many');
    await writeRows(`${base}-1.parquet`, PLAIN_COLUMNS, rows.slice(0, 40_000).toReversed());
    await writeRows(`${base}-2.parquet`, PLAIN_COLUMNS, rows.slice(40_000));
    const outs: string[] = [];
    for (const [source, threads] of [
      [one, 1],
      [one, 4],
      [`${base}-*.parquet`, 3],
      [pathToFileURL(one).href, 2],
    ] as const) {
      const out = fresh('out');
      await snapshotData({ data: dataSpec(source), folder: out, sliceBy: ['place'] }, undefined, { threads });
      outs.push(out);
    }
    const first = digests(outs[0]!);
    expect(first.map(([file]) => file)).toEqual([
      '/evaluate/features.parquet',
      '/labels/labels.parquet',
      '/train/train.parquet',
    ]);
    for (const out of outs.slice(1)) expect(digests(out)).toEqual(first);
  });

  it('evaluates only rows after the given instant and says when nothing is left', async () => {
    const rows = plainRows({ start: '2001-01-01T00:00:00Z', days: 14, perDay: 4 });
    const source = await writeRows(fresh('a.parquet'), PLAIN_COLUMNS, rows);
    const cut = await snapshotData({
      data: dataSpec(source),
      folder: fresh('out'),
      evaluateOnlyAfter: '2001-01-10T00:00:00Z',
    });
    expect(cut.evaluate).toEqual({ from: '2001-01-10T00:00:00.000Z', to: '2001-01-12T00:00:00.000Z', rows: 8 });
    expect(cut.train).toEqual({ from: '2001-01-03T00:00:00.000Z', to: '2001-01-08T00:00:00.000Z', rows: 20 });
    await expect(
      snapshotData({ data: dataSpec(source), folder: fresh('out'), evaluateOnlyAfter: '2001-01-12T00:00:00Z' })
    ).rejects.toMatchObject({
      class: 'NotFound',
      message: expect.stringContaining('needed are events up to 2001-01-15T00:00:00.000Z') as string,
    });
  });

  it('says what is there and what is needed when the windows are not covered', async () => {
    const rows = plainRows({ start: '2001-01-01T06:00:00Z', days: 10, perDay: 4 });
    const source = await writeRows(fresh('short.parquet'), PLAIN_COLUMNS, rows);
    await expect(snapshotData({ data: dataSpec(source), folder: fresh('out') })).rejects.toMatchObject({
      class: 'NotFound',
      message:
        `not enough data yet: ${source} has events from 2001-01-01T06:00:00.000Z to 2001-01-11T00:00:00.000Z; training ` +
        'on 5 d, a gap of 1 d, evaluating on 3 d and labels that arrive after 2 d need events from ' +
        '2000-12-31T00:00:00.000Z, or from the same start up to 2001-01-12T00:00:00.000Z',
    });
    const enough = plainRows({ start: '2001-01-01T06:00:00Z', days: 11, perDay: 4 });
    const covered = await writeRows(fresh('covered.parquet'), PLAIN_COLUMNS, enough);
    const result = await snapshotData({ data: dataSpec(covered), folder: fresh('out') });
    expect(result.train).toMatchObject({ from: '2001-01-01T00:00:00.000Z', rows: 19 });
  });

  it('refuses a window without rows, without labels, with NaN labels, with duplicate or missing keys or times', async () => {
    const rows = plainRows({ start: '2001-01-01T00:00:00Z', days: 14, perDay: 4 });
    const columns = { ...PLAIN_COLUMNS, late: 'DOUBLE' };
    const attempt = async (changed: readonly object[]) => {
      const source = await writeRows(fresh('bad.parquet'), columns, changed);
      return snapshotData({ data: dataSpec(source), folder: fresh('out') });
    };
    const day = (row: PlainRow) => Number(row.at.slice(8, 10));
    await expect(attempt(rows.filter((row) => day(row) < 9 || day(row) > 11))).rejects.toMatchObject({
      class: 'NotFound',
      message: expect.stringMatching(/the evaluate window \[2001-01-09.*has 0 rows: needed is at least one$/) as string,
    });
    await expect(attempt(rows.map((row) => (day(row) > 8 ? { ...row, late: null } : row)))).rejects.toMatchObject({
      class: 'NotFound',
      message: expect.stringContaining('has 12 rows and not one label') as string,
    });
    await expect(
      attempt(rows.map((row) => (['r40', 'r41'].includes(row.id) ? { ...row, late: 'NaN' } : row)))
    ).rejects.toMatchObject({
      class: 'InvalidSpec',
      message: '2 labels in `late` are not finite numbers, at the keys "r40", "r41"',
    });
    await expect(attempt([...rows, { ...rows[0]!, at: '2001-01-05 00:00:00' }, rows[1]!])).rejects.toMatchObject({
      class: 'InvalidSpec',
      message: expect.stringMatching(/[12] keys? in `id` of .* name more than one row: "r/) as string,
    });
    await expect(attempt(rows.map((row) => (day(row) === 5 ? { ...row, id: null } : row)))).rejects.toMatchObject({
      message: expect.stringMatching(/4 rows of .* have no `id`/) as string,
    });
    await expect(attempt(rows.map((row) => (row.id === 'r40' ? { ...row, id: null } : row)))).rejects.toMatchObject({
      message: expect.stringMatching(/1 row of .* have no `id`/) as string,
    });
    for (const [what, ids] of [
      ['in the evaluation', ['r40', 'r41']],
      ['over both windows', ['r16', 'r40']],
    ] as const) {
      const twice = rows.map((row) => (row.id === ids[0] ? { ...row, id: ids[1] } : row));
      await expect(attempt(twice), what).rejects.toMatchObject({
        message: expect.stringMatching(new RegExp(`1 key in .* name more than one row: "${ids[1]}"`)) as string,
      });
    }
    // Rows of neither window are nobody's trouble.
    const earlier = rows.map((row) => (row.id === 'r1' ? { ...row, id: 'r0' } : row));
    expect((await attempt(earlier)).evaluate.rows).toBe(12);
    const single = await writeRows(
      fresh('float.parquet'),
      { ...columns, late: 'FLOAT' },
      rows.map((row) => (row.id === 'r40' ? { ...row, late: 'NaN' } : row))
    );
    await expect(snapshotData({ data: dataSpec(single), folder: fresh('out') })).rejects.toThrow('1 label in `late`');
    await expect(attempt([...rows, { ...rows[0]!, id: 'n', at: null }])).rejects.toMatchObject({
      message: expect.stringMatching(/1 row of 57 in .* have no usable `at`/) as string,
    });
    await expect(attempt([...rows, { ...rows[0]!, id: 'n', at: 'infinity' }])).rejects.toMatchObject({
      message: expect.stringMatching(/1 row of 57 in .* have no usable `at`/) as string,
    });
  });

  it('names every wrong column at once, with the nearest name', async () => {
    const rows = plainRows({ start: '2001-01-01T00:00:00Z', days: 14, perDay: 4 });
    const source = await writeRows(fresh('a.parquet'), PLAIN_COLUMNS, rows);
    const data = dataSpec(source, {
      time: 'x',
      key: 'ID',
      unit: 'place.day',
      label: { column: 'lates', arrivesAfterMs: 0 },
      features: { include: ['x', 'plaice'], except: [], important: ['at'] },
    });
    const failure = await snapshotData({ data, folder: fresh('out'), sliceBy: ['nowhere'] }).catch(
      (error: unknown) => error
    );
    expect(failure).toMatchObject({ class: 'InvalidSpec' });
    const { message } = failure as Error;
    for (const part of [
      'data.time: `x` has type DOUBLE; it must be a date or a timestamp',
      'data.key: ',
      'no column `ID` (did you mean `id`?)',
      'no column `lates` (did you mean `late`?)',
      'no column `plaice` (did you mean `place`?)',
      'data.unit: `place.day` needs a time column, and `place` has type VARCHAR',
      'data.features.important: `at` is not a feature',
      'gate.slices.by: ',
      '(there are: id, at, x, place, late)',
    ]) {
      expect(message).toContain(part);
    }
  });

  it('never lets a model see the label, and leaves excepted columns out', async () => {
    const rows = plainRows({ start: '2001-01-01T00:00:00Z', days: 14, perDay: 4 });
    const source = await writeRows(fresh('a.parquet'), PLAIN_COLUMNS, rows);
    const attempt = (features: DataSpec['features']) =>
      snapshotData({ data: dataSpec(source, { features }), folder: fresh('out') });
    await expect(attempt({ include: ['x', 'late'], except: [], important: [] })).rejects.toThrow(
      'data.features.include: `late` is the label; a model must not see it'
    );
    await expect(attempt({ include: 'all', except: ['x', 'place'], important: [] })).rejects.toThrow(
      'no column is left to learn from'
    );
    await expect(attempt({ include: 'all', except: ['placee'], important: [] })).rejects.toThrow(
      'data.features.except: '
    );
    const result = await attempt({ include: 'all', except: ['x', 'late', 'id'], important: ['place'] });
    expect(result.features).toEqual(['place']);
    const train = await readRows(join(result.folders.train, 'train.parquet'));
    expect(Object.keys(train[0]!)).toEqual(['id', 'at', 'place', 'late']);
    const evaluate = await readRows(join(result.folders.evaluate, 'features.parquet'));
    expect(Object.keys(evaluate[0]!)).toEqual(['id', 'at', 'place']);
  });

  it('takes hostile names and paths as plain text', async () => {
    const names = {
      id: `i"d'; drop table x; --`,
      at: `été 🛫 [*]?`,
      x: `select * from "t"`,
      late: `la'te"`,
    };
    const columns = Object.fromEntries(
      Object.entries(names).map(([plain, name]) => [name, PLAIN_COLUMNS[plain as keyof typeof PLAIN_COLUMNS]])
    );
    const rows = plainRows({ start: '2001-01-01T00:00:00Z', days: 14, perDay: 4 }).map((row) => ({
      [names.id]: `${row.id}'"; drop`,
      [names.at]: row.at,
      [names.x]: row.x,
      [names.late]: row.late,
    }));
    const source = await writeRows(join(folder, `we'ird [a]*?"; drop.parquet`), columns, rows);
    const data = dataSpec(source, {
      time: names.at,
      key: names.id,
      unit: `${names.at}.day`,
      label: { column: names.late, arrivesAfterMs: 0 },
      features: { include: [names.x], except: [], important: [names.x] },
    });
    const result = await snapshotData({ data, folder: join(folder, `out'; drop [x] ü`), sliceBy: [names.x] });
    const train = await readRows(join(result.folders.train, 'train.parquet'));
    expect(Object.keys(train[0]!)).toEqual([names.id, names.at, names.x, names.late]);
    expect(train).toHaveLength(result.train.rows);
    const labels = await readRows(join(result.folders.labels, 'labels.parquet'));
    expect(Object.keys(labels[0]!)).toEqual(['key', 'time', 'label', 'unit', `slice:${names.x}`]);
  });

  it('keeps whole-number keys beyond 2^53 and reads times with a zone as instants', async () => {
    const source = fresh('big.parquet');
    await runSql(
      `COPY (SELECT 9007199254740993 + i AS id, TIMESTAMPTZ '2001-01-01 00:30:00+02:00' + i * INTERVAL 6 HOUR AS at, ` +
        `i::DOUBLE AS x, 'p' AS place, i % 2 = 0 AS late FROM range(60) r(i)) TO '${source}' (FORMAT parquet)`
    );
    const result = await snapshotData({ data: dataSpec(source), folder: fresh('out') });
    // 60 events from 2000-12-31T22:30Z every 6 hours: the last at 2001-01-15T16:30Z.
    expect(result.watermark).toBe('2001-01-15T16:30:00.000Z');
    expect(result.evaluate).toEqual({ from: '2001-01-10T00:00:00.000Z', to: '2001-01-13T00:00:00.000Z', rows: 12 });
    const labels = await readRows(join(result.folders.labels, 'labels.parquet'));
    expect(labels[0]).toEqual({
      key: String(9007199254740993n + 37n),
      time: new Date('2001-01-10T04:30:00Z'),
      label: false,
      unit: String(9007199254740993n + 37n),
    });
    const features = await readRows(join(result.folders.evaluate, 'features.parquet'));
    expect(features[0]!['id']).toBe(9007199254740993n + 37n);
  });

  it('reads CSV: keys stay text, empty fields are missing', async () => {
    const rows = plainRows({ start: '2001-01-01T00:00:00Z', days: 14, perDay: 2 });
    const source = fresh('a.csv');
    const lines = rows.map(
      (row, i) => `${row.id.slice(1)}.10,${row.at},${i % 5 === 0 ? '' : row.x},"${row.place}",${row.late}`
    );
    writeFileSync(source, `id,at,x,place,late\n${lines.join('\n')}\n`);
    const result = await snapshotData({ data: dataSpec(source), folder: fresh('out') });
    expect(result.train.rows).toBe(10);
    const train = await readRows(join(result.folders.train, 'train.parquet'));
    expect(train[0]!['id']).toBe('4.10');
    expect(train.filter((row) => row['x'] === null)).toHaveLength(
      rows.filter((row, i) => i % 5 === 0 && inWindow(row, result.train.from, result.train.to)).length
    );
  });

  it('aligns to hours when the split is in hours', async () => {
    const rows = plainRows({ start: '2001-01-01T00:00:00Z', days: 1, perDay: 96 });
    const source = await writeRows(fresh('hours.parquet'), PLAIN_COLUMNS, rows);
    const hour = 3_600_000;
    const data = dataSpec(source, {
      label: { column: 'late', arrivesAfterMs: hour / 2 },
      split: { trainMs: 6 * hour, gapMs: 0, evaluateMs: 2 * hour },
    });
    const result = await snapshotData({ data, folder: fresh('out') });
    expect(result.evaluate).toEqual({ from: '2001-01-01T21:00:00.000Z', to: '2001-01-01T23:00:00.000Z', rows: 8 });
    expect(result.train).toEqual({ from: '2001-01-01T15:00:00.000Z', to: '2001-01-01T21:00:00.000Z', rows: 24 });
  });

  it('keeps the file of an earlier attempt whole when it is cancelled in the middle of writing', async () => {
    const source = fresh('large.parquet');
    await runSql(
      `COPY (SELECT (i * 7919) % 1000003 AS id, TIMESTAMP '2001-01-01' + ((i * 31) % 20160) * INTERVAL 1 MINUTE AS at, ` +
        `sqrt(i) AS x, md5(i::VARCHAR) AS place, i % 2 AS late FROM range(1000000) r(i)) TO '${source}' (FORMAT parquet)`
    );
    const out = fresh('out');
    const target = join(out, 'train', 'train.parquet');
    mkdirSync(join(out, 'train'), { recursive: true });
    writeFileSync(target, 'whole');
    const controller = new AbortController();
    const call = { signal: controller.signal, deadlineMs: Date.now() + DAY_MS };
    const watching = setInterval(() => {
      if (readdirSync(join(out, 'train')).length > 1 || readFileSync(target).length !== 5) controller.abort();
    }, 1);
    const data = dataSpec(source, { split: { trainMs: 9 * DAY_MS, gapMs: 0, evaluateMs: DAY_MS } });
    await expect(snapshotData({ data, folder: out }, call, { threads: 1 })).rejects.toMatchObject({
      class: 'Cancelled',
    });
    clearInterval(watching);
    expect(readFileSync(target, 'utf8')).toBe('whole');
    expect(readdirSync(join(out, 'train'))).toEqual(['train.parquet']);
  });

  it('leaves nothing behind when it is cancelled', async () => {
    const rows = plainRows({ start: '2001-01-01T00:00:00Z', days: 14, perDay: 4 });
    const source = await writeRows(fresh('a.parquet'), PLAIN_COLUMNS, rows);
    const out = fresh('out');
    const call = { signal: AbortSignal.abort(), deadlineMs: Date.now() + DAY_MS };
    await expect(snapshotData({ data: dataSpec(source), folder: out }, call)).rejects.toMatchObject({
      class: 'Cancelled',
    });
    expect(existsSync(out)).toBe(false);
  });
});
