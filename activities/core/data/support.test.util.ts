import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { DuckDBInstance } from '@duckdb/node-api';
import type { DataSpec } from '@retempo/workflows/contracts';
import { parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { afterAll } from 'vitest';

import { sqlName, sqlText } from './sql.js';

export const DAY_MS = 86_400_000;

/** A folder that is removed after the tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'retempo-data-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs SQL in an engine of its own, apart from the code under test. */
export async function runSql(sql: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    await connection.run(`SET TimeZone = 'UTC'`);
    await connection.run(sql);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** Writes rows to a Parquet file with the given column types. `NaN` and infinities are given as text. */
export async function writeRows(
  file: string,
  columns: { readonly [name: string]: string },
  rows: readonly object[]
): Promise<string> {
  const text = rows.map((row) =>
    JSON.stringify(row, (_, value: unknown) => {
      if (typeof value === 'bigint') return String(value);
      if (Object.is(value, -0)) return '-0.0';
      return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
    })
  );
  writeFileSync(`${file}.ndjson`, `${text.join('\n')}\n`);
  const raw = Object.keys(columns).map((name) => `${sqlText(name)}: 'VARCHAR'`);
  const select = Object.entries(columns).map(([name, type]) => `CAST(${sqlName(name)} AS ${type}) AS ${sqlName(name)}`);
  const list = `[${sqlText(`${file}.ndjson`.replace(/[*?[]/g, (special) => `[${special}]`))}]`;
  await runSql(
    `COPY (SELECT ${select.join(', ')} FROM read_json(${list}, format = 'newline_delimited', columns = {${raw.join(', ')}})) TO ${sqlText(file)} (FORMAT parquet)`
  );
  rmSync(`${file}.ndjson`);
  return file;
}

/** Reads a Parquet file with a reader that has nothing in common with the engine. */
export async function readRows(file: string): Promise<Record<string, unknown>[]> {
  const bytes = readFileSync(file);
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  return parquetReadObjects({ file: buffer, compressors });
}

/** A spec over the columns `at`, `id`, `x`, `place`, `late`. */
export function dataSpec(source: string, changes: Partial<DataSpec> = {}): DataSpec {
  return {
    source,
    time: 'at',
    key: 'id',
    unit: 'id',
    label: { column: 'late', arrivesAfterMs: 2 * DAY_MS },
    features: { include: 'all', except: [], important: [] },
    split: { trainMs: 5 * DAY_MS, gapMs: DAY_MS, evaluateMs: 3 * DAY_MS },
    validate: [],
    ...changes,
  };
}

export interface PlainRow {
  readonly id: string;
  readonly at: string;
  readonly x: number | null;
  readonly place: string | null;
  readonly late: number | null;
}

export const PLAIN_COLUMNS = { id: 'VARCHAR', at: 'TIMESTAMP', x: 'DOUBLE', place: 'VARCHAR', late: 'INTEGER' };

/** `perDay` events a day from `start` for `days` days, in scrambled order, by a fixed rule. */
export function plainRows(input: {
  readonly start: string;
  readonly days: number;
  readonly perDay: number;
}): PlainRow[] {
  const total = input.days * input.perDay;
  const stepMs = DAY_MS / input.perDay;
  return Array.from({ length: total }, (_, i) => {
    const n = (i * 7919) % total;
    return {
      id: `r${n}`,
      at: new Date(Date.parse(input.start) + n * stepMs).toISOString().replace('T', ' ').replace('Z', ''),
      x: ((n * 37) % 101) / 10,
      place: ['ORD', 'JFK', 'Zürich', "O'Hare; drop table x"][n % 4]!,
      late: n % 3 === 0 ? 1 : 0,
    };
  });
}
