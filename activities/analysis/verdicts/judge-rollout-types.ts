import type { Verdict } from './judge-metric-types.js';

/** What a metric may do: roll back, be asked for, hold, or only be shown. */
export type MetricRole = 'guardrail' | 'goal' | 'signal' | 'info';

/** The verdict of one metric at this look, as `judgeMetric` or `judgeThreshold` gave it. */
export interface RolloutMetric {
  readonly name: string;
  readonly role: MetricRole;
  readonly verdict: Verdict;
  /** Sentences of the judgement. */
  readonly reasons?: readonly string[];
  /** A hard bound: its `fail` rolls back whatever its role. Default false. */
  readonly critical?: boolean;
}

/** Units of one traffic step, each counted once, and the share that the candidate was meant to get. */
export interface ExposureStep {
  readonly candidate: number;
  readonly champion: number;
  /** Inside (0, 1). */
  readonly expectedShare: number;
}

/** How the traffic arrived. */
export interface Exposures {
  /** One entry per step, the current one last; de-duplicated units. */
  readonly steps: readonly ExposureStep[];
  /** Units that were served by both arms within one step, which sticky routing forbids; default 0. */
  readonly multiple?: number;
  /**
   * Units keep their arm from step to step, as with sticky routing: the steps then tell the same units again. Each is tested
   * by itself, all together at the level (Bonferroni), instead of multiplying their evidence. Default false.
   */
  readonly isSticky?: boolean;
}

/** One step of the plan. */
export interface StrategyStep {
  readonly weight: number;
  /** Least time at this weight; default 0. */
  readonly holdSeconds?: number;
  /** Least units per arm in this step; default 0. */
  readonly minUnitsPerArm?: number;
  /** Default false. */
  readonly requireApproval?: boolean;
  /** False: advances by time alone, though a failing guardrail still rolls back. Default true. */
  readonly monitored?: boolean;
}

/** The rules of a rollout. */
export interface RolloutRules {
  readonly steps: readonly StrategyStep[];
  /** Default `rollback`. */
  readonly onGuardrailFailure?: 'rollback' | 'hold';
  /** Default `hold`. */
  readonly onSrm?: 'hold' | 'rollback' | 'warn';
  /** After the step's deadline without a pass; default `hold`. */
  readonly onInconclusive?: 'hold' | 'rollback';
  /** Level of the running sample-ratio test; default .001. */
  readonly srmAlpha?: number;
  /** Consecutive looks with a provider error that are borne; default 4. */
  readonly consecutiveErrorLimit?: number;
  /** Time without data that is borne; default 3,600. */
  readonly noDataSeconds?: number;
  /** Time in one step after which `onInconclusive` applies; default 86,400. */
  readonly stepSeconds?: number;
}

/** Where the rollout stands. */
export interface RolloutStep {
  /** Position in `strategy.steps`, from 0. */
  readonly index: number;
  /** Time at this weight. */
  readonly elapsedSeconds: number;
  /** Units of the current step per arm. */
  readonly units: { readonly candidate: number; readonly champion: number };
  readonly approved?: boolean;
  /** Whether the labels that the goals need are mature; default true. */
  readonly labelsMature?: boolean;
}

/** What the next look needs to know; JSON-safe. */
export interface RolloutState {
  readonly v: 1;
  /** Why it was rolled back: absorbing; null before. */
  readonly rolledBack: string | null;
  /** Largest evidence of a sample-ratio mismatch so far, ln of the Bayes factor. */
  readonly srmLogBayesFactor: number;
  /** Consecutive looks in error per metric. */
  readonly errorStreaks: Readonly<Record<string, number>>;
  /** Names of all guardrails so far: one that is not given any more is without data, not gone. */
  readonly guardrails?: readonly string[];
  /** Step index and elapsed seconds at which a metric's data went missing. */
  readonly missingSince: Readonly<Record<string, { readonly step: number; readonly elapsedSeconds: number }>>;
}

/** Input of `judgeRollout`. */
export interface JudgeRolloutInput {
  readonly strategy: RolloutRules;
  readonly metrics: readonly RolloutMetric[];
  /** Null where exposures are not measured. */
  readonly exposures: Exposures | null;
  readonly step: RolloutStep;
  /** `state` of the look before. */
  readonly previous?: RolloutState;
}

/** Why an action was taken: the first cause in the order of the rules. */
export type RolloutCause =
  | 'rolledBack'
  | 'criticalBound'
  | 'guardrailFailed'
  | 'sampleRatio'
  | 'multipleExposure'
  | 'missingData'
  | 'signalFailed'
  | 'deadline'
  | 'guardrailsOpen'
  | 'holdTime'
  | 'minUnits'
  | 'approval'
  | 'goalsOpen'
  | 'labels'
  | 'passed';

/** A judgement of the whole rollout at one look. */
export interface RolloutJudgement {
  readonly action: 'rollback' | 'hold' | 'continue' | 'advance' | 'promote';
  readonly cause: RolloutCause;
  readonly reasons: readonly string[];
  /** Things that do not decide but must be seen: `onSrm: 'warn'`, failing info metrics. */
  readonly warnings: readonly string[];
  readonly state: RolloutState;
}
