import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { JobIntent, JobRef, JobState } from '@retempo/workflows/contracts';
import { PortError, type FoundJob, type JobBackend, type OwnedJob } from '../ports/index.js';
import { createJobActivities, type JobActivityOptions } from './activities.js';

// A cloud without unique names whose lookup lags, as Vertex AI's CustomJob: what no local process can show.

/** Time until a job of {@link laggingCloud} is surely found, in milliseconds. */
const consistencyMs = 60;

interface CloudJob {
  readonly found: FoundJob;
  readonly releaseId: string;
  readonly visibleAtMs: number;
  /** Requests to stop it that arrived. */
  asked: number;
  /** Looks at it since it was first asked to stop. */
  looked: number;
  state: JobState;
}

/** A cloud and everything that happened there. */
export interface Cloud {
  readonly jobs: CloudJob[];
  readonly backend: JobBackend;
}

const running: JobState = { phase: 'running' };
const stopped: JobState = { phase: 'ended', outcome: { result: 'stopped', message: '' } };

/** A job ends when it was asked to stop `stopsAfterAsks` times and then looked at `stopsAfterLooks` times. */
export function laggingCloud({ stopsAfterAsks = 1, stopsAfterLooks = 1 } = {}): Cloud {
  const jobs: CloudJob[] = [];
  const jobOf = (ref: JobRef): CloudJob | undefined => jobs.find(({ found }) => found.id === ref.id);
  const backend: JobBackend = {
    capabilities: { create: 'none', find: 'eventual', consistencyMs, stop: 'confirmed' },
    find: (key) =>
      Promise.resolve(
        jobs
          .filter(({ found, visibleAtMs }) => found.key === key && Date.now() >= visibleAtMs)
          .map(({ found }) => found)
      ),
    create({ key, specDigest, releaseId }) {
      const found = { v: 1, site: 'gcp.eu', id: `job-${jobs.length + 1}`, key, specDigest } as const;
      const visibleAtMs = Date.now() + consistencyMs - 10;
      jobs.push({ found, releaseId, visibleAtMs, asked: 0, looked: 0, state: running });
      const { v, site, id } = found;
      return Promise.resolve({ v, site, id, key });
    },
    describe(ref): Promise<JobState> {
      const job = jobOf(ref);
      if (job === undefined) return Promise.reject(new PortError('NotFound', 'no such job'));
      if (job.asked > 0) job.looked += 1;
      if (job.asked >= stopsAfterAsks && job.looked >= stopsAfterLooks && job.state === running) job.state = stopped;
      return Promise.resolve(job.state);
    },
    requestStop(ref) {
      const job = jobOf(ref);
      if (job !== undefined) job.asked += 1;
      return Promise.resolve();
    },
    async *listOwned(): AsyncGenerator<OwnedJob> {
      for (const { found, releaseId, state } of jobs) {
        await Promise.resolve();
        yield { ...found, releaseId, ended: state.phase === 'ended' };
      }
    },
    outputOf: () => Promise.resolve({ outputFolder: '', checkpointFolder: null }),
  };
  return { jobs, backend };
}

/** What is asked for in these tests, as far as a cloud looks at it. */
export const intent = {
  key: 'k'.repeat(64),
  specDigest: 'sha256:1',
  owner: 'us',
  releaseId: 'retempo/m/run/1',
} as unknown as JobIntent;

/** Time between two looks of {@link activitiesOf}, in milliseconds. */
export const pollMs = 5;

/** The activities of a site on this cloud. */
export const activitiesOf = (backend: JobBackend, options: Partial<JobActivityOptions> = {}) =>
  createJobActivities({
    backend,
    store: {} as JobActivityOptions['store'],
    owner: 'us',
    describeRelease: () => Promise.resolve('open'),
    pollMs,
    ...options,
  });

/** An activity environment that says nothing of failures which a test provokes. */
export const environment = (info?: ConstructorParameters<typeof MockActivityEnvironment>[0]) =>
  new MockActivityEnvironment(info, { logger: new DefaultLogger('ERROR') });

export const inActivity = <T>(work: () => Promise<T>): Promise<T> => environment().run(work);
