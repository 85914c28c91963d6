import { ActivityFailure, ApplicationFailure, CancellationScope } from '@temporalio/workflow';
import { failureTypeOf, noWorkerTook } from './activity-failures.js';
import { failureType } from './contracts/failures.js';
import { digestOf, jobKey } from './contracts/ids.js';
import { splitPool } from './contracts/task-queues.js';
import type { ArtifactRef, Installation, JobOutcome, JobRef, JobSpec, StepAttempt } from './contracts/index.js';
import { controlReads, jobsAt, stopsAt, waitsAt } from './proxies.js';

// One step of a run as a job: placed on the first pool that has a worker and capacity, watched, moved to the next pool
// from its last checkpoint when the pool is lost, and stopped by key whenever the run no longer wants it.

export interface JobRequest {
  readonly installation: Installation;
  readonly releaseId: string;
  readonly step: string;
  /** `<site>/<pool>` in order of preference. */
  readonly places: readonly string[];
  readonly attemptsPerPool: number;
  readonly spec: Omit<JobSpec, 'checkpoint'>;
  /** Resume from the newest checkpoint of an earlier attempt. */
  readonly resumable: boolean;
  /** Hears of every attempt before its job is submitted. */
  readonly onBegin?: (attempt: Pick<StepAttempt, 'step' | 'attempt' | 'place'>) => void;
  readonly onAttempt?: (attempt: StepAttempt) => void;
  readonly summary: string;
}

export interface FinishedJob {
  readonly ref: JobRef;
  readonly site: string;
  readonly place: string;
  readonly attempts: readonly StepAttempt[];
}

/** Another pool may do what this one could not. */
type HandOver = { readonly handOver: true; readonly why: string };

function handOver(error: unknown, site: string): HandOver | undefined {
  if (noWorkerTook(error)) return { handOver: true, why: `no worker of ${site} answered` };
  const type = failureTypeOf(error);
  if (type === failureType.port('CapacityUnavailable')) return { handOver: true, why: 'no capacity in time' };
  if (type === failureType.port('QuotaExceeded')) return { handOver: true, why: 'quota exceeded' };
  return undefined;
}

/**
 * Runs one step as a job.
 *
 * @throws ApplicationFailure `Retempo.UserCodeFailed` when the program failed, `Retempo.NoPlace` when every pool was tried.
 */
export async function runJob(request: JobRequest): Promise<FinishedJob> {
  const attempts: StepAttempt[] = [];
  let attempt = 0;
  for (const place of request.places) {
    const { site } = splitPool(place);
    for (let tries = 0; tries < request.attemptsPerPool; tries++) {
      attempt++;
      request.onBegin?.({ step: request.step, attempt, place });
      const began = await begin(request, place, attempt);
      const record = (ended: string, submitted = began.submitted) => {
        const entry = { ...began.attempt, submitted, ended };
        attempts.push(entry);
        request.onAttempt?.(entry);
      };
      if ('handOver' in began) {
        record(began.why, false);
        break;
      }
      const outcome = await watch(request, site, began.ref);
      if ('handOver' in outcome) {
        record(outcome.why);
        await stopQuietly(request, site, began.attempt.key);
        break;
      }
      if (outcome.result === 'succeeded') {
        record('succeeded');
        return { ref: began.ref, site, place, attempts };
      }
      record(`${outcome.result}: ${firstLine(outcome.message)}`);
      if (outcome.result === 'unknown') await stopQuietly(request, site, began.attempt.key);
      // Only what the infrastructure did is tried again; a program that fails would fail again and cost again.
      if (outcome.result === 'failed' || outcome.result === 'stopped')
        throw programFailed(request.step, place, outcome);
    }
  }
  throw ApplicationFailure.create({
    type: failureType.noPlace,
    nonRetryable: true,
    message: `${request.step}: no pool could finish it: ${attempts.map((a) => `${a.place} attempt ${a.attempt}: ${a.ended}`).join('; ')}; start a worker at one of them, or add a pool to train.at`,
  });
}

const firstLine = (text: string) => text.split('\n', 1)[0] ?? '';

function programFailed(step: string, place: string, outcome: JobOutcome): ApplicationFailure {
  const errorClass = outcome.class ?? (outcome.result === 'stopped' ? 'Cancelled' : 'UserCodeFailed');
  return ApplicationFailure.create({
    type: failureType.port(errorClass),
    nonRetryable: true,
    message: `${step} on ${place} ${outcome.result}: ${outcome.message}`,
  });
}

type Begun =
  | { readonly attempt: StepAttempt; readonly submitted: true; readonly ref: JobRef }
  | ({ readonly attempt: StepAttempt; readonly submitted: false } & HandOver);

async function begin(request: JobRequest, place: string, attempt: number): Promise<Begun> {
  const { releaseId, step, installation } = request;
  const { site, pool } = splitPool(place);
  const checkpoint: ArtifactRef | null =
    request.resumable && attempt > 1
      ? await controlReads(installation.limits, `last checkpoint of ${step}`).findCheckpoint({ releaseId, step })
      : null;
  const spec: JobSpec = checkpoint === null ? request.spec : { ...request.spec, checkpoint };
  const key = jobKey(releaseId, step, attempt);
  const entry: StepAttempt = {
    step,
    attempt,
    place,
    key,
    resumedFrom: checkpoint?.digest ?? null,
    submitted: true,
    ended: '',
  };
  try {
    // Never cancelled: a submit whose caller has gone away would leave a job that nobody knows.
    const ref = await CancellationScope.nonCancellable(() =>
      jobsAt(site, installation.limits, `submit ${step} to ${place}`).submitJob({
        key,
        releaseId,
        step,
        attempt,
        specDigest: digestOf(spec),
        owner: installation.owner,
        pool,
        spec,
      })
    );
    return { attempt: entry, submitted: true, ref };
  } catch (error) {
    const next = handOver(error, site);
    if (next === undefined) {
      await stopQuietly(request, site, key);
      throw error;
    }
    return { attempt: entry, submitted: false, ...next };
  }
}

async function watch(request: JobRequest, site: string, ref: JobRef): Promise<JobOutcome | HandOver> {
  const { installation, releaseId, step } = request;
  try {
    const queuedLimitMs = installation.limits.queuedMs;
    return await waitsAt(site, installation.limits, request.summary).awaitJob({ ref, releaseId, step, queuedLimitMs });
  } catch (error) {
    const next = handOver(error, site);
    if (next !== undefined) return next;
    // Cancelled, or watching failed for good: nobody will look at this job again, so it must not go on.
    await stopQuietly(request, site, ref.key);
    throw error;
  }
}

/**
 * Stops a job that is no longer wanted. When its site does not answer, the site's reaper stops it as soon as there is a
 * worker again: the release goes on instead of waiting for a place that may never come back.
 */
async function stopQuietly(request: JobRequest, site: string, key: string): Promise<void> {
  await CancellationScope.nonCancellable(async () => {
    try {
      await stopsAt(site, request.installation.limits, `stop ${request.step} at ${site}`).stopJob({ key });
    } catch (error) {
      if (!(error instanceof ActivityFailure)) throw error;
    }
  });
}
