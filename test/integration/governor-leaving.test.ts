import type { WorkflowHandle } from '@temporalio/client';
import { describe, expect, it } from 'vitest';
import { continuousTraining } from '@retempo/workflows';
import { controlQueue, governorId, type Trigger } from '@retempo/workflows/contracts';
import { pause, requestRetrain, rollback, triggersReported } from '@retempo/workflows/messages';
import { eventsOf, kindOf } from '../support/histories.js';
import { useScriptedInstallation } from '../support/scripted-tests.js';
import { hold, installation, spec, type ScriptedInstallation, type ScriptedWorld } from '../support/scripted-world.js';
import { missingServer } from '../support/server-peer.js';

const missing = await missingServer();

// A governor that the server has asked to begin anew in the middle of its work: what came while it saved goes along or is seen
// to first. The server suggests it beyond this many events here.
const suggestedAt = 60;

describe.skipIf(missing !== null)('a governor that is leaving', () => {
  let test: ScriptedInstallation;
  let world: ScriptedWorld;
  useScriptedInstallation(
    (...opened) => ([test, world] = opened),
    () => [governorId('m')],
    { 'limit.historyCount.suggestContinueAsNew': suggestedAt }
  );

  let sent = 0;
  const event = (): Trigger => {
    const id = `e${++sent}`;
    return { kind: 'event', source: 'fares', id, cause: `about ${id}.`, at: new Date().toISOString(), actor: 'fares' };
  };
  /** A governor in a save after which it leaves, and what lets that save go. */
  const leaving = async () => {
    const governor = await test.client.workflow.start(continuousTraining, {
      workflowId: governorId('m'),
      taskQueue: controlQueue,
      args: [{ v: 1, installation, spec, specDigest: 'sha256:spec' }],
    });
    // Paused, so that no event starts a run.
    await governor.executeUpdate(pause, { args: [{ actor: 'ann', reason: 'a test' }] });
    const [first, second] = [hold(), hold()];
    world.next(
      'saveGovernor',
      (_, usual) => first.wait(usual),
      (_, usual) => second.wait(usual)
    );
    const report = (triggers: readonly Trigger[]) => governor.signal(triggersReported, { triggers });
    const begun = test.client.workflow.getHandle(governorId('m'), governor.firstExecutionRunId);
    const seenAll = async () => {
      const kinds = (await eventsOf(begun)).map(kindOf);
      return kinds.lastIndexOf('workflowTaskCompleted') > kinds.lastIndexOf('workflowExecutionSignaled');
    };
    await report([event()]);
    await first.there;
    await report([event()]);
    for (let left = suggestedAt; left > 0; left -= 1) await report([]);
    while (!(await seenAll())) await new Promise((resolve) => setTimeout(resolve, 50));
    first.letGo();
    await second.there;
    /** When its first run has ended by beginning anew. */
    const anew = async () => {
      const isAnew = async () => (await eventsOf(begun)).map(kindOf).includes('workflowExecutionContinuedAsNew');
      while (!(await isAnew())) await new Promise((resolve) => setTimeout(resolve, 50));
    };
    return { governor, report, second, anew, ended: async () => (await eventsOf(begun)).map(kindOf) };
  };
  /** When so many updates were taken by a worker. */
  const isAccepted = async (governor: WorkflowHandle, updates: number) => {
    const accepted = async () =>
      (await eventsOf(governor)).filter((one) => kindOf(one) === 'workflowExecutionUpdateAccepted').length;
    while ((await accepted()) < updates) await new Promise((resolve) => setTimeout(resolve, 50));
  };

  it('I1: takes along what came during its save, however much, and loses nothing of it', async () => {
    const before = sent;
    const { report, second, anew } = await leaving();
    // More than one save holds.
    for (let signals = 6; signals > 0; signals -= 1) await report(Array.from({ length: 50 }, event));
    second.letGo();
    await anew();
    const about = () => {
      const told = world.calls('saveGovernor').flatMap(({ decisions }) => decisions.map(({ what }) => what));
      return told.flatMap((what) => /about (\w+)\./.exec(what)?.[1] ?? []);
    };
    while (about().length < sent - before) await new Promise((resolve) => setTimeout(resolve, 50));
    const all = Array.from({ length: sent - before }, (_, n) => `e${before + n + 1}`);
    expect(about().toSorted()).toEqual(all.toSorted());
    expect(world.calls('loadGovernor')).toHaveLength(1);
  });

  it('answers what it has not saved yet after it is saved, and before it leaves', async () => {
    const { governor, second, anew, ended } = await leaving();
    const asked = governor.executeUpdate(requestRetrain, { args: [event()] });
    await isAccepted(governor, 2);
    second.letGo();
    expect(await asked).toMatchObject({ repeated: false });
    await anew();
    expect((await ended()).filter((kind) => kind === 'workflowExecutionUpdateCompleted')).toHaveLength(2);
  });

  it('answers a rollback that came during its save before it leaves', async () => {
    const { governor, second, anew } = await leaving();
    const asked = governor.executeUpdate(rollback, { args: [{ actor: 'ann', reason: 'complaints' }] });
    await isAccepted(governor, 2);
    second.letGo();
    expect(await asked).toMatchObject({ done: false, reason: expect.stringContaining('is the first champion of m') });
    await anew();
  });
});
