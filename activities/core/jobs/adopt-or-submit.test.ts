import { describe, expect, it } from 'vitest';
import { withFaults, type Fault } from '../conformance/lost-answers.js';
import { PortError, type JobBackend } from '../ports/index.js';
import { activitiesOf, inActivity, intent, laggingCloud } from './cloud.test.util.js';

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
    await expect(submitting).rejects.toMatchObject({
      type: 'Retempo.UnknownOutcome',
      nonRetryable: false,
      message: expect.stringContaining('create: answer lost') as string,
    });
    expect(jobs).toHaveLength(0);
  });

  it('J1 two workers create at the same time: both keep the oldest, the twin is stopped', async () => {
    const { jobs, backend } = laggingCloud();
    const refs = await Promise.all([submit(backend), submit(backend)]);
    expect(jobs).toHaveLength(2);
    expect(refs.map(({ id }) => id)).toEqual(['job-1', 'job-1']);
    expect(jobs.map(({ asked }) => asked > 0)).toEqual([false, true]);
  });

  it('J1 a job of another spec: Conflict, not retried, and no job is touched', async () => {
    const { jobs, backend } = laggingCloud();
    await submit(backend);
    const other = submit(backend, { ...intent, specDigest: 'sha256:2' });
    await expect(other).rejects.toMatchObject({ type: 'Retempo.Conflict', nonRetryable: true });
    expect(jobs.map(({ asked }) => asked)).toEqual([0]);
  });

  it('J1 a key that exists, which the lookup does not show yet, is waited for and adopted', async () => {
    const { jobs, backend } = laggingCloud();
    await backend.create(intent, { signal: new AbortController().signal, deadlineMs: 0 });
    const taken = { ...backend, create: () => Promise.reject(new PortError('AlreadyExists', 'the key is taken')) };
    expect(await submit(taken)).toMatchObject({ id: 'job-1' });
    expect(jobs.map(({ asked }) => asked)).toEqual([0]);
  });

  it.each([new PortError('QuotaExceeded', 'no money left'), new TypeError('no such field')])(
    'J1 a create that did not work for a reason (%s) is not repeated behind its back',
    async (error) => {
      const { backend } = laggingCloud();
      let tried = 0;
      const refusing: JobBackend = {
        ...backend,
        create() {
          tried += 1;
          return Promise.reject(error);
        },
      };
      await expect(submit(refusing)).rejects.toMatchObject({
        message: expect.stringContaining(error.message) as string,
      });
      expect(tried).toBe(1);
    }
  );

  it('a job whose name is unique is not looked for after it was made', async () => {
    const { jobs, backend } = laggingCloud();
    let looks = 0;
    const named: JobBackend = {
      ...backend,
      capabilities: { ...backend.capabilities, create: 'name' },
      find(...input) {
        looks += 1;
        return backend.find(...input);
      },
    };
    expect(await submit(named)).toEqual({ v: 1, site: 'gcp.eu', id: 'job-1', key: intent.key });
    expect([jobs.length, looks]).toEqual([1, 1]);
  });

  it('a job that is tagged for another installation is not made here', async () => {
    const { jobs, backend } = laggingCloud();
    await expect(submit(backend, { ...intent, owner: 'them' })).rejects.toMatchObject({ type: 'Retempo.InvalidSpec' });
    expect(jobs).toHaveLength(0);
  });

  it('a backend that never answers holds no activity for ever', async () => {
    const { backend } = laggingCloud();
    const silent = { ...backend, find: () => new Promise<never>(() => undefined) };
    const activities = activitiesOf(silent, { callTimeoutMs: 50 });
    await expect(inActivity(() => activities.submitJob(intent))).rejects.toMatchObject({
      type: 'Retempo.ServiceFault',
    });
  });
});
