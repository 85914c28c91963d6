import type { Verdict } from './judge-metric-types.js';

/** Metrics a gate knows. Direction: `auc` and `accuracy` higher is better, the others lower. */
export type GateMetricName = 'logLoss' | 'brier' | 'accuracy' | 'auc' | 'mae' | 'mse';

/** Limits of one metric, in its own unit; at least one must be given. */
export interface GateLimits {
  /** Floor of a metric where lower is better: the candidate is proven at or below it, or does not pass. */
  readonly atMost?: number;
  /** Floor of a metric where higher is better. */
  readonly atLeast?: number;
  /** Margin of non-inferiority against the champion on the same rows, at least 0. */
  readonly notWorseBy?: number;
  /** Gain over the champion that must be proven, at least 0. */
  readonly betterBy?: number;
  /**
   * Most by which one row of the candidate can be worse than the other version's, in the unit of the metric (its clip,
   * or what one row can cost); above 0. It is what rows too rare to be in the sample are counted at, in `notWorseBy`,
   * `betterBy` and the anchor of this metric. Default: 5 times the largest difference seen. For metrics with a loss per
   * row other than accuracy, where a row counts 1.
   */
  readonly worstRow?: number;
}

/** What a candidate must show before it may go on. */
export interface GateSpec {
  /** Limits by metric; order is the order of the report, and the first compared metric gives `gain`. */
  readonly metrics: { readonly [name: string]: GateLimits };
  /** Parts of the data that must not get worse: one slice per value of each of these row properties. */
  readonly slices?: { readonly by: readonly string[]; readonly minRows: number } | null;
  /** Fewest rows for any verdict. Default 500. */
  readonly minRows?: number;
  /**
   * Budget against a pinned older version, in the unit of `metric` (default: the first metric with a loss per row):
   * stops a chain of retrains each a little worse than the one before.
   */
  readonly anchor?: { readonly notWorseBy: number; readonly metric?: string } | null;
  /** One-sided confidence of every proof, in (.5, 1). Default .95: 90 % intervals are reported. */
  readonly confidence?: number;
  /** Resamples of the bootstrap. Default 10,000. */
  readonly iterations?: number;
  /** Probability from which a row is called class 1, for `accuracy`. Default .5. */
  readonly threshold?: number;
  /** Seed of the bootstrap: a whole number of at least 0. */
  readonly seed: number;
}

/** One row of the evaluation window: a label and what the versions said about it. */
export interface GateRow {
  /** Names the row; unique. */
  readonly key: string;
  /** What varies independently, such as a day or a user; on all rows or on none. */
  readonly cluster?: string | number;
  /** Properties that slices are taken by. */
  readonly slice?: { readonly [property: string]: string | number | boolean };
  /** 0 or 1 for class metrics, a number for `mae` and `mse`. */
  readonly label: number;
  /** Prediction of the champion; on all rows, or on none when there is no champion. */
  readonly champion?: number | null;
  /** Prediction of the candidate. */
  readonly candidate: number;
  /** Prediction of the pinned version; on all rows or on none. */
  readonly anchor?: number | null;
  /** True when champion or candidate was trained on this row: it is left out and counted. */
  readonly trainedOn?: boolean;
}

/** Input of `runGate`. */
export interface GateInput {
  readonly gate: GateSpec;
  readonly rows: readonly GateRow[];
}

/** The slice that looks worst in a slice check. */
export interface SliceResult {
  readonly property: string;
  readonly value: string;
  readonly metric: GateMetricName;
  readonly n: number;
  readonly clusterCount: number;
  /** Candidate minus champion, mean loss; above 0 is worse. */
  readonly difference: number;
  readonly lower: number;
  readonly upper: number;
  /** One-sided p-value of "worse than the margin", and the same after Holm over all judged slices. */
  readonly pValue: number;
  readonly adjustedPValue: number;
}

/** What a check compares. */
export type GateCheckKind = 'data' | 'floor' | 'notWorse' | 'better' | 'slices' | 'anchor';

/** One check, with every number it was decided by; null where there is none. */
export interface GateCheck {
  /** Such as `logLoss atMost` or `slices origin`. */
  readonly name: string;
  readonly kind: GateCheckKind;
  readonly metric: GateMetricName | null;
  /** The worst slice, such as `origin=ORD`; null for checks over all rows. */
  readonly slice: string | null;
  /** The candidate's own metric (floor), or candidate minus champion or anchor. */
  readonly estimate: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
  /** The limit, on the scale of `estimate`: a margin is negative where higher is better. */
  readonly threshold: number | null;
  readonly n: number;
  readonly clusterCount: number;
  readonly verdict: Verdict;
  /** One sentence with numbers. */
  readonly reason: string;
}

/** Output of `runGate`. */
export interface GateResult {
  readonly verdict: Verdict;
  readonly checks: readonly GateCheck[];
  /** Sentences, the decisive ones first. */
  readonly reasons: readonly string[];
  /** Estimated gain over the champion in the first compared metric; positive is better; null without a champion. */
  readonly gain: number | null;
  /** True when there was no champion, so that every comparison passed unproven. */
  readonly rubberStamp: boolean;
  /** Rows judged, and rows left out because a version was trained on them. */
  readonly rowsJudged: number;
  readonly rowsTrainedOn: number;
  /** Every slice that was judged, worst first, and the number of slices with too few rows. */
  readonly slices: readonly SliceResult[];
  readonly slicesTooSmall: number;
}
