import type { Sample } from '../input.js';
import type { Verdict } from './judge-metric-types.js';

/**
 * One feature in one window: counts per bin (bins of the reference, the same in every window of the feature), or the
 * values themselves for a numeric feature.
 */
export interface FeatureWindow {
  /** Rows per bin: whole numbers. Numeric: bins in ascending order. Categorical: one bin per category, order free. */
  readonly counts?: Sample;
  /** Values of a numeric feature; finite (count NaN and infinities as missing). */
  readonly values?: Sample;
  /** Rows without a value. Default 0. */
  readonly missing?: number;
}

/** A feature with its windows. */
export interface DriftFeature {
  readonly name: string;
  readonly kind: 'numeric' | 'categorical';
  /** Share of the model's decisions that rest on it, in [0, 1]; 0 = its drift is reported only. Default: unknown. */
  readonly importance?: number;
  /** What the model was trained on. */
  readonly train: FeatureWindow;
  /** The same slot of an earlier period (weekday, month): drift must show against it as well. */
  readonly seasonal?: FeatureWindow;
  /** The window to judge. */
  readonly current: FeatureWindow;
}

/** What is remembered of an earlier window: the `window` of its result. */
export interface DriftWindow {
  readonly verdict: Verdict;
  /** Features that drifted in it. */
  readonly drifted: readonly string[];
  /** Features that drifted in it or before and are not settled since: how many calm windows each has had in a row. */
  readonly unsettled?: Readonly<Record<string, number>>;
}

/** Limits of the drift rule. */
export interface DriftPolicy {
  /** False discovery rate over the features of a window. Default .05. */
  readonly falseDiscoveryRate?: number;
  /** Smallest effect that counts: PSI, and for numeric features the shift in standard deviations. Default .1. */
  readonly effectAtLeast?: number;
  /** Effect from which a drift is major. Default .25. */
  readonly majorAtLeast?: number;
  /** Fewest rows of a window, and of a reference. Default 500. */
  readonly minRows?: number;
  /** A reference with fewer than this many times the rows of the window is reported. Default 10. */
  readonly referenceTimes?: number;
  /** A major drift of a feature with at least this importance is confirmed at once. Default .2. */
  readonly confirmAtOnceImportance?: number;
  /** Calm windows in a row after which a feature that drifted is settled. Default 3. */
  readonly settledAfter?: number;
  /** A window is calm for a feature whose effect is below this share of `effectAtLeast`. Default .8. */
  readonly calmBelow?: number;
}

/** Input of `judgeDrift`. */
export interface JudgeDriftInput {
  readonly features: readonly DriftFeature[];
  /** Earlier windows, oldest first. Windows without data are passed over. Default: none. */
  readonly history?: readonly DriftWindow[];
  readonly policy?: DriftPolicy;
}

/** Comparison of a window with one reference. */
export interface DriftComparison {
  readonly pValue: number;
  readonly psi: number;
  /** 99 % quantile of the PSI when nothing changed. */
  readonly psiNullQuantile99: number;
  /** Numeric features: shift in standard deviations of the reference, safe against outliers; null for categorical. */
  readonly shift: number | null;
  /** The larger of PSI and shift. */
  readonly effect: number;
  readonly referenceRows: number;
  readonly smallReference: boolean;
}

/** Judgement of one feature. */
export interface FeatureJudgement {
  readonly name: string;
  readonly kind: DriftFeature['kind'];
  readonly importance: number | null;
  /** `fail` confirmed, `inconclusive` drifted but not confirmed, `pass` not drifted (or importance 0), `noData`. */
  readonly verdict: Verdict;
  readonly drifted: boolean;
  readonly confirmed: boolean;
  readonly severity: 'none' | 'minor' | 'major';
  readonly rows: number;
  /** Share of rows without a value: in the training reference, and now. */
  readonly missingShare: { readonly train: number; readonly current: number };
  /** Against training and season; null without enough data. */
  readonly train: DriftComparison | null;
  readonly seasonal: DriftComparison | null;
  /** The larger p-value of both references, and after Benjamini-Hochberg over the features; null without data. */
  readonly pValue: number | null;
  readonly adjustedPValue: number | null;
  /** The smaller effect of both references. */
  readonly effect: number | null;
  /** One sentence with numbers. */
  readonly reason: string;
}

/** Output of `judgeDrift`. */
export interface DriftJudgement {
  readonly verdict: Verdict;
  /** Sentences, the decisive ones first. */
  readonly reasons: readonly string[];
  readonly features: readonly FeatureJudgement[];
  /** Features that drifted in this window, confirmed or not, importance 0 left out. */
  readonly drifted: readonly string[];
  readonly confirmed: readonly string[];
  /**
   * Features that drifted, now or before, and have not been calm for `settledAfter` windows in a row since: a suspicion is
   * over when there are none. They do not change the verdict, which is about this window.
   */
  readonly unsettled: readonly string[];
  /** To be appended to `history` for the next window. */
  readonly window: DriftWindow;
}
