import { normalSf } from '../distributions/index.js';
import { reject, requireCounts, requireFinite, requireObject, type Counts } from '../input.js';
import { productDifference } from '../sums.js';
import type { TestResult } from './proportions.js';

/** Input of {@link nonInferiorityScore}; higher rates are better. */
export interface NonInferiorityInput {
  readonly candidate: Counts;
  readonly champion: Counts;
  /** How much lower the candidate's rate may be, in [0, 1). */
  readonly margin: number;
}

/** Both rates with their distances to 1, all four with their own digits. */
interface RestrictedRates {
  readonly p1: number;
  readonly q1: number;
  readonly p2: number;
  readonly q2: number;
}

/**
 * The most likely rates of which the candidate's, p1, is `margin` below the champion's, p2. The likelihood is concave:
 * its slope is bisected on the range of p1, by the distance to whichever end is nearer, which may be very small.
 */
const restrictedRates = (candidate: Counts, champion: Counts, margin: number): RestrictedRates => {
  const range = 1 - margin;
  const fromBelow = (t: number): RestrictedRates => ({ p1: t, q1: 1 - t, p2: margin + t, q2: range - t });
  const fromAbove = (t: number): RestrictedRates => ({ p1: range - t, q1: margin + t, p2: 1 - t, q2: t });
  const term = (events: number, at: number): number => (events === 0 ? 0 : events / at);
  const slope = ({ p1, q1, p2, q2 }: RestrictedRates): number =>
    term(candidate.events, p1) -
    term(candidate.trials - candidate.events, q1) +
    term(champion.events, p2) -
    term(champion.trials - champion.events, q2);
  const nearBelow = slope(fromBelow(range / 2)) <= 0;
  const ratesAt = nearBelow ? fromBelow : fromAbove;
  // Seen from its own end the slope falls from above, and rises from below 0.
  const sign = nearBelow ? 1 : -1;
  let low = 0;
  let high = range / 2;
  for (let i = 0; i < 1_100; i += 1) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) break;
    if (sign * slope(ratesAt(middle)) > 0) low = middle;
    else high = middle;
  }
  return ratesAt(high < 1e-300 ? 0 : (low + high) / 2);
};

/**
 * Score test of non-inferiority of two proportions, higher is better: H0 candidate <= champion - margin, with the
 * restricted maximum-likelihood rates of Farrington and Manning (1990), without the factor N / (N - 1).
 * z = (p1 - p2 + margin) / sqrt(p1' q1' / n1 + p2' q2' / n2); a positive z favours the candidate, the p-value is
 * P(Z > z). No variance: statistic 0, p-value 1. (statsmodels gives another value for row 6 of the reference: its
 * issue 10269.) Throws `AnalysisInputError` for malformed counts, an arm without trials, a margin outside [0, 1).
 */
export const nonInferiorityScore = (input: NonInferiorityInput): TestResult => {
  requireObject('input', input);
  const { candidate, champion, margin } = input;
  requireCounts('candidate', candidate, 1);
  requireCounts('champion', champion, 1);
  requireFinite('margin', margin);
  if (margin < 0 || margin >= 1) reject('margin', 'in [0, 1)', margin);
  const events = candidate.events + champion.events;
  const trials = candidate.trials + champion.trials;
  const pooled = { p1: events / trials, q1: (trials - events) / trials };
  const { p1, q1, p2, q2 } =
    margin === 0 ? { ...pooled, p2: pooled.p1, q2: pooled.q1 } : restrictedRates(candidate, champion, margin);
  const variance = (p1 * q1) / candidate.trials + (p2 * q2) / champion.trials;
  if (!(variance > 0)) return { statistic: 0, pValue: 1 };
  const gap = productDifference(candidate.events, champion.trials, champion.events, candidate.trials);
  const difference = gap / candidate.trials / champion.trials;
  const statistic = (difference + margin) / Math.sqrt(variance);
  return { statistic, pValue: normalSf(statistic) };
};
