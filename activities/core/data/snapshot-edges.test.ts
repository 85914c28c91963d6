import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { snapshotData } from './snapshot.js';
import { dataSpec, PLAIN_COLUMNS, plainRows, temporaryFolder, writeRows } from './support.test.util.js';

const folder = temporaryFolder();
const rows = plainRows({ start: '2001-01-01T00:00:00Z', days: 14, perDay: 4 });

describe('what a snapshot says of keys', () => {
  it('names the first three, each cut: a failure stays small, whatever the data hold', async () => {
    const long = 'k'.repeat(100_000);
    const twice = rows.map((row) => {
      const number = Number(row.id.slice(1));
      return number >= 32 && number < 40 ? { ...row, id: `${number % 4}${long}` } : row;
    });
    const source = await writeRows(join(folder, 'long.parquet'), PLAIN_COLUMNS, twice);
    await expect(snapshotData({ data: dataSpec(source), folder: join(folder, 'out') })).rejects.toMatchObject({
      class: 'InvalidSpec',
      message: `4 keys in \`id\` of ${source} name more than one row: ${[0, 1, 2].map((n) => `"${n}${'k'.repeat(63)}"`).join(', ')}`,
    });
  });
});

describe('a file that cannot be put in its place', () => {
  it('leaves nothing of itself: a folder of a snapshot is handed on as it is', async () => {
    const source = await writeRows(join(folder, 'a.parquet'), PLAIN_COLUMNS, rows);
    const out = join(folder, 'taken');
    mkdirSync(join(out, 'train', 'train.parquet', 'something'), { recursive: true });
    await expect(snapshotData({ data: dataSpec(source), folder: out })).rejects.toThrow('train.parquet');
    expect(readdirSync(join(out, 'train'))).toEqual(['train.parquet']);
  });
});
