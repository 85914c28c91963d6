import type { ArtifactRef } from './artifacts.js';
import type { Json } from './json.js';

/**
 * A model file after validation: durations in milliseconds, shares as fractions, every default filled in, code and data
 * named. This is what workflows carry and what `specDigest` (SHA-256 of its canonical JSON) names.
 */
export interface ModelSpec {
  readonly v: 1;
  /** Lower-case slug: letters, digits, `-`; starts with a letter; at most 63 characters. */
  readonly model: string;
  readonly description?: string;
  readonly task: 'binary' | 'multiclass' | 'regression';
  /** Snapshot of the program's folder taken by `apply`; pins the code of every run. */
  readonly code: ArtifactRef;
  readonly data: DataSpec;
  readonly train: TrainSpec;
  readonly evaluate: EvaluateSpec;
  readonly gate: GatePolicy;
  readonly release: ReleaseSpec;
  readonly watch: WatchSpec;
  readonly retrain: RetrainSpec;
}

export interface DataSpec {
  /** Absolute path, `file:` URI or glob of Parquet or CSV files, readable by the workers of the `data` queues. */
  readonly source: string;
  /** Column of the event time. Windows are `[from, to)` in UTC. */
  readonly time: string;
  /** Column that names a row; joins predictions with labels that arrive later. */
  readonly key: string;
  /** What varies independently: a column, `<column>.day`, or the key. Clusters of the bootstrap. */
  readonly unit: string;
  readonly label: { readonly column: string; readonly arrivesAfterMs: number };
  readonly features: {
    /** `all` columns that are not key, label or excluded; or an explicit list. */
    readonly include: 'all' | readonly string[];
    readonly except: readonly string[];
    readonly important: readonly string[];
  };
  readonly split: { readonly trainMs: number; readonly gapMs: number; readonly evaluateMs: number };
  readonly validate: readonly ColumnRule[];
}

/** One expectation of a column; a breach stops the run before money is spent. */
export interface ColumnRule {
  readonly column: string;
  readonly type?: 'number' | 'string' | 'boolean' | 'time';
  readonly min?: number;
  readonly max?: number;
  /** Fraction of rows, 0 to 1. */
  readonly missingAtMost?: number;
  readonly oneOf?: readonly (string | number | boolean)[];
}

export interface TrainSpec {
  /** Program and arguments; no shell. */
  readonly run: readonly string[];
  /** Pools in order of preference, as `<site>/<pool>`. */
  readonly at: readonly string[];
  readonly resources: { readonly cpu?: number; readonly memoryBytes?: number };
  readonly parameters: { readonly [name: string]: Json };
  readonly env: { readonly [name: string]: string };
  readonly timeoutMs: number;
  /** Money the run may spend, or null for no limit. */
  readonly atMost: { readonly amount: number; readonly currency: string } | null;
  /** How often one pool is tried again after a preemption or a lost job before the next pool is taken. */
  readonly attemptsPerPool: number;
}

export interface EvaluateSpec {
  readonly run: readonly string[];
  readonly predictions: { readonly key: string; readonly probability?: string; readonly value?: string };
  readonly timeoutMs: number;
}

export interface MetricLimits {
  readonly atMost?: number;
  readonly atLeast?: number;
  /** Margin of non-inferiority against the champion, in units of the metric. */
  readonly notWorseBy?: number;
  /** Smallest proven gain over the champion, in units of the metric. */
  readonly betterBy?: number;
  /**
   * The most that one row can cost more with the candidate, in units of the metric: where it is known, the gate leaves room
   * for rows too rare to be in the sample. Default: five times the largest difference seen.
   */
  readonly worstRow?: number;
}

export interface GatePolicy {
  readonly metrics: { readonly [metric: string]: MetricLimits };
  /** Fewest rows for any verdict. */
  readonly minRows: number;
  readonly confidence: number;
  readonly slices: { readonly by: readonly string[]; readonly minRows: number } | null;
  readonly anchor: {
    /** `pinned` = the version the registry's pin `anchor` names; or a version id. */
    readonly version: string;
    readonly notWorseBy: number;
  } | null;
  readonly approval: ApprovalPolicy | null;
}

export interface ApprovalPolicy {
  /** Distinct people needed. */
  readonly quorum: number;
  /** Who may decide; empty = anyone but the requester. */
  readonly from: readonly string[];
  readonly expiresMs: number;
}

export interface GuardrailLimits {
  /** Ratio of rates, candidate to champion: roll back when proven above. */
  readonly worseThan: number;
  /** Ratio of rates: advance when proven below. */
  readonly safeBelow: number;
  /** Rate of the candidate's own: too small to matter when proven below. */
  readonly ignoreBelow: number;
  /** Requests that fail together count as one: mean size of such a group (variance over mean of the counts), at least 1. */
  readonly overdispersion: number;
}

export interface ReleaseSpec {
  readonly endpoint: string;
  readonly site: string;
  readonly strategy: 'canary';
  /** Whole percents, strictly increasing, each 1 to 99; 100 follows. */
  readonly steps: readonly number[];
  /** Whole percent that the champion keeps while the new version bakes; 0 = none. */
  readonly holdbackPercent: number;
  readonly bakeMs: number;
  readonly guardrails: {
    readonly errors: GuardrailLimits;
    readonly slow: (GuardrailLimits & { readonly overMs: number }) | null;
  };
  /** Chance of a false rollback per canary and guardrail. */
  readonly alpha: number;
  readonly lookEveryMs: number;
  readonly stepDeadlineMs: number;
  readonly totalDeadlineMs: number;
  readonly deployDeadlineMs: number;
  /** At the step deadline without proof either way. */
  readonly onInconclusive: 'hold' | 'rollback';
  /** `beforePercent` is the most that the candidate gets before a person has approved; null = nobody is asked. */
  readonly approval: (ApprovalPolicy & { readonly beforePercent: number }) | null;
  /** Traffic falls back to the champion when nobody judged for this long; null where the backend has no lease. */
  readonly leaseMs: number | null;
}

export interface WatchSpec {
  /** Width and period of windows, event time. */
  readonly everyMs: number;
  readonly compare: readonly ('training' | 'sameSlot')[];
  readonly minRows: number;
  readonly loss: {
    readonly metric: 'logLoss' | 'brier';
    /** Rise of the mean loss over the reference that is tolerated. */
    readonly tolerate: number;
    /** Losses are clipped here before they are scaled to [0, 1]. */
    readonly clip: number;
    /** Expected windows between false alarms. */
    readonly falseAlarmEveryWindows: number;
  } | null;
}

export interface RetrainSpec {
  readonly on: { readonly drift: boolean; readonly everyMs: number | null; readonly events: readonly string[] };
  readonly cooldownMs: number;
  readonly atMost: { readonly runs: number; readonly cost: number | null; readonly perMs: number };
  /** Consecutive runs without a usable result after which the breaker opens. */
  readonly breakerAfter: number;
  /** A candidate from a drift-caused run must be better by this much (units of the first gate metric) to count as helped. */
  readonly minGain: number;
}
