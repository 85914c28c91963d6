import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { World } from '../../examples/flight-delay/world.mjs';
import { createWorld } from '../../examples/flight-delay/world.mjs';
import { gateDocument, looksDocument, type GateEvidence } from '@retempo/activities';
import { endpointId, governorId, modelOfId } from '@retempo/workflows/contracts';
import { startInstallation, type TestInstallation } from '../support/installation.js';
import { repositoryRoot } from '../support/repository.js';
import { startTraffic } from '../support/traffic.js';
import { missingServer } from '../support/server-peer.js';

const missing = await missingServer();

// The loop on a real server with real data and real processes. One installation for the file: scenes build on each other.

const model = 'flight-delay';
const slowTrainer = fileURLToPath(new URL('test/support/slow-train.mjs', repositoryRoot));
const call = () => ({ signal: AbortSignal.timeout(30_000), deadlineMs: Date.now() + 30_000 });

describe.skipIf(missing !== null)('the loop: first release, canary, refusals, operators', () => {
  let test: TestInstallation;
  let world: World;
  let bodies: { readonly id: string }[];

  beforeAll(async () => {
    // Slow is not an error: the model that thinks for long may do so on a loaded machine too.
    test = await startInstallation({ name: 'loop', endpoint: { requestTimeout: '2m' } });
    world = await createWorld({ folder: test.project.live, peekMinutes: 30 });
    await world.advanceTo(5);
    bodies = [];
    for await (const { body } of world.requestsOf(5, { limit: 500 })) bodies.push(body);
  });
  afterAll(async () => {
    world?.close();
    await test?.close();
  });

  const traffic = async () =>
    startTraffic(await test.site('onprem.east').routers.endpointUrl(model, call()), model, bodies);

  /** One request: which version answers, and what. */
  const ask = async (body: object) => {
    const url = await test.site('onprem.east').routers.endpointUrl(model, call());
    const response = await fetch(`${url}/v2/models/${model}/infer`, { method: 'POST', body: JSON.stringify(body) });
    const { outputs } = (await response.json()) as { outputs: { name: string; data: unknown }[] };
    const probability = outputs.find(({ name }) => name === 'probability')?.data;
    return { version: response.headers.get('x-retempo-version'), probability };
  };

  it('22: the first version passes visibly as "no champion" and serves 100 % by read-back', async () => {
    await test.apply();
    const runId = await test.retrain('first version');
    expect((await test.ended(runId)).what).toBe('promoted');
    const { champion } = await test.status();
    expect(await test.weights()).toEqual({ [champion!]: 100 });
    const alias = await test.opened.registry.getAlias({ model, alias: 'champion' }, call());
    expect(alias?.version).toBe(champion);
    const gate = await test.opened.registry.readDocument<GateEvidence>(gateDocument(model, runId), call());
    expect(gate?.value.result?.rubberStamp).toBe(true);
    const record = await test.opened.registry.getVersion({ model, version: champion! }, call());
    expect(record?.lineage).toMatchObject({ run: runId, parents: [], site: 'onprem.east' });
    expect(record?.metrics).toEqual(gate?.value.metrics.candidate);
    expect(record?.metrics['logLoss']).toBeGreaterThan(0);
    expect(modelOfId(runId)).toBe(model);
  });

  it('a healthy candidate goes 5-25-50-100 on live traffic and no request is lost', async () => {
    await world.advanceTo(19);
    const before = await test.status();
    const pump = await traffic();
    const runId = await test.retrain('newer data');
    const decision = await test.ended(runId);
    const counts = await pump.stop();
    expect([decision.what, decision.reason]).toEqual(['promoted', expect.stringContaining('proven below ignoreBelow')]);
    expect(counts).toMatchObject({ lost: 0, failed: 0, answered: counts.sent });
    const after = await test.status();
    expect(after.champion).not.toBe(before.champion);
    expect(await test.weights()).toEqual({ [after.champion!]: 100 });
    const looks = await test.opened.registry.readDocument<{ looks: { weight: number; action: string }[] }>(
      looksDocument(model, runId),
      call()
    );
    const seen = [...new Set(looks!.value.looks.map(({ weight }) => weight))];
    expect(seen).toEqual([5, 25, 50]);
    // 2: the weight never rose without an advance at the weight before.
    for (const weight of seen) {
      expect(looks!.value.looks.filter((look) => look.weight === weight).at(-1)?.action).toBe('advance');
    }
  });

  it('G1: shuffled labels are refused by the gate and never meet traffic; the cooldown doubles', async () => {
    await test.project.model({ train: { parameters: { rate: 0.05, epochs: 20, shuffleLabels: true } } });
    await test.apply();
    const before = await test.weights();
    const runId = await test.retrain('shuffled labels');
    const decision = await test.ended(runId);
    expect(decision.what).toBe('refusedByGate');
    expect(decision.reason).toMatch(/logLoss notWorseBy: .*margin 0\.005/);
    expect(await test.weights()).toEqual(before);
    expect((await test.status()).cooldownFactor).toBe(2);
  });

  it('G3: 5 % failing requests are caught at the first step and rolled back', async () => {
    await test.project.model({ train: { parameters: { rate: 0.05, epochs: 20, strictAirports: true } } });
    await test.apply();
    const before = await test.weights();
    const pump = await traffic();
    const decision = await test.ended(await test.retrain('an export that fails'));
    const counts = await pump.stop();
    expect(decision.what).toBe('rolledBack');
    expect(decision.reason).toMatch(/errors: candidate .* against champion .*proven above worseThan 1x/);
    expect(await test.weights()).toEqual(before);
    expect(counts.lost).toBe(0);
    expect(counts.answered).toBe(counts.sent);
    await test.project.model({});
    await test.apply();
  });

  it('G3: a candidate that answers the same, only much slower, is rolled back while the champion serves', async () => {
    await cp(slowTrainer, join(test.project.folder, 'slow-train.mjs'));
    await test.project.model({
      train: { run: 'node slow-train.mjs', parameters: { rate: 0.05, epochs: 20 } },
      release: {
        guardrails: {
          errors: { worseThan: '1x', safeBelow: '2x', ignoreBelow: '1%' },
          slow: { over: '25ms', worseThan: '1x', safeBelow: '2x', ignoreBelow: '10%' },
        },
      },
    });
    await test.apply();
    const { champion } = await test.status();
    const runId = await test.retrain('a model that thinks for long');
    const both = await test.until('first step', test.weights, (now) => Object.keys(now).length === 2, 90_000);
    const candidate = Object.keys(both).find((version) => version !== champion)!;
    // The same question to both: nothing but the time tells them apart.
    const answers = new Map<string | null, unknown>();
    while (!answers.has(champion) || !answers.has(candidate)) {
      const { version, probability } = await ask(bodies[0]!);
      answers.set(version, probability);
    }
    expect(new Set(answers.keys())).toEqual(new Set([champion, candidate]));
    expect(answers.get(candidate)).toEqual(answers.get(champion));
    expect(answers.get(candidate)).toEqual([expect.any(Number)]);
    const pump = await traffic();
    const decision = await test.ended(runId);
    const counts = await pump.stop();
    expect([decision.what, decision.version]).toEqual(['rolledBack', candidate]);
    expect(decision.reason).toMatch(/slow: candidate .* against champion .*proven above worseThan 1x/);
    expect(decision.reason).not.toMatch(/errors: .*proven above/);
    expect(counts).toMatchObject({ lost: 0, failed: 0, answered: counts.sent });
    expect(await test.weights()).toEqual({ [champion!]: 100 });
    for (const body of bodies.slice(0, 40)) expect((await ask(body)).version).toBe(champion);
    expect((await test.status()).champion).toBe(champion);
    await test.project.model({});
    await test.apply();
  });

  it('an aborted canary gives the traffic back and does not count as a failed retrain', async () => {
    const before = await test.status();
    const runId = await test.retrain('to be aborted');
    await test.until(
      'canary',
      () => test.starters.getStatus(model),
      (s) => s.detail?.phase === 'step',
      90_000
    );
    // Without traffic there is no data, so the canary neither advances nor fails.
    expect(await test.starters.pause({ model, what: 'rollout', actor: 'ann', reason: 'look first' })).toMatchObject({
      done: true,
    });
    const paused = (await test.starters.getStatus(model)).detail!.sentence;
    expect(paused).toMatch(
      /paused by ann: look first; guardrails stay on; .*rolled back at 20\d\d-\d\d-\d\d \d\d:\d\d UTC$/
    );
    expect(await test.starters.abort({ model, actor: 'ann', reason: 'not today' })).toMatchObject({
      done: true,
      reason: expect.stringMatching(/^rolling back to v\d+-\w+: not today$/),
    });
    expect([(await test.ended(runId)).what]).toEqual(['cancelled']);
    expect(await test.weights()).toEqual({ [before.champion!]: 100 });
    expect((await test.status()).cooldownFactor).toBe(before.cooldownFactor);
    await expect(test.starters.abort({ model, actor: 'ann', reason: 'again' })).rejects.toMatchObject({
      problem: 'nothingToDo',
    });
  });

  it('5: with a holdback the champion stays warm and keeps its share until the bake is over', async () => {
    await test.project.model({
      gate: { metrics: { auc: { atLeast: 0.5 } }, slices: 'none', minRows: 500 },
      release: { steps: [50], holdback: '10%', bake: '10s', lookEvery: '500ms' },
    });
    await test.apply();
    const { champion } = await test.status();
    const pump = await traffic();
    const runId = await test.retrain('bakes before it takes over');
    // The phase tells what is decided, the endpoint what is in force.
    await test.until('the bake', test.weights, (now) => now[champion!] === 10, 150_000);
    expect((await test.starters.getStatus(model)).detail?.phase).toBe('baking');
    const { versions } = await test.site('onprem.east').serving!.describe(model, call());
    expect(versions[champion!]).toMatchObject({ weight: 10, ready: 1 });
    expect((await test.opened.registry.getAlias({ model, alias: 'champion' }, call()))?.version).toBe(champion);
    const decision = await test.ended(runId);
    const counts = await pump.stop();
    expect([decision.what, counts.lost, counts.failed]).toEqual(['promoted', 0, 0]);
    expect(await test.weights()).toEqual({ [decision.version!]: 100 });
    const { value } = (await test.opened.registry.readDocument<{ looks: { weight: number; action: string }[] }>(
      looksDocument(model, runId),
      call()
    ))!;
    expect([...new Set(value.looks.map(({ weight }) => weight))]).toEqual([50, 90]);
    // Proof alone does not end a bake: it was looked at again and again after it was there.
    expect(value.looks.filter((look) => look.weight === 90 && look.action === 'advance').length).toBeGreaterThan(1);
    await test.project.model({});
    await test.apply();
  });

  it('15, G8: an approval needs another person, the right digests, and survives a worker restart', async () => {
    await test.project.model({
      gate: {
        metrics: { auc: { atLeast: 0.5 } },
        slices: 'none',
        minRows: 500,
        approval: { quorum: 1, expires: '10m' },
      },
    });
    await test.apply();
    const runId = await test.retrain('needs approval');
    const waiting = await test.until('approval', test.status, (s) => s.waitingFor !== null, 90_000);
    expect(waiting.sentence).toContain('approval');
    await test.stopWorkers();
    await test.startWorkers();
    const own = await test.starters.approve({ model, actor: 'ann', reason: 'mine' });
    expect(own).toEqual({ done: false, reason: 'ann asked for this run and cannot approve it; somebody else has to' });
    const digests = { ...waiting.waitingFor!.digests!, model: 'sha256:other' };
    expect((await test.starters.approve({ model, actor: 'bob', reason: 'ok', digests })).reason).toContain(
      'another model'
    );
    expect(await test.starters.reject({ model, actor: 'bob', reason: 'too early' })).toMatchObject({ done: true });
    const decision = await test.ended(runId);
    expect([decision.what, decision.reason]).toEqual(['rejected', 'bob: too early']);
    await test.project.model({});
    await test.apply();
  });

  it('a run without the data it needs says what is missing, holds, and resume ends the hold', async () => {
    await test.project.model({
      data: { split: { train: '700d', gap: '0d', evaluate: '7d' } },
      // The hold would end by itself with the cooldown.
      retrain: { cooldown: '1h' },
    });
    await test.apply();
    const decision = await test.ended(await test.retrain('too long a window'));
    expect([decision.what, decision.reason]).toEqual(['noData', expect.stringContaining('not enough data yet')]);
    expect((await test.status()).phase).toBe('hold');
    const refused = await test.starters.requestRetrain({
      model,
      source: 'test',
      id: 'held',
      cause: 'x',
      kind: 'person',
      actor: 'ann',
    });
    expect(refused).toMatchObject({ answer: 'refused', reason: expect.stringContaining('on hold') });
    expect(await test.starters.resume({ model, actor: 'ann', reason: 'mended' })).toMatchObject({ done: true });
    expect((await test.status()).phase).toBe('healthy');
  });

  it('a breach of data.validate stops the run before anything is trained', async () => {
    await test.project.model({ data: { validate: [{ column: 'distance', type: 'number', max: 10 }] } });
    await test.apply();
    const decision = await test.ended(await test.retrain('invalid data'));
    expect([decision.what, decision.reason]).toEqual(['dataInvalid', expect.stringContaining('distance')]);
    await test.project.model({});
    await test.apply();
    await test.starters.resume({ model, actor: 'ann', reason: 'mended' });
  });

  it('a program that fails ends the run with the tail of its log, without another try', async () => {
    await test.project.model({ train: { parameters: { nonsense: 1 } } });
    await test.apply();
    const decision = await test.ended(await test.retrain('a typo'));
    expect(decision.what).toBe('error');
    expect(decision.reason).toContain('nonsense');
    await test.project.model({});
    await test.apply();
    await test.starters.resume({ model, actor: 'ann', reason: 'mended' });
  });

  it('ChampionMismatch: a canary does not start on an endpoint that serves something else', async () => {
    const { champion } = await test.status();
    const serving = test.site('onprem.east').serving!;
    const state = await serving.describe(model, call());
    const other = Object.keys(state.versions).find((version) => version !== champion)!;
    const all = Object.fromEntries(
      Object.keys(state.versions).map((version) => [version, version === other ? 100 : 0])
    );
    await serving.setTraffic(
      { endpoint: model, weights: all, ifRevision: state.revision, epoch: state.epoch + 1 },
      call()
    );
    const decision = await test.ended(await test.retrain('mismatch'));
    expect([decision.what, decision.reason]).toEqual(['error', expect.stringContaining("the registry's champion is")]);
    expect(await test.weights()).toEqual({ [other]: 100 });
  });

  it('a rollback outside a canary mends a mismatch first, then goes back to the champion before', async () => {
    const { champion } = await test.status();
    const mended = await test.starters.rollback({ model, actor: 'ann', reason: 'somebody changed the router' });
    expect(mended).toEqual({ done: true, reason: `${champion} gets 100 % of ${model}` });
    await test.until('the champion serves', test.weights, (now) => now[champion!] === 100, 30_000);
    const history = await test.opened.registry.aliasHistory({ model, alias: 'champion' }, call());
    const previous = history.at(-2)!.version;
    await test.until(
      'the way back',
      () => test.starters.rollback({ model, actor: 'ann', reason: 'complaints' }),
      ({ done }) => done,
      30_000
    );
    await test.until('the previous one serves', test.weights, (now) => now[previous] === 100, 30_000);
    const status = await test.until('the governor knows', test.status, (s) => s.champion === previous, 30_000);
    expect(status.phase).not.toBe('running');
    const alias = await test.opened.registry.getAlias({ model, alias: 'champion' }, call());
    expect([alias?.version, alias?.reason]).toEqual([previous, 'rollback by ann: complaints']);
  });

  it('keeps histories and decisions of finished runs beyond the server', async () => {
    const keys: string[] = [];
    for await (const key of test.opened.store.list(`histories/models/${model}/`, call())) keys.push(key);
    expect(keys.filter((key) => key.endsWith('/release.json')).length).toBeGreaterThanOrEqual(5);
    const { status } = await test.client.workflow.getHandle(governorId(model)).describe();
    expect(status.name).toBe('RUNNING');
    expect(endpointId('onprem.east', model)).toBe('retempo/endpoint/onprem.east/flight-delay');
  });
});
