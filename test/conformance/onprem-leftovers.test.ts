import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { checkpointPrefix, partSizeBytes, type JobActivityOptions } from '@retempo/activities';
import { eventually, freeCall, jobSteps, rejectsWith } from '@retempo/activities/conformance';
import type { JobBackend } from '@retempo/activities/ports';
import { afterAll, describe, expect, it } from 'vitest';
import { createLocalJobsWorld, isRunning } from '../support/local-jobs-world.js';

const world = createLocalJobsWorld({
  context: {
    materialize: (_ref, folder) => {
      writeFileSync(`${folder}/data.txt`, 'rows');
      return Promise.resolve();
    },
  },
});
afterAll(() => world.close());
const steps = jobSteps(world);
const week = world.open();
const atOnce = world.open({ keepMs: 0 });

const leftoversOf = (backend: JobBackend) => {
  if (backend.leftovers === undefined) throw new Error('this backend keeps its leftovers');
  return backend.leftovers;
};
const reap = (backend: JobBackend, isOpen: (releaseId: string) => boolean, options: Partial<JobActivityOptions> = {}) =>
  steps.inActivity(() =>
    steps
      .activities(backend, {
        describeRelease: (releaseId) => Promise.resolve(isOpen(releaseId) ? 'open' : 'unknown'),
        reapGraceMs: 50,
        ...options,
      })
      .reapJobs({ owner: world.owner, since: new Date(0).toISOString() })
  );

async function ended(releaseId: string, owner = world.owner): Promise<string> {
  const intent = world.intent({ behaviour: 'succeed', releaseId, owner });
  const ref = await world.open().create(intent, freeCall());
  await steps.await(ref);
  // Its supervisor clears up after the end is told; until then nothing is removed.
  const supervisor = world.supervisor(intent.key);
  await eventually('supervisor has ended', () => Promise.resolve(supervisor === null || !isRunning(supervisor)));
  return intent.key;
}

