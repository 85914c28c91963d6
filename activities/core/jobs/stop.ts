import { Context } from '@temporalio/activity';
import type { JobRef, JobState } from '@retempo/workflows/contracts';
import { isPortError } from '../ports/index.js';
import type { JobBackend } from '../ports/index.js';
import { pause, type PortCalls } from './calls.js';

/** State of a job; a job that is not there (any more) is null. */
export async function stateOrGone(backend: JobBackend, ref: JobRef, calls: PortCalls): Promise<JobState | null> {
  try {
    return await calls.read('describe job', (call) => backend.describe(ref, call));
  } catch (error) {
    if (isPortError(error) && error.class === 'NotFound') return null;
    throw error;
  }
}

/** How jobs are stopped. */
export interface StopOptions {
  readonly backend: JobBackend;
  readonly calls: PortCalls;
  /** Between two looks, in milliseconds. */
  readonly pollMs: number;
  /** Between two requests to stop, in milliseconds. */
  readonly askAgainMs: number;
}

/** A stop may be asked for any number of times, so an unknown outcome or a passing fault is no reason to give up. */
async function ask(backend: JobBackend, ref: JobRef, calls: PortCalls): Promise<void> {
  try {
    await calls.change('stop job', (call) => backend.requestStop(ref, call));
  } catch (error) {
    if (!isPortError(error) || !['NotFound', 'UnknownOutcome', 'Throttled', 'ServiceFault'].includes(error.class))
      throw error;
  }
}

/**
 * Asks every job to stop and returns when the provider says that each has ended or is gone. Heartbeats with every look;
 * asks again every `askAgainMs`. Cancelling the activity ends the waiting; the stops stay asked for.
 */
export async function stopAll(options: StopOptions, refs: readonly JobRef[]): Promise<void> {
  const { backend, calls, pollMs, askAgainMs } = options;
  const context = Context.current();
  let open = [...refs];
  let askedAt = 0;
  while (open.length > 0) {
    if (Date.now() - askedAt >= askAgainMs) {
      for (const ref of open) await ask(backend, ref, calls);
      askedAt = Date.now();
    }
    const still: JobRef[] = [];
    for (const ref of open) {
      const state = await stateOrGone(backend, ref, calls);
      if (state !== null && state.phase !== 'ended') still.push(ref);
    }
    open = still;
    context.heartbeat({ stopping: open.length });
    if (open.length > 0) await pause(context, pollMs);
  }
}

/** Stops all jobs of a key, twins included, also those that a lookup shows only later. Returns how many there were. */
export async function stopKey(options: StopOptions, key: string): Promise<number> {
  const { backend, calls } = options;
  const { find, consistencyMs } = backend.capabilities;
  const seen = new Map<string, JobRef>();
  let isBelieved = find === 'strong';
  for (;;) {
    const found = await calls.read('find job', (call) => backend.find(key, call));
    const fresh = found.filter((job) => !seen.has(job.id));
    for (const job of fresh) seen.set(job.id, job);
    await stopAll(options, fresh);
    if (isBelieved && (fresh.length === 0 || find === 'strong')) return seen.size;
    await pause(Context.current(), consistencyMs);
    isBelieved = true;
  }
}
