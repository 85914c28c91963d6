import { setTimeout as sleep } from 'node:timers/promises';
import type { JobIntent, JobRef } from '@retempo/workflows/contracts';
import { isPortError, PortError } from '../ports/index.js';
import type { FoundJob, JobBackend } from '../ports/index.js';
import type { PortCalls } from './calls.js';

const rounds = 3;

const refOf = ({ v, site, id, key }: JobRef): JobRef => ({ v, site, id, key });

/** Keeps the oldest job of a key, null when there is none; asks the others to stop; refuses one made from another spec. */
async function adopt(
  backend: JobBackend,
  found: readonly FoundJob[],
  intent: JobIntent,
  calls: PortCalls
): Promise<JobRef | null> {
  const [oldest, ...twins] = found;
  if (oldest === undefined) return null;
  if (oldest.specDigest !== intent.specDigest) {
    throw new PortError(
      'Conflict',
      `job ${intent.key} exists at ${oldest.site} with another spec (${oldest.specDigest}, wanted ${intent.specDigest}); use a new attempt`
    );
  }
  for (const twin of twins) await calls.change('stop twin', (call) => backend.requestStop(twin, call));
  return refOf(oldest);
}

/**
 * Adopt or submit: exactly one job of a key is left, whatever answers were lost. Looks the key up; creates; when the key
 * exists or the outcome is unknown, waits until the lookup can be believed and looks again. Throws `Conflict` for a job
 * made from another spec, `UnknownOutcome` when three rounds of create and look showed nothing (retried: the next try
 * looks first).
 */
export async function adoptOrSubmit(backend: JobBackend, intent: JobIntent, calls: PortCalls): Promise<JobRef> {
  const { consistencyMs, create, find } = backend.capabilities;
  const kept = async () =>
    await adopt(backend, await calls.read('find job', (call) => backend.find(intent.key, call)), intent, calls);
  let trouble = '';
  for (let round = 1; round <= rounds; round += 1) {
    const found = await kept();
    if (found !== null) return found;
    try {
      const ref = await calls.change('create job', (call) => backend.create(intent, call));
      if (create !== 'none') return refOf(ref);
      // Nothing kept a second submitter from creating its own: look when both can be seen.
      await sleep(consistencyMs);
      return (await kept()) ?? refOf(ref);
    } catch (error) {
      if (!isPortError(error) || (error.class !== 'AlreadyExists' && error.class !== 'UnknownOutcome')) throw error;
      trouble = error.message;
      if (find === 'eventual') await sleep(consistencyMs);
    }
  }
  const late = await kept();
  if (late !== null) return late;
  throw new PortError(
    'UnknownOutcome',
    `job ${intent.key} was asked for ${rounds} times and cannot be found (${trouble}); it is looked for again, see whether the provider is reachable`
  );
}