/** Seals a folder in a process of its own, which kills itself with -9 in the middle of the upload. */
function sealAndDie(folder: string, prefix: string): void {
  const script = `
    import { createFileStore, sealFolder } from '@retempo/activities';
    const store = createFileStore({ root: ${JSON.stringify(world.storeRoot)} });
    const part = async (...input) => {
      await store.upload.part(...input);
      process.kill(process.pid, 'SIGKILL');
    };
    const call = { signal: new AbortController().signal, deadlineMs: Date.now() + 60_000 };
    const dying = { ...store, upload: { ...store.upload, part } };
    await sealFolder({ store: dying, folder: ${JSON.stringify(folder)}, prefix: ${JSON.stringify(prefix)} }, call);`;
  const { signal, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(signal, stderr).toBe('SIGKILL');
}

describe('onprem jobs: what they leave', () => {
  it('J5 the reaper removes old ended jobs of closed releases with their checkpoints: no young, live, open or foreign one', async () => {
    const old = await ended('over');
    const needed = await ended('open');
    const foreign = await ended('over', 'somebody-else');
    const live = await steps.submit(world.intent({ behaviour: 'run', releaseId: 'open' }));
    await steps.untilRunning(live.key);
    const latest = (releaseId: string) => `${checkpointPrefix(releaseId, 'train')}/latest.json`;
    const part = `${checkpointPrefix('over', 'train')}/0123/weights.bin`;
    for (const key of [latest('over'), latest('open'), part])
      await world.store.put(key, Buffer.from('{}'), { ifAbsent: true }, freeCall());
    const isOpen = (releaseId: string) => releaseId === 'open';

    expect(await reap(week, isOpen)).toMatchObject({ removed: 0, stopped: [] });
    expect(existsSync(world.jobFolder(old))).toBe(true);

    expect(await reap(atOnce, isOpen)).toMatchObject({ removed: 1, stopped: [] });
    expect([old, needed, foreign, live.key].map((key) => existsSync(world.jobFolder(key)))).toEqual([
      false,
      true,
      true,
      true,
    ]);
    expect(await world.store.head(latest('over'), freeCall())).toBeNull();
    expect(await world.store.head(part, freeCall())).toBeNull();
    expect(await world.store.head(latest('open'), freeCall())).not.toBeNull();
    expect(await world.running(live.key)).toBe(1);
    await steps.stop(live.key);
  });

  it('J5 a release that is open at the second look keeps the folders of its ended jobs', async () => {
    const key = await ended('reset');
    let looks = 0;
    expect(await reap(atOnce, (id) => id !== 'reset' || (looks += 1) > 1)).toMatchObject({ removed: 0 });
    expect(looks).toBe(2);
    expect(existsSync(world.jobFolder(key))).toBe(true);
  });

  it('one job that cannot be removed is told, and keeps none of the others', async () => {
    const keys = [await ended('bad'), await ended('bad')].toSorted();
    const broken: JobBackend = {
      ...atOnce,
      leftovers: {
        ...leftoversOf(atOnce),
        remove: (ref, owner, call) =>
          ref.key === keys[0]
            ? leftoversOf(atOnce).remove({ ...ref, key: '../..' }, owner, call)
            : leftoversOf(atOnce).remove(ref, owner, call),
      },
    };
    await rejectsWith(
      'InvalidSpec',
      reap(broken, (id) => id !== 'bad')
    );
    expect(keys.map((key) => existsSync(world.jobFolder(key)))).toEqual([true, false]);
  });

  it('remove refuses a live job, a young one, another owner, and keys that are none', async () => {
    const live = await steps.submit(world.intent({ behaviour: 'run' }));
    await steps.untilRunning(live.key);
    const key = await ended('over');
    const ref = { ...live, id: key, key };
    await rejectsWith('Conflict', leftoversOf(atOnce).remove(live, world.owner, freeCall()));
    await rejectsWith('Conflict', leftoversOf(week).remove(ref, world.owner, freeCall()));
    await rejectsWith('Conflict', leftoversOf(atOnce).remove(ref, 'somebody-else', freeCall()));
    for (const bad of ['..', '../../store', `${key}/output`, '', key.toUpperCase(), `${key}\n`]) {
      await rejectsWith('InvalidSpec', leftoversOf(atOnce).remove({ ...ref, key: bad }, world.owner, freeCall()));
    }
    await rejectsWith('InvalidSpec', leftoversOf(atOnce).remove({ ...ref, site: 'x.y' }, world.owner, freeCall()));
    expect(existsSync(world.jobFolder(key))).toBe(true);
    await leftoversOf(atOnce).remove(ref, world.owner, freeCall());
    await leftoversOf(atOnce).remove(ref, world.owner, freeCall());
    expect(existsSync(world.jobFolder(key))).toBe(false);
    await steps.stop(live.key);
  });

  it('copies of artifacts go when no job uses them; those of a running job stay', async () => {
    const ref = (digit: string) =>
      ({ v: 1, uri: `file:///s/${digit}/`, digest: `sha256:${digit.repeat(64)}`, bytes: 4 }) as const;
    const done = await steps.submit(world.job('succeed', { inputs: { rows: ref('a') } }), atOnce);
    await steps.await(done);
    const live = await steps.submit(world.job('run', { inputs: { rows: ref('b') } }), atOnce);
    await steps.untilRunning(live.key);
    const copies = () => readdirSync(`${world.root}/cache`).filter((name) => !name.startsWith('.'));
    await leftoversOf(week).removeUnused(freeCall());
    expect(copies()).toEqual(['a'.repeat(64), 'b'.repeat(64)]);
    await leftoversOf(atOnce).removeUnused(freeCall());
    expect(copies()).toEqual(['b'.repeat(64)]);
    await steps.stop(live.key);
  });

  it('a removal that was cut off is finished, and a journal that grew large is put aside once', async () => {
    mkdirSync(`${world.root}/jobs/.gone-${'f'.repeat(64)}-12/output`, { recursive: true });
    const journal = `${world.root}/journal.ndjson`;
    truncateSync(journal, 17 * 1024 * 1024);
    await leftoversOf(week).removeUnused(freeCall());
    expect(readdirSync(`${world.root}/jobs`).filter((name) => name.startsWith('.'))).toEqual([]);
    expect([existsSync(journal), statSync(`${journal}.1`).size]).toEqual([false, 17 * 1024 * 1024]);
    await ended('later');
    expect(statSync(journal).size).toBeGreaterThan(0);
  });

  it('A6 the reaper removes uploads that were broken off for good, from every place artifacts are sealed in, and no other', async () => {
    const open = async () => {
      const keys: string[] = [];
      for await (const { key } of world.store.upload.open('', freeCall())) keys.push(key.split('/.sealing/')[0] ?? '');
      return keys;
    };
    const prefixes = ['code/m', 'data/m/train', 'predictions/m', 'versions/m'];
    for (const prefix of [...prefixes, checkpointPrefix('retempo/m/run/1-00000000', 'train')]) {
      const folder = mkdtempSync(`${world.folder}/broken-`);
      writeFileSync(`${folder}/weights.bin`, Buffer.alloc(3 * partSizeBytes(1), 'w'));
      sealAndDie(folder, prefix);
    }
    const all = await open();
    expect(all).toHaveLength(5);
    const half = `versions/m/${'0'.repeat(32)}/half`;
    await world.store.put(half, Buffer.from('x'), { ifAbsent: true }, freeCall());
    // As it is configured a transfer has two days to go on.
    await reap(week, () => true);
    expect(await open()).toEqual(all);
    await reap(week, () => true, { transferKeepMs: 0 });
    expect(await open()).toEqual([]);
    expect(await world.store.head(half, freeCall())).toBeNull();
    expect(readdirSync(`${world.storeRoot}/.retempo-store/uploads`)).toEqual([]);
  });
});
