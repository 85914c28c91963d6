import type { ArtifactRef, VersionId } from './artifacts.js';
import type { Decision, ReleaseOutcome, SnapshotSummary, VersionRecord, WindowReport } from './governor.js';
import type { JobIntent, JobOutcome, JobRef } from './jobs.js';
import type { CheckSummary, GateEvaluation, GateInput, JudgedState } from './runs.js';
import type { EndpointState } from './serving.js';
import type { DataSpec, ModelSpec, ReleaseSpec } from './spec.js';

// Activity interfaces, declared on the sandbox side: implementations in `activities/` must satisfy them. The class of
// effect (read, submit, wait, mutate) decides time-outs and retries in `proxies.ts`.

/** Run beside a site's job backend, on the queues `jobs`, `wait` and `data` of the site. */
export interface JobActivities {
  /**
   * submit. Looks the key up, creates the job if there is none, adopts it if there is one with the same spec digest, and
   * stops twins but the oldest. Safe to repeat after any crash or lost answer.
   */
  submitJob(intent: JobIntent): Promise<JobRef>;
  /**
   * wait. Heartbeats progress; copies new checkpoints to the artifact store; resumes from the reference alone. Cancelling
   * or timing out stops the waiting, never the job. A job queued longer than `queuedLimitMs` throws class
   * `CapacityUnavailable`.
   */
  awaitJob(input: AwaitJobInput): Promise<JobOutcome>;
  /** mutate. Stops every job of the key and returns when the provider says that all of them have ended. */
  stopJob(input: { readonly key: string }): Promise<{ readonly ended: number }>;
  /** submit. Makes an artifact of the output folder of a finished job; the same job always gives the same artifact. */
  collectOutput(input: CollectInput): Promise<ArtifactRef>;
  /**
   * mutate. Stops jobs with our owner tag whose release is closed or unknown, and removes what ended jobs of such releases
   * left once the provider keeps it no longer; touches nothing else.
   */
  reapJobs(input: { readonly owner: string; readonly since: string }): Promise<ReapReport>;
}

export interface AwaitJobInput {
  readonly ref: JobRef;
  readonly releaseId: string;
  readonly step: string;
  /** Longest time in phase `queued`, in milliseconds; null = no limit. */
  readonly queuedLimitMs: number | null;
}

export interface CollectInput {
  readonly ref: JobRef;
  /** Folder in the artifact store, such as `versions/flight-delay`. */
  readonly kind: string;
  /** Files (globs of the output) without which the output is refused with class `UserCodeFailed`; empty = at least one file. */
  readonly required: readonly string[];
}

export interface ReapReport {
  readonly looked: number;
  readonly stopped: readonly { readonly key: string; readonly releaseId: string }[];
  /** Ended jobs whose folders and checkpoints were removed. */
  readonly removed: number;
}

/** Run on `retempo.control`. */
export interface CheckpointActivities {
  /** read. Newest complete checkpoint of a step of a release, or null. */
  findCheckpoint(input: { readonly releaseId: string; readonly step: string }): Promise<ArtifactRef | null>;
}

// ---- data: on the `data` queue of a site ----------------------------------------------------------------------------

export interface SnapshotInput {
  readonly releaseId: string;
  readonly data: DataSpec;
  readonly slices: readonly string[];
  /** End of the champion's training window: nothing that it was trained on is used to compare. Null without champion. */
  readonly evaluateOnlyAfter: string | null;
}

export type SnapshotResult =
  | { readonly result: 'ok'; readonly snapshot: SnapshotSummary }
  /** Every breach of `data.validate`, as sentences with numbers. */
  | { readonly result: 'invalid'; readonly breaches: readonly string[]; readonly snapshot: SnapshotSummary };

export interface DataActivities {
  /** submit. Freezes the windows of a run as artifacts and validates them. Throws `Retempo.DataMissing` with what is needed and what is there. */
  snapshotData(input: SnapshotInput): Promise<SnapshotResult>;
  /**
   * submit. Judges every due window that has not been reported yet and returns all reports that no governor has
   * confirmed; repeated calls give the same reports.
   */
  checkWindows(input: CheckWindowsInput): Promise<{ readonly reports: readonly WindowReport[] }>;
}

export interface CheckWindowsInput {
  readonly model: string;
  readonly spec: ModelSpec;
}

// ---- serving: on the `serving` queue of the endpoint's site ---------------------------------------------------------

export interface ObserveInput {
  readonly endpoint: string;
  readonly model: string;
  readonly releaseId: string;
  readonly release: ReleaseSpec;
  readonly candidate: VersionId;
  readonly champion: VersionId | null;
  /** Index of the step into the weights, and how long it has lasted. */
  readonly step: number;
  readonly stepElapsedMs: number;
  /** Weight of the candidate that should be in force. */
  readonly weight: number;
  /** Traffic revisions of the current step, newest last; the newest should be in force. */
  readonly revisions: readonly string[];
  readonly epoch: number;
  readonly look: number;
  /** What the judge returned at the previous look. */
  readonly judged: JudgedState | null;
}

