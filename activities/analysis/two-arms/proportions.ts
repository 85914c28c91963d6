import { binomialCdf, chiSquareSf, normalQuantile, normalSf } from '../distributions/index.js';
import { betaQuantile } from '../distributions/beta.js';
import { logBinomialDensity } from '../distributions/binomial.js';
import {
  ALTERNATIVES,
  reject,
  requireArray,
  requireCount,
  requireCounts,
  requireObject,
  requireOneOf,
  requireSameLength,
  requireShare,
  type Alternative,
  type Counts,
} from '../input.js';
import { productDifference } from '../sums.js';

/** A statistic with its p-value. */
export interface TestResult {
  readonly statistic: number;
  readonly pValue: number;
}

/** A two-ended interval; ends are infinite where unbounded. */
export interface Interval {
  readonly lower: number;
  readonly upper: number;
}

/** The p-value of a standard normal statistic. */
export const normalPValue = (z: number, alternative: Alternative): number => {
  if (alternative === 'two-sided') return Math.min(1, 2 * normalSf(Math.abs(z)));
  return normalSf(alternative === 'greater' ? z : -z);
};

/** The z of a two-sided interval: the upper quantile at (1 - confidence) / 2, without rounding 1 - ... away. */
export const intervalZ = (confidence: number): number => -normalQuantile((1 - confidence) / 2);

/** Input of {@link proportionTest}. */
export interface ProportionTestInput {
  readonly candidate: Counts;
  readonly champion: Counts;
  /** About candidate minus champion; default `'two-sided'`. */
  readonly alternative?: Alternative;
}

/**
 * Pooled z-test of two proportions, without continuity correction: (p1 - p2) / sqrt(p q (1/n1 + 1/n2)). No variance
 * (no events at all, or only events): statistic 0, p-value 1. One look only: under repeated looks use `countTest`.
 * Throws `AnalysisInputError` for malformed counts or an arm without trials.
 */
export const proportionTest = (input: ProportionTestInput): TestResult => {
  requireObject('input', input);
  const { candidate, champion, alternative = 'two-sided' } = input;
  requireCounts('candidate', candidate, 1);
  requireCounts('champion', champion, 1);
  requireOneOf('alternative', alternative, ALTERNATIVES);
  const trials = candidate.trials + champion.trials;
  const events = candidate.events + champion.events;
  const variance = (events / trials) * ((trials - events) / trials) * (1 / candidate.trials + 1 / champion.trials);
  if (variance === 0) return { statistic: 0, pValue: 1 };
  // One fraction for the difference: equal rates give exactly 0.
  const gap = productDifference(candidate.events, champion.trials, champion.events, candidate.trials);
  const statistic = gap / candidate.trials / champion.trials / Math.sqrt(variance);
  return { statistic, pValue: normalPValue(statistic, alternative) };
};

/** Input of {@link wilsonInterval}. */
export interface WilsonInput extends Counts {
  readonly confidence: number;
}

const wilson = ({ events, trials }: Counts, z: number): Interval => {
  const z2 = z * z;
  const share = trials + z2;
  const half = (z / share) * Math.sqrt(events * ((trials - events) / trials) + z2 / 4);
  const centre = (events + z2 / 2) / share;
  const other = (trials - events + z2 / 2) / share;
  // Each end from its own side, so that a small rate keeps its digits; exact at the borders.
  const lower =
    events === 0 ? 0 : centre > half * 1.5 ? centre - half : ((events / trials) * (events / share)) / (centre + half);
  return { lower, upper: events === trials ? 1 : Math.min(1, other > half ? centre + half : 1) };
};

/**
 * Wilson score interval of a proportion (Wilson 1927; two-sided, no continuity correction).
 * Throws `AnalysisInputError` for malformed counts, no trials, or a confidence outside (0, 1).
 */
export const wilsonInterval = (input: WilsonInput): Interval => {
  requireObject('input', input);
  requireCounts('input', input, 1);
  requireShare('confidence', input.confidence);
  return wilson(input, intervalZ(input.confidence));
};

