import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { JobOutcome, JobRef, JobState } from '@retempo/workflows/contracts';
import { describe, expect, it } from 'vitest';
import { PortError, type ArtifactStore, type JobBackend } from '../ports/index.js';
import { createJobActivities } from './activities.js';
import type { WaitDetails } from './wait.js';

const ref: JobRef = { v: 1, site: 'test.site', id: 'id', key: 'key' };
const ended: JobState = { phase: 'ended', outcome: { result: 'succeeded', message: '' } };

/** A backend whose `describe` gives these answers one after another, and then the last one for ever. */
function scripted(answers: readonly (JobState | PortError)[], consistencyMs = 0): JobBackend {
  let index = 0;
  const refuse = () => Promise.reject(new PortError('NotFound', 'nothing here'));
  return {
    capabilities: {
      create: 'name',
      find: consistencyMs === 0 ? 'strong' : 'eventual',
      consistencyMs,
      stop: 'confirmed',
    },
    find: refuse,
    create: refuse,
    requestStop: refuse,
    outputOf: refuse,
    async *listOwned() {
      // Owns nothing.
    },
    describe() {
      const answer = answers[Math.min(index, answers.length - 1)] ?? ended;
      index += 1;
      return answer instanceof PortError ? Promise.reject(answer) : Promise.resolve(answer);
    },
  };
}

async function wait(
  answers: readonly (JobState | PortError)[],
  options: {
    readonly queuedLimitMs?: number;
    readonly details?: unknown;
    readonly consistencyMs?: number;
    readonly cancelAfterMs?: number;
  } = {}
) {
  const beats: WaitDetails[] = [];
  const environment = new MockActivityEnvironment(
    { heartbeatDetails: options.details },
    { logger: new DefaultLogger('ERROR') }
  );
  environment.on('heartbeat', (details: WaitDetails) => beats.push(details));
  const activities = createJobActivities({
    backend: scripted(answers, options.consistencyMs),
    store: {} as ArtifactStore,
    owner: 'us',
    describeRelease: () => Promise.resolve('open'),
    pollMs: 20,
  });
  const input = { ref, releaseId: 'r', step: 'train', queuedLimitMs: options.queuedLimitMs ?? null };
  const waiting: Promise<JobOutcome> = environment.run(() => activities.awaitJob(input));
  if (options.cancelAfterMs !== undefined) setTimeout(() => environment.cancel(), options.cancelAfterMs);
  return { outcome: await waiting, beats };
}

const queued: JobState = { phase: 'queued', progress: { waitingFor: 'slot' } };
const trouble = (errorClass: 'ServiceFault' | 'AuthDenied' | 'NotFound') => new PortError(errorClass, 'trouble');

describe('awaitJob', () => {
  it('heartbeats what it sees at every look', async () => {
    const { outcome, beats } = await wait([queued, { phase: 'running', progress: { step: 1 } }, ended]);
    expect(outcome.result).toBe('succeeded');
    expect(beats.map(({ phase, progress }) => [phase, progress])).toEqual([
      ['queued', { waitingFor: 'slot' }],
      ['running', { step: 1 }],
    ]);
    expect(beats[0]?.queuedSinceMs).toBeTypeOf('number');
    expect(beats[1]?.queuedSinceMs).toBeNull();
  });

  it('the limit of queueing holds over the death of a worker: its successor goes on counting', async () => {
    // A successor that began to count anew would wait for an hour.
    const details = { queuedSinceMs: Date.now() - 2 * 3_600_000 };
    await expect(wait([queued], { queuedLimitMs: 3_600_000, details })).rejects.toMatchObject({
      type: 'Retempo.CapacityUnavailable',
      nonRetryable: true,
      message: expect.stringContaining('slot') as string,
    });
    await expect(wait([queued, ended], { queuedLimitMs: 3_600_000 })).resolves.toBeDefined();
  });

  it('a job that has started is not counted as queued, however long it waited before', async () => {
    const details = { queuedSinceMs: Date.now() - 60_000 };
    const { outcome } = await wait([{ phase: 'running' }, ended], { queuedLimitMs: 50_000, details });
    expect(outcome.result).toBe('succeeded');
  });

  it('passing trouble is shown and looked past; lasting trouble fails the attempt; what cannot pass fails at once', async () => {
    const { beats } = await wait([trouble('ServiceFault'), trouble('ServiceFault'), ended]);
    expect(beats[0]?.problem).toBe('trouble');
    await expect(wait([trouble('ServiceFault')])).rejects.toMatchObject({
      type: 'Retempo.ServiceFault',
      nonRetryable: false,
    });
    await expect(wait([trouble('AuthDenied'), ended])).rejects.toMatchObject({
      type: 'Retempo.AuthDenied',
      nonRetryable: true,
    });
  });

  it('trouble is counted in a row: a job that answers every other time is waited for however long', async () => {
    const shaky = Array.from({ length: 7 }, () => [trouble('ServiceFault'), { phase: 'running' } as const]).flat();
    const { outcome } = await wait([...shaky, ended]);
    expect(outcome.result).toBe('succeeded');
  });

  it('a long complaint of a provider does not fill every heartbeat', async () => {
    const { beats } = await wait([new PortError('ServiceFault', 'x'.repeat(10_000)), ended]);
    expect(beats[0]?.problem).toBe('x'.repeat(300));
  });

  it('without a limit a job may be queued for ever', async () => {
    const details = { queuedSinceMs: Date.now() - 2 * 3_600_000 };
    expect((await wait([queued, queued, ended], { details })).outcome.result).toBe('succeeded');
  });

  it.each([null, 'text', {}, { queuedSinceMs: 'long ago' }])(
    'a job whose earlier heartbeat says nothing of its queueing (%j) is waited for from now',
    async (details) => {
      const from = Date.now();
      const { beats } = await wait([queued, ended], { details });
      expect(beats[0]?.queuedSinceMs).toBeGreaterThanOrEqual(from);
    }
  );

  it('a job that is not there is lost, on an eventual lookup only after its delay', async () => {
    expect((await wait([trouble('NotFound')])).outcome).toMatchObject({ result: 'lost', class: 'NotFound' });
    const late = await wait([trouble('NotFound'), { phase: 'running' }, ended], { consistencyMs: 3_600_000 });
    expect(late.outcome.result).toBe('succeeded');
    expect((await wait([trouble('NotFound')], { consistencyMs: 100 })).outcome.result).toBe('lost');
  });

  it('cancellation ends the waiting', async () => {
    await expect(wait([{ phase: 'running' }], { cancelAfterMs: 50 })).rejects.toMatchObject({
      name: 'CancelledFailure',
    });
  });
});
