import type { ArtifactRef, VersionId } from './artifacts.js';
import type { ModelSpec } from './spec.js';

/** A reason to retrain. The same source and id are the same event, however often and from wherever it arrives. */
export interface Trigger {
  readonly kind: 'person' | 'event' | 'schedule' | 'drift';
  /** Who reports, such as `pricing`, `cli`, `driftCheck`. */
  readonly source: string;
  /** The source's own id of this occurrence. */
  readonly id: string;
  /** Half a sentence for people: `new fares loaded`. */
  readonly cause: string;
  /** ISO 8601. */
  readonly at: string;
  readonly actor: string;
  readonly subject?: string;
  readonly sequence?: string;
  /** Overrides cooldown, budget, hold and breaker; needs a person. */
  readonly force?: boolean;
}

export interface Answer {
  readonly answer: 'accepted' | 'coalesced' | 'refused';
  /** True when this source and id had been answered before; the answer is then the first one. */
  readonly repeated: boolean;
  /** Run that carries the trigger out: running, or reserved. */
  readonly runId?: string;
  /** One sentence: why, and what to do. */
  readonly reason: string;
  /** ISO 8601: earliest time at which asking again can help. */
  readonly retryAt?: string;
}

/** What one monitoring window showed. Calm windows are reported too. */
export interface WindowReport {
  /** `<from>/<to>` in ISO 8601, event time. */
  readonly windowId: string;
  readonly part: 'features' | 'labels';
  /** Grows when the same window is judged again, for example with more labels. */
  readonly revision: number;
  readonly verdict: 'pass' | 'fail' | 'inconclusive' | 'noData' | 'error';
  /** True when the evidence is enough to retrain: the loss alarm, or the same feature in 2 of 3 windows. */
  readonly confirmed: boolean;
  /** One sentence with numbers. */
  readonly reason: string;
  readonly champion: VersionId | null;
}

export type ReleaseResult =
  'promoted' | 'refusedByGate' | 'rejected' | 'rolledBack' | 'dataInvalid' | 'noData' | 'error' | 'cancelled';

/** How a run ended. */
export interface ReleaseOutcome {
  readonly result: ReleaseResult;
  /** Gate passed, canary succeeded and, where drift was the cause, the gain was large enough. */
  readonly helped: boolean;
  readonly version?: VersionId;
  /** One sentence with the decisive numbers. */
  readonly reason: string;
}

export interface ReleaseReport {
  readonly runId: string;
  readonly phase: ReleasePhase;
  /** What waits for a person, when something does. */
  readonly waitingFor?: WaitingFor | null;
  readonly outcome?: ReleaseOutcome;
}

/** `open` until the data snapshot is taken: a trigger before it joins the run. */
export type ReleasePhase = 'open' | 'training' | 'evaluating' | 'gate' | 'awaitingApproval' | 'canary' | 'done';

export interface WaitingFor {
  readonly workflowId: string;
  /** One sentence: what is awaited, from whom. */
  readonly what: string;
  /** ISO 8601, or null when nothing ends the wait but the event. */
  readonly until: string | null;
  /** An approval must name exactly these; it is void as soon as one changes. */
  readonly digests?: ApprovalDigests;
}

export interface ApprovalDigests {
  readonly model: string;
  readonly evidence: string;
  readonly policy: string;
}

export type GovernorPhase = 'healthy' | 'suspect' | 'confirmed' | 'waiting' | 'hold' | 'paused' | 'running';

/** One decision of a governor. Newest first in every list. */
export interface Decision {
  /** Number of the governor's decision; grows, with a gap where a governor came back. Absent in the records of single runs. */
  readonly n?: number;
  readonly at: string;
  readonly what: string;
  /** Who or what decided: a person, `governor`, `gate`, `canary`, `driftCheck`. */
  readonly by: string;
  readonly runId?: string;
  readonly version?: VersionId;
  /** One sentence with numbers. */
  readonly reason: string;
}

export interface GovernorStatus {
  readonly v: 1;
  readonly model: string;
  readonly phase: GovernorPhase;
  /** One line for people: what happens, why, until when. */
  readonly sentence: string;
  readonly champion: VersionId | null;
  readonly running: { readonly runId: string; readonly phase: ReleasePhase; readonly since: string } | null;
  readonly next: { readonly runId: string; readonly causes: number } | null;
  readonly waitingFor: WaitingFor | null;
  readonly cooldownUntil: string | null;
  readonly cooldownFactor: number;
  readonly budget: { readonly used: number; readonly of: number; readonly perMs: number };
  readonly specDigest: string;
  /** Digest of owner and limits that the next run gets. */
  readonly installationDigest: string;
}

/** Times and limits of one installation, from `retempo.yaml`. All in milliseconds. */
export interface Limits {
  /** Heartbeat time-out of waits: how soon a dead worker is noticed. */
  readonly heartbeatMs: number;
  /** A queue without a worker for this long hands over to the next pool. */
  readonly noWorkerMs: number;
  /** A job queued this long at a pool hands over to the next. */
  readonly queuedMs: number;
  /** How often a governor asks whether its run still exists. */
  readonly describeMs: number;
}

export const defaultLimits: Limits = {
  heartbeatMs: 75_000,
  noWorkerMs: 120_000,
  queuedMs: 900_000,
  describeMs: 600_000,
};

/** Memo of a governor's workflow: list rows carry it, so that nobody has to be asked. */
export interface GovernorMemo {
  readonly v: 1;
  readonly endpoint: string;
  readonly site: string;
  readonly task: string;
}

/** The memo that a governor with this spec has. */
export const memoOf = ({ task, release: { endpoint, site } }: ModelSpec): GovernorMemo => ({
  v: 1,
  endpoint,
  site,
  task,
});

/** What a version is made of and where it came from. */
export interface VersionRecord {
  readonly v: 1;
  readonly model: string;
  readonly version: VersionId;
  readonly artifact: ArtifactRef;
  readonly releaseId: string;
  readonly site: string;
  /** Key of the job that trained it. */
  readonly jobKey: string;
  readonly specDigest: string;
  readonly code: ArtifactRef;
  readonly evaluator: ModelSpec['evaluate'];
  readonly data: SnapshotSummary;
  readonly parent: VersionId | null;
}

export interface TimeWindow {
  /** ISO 8601; inclusive. */
  readonly from: string;
  /** ISO 8601; exclusive. */
  readonly to: string;
  readonly rows: number;
}

export interface SnapshotSummary {
  readonly train: ArtifactRef;
  readonly evaluate: ArtifactRef;
  readonly labels: ArtifactRef;
  readonly trainWindow: TimeWindow;
  readonly evaluateWindow: TimeWindow;
  /** Newest event time of the source. */
  readonly watermark: string;
}
