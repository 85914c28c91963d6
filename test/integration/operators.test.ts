import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWorld, type World } from '../../examples/flight-delay/world.mjs';
import { continuousTraining } from '@retempo/workflows';
import { controlQueue, digestOf, endpointId, governorId, jobKey, searchAttributes } from '@retempo/workflows/contracts';
import { eventsOf, kindOf, measured, runsOf } from '../support/histories.js';
import { startInstallation, type TestInstallation } from '../support/installation.js';
import { startTraffic } from '../support/traffic.js';
import { missingServer } from '../support/server-peer.js';

const missing = await missingServer();

// What an operator finds with nothing but Temporal's own tools: lists, summaries, details, and buttons.

const model = 'flight-delay';
const site = 'onprem.east';
const endpoint = endpointId(site, model);
const call = () => ({ signal: AbortSignal.timeout(60_000), deadlineMs: Date.now() + 60_000 });

interface Metadata {
  readonly currentDetails?: string;
  readonly definition: {
    readonly [kind in 'updateDefinitions' | 'signalDefinitions' | 'queryDefinitions']?: readonly {
      readonly name: string;
      readonly description?: string;
    }[];
  };
}

describe.skipIf(missing !== null)('what an operator sees', () => {
  let test: TestInstallation;
  let world: World;
  let bodies: { readonly id: string }[];

  beforeAll(async () => {
    test = await startInstallation({ name: 'operators' });
    world = await createWorld({ folder: test.project.live, peekMinutes: 30 });
    await world.advanceTo(5);
    bodies = [];
    for await (const { body } of world.requestsOf(5, { limit: 200 })) bodies.push(body);
    // As `retempo apply` starts it: with its model and phase in the list.
    const spec = await test.apply();
    await test.client.workflow.getHandle(governorId(model)).terminate('started again with attributes');
    await test.client.workflow.start(continuousTraining, {
      workflowId: governorId(model),
      taskQueue: controlQueue,
      staticSummary: `governor of ${model}`,
      typedSearchAttributes: [
        { key: defineSearchAttributeKey(searchAttributes.model, SearchAttributeType.KEYWORD), value: model },
        { key: defineSearchAttributeKey(searchAttributes.phase, SearchAttributeType.KEYWORD), value: 'healthy' },
      ],
      args: [{ v: 1, installation: test.installation, spec, specDigest: digestOf(spec) }],
    });
  });
  afterAll(async () => {
    world?.close();
    await test?.close();
  });

  const handle = (id: string) => test.client.workflow.getHandle(id);
  const metadata = (id: string) => handle(id).query<Metadata>('__temporal_workflow_metadata');
  const details = async (id: string) => (await metadata(id)).currentDetails ?? '';
  const listed = async (query: string) => {
    const found: string[] = [];
    for await (const { workflowId } of test.client.workflow.list({ query })) found.push(workflowId);
    return found;
  };
  /** The list lags behind a little. */
  const until = (query: string, ids: readonly string[]) =>
    test.until(
      query,
      () => listed(query),
      (found) => JSON.stringify(found.toSorted()) === JSON.stringify(ids.toSorted())
    );
  const summariesOf = (events: Awaited<ReturnType<typeof eventsOf>>) =>
    events.flatMap((event) => {
      const data = event.userMetadata?.summary?.data;
      return data == null ? [] : [{ kind: kindOf(event), summary: JSON.parse(Buffer.from(data).toString()) as string }];
    });
  const summaries = async (id: string) => summariesOf(await eventsOf(handle(id)));
  it('finds what waits for an approval by its phase, and approves it from what the page shows', async () => {
    await test.project.model({
      gate: {
        metrics: { logLoss: { atMost: 0.65 } },
        minRows: 500,
        approval: { quorum: 2, from: ['ann', 'bob', 'cara'], expires: '10m' },
      },
    });
    await test.apply();
    const runId = await test.retrain('needs a second pair of eyes');
    await until(`${searchAttributes.phase}="awaitingApproval" AND ExecutionStatus="Running"`, [`${runId}/gate`]);
    await until(`${searchAttributes.model}="${model}" AND ExecutionStatus="Running"`, [
      governorId(model),
      runId,
      `${runId}/gate`,
    ]);
    const shown = await details(`${runId}/gate`);
    expect(shown).toMatch(
      /^\*\*waits for 2 approvals of v1-[0-9a-f]{8} by ann, bob, cara until 20\d\d-\d\d-\d\d \d\d:\d\d UTC\*\*/
    );
    expect(shown).toMatch(/\| logLoss atMost \| pass: logLoss 0\.\d+/);
    const { definition } = await metadata(`${runId}/gate`);
    const described = Object.fromEntries((definition.updateDefinitions ?? []).map((d) => [d.name, d.description]));
    expect(described['approve']).toContain('digests, actor, reason');
    expect(described['reject']).toContain('digests, actor, reason');
    // Copied from the page into the form: the name of the update, and its argument with the person's own name.
    const text = /`(\{"digests".*?\})`/.exec(shown)![1]!;
    const send = (update: string, argument?: unknown) =>
      test.client.withDeadline(Date.now() + 10_000, () =>
        handle(`${runId}/gate`).executeUpdate<unknown, [unknown]>(update, {
          args: (argument === undefined ? [] : [argument]) as [unknown],
        })
      );
    // A form that was sent empty or half filled is refused in words, and stops nothing.
    for (const argument of [
      undefined,
      {},
      { actor: 'bob', reason: 'x' },
      { ...(JSON.parse(text) as object), actor: '' },
    ]) {
      await expect(send('approve', argument)).rejects.toMatchObject({
        cause: { message: expect.stringContaining('expected') },
      });
    }
    const vote = (actor: string) => ({ ...(JSON.parse(text) as object), actor, reason: 'looks right' });
    // 15: neither the requester, nor somebody who is not asked, nor one person twice.
    expect(await send('approve', vote('ann'))).toEqual({
      done: false,
      reason: expect.stringContaining('asked for this run'),
    });
    expect(await send('approve', vote('dave'))).toEqual({
      done: false,
      reason: 'dave is not asked; asked are ann, bob, cara',
    });
    expect(await send('approve', vote('bob'))).toEqual({ done: true, reason: 'counted; 1 more needed' });
    expect(await send('approve', vote('bob'))).toEqual({
      done: false,
      reason: 'bob has approved already; 1 more needed',
    });
    expect(await send('approve', vote('cara'))).toEqual({ done: true, reason: 'approved' });
    expect((await test.ended(runId)).what).toBe('promoted');
    await until(`${searchAttributes.phase}="awaitingApproval" AND ExecutionStatus="Running"`, []);
    await until(`${searchAttributes.verdict}="pass" AND WorkflowType="modelRelease"`, [runId]);
    await until(`${searchAttributes.site}="${site}" AND WorkflowType="trainingPipeline"`, [`${runId}/pipeline`]);

    const gate = await summaries(`${runId}/gate`);
    expect(gate).toContainEqual({ kind: 'activityTaskScheduled', summary: expect.stringMatching(/^gate for v1-/) });
    expect(gate).toContainEqual({
      kind: 'timerStarted',
      summary: expect.stringMatching(/^approval of v1-[0-9a-f]{8} until 20\d\d-\d\d-\d\d \d\d:\d\d UTC$/),
    });
    const pipeline = (await summaries(`${runId}/pipeline`)).map(({ summary }) => summary);
    for (const summary of [
      'freeze the data at onprem.east',
      'submit train to onprem.east/cpu',
      'train on onprem.east/cpu, then onprem.west/cpu',
      'collect versions',
      'evaluate the candidate',
    ]) {
      expect(pipeline).toContain(summary);
    }
    const summaryOf = async (id: string) => (await handle(id).describe()).staticSummary();
    expect(await summaryOf(runId)).toBe(`retrain ${model}: needs a second pair of eyes`);
    expect(await summaryOf(`${runId}/pipeline`)).toBe(`train ${model}: needs a second pair of eyes`);
    expect(await summaryOf(`${runId}/gate`)).toMatch(/^gate v1-/);
    expect(await summaryOf(endpoint)).toMatch(/^canary v1-[0-9a-f]{8} on flight-delay$/);
    expect(await details(runId)).toContain('| canary: promoted |');
  });

  it('a canary shows weight, numbers and buttons; Cancel on it gives the traffic back', async () => {
    await test.project.model({});
    await test.apply();
    const { champion } = await test.status();
    const runId = await test.retrain('to be cancelled in its canary');
    await test.until(
      'first step',
      () => test.starters.getStatus(model),
      (s) => s.detail?.phase === 'step',
      90_000
    );
    await until(`${searchAttributes.phase}="canary" AND WorkflowType="canaryDeployment"`, [endpoint]);
    const pump = startTraffic(await test.site(site).routers.endpointUrl(model, call()), model, bodies.slice(0, 20));
    const shown = await test.until(
      'numbers',
      () => details(endpoint),
      (text) => /\| errors \| \w+: .*\d/.test(text)
    );
    await pump.stop();
    expect(shown).toMatch(/\| candidate \| v2-[0-9a-f]{8}, \d+ % of flight-delay \|/);
    expect(shown).toContain(`| champion | ${champion} |`);
    expect(shown).toMatch(/\| step \| \d of 4; steps 5, 25, 50 % \|/);
    expect(shown).toContain('Updates: `pause`, `resume`, `promote`, `rollback`, `abort`');
    const { definition } = await metadata(endpoint);
    const described = definition.updateDefinitions ?? [];
    expect(described.map(({ name }) => name).toSorted()).toEqual(
      ['abort', 'approve', 'pause', 'promote', 'reject', 'resume', 'rollback'].toSorted()
    );
    expect(described.every(({ description }) => (description ?? '').length > 20)).toBe(true);
    const seen = await summaries(endpoint);
    expect(seen).toContainEqual({ kind: 'timerStarted', summary: expect.stringMatching(/^next look at \d+ %$/) });
    expect(seen).toContainEqual({
      kind: 'activityTaskScheduled',
      summary: expect.stringMatching(/^look \d+ at \d+ %$/),
    });
    expect(seen).toContainEqual({ kind: 'activityTaskScheduled', summary: expect.stringMatching(/^5 % to v2-/) });

    // Paused, so that nothing but looks happens: what one costs.
    await test.starters.pause({ model, what: 'rollout', actor: 'ann', reason: 'measuring' });
    const cost = async () => {
      // All from one reading: the canary goes on between two.
      const events = await eventsOf(handle(endpoint));
      const count = (kind: string) => events.filter((event) => kindOf(event) === kind).length;
      const looks = summariesOf(events).filter(({ summary }) => /^look \d+ at/.test(summary)).length;
      return {
        events: events.length,
        activities: count('activityTaskScheduled'),
        timers: count('timerStarted'),
        looks,
      };
    };
    const first = await cost();
    const second = await test.until('five more looks', cost, ({ looks }) => looks >= first.looks + 5);
    const looks = second.looks - first.looks;
    measured('canary', { ...second, eventsPerLook: Number(((second.events - first.events) / looks).toFixed(1)) });
    // One timer and one activity a look, and nothing else.
    expect(second.activities - first.activities).toBe(looks);
    expect(Math.abs(second.timers - first.timers - looks)).toBeLessThanOrEqual(1);

    for (const update of ['pause', 'promote', 'rollback', 'abort']) {
      const empty = test.client.withDeadline(Date.now() + 10_000, () => handle(endpoint).executeUpdate(update));
      await expect(empty, update).rejects.toMatchObject({ cause: { message: expect.stringContaining('expected') } });
    }
    await handle(endpoint).cancel();
    const decision = await test.ended(runId);
    expect(decision.what).toBe('cancelled');
    expect(await test.weights()).toEqual({ [champion!]: 100 });
    expect(await details(runId)).toContain('canary: aborted');
  });

  it('Cancel on a release stops its jobs and says so', async () => {
    await test.project.model({ train: { parameters: { rate: 0.05, epochs: 200, secondsPerEpoch: 1 } } });
    await test.apply();
    const before = await test.status();
    const runId = await test.retrain('to be cancelled in its training');
    const state = join(test.project.folder, '.retempo', site, 'jobs', jobKey(runId, 'train', 1), 'state.json');
    const phase = () =>
      Promise.resolve(
        existsSync(state) ? (JSON.parse(readFileSync(state, 'utf8')) as { phase: string; outcome?: object }) : null
      );
    await test.until('training', phase, (seen) => seen?.phase === 'running');
    await until(`${searchAttributes.phase}="training" AND ExecutionStatus="Running"`, [`${runId}/pipeline`]);
    expect(await details(`${runId}/pipeline`)).toContain('Cancel stops every job');
    await handle(runId).cancel();
    const decision = await test.ended(runId);
    expect([decision.what, decision.reason]).toEqual(['cancelled', expect.stringContaining('cancelled by a person')]);
    expect(await phase()).toMatchObject({ phase: 'ended', outcome: { result: 'stopped' } });
    expect((await test.status()).cooldownFactor).toBe(before.cooldownFactor);
    await until(`${searchAttributes.phase}="training" AND ExecutionStatus="Running"`, []);
  });

  it('Cancel on a pipeline stops its jobs too and ends its release', async () => {
    const runId = await test.retrain('its pipeline to be cancelled');
    const state = join(test.project.folder, '.retempo', site, 'jobs', jobKey(runId, 'train', 1), 'state.json');
    const phase = () =>
      Promise.resolve(
        existsSync(state) ? (JSON.parse(readFileSync(state, 'utf8')) as { phase: string; outcome?: object }) : null
      );
    await test.until('training', phase, (seen) => seen?.phase === 'running');
    await handle(`${runId}/pipeline`).cancel();
    expect((await test.ended(runId)).what).toBe('cancelled');
    expect(await phase()).toMatchObject({ phase: 'ended', outcome: { result: 'stopped' } });
  });

  it('the governor is found by model and phase, explains itself, and stays so when it begins anew', async () => {
    const { definition } = await metadata(governorId(model));
    const described = Object.fromEntries((definition.updateDefinitions ?? []).map((d) => [d.name, d.description]));
    expect(Object.keys(described).toSorted()).toEqual(['configure', 'pause', 'requestRetrain', 'resume', 'rollback']);
    const { updateDefinitions = [], signalDefinitions = [], queryDefinitions = [] } = definition;
    const queries = queryDefinitions.filter(({ name }) => !name.startsWith('__'));
    expect([signalDefinitions.length, queries.length]).toEqual([4, 2]);
    for (const { name, description = '' } of [...updateDefinitions, ...signalDefinitions, ...queries]) {
      expect(description.length, name).toBeGreaterThan(20);
    }
    await test.starters.pause({ model, actor: 'ann', reason: 'audit | of *all* things' });
    const runs = (await runsOf(test.client, governorId(model))).length;
    for (let n = 0; n < 12; n++)
      await test.starters.requestRetrain({ model, source: 'fares', id: `f${n}`, cause: 'new fares' });
    await test.until(
      'begun anew',
      () => runsOf(test.client, governorId(model)),
      (list) => list.length > runs
    );
    await until(
      `${searchAttributes.model}="${model}" AND ${searchAttributes.phase}="paused" AND ExecutionStatus="Running"`,
      [governorId(model)]
    );
    const shown = await details(governorId(model));
    expect(shown).toMatch(/^\*\*paused by ann: audit/);
    expect(shown).toMatch(/\| budget \| \d+ of 50 runs used \|/);
    expect(shown).toContain('Updates: `requestRetrain`, `pause`, `resume`');
    await test.starters.resume({ model, actor: 'ann', reason: 'done' });
    await until(`${searchAttributes.phase}="paused" AND ExecutionStatus="Running"`, []);
  });
});
