import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JobBackend } from '@retempo/activities/ports';
import { trainingPipeline } from '@retempo/workflows';
import {
  controlQueue,
  digestOf,
  jobKey,
  type Installation,
  type JobIntent,
  type JobRef,
  type JobState,
  type ModelSpec,
} from '@retempo/workflows/contracts';
import { openStage, site, type Stage } from './stage.js';

// Pipelines are started directly, for a model that no version serves: what becomes of their jobs.

export async function recordJobs(): Promise<void> {
  const stage = await openStage('jobs');
  const spec = await stage.test.apply();
  await lostThenTimedOut(stage, spec);
  await noPlace(stage, spec);
}

let started = 0;

async function start({ test }: Stage, spec: ModelSpec, limits: Partial<Installation['limits']> = {}) {
  const releaseId = `retempo/${spec.model}/run/${++started}-00000000`;
  const { installation } = test;
  return test.client.workflow.start(trainingPipeline, {
    workflowId: `${releaseId}/pipeline`,
    taskQueue: controlQueue,
    args: [
      {
        v: 1,
        installation: { ...installation, limits: { ...installation.limits, ...limits } },
        releaseId,
        seq: started,
        spec,
        specDigest: digestOf(spec),
        champion: null,
        anchor: null,
      },
    ],
  });
}

type Running = Awaited<ReturnType<typeof start>>;

const releaseOf = ({ workflowId }: Running): string => workflowId.replace(/\/pipeline$/, '');

/** Keeps the history of a pipeline that failed, if it did so for this reason. */
async function failed({ recorder }: Stage, pipeline: Running, name: string, wanted: RegExp): Promise<void> {
  const why = await pipeline.result().then(
    ({ result }) => result,
    (error: { readonly cause?: Error }) => error.cause?.message ?? ''
  );
  if (!wanted.test(why)) throw new Error(`${name}: wanted ${wanted.source}, got ${why}`);
  await recorder.keep(`trainingPipeline-${name}`, pipeline.workflowId);
}

/** A machine dies with its job, and the next attempt is made at the same pool, where it takes longer than it may. */
async function lostThenTimedOut(stage: Stage, spec: ModelSpec): Promise<void> {
  const parameters = { rate: 0.05, epochs: 20, secondsPerEpoch: 0.5 };
  const slow = { ...spec.train, at: [`${site}/cpu`], parameters, timeoutMs: 3_000 };
  const pipeline = await start(stage, { ...spec, train: slow });
  await killed(stage, jobKey(releaseOf(pipeline), 'train', 1));
  await failed(stage, pipeline, 'lost-then-timed-out', /after its time limit of 3 s/);
  const second = await stage.test.site(site).jobs!.find(jobKey(releaseOf(pipeline), 'train', 2), stage.call());
  if (second.length !== 1) throw new Error('nothing was tried again');
}

/** Ends the supervisor of a running job, then its program, as the end of their machine would. */
async function killed({ test }: Stage, key: string): Promise<void> {
  const folder = join(test.project.folder, '.retempo', site, 'jobs', key);
  const read = (...path: string[]): unknown => JSON.parse(readFileSync(join(folder, ...path), 'utf8'));
  const running = () => {
    try {
      const { phase, program } = read('state.json') as { phase: string; program?: { pid: number } };
      return Promise.resolve(phase === 'running' ? (program ?? null) : null);
    } catch {
      return Promise.resolve(null);
    }
  };
  const program = await test.until('the job runs', running, (found) => found !== null);
  const claims = readdirSync(join(folder, 'supervisor')).map(Number).filter(Number.isInteger);
  const holder = read('supervisor', String(Math.max(...claims))) as { process: { pid: number } };
  // The supervisor first, or it would write down how its program ended.
  process.kill(holder.process.pid, 'SIGKILL');
  process.kill(program!.pid, 'SIGKILL');
}

/** Every slot of every pool is taken for longer than a job may queue. */
async function noPlace(stage: Stage, spec: ModelSpec): Promise<void> {
  const { test, call } = stage;
  const taken: { readonly jobs: JobBackend; readonly ref: JobRef }[] = [];
  const allIn = (wanted: JobState['phase']) =>
    test.until(
      `every slot ${wanted}`,
      () => Promise.all(taken.map(async ({ jobs, ref }) => (await jobs.describe(ref, call())).phase)),
      (phases) => phases.every((phase) => phase === wanted)
    );
  try {
    for (const at of [site, 'onprem.west']) {
      const jobs = test.site(at).jobs!;
      for (const slot of [1, 2]) taken.push({ jobs, ref: await jobs.create(blocker(stage, `${at}/${slot}`), call()) });
    }
    await allIn('running');
    await failed(stage, await start(stage, spec, { queuedMs: 1_000 }), 'no-place', /east.*no capacity.*west.*no cap/);
  } finally {
    for (const { jobs, ref } of taken) await jobs.requestStop(ref, call());
    await allIn('ended');
  }
}

function blocker({ test }: Stage, releaseId: string): JobIntent {
  const spec: JobIntent['spec'] = {
    program: { command: ['node', '-e', 'setTimeout(() => {}, 600_000)'] },
    inputs: {},
    parameters: {},
    capacity: 'onDemand',
    timeoutMs: 600_000,
  };
  const intent = { releaseId, step: 'train', attempt: 1, specDigest: digestOf(spec), owner: test.installation.owner };
  return { ...intent, key: jobKey(releaseId, 'train', 1), pool: 'cpu', spec };
}
