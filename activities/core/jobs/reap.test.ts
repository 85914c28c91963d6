import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFileStore } from '../artifacts/index.js';
import { PortError, type ArtifactStore, type Call, type JobLeftovers, type OwnedJob } from '../ports/index.js';
import type { JobActivityOptions } from './activities.js';
import { activitiesOf, environment, inActivity, intent, laggingCloud, pollMs, type Cloud } from './cloud.test.util.js';
import { checkpointPrefix } from './checkpoints.js';

// Real processes are reaped in the conformance suite of job backends; here are providers that misbehave.

let root: string;
let store: ArtifactStore;
beforeEach(() => {
  root = mkdtempSync(`${tmpdir()}/retempo-reap-`);
  store = createFileStore({ root });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const call = (): Call => ({ signal: new AbortController().signal, deadlineMs: Date.now() + 30_000 });
const since = '2026-01-01T00:00:00Z';
type Verdict = Awaited<ReturnType<JobActivityOptions['describeRelease']>>;

async function cloudOf(...releaseIds: readonly string[]): Promise<Cloud> {
  const cloud = laggingCloud();
  for (const releaseId of releaseIds) await cloud.backend.create({ ...intent, releaseId, key: releaseId }, call());
  return cloud;
}
function reaping(
  cloud: Cloud,
  options: Partial<JobActivityOptions> = {},
  verdictOf = (_id: string): Verdict => 'closed'
) {
  const asked: string[] = [];
  const describeRelease = (releaseId: string) => {
    asked.push(releaseId);
    return Promise.resolve(verdictOf(releaseId));
  };
  const activities = activitiesOf(cloud.backend, { store, describeRelease, reapGraceMs: 1, ...options });
  return { asked, reap: () => activities.reapJobs({ owner: 'us', since }) };
}
const asks = ({ jobs }: Cloud) => jobs.map(({ asked }) => asked);

/** The same cloud, whose jobs of these releases have ended long ago. */
function withLeftovers(cloud: Cloud, releaseIds: readonly string[], change: Partial<JobLeftovers> = {}) {
  const removed: string[] = [];
  const leftovers: JobLeftovers = {
    async *listExpired(): AsyncGenerator<OwnedJob> {
      for (const [index, releaseId] of releaseIds.entries()) {
        await Promise.resolve();
        yield { v: 1, site: 'gcp.eu', id: `old-${index}`, key: `old-${index}`, releaseId, ended: true };
      }
    },
    remove({ id }) {
      removed.push(id);
      return Promise.resolve();
    },
    removeUnused() {
      removed.push('unused');
      return Promise.resolve();
    },
    ...change,
  };
  return { removed, cloud: { ...cloud, backend: { ...cloud.backend, leftovers } } };
}

describe('the reaper and live jobs', () => {
  it('J5 stops jobs of closed and unknown releases, and says which when they have ended', async () => {
    const cloud = await cloudOf('open', 'closed', 'unknown');
    const { reap } = reaping(cloud, {}, (id) => id as Verdict);
    expect(await inActivity(reap)).toEqual({
      looked: 3,
      stopped: [
        { key: 'closed', releaseId: 'closed' },
        { key: 'unknown', releaseId: 'unknown' },
      ],
      removed: 0,
    });
    expect(asks(cloud)).toEqual([0, 1, 1]);
    expect(cloud.jobs.map(({ state }) => state.phase)).toEqual(['running', 'ended', 'ended']);
  });

  it('J5 one that has ended is not stopped again', async () => {
    const cloud = await cloudOf('closed');
    await inActivity(reaping(cloud).reap);
    const again = reaping(cloud);
    expect(await inActivity(again.reap)).toMatchObject({ looked: 1, stopped: [] });
    expect(asks(cloud)).toEqual([1]);
    expect(again.asked).toEqual([]);
  });

  it('J5 looks twice, and not before the grace is over; a release that is open then keeps its jobs', async () => {
    const cloud = await cloudOf('starting');
    const looks: number[] = [];
    const { reap } = reaping(cloud, { reapGraceMs: 200 }, () => (looks.push(Date.now()) === 1 ? 'unknown' : 'open'));
    const mock = environment();
    let beats = 0;
    mock.on('heartbeat', () => (beats += 1));
    expect(await mock.run(reap)).toMatchObject({ stopped: [] });
    // It sleeps meanwhile: a slow machine makes this fewer.
    expect(beats).toBeLessThan((2 * 200) / pollMs);
    expect(asks(cloud)).toEqual([0]);
    expect(looks).toHaveLength(2);
    expect(looks[1]! - looks[0]!).toBeGreaterThanOrEqual(200);
  });

  it('J5 a server that cannot be asked gives no right to stop anything', async () => {
    const cloud = await cloudOf('open');
    const down = () => Promise.reject(new PortError('ServiceFault', 'no server'));
    const { reap } = reaping(cloud, { describeRelease: down });
    await expect(inActivity(reap)).rejects.toMatchObject({ type: 'Retempo.ServiceFault' });
    expect(asks(cloud)).toEqual([0]);
  });

  it('asks once about a release of many jobs, and waits for no grace when there is no suspect', async () => {
    const cloud = await cloudOf('open', 'open', 'open');
    // A grace that is waited for would outlast this test.
    const { reap, asked } = reaping(cloud, { reapGraceMs: 3_600_000 }, () => 'open');
    expect(await inActivity(reap)).toMatchObject({ looked: 3, stopped: [] });
    expect(asked).toEqual(['open']);
  });

  it('heartbeats at every step, so that a dead worker is noticed however much there is to do', async () => {
    const { cloud } = withLeftovers(await cloudOf('open', 'closed'), ['a', 'b', 'c'], {
      remove() {
        counts.push(beats.length);
        return Promise.resolve();
      },
    });
    const mock = environment();
    const beats: unknown[] = [];
    const counts: number[] = [];
    mock.on('heartbeat', (details: unknown) => beats.push(details));
    const verdictOf = (id: string): Verdict => {
      counts.push(beats.length);
      return id === 'open' ? 'open' : 'closed';
    };
    await mock.run(reaping(cloud, {}, verdictOf).reap);
    // Two looks at one release of live jobs and three of ended ones, one at the open release, and three removals.
    expect(counts).toHaveLength(12);
    expect(new Set(counts).size).toBe(counts.length);
    expect(beats).toContainEqual({ looked: 2 });
    expect(beats).toContainEqual({ looked: 2, suspects: 1 });
  });

  it('J5 refuses to look for the jobs of another installation', async () => {
    const cloud = await cloudOf('closed');
    const reap = activitiesOf(cloud.backend, {
      store,
      owner: 'them',
      describeRelease: () => Promise.resolve('closed'),
    });
    const reaped = inActivity(() => reap.reapJobs({ owner: 'us', since }));
    await expect(reaped).rejects.toMatchObject({ type: 'Retempo.InvalidSpec', nonRetryable: true });
    expect(asks(cloud)).toEqual([0]);
  });
});

describe('the reaper and what jobs left', () => {
  const keep = async (releaseId: string) => {
    const key = `${checkpointPrefix(releaseId, 'train')}/latest.json`;
    await store.put(key, Buffer.from('{}'), { ifAbsent: true }, call());
    return async () => (await store.head(key, call())) !== null;
  };

  it('J5 removes jobs and checkpoints of releases that are over at both looks, and what nobody uses', async () => {
    const [over, open, reset] = [await keep('over'), await keep('open'), await keep('reset')];
    const { cloud, removed } = withLeftovers(await cloudOf(), ['over', 'open', 'reset', 'over']);
    let looks = 0;
    const { reap } = reaping(cloud, {}, (id) => (id === 'open' || (id === 'reset' && looks++ > 0) ? 'open' : 'closed'));
    expect(await inActivity(reap)).toMatchObject({ removed: 2, stopped: [] });
    expect(removed).toEqual(['old-0', 'old-3', 'unused']);
    expect([await over(), await open(), await reset()]).toEqual([false, true, true]);
  });

  it('J5 a job that the provider lists as old while it runs is left alone', async () => {
    const job = { v: 1, site: 'gcp.eu', id: 'live', key: 'live', releaseId: 'over', ended: false } as const;
    const { cloud, removed } = withLeftovers(await cloudOf(), [], {
      async *listExpired() {
        await Promise.resolve();
        yield job;
      },
    });
    expect(await inActivity(reaping(cloud).reap)).toMatchObject({ removed: 0 });
    expect(removed).toEqual(['unused']);
  });

  it('one that cannot be removed keeps none of the others, and is told at the end', async () => {
    const checkpoints = await keep('b');
    const tried: string[] = [];
    const { cloud, removed } = withLeftovers(await cloudOf(), ['a', 'b'], {
      remove({ id }) {
        tried.push(id);
        return id === 'old-0' ? Promise.reject(new PortError('AuthDenied', 'not yours')) : Promise.resolve();
      },
    });
    await expect(inActivity(reaping(cloud).reap)).rejects.toMatchObject({
      type: 'Retempo.AuthDenied',
      message: 'not yours',
    });
    expect([tried, removed]).toEqual([['old-0', 'old-1'], ['unused']]);
    expect(await checkpoints()).toBe(false);
  });

  it('removes nothing more once it is cancelled', async () => {
    const mock = environment();
    const tried: string[] = [];
    const { cloud, removed } = withLeftovers(await cloudOf(), ['a', 'b'], {
      async remove({ id }) {
        tried.push(id);
        mock.cancel();
        await new Promise(() => undefined);
      },
    });
    await expect(mock.run(reaping(cloud).reap)).rejects.toMatchObject({ name: 'CancelledFailure' });
    expect([tried, removed]).toEqual([['old-0'], []]);
  });

  it('removes at most 500 jobs a round; the next one goes on', async () => {
    const { cloud, removed } = withLeftovers(
      await cloudOf(),
      Array.from({ length: 501 }, () => 'over')
    );
    expect(await inActivity(reaping(cloud).reap)).toMatchObject({ removed: 500 });
    expect(removed).not.toContain('old-500');
  });

  it('removes what broken transfers left, also where the provider keeps nothing of its jobs', async () => {
    const key = `versions/m/${'0'.repeat(32)}/model`;
    await store.put(key, Buffer.from('half'), { ifAbsent: true }, call());
    const { reap } = reaping(await cloudOf(), { transferKeepMs: 0 });
    await inActivity(reap);
    expect(await store.head(key, call())).toBeNull();
  });

  it('keeps what a transfer may still be using', async () => {
    const key = `versions/m/${'0'.repeat(32)}/model`;
    await store.put(key, Buffer.from('half'), { ifAbsent: true }, call());
    const { reap } = reaping(await cloudOf());
    for (let look = 1; look <= 2; look += 1) await inActivity(reap);
    expect(await store.head(key, call())).not.toBeNull();
  });

  it('does not look through the store at every round', async () => {
    const cloud = await cloudOf();
    await inActivity(reaping(cloud).reap);
    const refuse = () => {
      throw new Error('must not be listed');
    };
    await inActivity(reaping(cloud, { store: { ...store, list: refuse } }).reap);
  });
});
