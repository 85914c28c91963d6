import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { EvaluateSpec } from '@retempo/workflows/contracts';
import { describe, expect, it } from 'vitest';

import { PortError } from '../ports/port-error.js';
import type { Engine } from './engine.js';
import { joinPredictions, type JoinInput } from './join.js';
import { loadPredictions } from './predictions.js';
import { runSql, temporaryFolder, writeRows } from './support.test.util.js';

const folder = temporaryFolder();
let counter = 0;

const evaluate: EvaluateSpec = { run: ['x'], predictions: { key: 'flight', probability: 'p' }, timeoutMs: 1 };
const LABEL_COLUMNS = {
  key: 'VARCHAR',
  time: 'TIMESTAMP',
  label: 'DOUBLE',
  unit: 'VARCHAR',
  'slice:origin': 'VARCHAR',
  'slice:__proto__': 'VARCHAR',
};
const labelRows = Array.from({ length: 6 }, (_, i) => ({
  key: `k${i}`,
  time: `2001-01-0${6 - i} 00:00:00`,
  label: i % 2,
  unit: `u${i % 3}`,
  'slice:origin': i < 3 ? 'ORD' : "J'FK",
  ['slice:__proto__']: 'a',
}));

const labelsFile = (rows: readonly object[] = labelRows) =>
  writeRows(join(folder, `${++counter}.parquet`), LABEL_COLUMNS, rows);

function predictions(name: 'csv' | 'jsonl', text: string): string {
  const at = join(folder, `p${++counter}`);
  mkdirSync(at);
  writeFileSync(join(at, `predictions.${name}`), text);
  return at;
}

const csv = (rows: readonly (readonly [string, number | string])[]) =>
  predictions('csv', `p,flight\n${rows.map(([k, p]) => `${p},"${k}"`).join('\n')}\n`);
const good = (shift: number) => labelRows.map((row, i) => [row.key, (i + shift) / 10] as const);

const attempt = async (changes: Partial<JoinInput>) =>
  joinPredictions({
    labels: await labelsFile(),
    candidate: csv(good(0)),
    champion: null,
    anchor: null,
    evaluate,
    sliceBy: ['origin'],
    task: 'binary',
    ...changes,
  });

