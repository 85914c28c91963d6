import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from './testing.js';
import { createWorld } from './world.mjs';

let root = '';
let query: (sql: string) => Promise<unknown[][]>;
let close: () => void;

beforeAll(async () => {
  root = await temporaryFolder();
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  query = async (sql) => (await connection.runAndReadAll(sql)).getRowsJson();
  close = () => {
    connection.closeSync();
    instance.closeSync();
  };
});

afterAll(async () => {
  close();
  await rm(root, { recursive: true, force: true });
});

describe('createWorld', () => {
  it('shows flights at the end of their week and labels one week later', async () => {
    const folder = join(root, 'labels');
    const world = await createWorld({ folder });
    const byWeek = `SELECT date_trunc('week', departedAt)::VARCHAR, count(*)::INTEGER, count(late)::INTEGER
      FROM '${folder}/*.parquet' GROUP BY 1 ORDER BY 1`;
    expect(await world.advanceTo(0)).toEqual({ rows: 7567, labelled: 0 });
    expect(await query(byWeek)).toEqual([['2001-01-01 00:00:00', 7567, 0]]);
    expect(await world.advanceTo(2)).toEqual({ rows: 22829, labelled: 15250 });
    expect(await query(byWeek)).toEqual([
      ['2001-01-01 00:00:00', 7567, 7567],
      ['2001-01-08 00:00:00', 7683, 7683],
      ['2001-01-15 00:00:00', 7579, 0],
    ]);
    world.close();
  });

  it('writes the columns and types of the sample', async () => {
    const folder = join(root, 'types');
    const world = await createWorld({ folder });
    await world.advanceTo(1);
    world.close();
    const types = async (source: string) =>
      (await query(`DESCRIBE SELECT * FROM '${source}'`)).map(([name, type]) => [name, type]);
    const sample = new URL('data/flights-2001.parquet', import.meta.url).pathname;
    expect(await types(`${folder}/*.parquet`)).toEqual(await types(sample));
    expect(
      await query(`SELECT count(*)::INTEGER FROM '${folder}/*.parquet' AS live JOIN '${sample}' AS truth
        USING (flightId, departedAt, origin, destination, distance, hour, dayOfWeek) WHERE coalesce(live.late, truth.late) = truth.late`)
    ).toEqual([[15250]]);
  });

  it('replaces only files that change, and leaves nothing unfinished', async () => {
    const folder = join(root, 'files');
    const world = await createWorld({ folder, sampleEvery: 20 });
    await world.advanceTo(2);
    const before = await stat(join(folder, 'week-01.parquet'));
    const waiting = await stat(join(folder, 'week-02.parquet'));
    await world.advanceTo(3);
    world.close();
    expect((await stat(join(folder, 'week-01.parquet'))).ino).toBe(before.ino);
    expect((await stat(join(folder, 'week-02.parquet'))).ino).not.toBe(waiting.ino);
    expect((await readdir(folder)).sort()).toEqual([0, 1, 2, 3].map((week) => `week-0${week}.parquet`));
  });

  it('begins anew in a used folder and touches nothing else there', async () => {
    const folder = join(root, 'used');
    await mkdir(folder);
    await writeFile(join(folder, 'notes.txt'), 'mine');
    await writeFile(join(folder, 'week-09.parquet'), 'old');
    await writeFile(join(folder, 'week-09.parquet.1.unfinished'), 'old');
    const world = await createWorld({ folder, sampleEvery: 20 });
    await world.advanceTo(1);
    await world.advanceTo(0);
    world.close();
    expect((await readdir(folder)).sort()).toEqual(['notes.txt', 'week-00.parquet']);
  });

  it('gives the requests of a week in order, as inference bodies, spread evenly when limited', async () => {
    const world = await createWorld({ folder: join(root, 'requests') });
    const every = await all(world.requestsOf(6));
    const some = await all(world.requestsOf(6, { limit: 100 }));
    world.close();
    expect(every).toHaveLength(7647);
    expect(every.filter((request) => request.late)).toHaveLength(2065);
    expect(every.map((request) => request.departedAt.getTime())).toEqual(
      every.map((request) => request.departedAt.getTime()).sort((a, b) => a - b)
    );
    expect(some).toHaveLength(100);
    expect(new Set(some.map((request) => request.departedAt.getUTCDay())).size).toBe(7);
    expect(world.endOf(6).toISOString()).toBe('2001-02-19T00:00:00.000Z');
    const [first] = every;
    expect(first?.body).toEqual({
      id: first?.id,
      inputs: [
        { name: 'origin', shape: [1, 1], datatype: 'BYTES', data: [expect.stringMatching(/^[A-Z]{3}$/)] },
        { name: 'destination', shape: [1, 1], datatype: 'BYTES', data: [expect.stringMatching(/^[A-Z]{3}$/)] },
        { name: 'hour', shape: [1, 1], datatype: 'INT64', data: [0] },
        { name: 'dayOfWeek', shape: [1, 1], datatype: 'INT64', data: [1] },
        { name: 'distance', shape: [1, 1], datatype: 'FP32', data: [expect.any(Number)] },
      ],
    });
  });

  it('refuses weeks and samples that do not exist', async () => {
    const folder = join(root, 'refused');
    await expect(createWorld({ folder, sampleEvery: 0 })).rejects.toThrow(
      'sampleEvery: expected a whole number from 1, got 0'
    );
    const world = await createWorld({ folder, sampleEvery: 20 });
    await expect(world.advanceTo(26)).rejects.toThrow('week: expected a whole number from 0 to 25, got 26');
    world.close();
  });
});

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}
