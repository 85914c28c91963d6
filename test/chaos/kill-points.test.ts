import { governorId } from '@retempo/workflows/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingServer } from '../support/server-peer.js';
import { model, startChaosWorld, type ChaosWorld } from '../support/chaos/chaos-world.js';
import {
  callsWithoutPoint,
  nameOf,
  promotionPoints,
  rollbackPoints,
  type PointGroup,
} from '../support/chaos/kill-points.js';
import { problemsOf } from '../support/chaos/oracle.js';
import { chosen, createReport, isShort, randomOf, seed } from '../support/chaos/run-mode.js';
import { onlyWorker, startFirstChampion, strikeAt } from '../support/chaos/scenes.js';
import type { Point, WorkerProcess } from '../support/chaos/worker-process.js';

// kill -9 at every await point of a release: a process that dies before or after a call, and a new one that takes over.
// Whatever the point, the end is that of an undisturbed run. One installation for all.

const missing = await missingServer();
const report = createReport();
const random = randomOf(seed);

const shortSteps = ['save governor', 'submit', 'wait', 'collect', 'register', 'gate', 'set traffic', 'promote'];

/** A short run kills once in some steps, at a point that the seed chooses, all in one release. */
const chains: readonly Chain[] = isShort
  ? [
      {
        title: 'J1 J2 A1 G1 G2 G4 G6 P3: one point of each of eight steps',
        points: promotionPoints.filter(({ step }) => shortSteps.includes(step)).map(oneOf),
      },
    ]
  : promotionPoints.flatMap(each);
const waysBack: readonly Chain[] = isShort
  ? rollbackPoints.map((group) => ({ title: `${group.proves}: ${group.step}`, points: [oneOf(group)] }))
  : rollbackPoints.flatMap(each);

interface Chain {
  readonly title: string;
  readonly points: readonly Point[];
}

function each({ proves, step, points }: PointGroup): readonly Chain[] {
  return points.map((point) => ({ title: `${proves}: ${step}: ${nameOf(point)}`, points: [point] }));
}

/** Vitest cuts what it fills in by name, and titles that are cut are no longer told apart. */
const named = (all: readonly Chain[]) => all.map(({ title, points }) => [title, points] as const);

/** Calls are counted from the start of each worker, so the first of its name is reached in any order. */
function oneOf({ points }: PointGroup): Point {
  return chosen(
    points.filter(({ nth }) => nth === 1),
    random
  );
}

describe.skipIf(missing !== null)('kill -9 of the worker', () => {
  let world: ChaosWorld;
  beforeAll(async () => {
    world = await startChaosWorld({ name: 'kill' });
    await startFirstChampion(world);
    // Of the releases that follow, each has a version to retire: the one before its champion.
    await world.outcomeOf(await world.retrain('second version'));
  });
  afterAll(async () => {
    report.print('kill -9 at await points');
    await world?.close();
  });

  /** Counts from now on. */
  const counting = async (): Promise<WorkerProcess> => {
    const worker = await onlyWorker(world);
    await worker.arm({ call: 'none', nth: 1, when: 'before' });
    return worker;
  };

  it('an undisturbed release awaits nothing that has no point', async () => {
    const worker = await counting();
    const { result } = await world.outcomeOf(await world.retrain('undisturbed'));
    expect(result).toBe('promoted');
    const counts = await worker.counts();
    expect(counts).toMatchObject({
      'activity.submitJob': 3,
      'activity.setTraffic': 3,
      'activity.setChampion': 1,
      'activity.retireVersion': 1,
    });
    expect(callsWithoutPoint(counts, promotionPoints)).toEqual([]);
  });

  it.each(named(chains))('%s', async (title, points) => {
    await report.timed(title, async () => {
      const before = (await world.status()).champion;
      const strikes = await strikeAt(world, points);
      const runId = await world.retrain(title);
      const outcome = await world.outcomeOf(runId);
      await strikes.settled();
      expect(strikes.struck.map(nameOf)).toEqual(points.map(nameOf));
      expect(await problemsOf(world, runId, { result: 'promoted', before })).toEqual([]);
      return `${outcome.result}, ${strikes.struck.length} killed`;
    });
  });

  describe('on the way back', () => {
    // Time enough to press the button while the candidate has weight.
    beforeAll(() => world.apply({ release: { lookEvery: '60s' } }));

    it('awaits nothing that has no point', async () => {
      const runId = await world.retrain('undisturbed, rolled back');
      await world.until('the candidate has weight', world.weights, (weights) => Object.keys(weights).length === 2);
      const worker = await counting();
      await world.starters.rollback({ model, actor: 'ann', reason: 'chaos' });
      const { result } = await world.outcomeOf(runId);
      expect(result).toBe('rolledBack');
      const counts = await worker.counts();
      expect(counts['activity.setTraffic']).toBeGreaterThan(0);
      expect(
        callsWithoutPoint(counts, [...rollbackPoints, ...promotionPoints.filter(({ proves }) => proves === 'P3')])
      ).toEqual([]);
    });

    it.each(named(waysBack))('%s', async (title, points) => {
      await report.timed(title, async () => {
        const before = (await world.status()).champion;
        // The points of the store are on both ways; each way is a request of its own.
        const runId = await world.retrain(`${title}, on the way back`);
        await world.until('the candidate has weight', world.weights, (weights) => Object.keys(weights).length === 2);
        const strikes = await strikeAt(world, points);
        await world.starters.rollback({ model, actor: 'ann', reason: 'chaos' });
        const outcome = await world.outcomeOf(runId);
        await strikes.settled();
        expect(strikes.struck.map(nameOf)).toEqual(points.map(nameOf));
        expect(await problemsOf(world, runId, { result: 'rolledBack', before })).toEqual([]);
        return `${outcome.result}, ${strikes.struck.length} killed`;
      });
    });
  });

  it('P1 P3: a governor that has just begun anew is woken by a question on one worker and replayed by the next', async () => {
    await report.timed('governor woken on a new worker', async () => {
      // Its first task has no command, and nothing has happened since. A new worker gets this task and the next question
      // as one, a replay gets two: the commands must be the same, or the governor never answers again.
      const governor = world.client.workflow.getHandle(governorId(model));
      const seen = async () => {
        const { runId, historyLength } = await governor.describe();
        return { runId, historyLength };
      };
      const { runId: before } = await seen();
      for (;;) {
        const { runId, historyLength } = await seen();
        if (runId !== before && historyLength === 4) break;
        // What was applied may have reached the new run already: then it is filled, too.
        if (runId === before || historyLength > 4) await world.apply();
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
      for (const press of ['pause', 'resume'] as const) {
        await (await onlyWorker(world)).end();
        await world.startWorker();
        const pressed = await world.starters[press]({ model, actor: 'ann', reason: 'chaos' });
        expect(pressed).toMatchObject({ done: true });
      }
      await (await onlyWorker(world)).end();
      await world.startWorker();
      expect(await world.status()).toMatchObject({ phase: 'healthy' });
      return 'replayed';
    });
  });

  it('no request was lost while workers died', async () => {
    const counts = await world.stopRequests();
    expect(counts).toMatchObject({ lost: 0, failed: 0, answered: counts.sent });
  });
});
