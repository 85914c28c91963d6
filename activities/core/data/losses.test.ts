import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { labelledLosses } from './losses.js';
import { dataSpec, PLAIN_COLUMNS, plainRows, temporaryFolder, writeRows } from './support.test.util.js';

const folder = temporaryFolder();
let counter = 0;
const fresh = (name: string) => join(folder, `${++counter}-${name}`);
const window = { from: '2001-01-03T00:00:00Z', to: '2001-01-05T00:00:00Z' };

interface Answer {
  readonly key: string | number | null;
  readonly version?: string;
  readonly at?: string;
  readonly status?: number;
  readonly prediction?: unknown;
}

const line = (answer: Answer) =>
  JSON.stringify({
    version: 'v1',
    revision: 'r',
    at: '2026-01-01T00:00:00.000Z',
    status: 200,
    prediction: 0.5,
    ...answer,
  });

function log(name: string, lines: readonly string[], end = '\n'): string {
  const file = join(folder, name);
  writeFileSync(file, lines.length === 0 ? '' : `${lines.join('\n')}${end}`);
  return file;
}

const rows = plainRows({ start: '2001-01-01T00:00:00Z', days: 6, perDay: 4 }).map((row) =>
  row.id === 'r10' ? { ...row, late: null } : row
);
// Of the window: r8 .. r15, every 6 hours; every third one is late.
const source = await writeRows(join(folder, 'source.parquet'), PLAIN_COLUMNS, rows);
const data = dataSpec(source);

