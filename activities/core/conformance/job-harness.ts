import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobActivities, JobIntent, JobOutcome, JobRef, JobState } from '@retempo/workflows/contracts';
import { createJobActivities, type JobActivityOptions } from '../jobs/activities.js';
import type { ArtifactStore, Call, JobBackend } from '../ports/index.js';

/** What the program of a test job does. */
export type JobBehaviour =
  /** Writes `result.txt` to its output and ends well. */
  | 'succeed'
  /** Writes the line `no such column: fare` to its log and ends with an error. */
  | 'fail'
  /** Reports `{"progress":0.5,"step":1}` and runs until it is stopped. */
  | 'run';

/** An activity environment, such as `MockActivityEnvironment` of `@temporalio/testing`. */
export interface ActivityEnvironment {
  run<T>(activity: () => Promise<T>): Promise<T>;
  cancel(): void;
}

/** What the suite needs to know of a backend and of the world behind it. */
export interface JobBackendHarness {
  /** A backend object over one and the same outside world, as each worker has one. */
  open(): JobBackend;
  readonly owner: string;
  readonly store: ArtifactStore;
  /** A fresh intent: new key, `owner` unless given. Its pool is the one that `slots` speaks of. */
  intent(options: {
    readonly behaviour: JobBehaviour;
    readonly timeoutMs?: number;
    readonly owner?: string;
    readonly releaseId?: string;
  }): JobIntent;
  /** An intent that can never run here. */
  invalidIntent(): JobIntent;
  /** Programs that were really started for a key, as the outside world counts them: never the backend's own word. */
  starts(key: string): Promise<number>;
  /** Programs of a key that really run now. */
  running(key: string): Promise<number>;
  environment(): ActivityEnvironment;
  readonly features: {
    /** Jobs of one pool that may run at once, or null when the backend has no such limit. */
    readonly slots: number | null;
    /** Takes the machine from a running job, or null when that cannot be done on purpose. */
    readonly preempt: ((key: string) => Promise<void>) | null;
  };
}

/** One case of a suite; `run` throws when the backend does not conform. */
export interface JobConformanceCase {
  readonly title: string;
  readonly run: () => Promise<void>;
}

const patienceMs = 60_000;

/** A call that nobody cancels. */
export const freeCall = (): Call => ({ signal: new AbortController().signal, deadlineMs: Date.now() + patienceMs });

/** Waits until `probe` gives something other than undefined or false. Throws after a minute. */
export async function eventually<T>(what: string, probe: () => Promise<T | undefined | false>): Promise<T> {
  const until = Date.now() + patienceMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > until) throw new Error(`did not happen within ${patienceMs / 1000} s: ${what}`);
    await sleep(25);
  }
}

/** Steps that the cases are made of. */
export interface JobSteps {
  readonly activities: (backend?: JobBackend, options?: Partial<JobActivityOptions>) => JobActivities;
  readonly inActivity: <T>(work: () => Promise<T>) => Promise<T>;
  readonly submit: (intent: JobIntent, backend?: JobBackend) => Promise<JobRef>;
  readonly await: (ref: JobRef, queuedLimitMs?: number) => Promise<JobOutcome>;
  readonly stop: (key: string, backend?: JobBackend) => Promise<{ readonly ended: number }>;
  readonly untilPhase: (ref: JobRef, phase: JobState['phase']) => Promise<JobState>;
  readonly untilRunning: (key: string) => Promise<unknown>;
}

/** Binds the steps to a harness. */
export function jobSteps(harness: JobBackendHarness): JobSteps {
  const activities: JobSteps['activities'] = (backend = harness.open(), options = {}) =>
    createJobActivities({
      backend,
      store: harness.store,
      owner: harness.owner,
      describeRelease: () => Promise.resolve('open'),
      pollMs: 50,
      ...options,
    });
  const inActivity: JobSteps['inActivity'] = (work) => harness.environment().run(work);
  return {
    activities,
    inActivity,
    submit: (intent, backend) => inActivity(() => activities(backend).submitJob(intent)),
    await: (ref, queuedLimitMs) =>
      inActivity(() =>
        activities().awaitJob({ ref, releaseId: 'release', step: 'train', queuedLimitMs: queuedLimitMs ?? null })
      ),
    stop: (key, backend) => inActivity(() => activities(backend).stopJob({ key })),
    untilPhase: (ref, phase) =>
      eventually(`phase ${phase}`, async () => {
        const state = await harness.open().describe(ref, freeCall());
        return state.phase === phase ? state : undefined;
      }),
    untilRunning: (key) => eventually('program runs', async () => (await harness.running(key)) > 0),
  };
}

/** Asserts that `work` fails with this class: as `class` of a port error or as type of an activity failure. */
export async function rejectsWith(errorClass: string, work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    const { class: own, type, message } = error as { class?: string; type?: string; message: string };
    assert.equal(own ?? type?.replace('Retempo.', ''), errorClass, message);
    return message;
  }
  throw new assert.AssertionError({ message: `expected class ${errorClass}, but it worked` });
}
