import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createFileStore } from '@retempo/activities';
import { eventually, freeCall, type JobBackendHarness } from '@retempo/activities/conformance';
import type { ArtifactStore, JobBackend, ProviderContext } from '@retempo/activities/ports';
import { createLocalJobs, type LocalJobsOptions } from '@retempo/onprem';
import { digestOf, jobKey, type JobIntent, type JobSpec } from '@retempo/workflows/contracts';

/** Failures that a test provokes are no news. */
const quiet = new DefaultLogger('ERROR');
const program = fileURLToPath(new URL('job-program.mjs', import.meta.url));

/** A process as the outside world sees it. */
export interface SeenProcess {
  readonly pid: number;
  readonly startTicks: number;
}

/** True while this very process runs (a zombie does not). */
export function isRunning({ pid, startTicks }: SeenProcess): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] !== 'Z' && fields[0] !== 'X' && Number(fields[19]) === startTicks;
  } catch {
    return false;
  }
}

/** One site of real processes in a temporary folder, and what really happens there. */
export interface LocalJobsWorld extends JobBackendHarness {
  readonly folder: string;
  readonly root: string;
  readonly storeRoot: string;
  readonly store: ArtifactStore;
  open(options?: Partial<LocalJobsOptions>): JobBackend;
  /** Intent that runs `test/support/job-program.mjs` with a behaviour; `spec` replaces parts of it. */
  job(behaviour: string, spec?: Partial<JobSpec>, intent?: Partial<JobIntent>): JobIntent;
  jobFolder(key: string): string;
  /** Programs that were started for a key, by their own word. */
  started(key: string): readonly SeenProcess[];
  /** Lines that programs wrote to a file of the oracle. */
  told(file: string): readonly string[];
  /** The supervisor of a job, or null while it has none. */
  supervisor(key: string): SeenProcess | null;
  /** Stops every job, waits until all of it has ended, removes the folder. */
  close(): Promise<void>;
}

export function createLocalJobsWorld(
  options: {
    readonly slots?: number;
    readonly stopGraceMs?: number;
    readonly logBytes?: number;
    readonly parent?: string;
    readonly context?: Partial<ProviderContext>;
  } = {}
): LocalJobsWorld {
  const folder = mkdtempSync(`${options.parent ?? tmpdir()}/retempo-jobs-`);
  const root = `${folder}/site`;
  const oracle = `${folder}/oracle`;
  const storeRoot = `${folder}/store`;
  for (const path of [root, oracle, storeRoot]) mkdirSync(path);
  const store = createFileStore({ root: storeRoot });
  const slots = options.slots ?? 50;
  const site = 'onprem.local';
  const owner = 'test-owner';

  const open: LocalJobsWorld['open'] = (more = {}) =>
    createLocalJobs({
      site,
      root,
      pools: [{ name: 'cpu', slots }],
      context: {
        materialize: () => Promise.resolve(),
        secret: () => Promise.reject(new Error('no secrets here')),
        ...options.context,
      },
      stopGraceMs: options.stopGraceMs ?? 10_000,
      ...(options.logBytes === undefined ? {} : { logBytes: options.logBytes }),
      ...more,
    });

  const job: LocalJobsWorld['job'] = (behaviour, spec = {}, intent = {}) => {
    const whole: JobSpec = {
      program: { command: [process.execPath, program, behaviour] },
      inputs: {},
      parameters: {},
      capacity: 'onDemand',
      timeoutMs: 600_000,
      ...spec,
      env: { ORACLE: oracle, ...spec.env },
    };
    const releaseId = `retempo/test/run/${randomBytes(6).toString('hex')}`;
    return {
      key: jobKey(releaseId, 'train', 1),
      releaseId,
      step: 'train',
      attempt: 1,
      specDigest: digestOf(whole),
      owner,
      pool: 'cpu',
      spec: whole,
      ...intent,
    };
  };

  const told: LocalJobsWorld['told'] = (file) =>
    existsSync(`${oracle}/${file}`) ? readFileSync(`${oracle}/${file}`, 'utf8').split('\n').slice(0, -1) : [];
  const started: LocalJobsWorld['started'] = (key) =>
    told(`${key}.starts`).map((line) => {
      const [pid = '', startTicks = ''] = line.split(' ');
      return { pid: Number(pid), startTicks: Number(startTicks) };
    });
  const jobFolder = (key: string): string => `${root}/jobs/${key}`;
  const supervisor = (key: string): SeenProcess | null => {
    const claim = `${jobFolder(key)}/supervisor`;
    const generations = existsSync(claim) ? readdirSync(claim).filter((name) => /^\d+$/.test(name)) : [];
    const last = generations
      .map(Number)
      .sort((a, b) => a - b)
      .at(-1);
    if (last === undefined) return null;
    const holder = JSON.parse(readFileSync(`${claim}/${last}`, 'utf8')) as {
      readonly process: { readonly pid: number; readonly started: string };
    };
    return { pid: holder.process.pid, startTicks: Number(holder.process.started) };
  };

  return {
    folder,
    root,
    storeRoot,
    store,
    owner,
    open,
    job,
    told,
    started,
    jobFolder,
    supervisor,
    intent: ({ behaviour, timeoutMs, owner: tag, releaseId }) => ({
      ...job(behaviour, timeoutMs === undefined ? {} : { timeoutMs }),
      ...(tag === undefined ? {} : { owner: tag }),
      ...(releaseId === undefined ? {} : { releaseId }),
    }),
    invalidIntent: () => job('run', { program: { image: `repo/trainer@sha256:${'0'.repeat(64)}` } }),
    starts: (key) => Promise.resolve(started(key).length),
    running: (key) => Promise.resolve(started(key).filter(isRunning).length),
    environment: () => {
      const environment = new MockActivityEnvironment(undefined, { logger: quiet });
      return {
        run: (activity) => environment.run(activity),
        cancel: () => environment.cancel(),
      };
    },
    features: {
      slots,
      preempt: (key) => {
        const holder = supervisor(key);
        if (holder !== null) process.kill(holder.pid, 'SIGTERM');
        return Promise.resolve();
      },
    },
    async close() {
      const backend = open({ stopGraceMs: 1000 });
      const keys = existsSync(`${root}/jobs`)
        ? readdirSync(`${root}/jobs`).filter((name) => !name.startsWith('.'))
        : [];
      for (const key of keys) {
        const ref = { v: 1 as const, site, id: key, key };
        await backend.requestStop(ref, freeCall());
        await eventually('job has ended', async () => (await backend.describe(ref, freeCall())).phase === 'ended');
        await eventually('supervisor has ended', () => {
          const holder = supervisor(key);
          return Promise.resolve(holder === null || !isRunning(holder));
        });
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
