import { randomUUID } from 'node:crypto';
import { temporal } from '@temporalio/proto';
import { childId, endpointId, governorId, jobKey } from '@retempo/workflows/contracts';
import { jobReaper } from '@retempo/workflows';
import { controlQueue, defaultLimits } from '@retempo/workflows/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingServer } from '../support/server-peer.js';
import { call, endpoint, model, siteId, startChaosWorld, type ChaosWorld } from '../support/chaos/chaos-world.js';
import { liveProcesses, problemsOf, startedJobs, trafficChanges } from '../support/chaos/oracle.js';
import { chosen, createReport, isShort, randomOf, seed } from '../support/chaos/run-mode.js';
import { onlyWorker, startFirstChampion } from '../support/chaos/scenes.js';
import type { Point } from '../support/chaos/worker-process.js';

// What people can do to workflows from outside, at the worst moment: Terminate, Cancel, Reset.

const missing = await missingServer();
const report = createReport();
const random = randomOf(seed);
const canaryId = endpointId(siteId, endpoint);

describe.skipIf(missing !== null)('Terminate, Cancel and Reset from outside', () => {
  let world: ChaosWorld;
  beforeAll(async () => {
    world = await startChaosWorld({ name: 'operators' });
    await startFirstChampion(world);
  });
  afterAll(async () => {
    report.print('Terminate, Cancel, Reset');
    await world?.close();
  });

  const terminate = (...workflowIds: readonly string[]) =>
    Promise.all(workflowIds.map((id) => world.client.workflow.getHandle(id).terminate('chaos')));
  const champion = async () => (await world.status()).champion;
  const hasTraffic = () => world.until('the candidate has weight', world.weights, (w) => Object.keys(w).length === 2);
  const isTraining = (runId: string) =>
    world.until(
      'training',
      () => Promise.resolve(startedJobs(world, runId)),
      (jobs) => jobs.length > 0
    );
  const served = async (version: string | null) =>
    world.until(
      'the champion has everything',
      world.weights,
      (w) => JSON.stringify(w) === JSON.stringify({ [version!]: 100 })
    );
  const aliasOf = async () =>
    (await world.opened.registry.getAlias({ model, alias: 'champion' }, call()))?.version ?? null;
  /** Every process of the run has ended, and no more were started than there are keys. */
  const isQuiet = async (runId: string) => {
    const keys = startedJobs(world, runId).map(({ key }) => key);
    await world.until(
      'its processes end',
      () => Promise.resolve(liveProcesses(keys)),
      (alive) => alive.length === 0
    );
    expect(new Set(keys).size).toBe(keys.length);
  };
  /** The governor takes a new run, and it is promoted. */
  const goesOn = async (why: string) => {
    await world.starters.resume({ model, actor: 'ann', reason: 'seen' });
    const before = await champion();
    const runId = await world.retrain(why);
    await world.outcomeOf(runId);
    expect(await problemsOf(world, runId, { result: 'promoted', before })).toEqual([]);
  };

  describe('Terminate', () => {
    // It trains until it is stopped.
    const train = { parameters: { until: '/nobody/makes/this' } };
    beforeAll(() => world.apply({ release: { lookEvery: '20s' }, train }));
    afterAll(() => world.apply());

    it.skipIf(isShort)(
      'J4: of a release that trains: its jobs are stopped, the governor notices and goes on',
      async () => {
        await report.timed('terminate the release while it trains', async () => {
          const before = await champion();
          const runId = await world.retrain('terminated in training');
          await isTraining(runId);
          await terminate(runId);
          await isQuiet(runId);
          await world.until('the governor gives it up', world.status, ({ running }) => running === null);
          await served(before);
          expect(await aliasOf()).toBe(before);
          return 'job stopped';
        });
      }
    );

    it('J5: of a release and its pipeline: the reaper stops the job that nobody owns', async () => {
      await report.timed('terminate release and pipeline while it trains', async () => {
        await world.starters.resume({ model, actor: 'ann', reason: 'seen' });
        const runId = await world.retrain('orphaned job');
        await isTraining(runId);
        await terminate(childId(runId, 'pipeline'), runId);
        const keys = startedJobs(world, runId).map(({ key }) => key);
        const limits = { ...defaultLimits, heartbeatMs: 2_000 };
        const { owner } = world.opened.installation;
        const reaped = await world.client.workflow.execute(jobReaper, {
          workflowId: `reap-${runId}`,
          taskQueue: controlQueue,
          args: [{ v: 1, installation: { owner, limits }, site: siteId, lookBackMs: 3_600_000 }],
        });
        expect(reaped.stopped.map(({ key }) => key)).toEqual(keys);
        await isQuiet(runId);
        return `${keys.length} job reaped`;
      });
    });

    it('G3: of a canary in the middle of a step: the release restores the champion and says so', async () => {
      await report.timed('terminate the canary', async () => {
        await world.starters.resume({ model, actor: 'ann', reason: 'seen' });
        await world.apply({ release: { lookEvery: '20s' } });
        const before = await champion();
        const runId = await world.retrain('terminated canary');
        await hasTraffic();
        await terminate(canaryId);
        await world.outcomeOf(runId);
        expect(await problemsOf(world, runId, { result: 'rolledBack', before })).toEqual([]);
        return 'champion restored';
      });
    });

    it.skipIf(isShort)('G3: of a release in the middle of a canary: the canary rolls back by itself', async () => {
      await report.timed('terminate the release in its canary', async () => {
        const before = await champion();
        const runId = await world.retrain('terminated release');
        await hasTraffic();
        await terminate(runId);
        await world.until('the governor gives it up', world.status, ({ running }) => running === null);
        await served(before);
        expect(await aliasOf()).toBe(before);
        return 'champion restored';
      });
    });

    it('P3 G3: of release, canary and governor at once: applied again, it remembers, repairs and answers', async () => {
      await report.timed('terminate release, canary and governor', async () => {
        await world.starters.resume({ model, actor: 'ann', reason: 'seen' });
        const remembered = await world.status();
        const asked = {
          model,
          source: 'chaos',
          id: 'asked before',
          cause: 'x',
          kind: 'person',
          actor: 'ann',
          force: true,
        } as const;
        const first = await world.starters.requestRetrain(asked);
        await hasTraffic();
        await terminate(governorId(model), canaryId, first.runId!);
        await world.apply({ release: { lookEvery: '20s' } });
        await served(remembered.champion);
        const now = await world.until('the run is given up', world.status, ({ running }) => running === null);
        expect(now).toMatchObject({
          champion: remembered.champion,
          cooldownFactor: remembered.cooldownFactor,
          budget: { used: remembered.budget.used + 1 },
        });
        expect(remembered.cooldownFactor).toBeGreaterThan(1);
        // 2: the same question has the same answer, and starts nothing.
        const again = await world.starters.requestRetrain(asked);
        expect(again).toMatchObject({ answer: first.answer, repeated: true, runId: first.runId });
        await world.apply();
        await goesOn('after the three');
        return `budget ${now.budget.used} used, cooldown factor ${now.cooldownFactor}`;
      });
    });

    it.skipIf(isShort)(
      'P3: of the governor during a run: the run goes on and is heard of when it comes back',
      async () => {
        await report.timed('terminate the governor', async () => {
          const before = await champion();
          const runId = await world.retrain('without a governor');
          await isTraining(runId);
          await terminate(governorId(model));
          await world.until(
            'the release ends',
            () => world.client.workflow.getHandle(runId).describe(),
            ({ status }) => status.name !== 'RUNNING'
          );
          await world.apply();
          await world.outcomeOf(runId);
          expect(await problemsOf(world, runId, { result: 'promoted', before })).toEqual([]);
          return 'promoted';
        });
      }
    );
  });

  describe('Cancel of a release', () => {
    const moments: readonly (Point & { readonly phase: string })[] = [
      { phase: 'freeze data', call: 'activity.snapshotData', nth: 1, when: 'before' },
      { phase: 'submit, before the job exists', call: 'jobs.create', nth: 1, when: 'before' },
      { phase: 'submit, after the job exists', call: 'jobs.create', nth: 1, when: 'after' },
      { phase: 'wait', call: 'jobs.describe', nth: 1, when: 'after' },
      { phase: 'collect', call: 'activity.collectOutput', nth: 1, when: 'before' },
      { phase: 'evaluate', call: 'jobs.create', nth: 2, when: 'after' },
      { phase: 'register', call: 'registry.register', nth: 1, when: 'after' },
      { phase: 'gate', call: 'activity.evaluateGate', nth: 1, when: 'after' },
      { phase: 'deploy', call: 'serving.deploy', nth: 1, when: 'before' },
      { phase: 'first step', call: 'serving.setTraffic', nth: 1, when: 'before' },
      { phase: 'observe', call: 'metrics.readArms', nth: 1, when: 'after' },
      { phase: 'second step', call: 'serving.setTraffic', nth: 2, when: 'after' },
    ];
    const some = isShort ? [moments[1]!, chosen(moments.slice(4), random)] : moments;

    it.each(some)(
      'J4 G3: during $phase ($when $call #$nth): no process is left, the champion serves',
      async (point) => {
        await report.timed(`cancel during ${point.phase}`, async () => {
          const before = await champion();
          const worker = await onlyWorker(world);
          await worker.arm(point, 'hold');
          const held = worker.held();
          const runId = await world.retrain(`cancel during ${point.phase}`);
          await world.reached(held, runId);
          const handle = world.client.workflow.getHandle(runId);
          await handle.cancel();
          await world.until(
            'the cancellation is in its history',
            () => handle.fetchHistory(),
            ({ events }) =>
              (events ?? []).some(
                ({ workflowExecutionCancelRequestedEventAttributes: asked }) => asked !== null && asked !== undefined
              )
          );
          worker.release();
          await world.outcomeOf(runId);
          await isQuiet(runId);
          expect(await problemsOf(world, runId, { result: 'cancelled', before })).toEqual([]);
          return 'cancelled';
        });
      }
    );

    const late: readonly (Point & { readonly phase: string })[] = [
      { phase: '100 %, not yet set', call: 'serving.setTraffic', nth: 3, when: 'before' },
      { phase: '100 %, just set', call: 'serving.setTraffic', nth: 3, when: 'after' },
      { phase: 'alias, not yet set', call: 'registry.setAlias', nth: 1, when: 'before' },
      { phase: 'alias, just set', call: 'registry.setAlias', nth: 1, when: 'after' },
    ];
    it.each(isShort ? [chosen(late.slice(2), random)] : late)(
      'G4: when it is nearly promoted ($phase): all old or all new, alias and traffic agree',
      async (point) => {
        await report.timed(`cancel at ${point.phase}`, async () => {
          const before = await champion();
          const worker = await onlyWorker(world);
          await worker.arm(point, 'hold');
          const held = worker.held();
          const runId = await world.retrain(`cancel at ${point.phase}`);
          await world.reached(held, runId);
          await world.client.workflow.getHandle(runId).cancel();
          await world.until(
            'the canary knows',
            () => world.client.workflow.getHandle(canaryId).fetchHistory(),
            ({ events }) =>
              (events ?? []).some(
                ({ workflowExecutionCancelRequestedEventAttributes: asked }) => asked !== null && asked !== undefined
              )
          );
          worker.release();
          const { result } = await world.outcomeOf(runId);
          const end = result === 'promoted' ? 'promoted' : 'cancelled';
          expect(await problemsOf(world, runId, { result: end, before })).toEqual([]);
          return result;
        });
      }
    );
  });

  it.each(isShort ? (['after'] as const) : (['before', 'after'] as const))(
    'G5: a rollback that is pressed %s the alias is set is either done or refused, never answered and forgotten',
    async (when) => {
      await report.timed(`rollback pressed ${when} the alias is set`, async () => {
        const before = await champion();
        const worker = await onlyWorker(world);
        await worker.arm({ call: 'registry.setAlias', nth: 1, when }, 'hold');
        const held = worker.held();
        const runId = await world.retrain(`rollback pressed ${when} the alias`);
        await world.reached(held, runId);
        const answer = await world.starters
          .rollback({ model, actor: 'ann', reason: 'late' })
          .catch((error: unknown) => ({ done: false, reason: String(error) }));
        worker.release();
        const { result } = await world.outcomeOf(runId);
        expect({ ...answer, result }).toMatchObject({ done: result === 'rolledBack' });
        expect(await problemsOf(world, runId, { result: answer.done ? 'rolledBack' : 'promoted', before })).toEqual([]);
        return `${answer.done ? 'done' : 'refused'}, ${result}`;
      });
    }
  );

  it('J6: Reset of the pipeline to before its submit adopts the job that exists', async () => {
    await report.timed('reset to before submit', async () => {
      await world.apply({ train: { parameters: { seconds: 2 } } });
      const before = await champion();
      const runId = await world.retrain('reset');
      const [job] = await isTraining(runId);
      expect(job?.key).toBe(jobKey(runId, 'train', 1));
      await resetBefore(world, childId(runId, 'pipeline'), 'submitJob');
      await world.outcomeOf(runId);
      await world.apply();
      expect(await problemsOf(world, runId, { result: 'promoted', before })).toEqual([]);
      return 'adopted';
    });
  });

  it('G2: the router has never seen weights that do not sum to 100', () => {
    const sums = trafficChanges(world).map(({ weights }) => Object.values(weights).reduce((a, b) => a + b, 0));
    expect(sums.every((sum) => sum === 100)).toBe(true);
  });
});

/** Resets a workflow to the workflow task that scheduled its first activity of this type. */
async function resetBefore(world: ChaosWorld, workflowId: string, activity: string): Promise<void> {
  const { client } = world;
  const { events } = await client.workflow.getHandle(workflowId).fetchHistory();
  const scheduled = (events ?? []).find(
    (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === activity
  );
  const { workflowTaskCompletedEventId } = scheduled!.activityTaskScheduledEventAttributes!;
  const { runId } = await client.workflow.getHandle(workflowId).describe();
  await client.workflowService.resetWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId, runId },
    reason: 'chaos',
    requestId: randomUUID(),
    workflowTaskFinishEventId: workflowTaskCompletedEventId!,
    resetReapplyType: temporal.api.enums.v1.ResetReapplyType.RESET_REAPPLY_TYPE_ALL_ELIGIBLE,
  });
}
