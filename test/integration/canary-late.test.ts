import type { WorkflowHandle } from '@temporalio/client';
import { describe, expect, it } from 'vitest';
import type { CanaryInput, CanaryState, ReleaseSpec } from '@retempo/workflows/contracts';
import { abort, approve, getRunStatus, reject, resume, rollback } from '@retempo/workflows/messages';
import { button, bytes, useScriptedCanary } from '../support/scripted-canary.js';
import { hold, look, trouble, type ScriptedWorld } from '../support/scripted-world.js';
import { missingServer } from '../support/server-peer.js';

const missing = await missingServer();

// What people say to a canary while it is busy, or too late. It begins with the state of a run before it, so that hours have
// passed in it.

const minute = 60_000;
const digests = { model: bytes.digest, evidence: 'sha256:evidence', policy: 'sha256:policy' };

describe.skipIf(missing !== null)('a canary that is old', () => {
  let world: ScriptedWorld;
  const canaries = useScriptedCanary((_, begun) => (world = begun));

  /** At its first step for an hour. */
  const hourOld = (
    release: Partial<ReleaseSpec>,
    more: Partial<CanaryState>
  ): [Partial<ReleaseSpec>, Partial<CanaryInput>] => {
    const hourAgo = Date.now() - 60 * minute;
    const state: CanaryState = {
      phase: 'step',
      step: 0,
      stepStartedAt: hourAgo,
      startedAt: hourAgo,
      bakeUntil: null,
      paused: null,
      heldBecause: null,
      approvedSteps: [],
      approvalUntil: null,
      promotedBy: null,
      strikes: 0,
      looks: 5,
      rollback: null,
      ...more,
    };
    return [
      { totalDeadlineMs: 600 * minute, ...release },
      { resume: { state, epoch: world.endpoint!.epoch + 1, revisions: [], judged: null } },
    ];
  };
  const start = (...old: Parameters<typeof hourOld>) => canaries.start(...hourOld(...old));
  /** It asks, and looks at nothing for an hour. */
  const asking = (until: number) =>
    hourOld(
      {
        lookEveryMs: 60 * minute,
        approval: { quorum: 1, from: [], expiresMs: 30 * minute, beforePercent: 10 },
      },
      { phase: 'awaitingApproval', approvalUntil: until }
    );
  const vote = { digests, actor: 'bob', reason: 'looks right' };
  const nothingWaits = {
    done: false,
    reason: 'nothing waits for an approval here; the status of the model names what does',
  };

  it('17: a resume that is pressed while a look fails is kept: the pause does not count against the step', async () => {
    const [blind, seen] = [hold(), hold()];
    world.next(
      'observe',
      () =>
        blind.wait(() => {
          throw trouble('AuthDenied', 'the metrics are locked');
        }),
      () => look('continue'),
      () => seen.wait(() => look('continue'))
    );
    const canary = await start(
      { stepDeadlineMs: 30 * minute, onInconclusive: 'rollback' },
      { paused: { by: 'bob', reason: 'lunch', since: Date.now() - 59 * minute } }
    );
    await blind.there;
    expect(await canary.executeUpdate(resume, { args: [button] })).toMatchObject({ done: true });
    blind.letGo();
    await Promise.race([seen.there, canary.result()]);
    expect((await canary.query(getRunStatus)).phase).toBe('step');
    // Of the step's half hour the minute before the pause is gone.
    const [, after] = world.calls('observe');
    expect(after!.stepElapsedMs).toBeLessThan(30 * minute);
    await canary.executeUpdate(abort, { args: [button] });
    seen.letGo();
    expect((await canary.result()).result).toBe('aborted');
  });

  it('15: an approval that has expired is refused, also before the canary has looked at its time', async () => {
    const { canary, answer } = await canaries.startWithVote(vote, ...asking(Date.now() - minute));
    expect(answer).toEqual(nothingWaits);
    expect((await canary.query(getRunStatus)).waitingFor).not.toBeNull();
    await canary.executeUpdate(resume, { args: [button] });
    const { result, reason } = await canary.result();
    expect([result, reason]).toEqual(['rejected', 'nobody approved in time; ask for a retrain to ask again']);
  });

  it('a vote that is there when a canary goes on in a new run counts', async () => {
    const up = hold();
    world.next('setTraffic', (_, usual) => up.wait(usual));
    const { canary, answer } = await canaries.startWithVote(vote, ...asking(Date.now() + 20 * minute));
    expect(answer).toEqual({ done: true, reason: 'approved' });
    await up.there;
    up.letGo();
    await canary.executeUpdate(abort, { args: [button] });
    expect((await canary.result()).result).toBe('aborted');
  });

  it.each([
    ['a person', (canary: WorkflowHandle) => canary.executeUpdate(rollback, { args: [button] })],
    ['a guardrail', (canary: WorkflowHandle) => canary.executeUpdate(resume, { args: [button] })],
    ['a cancellation', (canary: WorkflowHandle) => canary.cancel()],
  ])('a canary that %s sends back asks for no approval any more: a vote is told so', async (who, send) => {
    const back = hold();
    if (who === 'a guardrail') world.next('observe', () => look('rollback', 'many errors'));
    world.next('setTraffic', (_, usual) => back.wait(usual));
    const canary = await canaries.start(...asking(Date.now() + 20 * minute));
    expect((await canary.query(getRunStatus)).waitingFor).not.toBeNull();
    await send(canary);
    await back.there;
    expect(await canary.executeUpdate(approve, { args: [vote] })).toEqual(nothingWaits);
    expect((await canary.query(getRunStatus)).waitingFor).toBeNull();
    back.letGo();
    canaries.rolledBack(await canary.result());
  });

  it('a rejection does not wait for a look that hangs', async () => {
    const stuck = hold();
    world.next('observe', () => stuck.wait(() => look('continue')));
    const canary = await canaries.start(...asking(Date.now() + 20 * minute));
    await canary.executeUpdate(resume, { args: [button] });
    await stuck.there;
    expect(await canary.executeUpdate(reject, { args: [vote] })).toMatchObject({ done: true });
    const result = await canary.result();
    stuck.letGo();
    expect(result.result).toBe('rejected');
    canaries.rolledBack(result);
  });

  it('nor does one whose rollback waits for a write that is under way', async () => {
    const write = hold();
    world.next('observe', () => ({ ...look('hold'), weightsAsIntended: false }));
    world.next('setTraffic', (_, usual) => write.wait(usual));
    const canary = await canaries.start(...asking(Date.now() + 20 * minute));
    await canary.executeUpdate(resume, { args: [button] });
    await write.there;
    await canary.executeUpdate(rollback, { args: [button] });
    expect(await canary.executeUpdate(approve, { args: [vote] })).toEqual(nothingWaits);
    write.letGo();
    canaries.rolledBack(await canary.result());
  });

  it('cancelled while a look hangs, with its time over: it is aborted by a person, and is no failed retrain', async () => {
    const stuck = hold();
    world.next('observe', () => stuck.wait(() => look('continue')));
    const canary = await canaries.start(...hourOld({ totalDeadlineMs: 30 * minute }, {}));
    await stuck.there;
    await canary.cancel();
    const result = await canary.result();
    stuck.letGo();
    expect([result.result, result.reason]).toEqual(['aborted', 'cancelled']);
    canaries.rolledBack(result);
  });

  it('goes on in a new run where nothing waits for an approval: none is asked, and a vote is told so', async () => {
    const seen = hold();
    world.next('observe', () => seen.wait(() => look('rollback')));
    const approval = { quorum: 1, from: [], expiresMs: 30 * minute, beforePercent: 10 };
    const canary = await canaries.start(...hourOld({ approval }, {}));
    await seen.there;
    expect((await canary.query(getRunStatus)).waitingFor).toBeNull();
    expect(await canary.executeUpdate(approve, { args: [vote] })).toEqual(nothingWaits);
    seen.letGo();
    canaries.rolledBack(await canary.result());
  });
});