export interface Observation {
  /** What the judge asks for, in the order of `progressive delivery`: never inferred by the workflow. */
  readonly action: 'rollback' | 'hold' | 'continue' | 'advance';
  /** False when the read-back differs from what should be in force. */
  readonly weightsAsIntended: boolean;
  readonly endpoint: EndpointState;
  readonly checks: readonly CheckSummary[];
  readonly reasons: readonly string[];
  /** Requests of the candidate in this step. */
  readonly requests: number;
  /** What the next look is judged with; null while nothing final was counted. */
  readonly judged: JudgedState | null;
}

export interface ServingActivities {
  /** read. Null when the endpoint does not exist yet: the first deployment creates it. */
  describeEndpoint(input: { readonly endpoint: string }): Promise<EndpointState | null>;
  /** submit. Starts a version at weight 0. */
  deployVersion(input: {
    readonly key: string;
    readonly endpoint: string;
    readonly version: VersionId;
    readonly artifact: ArtifactRef;
    readonly epoch: number;
  }): Promise<void>;
  /** mutate. Reads back after an unknown outcome; returns the endpoint as read back. */
  setTraffic(input: {
    readonly endpoint: string;
    readonly weights: { readonly [version: VersionId]: number };
    readonly ifRevision: string;
    readonly epoch: number;
    readonly lease: { readonly seconds: number; readonly fallback: VersionId } | null;
  }): Promise<EndpointState>;
  /** read and renew. One look: weights read back, counts per arm, verdict, evidence appended, lease renewed. */
  observe(input: ObserveInput): Promise<Observation>;
  /** mutate. */
  retireVersion(input: {
    readonly key: string;
    readonly endpoint: string;
    readonly version: VersionId;
    readonly epoch: number;
  }): Promise<void>;
}

// ---- control: on `retempo.control` ----------------------------------------------------------------------------------

export interface ControlActivities extends CheckpointActivities {
  /**
   * read. The governor's last saved snapshot, or null for a new model; and the highest number of a recorded decision, 0
   * without one: a save that was cut short has recorded decisions that the snapshot does not count.
   */
  loadGovernor(input: { readonly model: string }): Promise<{
    readonly snapshot: { readonly [key: string]: unknown } | null;
    readonly recorded: number;
  }>;
  /**
   * mutate. Group commit of decisions: saved before any answer leaves. Repeated, it writes nothing twice; a decision whose
   * number is taken by another one is recorded beside it, never dropped.
   */
  saveGovernor(input: {
    readonly model: string;
    readonly revision: number;
    readonly snapshot: { readonly [key: string]: unknown };
    readonly decisions: readonly Decision[];
  }): Promise<void>;
  /** read. */
  describeRelease(input: { readonly releaseId: string }): Promise<{
    readonly state: 'open' | 'closed' | 'unknown';
    readonly outcome?: ReleaseOutcome;
  }>;
  /** read. `anchor` names the pinned version (`pinned`), one version, or nothing (null). */
  getChampion(input: { readonly model: string; readonly anchor: string | null }): Promise<{
    readonly champion: VersionRecord | null;
    readonly anchor: VersionRecord | null;
  }>;
  /** read. What a rollback without a canary would give the traffic to: the champion before the present one, or null. */
  getPreviousChampion(input: { readonly model: string }): Promise<VersionRecord | null>;
  /** submit. */
  registerVersion(input: {
    readonly record: Omit<VersionRecord, 'v' | 'version'>;
    readonly seq: number;
  }): Promise<VersionRecord>;
  /** mutate. Alias `champion` by compare-and-set, after 100 % was read back. */
  setChampion(input: {
    readonly model: string;
    readonly version: VersionId;
    readonly expected: VersionId | null;
    readonly releaseId: string;
    readonly reason: string;
  }): Promise<void>;
  /** read. Metrics, paired comparison, slices; writes the evidence document. */
  evaluateGate(input: GateInput): Promise<GateEvaluation>;
  /** mutate. Starts the loss detector of a model again: after a promotion, or after a retrain that did not help. */
  resetMonitor(input: { readonly model: string; readonly runId: string }): Promise<void>;
  /** mutate. Marks reports as received by the governor. */
  confirmReports(input: { readonly model: string; readonly reports: readonly WindowReport[] }): Promise<void>;
  /** mutate. Decision record and history of a finished run, kept beyond the server's retention. */
  exportRun(input: {
    readonly model: string;
    readonly releaseId: string;
    readonly decisions: readonly Decision[];
  }): Promise<void>;
  /** mutate. */
  notifyPeople(input: {
    readonly kind: string;
    readonly model: string;
    readonly text: string;
    readonly dedupeKey: string;
  }): Promise<void>;
}
