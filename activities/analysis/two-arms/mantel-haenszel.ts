import { normalSf } from '../distributions/index.js';
import { requireArray, requireCounts, requireObject, requireShare, type Counts } from '../input.js';
import { createSum } from '../sums.js';
import { intervalZ } from './proportions.js';

/** Input of {@link mantelHaenszel}: one entry per stratum (a traffic step, a slice); `confidence` defaults to .95. */
export interface MantelHaenszelInput {
  readonly strata: readonly { readonly candidate: Counts; readonly champion: Counts }[];
  readonly confidence?: number;
}

/** Stratified comparison, candidate against champion. */
export interface MantelHaenszelResult {
  /** Candidate minus champion; null when no stratum has both arms. */
  readonly riskDifference: number | null;
  /** Candidate over champion; Infinity when only the candidate has events, null when neither has. */
  readonly riskRatio: number | null;
  readonly oddsRatio: number | null;
  /** Of the risk difference (Sato 1989). */
  readonly standardError: number;
  /** Interval of the risk difference. */
  readonly lower: number;
  readonly upper: number;
  /** Cochran-Mantel-Haenszel statistic without continuity correction, 1 degree of freedom. */
  readonly chiSquare: number;
  readonly pValue: number;
}

/**
 * Mantel-Haenszel risk difference (Sato's variance), risk ratio, odds ratio and chi-square test over strata. Strata in
 * which an arm is empty say nothing and drop out. Never flips its sign with the split of the strata, unlike pooled rates.
 * Throws `AnalysisInputError` for no strata or malformed counts.
 */
export const mantelHaenszel = (input: MantelHaenszelInput): MantelHaenszelResult => {
  requireObject('input', input);
  const { strata, confidence = 0.95 } = input;
  requireArray('strata', strata, 1);
  requireShare('confidence', confidence);
  const [gap, weight, riskTop, riskBottom, oddsTop, oddsBottom, p, q, excess, variance] = Array.from(
    { length: 10 },
    () => createSum()
  ) as [Sum, Sum, Sum, Sum, Sum, Sum, Sum, Sum, Sum, Sum];
  for (const [i, stratum] of strata.entries()) {
    requireObject(`strata[${i}]`, stratum);
    requireCounts(`strata[${i}].candidate`, stratum.candidate);
    requireCounts(`strata[${i}].champion`, stratum.champion);
    const { events: x1, trials: n1 } = stratum.candidate;
    const { events: x2, trials: n2 } = stratum.champion;
    if (n1 === 0 || n2 === 0) continue;
    const n = n1 + n2;
    const share1 = n1 / n;
    const share2 = n2 / n;
    gap.add(x1 * share2);
    gap.add(-x2 * share1);
    weight.add(n1 * share2);
    riskTop.add(x1 * share2);
    riskBottom.add(x2 * share1);
    oddsTop.add(x1 * ((n2 - x2) / n));
    oddsBottom.add(x2 * ((n1 - x1) / n));
    p.add(share1 * share1 * x2 - share2 * share2 * x1 + (share1 * share2 * (n2 - n1)) / 2);
    q.add((x1 * ((n2 - x2) / n) + x2 * ((n1 - x1) / n)) / 2);
    const events = x1 + x2;
    excess.add(x1 * share2);
    excess.add(-x2 * share1);
    if (n > 1) variance.add(share1 * share2 * events * ((n - events) / (n - 1)));
  }
  const total = weight.value();
  const spread = variance.value();
  const chiSquare = spread === 0 ? 0 : (excess.value() / spread) * excess.value();
  const pValue = 2 * normalSf(Math.sqrt(chiSquare));
  if (total === 0) {
    const none = { riskDifference: null, riskRatio: null, oddsRatio: null };
    return { ...none, standardError: 0, lower: -Infinity, upper: Infinity, chiSquare, pValue };
  }
  const riskDifference = gap.value() / total;
  const standardError = Math.sqrt(Math.max(0, riskDifference * p.value() + q.value())) / total;
  const half = intervalZ(confidence) * standardError;
  return {
    riskDifference,
    riskRatio: ratioOf(riskTop.value(), riskBottom.value()),
    oddsRatio: ratioOf(oddsTop.value(), oddsBottom.value()),
    standardError,
    lower: riskDifference - half,
    upper: riskDifference + half,
    chiSquare,
    pValue,
  };
};

type Sum = ReturnType<typeof createSum>;

const ratioOf = (top: number, bottom: number): number | null => (top === 0 && bottom === 0 ? null : top / bottom);
