import { Context } from '@temporalio/activity';
import { describe, expect, it } from 'vitest';
import { abort, getRunStatus, promote, resume, rollback } from '@retempo/workflows/messages';
import { candidate, useScriptedCanary } from '../support/scripted-canary.js';
import {
  hold,
  installation,
  look,
  trouble,
  type ScriptedInstallation,
  type ScriptedWorld,
} from '../support/scripted-world.js';
import { missingServer } from '../support/server-peer.js';

const missing = await missingServer();

// What a canary does when the world answers as it seldom does. The oracle is the journal of that world: which weights were in
// force, in which order, and what became the champion.

describe.skipIf(missing !== null)('a canary in a world that answers as it seldom does', () => {
  let test: ScriptedInstallation;
  let world: ScriptedWorld;
  const { start, inPhase, press, ups, rolledBack } = useScriptedCanary((...opened) => ([test, world] = opened));

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

  it.each([
    ['on its way up', 0, [0]],
    ['that gives the candidate everything', 2, [10, 50, 0]],
  ])('4: a way back does not wait for a write %s whose router hangs', async (_which, before, weights) => {
    let begin!: () => void;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const hangs = async () => {
      begin();
      for (const context = Context.current(); ; context.heartbeat()) await context.sleep(50);
    };
    for (let writes = before; writes > 0; writes -= 1) world.next('setTraffic', (_, usual) => usual());
    world.next('setTraffic', hangs);
    const limits = { ...installation.limits, heartbeatMs: 1_000 };
    const canary = await start({}, { installation: { ...installation, limits } });
    await begun;
    await press(canary, abort);
    const result = await canary.result();
    expect([result.result, result.reason]).toEqual(['aborted', 'because']);
    rolledBack(result);
    expect(ups()).toEqual(weights);
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
});