describe('joinPredictions', () => {
  it('joins CSV, JSON lines and Parquet by key, in event-time order', async () => {
    const parquet = join(folder, 'parquet');
    mkdirSync(parquet);
    await runSql(
      `COPY (SELECT 'k' || i AS flight, (i + 2)::FLOAT / 8 AS p, 'more' AS other FROM range(6) r(i)) TO '${parquet}/predictions.parquet' (FORMAT parquet)`
    );
    const lines = good(1).map(([flight, p]) => JSON.stringify({ p, flight }));
    const rows = await attempt({
      champion: predictions('jsonl', `${lines.toReversed().join('\n')}\n`),
      anchor: parquet,
      sliceBy: ['origin', '__proto__'],
    });
    expect(rows).toHaveLength(6);
    expect(rows.map((row) => row.key)).toEqual(['k5', 'k4', 'k3', 'k2', 'k1', 'k0']);
    for (const row of rows) {
      const i = Number(row.key.slice(1));
      expect(row).toMatchObject({ label: i % 2, cluster: `u${i % 3}`, candidate: i / 10, champion: (i + 1) / 10 });
      expect(row.anchor).toBe((i + 2) / 8);
      expect(Object.entries(row.slice)).toEqual([
        ['origin', i < 3 ? 'ORD' : "J'FK"],
        ['__proto__', 'a'],
      ]);
    }
    const alone = await attempt({});
    expect(Object.keys(alone[0]!)).toEqual(['key', 'cluster', 'slice', 'label', 'candidate']);
  });

  it('joins whole-number keys beyond 2^53 exactly, and unicode ones', async () => {
    const keys = ['9007199254740993', '9007199254740992', 'Zürich 🛫', `o'";--`];
    const rows = keys.map((key, i) => ({ ...labelRows[i]!, key }));
    const lines = keys.map((key, i) => `{"flight":${i < 2 ? key : JSON.stringify(key)},"p":0.${i + 1}}`);
    const joined = await attempt({ labels: await labelsFile(rows), candidate: predictions('jsonl', lines.join('\n')) });
    expect(Object.fromEntries(joined.map((row) => [row.key, row.candidate]))).toEqual({
      '9007199254740993': 0.1,
      '9007199254740992': 0.2,
      'Zürich 🛫': 0.3,
      [`o'";--`]: 0.4,
    });
  });

  it('joins keys as they are written, from a folder whose name looks like a pattern', async () => {
    const rows = labelRows.map((row, i) => ({ ...row, key: `${i}.10` }));
    const candidate = join(folder, 'p[1]*');
    mkdirSync(candidate);
    writeFileSync(join(candidate, 'predictions.csv'), `flight,p\n${rows.map(({ key }) => `${key},0.5`).join('\n')}\n`);
    const joined = await attempt({ labels: await labelsFile(rows), candidate });
    expect(joined.map(({ key }) => key)).toEqual(['5.10', '4.10', '3.10', '2.10', '1.10', '0.10']);
  });

  it('finds members and columns whatever their names', async () => {
    const key = `a/b~c"d'; drop`;
    const value = `$.p [0] ü`;
    const odd: EvaluateSpec = { ...evaluate, predictions: { key, probability: value } };
    const lines = good(0).map(([k, p]) => JSON.stringify({ [key]: k, [value]: p }));
    const quoted = [value, key].map((name) => `"${name.replaceAll('"', '""')}"`).join(',');
    const rows = good(1).map(([k, p]) => `${p},${k}`);
    const joined = await attempt({
      evaluate: odd,
      candidate: predictions('jsonl', lines.join('\n')),
      champion: predictions('csv', `${quoted}\n${rows.join('\n')}\n`),
    });
    expect(joined.map((row) => [row.candidate, row.champion])).toEqual(
      [5, 4, 3, 2, 1, 0].map((i) => [i / 10, (i + 1) / 10])
    );
  });

  it('counts everything that does not fit and shows the first keys, all in one message', async () => {
    const rows: [string, number | string][] = [
      ['k0', 0.5],
      ['k0', 0.6],
      ['k1', 'NaN'],
      ['k2', 1.5],
      ['zz4', 0.1],
      ['zz3', 0.1],
      ['zz2', 0.1],
      ['zz1', 0.1],
      ['k3', 'abc'],
    ];
    const failure = attempt({ champion: csv(rows) });
    await expect(failure).rejects.toMatchObject({ class: 'UserCodeFailed' });
    const { message } = (await failure.catch((error: unknown) => error)) as Error;
    expect(message).toMatch(/^the champion's predictions in .*predictions\.csv cannot be used: /);
    expect(message.split('cannot be used: ')[1]!.split('; ')).toEqual([
      '1 key predicted more than once (first: "k0")',
      '2 keys not predicted (first: "k4", "k5")',
      '4 keys that nobody asked for (first: "zz1", "zz2", "zz3")',
      '2 keys without a finite number in `p` (first: "k1", "k3")',
      '1 key with `p` outside [0, 1] (first: "k2")',
    ]);
  });

  it.each([
    ['an infinite probability', () => csv([...good(0).slice(1), ['k0', 'inf']]), /without a finite number/],
    ['a probability below 0', () => csv([...good(0).slice(1), ['k0', -0.1]]), /1 key with `p` outside \[0, 1\]/],
    ['a row without key', () => csv([...good(0), ['', 0.5]]), /1 row without `flight`$/],
    ['a row that has lost its key', () => csv([...good(0).slice(1), ['', 0.5]]), /1 key not predicted \(first: "k0"\)/],
    ['a missing column', () => predictions('csv', 'flight,prob\nk0,1\n'), /no column `p`/],
    ['a missing member', () => predictions('jsonl', '{"flight":"k0"}\n'), /without a finite number in `p`/],
    ['text that is not JSON', () => predictions('jsonl', 'hello\n'), /Malformed JSON/],
    ['an empty file', () => predictions('csv', ''), /the file is empty/],
    ['an empty list', () => predictions('jsonl', ''), /6 keys not predicted/],
    ['no file', () => folder, /wrote no predictions in .*predictions.jsonl is needed/],
  ])('refuses %s', async (_, candidate, message) => {
    await expect(attempt({ candidate: candidate() })).rejects.toMatchObject({
      class: 'UserCodeFailed',
      message: expect.stringMatching(message) as string,
    });
  });

  it('does not hold against the program what the machine got wrong', async () => {
    const failing: Engine = {
      rows: () => Promise.reject(new PortError('ServiceFault', 'out of memory')),
      close: () => undefined,
    };
    const input = { arm: 'candidate', folder: csv(good(0)), spec: evaluate.predictions, column: 'p' } as const;
    await expect(loadPredictions(failing, input)).rejects.toMatchObject({ class: 'ServiceFault' });
  });

  it('refuses two files at once and a broken Parquet file', async () => {
    const both = csv(good(0));
    writeFileSync(join(both, 'predictions.parquet'), 'PAR1 but not really');
    await expect(attempt({ candidate: both })).rejects.toMatchObject({
      class: 'UserCodeFailed',
      message: expect.stringContaining('wrote predictions.parquet and predictions.csv') as string,
    });
    const broken = join(folder, 'broken');
    mkdirSync(broken);
    writeFileSync(join(broken, 'predictions.parquet'), 'PAR1 but not really');
    await expect(attempt({ candidate: broken })).rejects.toMatchObject({ class: 'UserCodeFailed' });
  });

  it('accepts any finite value for a regression and wants the right column for each task', async () => {
    const regression: EvaluateSpec = { ...evaluate, predictions: { key: 'flight', value: 'p' } };
    const rows = good(0).map(([key], i) => [key, i * -1000] as const);
    const joined = await attempt({ candidate: csv(rows), evaluate: regression, task: 'regression' });
    expect(joined.map((row) => row.candidate).sort((a, b) => a - b)[0]).toBe(-5000);
    await expect(attempt({ evaluate: regression })).rejects.toThrow('evaluate.predictions.probability: task binary');
    await expect(attempt({ task: 'regression' })).rejects.toThrow('evaluate.predictions.value: task regression');
    await expect(attempt({ evaluate: regression, task: 'multiclass' })).rejects.toMatchObject({
      class: 'InvalidSpec',
      message: expect.stringContaining('cannot be compared with a class') as string,
    });
  });

  it('takes any finite label for a regression, and true and false for 1 and 0', async () => {
    const regression: EvaluateSpec = { ...evaluate, predictions: { key: 'flight', value: 'p' } };
    const labels = await labelsFile(labelRows.map((row, i) => ({ ...row, label: i * 2.5 - 5 })));
    const quantities = await attempt({ labels, evaluate: regression, task: 'regression' });
    expect(quantities.map(({ label }) => label)).toEqual([7.5, 5, 2.5, 0, -2.5, -5]);
    const columns = { ...LABEL_COLUMNS, label: 'BOOLEAN' };
    const rows = labelRows.map((row) => ({ ...row, label: row.label === 1 }));
    const booleans = await attempt({ labels: await writeRows(join(folder, 'booleans.parquet'), columns, rows) });
    expect(booleans.map(({ label }) => label)).toEqual([1, 0, 1, 0, 1, 0]);
  });

  it('does not take text for a number, even where it looks like one', async () => {
    const columns = { ...LABEL_COLUMNS, label: 'VARCHAR' };
    const labels = await writeRows(join(folder, 'texts.parquet'), columns, labelRows);
    await expect(attempt({ labels })).rejects.toMatchObject({
      class: 'InvalidSpec',
      message: 'task binary needs a label that is a number, and it has type VARCHAR',
    });
  });

  it('refuses labels that the task cannot use', async () => {
    const two = labelRows.map((row, i) => (i === 4 ? { ...row, label: 2 } : row));
    await expect(attempt({ labels: await labelsFile(two) })).rejects.toMatchObject({
      class: 'InvalidSpec',
      message: '1 label of task binary are not 0 or 1, at the keys "k4"',
    });
    const none = labelRows.map((row, i) => (i === 4 ? { ...row, label: null } : row));
    await expect(attempt({ labels: await labelsFile(none) })).rejects.toThrow('1 label of task binary are not 0 or 1');
    const regression = {
      task: 'regression',
      evaluate: { ...evaluate, predictions: { key: 'flight', value: 'p' } },
    } as const;
    for (const label of [null, 'NaN', 'Infinity']) {
      const odd = labelRows.map((row, i) => (i === 4 ? { ...row, label } : row));
      await expect(attempt({ ...regression, labels: await labelsFile(odd) })).rejects.toMatchObject({
        class: 'InvalidSpec',
        message: '1 label of task regression are not finite numbers, at the keys "k4"',
      });
    }
    await expect(attempt({ labels: await labelsFile([]) })).rejects.toMatchObject({ class: 'NotFound' });
    await expect(attempt({ labels: await labelsFile([...labelRows, labelRows[0]!]) })).rejects.toThrow('not unique');
    await expect(attempt({ sliceBy: ['orgin'] })).rejects.toThrow('did you mean `slice:origin`?');
    await expect(attempt({ labels: join(folder, 'none.parquet') })).rejects.toMatchObject({ class: 'NotFound' });
  });
});
