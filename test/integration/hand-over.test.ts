import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWorld, type World } from '../../examples/flight-delay/world.mjs';
import {
  digestOf,
  jobKey,
  siteQueue,
  type ArtifactRef,
  type ControlActivities,
  type JobIntent,
  type JobState,
  type PipelineResult,
} from '@retempo/workflows/contracts';
import { countHistory, measured } from '../support/histories.js';
import { startInstallation, type TestInstallation } from '../support/installation.js';
import { missingServer } from '../support/server-peer.js';

const missing = await missingServer();

// Placement of jobs over two sites with real processes: which pool takes a job, when the next one does, and what is left at
// the first. What happened is read from the folders of the sites, not from the product's own status.

const model = 'flight-delay';
const call = () => ({ signal: AbortSignal.timeout(60_000), deadlineMs: Date.now() + 60_000 });
/** No candidate reaches this: every run ends at its gate, after all its jobs. */
const strictGate = { metrics: { logLoss: { atMost: 0.1 } }, minRows: 500 };
type SiteId = 'onprem.east' | 'onprem.west';

describe.skipIf(missing !== null)('jobs and places', () => {
  let test: TestInstallation;
  let world: World;

  beforeAll(async () => {
    test = await startInstallation({ name: 'hand-over', limits: { queuedMs: 3_000 } });
    world = await createWorld({ folder: test.project.live, peekMinutes: 30 });
    await world.advanceTo(5);
    await test.apply();
  });
  afterAll(async () => {
    world?.close();
    for (const site of test?.opened.sites ?? []) {
      for await (const job of site.jobs!.listOwned(test.installation.owner, new Date(0).toISOString(), call())) {
        if (!job.ended) await site.jobs!.requestStop(job, call());
        if (!job.ended) await whenPhase(site.id as SiteId, job.key, 'ended');
      }
    }
    await test?.close();
  });

  const folderOf = (site: SiteId, key: string) => join(test.project.folder, '.retempo', site, 'jobs', key);
  const jsonOf = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as never;
  const hasJob = (site: SiteId, key: string): boolean => existsSync(join(folderOf(site, key), 'job.json'));
  /** Null while the job waits for its inputs. */
  const stateOf = (site: SiteId, key: string) => {
    const path = join(folderOf(site, key), 'state.json');
    if (!existsSync(path)) return null;
    return jsonOf(path) as { phase: string; program?: { pid: number }; outcome?: { result: string } };
  };
  const intentOf = (site: SiteId, key: string) =>
    (jsonOf(join(folderOf(site, key), 'job.json')) as { intent: JobIntent }).intent;

  /** Attempts of the training, as its pipeline reported them. */
  const attemptsOf = async (runId: string, step = 'train') => {
    const result = (await test.client.workflow.getHandle(`${runId}/pipeline`).result()) as PipelineResult;
    if (result.result !== 'trained') throw new Error(JSON.stringify(result));
    return result.attempts.filter((attempt) => attempt.step === step);
  };
  const whenPhase = (site: SiteId, key: string, phase: JobState['phase']) =>
    test.until(
      `${site} ${key.slice(0, 8)} ${phase}`,
      () => Promise.resolve(stateOf(site, key)),
      (state) => state?.phase === phase
    );

  it('the champion is scored by the command that belongs to its version, the candidate by the new one', async () => {
    expect((await test.ended(await test.retrain('first version'))).what).toBe('promoted');
    await test.project.model({
      evaluate: { run: 'node ./predict.js', predictions: { key: 'flightId', probability: 'p' } },
      gate: strictGate,
    });
    await test.apply();
    const runId = await test.retrain('new evaluator');
    expect((await test.ended(runId)).what).toBe('refusedByGate');
    const commandOf = (step: string) => intentOf('onprem.east', jobKey(runId, step, 1)).spec.program;
    expect(commandOf('evaluate-candidate')).toEqual({ command: ['node', './predict.js'] });
    expect(commandOf('evaluate-champion')).toEqual({ command: ['node', 'predict.js'] });
    measured('release refused by its gate', {
      release: await countHistory(test.client.workflow.getHandle(runId)),
      pipeline: await countHistory(test.client.workflow.getHandle(`${runId}/pipeline`)),
      gate: await countHistory(test.client.workflow.getHandle(`${runId}/gate`)),
    });
  });

  it('a program that fails is not tried again, at no place', async () => {
    await test.project.model({ train: { parameters: { nonsense: 1 } }, gate: strictGate });
    await test.apply();
    const runId = await test.retrain('a typo');
    expect((await test.ended(runId)).reason).toContain('nonsense');
    expect(stateOf('onprem.east', jobKey(runId, 'train', 1))?.outcome?.result).toBe('failed');
    expect(hasJob('onprem.east', jobKey(runId, 'train', 2))).toBe(false);
    expect(hasJob('onprem.west', jobKey(runId, 'train', 2))).toBe(false);
  });

  it('a pool that is full for longer than the limit hands over, and the job that queued there is stopped', async () => {
    await test.project.model({ gate: strictGate });
    await test.apply();
    const jobs = test.site('onprem.east').jobs!;
    const blockers = await Promise.all(
      [1, 2].map((n) => {
        const spec: JobIntent['spec'] = {
          program: { command: ['node', '-e', 'setTimeout(() => {}, 600_000)'] },
          inputs: {},
          parameters: {},
          capacity: 'onDemand',
          timeoutMs: 600_000,
        };
        const key = jobKey('retempo/other/run/1-00000000', 'train', n);
        const intent: JobIntent = {
          key,
          releaseId: 'retempo/other/run/1-00000000',
          step: 'train',
          attempt: n,
          specDigest: digestOf(spec),
          owner: test.installation.owner,
          pool: 'cpu',
          spec,
        };
        return jobs.create(intent, call());
      })
    );
    for (const { key } of blockers) await whenPhase('onprem.east', key, 'running');
    const runId = await test.retrain('east is full');
    expect((await test.ended(runId)).what).toBe('refusedByGate');
    expect(await attemptsOf(runId)).toMatchObject([
      { attempt: 1, place: 'onprem.east/cpu', submitted: true, ended: 'no capacity in time' },
      { attempt: 2, place: 'onprem.west/cpu', submitted: true, ended: 'succeeded', resumedFrom: null },
    ]);
    expect(stateOf('onprem.east', jobKey(runId, 'train', 1))).toMatchObject({
      phase: 'ended',
      outcome: { result: 'stopped' },
    });
    for (const ref of blockers) {
      expect(stateOf('onprem.east', ref.key)?.phase).toBe('running');
      await jobs.requestStop(ref, call());
      await whenPhase('onprem.east', ref.key, 'ended');
    }
  });

  it('a lost job is tried again at its pool, then elsewhere, each time from its last checkpoint', async () => {
    await test.project.model({
      train: { parameters: { rate: 0.05, epochs: 12, secondsPerEpoch: 0.5 }, attemptsPerPool: 2 },
      gate: strictGate,
    });
    await test.apply();
    const runId = await test.retrain('lost twice');
    const control = test.opened.activities({ client: test.client }).control as unknown as ControlActivities;
    const environment = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
    const checkpoint = (): Promise<ArtifactRef | null> =>
      environment.run(() => control.findCheckpoint({ releaseId: runId, step: 'train' }));
    for (const attempt of [1, 2]) {
      const key = jobKey(runId, 'train', attempt);
      const { program } = (await whenPhase('onprem.east', key, 'running'))!;
      // The last checkpoint of a lost job is copied before the next one starts: what comes now is of this one.
      const before = await checkpoint();
      await test.until('a newer checkpoint', checkpoint, (ref) => ref !== null && ref.digest !== before?.digest);
      const claims = join(folderOf('onprem.east', key), 'supervisor');
      const holder = readdirSync(claims)
        .map(Number)
        .filter(Number.isInteger)
        .toSorted((a, b) => a - b)
        .at(-1)!;
      // The supervisor first, or it would write down how its program ended.
      const supervisor = jsonOf(join(claims, String(holder))) as { process: { pid: number } };
      process.kill(supervisor.process.pid, 'SIGKILL');
      process.kill(program!.pid, 'SIGKILL');
    }
    expect((await test.ended(runId)).what).toBe('refusedByGate');
    const attempts = await attemptsOf(runId);
    expect(attempts).toMatchObject([
      { attempt: 1, place: 'onprem.east/cpu', submitted: true, resumedFrom: null },
      { attempt: 2, place: 'onprem.east/cpu', submitted: true },
      { attempt: 3, place: 'onprem.west/cpu', submitted: true, ended: 'succeeded' },
    ]);
    expect(attempts.map((attempt) => attempt.ended.split(':')[0])).toEqual(['lost', 'lost', 'succeeded']);
    for (const { resumedFrom } of attempts.slice(1)) expect(resumedFrom).toMatch(/^sha256:/);
    expect(attempts[2]!.resumedFrom).not.toBe(attempts[1]!.resumedFrom);
    const log = readFileSync(join(folderOf('onprem.west', jobKey(runId, 'train', 3)), 'stdout.log'), 'utf8');
    expect(log).toMatch(/resumed after epoch [1-9]\d* of 12/);
  });

  it('a first pool without a worker: the other site freezes the data, trains and evaluates, and says so', async () => {
    await test.project.model({ gate: strictGate });
    await test.apply();
    await test.stopWorkers();
    const away = (['jobs', 'wait', 'data'] as const).map((role) => siteQueue('onprem.east', role));
    await test.startWorkers((queue) => !away.includes(queue));
    const runId = await test.retrain('nobody at east');
    expect((await test.ended(runId)).what).toBe('refusedByGate');
    expect(await attemptsOf(runId)).toMatchObject([
      { attempt: 1, place: 'onprem.east/cpu', submitted: false, ended: 'no worker of onprem.east answered' },
      { attempt: 2, place: 'onprem.west/cpu', submitted: true, ended: 'succeeded' },
    ]);
    expect(await attemptsOf(runId, 'evaluate-candidate')).toMatchObject([{ attempt: 1, place: 'onprem.west/cpu' }]);
    expect(hasJob('onprem.east', jobKey(runId, 'train', 1))).toBe(false);
    const record = await test.opened.registry.getVersion(
      { model, version: (await test.ended(runId)).version! },
      call()
    );
    expect(record?.lineage.site).toBe('onprem.west');
  });

  it('no worker anywhere: the run ends and names every place it tried', async () => {
    await test.stopWorkers();
    await test.startWorkers((queue) => !/\.(jobs|wait)$/.test(queue));
    const decision = await test.ended(await test.retrain('nobody anywhere'));
    expect(decision.what).toBe('error');
    expect(decision.reason).toMatch(/onprem\.east\/cpu attempt 1: no worker .*onprem\.west\/cpu attempt 2: no worker/);
  });
});
