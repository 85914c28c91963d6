import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingServer } from '../support/server-peer.js';
import { model, startChaosWorld, type ChaosWorld } from '../support/chaos/chaos-world.js';
import { journalOf, problemsOf, startedJobs, trafficChanges } from '../support/chaos/oracle.js';
import { createReport, isShort, randomOf, seed } from '../support/chaos/run-mode.js';
import { onlyWorker, startFirstChampion, strikeAt } from '../support/chaos/scenes.js';
import type { Point, WorkerProcess } from '../support/chaos/worker-process.js';

// Workers that fall asleep and wake up too late, that are two, that are stopped in order; and what the checks of all
// chaos tests say when a protection is taken away.

const missing = await missingServer();
const report = createReport();
const random = randomOf(seed);

describe.skipIf(missing !== null)('workers beside each other', () => {
  let world: ChaosWorld;
  beforeAll(async () => {
    world = await startChaosWorld({ name: 'workers' });
    await startFirstChampion(world);
  });
  afterAll(async () => {
    report.print('workers');
    await world?.close();
  });
  const champion = async () => (await world.status()).champion;
  const hasTraffic = () => world.until('the candidate has weight', world.weights, (w) => Object.keys(w).length === 2);
  const isTraining = (runId: string) =>
    world.until(
      'training',
      () => Promise.resolve(startedJobs(world, runId)),
      (jobs) => jobs.length > 0
    );

  /**
   * Sends the only worker of a role's queue to sleep at a point of the next run, and lets another one take over. All other
   * queues have a worker of their own, so that nothing but the call in question is asleep.
   */
  async function fallAsleep(
    why: string,
    role: 'wait' | 'serving',
    point: Point,
    sabotage?: 'noDeadline' | 'noFence'
  ): Promise<{ sleeper: WorkerProcess; runId: string }> {
    await Promise.all([...world.workers].map((worker) => worker.end()));
    await world.startWorker({ only: `^(?!.*\\.${role}$)` });
    const sleeper = await world.startWorker({ only: `\\.${role}$`, ...(sabotage === undefined ? {} : { sabotage }) });
    await sleeper.arm(point, 'SIGSTOP');
    const runId = await world.retrain(why);
    await world.until(
      'it is stopped',
      () => Promise.resolve(stateOf(sleeper.pid)),
      (state) => state === 'T'
    );
    await world.startWorker({ only: `\\.${role}$` });
    return { sleeper, runId };
  }
  /** SIGCONT; returns when the sleeper has done what it was about to do, and has had its answer. */
  async function wake(sleeper: WorkerProcess, point: Point): Promise<void> {
    const woken = sleeper.woken();
    sleeper.kill('SIGCONT');
    await woken;
    await world.until(
      'it has gone on',
      () => sleeper.counts(),
      (counts) => (counts[`${point.call}:answered`] ?? 0) >= point.nth
    );
  }

  // The writes that come late have no deadline, as if they had been on their way: the router's fence alone decides.
  describe('SIGSTOP beyond the heartbeat time-out, then SIGCONT', () => {
    it('J3: a worker that waited for a job neither stops it nor starts another', async () => {
      await report.timed('asleep while it waits for a job', async () => {
        const until = join(world.project.folder, 'go-on');
        await world.apply({ train: { parameters: { until } } });
        const before = await champion();
        const point: Point = { call: 'jobs.describe', nth: 2, when: 'before' };
        const { sleeper, runId } = await fallAsleep('asleep in wait', 'wait', point);
        // Another attempt of the wait has begun: the first one is past its heartbeat time-out.
        await world.until(
          'another worker waits',
          () => attemptsOf(world, `${runId}/pipeline`),
          (attempts) => attempts >= 2
        );
        await wake(sleeper, point);
        await sleeper.end();
        expect(journalOf(world, runId).filter(({ event }) => event === 'ended')).toEqual([]);
        await writeFile(until, '');
        await world.outcomeOf(runId);
        const ends = journalOf(world, runId).filter(({ event }) => event === 'ended');
        expect([...new Set(ends.map(({ result }) => result))]).toEqual(['succeeded']);
        expect(await problemsOf(world, runId, { result: 'promoted', before })).toEqual([]);
        await world.apply();
        return 'job untouched';
      });
    });

    it.skipIf(isShort).each([1, 2, 3])(
      'G7: a worker that was setting traffic (write %i) changes nothing when it wakes up after the end',
      async (nth) => {
        await report.timed(`asleep while setting traffic, write ${nth}`, async () => {
          const before = await champion();
          const point: Point = { call: 'serving.setTraffic', nth, when: 'before' };
          const { sleeper, runId } = await fallAsleep(`asleep in write ${nth}`, 'serving', point, 'noDeadline');
          await world.outcomeOf(runId);
          const changes = trafficChanges(world).length;
          await wake(sleeper, point);
          expect(trafficChanges(world)).toHaveLength(changes);
          await sleeper.end();
          expect(await problemsOf(world, runId, { result: 'promoted', before })).toEqual([]);
          return 'write refused';
        });
      }
    );

    it('G7: nor when its canary was rolled back meanwhile', async () => {
      await report.timed('asleep while setting traffic, rolled back meanwhile', async () => {
        const before = await champion();
        const point: Point = { call: 'serving.setTraffic', nth: 1, when: 'before' };
        const { sleeper, runId } = await fallAsleep('asleep, rolled back', 'serving', point, 'noDeadline');
        await world.starters.rollback({ model, actor: 'ann', reason: 'chaos' });
        await world.outcomeOf(runId);
        const changes = trafficChanges(world).length;
        await wake(sleeper, point);
        expect(trafficChanges(world)).toHaveLength(changes);
        await sleeper.end();
        expect(await problemsOf(world, runId, { result: 'rolledBack', before })).toEqual([]);
        return 'write refused';
      });
    });
  });

  describe('the checks notice when a protection is taken away', () => {
    it('J1: a random name instead of the job key', async () => {
      await report.timed('sabotage: random job key', async () => {
        const before = await champion();
        const strikes = await strikeAt(world, [{ call: 'jobs.create', nth: 1, when: 'after' }], {
          sabotage: 'randomJobKey',
        });
        const runId = await world.retrain('random job key');
        await world.outcomeOf(runId);
        await strikes.settled();
        const problems = await problemsOf(world, runId, { result: 'promoted', before });
        expect(problems).toContain('2 processes for 1 recorded attempts of train');
        expect(problems).toContain('2 trainers said that they had started');
        await onlyWorker(world);
        return 'noticed';
      });
    });

    it.skipIf(isShort)('G7: a write of traffic without epoch and revision', async () => {
      await report.timed('sabotage: no fence', async () => {
        const before = await champion();
        const point: Point = { call: 'serving.setTraffic', nth: 2, when: 'before' };
        const { sleeper, runId } = await fallAsleep('no fence', 'serving', point, 'noFence');
        await world.outcomeOf(runId);
        expect(await problemsOf(world, runId, { result: 'promoted', before })).toEqual([]);
        const right = await world.weights();
        await wake(sleeper, point);
        await sleeper.end();
        expect(await problemsOf(world, runId, { result: 'promoted', before })).not.toEqual([]);
        await setBack(world, right);
        return 'noticed';
      });
    });
  });

  it('J2 18: two workers on every queue do nothing twice, also when one of them dies', async () => {
    await report.timed('two workers on every queue', async () => {
      await onlyWorker(world);
      const second = await world.startWorker();
      const third = await world.startWorker({ only: 'control' });
      for (const [index, dying] of (isShort ? [second] : [null, second]).entries()) {
        const before = await champion();
        const runId = await world.retrain(`two workers ${index}`);
        await isTraining(runId);
        await dying?.end();
        await world.outcomeOf(runId);
        expect(await problemsOf(world, runId, { result: 'promoted', before })).toEqual([]);
      }
      await third.end();
      return 'promoted';
    });
  });

  describe('SIGTERM', () => {
    const moments = [
      { phase: 'training', reached: isTraining },
      { phase: 'the canary', reached: hasTraffic },
      ...Array.from({ length: 4 }, (_, index) => {
        const delayMs = Math.round(random() * 6_000);
        return {
          phase: `the run, after ${delayMs} ms (${index})`,
          reached: () => new Promise((resolve) => setTimeout(resolve, delayMs)),
        };
      }),
    ];
    it.each(isShort ? moments.slice(1, 2) : moments)(
      'P5: during $phase: exit code 0, nothing twice',
      async ({ phase, reached }) => {
        await report.timed(`SIGTERM during ${phase}`, async () => {
          const before = await champion();
          const first = await world.startCommandWorker();
          await Promise.all([...world.workers].map((worker) => worker.end()));
          const runId = await world.retrain(`SIGTERM ${phase}`);
          await reached(runId);
          first.kill('SIGTERM');
          await world.startWorker();
          expect(await first.ended).toBe(0);
          await world.outcomeOf(runId);
          expect(await problemsOf(world, runId, { result: 'promoted', before })).toEqual([]);
          return 'exit code 0, promoted';
        });
      }
    );
  });

  it('no request was lost meanwhile', async () => {
    const counts = await world.stopRequests();
    expect(counts).toMatchObject({ lost: 0, failed: 0, answered: counts.sent });
  });
});

/** One letter: R, S, T (stopped), Z. */
function stateOf(pid: number): string {
  const stat = readFileSync(join('/proc', String(pid), 'stat'), 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2)[0] ?? '';
}

/** Attempts of the activity that a workflow waits for. */
async function attemptsOf(world: ChaosWorld, workflowId: string): Promise<number> {
  const { raw } = await world.client.workflow.getHandle(workflowId).describe();
  return Math.max(0, ...(raw.pendingActivities ?? []).map(({ attempt }) => attempt ?? 0));
}

/** Repairs what a sabotage has done, as a person would. */
async function setBack(world: ChaosWorld, weights: { readonly [version: string]: number }): Promise<void> {
  const serving = world.site.serving!;
  const call = () => ({ signal: AbortSignal.timeout(30_000), deadlineMs: Date.now() + 30_000 });
  const { versions, revision, epoch } = await serving.describe('tiny', call());
  const zeros = Object.fromEntries(Object.keys(versions).map((version) => [version, 0]));
  await serving.setTraffic(
    { endpoint: 'tiny', weights: { ...zeros, ...weights }, ifRevision: revision, epoch },
    call()
  );
}
