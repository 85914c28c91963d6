import type { Window } from './windows.js';

/** Counts that every feature has. */
interface FeatureCommon {
  readonly name: string;
  /** 1 = named important, or nothing was named; 0 = others were named. */
  readonly importance: number;
  readonly nulls: number;
}

/**
 * Histogram of a numeric feature. `edges` are the distinct percentiles of the reference. `counts[0]` holds the values
 * equal to the first edge, `counts[i]` those in (edge i-1, edge i]; values equal to one of `points` (edges that hold more
 * than 1 % of the reference) are counted in `pointCounts` and nowhere else.
 */
export interface NumericProfile extends FeatureCommon {
  readonly kind: 'numeric';
  readonly nan: number;
  readonly negativeInfinity: number;
  readonly positiveInfinity: number;
  /** Finite values. */
  readonly n: number;
  /** Over finite values; null without any. */
  readonly min: number | null;
  readonly max: number | null;
  /** Mean and sum of squared deviations of the finite values; null without any, or with one of 1e150 or more. */
  readonly mean: number | null;
  readonly m2: number | null;
  readonly edges: readonly number[];
  readonly counts: readonly number[];
  readonly points: readonly number[];
  readonly pointCounts: readonly number[];
  /** Finite values below the first and above the last edge. */
  readonly underflow: number;
  readonly overflow: number;
}

/** Counts of a categorical feature: values as text, cut at 128 characters. */
export interface CategoricalProfile extends FeatureCommon {
  readonly kind: 'categorical';
  /** At most 200 values of the reference, most frequent first. */
  readonly values: readonly string[];
  readonly counts: readonly number[];
  /** Values that the reference has, but not among `values`. */
  readonly other: number;
  /** Values that the reference does not have. 0 when the reference has more values than it lists: then they are in `other`. */
  readonly unseen: number;
  /** True when `values` are all the values of the reference. */
  readonly complete: boolean;
}

/** One feature of a profile. */
export type FeatureProfile = NumericProfile | CategoricalProfile;

/** Mergeable summary of a data window; holds no rows. Plain JSON: canonical JSON of it is the same for the same rows. */
export interface Profile {
  readonly v: 'retempo.profile/v1';
  /** Event time it covers; null = all rows of its files. */
  readonly window: Window | null;
  readonly rows: number;
  /** In the order of the source; columns that are neither numbers, booleans nor text are left out. */
  readonly features: readonly FeatureProfile[];
  /** The label, whose missing values are labels that have not arrived; null when the files have none. */
  readonly target: FeatureProfile | null;
}
