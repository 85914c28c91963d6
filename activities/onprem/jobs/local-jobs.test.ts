import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, describe, expect, it } from 'vitest';
import type { Call } from '@retempo/activities/ports';
import type { JobRef } from '@retempo/workflows/contracts';
import { createLocalJobs } from './local-jobs.js';

// Whose jobs a site knows; what jobs do is tested by the conformance suite, with real processes.

const root = mkdtempSync(`${tmpdir()}/retempo-local-jobs-`);
afterAll(() => rmSync(root, { recursive: true, force: true }));

const site = 'onprem.here';
const key = 'a'.repeat(64);
const call: Call = { signal: new AbortController().signal, deadlineMs: Date.now() + 60_000 };
const jobs = createLocalJobs({
  site,
  root,
  pools: [{ name: 'cpu', slots: 1 }],
  context: { materialize: () => Promise.resolve(), secret: () => Promise.resolve('') },
});
/** A folder as an ended job leaves it. */
function endedJob(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const intent = { key, releaseId: 'r', step: 'train', attempt: 1, specDigest: 'd', owner: 'o', pool: 'cpu', spec: {} };
  writeFileSync(`${folder}/job.json`, JSON.stringify({ v: 1, intent, pool: 'cpu', createdAt: '2026-01-01T00:00:00Z' }));
  writeFileSync(`${folder}/state.json`, JSON.stringify({ v: 1, phase: 'ended', outcome: { result: 'succeeded' } }));
}
endedJob(`${root}/jobs/${key}`);
endedJob(`${root}/elsewhere`);
const refOf = (id: string, at = site) => ({ v: 1, site: at, id, key: id }) as const;
const asks: readonly ((ref: JobRef) => Promise<unknown>)[] = [
  (ref) => jobs.describe(ref, call),
  (ref) => jobs.requestStop(ref, call),
  (ref) => jobs.outputOf(ref, call),
];

describe('jobs of a site', () => {
  it('are found by key and by reference', async () => {
    expect(await jobs.find(key, call)).toEqual([{ ...refOf(key), specDigest: 'd' }]);
    expect((await jobs.describe(refOf(key), call)).phase).toBe('ended');
  });

  it('are not those of another site, which may have the same keys', async () => {
    for (const ask of asks) {
      await expect(ask(refOf(key, 'onprem.there'))).rejects.toMatchObject({ class: 'NotFound' });
    }
  });

  it.each(['../elsewhere', `../jobs/${key}`, `${key}/`, '', '.'])('A4: %j is no key and leads nowhere', async (bad) => {
    expect(await jobs.find(bad, call)).toEqual([]);
    for (const ask of asks) {
      await expect(ask(refOf(bad))).rejects.toMatchObject({ class: 'NotFound' });
    }
  });
});
