import { describe, expect, it } from 'vitest';
import { canaryDeployment } from '@retempo/workflows';
import {
  controlQueue,
  endpointId,
  type CanaryInput,
  type CanaryResult,
  type ReleaseSpec,
} from '@retempo/workflows/contracts';
import { abort, getRunStatus, pause, promote, resume, rollback } from '@retempo/workflows/messages';
import {
  hold,
  installation,
  look,
  spec,
  trouble,
  version,
  type ScriptedInstallation,
  type ScriptedWorld,
} from '../support/scripted-world.js';
import { useScriptedInstallation } from '../support/scripted-tests.js';
import { missingServer } from '../support/server-peer.js';

const missing = await missingServer();

// What a canary does when the world answers as it seldom does. The oracle is the journal of that world: which weights were in
// force, in which order, and what became the champion.

const endpoint = endpointId(spec.release.site, spec.release.endpoint);
const button = { actor: 'ann', reason: 'because' };
const { version: candidate, artifact: bytes } = version('v2');
const champion = { version: 'v1', artifact: version('v1').artifact };

describe.skipIf(missing !== null)('a canary in a world that answers as it seldom does', () => {
  let test: ScriptedInstallation;
  let world: ScriptedWorld;
  let started = 0;
  useScriptedInstallation(
    (...opened) => ([test, world] = opened),
    () => [endpoint]
  );

  const start = (release: Partial<ReleaseSpec> = {}, more: Partial<CanaryInput> = {}) =>
    test.client.workflow.start(canaryDeployment, {
      workflowId: endpoint,
      taskQueue: controlQueue,
      args: [
        {
          v: 1,
          mode: 'canary',
          installation,
          releaseId: `retempo/m/run/${++started}-00000000`,
          model: 'm',
          release: { ...spec.release, ...release },
          policyDigest: 'sha256:policy',
          candidate: { version: candidate, artifact: bytes },
          evidenceDigest: 'sha256:evidence',
          champion,
          requestedBy: ['ann'],
          ...more,
        },
      ],
    });
  type Running = Awaited<ReturnType<typeof start>>;
  const inPhase = async (canary: Running, phase: string) => {
    for (;;) {
      const seen = await canary.query(getRunStatus);
      if (seen.phase === phase) return seen;
      if (seen.phase === 'ended') throw new Error(seen.sentence);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const press = (canary: Running, update: typeof pause) => canary.executeUpdate(update, { args: [button] });

  const ups = () => world.served.map((weights) => weights[candidate] ?? 0);
  const rolledBack = (result: CanaryResult) => {
    expect(result.weights).toEqual({ v1: 100 });
    expect(world.served.at(-1)).toEqual({ v1: 100 });
    expect(world.champion?.version).toBe('v1');
    expect(world.names).not.toContain('setChampion');
  };

  it('healthy: every step, then 100 %, the alias after it, the champion warm, older versions retired', async () => {
    const { result, weights } = await (await start()).result();
    expect([result, weights]).toEqual(['promoted', { [candidate]: 100 }]);
    expect(ups()).toEqual([10, 50, 100]);
    // Newer than whoever wrote before it.
    expect(world.calls('setTraffic').map(({ epoch }) => epoch)).toEqual([4, 4, 4]);
    expect(world.champion?.version).toBe(candidate);
    expect(world.names.lastIndexOf('setTraffic')).toBeLessThan(world.names.indexOf('setChampion'));
    expect(Object.keys(world.endpoint!.versions).toSorted()).toEqual(['v1', candidate]);
  });

  it('4: a rollback that is pressed while the last write is on its way comes first: the alias never moves', async () => {
    const last = hold();
    world.next(
      'setTraffic',
      (_, usual) => usual(),
      (_, usual) => usual(),
      (_, usual) => last.wait(usual)
    );
    const canary = await start();
    await last.there;
    expect(await press(canary, rollback)).toMatchObject({ done: true });
    last.letGo();
    const result = await canary.result();
    expect([result.result, result.reason]).toEqual(['rolledBack', 'because']);
    expect(ups()).toEqual([10, 50, 100, 0]);
    rolledBack(result);
  });

  it('4, G5: once the 100 % were read back the alias follows: a button is refused, a cancel changes nothing', async () => {
    const alias = hold();
    world.next('setChampion', (_, usual) => alias.wait(usual));
    const canary = await start();
    await alias.there;
    const refused = await press(canary, rollback);
    expect(refused).toEqual({
      done: false,
      reason: `${candidate} has all traffic and becomes the champion; roll back at the model when that is done`,
    });
    await canary.cancel();
    await test.handled(canary);
    alias.letGo();
    expect(await canary.result()).toMatchObject({ result: 'promoted', weights: { [candidate]: 100 } });
    expect(world.champion?.version).toBe(candidate);
    expect(world.served.at(-1)).toEqual({ [candidate]: 100 });
  });

  it('3: the first way back is absorbing: later buttons are refused and say what to do instead', async () => {
    const back = hold();
    world.next(
      'setTraffic',
      (_, usual) => usual(),
      (_, usual) => back.wait(usual)
    );
    world.next('observe', () => look('rollback', 'errors proven worse'));
    const canary = await start();
    await back.there;
    for (const update of [promote, resume, abort, rollback]) {
      expect(await press(canary, update)).toEqual({
        done: false,
        reason: 'a rollback is under way and cannot be undone; ask for a retrain when it has ended',
      });
    }
    back.letGo();
    const result = await canary.result();
    expect([result.result, result.reason]).toEqual(['rolledBack', 'errors proven worse']);
    expect(ups()).toEqual([10, 0]);
    rolledBack(result);
  });

  it('4: a way back does not wait for a look that hangs', async () => {
    const hanging = hold();
    world.next('observe', () => hanging.wait(() => look('advance')));
    const canary = await start();
    await hanging.there;
    await press(canary, abort);
    const result = await canary.result();
    expect(result.result).toBe('aborted');
    rolledBack(result);
    hanging.letGo();
    expect(world.calls('observe')).toHaveLength(1);
  });

  it('4: cancelled while a write is on its way: the write lands, then everything goes back', async () => {
    const write = hold();
    world.next('setTraffic', (_, usual) => write.wait(usual));
    const canary = await start();
    await write.there;
    await canary.cancel();
    await test.handled(canary);
    write.letGo();
    const result = await canary.result();
    expect(result.result).toBe('aborted');
    rolledBack(result);
  });

  it('4: cancelled while it deploys: the deployment is not cut short, and what it made is retired', async () => {
    const deploying = hold();
    let begun = 0;
    world.next('deployVersion', (_, usual) =>
      deploying.wait(() => {
        begun = world.journal.length;
        return usual();
      })
    );
    const canary = await start();
    await deploying.there;
    await canary.cancel();
    await test.handled(canary);
    deploying.letGo();
    const result = await canary.result();
    expect(result.result).toBe('aborted');
    // Nothing else was begun before it had ended.
    expect(world.names.slice(0, begun)).toEqual(['describeEndpoint', 'deployVersion']);
    expect(Object.keys(world.endpoint!.versions)).not.toContain(candidate);
    rolledBack(result);
  });

  it('4: cancelled while a worker dies in its deployment: another one sees it through, then it is retired', async () => {
    const dead = hold();
    world.next('deployVersion', (_, usual) => dead.wait(usual));
    const limits = { ...installation.limits, heartbeatMs: 1_000 };
    const canary = await start({}, { installation: { ...installation, limits } });
    await dead.there;
    await canary.cancel();
    const result = await canary.result();
    expect([result.result, result.reason]).toEqual(['aborted', 'cancelled']);
    rolledBack(result);
    // What may have been begun is known, and ended: the other order would leave a version that nobody retires.
    const order = world.names.filter((name) => name === 'deployVersion' || name === 'retireVersion');
    expect(order).toEqual(['deployVersion', 'deployVersion', 'retireVersion']);
    expect(Object.keys(world.endpoint!.versions)).not.toContain(candidate);
    dead.letGo();
  });

  it('4: cancelled again on the way back: it is not cut short', async () => {
    const back = hold();
    world.next(
      'setTraffic',
      (_, usual) => usual(),
      (_, usual) => back.wait(usual)
    );
    const retiring = hold();
    world.next('retireVersion', (_, usual) => retiring.wait(usual));
    world.next('observe', () => look('rollback'));
    const canary = await start();
    await back.there;
    await canary.cancel();
    await test.handled(canary);
    back.letGo();
    await retiring.there;
    retiring.letGo();
    const result = await canary.result();
    expect(result.result).toBe('rolledBack');
    rolledBack(result);
    expect(Object.keys(world.endpoint!.versions)).not.toContain(candidate);
  });

  it('8: a look that cannot be taken holds; it neither advances nor rolls back', async () => {
    const blind = () => {
      throw trouble('AuthDenied', 'the metrics are locked');
    };
    world.next('observe', blind, blind, () => look('continue'));
    const after = hold();
    world.next('observe', () => after.wait(() => look('rollback')));
    const canary = await start();
    await after.there;
    expect(ups()).toEqual([10]);
    expect((await canary.query(getRunStatus)).phase).toBe('step');
    after.letGo();
    expect((await canary.result()).result).toBe('rolledBack');
  });

  it('8: while it is blind it says why, and what happens when', async () => {
    const blind = () => {
      throw trouble('AuthDenied', 'the metrics are locked');
    };
    world.next('observe', ...Array.from({ length: 5_000 }, () => blind));
    const canary = await start();
    const { sentence } = await inPhase(canary, 'held');
    expect(sentence).toMatch(
      /^canary 10 %, held: no look was possible: the metrics are locked; next look at .* at 20.* UTC$/
    );
    await press(canary, abort);
    const result = await canary.result();
    expect(result.result).toBe('aborted');
    rolledBack(result);
  });

  it('2, 7: a candidate that never answers gets no traffic, and the reason says so', async () => {
    world.next('deployVersion', ({ version: name }) => {
      const before = world.endpoint!;
      const dead = { weight: 0, ready: 0, problem: 'out of memory' };
      world.endpoint = { ...before, versions: { ...before.versions, [name]: dead } };
    });
    const result = await (await start({ deployDeadlineMs: 1_000 })).result();
    expect([result.result, result.reason]).toEqual([
      'rolledBack',
      expect.stringContaining(`${candidate} did not become ready within 1 s: out of memory; look at`),
    ]);
    expect(ups()).toEqual([0]);
    rolledBack(result);
  });

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

    world = test.begin();
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
    world = test.begin();
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
});
