import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { allDecisions } from '@retempo/activities';
import { continuousTraining } from '@retempo/workflows';
import {
  controlQueue,
  digestOf,
  governorId,
  type Answer,
  type ControlActivities,
  type ModelSpec,
} from '@retempo/workflows/contracts';
import { configure, requestRetrain } from '@retempo/workflows/messages';
import { carriedBytes, countHistory, eventsOf, measured, runsOf } from '../support/histories.js';
import { startInstallation, type TestInstallation } from '../support/installation.js';
import { missingServer } from '../support/server-peer.js';

const missing = await missingServer();

// The governor on a real server. There are no data, so every run ends at once with "not enough data yet": what is tested is
// who is answered what, and what it costs. The scenes build on each other.

const model = 'flight-delay';
const call = () => ({ signal: AbortSignal.timeout(60_000), deadlineMs: Date.now() + 60_000 });
const retrain = {
  on: { drift: true },
  cooldown: '2s',
  atMost: { runs: 4, per: '30d' },
  breakerAfter: 2,
};

describe.skipIf(missing !== null)('the governor: a year of events, buttons, budgets', () => {
  let test: TestInstallation;
  beforeAll(async () => {
    test = await startInstallation({ name: 'governor', sections: { retrain } });
    await test.apply();
  });
  afterAll(() => test?.close());

  const handle = () => test.client.workflow.getHandle(governorId(model));
  const control = () => test.opened.activities({ client: test.client }).control as unknown as ControlActivities;
  const ask = (id: string, more: Partial<Parameters<typeof test.starters.requestRetrain>[0]> = {}): Promise<Answer> =>
    test.starters.requestRetrain({ model, source: 'fares', id, cause: `about ${id}.`, ...more });
  const person = (id: string, force = false) => ask(id, { kind: 'person', actor: 'ann', ...(force ? { force } : {}) });
  const press = { model, actor: 'ann', reason: 'because' };

  /** Waits until nothing runs and the history no longer grows, and counts it. */
  async function atRest() {
    let last = -1;
    await test.until(
      'rest',
      async () => {
        const { events } = await countHistory(handle());
        const same = events === last && (await test.status()).running === null;
        last = events;
        return same;
      },
      (same) => same,
      90_000
    );
    return countHistory(handle());
  }

  it('over budget: refused, with the time of the next try; force goes on', async () => {
    for (const n of [1, 2, 3, 4]) {
      expect(await person(`forced ${n}`, true)).toMatchObject({
        answer: 'accepted',
        runId: expect.stringContaining(`/run/${n}-`),
      });
      await atRest();
      const [last] = await test.starters.getDecisions(model, 1);
      expect(last).toMatchObject({ by: 'release', what: 'noData' });
    }
    // Two unusable runs in a row have opened the breaker: nothing but a person ends it.
    expect((await test.status()).sentence).toContain('4 runs in a row without a usable result');
    await test.starters.resume(press);
    for (const refused of [await person('over'), await ask('over too')]) {
      expect(refused).toMatchObject({ answer: 'refused', reason: expect.stringContaining('used 4 of 4 retrains') });
      expect(Date.parse(refused.retryAt!)).toBeGreaterThan(Date.now());
    }
    expect(await person('forced 5', true)).toMatchObject({
      answer: 'accepted',
      runId: expect.stringContaining('/run/5-'),
    });
    await atRest();
  });

  it('a hold refuses people, keeps events, and ends with a resume', async () => {
    const { phase } = await test.status();
    expect(phase).toBe('hold');
    expect(await person('held')).toMatchObject({ answer: 'refused', reason: expect.stringContaining('on hold') });
    const kept = await ask('kept');
    expect(kept).toMatchObject({ answer: 'coalesced', runId: expect.stringMatching(/run\/6-/) });
    expect(await test.starters.resume(press)).toMatchObject({ done: true });
    const status = await test.status();
    // The budget is used up: the reserved run waits for it, and says so.
    expect([status.phase, status.next?.runId]).toEqual(['waiting', kept.runId]);
    expect(status.sentence).toMatch(/^the budget of runs is used up until 20\d\d-\d\d-\d\d \d\d:\d\d UTC: about kept/);
    expect(await test.starters.resume(press)).toMatchObject({ done: false });
  });

  it('a pause refuses people, also with force, and is idempotent', async () => {
    expect(await test.starters.pause(press)).toMatchObject({ done: true });
    expect(await test.starters.pause(press)).toMatchObject({ done: false });
    expect(await person('paused', true)).toMatchObject({
      answer: 'refused',
      reason: expect.stringContaining('paused by ann (because)'),
    });
    expect((await test.status()).sentence).toContain('paused by ann');
    expect(await test.starters.resume(press)).toMatchObject({ done: true });
  });

  const widened = (spec: ModelSpec): ModelSpec => ({
    ...spec,
    retrain: { ...spec.retrain, atMost: { ...spec.retrain.atMost, runs: 400 } },
  });

  it('configure: a digest that is no longer current changes nothing; the right one does', async () => {
    const spec = await test.apply();
    const current = digestOf(spec);
    const wider = widened(spec);
    const change = (ifDigest: string | null) =>
      handle().executeUpdate(configure, {
        args: [{ spec: wider, specDigest: digestOf(wider), ifDigest, actor: 'ann' }],
      });
    expect(await change('sha256:stale')).toEqual({ changed: false, specDigest: current });
    expect((await test.status()).budget.of).toBe(4);
    expect(await change(current)).toEqual({ changed: true, specDigest: digestOf(wider) });
    expect(await change(digestOf(wider))).toEqual({ changed: false, specDigest: digestOf(wider) });
    // The budget has room now: the run that waited for it starts.
    const status = await test.until('the reserved run', test.status, (s) => s.budget.used === 6);
    expect(status.budget.of).toBe(400);
    await atRest();
    await test.starters.resume(press);
  });

  it('configure: owner and limits of a changed installation are those of the next run', async () => {
    const spec = widened(await test.apply());
    const { limits } = test.installation;
    const installation = { ...test.installation, limits: { ...limits, queuedMs: limits.queuedMs + 1 } };
    const send = (change: object) =>
      handle().executeUpdate(configure, {
        args: [{ spec, specDigest: digestOf(spec), ifDigest: null, actor: 'ann', ...change }],
      });
    expect(await send({})).toMatchObject({ changed: true });
    expect(await send({})).toMatchObject({ changed: false });
    expect(await send({ installation })).toMatchObject({ changed: true });
    expect(await send({ installation })).toMatchObject({ changed: false });
    expect((await test.status()).installationDigest).toBe(digestOf(installation));
    const { runId } = await person('with other limits', true);
    await atRest();
    const [started] = await eventsOf(test.client.workflow.getHandle(runId!));
    const [payload] = started?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
    expect(JSON.parse(Buffer.from(payload!.data!).toString())).toMatchObject({ installation });
    // And so it stays when the governor begins anew.
    const runs = (await runsOf(test.client, governorId(model))).length;
    for (let n = 0; n < 12; n++) await ask(`limits ${n}`);
    await atRest();
    expect((await runsOf(test.client, governorId(model))).length).toBeGreaterThan(runs);
    expect((await test.status()).installationDigest).toBe(digestOf(installation));
    expect(await send({ installation: test.installation })).toMatchObject({ changed: true });
    await test.starters.resume(press);
  });

  const firstAnswers = new Map<string, Answer>();

  it('a year of daily events: at most 60 events at rest, and a small state', { timeout: 600_000 }, async () => {
    const rests: number[] = [];
    const states: number[] = [];
    const answers: Record<string, number> = {};
    for (let day = 1; day <= 365; day++) {
      const id = `day-${day}`;
      const answer = await ask(id);
      firstAnswers.set(id, answer);
      answers[answer.answer] = (answers[answer.answer] ?? 0) + 1;
      expect(answer.repeated).toBe(false);
      if (day % 30 !== 0) continue;
      const { events } = await atRest();
      rests.push(events);
      states.push(await carriedBytes(handle()));
      expect(events).toBeLessThanOrEqual(60);
      // Each month in another state: breaker, budget, paused, resumed.
      if (day === 60 || day === 180 || day === 300) await test.starters.pause(press);
      if (day === 90 || day === 120 || day === 210 || day === 330) await test.starters.resume(press);
    }
    await test.starters.resume(press);
    const { phase } = await test.status();
    measured('events at rest, every 30 days', rests);
    measured('bytes carried over', states);
    measured('answers of a year', { ...answers, phase });
    // Within 1,000 remembered answers the state grows by what it must remember, and by nothing else.
    expect(states.at(-1)).toBeLessThan(48 * 1024);
    expect(Object.values(answers).reduce((sum, n) => sum + n, 0)).toBe(365);
  });

  it('I1: not one event was lost: each is in the record once, through every continue-as-new', async () => {
    const runs = await test.until(
      'list of runs',
      () => runsOf(test.client, governorId(model)),
      (list) => list.length > 30
    );
    let events = 0;
    for (const runId of runs)
      events += (await countHistory(test.client.workflow.getHandle(governorId(model), runId))).events;
    measured('a year', { runs: runs.length, events, eventsPerRequest: Number((events / 365).toFixed(1)) });
    const decisions = await allDecisions(test.opened.registry, model, call());
    for (let day = 1; day <= 365; day++) {
      expect(decisions.filter(({ what }) => what.endsWith(`about day-${day}.`))).toHaveLength(1);
    }
    const numbers = decisions.map(({ n }) => n!);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(Math.max(...numbers)).toBe(numbers.length);
  });

  it('I2: the same source and id get the first answer for the whole year', async () => {
    for (const day of [1, 2, 100, 200, 300, 364]) {
      const { reason, answer, runId } = firstAnswers.get(`day-${day}`)!;
      expect(await ask(`day-${day}`)).toEqual({
        answer,
        reason,
        repeated: true,
        ...(runId === undefined ? {} : { runId }),
      });
    }
  });

  it('other sources and ids are other events, also when they look alike side by side', async () => {
    await ask('b/c', { source: 'a' });
    const other = await ask('c', { source: 'a/b' });
    expect(other.repeated).toBe(false);
    const causes = (await test.starters.getDecisions(model)).map(({ what }) => what);
    expect(causes.filter((what) => what.endsWith('about b/c.'))).toHaveLength(1);
    expect(causes.filter((what) => what.endsWith('about c.'))).toHaveLength(1);
  });

  it('malformed requests are refused without a trace in the history', async () => {
    // Reserved runs wait out a cooldown: only when none is left will nothing happen by itself.
    await test.until('nothing is reserved', test.status, ({ running, next }) => running === null && next === null);
    const before = await atRest();
    const decided = await test.starters.getDecisions(model);
    const good = {
      kind: 'person',
      source: 's',
      id: 'i',
      cause: 'c',
      at: new Date().toISOString(),
      actor: 'a',
    } as const;
    const bad: readonly unknown[] = [
      { ...good, kind: 'robot' },
      { ...good, id: '' },
      { ...good, source: 'x'.repeat(501) },
      { ...good, actor: 7 },
      {},
      null,
      'retrain please',
    ];
    for (const trigger of bad) {
      await expect(handle().executeUpdate(requestRetrain, { args: [trigger as never] })).rejects.toThrow();
    }
    await expect(ask('')).rejects.toMatchObject({ problem: 'malformed' });
    await expect(ask('forced', { force: true })).rejects.toMatchObject({ problem: 'malformed' });
    // A history that was full already may have been begun anew meanwhile; none has grown, and nothing was decided.
    expect((await countHistory(handle())).besideTasks).toBeLessThanOrEqual(before.besideTasks);
    expect(await test.starters.getDecisions(model)).toEqual(decided);
  });

  it('buttons without what they need are refused in words; the governor goes on', async () => {
    for (const [update, args] of [
      ['pause', []],
      ['pause', [{}]],
      ['resume', ['because']],
      ['pause', [{ actor: '', reason: 'x' }]],
      ['rollback', [null]],
      ['configure', []],
      ['configure', [{ spec: null, specDigest: 'd', ifDigest: null, actor: 'ann' }]],
    ] as const) {
      const asked = test.client.withDeadline(Date.now() + 10_000, () =>
        handle().executeUpdate<unknown, [unknown]>(update, { args: args as unknown as [unknown] })
      );
      await expect(asked, `${update} ${JSON.stringify(args)}`).rejects.toMatchObject({
        cause: { message: expect.stringMatching(/expected/) },
      });
    }
    expect((await test.status()).phase).not.toBe('paused');
  });

  it('a cause in any script and of any length starts its run, and its summary stays one short line', async () => {
    await test.starters.resume(press);
    await atRest();
    const cause = `運賃が "変わり" ました。\u0001\n`.repeat(24);
    const answer = await ask('any script', { cause, kind: 'person', actor: 'ann', force: true });
    expect(answer.answer).toBe('accepted');
    await atRest();
    const summary = await (await test.client.workflow.getHandle(answer.runId!).describe()).staticSummary();
    expect(summary).toMatch(/^retrain flight-delay: 運賃が "変わり" ました。.*…$/s);
  });

  it('signals that nobody can read change nothing and stop nothing', async () => {
    const before = (await test.starters.getDecisions(model)).length;
    for (const name of ['triggersReported', 'windowReported', 'releaseReported', 'championRestored']) {
      for (const args of [[], [null], [{}], ['text'], [{ triggers: [null, {}, { kind: 'event' }] }]]) {
        await handle().signal(name, ...args);
      }
    }
    expect(await test.starters.pause(press)).toMatchObject({ done: true });
    expect(await test.starters.resume(press)).toMatchObject({ done: true });
    const decisions = await test.starters.getDecisions(model);
    expect(decisions.length === 20 || decisions.length === before + 2).toBe(true);
    expect(decisions.slice(0, 2).map(({ what }) => what)).toEqual(['resumed', 'paused']);
    expect((await test.status()).champion).toBeNull();
  });

  it('cancelling the governor ends it: no new runs; apply brings it back with its memory', async () => {
    const before = await test.status();
    const decisions = await test.starters.getDecisions(model);
    await handle().cancel();
    await test.until(
      'end',
      () => handle().describe(),
      ({ status }) => status.name === 'CANCELLED'
    );
    await expect(ask('too late')).rejects.toMatchObject({ problem: 'unknownModel' });
    await test.apply();
    expect(await test.starters.getDecisions(model)).toEqual(decisions);
    const after = await test.status();
    expect(after).toMatchObject({ champion: before.champion, cooldownFactor: before.cooldownFactor });
    const first = firstAnswers.get('day-365')!;
    expect(await ask('day-365')).toMatchObject({ answer: first.answer, reason: first.reason, repeated: true });
    // The numbers of runs go on where they were.
    const numberOf = (runId: string | undefined) => Number(/\/run\/(\d+)-/.exec(runId ?? '')?.[1]);
    const latest = Math.max(...decisions.map(({ runId }) => numberOf(runId) || 0));
    expect(numberOf((await person('after', true)).runId)).toBeGreaterThanOrEqual(latest);
    await atRest();
  });

  it('an unknown model is refused, never started', async () => {
    await expect(
      test.starters.requestRetrain({ model: 'nobody', source: 's', id: 'i', cause: 'c' })
    ).rejects.toMatchObject({ problem: 'unknownModel' });
    await expect(test.client.workflow.getHandle(governorId('nobody')).describe()).rejects.toThrow();
  });

  it('asks about its run: open, closed with its outcome, closed without a word, unknown', async () => {
    const runId = (await test.starters.getDecisions(model)).find(({ by }) => by === 'release')!.runId!;
    expect(await control().describeRelease({ releaseId: runId })).toMatchObject({
      state: 'closed',
      outcome: { result: 'noData', helped: false },
    });
    expect(await control().describeRelease({ releaseId: governorId(model) })).toEqual({ state: 'open' });
    expect(await control().describeRelease({ releaseId: 'retempo/nobody/run/1-00000000' })).toEqual({
      state: 'unknown',
    });
    const spec = await test.apply();
    const other = await test.client.workflow.start(continuousTraining, {
      workflowId: 'retempo/other/run/1-00000000',
      taskQueue: controlQueue,
      args: [{ v: 1, installation: test.installation, spec: { ...spec, model: 'other' }, specDigest: 'd' }],
    });
    await other.terminate('test');
    expect(await control().describeRelease({ releaseId: other.workflowId })).toEqual({ state: 'closed' });
  });

  it('a child whose history the server has deleted does not keep its run from ending', async () => {
    const runId = (await test.starters.getDecisions(model)).find(({ by }) => by === 'release')!.runId!;
    await test.client.workflowService.deleteWorkflowExecution({
      namespace: 'default',
      workflowExecution: { workflowId: `${runId}/pipeline` },
    });
    const gone = () =>
      test.client.workflow
        .getHandle(`${runId}/pipeline`)
        .describe()
        .then(
          () => false,
          () => true
        );
    await test.until('deletion', gone, (done) => done);
    const environment = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
    const exporting: Promise<void> = environment.run(() =>
      control().exportRun({ model, releaseId: runId, decisions: [] })
    );
    await expect(exporting).resolves.toBeUndefined();
  });

  it('lists show the endpoint that its spec has now', async () => {
    const spec = await test.apply();
    const moved: ModelSpec = { ...spec, release: { ...spec.release, endpoint: 'elsewhere' } };
    await handle().executeUpdate(configure, {
      args: [{ spec: moved, specDigest: digestOf(moved), ifDigest: null, actor: 'ann' }],
    });
    const memo = await test.until(
      'its memo',
      async () => (await handle().describe()).memo ?? {},
      ({ endpoint }) => endpoint === 'elsewhere'
    );
    expect(memo).toEqual({ v: 1, endpoint: 'elsewhere', site: spec.release.site, task: spec.task });
  });
});
