import type { ArtifactRef, VersionId } from './artifacts.js';
import type { ApprovalDigests, Limits, SnapshotSummary, VersionRecord } from './governor.js';
import type { ModelSpec, ReleaseSpec } from './spec.js';

/** What every workflow of one installation is told. */
export interface Installation {
  /** Owner tag of jobs. */
  readonly owner: string;
  readonly limits: Limits;
}

export interface ReleaseInput {
  readonly v: 1;
  readonly installation: Installation;
  readonly releaseId: string;
  readonly seq: number;
  readonly spec: ModelSpec;
  readonly specDigest: string;
  /** For people: `loss drifted +0.031, 3 causes`. */
  readonly cause: string;
  readonly requestedBy: readonly string[];
  /** True when drift opened the run: then a gain is needed to count as helped. */
  readonly causedByDrift: boolean;
}

export interface PipelineInput {
  readonly v: 1;
  readonly installation: Installation;
  readonly releaseId: string;
  readonly seq: number;
  readonly spec: ModelSpec;
  readonly specDigest: string;
  readonly champion: VersionRecord | null;
  readonly anchor: VersionRecord | null;
}

export type PipelineResult =
  | {
      readonly result: 'trained';
      readonly version: VersionRecord;
      readonly predictions: {
        readonly candidate: ArtifactRef;
        readonly champion: ArtifactRef | null;
        readonly anchor: ArtifactRef | null;
      };
      /** Every attempt at a place, with why it ended. */
      readonly attempts: readonly StepAttempt[];
    }
  | { readonly result: 'dataInvalid'; readonly reason: string; readonly snapshot: SnapshotSummary | null };

export interface StepAttempt {
  readonly step: string;
  readonly attempt: number;
  /** `<site>/<pool>` */
  readonly place: string;
  readonly key: string;
  /** Digest of the checkpoint it began from, or null for a fresh start. */
  readonly resumedFrom: string | null;
  /** Whether a job was created; false when no worker or no capacity was there. */
  readonly submitted: boolean;
  readonly ended: string;
}

export interface GateInput {
  readonly v: 1;
  readonly installation: Installation;
  readonly releaseId: string;
  readonly spec: ModelSpec;
  readonly policyDigest: string;
  readonly version: VersionRecord;
  readonly predictions: {
    readonly candidate: ArtifactRef;
    readonly champion: ArtifactRef | null;
    readonly anchor: ArtifactRef | null;
  };
  readonly champion: VersionId | null;
  /** Digests of the manifests of what the candidate is compared with. */
  readonly comparedWith: { readonly champion: string | null; readonly anchor: string | null };
  readonly requestedBy: readonly string[];
}

export type Verdict = 'pass' | 'fail' | 'inconclusive' | 'noData' | 'error';

/** One check of a gate or one guardrail of a canary, with everything needed to re-derive it. `null` = unbounded or unknown. */
export interface CheckSummary {
  readonly name: string;
  readonly verdict: Verdict;
  readonly estimate: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
  readonly threshold: number | null;
  readonly n: number;
  readonly reason: string;
}

export interface GateEvaluation {
  readonly verdict: Verdict;
  readonly checks: readonly CheckSummary[];
  /** Sentences, the decisive one first. */
  readonly reasons: readonly string[];
  /** Document in the registry that holds every number. */
  readonly evidence: string;
  readonly evidenceDigest: string;
  /** Proven or estimated gain of the first comparison metric over the champion; positive is better; null without champion. */
  readonly gain: number | null;
}

export interface GateResult extends GateEvaluation {
  readonly approval: ApprovalRecord | null;
}

export interface ApprovalRecord {
  readonly decision: 'approved' | 'rejected' | 'expired';
  readonly by: readonly Vote[];
  readonly digests: ApprovalDigests;
}

/** One person's yes or no. */
export interface Vote {
  readonly actor: string;
  /** ISO 8601. */
  readonly at: string;
  readonly reason: string;
}

// ---- canary -------------------------------------------------------------------------------------------------------

export interface Deployable {
  readonly version: VersionId;
  readonly artifact: ArtifactRef;
}

export interface CanaryInput {
  readonly v: 1;
  /**
   * `canary` releases a candidate. `restore` gives 100 % to `champion`: after a canary was terminated, or because a person
   * wants the version before `candidate` back; then it also becomes the champion of the registry.
   */
  readonly mode: 'canary' | 'restore';
  /** Who asked for the restore and why; absent when it repairs. */
  readonly restoreFor?: { readonly actor: string; readonly reason: string };
  readonly installation: Installation;
  readonly releaseId: string;
  readonly model: string;
  readonly release: ReleaseSpec;
  readonly policyDigest: string;
  readonly candidate: Deployable;
  readonly evidenceDigest: string;
  readonly champion: Deployable | null;
  readonly requestedBy: readonly string[];
  /** Carried over continue-as-new. */
  readonly resume?: CanaryResume;
}

export interface CanaryResume {
  readonly state: CanaryState;
  readonly epoch: number;
  readonly revisions: readonly string[];
  readonly judged: JudgedState | null;
  /** Approvals given to the step that waits for more of them. */
  readonly votes?: readonly Vote[];
}

/** Opaque to workflows: what the judge remembers between looks (JSON-safe). */
export type JudgedState = { readonly [key: string]: unknown };

export type CanaryPhase =
  | 'deploying'
  | 'step'
  | 'awaitingApproval'
  | 'held'
  | 'promoting'
  | 'baking'
  | 'rollingBack'
  | 'rollbackBlocked'
  | 'ended';

/** Pure state of a canary; times are epoch milliseconds of workflow time. */
export interface CanaryState {
  readonly phase: CanaryPhase;
  /** Index into the weights; -1 before the first. */
  readonly step: number;
  readonly stepStartedAt: number;
  readonly startedAt: number;
  readonly bakeUntil: number | null;
  readonly paused: { readonly by: string; readonly reason: string; readonly since: number } | null;
  /** Why it holds: no data, provider error, inconclusive at the deadline, sample ratio. */
  readonly heldBecause: string | null;
  readonly approvedSteps: readonly number[];
  /** Deadline of the approval that is awaited, or null. */
  readonly approvalUntil: number | null;
  /** Who skipped the remaining proof, or null. */
  readonly promotedBy: string | null;
  readonly strikes: number;
  readonly looks: number;
  /** Set once; absorbing. */
  readonly rollback: {
    readonly reason: string;
    readonly by: string;
    readonly result: 'rolledBack' | 'aborted' | 'rejected';
  } | null;
}

export interface CanaryResult {
  readonly result: 'promoted' | 'rolledBack' | 'aborted' | 'restored' | 'rejected';
  readonly reason: string;
  readonly looks: number;
  /** Weights as read back at the end. */
  readonly weights: { readonly [version: VersionId]: number };
}
