import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ArtifactRef, JobOutcome, JobState } from '@retempo/workflows/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFileStore, sealFolder } from '../artifacts/index.js';
import { PortError, type ArtifactStore, type JobBackend } from '../ports/index.js';
import type { SealFolder } from './checkpoints.js';
import { activitiesOf, environment, laggingCloud, pollMs } from './cloud.test.util.js';

let base: string;
let store: ArtifactStore;
beforeEach(() => {
  base = mkdtempSync(`${tmpdir()}/retempo-collect-`);
  for (const name of ['output', 'store']) mkdirSync(`${base}/${name}`);
  writeFileSync(`${base}/output/model`, 'weights');
  store = createFileStore({ root: `${base}/store` });
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

const ref = { v: 1, site: 'gcp.eu', id: 'id', key: 'key' } as const;
const ended = (result: JobOutcome['result']): JobState => ({ phase: 'ended', outcome: { result, message: '' } });

function collecting(state: JobState | PortError, seal: SealFolder = sealFolder, required: readonly string[] = []) {
  const backend: JobBackend = {
    ...laggingCloud().backend,
    describe: () => (state instanceof PortError ? Promise.reject(state) : Promise.resolve(state)),
    outputOf: () => Promise.resolve({ outputFolder: `${base}/output`, checkpointFolder: null }),
  };
  const mock = environment();
  const collect = (): Promise<ArtifactRef> =>
    mock.run(() => activitiesOf(backend, { store, seal }).collectOutput({ ref, kind: 'versions/m', required }));
  return { mock, collect };
}
const refusingToSeal: SealFolder = () => Promise.reject(new Error('must not be sealed'));

describe('collecting the output of a job', () => {
  it('seals what a job wrote that succeeded, below its kind', async () => {
    const artifact = await collecting(ended('succeeded')).collect();
    expect(artifact.uri.startsWith(`${store.root}versions/m/`)).toBe(true);
    expect(artifact.bytes).toBe('weights'.length);
  });

  it.each<[string, JobState]>([
    ['failed', ended('failed')],
    ['stopped', ended('stopped')],
    ['running', { phase: 'running' }],
    ['queued', { phase: 'queued' }],
  ])('half of a result is none: a job that is %s is refused by that word', async (how, state) => {
    await expect(collecting(state, refusingToSeal).collect()).rejects.toMatchObject({
      type: 'Retempo.Conflict',
      message: expect.stringContaining(`job key is ${how}: `) as string,
    });
  });

  it('a job that is gone left nothing to collect; one that cannot be seen is looked at again', async () => {
    const gone = collecting(new PortError('NotFound', 'x'), refusingToSeal).collect();
    await expect(gone).rejects.toMatchObject({
      type: 'Retempo.NotFound',
      message: expect.stringContaining('gcp.eu no longer knows job id') as string,
    });
    const unseen = collecting(new PortError('ServiceFault', 'down'), refusingToSeal).collect();
    await expect(unseen).rejects.toMatchObject({ type: 'Retempo.ServiceFault', nonRetryable: false });
  });

  it('an output that lacks a file is refused before a byte of it is sealed', async () => {
    const collect = collecting(ended('succeeded'), refusingToSeal, ['*.onnx']).collect();
    await expect(collect).rejects.toMatchObject({ type: 'Retempo.UserCodeFailed' });
  });

  it('heartbeats while it seals, however long that takes', async () => {
    const seal: SealFolder = async (input, call) => {
      for (let beat = 1; beat <= 2; beat += 1) await once(world.mock, 'heartbeat');
      return await sealFolder(input, call);
    };
    const world = collecting(ended('succeeded'), seal);
    expect((await world.collect()).bytes).toBe('weights'.length);
  });

  it('stops to heartbeat when it is over', async () => {
    const { mock, collect } = collecting(ended('failed'));
    await expect(collect()).rejects.toThrow('failed');
    let late = 0;
    mock.on('heartbeat', () => (late += 1));
    // As long as from one heartbeat to the next: the older of two equal timers goes first, on any machine.
    for (let beat = 1; beat <= 3; beat += 1) await sleep(pollMs);
    expect(late).toBe(0);
  });
});
