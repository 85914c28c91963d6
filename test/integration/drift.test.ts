import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWorld, type World } from '../../examples/flight-delay/world.mjs';
import { allDecisions } from '@retempo/activities';
import { driftCheck } from '@retempo/workflows';
import {
  controlQueue,
  driftCheckId,
  governorId,
  type ModelSpec,
  type WindowReport,
} from '@retempo/workflows/contracts';
import { countHistory, measured } from '../support/histories.js';
import { startInstallation, type TestInstallation } from '../support/installation.js';
import { missingServer } from '../support/server-peer.js';

const missing = await missingServer();

// Weeks of real flights through the real router, judged by drift checks that are started by hand instead of by a Schedule.
// The champion is trained on weeks 0 to 3; its loss is calm in week 5 and rises in weeks 6 to 8.

const model = 'flight-delay';
const call = () => ({ signal: AbortSignal.timeout(60_000), deadlineMs: Date.now() + 60_000 });
const cooldownMs = 10_000;

describe.skipIf(missing !== null)('drift: windows, alarm, one retrain', () => {
  let test: TestInstallation;
  let world: World;
  let spec: ModelSpec;
  const reports: WindowReport[] = [];

  beforeAll(async () => {
    test = await startInstallation({
      name: 'drift',
      sections: {
        retrain: { on: { drift: true }, cooldown: `${cooldownMs / 1000}s`, atMost: { runs: 50, per: '30d' } },
      },
    });
    world = await createWorld({ folder: test.project.live, peekMinutes: 30 });
    await world.advanceTo(5);
    spec = await test.apply();
  });
  afterAll(async () => {
    world?.close();
    await test?.close();
  });

  const check = async (): Promise<readonly WindowReport[]> => {
    const started = await test.client.workflow.start(driftCheck, {
      workflowId: driftCheckId(model),
      taskQueue: controlQueue,
      args: [{ v: 1, installation: test.installation, spec }],
    });
    const { reports: found } = await started.result();
    measured(`drift check with ${found.length} windows`, await countHistory(started));
    return found;
  };
  const decisions = () => allDecisions(test.opened.registry, model, call());

  /** A week happens: every flight of a sample is asked for, in order, then the week is over. */
  async function liveThrough(week: number): Promise<readonly WindowReport[]> {
    const url = await test.site('onprem.east').routers.endpointUrl(model, call());
    const bodies: object[] = [];
    for await (const { body } of world.requestsOf(week, { limit: 900 })) bodies.push(body);
    let next = 0;
    const lane = async () => {
      while (next < bodies.length) {
        const answer = await fetch(`${url}/v2/models/${model}/infer`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(bodies[next++]),
        });
        await answer.arrayBuffer();
        expect(answer.status).toBe(200);
      }
    };
    await Promise.all([lane(), lane(), lane(), lane()]);
    await world.advanceTo(week);
    const found = await check();
    reports.push(...found);
    // Asked again, there is nothing new: what was reported has been received.
    expect(await check()).toEqual([]);
    return found;
  }

  it('without a champion a check finds nothing', async () => {
    expect(await check()).toEqual([]);
    await test.starters.requestRetrain({
      model,
      source: 'test',
      id: 'first',
      cause: 'first version',
      kind: 'person',
      actor: 'ann',
    });
    const ended = await test.until(
      'first version',
      decisions,
      (list) => list.some(({ by }) => by === 'release'),
      150_000
    );
    expect(ended.find(({ by }) => by === 'release')?.what).toBe('promoted');
  });

  it('calm windows are reported too, and stay calm', async () => {
    for (const week of [5, 6]) await liveThrough(week);
    const labels = reports.filter(({ part }) => part === 'labels');
    const features = reports.filter(({ part }) => part === 'features');
    // Labels come a week later.
    expect(labels.map(({ verdict, confirmed }) => [verdict, confirmed])).toEqual([['pass', false]]);
    expect(features.map(({ confirmed }) => confirmed)).toEqual([false, false]);
    const { champion, phase } = await test.status();
    expect(reports.every((report) => report.champion === champion)).toBe(true);
    expect(['healthy', 'suspect']).toContain(phase);
    const recorded = (await decisions()).filter(({ by }) => by === 'driftCheck');
    expect(recorded.map(({ what }) => what)).toEqual(
      reports.map(({ part, windowId, verdict }) => `${part} of ${windowId}: ${verdict}`)
    );
  });

  it('the loss alarm makes the governor start exactly one run, by itself, after the cooldown', async () => {
    let alarm: WindowReport | undefined;
    for (let week = 7; week <= 10 && alarm === undefined; week++) {
      alarm = (await liveThrough(week)).find(({ part, confirmed }) => part === 'labels' && confirmed);
    }
    expect(alarm).toMatchObject({
      verdict: 'fail',
      reason: expect.stringMatching(/^loss drifted: logLoss 0\.\d+ on \d+/),
    });
    const status = await test.until('the run', test.status, ({ running }) => running !== null);
    expect(status.sentence).toContain('loss drifted: logLoss');
    // A run is in the status as soon as it is decided, and on record before it starts.
    const accepted = (list: Awaited<ReturnType<typeof decisions>>) =>
      list.filter(({ by, what }) => by === 'governor' && what.startsWith('accepted:'));
    const record = await test.until('the record', decisions, (list) => accepted(list).length > 0);
    const started = accepted(record);
    expect(started).toHaveLength(1);
    expect(started[0]!.runId).toBe(status.running!.runId);
    const ended = record.find(({ by }) => by === 'release')!;
    expect(Date.parse(started[0]!.at)).toBeGreaterThanOrEqual(Date.parse(ended.at) + cooldownMs);
  });

  it('further checks change nothing while the run is on, and its end begins the detector anew', async () => {
    const { running, budget } = await test.status();
    expect(await check()).toEqual([]);
    expect((await test.status()).budget.used).toBe(budget.used);
    await test.client.workflow.getHandle(running!.runId).cancel();
    const status = await test.until('end of the run', test.status, (seen) => seen.running === null, 120_000);
    expect(status.budget.used).toBe(2);
    const monitor = await test.until(
      'the reset',
      async () => (await test.opened.registry.readDocument(`models/${model}/monitor`, call()))?.value,
      (value) => (value as { resetBy?: string } | undefined)?.resetBy === running!.runId
    );
    expect(monitor).toMatchObject({ detector: null, history: [], undelivered: [] });
    // Nothing is left that would start another one.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const after = await test.status();
    expect([after.budget.used, after.next]).toEqual([2, null]);
    measured('governor', await countHistory(test.client.workflow.getHandle(governorId(model))));
  });
});
