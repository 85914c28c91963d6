import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWorld, type World } from '../../examples/flight-delay/world.mjs';
import { canaryDeployment } from '@retempo/workflows';
import { controlQueue, endpointId, searchAttributes, siteQueue, type CanaryInput } from '@retempo/workflows/contracts';
import { abort } from '@retempo/workflows/messages';
import { breakVersion, freezeRouter } from '../support/broken-version.js';
import { eventsOf } from '../support/histories.js';
import { startInstallation, type TestInstallation } from '../support/installation.js';
import { missingServer } from '../support/server-peer.js';

const missing = await missingServer();

// One endpoint, one canary, and a champion that stops answering in the middle of it: real router, real model servers.

const model = 'flight-delay';
const site = 'onprem.east';
const endpoint = endpointId(site, model);
const call = () => ({ signal: AbortSignal.timeout(30_000), deadlineMs: Date.now() + 30_000 });
const seconds = (duration: { readonly seconds?: unknown } | null | undefined) => Number(duration?.seconds ?? Infinity);
const zeros = (weights: object) => Object.fromEntries(Object.keys(weights).map((version) => [version, 0]));

describe.skipIf(missing !== null)('an endpoint under its canary', () => {
  let test: TestInstallation;
  let world: World;

  beforeAll(async () => {
    test = await startInstallation({
      name: 'endpoint',
      limits: { noWorkerMs: 15_000 },
      sections: {
        train: { parameters: { rate: 0.05, epochs: 2 } },
        gate: { metrics: { auc: { atLeast: 0.5 } }, slices: 'none', minRows: 500 },
      },
    });
    world = await createWorld({ folder: test.project.live, peekMinutes: 30 });
    await world.advanceTo(5);
    await test.apply();
    expect((await test.ended(await test.retrain('first version'))).what).toBe('promoted');
  });
  afterAll(async () => {
    world?.close();
    await test?.close();
  });

  const handle = (id: string) => test.client.workflow.getHandle(id);
  /** The phase tells what is decided, the endpoint what is in force. */
  const firstStep = () => test.until('first step', test.weights, (now) => Object.keys(now).length === 2, 90_000);
  /** The server's list follows by and by. */
  const listed = async (query: string, ids: readonly string[]) => {
    const list = async () => {
      const found: string[] = [];
      for await (const { workflowId } of test.client.workflow.list({ query })) found.push(workflowId);
      return found;
    };
    await test.until(query, list, (found) => JSON.stringify(found) === JSON.stringify(ids));
  };

  it('6, 7, 18: one canary an endpoint; what has traffic is not retired, what does not answer gets none', async () => {
    const { champion } = await test.status();
    const runId = await test.retrain('to be left alone');
    await firstStep();
    const [first] = await eventsOf(handle(endpoint));
    const [payload] = first?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
    const input = JSON.parse(Buffer.from(payload!.data!).toString()) as CanaryInput;
    const second = test.client.workflow.start(canaryDeployment, {
      workflowId: endpoint,
      taskQueue: controlQueue,
      args: [{ ...input, releaseId: `${runId}-other` }],
    });
    await expect(second).rejects.toThrow(WorkflowExecutionAlreadyStartedError);
    const before = await test.weights();
    const { serving } = test.site(site);
    const { epoch, revision } = await serving!.describe(model, call());
    for (const version of Object.keys(before)) {
      const retire = serving!.retire({ key: 'stray', endpoint: model, version, epoch }, call());
      await expect(retire).rejects.toMatchObject({ class: 'Conflict' });
    }
    const router = await breakVersion(test, champion!);
    const more = serving!.setTraffic(
      { endpoint: model, weights: { ...zeros(before), [champion!]: 100 }, ifRevision: revision, epoch },
      call()
    );
    await expect(more).rejects.toMatchObject({ class: 'Conflict', message: expect.stringContaining('is not ready') });
    expect(await test.weights()).toEqual(before);
    router.mend();
    await handle(endpoint).cancel();
    expect((await test.ended(runId)).what).toBe('cancelled');
    expect(await test.weights()).toEqual({ [champion!]: 100 });
  });

  it('4: a rollback that cannot be carried out is visible, tells people, and is tried until it is done', async () => {
    const { champion } = await test.status();
    const runId = await test.retrain('its champion will not answer');
    await firstStep();
    const router = await breakVersion(test, champion!);
    await handle(endpoint).executeUpdate(abort, { args: [{ actor: 'ann', reason: 'something is wrong' }] });
    const blocked = await test.until(
      'blocked',
      () => test.starters.getStatus(model),
      (s) => s.detail?.phase === 'rollbackBlocked',
      120_000
    );
    expect(blocked.detail?.sentence).toContain(`rollback blocked: flight-delay: version ${champion} is not ready`);
    await listed(`${searchAttributes.phase}="rollbackBlocked" AND WorkflowType="canaryDeployment"`, [endpoint]);
    const activities = (await eventsOf(handle(endpoint))).map(
      (event) => event.activityTaskScheduledEventAttributes?.activityType?.name
    );
    expect(activities).toContain('notifyPeople');
    // Nobody is told that it is over while it is not.
    expect((await handle(endpoint).describe()).status.name).toBe('RUNNING');
    await handle(endpoint).cancel();
    router.mend();
    expect((await test.ended(runId)).what).toBe('cancelled');
    expect(await test.weights()).toEqual({ [champion!]: 100 });
    await listed(`${searchAttributes.phase}="rollbackBlocked" AND ExecutionStatus="Running"`, []);
  });

  it('4: a router that does not answer is no reason for silence: the way back asks briefly, and says so soon', async () => {
    const { champion } = await test.status();
    const runId = await test.retrain('its router will not answer');
    await firstStep();
    const router = freezeRouter(test);
    await handle(endpoint).executeUpdate(abort, { args: [{ actor: 'ann', reason: 'something is wrong' }] });
    const blocked = await test.until(
      'blocked',
      () => test.starters.getStatus(model),
      (s) => s.detail?.phase === 'rollbackBlocked',
      180_000
    );
    router.wake();
    expect(blocked.detail?.sentence).toMatch(/^rollback blocked: .*; tried again at 20.* UTC$/);
    // What each attempt may take at most, by what the server was asked for: all of them within about a minute.
    const events = await eventsOf(handle(endpoint));
    const told = events.findIndex(
      (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === 'notifyPeople'
    );
    const asked = events.findIndex((event) => event.workflowExecutionUpdateAcceptedEventAttributes != null);
    const way = events.slice(asked, told);
    const reads = way.flatMap(({ activityTaskScheduledEventAttributes: a }) =>
      a?.activityType?.name === 'describeEndpoint' ? [seconds(a.scheduleToCloseTimeout)] : []
    );
    const pauses = way.flatMap(({ timerStartedEventAttributes: t }) =>
      t == null ? [] : [seconds(t.startToFireTimeout)]
    );
    expect(reads).toHaveLength(3);
    expect([...reads, ...pauses].reduce((sum, s) => sum + s, 0)).toBeLessThanOrEqual(70);
    expect((await test.ended(runId)).what).toBe('cancelled');
    expect(await test.weights()).toEqual({ [champion!]: 100 });
  });

  it('9: while its site is away a canary holds, says so, and goes on when the site is back', async () => {
    const { champion } = await test.status();
    const runId = await test.retrain('its site goes away');
    await firstStep();
    await test.stopWorkers();
    await test.startWorkers((queue) => queue !== siteQueue(site, 'serving'));
    const detailed = (phase: string) =>
      test.until(
        phase,
        () => test.starters.getStatus(model),
        ({ detail }) => detail?.phase === phase,
        150_000
      );
    const held = await detailed('held');
    expect(held.detail?.sentence).toContain(
      'no look was possible: neither a worker of its site nor the router answered in time'
    );
    const looks = async () =>
      (await eventsOf(handle(endpoint))).filter(
        (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === 'observe'
      ).length;
    const before = await looks();
    // It goes on to look: its deadlines hold while the site is away.
    await test.until('another look', looks, (now) => now > before, 150_000);
    await test.stopWorkers();
    await test.startWorkers();
    await detailed('step');
    await handle(endpoint).executeUpdate(abort, { args: [{ actor: 'ann', reason: 'seen enough' }] });
    expect((await test.ended(runId)).what).toBe('cancelled');
    expect(await test.weights()).toEqual({ [champion!]: 100 });
  });
});
