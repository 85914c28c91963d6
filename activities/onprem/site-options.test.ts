import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { PortError } from '@retempo/activities/ports';
import type { JobIntent } from '@retempo/workflows/contracts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { jobPaths } from './jobs/layout.js';
import { routerFiles } from './serving/layout.js';
import { openSite, type OnpremSite } from './site.js';

// What a local site is configured with reaches what it is meant for.

let folder: string;
let site: OnpremSite | undefined;
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/retempo-site-options-`);
});
afterEach(async () => {
  vi.useRealTimers();
  await site?.routers.stop('flights');
  await site?.close();
  site = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const id = 'onprem.here';
const open = (config: unknown): OnpremSite => {
  const materialize = () => Promise.reject(new PortError('Integrity', 'bytes do not match'));
  const context = { stateFolder: folder, materialize, secret: () => Promise.resolve('') };
  return (site = openSite({ id, config, context }));
};
const newCall = () => ({ signal: new AbortController().signal, deadlineMs: Date.now() + 60_000 });

describe('a local site', () => {
  it('that is configured wrongly names every setting to change', () => {
    expect(() => open({ stopGrace: 'soon', keepJobs: 'ever' })).toThrow(
      expect.objectContaining({
        class: 'InvalidSpec',
        message: expect.stringMatching(
          /^sites\.onprem\.here\.stopGrace: .*\nsites\.onprem\.here\.keepJobs: .*$/
        ) as string,
      }) as Error
    );
  });

  it('keeps what a job has left as long as its configuration says, and names it as its own', async () => {
    const key = 'a'.repeat(64);
    const expired = async (keepJobs: string) => {
      const { jobs, root } = open({ keepJobs });
      const paths = jobPaths(root, key);
      mkdirSync(paths.folder, { recursive: true });
      const intent: JobIntent = {
        key,
        releaseId: 'r',
        step: 'train',
        attempt: 1,
        specDigest: 'd',
        owner: 'o',
        spec: { program: { command: ['x'] }, inputs: {}, parameters: {}, capacity: 'onDemand', timeoutMs: 1000 },
      };
      writeFileSync(paths.record, JSON.stringify({ v: 1, intent, pool: 'cpu', createdAt: '2026-01-01T00:00:00.000Z' }));
      const endedAt = new Date(Date.now() - 2 * 3_600_000).toISOString();
      const outcome = { result: 'succeeded', message: '', endedAt };
      writeFileSync(paths.state, JSON.stringify({ v: 1, phase: 'ended', outcome }));
      const found: unknown[] = [];
      for await (const job of jobs?.leftovers?.listExpired('o', newCall()) ?? []) found.push(job);
      return found;
    };
    expect(await expired('3h')).toEqual([]);
    expect(await expired('1h')).toEqual([{ v: 1, site: id, id: key, key, releaseId: 'r', ended: true }]);
  });

  it('runs its routers with the options of their endpoints, and watches over them until it is closed', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const opened = open({ endpoints: { flights: { requestTimeout: '1.5s' } } });
    const { routers, root } = opened;
    expect(vi.getTimerCount()).toBe(1);
    await routers.ensureRouter('flights', newCall());
    const { config } = routerFiles(`${root}/serving/flights`);
    expect(JSON.parse(readFileSync(config, 'utf8'))).toMatchObject({ endpoint: 'flights', requestTimeoutMs: 1500 });
    await opened.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('serves what its store gives, under its own name', async () => {
    const { serving } = open({});
    const artifact = { v: 1, uri: 'test:/', digest: `sha256:${'0'.repeat(64)}`, bytes: 1 } as const;
    const deploying = serving?.deploy({ key: 'k', endpoint: 'flights', version: 'v1', artifact, epoch: 1 }, newCall());
    await expect(deploying).rejects.toMatchObject({ class: 'Integrity', message: 'bytes do not match' });
    await expect(serving?.describe('flights', newCall())).rejects.toMatchObject({
      class: 'NotFound',
      message: expect.stringContaining(`${id} has no endpoint flights`) as string,
    });
  });
});
