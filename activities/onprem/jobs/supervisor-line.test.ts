import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createJson } from './atomic-file.js';
import { jobPaths, journalPath, poolFolder, readState } from './layout.js';
import { busyCount } from './pool.js';
import {
  endOf,
  newJob,
  orderFor,
  outcomeOf,
  programOf,
  root,
  runSupervisor,
  startsOf,
  startSupervisor,
} from './supervised.test.support.js';

/** A new job in a pool of its own, made at a minute of the same hour. */
function jobIn(pool: string, minute: number, ms?: number): string {
  const key = newJob(ms === undefined ? {} : { ms });
  const { record } = jobPaths(root, key);
  const text = JSON.parse(readFileSync(record, 'utf8')) as object;
  writeFileSync(record, JSON.stringify({ ...text, pool, createdAt: `2026-01-01T00:0${minute}:00.000Z` }));
  return key;
}

const ticketsOf = (pool: string): readonly string[] => {
  const folder = `${poolFolder(root, pool)}/waiting`;
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : [];
};

describe('supervisor in line for a slot', () => {
  it('holds its slot in the name of the job: a program that outlives it keeps the slot', async () => {
    const key = jobIn('outlives', 1, 600_000);
    const supervisor = startSupervisor(orderFor(key, 1));
    await programOf(key);
    supervisor.kill('SIGKILL');
    await endOf(supervisor);
    expect(busyCount(root, 'outlives')).toBe(1);
    const next = startSupervisor(orderFor(key, 1));
    createJson(jobPaths(root, key).stop, { v: 1 });
    expect(await endOf(next)).toBe(0);
    expect(busyCount(root, 'outlives')).toBe(0);
  });

  it('leaves the line when it has a slot, and stands there by the age of its job, whoever came first', async () => {
    const first = jobIn('ages', 3, 600_000);
    const [younger, older] = [jobIn('ages', 5), jobIn('ages', 4)];
    const holding = startSupervisor(orderFor(first, 1));
    await programOf(first);
    expect(ticketsOf('ages')).toEqual([]);
    const waiting = [startSupervisor(orderFor(younger, 1))];
    while (ticketsOf('ages').length < 1) await sleep(10);
    waiting.push(startSupervisor(orderFor(older, 1)));
    while (ticketsOf('ages').length < 2) await sleep(10);
    const ends = [holding, ...waiting].map(endOf);
    createJson(jobPaths(root, first).stop, { v: 1 });
    expect(await Promise.all(ends)).toEqual([0, 0, 0]);
    const started = [...readFileSync(journalPath(root), 'utf8').matchAll(/"event":"started","key":"([0-9a-f]+)"/g)];
    const order = started.map(([, key]) => key).filter((key) => key === younger || key === older);
    expect(order).toEqual([older, younger]);
  });

  it('J7 leaves its job to the next supervisor when the machine shuts down', async () => {
    const key = newJob();
    const waiting = startSupervisor(orderFor(key, 0));
    while (readState(jobPaths(root, key))?.phase !== 'queued' || ticketsOf('cpu').length === 0) await sleep(10);
    waiting.kill('SIGTERM');
    expect(await endOf(waiting)).toBe(0);
    expect(readState(jobPaths(root, key))?.phase).toBe('queued');
    expect(ticketsOf('cpu')).toEqual([]);
    expect(await runSupervisor(key, 0)).toBe(0);
    expect([outcomeOf(key)?.result, startsOf(key)]).toEqual(['succeeded', 1]);
  });
});
