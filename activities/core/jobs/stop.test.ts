import type { JobRef } from '@retempo/workflows/contracts';
import { describe, expect, it } from 'vitest';
import { withFaults } from '../conformance/lost-answers.js';
import { PortError, type JobBackend } from '../ports/index.js';
import type { JobActivityOptions } from './activities.js';
import { activitiesOf, environment, inActivity, intent, laggingCloud, type Cloud } from './cloud.test.util.js';

const { key } = intent;
const stop = (backend: JobBackend, options: Partial<JobActivityOptions> = {}) =>
  inActivity(() => activitiesOf(backend, options).stopJob({ key }));
const create = ({ backend }: Cloud): Promise<JobRef> =>
  backend.create(intent, { signal: new AbortController().signal, deadlineMs: 0 });
const phases = ({ jobs }: Cloud) => jobs.map(({ state }) => state.phase);
/** A cloud that has a job which every lookup shows. */
async function cloudWithJob(how: Parameters<typeof laggingCloud>[0] = {}): Promise<Cloud> {
  const { jobs, backend } = laggingCloud(how);
  await create({ jobs, backend });
  const find: JobBackend['find'] = () => Promise.resolve(jobs.map(({ found }) => found));
  return { jobs, backend: { ...backend, find, capabilities: { ...backend.capabilities, find: 'strong' } } };
}
const soon = { stopAgainMs: 10 };
const never = { stopAgainMs: 3_600_000 };

describe('stopping a job', () => {
  it('J4 returns when the provider says that it has ended, not when it was asked; it is asked once', async () => {
    const cloud = await cloudWithJob({ stopsAfterLooks: 4 });
    expect(await stop(cloud.backend, never)).toEqual({ ended: 1 });
    expect(phases(cloud)).toEqual(['ended']);
    expect(cloud.jobs[0]?.asked).toBe(1);
  });

  it('J4 a request that the provider has forgotten is made again', async () => {
    const cloud = await cloudWithJob({ stopsAfterAsks: 3 });
    expect(await stop(cloud.backend, soon)).toEqual({ ended: 1 });
    expect(phases(cloud)).toEqual(['ended']);
  });

  it.each(['NotFound', 'UnknownOutcome', 'Throttled', 'ServiceFault'] as const)(
    'J4 a request that fails with %s is made again',
    async (errorClass) => {
      const cloud = await cloudWithJob();
      const faults = [{ method: 'requestStop', when: 'before', times: 2, class: errorClass } as const];
      expect(await stop(withFaults(cloud.backend, faults), soon)).toEqual({ ended: 1 });
      expect(phases(cloud)).toEqual(['ended']);
    }
  );

  it.each([
    ['AuthDenied', new PortError('AuthDenied', 'not yours')],
    ['ServiceFault', new TypeError('no such field')],
  ])('J4 one that cannot work is told as %s, never as a stop', async (errorClass, error) => {
    const cloud = await cloudWithJob();
    const refusing: JobBackend = { ...cloud.backend, requestStop: () => Promise.reject(error) };
    await expect(stop(refusing, soon)).rejects.toMatchObject({ type: `Retempo.${errorClass}` });
    expect(phases(cloud)).toEqual(['running']);
  });

  it('J4 a job that is gone has ended; one that cannot be seen has not', async () => {
    const { backend } = await cloudWithJob();
    const gone = { method: 'describe', when: 'before', times: 1, class: 'NotFound' } as const;
    expect(await stop(withFaults(backend, [gone]), never)).toEqual({ ended: 1 });
    const unseen = stop(withFaults(backend, [{ ...gone, class: 'ServiceFault' }]), never);
    await expect(unseen).rejects.toMatchObject({ type: 'Retempo.ServiceFault' });
  });

  it('J4 finds the twin that shows up late, and the one that shows up when that has been stopped', async () => {
    const cloud = laggingCloud();
    await create(cloud);
    await create(cloud);
    // The second twin is made when the first two are being stopped, by a worker that was slow.
    let isLate = false;
    const backend: JobBackend = {
      ...cloud.backend,
      async requestStop(...input) {
        if (!isLate) await create(cloud);
        isLate = true;
        await cloud.backend.requestStop(...input);
      },
    };
    expect(await stop(backend)).toEqual({ ended: 3 });
    expect(phases(cloud)).toEqual(['ended', 'ended', 'ended']);
    expect(cloud.jobs.map(({ asked }) => asked)).toEqual([1, 1, 1]);
  });

  it('a lookup that is believed at once is made once', async () => {
    const { backend } = await cloudWithJob();
    let looks = 0;
    const counting: JobBackend = {
      ...backend,
      find(...input) {
        looks += 1;
        return backend.find(...input);
      },
    };
    await stop(counting);
    expect(looks).toBe(1);
  });

  it('J4 heartbeats while it waits, and its cancellation ends the waiting; the stop stays asked for', async () => {
    const cloud = await cloudWithJob({ stopsAfterLooks: Number.POSITIVE_INFINITY });
    const mock = environment();
    const beats: unknown[] = [];
    mock.on('heartbeat', (details: unknown) => {
      beats.push(details);
      if (beats.length === 3) mock.cancel();
    });
    const stopping = mock.run(() => activitiesOf(cloud.backend, never).stopJob({ key }));
    await expect(stopping).rejects.toMatchObject({ name: 'CancelledFailure' });
    expect(beats).toEqual([{ stopping: 1 }, { stopping: 1 }, { stopping: 1 }]);
    expect(cloud.jobs[0]?.asked).toBe(1);
  });
});
