import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type {
  Answer,
  ApprovalDigests,
  Decision,
  GovernorStatus,
  Installation,
  ModelSpec,
  ReleaseReport,
  StepAttempt,
  Trigger,
  VersionId,
  WaitingFor,
  WindowReport,
} from './contracts/index.js';

// Every message of Retempo. Starters and tests import these constants, never a string.

// ---- governor -----------------------------------------------------------------------------------------------------

/** Events that need no answer, at most 50 a signal. */
export const triggersReported = defineSignal<[{ readonly triggers: readonly Trigger[] }]>('triggersReported');
export const windowReported = defineSignal<[WindowReport]>('windowReported');
export const releaseReported = defineSignal<[ReleaseReport]>('releaseReported');

export interface RestoredChampion extends Button {
  readonly version: VersionId;
}
/** Another version serves now, by a person's rollback. */
export const championRestored = defineSignal<[RestoredChampion]>('championRestored');

/** Asks for a retrain; answered once per source and id. */
export const requestRetrain = defineUpdate<Answer, [Trigger]>('requestRetrain');
export interface ConfigureRequest {
  readonly spec: ModelSpec;
  readonly specDigest: string;
  /** Owner and limits of the installation; absent = those that the governor has. */
  readonly installation?: Installation;
  /** Digest that the caller has seen; null = whatever is there. */
  readonly ifDigest: string | null;
  readonly actor: string;
}
/** Replaces the model's spec, and owner and limits where given; refused when the current digest is not `ifDigest`. */
export const configure = defineUpdate<{ readonly changed: boolean; readonly specDigest: string }, [ConfigureRequest]>(
  'configure'
);

export interface Button {
  readonly actor: string;
  readonly reason: string;
}

/** What a button did: `done` is false when nothing had to change, and the reason says why. */
export interface ButtonAnswer {
  readonly done: boolean;
  readonly reason: string;
}

/** Governor: no new runs. Canary: weight and step time are frozen, guardrails are not. */
export const pause = defineUpdate<ButtonAnswer, [Button]>('pause');
export const resume = defineUpdate<ButtonAnswer, [Button]>('resume');

// ---- gate and canary ------------------------------------------------------------------------------------------------

export interface ApprovalVote extends Button {
  /** Exactly what the vote is about; another digest voids it. */
  readonly digests: ApprovalDigests;
}

export const approve = defineUpdate<ButtonAnswer, [ApprovalVote]>('approve');
export const reject = defineUpdate<ButtonAnswer, [ApprovalVote]>('reject');

// ---- canary ---------------------------------------------------------------------------------------------------------

/** Skips holds and remaining proof of the current step; never a guardrail that failed. */
export const promote = defineUpdate<ButtonAnswer, [Button]>('promote');
/**
 * Canary: gives 100 % back to the champion and ends the release as rolled back. Governor, when nothing runs: gives the
 * traffic back to the champion of the registry when the endpoint serves something else, else to the champion before it.
 */
export const rollback = defineUpdate<ButtonAnswer, [Button]>('rollback');
/** As rollback, recorded as a person's abort: does not count as a failed retrain. */
export const abort = defineUpdate<ButtonAnswer, [Button]>('abort');

// ---- queries --------------------------------------------------------------------------------------------------------

export const getStatus = defineQuery<GovernorStatus>('getStatus');
/** Newest first; older ones are in the registry. */
export const getDecisions = defineQuery<readonly Decision[], [{ readonly limit?: number }?]>('getDecisions');

export interface RunStatus {
  readonly v: 1;
  readonly phase: string;
  readonly sentence: string;
  readonly waitingFor: WaitingFor | null;
  /** The version on trial; `v<number of the run>` until it is registered. Absent where the workflow knows none. */
  readonly candidate?: VersionId;
  /** The job that is submitted or runs: which step, which attempt at it (from 1), and where, as `<site>/<pool>`. */
  readonly job?: Pick<StepAttempt, 'step' | 'attempt' | 'place'> | null;
}
/** Releases, pipelines, gates and canaries. */
export const getRunStatus = defineQuery<RunStatus>('getRunStatus');
