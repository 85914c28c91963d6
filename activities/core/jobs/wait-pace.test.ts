import type { JobState } from '@retempo/workflows/contracts';
import { expect, it } from 'vitest';
import type { ArtifactStore, JobBackend } from '../ports/index.js';
import { activitiesOf, environment, laggingCloud } from './cloud.test.util.js';
import type { WaitDetails } from './wait.js';

// How often a job is looked at, and what is asked for meanwhile.

const ref = { v: 1, site: 'gcp.eu', id: 'id', key: 'key' } as const;
const ended: JobState = { phase: 'ended', outcome: { result: 'succeeded', message: '' } };
const queued: JobState = { phase: 'queued' };
const running: JobState = { phase: 'running' };

/** Waits for a job with these states, one at each look, and then ended. */
async function wait(
  states: readonly JobState[],
  on: { readonly look?: () => void; readonly beat?: () => void } & Partial<JobBackend>,
  pollMs = 5
): Promise<readonly WaitDetails[]> {
  const { look, beat, ...change } = on;
  const left = [...states];
  const describe = () => {
    look?.();
    return Promise.resolve(left.shift() ?? ended);
  };
  const mock = environment();
  const beats: WaitDetails[] = [];
  mock.on('heartbeat', (details: WaitDetails) => {
    beats.push(details);
    beat?.();
  });
  const backend: JobBackend = { ...laggingCloud().backend, describe, ...change };
  const activities = activitiesOf(backend, { store: {} as ArtifactStore, pollMs });
  await mock.run(() => activities.awaitJob({ ref, releaseId: 'r', step: 'train', queuedLimitMs: null }));
  return beats;
}

it('a job is looked at ever more seldom, and often again once it has begun', async () => {
  const order: string[] = [];
  let beats = 0;
  // The pause begins in the same turn as this timer: which of them ends first depends on their lengths, on any machine.
  const beat = () => {
    const number = (beats += 1);
    setTimeout(() => order.push(`timer ${number}`), 125);
  };
  await wait([queued, queued, running], { look: () => order.push('look'), beat }, 60_000);
  // Pauses of 100, 150 and 100 ms.
  expect(order).toEqual(['look', 'look', 'timer 1', 'timer 2', 'look', 'look']);
});

it('nothing is asked of a job that is queued but where it stands: it has no output yet', async () => {
  let asked = 0;
  const outputOf = () => {
    asked += 1;
    return Promise.resolve({ outputFolder: '', checkpointFolder: null });
  };
  const beats = await wait([queued, queued, running], { outputOf });
  expect([beats.length, asked]).toEqual([3, 1]);
});

it('an error of this program is no passing trouble: it ends the wait at the first look', async () => {
  let looks = 0;
  const describe = () => {
    looks += 1;
    return Promise.reject(new TypeError('no such field'));
  };
  await expect(wait([], { describe })).rejects.toThrow('no such field');
  expect(looks).toBe(1);
});
