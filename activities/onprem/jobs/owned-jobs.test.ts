import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, expect, it } from 'vitest';
import type { Call, OwnedJob } from '@retempo/activities/ports';
import { jobPaths, jobsFolder } from './layout.js';
import { createLocalJobs } from './local-jobs.js';

// What a reaper is told of a site: all jobs of its owner, and an error rather than a part of them.

const base = mkdtempSync(`${tmpdir()}/retempo-owned-`);
afterAll(() => rmSync(base, { recursive: true, force: true }));

const site = 'onprem.here';
const call: Call = { signal: new AbortController().signal, deadlineMs: Date.now() + 60_000 };
const keyOf = (digit: string): string => digit.repeat(64);

function newSite() {
  const root = mkdtempSync(`${base}/site-`);
  const jobs = createLocalJobs({
    site,
    root,
    pools: [{ name: 'cpu', slots: 1 }],
    context: { materialize: () => Promise.resolve(), secret: () => Promise.resolve('') },
  });
  async function listed(): Promise<readonly OwnedJob[]> {
    const found: OwnedJob[] = [];
    for await (const job of jobs.listOwned('owner', '2026-01-02T00:00:00.000Z', call)) found.push(job);
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }
  return { root, listed };
}

function job(
  root: string,
  key: string,
  isEnded: boolean,
  owner = 'owner',
  createdAt = '2026-01-02T00:00:00.000Z'
): void {
  const paths = jobPaths(root, key);
  mkdirSync(paths.folder, { recursive: true });
  const intent = {
    key,
    releaseId: `release of ${key[0]}`,
    step: 'train',
    attempt: 1,
    specDigest: 'd',
    owner,
    spec: {},
  };
  writeFileSync(paths.record, JSON.stringify({ v: 1, intent, pool: 'cpu', createdAt }));
  const state = isEnded ? { v: 1, phase: 'ended', outcome: { result: 'succeeded' } } : { v: 1, phase: 'queued' };
  writeFileSync(paths.state, JSON.stringify(state));
}

it('jobs of an owner are listed from a time on, running or not, and nothing else that is in the folder', async () => {
  const { root, listed } = newSite();
  job(root, keyOf('a'), true);
  job(root, keyOf('b'), false);
  job(root, keyOf('c'), true, 'somebody else');
  job(root, keyOf('d'), true, 'owner', '2026-01-01T23:59:59.999Z');
  // A job that is only being made, and one that is being removed.
  job(root, '.new-1-0123456789ab', false);
  mkdirSync(jobPaths(root, keyOf('e')).folder);
  const owned = (digit: string, ended: boolean) => ({
    v: 1,
    site,
    id: keyOf(digit),
    key: keyOf(digit),
    releaseId: `release of ${digit}`,
    ended,
  });
  expect(await listed()).toEqual([owned('a', true), owned('b', false)]);
});

it('a site that never had a job has none, and one that cannot be looked into says so', async () => {
  const { root, listed } = newSite();
  expect(await listed()).toEqual([]);
  writeFileSync(jobsFolder(root), '');
  await expect(listed()).rejects.toMatchObject({ class: 'ServiceFault' });
});
