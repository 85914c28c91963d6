import fs, {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { afterAll, describe, expect, it } from 'vitest';
import type { Call, JobLeftovers } from '@retempo/activities/ports';
import type { ArtifactRef, JobOutcome } from '@retempo/workflows/contracts';
import { cacheFolder, jobPaths, jobsFolder, journalPath, type JobPaths } from './layout.js';
import { createLocalJobs } from './local-jobs.js';

// Cases that need a folder as only a death or another worker leaves it; the conformance suite has the others.

const base = mkdtempSync(`${tmpdir()}/retempo-leftovers-`);
afterAll(() => rmSync(base, { recursive: true, force: true }));

const site = 'onprem.here';
const owner = 'owner';
const dayMs = 86_400_000;
const call: Call = { signal: new AbortController().signal, deadlineMs: Date.now() + 60_000 };
const keyOf = (digit: string): string => digit.repeat(64);
const refOf = (digit: string) => ({ v: 1, site, id: keyOf(digit), key: keyOf(digit) }) as const;
const artifact = (digit: string): ArtifactRef => ({
  v: 1,
  uri: `file:///${digit}/`,
  digest: `sha256:${digit.repeat(64)}`,
  bytes: 1,
});

function newSite(): { readonly root: string; readonly leftovers: JobLeftovers } {
  const root = mkdtempSync(`${base}/site-`);
  const { leftovers } = createLocalJobs({
    site,
    root,
    pools: [{ name: 'cpu', slots: 1 }],
    context: { materialize: () => Promise.resolve(), secret: () => Promise.resolve('') },
  });
  if (leftovers === undefined) throw new Error('a site of this machine has leftovers');
  return { root, leftovers };
}

/** Folder of a job as its supervisor left it: ended with `outcome`, or alive. */
function job(root: string, digit: string, outcome: JobOutcome | null, spec: object = { inputs: {} }): JobPaths {
  const paths = jobPaths(root, keyOf(digit));
  mkdirSync(paths.folder, { recursive: true });
  const intent = { key: keyOf(digit), releaseId: 'r', step: 'train', attempt: 1, specDigest: 'd', owner, spec };
  writeFileSync(paths.record, JSON.stringify({ v: 1, intent, pool: 'cpu', createdAt: '2026-01-01T00:00:00Z' }));
  if (outcome !== null) writeFileSync(paths.state, JSON.stringify({ v: 1, phase: 'ended', outcome }));
  return paths;
}

const age = (path: string, ms: number): void => {
  const then = new Date(Date.now() - ms);
  utimesSync(path, then, then);
};

async function expired(leftovers: JobLeftovers): Promise<readonly string[]> {
  const keys: string[] = [];
  for await (const { key } of leftovers.listExpired(owner, call)) keys.push(key);
  return keys.toSorted();
}

describe('leftovers of a site', () => {
  it('a job whose end has no time has ended when that was written', async () => {
    const { root, leftovers } = newSite();
    const [young, old] = ['a', 'b'].map((digit) => job(root, digit, { result: 'stopped', message: '' }));
    for (const [paths, days] of [
      [young, 6],
      [old, 8],
    ] as const) {
      if (paths !== undefined) age(paths.state, days * dayMs);
    }
    expect(await expired(leftovers)).toEqual([keyOf('b')]);
  });

  it('a site that never had a job has none', async () => {
    const { root, leftovers } = newSite();
    await leftovers.removeUnused(call);
    expect(await expired(leftovers)).toEqual([]);
    expect(readdirSync(root)).toEqual([]);
  });

  it('a folder that cannot be read is told and is not the same as an empty one', async () => {
    const { root, leftovers } = newSite();
    writeFileSync(jobsFolder(root), '');
    await expect(expired(leftovers)).rejects.toMatchObject({ class: 'ServiceFault' });
    await expect(leftovers.removeUnused(call)).rejects.toMatchObject({ class: 'ServiceFault' });
  });

  it('half-made folders go after two days, and a small journal stays', async () => {
    const { root, leftovers } = newSite();
    for (const [name, days] of [
      ['.new-1-young', 1],
      ['.new-1-old', 3],
    ] as const) {
      mkdirSync(`${jobsFolder(root)}/${name}`, { recursive: true });
      age(`${jobsFolder(root)}/${name}`, days * dayMs);
    }
    writeFileSync(journalPath(root), 'line\n');
    await leftovers.removeUnused(call);
    expect(readdirSync(jobsFolder(root))).toEqual(['.new-1-young']);
    expect(readdirSync(root).sort()).toEqual(['jobs', 'journal.ndjson']);
  });

  it('of jobs and of copies only what is half-made goes for its age: a job stays, however long nothing is written to it', async () => {
    const { root, leftovers } = newSite();
    const kept = [job(root, 'a', null), job(root, 'b', { result: 'succeeded', message: '' })];
    for (const { folder } of kept) age(folder, 3 * dayMs);
    const made = ['.new-1-old', '.new-2-young'].map((name) => `${cacheFolder(root)}/${name}`);
    for (const [index, path] of made.entries()) {
      mkdirSync(path, { recursive: true });
      age(path, (3 - 2 * index) * dayMs);
    }
    await leftovers.removeUnused(call);
    expect(kept.map(({ record }) => existsSync(record))).toEqual([true, true]);
    expect(made.map((path) => existsSync(path))).toEqual([false, true]);
  });

  it('jobs have expired that have ended long ago: none that live, that have no record, or that are being removed', async () => {
    const { root, leftovers } = newSite();
    const long = { result: 'succeeded', message: '', endedAt: '2026-01-01T00:00:00Z' } as const;
    const { folder } = job(root, 'a', long);
    job(root, 'b', null);
    mkdirSync(jobPaths(root, keyOf('c')).folder);
    job(root, 'd', long);
    renameSync(jobPaths(root, keyOf('d')).folder, `${jobsFolder(root)}/.gone-${keyOf('d')}-12`);
    expect(await expired(leftovers)).toEqual([keyOf('a')]);
    await leftovers.remove(refOf('a'), owner, call);
    await leftovers.remove(refOf('c'), owner, call);
    await expect(leftovers.remove(refOf('b'), owner, call)).rejects.toMatchObject({ class: 'Conflict' });
    expect(existsSync(folder)).toBe(false);
    const left = [`.gone-${keyOf('d')}-12`, keyOf('b'), keyOf('c')];
    expect(readdirSync(jobsFolder(root)).toSorted()).toEqual(left);
    await leftovers.removeUnused(call);
    expect(readdirSync(jobsFolder(root)).toSorted()).toEqual(left.slice(1));
  });

  it('a job that is made at the moment of a sweep is no trouble', async () => {
    const { root, leftovers } = newSite();
    const half = `${jobsFolder(root)}/.new-1-now`;
    mkdirSync(half, { recursive: true });
    const { readdirSync: asIs } = fs;
    Object.assign(fs, {
      readdirSync: (path: string) => {
        const names = asIs(path);
        if (names.includes('.new-1-now')) renameSync(half, jobPaths(root, keyOf('a')).folder);
        return names;
      },
    });
    syncBuiltinESMExports();
    try {
      await leftovers.removeUnused(call);
    } finally {
      Object.assign(fs, { readdirSync: asIs });
      syncBuiltinESMExports();
    }
    expect(readdirSync(jobsFolder(root))).toEqual([keyOf('a')]);
  });

  it('copies of code, checkpoint and inputs stay as long as one job that was given them has not ended', async () => {
    const { root, leftovers } = newSite();
    const spec = { code: artifact('1'), checkpoint: artifact('2'), inputs: { rows: artifact('3') } };
    job(root, 'a', null, spec);
    job(root, 'b', { result: 'succeeded', message: '' }, { inputs: { rows: artifact('4') } });
    // A folder without a record is no job, and hides none.
    mkdirSync(jobPaths(root, keyOf('0')).folder);
    for (const digit of ['1', '2', '3', '4']) {
      const entry = `${cacheFolder(root)}/${keyOf(digit)}`;
      mkdirSync(`${entry}/files`, { recursive: true });
      writeFileSync(`${entry}/listing.json`, '[]');
      age(`${entry}/listing.json`, 8 * dayMs);
    }
    await leftovers.removeUnused(call);
    expect(readdirSync(cacheFolder(root)).sort()).toEqual(['1', '2', '3'].map(keyOf));
  });

  it('a job that another reaper removes at the same moment is removed', async () => {
    const { root, leftovers } = newSite();
    const { folder } = job(root, 'a', { result: 'succeeded', message: '', endedAt: '2026-01-01T00:00:00Z' });
    const { renameSync } = fs;
    Object.assign(fs, {
      renameSync: (from: string, to: string) => {
        rmSync(from, { recursive: true });
        renameSync(from, to);
      },
    });
    syncBuiltinESMExports();
    try {
      await leftovers.remove(refOf('a'), owner, call);
    } finally {
      Object.assign(fs, { renameSync });
      syncBuiltinESMExports();
    }
    expect(existsSync(folder)).toBe(false);
  });
});
