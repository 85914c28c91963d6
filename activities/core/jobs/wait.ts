import { Context } from '@temporalio/activity';
import {
  nonRetryableClasses,
  type AwaitJobInput,
  type JobOutcome,
  type JobState,
  type Json,
} from '@retempo/workflows/contracts';
import { isPortError, PortError } from '../ports/index.js';
import type { ArtifactStore, JobBackend } from '../ports/index.js';
import { pause, type PortCalls } from './calls.js';
import { createCheckpointCopier, type CheckpointCopier, type SealFolder } from './checkpoints.js';

const firstPollMs = 100;
const pollGrowth = 1.5;
const troublesInARow = 5;

/** What `awaitJob` heartbeats: shown in the Web UI, and read by the next attempt. */
export interface WaitDetails {
  readonly phase: JobState['phase'];
  readonly progress: Json;
  /** When this job was first seen in phase `queued`, epoch milliseconds; null when it is not queued. */
  readonly queuedSinceMs: number | null;
  /** What went wrong with the last look or the last copy of a checkpoint. */
  readonly problem: string | null;
}

export interface WaitOptions {
  readonly backend: JobBackend;
  readonly store: ArtifactStore;
  readonly seal: SealFolder;
  readonly calls: PortCalls;
  /** Longest time between two looks, in milliseconds. */
  readonly pollMs: number;
}

const lost = (input: AwaitJobInput): JobOutcome => ({
  result: 'lost',
  class: 'NotFound',
  message: `${input.ref.site} no longer knows job ${input.ref.id}; look whether the root of the site was moved or emptied`,
});

/** Time at which an earlier attempt saw the job queued: the limit holds over deaths of workers. */
function queuedSinceOf(details: unknown): number | null {
  if (typeof details !== 'object' || details === null || !('queuedSinceMs' in details)) return null;
  return typeof details.queuedSinceMs === 'number' ? details.queuedSinceMs : null;
}

/** One look at the job. Null = it is not there; trouble that may pass is counted by the caller. */
async function look(options: WaitOptions, input: AwaitJobInput): Promise<JobState | null> {
  try {
    return await options.calls.read('describe job', (call) => options.backend.describe(input.ref, call));
  } catch (error) {
    if (isPortError(error) && error.class === 'NotFound') return null;
    throw error;
  }
}

/** Trouble with checkpoints never ends a wait: the job runs on, and an older checkpoint still serves. */
async function copyCheckpoints(
  options: WaitOptions,
  input: AwaitJobInput,
  work: (folder: string) => Promise<void>
): Promise<string | null> {
  try {
    const output = await options.calls.read('find output', (call) => options.backend.outputOf(input.ref, call));
    if (output.checkpointFolder !== null) await work(output.checkpointFolder);
    return null;
  } catch (error) {
    if (!isPortError(error)) throw error;
    return error.message.slice(0, 300);
  }
}

/** After an end that another attempt may follow, the last checkpoint is worth the wait; heartbeats meanwhile. */
async function finishCheckpoints(
  options: WaitOptions,
  input: AwaitJobInput,
  copier: CheckpointCopier,
  beat: () => void
): Promise<void> {
  const timer = setInterval(beat, options.pollMs);
  try {
    await copyCheckpoints(options, input, (folder) => copier.finish(folder));
  } finally {
    clearInterval(timer);
  }
}

/** Outcomes after which a run may go on from a checkpoint. */
const resumable: readonly JobOutcome['result'][] = ['preempted', 'lost', 'stopped', 'unknown'];

/**
 * Waits for the end of a job from its reference alone. Polls in process, 100 ms growing to `pollMs`, and heartbeats every
 * look. Cancellation (or shutdown of the worker) ends the waiting, never the job. Looks that fail are repeated five times
 * before the activity fails with their class. Throws `CapacityUnavailable` when the job has been queued for longer than
 * `queuedLimitMs`. A job that is not there is `lost`, after the backend's consistency delay.
 */
export async function waitForJob(options: WaitOptions, input: AwaitJobInput): Promise<JobOutcome> {
  const { backend, store, seal, calls } = options;
  const context = Context.current();
  const { releaseId, step } = input;
  const copier = createCheckpointCopier({ store, seal, releaseId, step, calls });
  const believedFromMs = Date.now() + backend.capabilities.consistencyMs;
  let queuedSinceMs = queuedSinceOf(context.info.heartbeatDetails);
  let details: WaitDetails = { phase: 'queued', progress: null, queuedSinceMs, problem: null };
  const beat = (): void => calls.beat(details);
  let pollMs = Math.min(firstPollMs, options.pollMs);
  let troubles = 0;
  for (;;) {
    let state: JobState | null = null;
    try {
      state = await look(options, input);
      troubles = 0;
      if (state === null && Date.now() >= believedFromMs) return lost(input);
    } catch (error) {
      troubles += 1;
      if (!isPortError(error) || nonRetryableClasses.includes(error.class) || troubles >= troublesInARow) throw error;
      details = { ...details, problem: error.message.slice(0, 300) };
    }
    if (state?.phase === 'ended') {
      if (resumable.includes(state.outcome.result)) await finishCheckpoints(options, input, copier, beat);
      return state.outcome;
    }
    if (state !== null) {
      queuedSinceMs = state.phase === 'queued' ? (queuedSinceMs ?? Date.now()) : null;
      if (state.phase !== details.phase) pollMs = Math.min(firstPollMs, options.pollMs);
      const isRunning = state.phase === 'running';
      const problem = isRunning ? await copyCheckpoints(options, input, (folder) => copier.look(folder)) : null;
      const { phase, progress = null } = state;
      details = { phase, progress, queuedSinceMs, problem: problem ?? copier.problem() };
    }
    beat();
    const { queuedLimitMs } = input;
    if (queuedSinceMs !== null && queuedLimitMs !== null && Date.now() - queuedSinceMs > queuedLimitMs) {
      const waited = Math.round((Date.now() - queuedSinceMs) / 1000);
      throw new PortError(
        'CapacityUnavailable',
        `${input.ref.site} had no room for the job within ${queuedLimitMs / 1000} s (queued for ${waited} s): ${JSON.stringify(details.progress)}; free some there or name another pool in train.at`
      );
    }
    await pause(context, pollMs);
    pollMs = Math.min(options.pollMs, pollMs * pollGrowth);
  }
}
