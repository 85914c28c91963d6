import { describe, expect, it } from 'vitest';
import { getRunStatus, promote, resume, rollback } from '@retempo/workflows/messages';
import { candidate, useScriptedCanary } from '../support/scripted-canary.js';
import { hold, look, trouble, type ScriptedWorld } from '../support/scripted-world.js';
import { missingServer } from '../support/server-peer.js';

const missing = await missingServer();

// What a canary makes of an endpoint that somebody else writes to, that loses a write, or that does not take one. The oracle is
// the journal of that world: which weights were in force, in which order, and what became the champion.

describe.skipIf(missing !== null)('what a canary writes to its endpoint', () => {
  let world: ScriptedWorld;
  const { beginAgain, start, inPhase, press, ups, rolledBack } = useScriptedCanary((_, begun) => (world = begun));

  it('1: foreign weights are set right twice, with every other version at 0; looks then count both revisions', async () => {
    const foreign = () => ({ ...look('continue'), weightsAsIntended: false });
    world.next('observe', foreign, foreign, foreign);
    const canary = await start();
    const { sentence } = await inPhase(canary, 'held');
    expect(sentence).toContain('somebody else keeps changing the weights');
    expect(ups()).toEqual([10, 10, 10]);
    const revisions = world.calls('observe').map((input) => input.revisions.length);
    expect(revisions.slice(0, 3)).toEqual([1, 2, 3]);
    for (const { weights } of world.calls('setTraffic')) expect(weights).toEqual({ v0: 0, v1: 90, [candidate]: 10 });
    // A person has seen to it: the next step counts its own revision only.
    await press(canary, resume);
    expect((await canary.result()).result).toBe('promoted');
    const second = world.calls('observe').find(({ weight }) => weight === 50);
    expect(second?.revisions).toHaveLength(1);
  });

  it('2: a write that meets another one reads again; whoever has a newer epoch is not overwritten', async () => {
    world.next('setTraffic', () => {
      throw trouble('Conflict', 'somebody was quicker');
    });
    const first = await (await start()).result();
    expect(first.result).toBe('promoted');
    expect(ups()).toEqual([10, 50, 100]);

    beginAgain();
    world.next('setTraffic', (_, usual) => {
      usual();
      world.endpoint = { ...world.endpoint!, epoch: 99, revision: '99' };
      return world.endpoint;
    });
    const canary = await start();
    const fenced = hold();
    world.next('setTraffic', ({ epoch }, usual) => fenced.wait(usual).finally(() => expect(epoch).toBeLessThan(99)));
    await fenced.there;
    expect((await press(canary, rollback)).done).toBe(true);
    fenced.letGo();
    const result = await canary.result();
    rolledBack(result);
    // Only the way back goes beyond it, and with a higher epoch than any.
    expect(ups()).toEqual([10, 0]);
    expect(world.calls('setTraffic').at(-1)?.epoch).toBe(100);
  });

  it('4: the way back outranks whatever was written before, and what arrives late is refused', async () => {
    world.next('observe', () => look('rollback'));
    rolledBack(await (await start()).result());
    const [step, back] = world.calls('setTraffic');
    expect(back!.epoch).toBeGreaterThan(step!.epoch);
    const late = { ...step!, ifRevision: world.endpoint!.revision };
    await expect(world.activities('late').setTraffic(late)).rejects.toMatchObject({ type: 'Retempo.Conflict' });
  });

  it('4: the way back is over when the 100 % were read back, not when they were written', async () => {
    world.next('observe', () => look('rollback'));
    const lost = () => world.endpoint!;
    world.next('setTraffic', (_, usual) => usual(), lost, lost);
    rolledBack(await (await start()).result());
    expect(world.calls('setTraffic')).toHaveLength(4);
  });

  it('4: a champion that is gone from the endpoint is deployed again before it gets the traffic', async () => {
    world.next('observe', () => {
      const { v1: gone, ...versions } = world.endpoint!.versions;
      world.endpoint = { ...world.endpoint!, versions };
      return look('rollback', `without ${JSON.stringify(gone)}`);
    });
    rolledBack(await (await start()).result());
    expect(world.calls('deployVersion').map((input) => input.version)).toEqual([candidate, 'v1']);
  });

  it('6: ending versions is housekeeping: when it fails, what was decided stays decided', async () => {
    const stuck = () => {
      throw trouble('AuthDenied', 'not allowed to retire');
    };
    world.next('retireVersion', stuck);
    expect((await (await start()).result()).result).toBe('promoted');
    expect(world.calls('setChampion')).toHaveLength(1);
    beginAgain();
    world.next('retireVersion', stuck);
    world.next('observe', () => look('rollback'));
    rolledBack(await (await start()).result());
    expect(ups()).toEqual([10, 0]);
  });

  it('2: 100 % that do not read back are no promotion: it stays at its step, says so, and tries again', async () => {
    const [after, again] = [hold(), hold()];
    world.next(
      'setTraffic',
      (_, usual) => usual(),
      (_, usual) => usual(),
      () => world.endpoint!,
      (_, usual) => again.wait(usual)
    );
    world.next(
      'observe',
      () => look('advance'),
      () => look('advance'),
      () => after.wait(() => look('advance'))
    );
    const canary = await start();
    await after.there;
    expect(world.champion?.version).toBe('v1');
    const seen = await canary.query(getRunStatus);
    expect(seen.phase).toBe('held');
    expect(seen.sentence).toMatch(
      /^canary 50 %, held: the weights could not be set: e was set to 100 % v2 but reads back/
    );
    expect(world.calls('observe').at(-1)).toMatchObject({ step: 1, weight: 50 });
    after.letGo();
    await again.there;
    expect(ups()).toEqual([10, 50]);
    again.letGo();
    expect((await canary.result()).result).toBe('promoted');
    expect(ups()).toEqual([10, 50, 100]);
  });

  it('8: a weight that cannot be set holds the step, also when somebody has promoted; nothing is skipped unseen', async () => {
    const stuck = () => {
      throw trouble('AuthDenied', 'the router is locked');
    };
    world.next('setTraffic', (_, usual) => usual(), stuck, stuck);
    const [locked, blind, seen] = [hold(), hold(), hold()];
    world.next(
      'observe',
      () => look('advance'),
      () => locked.wait(() => look('advance')),
      () =>
        blind.wait(() => {
          throw trouble('AuthDenied', 'the metrics are locked');
        }),
      () => seen.wait(() => look('hold', 'too few requests'))
    );
    const canary = await start();
    await locked.there;
    expect((await canary.query(getRunStatus)).sentence).toContain(
      'held: the weights could not be set: the router is locked'
    );
    await press(canary, promote);
    locked.letGo();
    await blind.there;
    expect(ups()).toEqual([10]);
    blind.letGo();
    await seen.there;
    expect((await canary.query(getRunStatus)).sentence).toContain('held: no look was possible: the metrics are locked');
    expect(ups()).toEqual([10]);
    seen.letGo();
    expect((await canary.result()).result).toBe('promoted');
    expect(ups()).toEqual([10, 50, 100]);
  });

  it('a first version without a champion: nothing to go back to, and it says so', async () => {
    world.champion = null;
    world.endpoint = null;
    world.next('deployVersion', ({ version: name, epoch }) => {
      const dead = { weight: 0, ready: 0, problem: 'no such file' };
      world.endpoint = { revision: '1', epoch, busy: false, versions: { [name]: dead } };
    });
    const { result, reason, weights } = await (await start({ deployDeadlineMs: 1_000 }, { champion: null })).result();
    expect([result, weights]).toEqual(['rolledBack', {}]);
    expect(reason).toMatch(/no such file; .*; there is no champion to give the traffic to$/);
    expect(world.served).toEqual([]);
  });

  it('5: the lease names the champion and lasts as long as configured; the last write and the way back have none', async () => {
    world.next(
      'observe',
      () => look('advance'),
      () => look('advance')
    );
    expect((await (await start({ leaseMs: 1_500 })).result()).result).toBe('promoted');
    const lease = { seconds: 2, fallback: 'v1' };
    expect(world.calls('setTraffic').map((input) => input.lease)).toEqual([lease, lease, null]);
  });

  it('a rollback of a person whose governor is gone meanwhile is carried out, and ends as that', async () => {
    const restoreFor = { actor: 'ann', reason: 'complaints' };
    const result = await (await start({}, { mode: 'restore', restoreFor })).result();
    expect(result).toMatchObject({ result: 'restored', reason: 'complaints', weights: { v1: 100 } });
    expect(world.served.at(-1)).toEqual({ v1: 100 });
    expect(world.calls('setChampion')).toMatchObject([{ version: 'v1', expected: candidate }]);
  });

  it('an endpoint that is gone: it says so, and a way back with nothing to give back to ends', async () => {
    const after = hold();
    world.next(
      'observe',
      () => {
        world.endpoint = null;
        return look('advance');
      },
      () => after.wait(() => look('continue'))
    );
    const canary = await start();
    await after.there;
    expect((await canary.query(getRunStatus)).sentence).toContain(
      'held: the weights could not be set: onprem.east no longer has an endpoint e; look at its router'
    );
    await press(canary, rollback);
    after.letGo();
    expect(await canary.result()).toMatchObject({ result: 'rolledBack', reason: 'because', weights: {} });
    expect(ups()).toEqual([10]);
  });

  it('an answer that the canary cannot work with stops it where it is; it is no look without data', async () => {
    world.next('observe', () => null as never);
    const canary = await start({ onInconclusive: 'rollback', stepDeadlineMs: 1 });
    const stopped = async () => {
      const { events } = await canary.fetchHistory();
      return events!.some((event) => event.workflowTaskFailedEventAttributes != null);
    };
    while (!(await stopped())) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(world.calls('observe')).toHaveLength(1);
    expect(ups()).toEqual([10]);
  });

  it('7: a candidate that its router does not list is not ready', async () => {
    world.next('deployVersion', ({ epoch }) => {
      world.endpoint = { ...world.endpoint!, epoch };
    });
    const result = await (await start({ deployDeadlineMs: 1_000 })).result();
    expect(result.reason).toContain(`${candidate} did not become ready within 1 s: no answer; look at`);
    rolledBack(result);
  });

  it('a first version on an endpoint that has no traffic yet gets all of it', async () => {
    world.champion = null;
    world.endpoint = { ...world.endpoint!, versions: { v0: { weight: 0, ready: 1 } } };
    const { result, weights } = await (await start({}, { champion: null })).result();
    expect([result, weights]).toEqual(['promoted', { [candidate]: 100 }]);
  });

  it('a champion that shares its endpoint with another version is nothing to compare with', async () => {
    world.endpoint = { ...world.endpoint!, versions: { v1: { weight: 60, ready: 1 }, v9: { weight: 40, ready: 1 } } };
    await expect((await start()).result()).rejects.toMatchObject({
      cause: { type: 'Retempo.ChampionMismatch', nonRetryable: true },
    });
    expect(world.names).toEqual(['describeEndpoint']);
  });

  it('4: people are told once that a way back is blocked: of which version, where, and why', async () => {
    const stuck = () => {
      throw trouble('AuthDenied', 'the router is locked');
    };
    world.next('observe', () => look('rollback'));
    world.next('setTraffic', (_, usual) => usual(), stuck, stuck, stuck);
    const canary = await start();
    rolledBack(await canary.result());
    expect(world.calls('notifyPeople')).toEqual([
      {
        kind: 'rollbackBlocked',
        model: 'm',
        text: 'the way back to v1 on e (onprem.east) does not succeed: the router is locked. Retempo keeps trying; look at the router and at the workers of its site.',
        dedupeKey: expect.stringMatching(/^retempo\/m\/run\/\d+-00000000\/rollbackBlocked$/),
      },
    ]);
  });
});
