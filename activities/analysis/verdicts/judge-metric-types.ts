import type { Counts } from '../input.js';

/** Outcome of a judgement; never a boolean. */
export type Verdict = 'pass' | 'fail' | 'inconclusive' | 'noData' | 'error';

/** Moments of one arm for a metric that is a mean: units, sum and sum of squares of the values. */
export interface ArmMoments {
  readonly n: number;
  readonly sum: number;
  readonly sumSquares: number;
}

/** An arm that could not be read, with the provider's message. */
export interface ArmError {
  readonly error: string;
}

/** One arm of one step: counts, moments, `null` where nothing was measured, or the error of the provider. */
export type MetricArm = Counts | ArmMoments | ArmError | null;

/** Cumulative data of one traffic step; the last step of a list is the current one. */
export interface MetricStep {
  /** Traffic weight of the candidate in percent, 0 to 100. */
  readonly weight: number;
  readonly candidate: MetricArm;
  readonly champion: MetricArm;
}

/** What is asked of a metric. All limits are about harm: a ratio above 1 (a difference above 0) is worse. */
export interface MetricSpec {
  /** Name in the reasons; default `metric`. */
  readonly name?: string;
  /** What one trial or value is, in the singular; default `request`. Units must be independent. */
  readonly unit?: string;
  /** Unit of the values of a mean, such as `ms`; default none. */
  readonly valueUnit?: string;
  /** Default `lowerIsBetter` (errors, latency). With `higherIsBetter` harm is champion over candidate. */
  readonly direction?: 'lowerIsBetter' | 'higherIsBetter';
  /** Means only: compare the `ratio` of means (default) or their `difference`, which also works around zero. */
  readonly scale?: 'ratio' | 'difference';
  /** Roll back when the harm is proven above it. Default 1 for a ratio, 0 for a difference. */
  readonly worseThan?: number;
  /** Advance when the harm is proven below it. Default 2 for event rates; means have no default. */
  readonly safeBelow?: number;
  /** Event rates where lower is better: a candidate rate proven below this never matters. Default .01; null is off. */
  readonly ignoreBelow?: number | null;
  /** Concentration of the prior of the count test; default 20. */
  readonly priorStrength?: number;
  /**
   * Mean size of the bursts in which events come (variance over mean of the counts), at least 1; default 1. Counts are
   * divided by it: events of one burst are one piece of evidence.
   */
  readonly overdispersion?: number;
  /** Means only: units of both arms at which the interval is tightest, fixed before the start; default 5,000. */
  readonly tuning?: number;
  /** Units per arm in the current step below which the verdict is never `pass`; default 1, for means 100 (also least). */
  readonly minUnits?: number;
}

/** What the next look needs to know; JSON-safe. */
export interface MetricState {
  readonly v: 1;
  /** Units of both arms seen so far: fewer at a later look means that data were lost. */
  readonly n: number;
  /** The reason of a `fail`, which latches; null before one. */
  readonly failed: string | null;
  /** Running lower end: the largest so far; null while unbounded. */
  readonly lower: number | null;
  /** Running upper end: the smallest so far; null while unbounded. */
  readonly upper: number | null;
}

/** Input of `judgeMetric`. */
export interface JudgeMetricInput {
  readonly spec: MetricSpec;
  readonly steps: readonly MetricStep[];
  /** Error probability of a false `fail`, and separately of a false `pass`, over all looks together. */
  readonly alpha: number;
  /** `state` of the look before. */
  readonly previous?: MetricState;
}

/** A judgement of one metric at one look. */
export interface MetricJudgement {
  readonly verdict: Verdict;
  /** Harm (ratio, or difference of means) over all steps; null without data for it. */
  readonly estimate: number | null;
  /** Ends of the interval of the harm at this look, each one-sided at alpha; -Infinity or 0 and Infinity if unbounded. */
  readonly lower: number;
  readonly upper: number;
  readonly worseThan: number;
  readonly safeBelow: number;
  readonly ignoreBelow: number | null;
  /** The candidate's own rate is proven below `ignoreBelow`. */
  readonly small: boolean;
  /** Units of both arms over all steps. */
  readonly n: number;
  readonly alpha: number;
  readonly reasons: readonly string[];
  readonly state: MetricState;
}

/** A {@link MetricSpec} with every default filled in. */
export interface ResolvedSpec {
  readonly kind: 'rate' | 'mean';
  readonly name: string;
  readonly unit: string;
  readonly valueUnit: string;
  readonly direction: 'lowerIsBetter' | 'higherIsBetter';
  readonly scale: 'ratio' | 'difference';
  readonly worseThan: number;
  readonly safeBelow: number;
  readonly ignoreBelow: number | null;
  readonly priorStrength: number;
  readonly overdispersion: number;
  readonly tuning: number;
  readonly minUnits: number;
}

/** Harm over all steps at one look. */
export interface Harm {
  readonly estimate: number | null;
  readonly lower: number;
  readonly upper: number;
  readonly small: boolean;
  /** Why the interval is not there yet or not to be trusted, as sentences without the metric's name. */
  readonly lacking: readonly string[];
}
