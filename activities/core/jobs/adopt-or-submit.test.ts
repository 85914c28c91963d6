import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { JobIntent, JobState } from '@retempo/workflows/contracts';
import { describe, expect, it } from 'vitest';
import { withFaults, type Fault } from '../conformance/lost-answers.js';
import { PortError, type ArtifactStore, type FoundJob, type JobBackend } from '../ports/index.js';
import { createJobActivities } from './activities.js';

// A cloud without unique names whose lookup lags, as Vertex AI's CustomJob: what no local process can show.

const consistencyMs = 60;

interface CloudJob {
  readonly found: FoundJob;
  readonly visibleAtMs: number;
  isStopped: boolean;
}

function laggingCloud() {
  const jobs: CloudJob[] = [];
  const backend: JobBackend = {
    capabilities: { create: 'none', find: 'eventual', consistencyMs, stop: 'confirmed' },
    find: (key) =>
      Promise.resolve(
        jobs
          .filter(({ found, visibleAtMs }) => found.key === key && Date.now() >= visibleAtMs)
          .map(({ found }) => found)
      ),
    create({ key, specDigest }) {
      const found = { v: 1, site: 'gcp.eu', id: `job-${jobs.length + 1}`, key, specDigest } as const;
      jobs.push({ found, visibleAtMs: Date.now() + consistencyMs - 10, isStopped: false });
      const { v, site, id } = found;
      return Promise.resolve({ v, site, id, key });
    },
    describe(ref): Promise<JobState> {
      const job = jobs.find(({ found }) => found.id === ref.id);
      if (job === undefined) return Promise.reject(new PortError('NotFound', 'no such job'));
      const outcome = { result: 'stopped', message: '' } as const;
      return Promise.resolve(job.isStopped ? { phase: 'ended', outcome } : { phase: 'running' });
    },
    requestStop(ref) {
      for (const job of jobs) if (job.found.id === ref.id) job.isStopped = true;
      return Promise.resolve();
    },
    async *listOwned() {
      // Nobody reaps here.
    },
    outputOf: () => Promise.resolve({ outputFolder: '', checkpointFolder: null }),
  };
  return { jobs, backend };
}

const intent = { key: 'k'.repeat(64), specDigest: 'sha256:1', owner: 'us' } as unknown as JobIntent;
const store = {} as ArtifactStore;

function activitiesOf(backend: JobBackend) {
  return createJobActivities({
    backend,
    store,
    owner: 'us',
    describeRelease: () => Promise.resolve('open'),
    pollMs: 20,
  });
}

const inActivity = <T>(work: () => Promise<T>): Promise<T> =>
  new MockActivityEnvironment(undefined, { logger: new DefaultLogger('ERROR') }).run(work);

const submit = (backend: JobBackend, wanted = intent) => inActivity(() => activitiesOf(backend).submitJob(wanted));

describe('adopt or submit, on a cloud that promises nothing', () => {
  it.each<[string, Fault[]]>([
    ['the answer of create is lost', [{ method: 'create', when: 'after', times: 1 }]],
    ['the request of create is lost', [{ method: 'create', when: 'before', times: 1 }]],
    ['two requests of create are lost', [{ method: 'create', when: 'before', times: 2 }]],
  ])('J1 %s: one job', async (_title, faults) => {
    const { jobs, backend } = laggingCloud();
    await submit(withFaults(backend, faults));
    await submit(backend);
    expect(jobs).toHaveLength(1);
  });

  it('J1 the answer of every create is lost: what exists is found, nothing is created on top', async () => {
    const { jobs, backend } = laggingCloud();
    await submit(withFaults(backend, [{ method: 'create', when: 'after', times: 9 }]));
    expect(jobs).toHaveLength(1);
  });

  it('J1 only the last request gets through, and its answer is lost: the job is found', async () => {
    const { jobs, backend } = laggingCloud();
    const faults: Fault[] = [
      { method: 'create', when: 'before', times: 2 },
      { method: 'create', when: 'after', times: 1 },
    ];
    expect(await submit(withFaults(backend, faults))).toMatchObject({ id: 'job-1' });
    expect(jobs).toHaveLength(1);
  });

  it('J1 no request gets through: UnknownOutcome, which is retried', async () => {
    const { jobs, backend } = laggingCloud();
    const submitting = submit(withFaults(backend, [{ method: 'create', when: 'before', times: 9 }]));
    await expect(submitting).rejects.toMatchObject({ type: 'Retempo.UnknownOutcome', nonRetryable: false });
    expect(jobs).toHaveLength(0);
  });

  it('J1 two workers create at the same time: both keep the oldest, the twin is stopped', async () => {
    const { jobs, backend } = laggingCloud();
    const refs = await Promise.all([submit(backend), submit(backend)]);
    expect(jobs).toHaveLength(2);
    expect(refs.map(({ id }) => id)).toEqual(['job-1', 'job-1']);
    expect(jobs.map(({ isStopped }) => isStopped)).toEqual([false, true]);
  });

  it('J4 a stop by key finds the twin that shows up late', async () => {
    const { jobs, backend } = laggingCloud();
    await backend.create(intent, { signal: new AbortController().signal, deadlineMs: 0 });
    const stopping = inActivity(() => activitiesOf(backend).stopJob({ key: intent.key }));
    expect(await stopping).toEqual({ ended: 1 });
    expect(jobs[0]?.isStopped).toBe(true);
  });

  it('J1 a job of another spec: Conflict, not retried, and no job is touched', async () => {
    const { jobs, backend } = laggingCloud();
    await submit(backend);
    const other = submit(backend, { ...intent, specDigest: 'sha256:2' });
    await expect(other).rejects.toMatchObject({ type: 'Retempo.Conflict', nonRetryable: true });
    expect(jobs.map(({ isStopped }) => isStopped)).toEqual([false]);
  });

  it('a backend that never answers holds no activity for ever', async () => {
    const { backend } = laggingCloud();
    const silent = { ...backend, find: () => new Promise<never>(() => undefined) };
    const activities = createJobActivities({
      backend: silent,
      store,
      owner: 'us',
      describeRelease: () => Promise.resolve('open'),
      callTimeoutMs: 50,
    });
    await expect(inActivity(() => activities.submitJob(intent))).rejects.toMatchObject({
      type: 'Retempo.ServiceFault',
    });
  });
});
