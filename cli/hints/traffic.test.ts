import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Call, Site } from '@retempo/activities/ports';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { recentTraffic } from './traffic.js';

const now = Date.parse('2026-11-21T12:00:00.000Z');
const call: Call = { signal: new AbortController().signal, deadlineMs: now + 1_000 };

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retempo-traffic-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const lines = (...agoSeconds: readonly number[]): string =>
  agoSeconds
    .map((ago) => `{"key":null,"version":"v1","at":"${new Date(now - ago * 1_000).toISOString()}","status":200}\n`)
    .join('');

const site = (glob: string | null): Pick<Site, 'metrics'> => ({
  metrics: { requestLog: () => Promise.resolve(glob === null ? null : { glob }) } as unknown as NonNullable<
    Site['metrics']
  >,
});

describe('recentTraffic', () => {
  it('counts what was asked since yesterday, over all files of the log', async () => {
    await writeFile(join(folder, 'requests-1.ndjson'), lines(200_000, 7_200, 3_600));
    // The last line of a log that is being written may be torn.
    await writeFile(join(folder, 'requests-2.ndjson'), `${lines(60, 1)}{"key":nu`);
    await writeFile(join(folder, 'other-3.ndjson'), lines(5, 4, 3));
    const glob = join(folder, 'requests-*.ndjson');
    expect(await recentTraffic(site(glob), 'flight-delay', { call, now })).toEqual({ requests: 4, overMs: 7_200_000 });
  });

  it('is unknown without a log, without requests, and in the first seconds', async () => {
    const ask = (log: string | null) => recentTraffic(site(log), 'flight-delay', { call, now });
    expect(await ask(null)).toBeNull();
    expect(await recentTraffic(undefined, 'flight-delay', { call, now })).toBeNull();
    expect(await ask(join(folder, 'none-*.ndjson'))).toBeNull();
    await writeFile(join(folder, 'young-1.ndjson'), lines(5, 4, 3));
    expect(await ask(join(folder, 'young-*.ndjson'))).toBeNull();
  });
});
