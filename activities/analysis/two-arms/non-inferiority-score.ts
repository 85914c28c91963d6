import { normalSf } from '../distributions/index.js';
import { reject, requireCounts, requireFinite, requireObject, type Counts } from '../input.js';
import type { TestResult } from './proportions.js';

/** Input of {@link nonInferiorityScore}; higher rates are better. */
export interface NonInferiorityInput {
  readonly candidate: Counts;
  readonly champion: Counts;
  /** How much lower the candidate's rate may be, in [0, 1). */
  readonly margin: number;
}

/**
 * The champion's rate that is most likely when the candidate's is `margin` lower. The likelihood is concave: its slope
 * is bisected on [margin, 1], with each rate's distance to 0 and 1 kept apart.
 */
const restrictedRate = (candidate: Counts, champion: Counts, margin: number): number => {
  const slope = (p: number): number => {
    const low = p - margin;
    const term = (events: number, at: number): number => (events === 0 ? 0 : events / at);
    return (
      term(candidate.events, low) -
      term(candidate.trials - candidate.events, 1 - low) +
      term(champion.events, p) -
      term(champion.trials - champion.events, 1 - p)
    );
  };
  let low = margin;
  let high = 1;
  for (let i = 0; i < 1_100; i += 1) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) break;
    if (slope(middle) > 0) low = middle;
    else high = middle;
  }
  return high - low < 1e-300 ? high : (low + high) / 2;
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
  const p2 = margin === 0 ? events / (candidate.trials + champion.trials) : restrictedRate(candidate, champion, margin);
  const p1 = p2 - margin;
  const variance = (p1 * (1 - p1)) / candidate.trials + (p2 * (1 - p2)) / champion.trials;
  if (!(variance > 0)) return { statistic: 0, pValue: 1 };
  const difference = candidate.events / candidate.trials - champion.events / champion.trials;
  const statistic = (difference + margin) / Math.sqrt(variance);
  return { statistic, pValue: normalSf(statistic) };
};
