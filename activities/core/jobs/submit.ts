import { setTimeout as sleep } from 'node:timers/promises';
import type { JobIntent, JobRef } from '@retempo/workflows/contracts';
import { isPortError, PortError } from '../ports/index.js';
import type { FoundJob, JobBackend } from '../ports/index.js';
import type { PortCalls } from './calls.js';

const rounds = 3;

const refOf = ({ v, site, id, key }: JobRef): JobRef => ({ v, site, id, key });

/** Keeps the oldest job of a key and asks the others to stop; refuses a job that was made from another spec. */
async function adopt(
  backend: JobBackend,
  found: readonly FoundJob[],
  intent: JobIntent,
  calls: PortCalls
): Promise<JobRef> {
  const [oldest, ...twins] = found;
  if (oldest === undefined) throw new Error('adopt needs a job');
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
  const look = () => calls.read('find job', (call) => backend.find(intent.key, call));
  let trouble: unknown;
  for (let round = 1; round <= rounds; round += 1) {
    const found = await look();
    if (found.length > 0) return await adopt(backend, found, intent, calls);
    try {
      const ref = await calls.change('create job', (call) => backend.create(intent, call));
      if (create !== 'none') return refOf(ref);
      // Nothing kept a second submitter from creating its own: look when both can be seen.
      await sleep(consistencyMs);
      const all = await look();
      return all.length === 0 ? refOf(ref) : await adopt(backend, all, intent, calls);
    } catch (error) {
      if (!isPortError(error) || (error.class !== 'AlreadyExists' && error.class !== 'UnknownOutcome')) throw error;
      trouble = error;
      if (find === 'eventual') await sleep(consistencyMs);
    }
  }
  const late = await look();
  if (late.length > 0) return await adopt(backend, late, intent, calls);
  throw new PortError(
    'UnknownOutcome',
    `job ${intent.key} was asked for ${rounds} times and cannot be found (${trouble instanceof Error ? trouble.message : String(trouble)}); it is looked for again, see whether the provider is reachable`
  );
}
