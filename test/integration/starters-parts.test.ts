import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { createStarters, type Starters } from '@retempo/starters';
import { startDevServer, type DevServer } from '@retempo/workers';
import { childId, controlQueue, endpointId, governorId, type GovernorStatus } from '@retempo/workflows/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repositoryRoot } from '../support/repository.js';
import { missingServer } from '../support/server-peer.js';

// Which part of a release a starter asks, and what that part hears, on a real server: the parts say what they are told to say.

const missing = await missingServer();
const press = { actor: 'ann', reason: 'because' };
const digests = { model: 'sha256:a', evidence: 'sha256:b', policy: 'sha256:c' };
type Phase = NonNullable<GovernorStatus['running']>['phase'];

describe.skipIf(missing !== null)('starters and the parts of a release', () => {
  let folder: string;
  let server: DevServer;
  let connection: Connection;
  let native: NativeConnection;
  let client: Client;
  let worker: Worker;
  let working: Promise<void>;
  let starters: Starters;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'retempo-parts-'));
    server = await startDevServer({ stateFolder: folder, uiPort: null });
    connection = await Connection.connect({ address: server.address });
    client = new Client({ connection });
    native = await NativeConnection.connect({ address: server.address });
    const workflowsPath = fileURLToPath(new URL('test/support/listening-parts.ts', repositoryRoot));
    worker = await Worker.create({ connection: native, taskQueue: controlQueue, workflowsPath });
    working = worker.run();
    starters = createStarters({ client, timeoutMs: 60_000 });
  });
  afterAll(async () => {
    worker?.shutdown();
    await working;
    await native?.close();
    await connection?.close();
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const start = (type: string, workflowId: string, arg: unknown) =>
    client.workflow.start(type, { workflowId, taskQueue: controlQueue, args: [arg] });

  const release = (model: string) => `retempo/${model}/run/1-0`;
  const canary = (model: string) => endpointId('onprem.local', model);
  const gate = (model: string) => childId(release(model), 'gate');

  /** A governor whose run is in this phase, with these parts under way. */
  async function governor(
    model: string,
    phase: Phase | null,
    more: {
      readonly parts?: readonly (readonly [type: string, workflowId: string])[];
      readonly waitingFor?: Partial<NonNullable<GovernorStatus['waitingFor']>>;
    } = {}
  ): Promise<void> {
    const { parts = [], waitingFor = null } = more;
    const running = phase === null ? null : { runId: release(model), phase, since: 'now' };
    await start('continuousTraining', governorId(model), { model, running, waitingFor, sentence: 'as it says' });
    if (phase === null) return;
    const { workflowId } = await start('modelRelease', release(model), parts);
    // One that has yet to begin is listed already, without a run.
    const begun = async () =>
      (await client.workflow.getHandle(workflowId).describe()).raw.pendingChildren?.filter(({ runId }) => runId).length;
    while ((await begun()) !== parts.length) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  const heard = (workflowId: string) => client.workflow.getHandle(workflowId).query<unknown>('heard');

  it.each<[Phase | null, asked: 'pipeline' | 'gate' | 'canary' | 'no part']>([
    ['open', 'pipeline'],
    ['training', 'pipeline'],
    ['evaluating', 'pipeline'],
    ['gate', 'gate'],
    ['canary', 'canary'],
    ['done', 'no part'],
    [null, 'no part'],
  ])('the status of a run that is in phase %s has the details of: %s', async (phase, asked) => {
    const model = `status-${phase ?? 'none'}`;
    const pipeline = childId(release(model), 'pipeline');
    const others: readonly (readonly [string, string])[] =
      phase === 'canary'
        ? [['canaryDeployment', canary(model)]]
        : phase === 'gate'
          ? [['validationGate', gate(model)]]
          : [['trainingPipeline', pipeline]];
    await governor(model, phase, { parts: [['driftCheck', `${model}/other`], ...others] });
    const { detail, ...status } = await starters.getStatus(model);
    expect(status).toMatchObject({ model, sentence: 'as it says' });
    const id = { pipeline, gate: gate(model), canary: canary(model), 'no part': null }[asked];
    expect(detail).toEqual(id === null ? null : { sentence: id });
  });

  it('the status has no details where the part that knows them is gone, or has not begun', async () => {
    for (const phase of ['training', 'gate', 'canary'] as const) {
      const model = `gone-${phase}`;
      await governor(model, phase);
      expect(await starters.getStatus(model)).toMatchObject({ model, detail: null });
    }
  });

  it('the details are those of what waits for a person', async () => {
    const model = 'waits';
    const parts = [['validationGate', gate(model)]] as const;
    await governor(model, 'training', { parts, waitingFor: { workflowId: gate(model) } });
    expect(await starters.getStatus(model)).toMatchObject({ detail: { sentence: gate(model) } });
    // It waits for no vote: nothing of it has a digest.
    const votes = [starters.approve({ model, ...press }), starters.reject({ model, ...press })];
    for (const told of await Promise.allSettled(votes)) {
      expect(told).toMatchObject({
        reason: {
          problem: 'nothingToDo',
          message: 'waits waits for no approval (as it says); see: retempo status waits',
        },
      });
    }
  });

  it('what has ended since it was seen is no model that there is not', async () => {
    const model = 'ended-meanwhile';
    await governor(model, 'canary', { waitingFor: { workflowId: canary(model), digests } });
    // Its history is gone as well.
    const forgotten = 'forgotten';
    const running = { runId: release(forgotten), phase: 'canary', since: 'now' };
    await start('continuousTraining', governorId(forgotten), {
      model: forgotten,
      running,
      waitingFor: null,
      sentence: 'as it says',
    });
    expect(await starters.getStatus(forgotten)).toMatchObject({ model: forgotten, detail: null });
    const told = await Promise.allSettled([
      starters.promote({ model, ...press }),
      starters.approve({ model, ...press }),
      starters.promote({ model: forgotten, ...press }),
    ]);
    const saying = (why: string) => ({
      reason: { problem: 'nothingToDo', message: expect.stringContaining(why) as string },
    });
    expect(told).toMatchObject([saying('ended meanwhile'), saying('ended meanwhile'), saying('no canary under way')]);
  });

  it('a part that cannot be asked is told as that, not as one that has ended or is none', async () => {
    const model = 'away';
    const waitingFor = { workflowId: canary(model), digests };
    await governor(model, 'canary', { parts: [['canaryDeployment', canary(model)]], waitingFor });
    await governor('looked-for', 'canary', { parts: [['canaryDeployment', canary('looked-for')]] });
    // The server goes away for a moment, just when the part is looked for or asked.
    const away = () => Promise.reject(Object.assign(new Error('gone'), { code: 14, details: 'gone', metadata: {} }));
    const isPart = (id: string | undefined) => id !== governorId(model) && id !== governorId('looked-for');
    const asking = new Client({
      connection,
      interceptors: {
        workflow: [
          {
            describe: away,
            startUpdate: (input, next) => (isPart(input.workflowExecution.workflowId) ? away() : next(input)),
          },
        ],
      },
    });
    const here = createStarters({ client: asking, timeoutMs: 60_000 });
    const told = await Promise.allSettled([
      here.approve({ model, ...press }),
      here.promote({ model, ...press }),
      here.promote({ model: 'looked-for', ...press }),
      here.getStatus('looked-for'),
    ]);
    const saying = (what: string) => ({
      reason: { problem: 'unavailable', message: expect.stringContaining(`(${what})`) as string },
    });
    expect(told).toMatchObject([
      saying(`approve ${model}`),
      saying(`promote ${model}`),
      saying('describe the run of looked-for'),
      saying('describe the run of looked-for'),
    ]);
    expect(await heard(canary(model))).toEqual([]);
  });

  it('buttons of a canary are heard by it, with who and why and nothing else', async () => {
    const model = 'buttons';
    await governor(model, 'canary', { parts: [['canaryDeployment', canary(model)]] });
    const more = { model, ...press, more: 'unknown' };
    const answer = { done: true, reason: canary(model) };
    for (const button of ['promote', 'rollback', 'abort'] as const)
      expect(await starters[button](more)).toEqual(answer);
    for (const button of ['pause', 'resume'] as const)
      expect(await starters[button]({ ...more, what: 'rollout' })).toEqual(answer);
    const all = ['promote', 'rollback', 'abort', 'pause', 'resume'];
    expect(await heard(canary(model))).toEqual(all.map((name) => [name, press]));
    for (const button of ['pause', 'resume'] as const) {
      expect(await starters[button](more)).toEqual({ done: true, reason: governorId(model) });
      expect(await starters[button]({ ...more, what: 'model' })).toMatchObject({ reason: governorId(model) });
    }
    const own = ['pause', 'pause', 'resume', 'resume'];
    expect(await heard(governorId(model))).toEqual(own.map((name) => [name, press]));
  });

  it('buttons of a canary are nothing to a gate, or where nothing runs; a rollback is then the governor’s', async () => {
    await governor('gated', 'gate', { parts: [['validationGate', gate('gated')]] });
    await governor('idle', null);
    await governor('ended', 'done');
    for (const model of ['gated', 'idle', 'ended']) {
      const pressed = { model, ...press };
      const presses = [
        starters.promote(pressed),
        starters.abort(pressed),
        starters.pause({ ...pressed, what: 'rollout' }),
        ...(model === 'idle' ? [] : [starters.rollback(pressed)]),
      ];
      for (const told of await Promise.allSettled(presses)) {
        expect(told).toMatchObject({
          reason: {
            problem: 'nothingToDo',
            message: expect.stringContaining(`${model} has no canary under way (as it says), so there is nothing to`),
          },
        });
      }
    }
    expect(await starters.rollback({ model: 'idle', ...press })).toEqual({ done: true, reason: governorId('idle') });
    expect(await heard(governorId('idle'))).toEqual([['rollback', press]]);
    expect(await heard(gate('gated'))).toEqual([]);
  });

  it('a vote is about what waits now, or about what it says itself', async () => {
    const model = 'votes';
    const parts = [['canaryDeployment', canary(model)]] as const;
    await governor(model, 'canary', { parts, waitingFor: { workflowId: canary(model), digests } });
    expect(await starters.approve({ model, ...press })).toEqual({ done: true, reason: canary(model) });
    const other = { ...digests, model: 'sha256:seen' };
    expect(await starters.reject({ model, ...press, digests: other })).toEqual({ done: true, reason: canary(model) });
    expect(await heard(canary(model))).toEqual([
      ['approve', { ...press, digests }],
      ['reject', { ...press, digests: other }],
    ]);
  });

  it('a request is heard once, however often it is sent, and so is every event of a report', async () => {
    const model = 'requests';
    await governor(model, null);
    const at = new Date('2026-11-21T08:00:00Z');
    const request = { source: 'pricing', id: 'order-1', cause: 'new fares loaded', at };
    const first = await starters.requestRetrain({ model, ...request });
    expect(await starters.requestRetrain({ model, ...request })).toEqual(first);
    const trigger = { kind: 'event', ...request, actor: 'pricing', at: at.toISOString() };
    expect(await heard(governorId(model))).toEqual([['requestRetrain', trigger]]);
    await starters.requestRetrain({ model, ...request, source: 'fares' });
    const events = Array.from({ length: 101 }, (_, i) => ({ ...request, id: `order-${i}` }));
    await starters.reportEvents(model, events);
    const [, other, ...signals] = (await heard(governorId(model))) as [string, { triggers: { id: string }[] }][];
    expect(other).toEqual(['requestRetrain', { ...trigger, source: 'fares', actor: 'fares' }]);
    expect(signals.map(([, { triggers }]) => triggers.length)).toEqual([50, 50, 1]);
    expect(signals.flatMap(([, { triggers }]) => triggers)).toEqual(events.map(({ id }) => ({ ...trigger, id })));
  });

  it('decisions are asked for with a limit where one is given', async () => {
    const model = 'decides';
    await governor(model, null);
    expect(await starters.getDecisions(model)).toEqual([{}]);
    expect(await starters.getDecisions(model, 7)).toEqual([{ limit: 7 }]);
  });
});