/** Input of {@link clopperPearsonInterval}; `side` defaults to `'both'`. */
export interface ClopperPearsonInput extends Counts {
  readonly confidence: number;
  readonly side?: 'both' | 'upper' | 'lower';
}

/**
 * Exact interval of a proportion (Clopper and Pearson 1934): beta quantiles. With `side` `'upper'` or `'lower'` that end
 * alone has the whole confidence and the other is 1 or 0 away. Errors as {@link wilsonInterval}.
 */
export const clopperPearsonInterval = (input: ClopperPearsonInput): Interval => {
  requireObject('input', input);
  const { events, trials, confidence, side = 'both' } = input;
  requireCounts('input', { events, trials }, 1);
  requireShare('confidence', confidence);
  requireOneOf('side', side, ['both', 'upper', 'lower']);
  const tail = side === 'both' ? (1 - confidence) / 2 : 1 - confidence;
  const lower = side === 'upper' || events === 0 ? 0 : betaQuantile(events, trials - events + 1, tail);
  const upper = side === 'lower' || events === trials ? 1 : betaQuantile(events + 1, trials - events, tail, true);
  return { lower, upper };
};

/** Input of {@link newcombeInterval}. */
export interface NewcombeInput {
  readonly candidate: Counts;
  readonly champion: Counts;
  readonly confidence: number;
}

/** A difference, candidate minus champion, with its interval. */
export interface DifferenceInterval extends Interval {
  readonly difference: number;
}

/**
 * Hybrid score interval of the difference of two independent proportions (Newcombe 1998b, method 10): each Wilson
 * interval squared and added. Errors as {@link wilsonInterval}.
 */
export const newcombeInterval = (input: NewcombeInput): DifferenceInterval => {
  requireObject('input', input);
  const { candidate, champion, confidence } = input;
  requireCounts('candidate', candidate, 1);
  requireCounts('champion', champion, 1);
  requireShare('confidence', confidence);
  return hybrid(candidate, champion, intervalZ(confidence), 0);
};

/** Square and add with correlation phi between the arms. */
const hybrid = (candidate: Counts, champion: Counts, z: number, phi: number): DifferenceInterval => {
  const p1 = candidate.events / candidate.trials;
  const p2 = champion.events / champion.trials;
  const one = wilson(candidate, z);
  const two = wilson(champion, z);
  const spread = (a: number, b: number): number => Math.sqrt(Math.max(0, a * a - 2 * phi * a * b + b * b));
  const difference = p1 - p2;
  return {
    difference,
    lower: Math.max(-1, difference - spread(p1 - one.lower, two.upper - p2)),
    upper: Math.min(1, difference + spread(one.upper - p1, p2 - two.lower)),
  };
};

/** Input of {@link newcombePaired}: rows by which of the two models was right. */
export interface NewcombePairedInput {
  readonly bothCorrect: number;
  readonly onlyCandidateCorrect: number;
  readonly onlyChampionCorrect: number;
  readonly neitherCorrect: number;
  readonly confidence: number;
}

/**
 * Hybrid score interval of the difference of two proportions on the same rows (Newcombe 1998a, method 10, with the
 * continuity-corrected phi). Throws `AnalysisInputError` for counts that are not whole, no rows, a bad confidence.
 */
export const newcombePaired = (input: NewcombePairedInput): DifferenceInterval => {
  requireObject('input', input);
  const { bothCorrect: a, onlyCandidateCorrect: b, onlyChampionCorrect: c, neitherCorrect: d, confidence } = input;
  requireCount('bothCorrect', a);
  requireCount('onlyCandidateCorrect', b);
  requireCount('onlyChampionCorrect', c);
  requireCount('neitherCorrect', d);
  requireShare('confidence', confidence);
  const n = a + b + c + d;
  if (n === 0) reject('bothCorrect', 'above 0 in at least one of the four counts', 0);
  const margins = Math.sqrt(a + b) * Math.sqrt(c + d) * Math.sqrt(a + c) * Math.sqrt(b + d);
  const product = productDifference(a, d, b, c);
  const corrected = product > n / 2 ? product - n / 2 : Math.min(product, 0);
  const phi = margins === 0 ? 0 : corrected / margins;
  const rows = (events: number): Counts => ({ events, trials: n });
  return { ...hybrid(rows(a + b), rows(a + c), intervalZ(confidence), phi), difference: (b - c) / n };
};

