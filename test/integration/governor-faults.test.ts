import { describe, expect, it } from 'vitest';
import { continuousTraining } from '@retempo/workflows';
import {
  controlQueue,
  endpointId,
  failureType,
  governorId,
  type CanaryInput,
  type Trigger,
} from '@retempo/workflows/contracts';
import { getDecisions, getStatus, releaseReported, requestRetrain, rollback } from '@retempo/workflows/messages';
import { ApplicationFailure } from '@temporalio/common';
import { eventsOf, kindOf } from '../support/histories.js';
import { useScriptedInstallation } from '../support/scripted-tests.js';
import {
  hold,
  installation,
  spec,
  version,
  type ScriptedInstallation,
  type ScriptedWorld,
} from '../support/scripted-world.js';
import { missingServer } from '../support/server-peer.js';

const missing = await missingServer();

// What a governor does when the registry, a run or the endpoint answers late, or otherwise than usual. The oracles are the
// journal of that world and the histories of the server: what was started, and when.

const endpoint = endpointId(spec.release.site, spec.release.endpoint);
const governor = governorId('m');

describe.skipIf(missing !== null)('a governor in a world that answers as it seldom does', () => {
  let test: ScriptedInstallation;
  let world: ScriptedWorld;
  const runs: string[] = [];
  useScriptedInstallation(
    (...opened) => ([test, world] = opened),
    () => [governor, ...runs.splice(0).flatMap((runId) => [runId, `${runId}/pipeline`]), endpoint]
  );

  const handle = (id = governor) => test.client.workflow.getHandle(id);
  const start = (describeMs = 3_600_000) =>
    test.client.workflow.start(continuousTraining, {
      workflowId: governor,
      taskQueue: controlQueue,
      args: [
        {
          v: 1,
          installation: { ...installation, limits: { ...installation.limits, describeMs } },
          spec,
          specDigest: 'sha256:spec',
        },
      ],
    });
  let asked = 0;
  /** Every run has another id, also over all tests: the server keeps those that have ended. */
  const trigger = (): Trigger => ({
    kind: 'person',
    source: 'test',
    id: `asked ${++asked}`,
    cause: 'a test',
    at: new Date().toISOString(),
    actor: 'ann',
    force: true,
  });
  const retrain = async (): Promise<string> => {
    const { runId } = await handle().executeUpdate(requestRetrain, { args: [trigger()] });
    runs.push(runId!);
    return runId!;
  };
  const until = async <T>(read: () => Promise<T>, holds: (value: T) => boolean): Promise<T> => {
    for (;;) {
      const value = await read();
      if (holds(value)) return value;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const status = () => handle().query(getStatus);
  const atRest = () => until(status, ({ running }) => running === null);
  const lastDecision = async () => (await handle().query(getDecisions, { limit: 1 }))[0];
  const inputOf = async (id: string): Promise<CanaryInput> => {
    const [first] = await eventsOf(handle(id));
    const [payload] = first?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
    return JSON.parse(Buffer.from(payload!.data!).toString()) as CanaryInput;
  };
  const noData = () => {
    throw ApplicationFailure.create({ type: failureType.dataMissing, message: 'not enough data yet' });
  };

  it('a run is not started before the registry knows of it, also when another save is under way', async () => {
    const [first, second] = [hold(), hold()];
    world.next(
      'saveGovernor',
      (_, usual) => first.wait(usual),
      (_, usual) => second.wait(usual)
    );
    world.next('snapshotData', noData);
    await start();
    // Decided, and being saved, when somebody asks for a run.
    await handle().signal('championRestored', { version: 'v0', actor: 'bob', reason: 'by hand' });
    await first.there;
    const answer = retrain();
    await until(status, ({ running }) => running !== null);
    first.letGo();
    await second.there;
    const startedNow = (await eventsOf(handle())).map(kindOf);
    expect(startedNow).not.toContain('startChildWorkflowExecutionInitiated');
    second.letGo();
    await answer;
    await atRest();
    expect((await eventsOf(handle())).map(kindOf)).toContain('startChildWorkflowExecutionInitiated');
  });

  it('a run that has ended is not started again by a governor that does not know whether it was started', async () => {
    world.next('snapshotData', noData);
    await start();
    const runId = await retrain();
    expect((await handle(runId).result()) as object).toMatchObject({ result: 'noData' });
    const only = (await handle(runId).describe()).runId;
    await atRest();
    await handle().terminate('a test');
    const before = world.calls('saveGovernor').find(({ snapshot }) => snapshot['running'] !== null)!;
    expect(before.snapshot['running']).toMatchObject({ runId, started: false });

    const outcome = { result: 'noData', helped: false, reason: 'as it ended' } as const;
    world.next('loadGovernor', () => ({ snapshot: before.snapshot, recorded: before.revision }));
    world.next('describeRelease', () => ({ state: 'closed', outcome }));
    await start(200);
    const decided = await until(lastDecision, (last) => last?.by === 'release');
    expect(decided).toMatchObject({ what: 'noData', reason: 'as it ended' });
    expect((await handle(runId).describe()).runId).toBe(only);
    expect(world.calls('snapshotData')).toHaveLength(1);
  });

  it('what is said of a run after it was heard to have ended changes nothing', async () => {
    const [late, freezing] = [hold(), hold()];
    world.next('describeRelease', () => late.wait(() => ({ state: 'closed' })));
    world.next('snapshotData', (_, usual) => freezing.wait(usual));
    await start(200);
    const runId = await retrain();
    await late.there;
    const press = () => handle().executeUpdate(rollback, { args: [{ actor: 'bob', reason: 'back' }] });
    const busy = { done: false, reason: `${runId} is under way; its canary, if it has one, takes rollbacks` };
    expect(await press()).toEqual(busy);
    const outcome = { result: 'cancelled', helped: false, reason: 'its own words' } as const;
    await handle().signal(releaseReported, { runId, phase: 'done', waitingFor: null, outcome });
    await atRest();
    const heard = await lastDecision();
    const answers = async () =>
      (await eventsOf(handle())).filter((event) => event.activityTaskCompletedEventAttributes != null).length;
    const before = await answers();
    late.letGo();
    await until(answers, (now) => now > before);
    await handle(runId).terminate('a test');
    freezing.letGo();
    // Asked after the answer was taken: an update is answered by a task of its own.
    expect((await press()).done).toBe(false);
    expect((await status()).running).toBeNull();
    expect(await handle().query(getDecisions, { limit: 2 })).toMatchObject([{ what: 'rollback refused' }, heard]);
    expect(world.served).toEqual([]);
  });

  it('a run that was lost: the champion of the registry gets all traffic again, and stays what it is', async () => {
    const freezing = hold();
    world.endpoint = { ...world.endpoint!, versions: { v1: { weight: 40, ready: 1 }, v9: { weight: 60, ready: 1 } } };
    world.next('snapshotData', (_, usual) => freezing.wait(usual));
    world.next('describeRelease', () => ({ state: 'closed' }));
    await start();
    const runId = await retrain();
    await freezing.there;
    await handle(runId).terminate('a test');
    await handle().terminate('a test');
    const saved = world.calls('saveGovernor').at(-1)!;
    const running = { ...(saved.snapshot['running'] as object), started: true };
    world.next('loadGovernor', () => ({ snapshot: { ...saved.snapshot, running }, recorded: saved.revision }));
    await start();
    const lost = await until(lastDecision, (last) => last?.by === 'release');
    expect(lost).toMatchObject({ what: 'error', reason: expect.stringContaining('ended without a report') });
    freezing.letGo();
    expect(await handle(endpoint).result()).toMatchObject({ result: 'restored', weights: { v1: 100 } });
    expect(world.served.at(-1)).toEqual({ v1: 100 });
    const { requestedBy, restoreFor, candidate } = await inputOf(endpoint);
    expect([requestedBy, restoreFor, candidate.version]).toEqual([['governor'], undefined, 'v1']);
    expect(world.names).not.toContain('setChampion');
  });

  it('rollbacks, one while another is looked into: every one is answered, and one at a time touches the endpoint', async () => {
    const [reading, writing] = [hold(), hold()];
    world.next('describeEndpoint', (_, usual) => reading.wait(usual));
    world.next('getPreviousChampion', () => version('v0'));
    world.next('setTraffic', (_, usual) => writing.wait(usual));
    await start();
    const press = (actor: string) =>
      handle().executeUpdate(rollback, { args: [{ actor, reason: 'complaints' }], updateId: actor });
    const first = press('ann');
    await reading.there;
    const second = press('bob');
    const heard = async () =>
      (await eventsOf(handle())).filter((event) => event.workflowExecutionUpdateAcceptedEventAttributes != null).length;
    await until(heard, (updates) => updates === 2);
    world.next('getPreviousChampion', () => version('v0'));
    reading.letGo();
    await writing.there;
    expect(await first).toEqual({ done: true, reason: 'v0 gets 100 % of e' });
    expect(await second).toEqual({
      done: false,
      reason: 'the traffic of e is being changed right now; try again when that has ended',
    });
    writing.letGo();
    expect(await handle(endpoint).result()).toMatchObject({ result: 'restored', weights: { v0: 100 } });
    expect(world.champion?.version).toBe('v0');
    await until(status, ({ champion }) => champion === 'v0');
    expect(world.served).toEqual([{ v0: 100 }]);
  });

  it('a rollback where no version has ever served, or none before, says what to do instead', async () => {
    await start();
    const press = () => handle().executeUpdate(rollback, { args: [{ actor: 'ann', reason: 'complaints' }] });
    expect(await press()).toEqual({
      done: false,
      reason: 'v1 is the first champion of m; there is none before it: ask for a retrain',
    });
    world.champion = null;
    expect(await press()).toEqual({
      done: false,
      reason: 'no version of m has ever served; there is nothing to go back to: ask for a first retrain',
    });
    expect(world.served).toEqual([]);
  });

  it('a request that cannot be read is refused in words, and stops nothing', async () => {
    await start();
    for (const bad of [undefined, { ...trigger(), cause: '' }, { ...trigger(), kind: 'whim' }]) {
      const refused = test.client.withDeadline(Date.now() + 60_000, () =>
        handle().executeUpdate<unknown, [unknown]>(requestRetrain.name, { args: [bad] })
      );
      await expect(refused).rejects.toMatchObject({ cause: { message: expect.stringContaining('expected') } });
    }
    expect(await handle().query(getDecisions, {})).toEqual([]);
  });

  it('a governor that is terminated does not take the way back with it that a person asked for', async () => {
    const writing = hold();
    world.next('getPreviousChampion', () => version('v0'));
    world.next('setTraffic', (_, usual) => writing.wait(usual));
    await start();
    const by = { actor: 'ann', reason: 'complaints' };
    expect((await handle().executeUpdate(rollback, { args: [by] })).done).toBe(true);
    await writing.there;
    await handle().terminate('a test');
    writing.letGo();
    await until(
      () => handle(endpoint).describe(),
      ({ status: { name } }) => name !== 'RUNNING'
    );
    expect(world.served).toEqual([{ v0: 100 }]);
    expect(world.champion?.version).toBe('v0');
  });
});
