import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobOutcome, JobState } from '@retempo/workflows/contracts';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { createFileStore, sealFolder } from '../artifacts/index.js';
import { PortError, type ArtifactStore, type JobBackend, type JobOutput } from '../ports/index.js';
import { createCheckpointActivities } from './activities.js';
import type { SealFolder } from './checkpoints.js';
import { activitiesOf, environment, inActivity, laggingCloud, pollMs } from './cloud.test.util.js';
import type { WaitDetails } from './wait.js';

const base = mkdtempSync(`${tmpdir()}/retempo-wait-`);
afterAll(() => rmSync(base, { recursive: true, force: true }));
let tests = 0;
let folder: string;
let store: ArtifactStore;
beforeEach(() => {
  tests += 1;
  folder = `${base}/${tests}/checkpoint`;
  mkdirSync(folder, { recursive: true });
  mkdirSync(`${base}/${tests}/store`);
  store = createFileStore({ root: `${base}/${tests}/store` });
});

const step = { releaseId: 'retempo/m/run/1', step: 'train' };
const ref = { v: 1, site: 'gcp.eu', id: 'id', key: 'key' } as const;
const found = () => inActivity(() => createCheckpointActivities({ stores: [store] }).findCheckpoint(step));
const endedAs = (result: JobOutcome['result']): JobState => ({
  phase: 'ended',
  outcome: { result, message: '' },
});

/** Waits for a job that runs until `mayEnd`, looked at with every heartbeat, and ends like this. */
async function wait(
  result: JobOutcome['result'],
  mayEnd: (beats: readonly WaitDetails[]) => boolean | Promise<boolean>,
  options: { readonly seal?: SealFolder; readonly outputOf?: JobBackend['outputOf'] } = {}
) {
  const beats: WaitDetails[] = [];
  const output: JobOutput = { outputFolder: '', checkpointFolder: folder };
  const backend: JobBackend = {
    ...laggingCloud().backend,
    describe: async () => ((await mayEnd(beats)) ? endedAs(result) : { phase: 'running' }),
    outputOf: options.outputOf ?? (() => Promise.resolve(output)),
  };
  const mock = environment();
  mock.on('heartbeat', (details: WaitDetails) => beats.push(details));
  const activities = activitiesOf(backend, { store, seal: options.seal ?? sealFolder });
  const outcome: JobOutcome = await mock.run(() => activities.awaitJob({ ref, ...step, queuedLimitMs: null }));
  expect(outcome.result).toBe(result);
  return beats;
}
const atOnce = () => true;

describe('checkpoints of a job that is waited for', () => {
  it('are copied while it runs: a machine that burns down has lost little', async () => {
    writeFileSync(`${folder}/model`, 'step 1');
    let saved = 1;
    await wait('succeeded', async () => {
      const bytes = (await found())?.bytes;
      if (saved === 1 && bytes === 'step 1'.length) writeFileSync(`${folder}/model`, `step ${(saved = 10)}`);
      return bytes === 'step 10'.length;
    });
    expect((await found())?.bytes).toBe('step 10'.length);
  });

  it.each(['preempted', 'lost', 'stopped', 'unknown'] as const)(
    'are copied when it was %s: the next attempt goes on from there',
    async (result) => {
      writeFileSync(`${folder}/model`, 'the last');
      await wait(result, atOnce);
      expect((await found())?.bytes).toBe('the last'.length);
    }
  );

  it.each(['succeeded', 'failed'] as const)(
    'are not copied when it has %s: nothing goes on from there',
    async (result) => {
      writeFileSync(`${folder}/model`, 'the last');
      await wait(result, atOnce);
      expect(await found()).toBeNull();
    }
  );

  it('heartbeats while the last one is copied, which may take long', async () => {
    writeFileSync(`${folder}/model`, 'the last');
    let beatsSeen: readonly WaitDetails[] = [];
    let before = 0;
    const slow: SealFolder = async (input, call) => {
      before = beatsSeen.length;
      while (beatsSeen.length < before + 2) await sleep(pollMs);
      return await sealFolder(input, call);
    };
    const beats = await wait(
      'preempted',
      (seen) => {
        beatsSeen = seen;
        return true;
      },
      { seal: slow }
    );
    const count = beats.length;
    expect(count).toBeGreaterThanOrEqual(before + 2);
    // And no longer: the older of two equal timers goes first, on any machine.
    for (let beat = 1; beat <= 3; beat += 1) await sleep(pollMs);
    expect(beats).toHaveLength(count);
  });

  it('that cannot be copied are told, and the wait goes on', async () => {
    writeFileSync(`${folder}/model`, 'step 1');
    const seal: SealFolder = () => Promise.reject(new PortError('ServiceFault', 'the store is full'));
    const beats = await wait('succeeded', (seen) => seen.some(({ problem }) => problem !== null), { seal });
    expect(beats.at(-1)?.problem).toBe('the store is full');
  });

  it('that cannot be found are told, and the wait goes on to its end', async () => {
    const outputOf = () => Promise.reject(new PortError('ServiceFault', 'y'.repeat(10_000)));
    const beats = await wait('preempted', (seen) => seen.some(({ problem }) => problem !== null), { outputOf });
    expect(beats.at(-1)?.problem).toBe('y'.repeat(300));
  });

  it('an error of this program is no trouble with them: it ends the wait', async () => {
    const outputOf = () => Promise.reject(new TypeError('no such field'));
    await expect(wait('preempted', atOnce, { outputOf })).rejects.toThrow('no such field');
  });

  it('that a program does not write are no trouble', async () => {
    const outputOf = () => Promise.resolve({ outputFolder: '', checkpointFolder: null });
    const beats = await wait('stopped', (seen) => seen.length >= 2, { outputOf });
    expect(beats.map(({ problem }) => problem)).toEqual([null, null]);
  });
});