describe('labelledLosses', () => {
  it('joins the last successful answer of each row, over rotated logs with a torn last line', async () => {
    log('requests-1.ndjson', [
      line({ key: 'r12', prediction: 0.25, at: '2026-01-01T00:00:05.000Z' }),
      line({ key: 'r9', prediction: 0.125, at: '2026-01-01T00:00:01.000Z' }),
      line({ key: 'r9', status: 503, prediction: null, at: '2026-01-01T00:00:09.000Z' }),
      line({ key: 'r9', status: 400, prediction: 0.99, at: '2026-01-01T00:00:09.000Z' }),
      line({ key: 'r1', prediction: 0.5 }),
      line({ key: null, prediction: 0.5 }),
      line({ key: 'nobody' }),
    ]);
    log(
      'requests-2.ndjson',
      [
        line({ key: 'r12', version: 'v2', prediction: 0.75, at: '2026-01-01T00:00:06.000Z' }),
        line({ key: 'r12', version: 'v3', prediction: 0.9, at: '2026-01-01T00:00:04.000Z' }),
        line({ key: 'r8', prediction: 0.5 }),
        line({ key: 'r8', prediction: 0.375 }),
        line({ key: 'r10', prediction: 0.5 }),
        line({ key: 'r13', prediction: 'NaN' }),
        line({ key: 'r14', prediction: 1.5 }),
        line({ key: 'r15', prediction: null }),
        '{"key":"r11","version":"v1","sta',
      ],
      ''
    );
    const found = await labelledLosses({
      data,
      window,
      requestLog: join(folder, 'requests-*.ndjson'),
      metric: 'logLoss',
    });
    const expected = [-Math.log(1 - 0.375), -Math.log(0.125), -Math.log(0.75)];
    expect(found).toMatchObject({
      window,
      rows: 8,
      joined: 7,
      labelled: 6,
      unlabelled: 1,
      duplicates: 3,
      unusable: 3,
      malformedLines: 1,
    });
    expect(found.losses).toHaveLength(3);
    expected.forEach((loss, i) => expect(found.losses[i]).toBeCloseTo(loss, 12));
    expect(found.meanLoss).toBeCloseTo(expected.reduce((sum, loss) => sum + loss, 0) / 3, 12);
    expect(found.byVersion.map(({ version, n }) => [version, n])).toEqual([
      ['v1', 2],
      ['v2', 1],
    ]);
    expect(found.byVersion[1]!.meanLoss).toBeCloseTo(-Math.log(0.75), 12);
  });

  it('takes the later line of the same millisecond, and only the asked versions', async () => {
    const lines = [
      line({ key: 'r9', version: 'v1', prediction: 0.5 }),
      line({ key: 'r9', version: 'v2', prediction: 1 }),
      line({ key: 'r12', version: "v'3", prediction: 0 }),
    ];
    const requestLog = log('versions.ndjson', lines);
    const found = await labelledLosses({ data, window, requestLog, metric: 'brier' });
    expect(found.losses).toEqual([0, 1]);
    // Each loss under the version whose answer it is.
    expect(found.byVersion).toEqual([
      { version: "v'3", n: 1, meanLoss: 1 },
      { version: 'v2', n: 1, meanLoss: 0 },
    ]);
    const only = await labelledLosses({ data, window, requestLog, metric: 'brier', versions: ['v1', "v'3"] });
    expect(only.losses).toEqual([0.25, 1]);
    expect(only.duplicates).toBe(0);
    const certain = await labelledLosses({ data, window, requestLog, metric: 'logLoss', versions: ["v'3"] });
    expect(certain.losses[0]).toBeCloseTo(-Math.log(1e-15), 9);
  });

  it('is not stopped by lines that nobody writes on purpose: each says what it says, and no more', async () => {
    const requestLog = log('odd.ndjson', [
      // Answered without a version, and without a time: older than any that has one.
      JSON.stringify({ key: 'r9', status: 200, prediction: 0.5 }),
      line({ key: 'r9', version: 'v2', prediction: 1 }),
      JSON.stringify({ key: 'r9', status: 200, prediction: 0.25 }),
      JSON.stringify({ key: 'r12', status: 200, prediction: 0.75 }),
      // No status and no prediction that is a number.
      JSON.stringify({ key: 'r14', version: 'v2', at: 'z', status: 'fine', prediction: 0.5 }),
      line({ key: 'r11', prediction: 'likely' }),
      line({ key: 'r13', prediction: { late: 0.5 } }),
      '["r8", 200, 0.5]',
      '"r8"',
    ]);
    const found = await labelledLosses({ data, window, requestLog, metric: 'brier' });
    expect(found).toMatchObject({ joined: 4, labelled: 4, unusable: 2, duplicates: 2, losses: [0, 0.0625] });
    expect(found.byVersion.map(({ version, n }) => [version, n])).toEqual([
      ['', 1],
      ['v2', 1],
    ]);
  });

  it('reads a log whose path looks like a pattern, and text keys of CSV data as they are written', async () => {
    for (const name of ['logs[1]', 'logs1']) mkdirSync(join(folder, name));
    // What the pattern would find.
    log('logs1/requests.ndjson', [line({ key: '1.10', prediction: 0 })]);
    const requestLog = log('logs[1]/requests.ndjson', [line({ key: '1.10', prediction: 0.5 })]);
    const csv = fresh('keys.csv');
    writeFileSync(csv, 'id,at,x,place,late\n1.10,2001-01-03 00:00:00,1,ORD,1\n1.1,2001-01-04 00:00:00,1,ORD,0\n');
    const found = await labelledLosses({ data: dataSpec(csv), window, requestLog, metric: 'brier' });
    expect(found).toMatchObject({ rows: 2, joined: 1, losses: [0.25] });
  });

  it('gives nothing, not zero, without a log, without answers and in an empty window', async () => {
    const nothing = { joined: 0, labelled: 0, unlabelled: 0, duplicates: 0, losses: [], meanLoss: null, byVersion: [] };
    for (const requestLog of [join(folder, 'none-*.ndjson'), log('empty.ndjson', [])]) {
      expect(await labelledLosses({ data, window, requestLog, metric: 'logLoss' })).toMatchObject({
        ...nothing,
        rows: 8,
      });
    }
    const later = { from: '2001-02-01T00:00:00Z', to: '2001-02-02T00:00:00Z' };
    const requestLog = log('some.ndjson', [line({ key: 'r9' })]);
    expect(await labelledLosses({ data, window: later, requestLog, metric: 'logLoss' })).toMatchObject({
      ...nothing,
      rows: 0,
    });
  });

  it('joins whole-number keys beyond 2^53', async () => {
    const big = await writeRows(fresh('big.parquet'), { ...PLAIN_COLUMNS, id: 'BIGINT' }, [
      { ...rows[0]!, id: 9007199254740992n, at: '2001-01-03 00:00:00', late: 0 },
      { ...rows[0]!, id: 9007199254740993n, at: '2001-01-04 00:00:00', late: 1 },
    ]);
    const requestLog = log('big.ndjson', [
      '{"key":9007199254740993,"version":"v1","at":"a","status":200,"prediction":0.75}',
      '{"key":"9007199254740992","version":"v1","at":"a","status":200,"prediction":0.5}',
    ]);
    const found = await labelledLosses({ data: dataSpec(big), window, requestLog, metric: 'brier' });
    expect(found.losses).toEqual([0.25, 0.0625]);
  });

  it('refuses labels that are not 0 or 1, duplicate keys and times that are none', async () => {
    const requestLog = log('ok.ndjson', [line({ key: 'r9' })]);
    const two = await writeRows(
      fresh('two.parquet'),
      PLAIN_COLUMNS,
      rows.map((row) => ({ ...row, late: 2 }))
    );
    await expect(labelledLosses({ data: dataSpec(two), window, requestLog, metric: 'brier' })).rejects.toMatchObject({
      class: 'InvalidSpec',
      message: '8 labels in `late` are not 0 or 1, at the keys "r10", "r11", "r12"',
    });
    const text = await writeRows(
      fresh('text.parquet'),
      { ...PLAIN_COLUMNS, late: 'VARCHAR' },
      rows.map((row) => ({ ...row, late: 'yes' }))
    );
    await expect(labelledLosses({ data: dataSpec(text), window, requestLog, metric: 'brier' })).rejects.toMatchObject({
      class: 'InvalidSpec',
      message: 'brier needs a label that is 0 or 1, and `late` is text',
    });
    const twice = await writeRows(fresh('twice.parquet'), PLAIN_COLUMNS, [
      ...rows,
      rows.find((row) => row.id === 'r9')!,
    ]);
    await expect(labelledLosses({ data: dataSpec(twice), window, requestLog, metric: 'brier' })).rejects.toThrow(
      /^1 key in `id` of .* name more than one row: "r9"$/
    );
    const unknown = dataSpec(source, { key: 'idd', label: { ...data.label, column: 'lates' } });
    await expect(labelledLosses({ data: unknown, window, requestLog, metric: 'brier' })).rejects.toThrow(
      /^data\.key: .*did you mean `id`\?\); data\.label\.column: .*did you mean `late`\?\)$/
    );
    await expect(
      labelledLosses({ data, window: { from: 'soon', to: window.to }, requestLog, metric: 'brier' })
    ).rejects.toThrow('window.from: `soon` is not a time');
  });
});