/** Input of {@link mcnemar}: rows on which exactly one of the two models was right. */
export interface McnemarInput {
  readonly onlyChampionCorrect: number;
  readonly onlyCandidateCorrect: number;
}

/** All common forms of McNemar's test, two-sided. */
export interface McnemarResult {
  readonly exactPValue: number;
  readonly midPValue: number;
  readonly chiSquare: number;
  readonly pValue: number;
  readonly chiSquareCorrected: number;
  readonly pValueCorrected: number;
}

/**
 * McNemar's test on the discordant rows: exact binomial, mid-p (Fagerland et al. 2013), chi-square and chi-square with
 * continuity correction. No discordant row: statistics 0, p-values 1. Throws `AnalysisInputError` for malformed counts.
 */
export const mcnemar = (input: McnemarInput): McnemarResult => {
  requireObject('input', input);
  const { onlyChampionCorrect: b, onlyCandidateCorrect: c } = input;
  requireCount('onlyChampionCorrect', b);
  requireCount('onlyCandidateCorrect', c);
  const n = b + c;
  if (n === 0) {
    return { exactPValue: 1, midPValue: 1, chiSquare: 0, pValue: 1, chiSquareCorrected: 0, pValueCorrected: 1 };
  }
  const k = Math.min(b, c);
  const tail = binomialCdf({ k, n, p: 0.5 });
  const gap = Math.abs(b - c);
  const corrected = Math.max(0, gap - 1);
  const chiSquare = gap * (gap / n);
  const chiSquareCorrected = corrected * (corrected / n);
  return {
    exactPValue: Math.min(1, 2 * tail),
    midPValue: Math.min(1, 2 * tail - Math.exp(logBinomialDensity(k, n, 0.5, 0.5))),
    chiSquare,
    pValue: 2 * normalSf(Math.sqrt(chiSquare)),
    chiSquareCorrected,
    pValueCorrected: 2 * normalSf(Math.sqrt(chiSquareCorrected)),
  };
};

/** Input of {@link sampleRatio}: units per arm, and the shares they were meant to have (they add up to 1). */
export interface SampleRatioInput {
  readonly observed: readonly number[];
  readonly expectedShares: readonly number[];
}

/**
 * Chi-square test of a sample-ratio mismatch, for **one look** only: repeated at p < .001 it false-alarms 0.75 to 2.4 %,
 * and 32 to 81 % on requests of sticky users. For running checks use a two-sided `countTest` on de-duplicated units.
 * No units: statistic 0, p-value 1. Throws `AnalysisInputError` for fewer than two arms, lengths that differ, counts
 * that are not whole, shares outside (0, 1) or not adding up to 1.
 */
export const sampleRatio = (input: SampleRatioInput): TestResult => {
  requireObject('input', input);
  const { observed, expectedShares } = input;
  requireArray('observed', observed, 2);
  requireArray('expectedShares', expectedShares, 2);
  requireSameLength('expectedShares', expectedShares, 'observed', observed);
  let total = 0;
  let shares = 0;
  for (const [i, count] of observed.entries()) {
    requireCount(`observed[${i}]`, count);
    requireShare(`expectedShares[${i}]`, expectedShares[i] as number);
    total += count;
    shares += expectedShares[i] as number;
  }
  if (Math.abs(shares - 1) > 1e-9) reject('expectedShares', 'shares that add up to 1', shares);
  if (total === 0) return { statistic: 0, pValue: 1 };
  let statistic = 0;
  for (const [i, count] of observed.entries()) {
    const expected = total * (expectedShares[i] as number);
    statistic += ((count - expected) / expected) * (count - expected);
  }
  return { statistic, pValue: chiSquareSf({ x: statistic, df: observed.length - 1 }) };
};
