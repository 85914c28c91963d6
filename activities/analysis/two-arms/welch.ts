import { studentTSf } from '../distributions/index.js';
import { ALTERNATIVES, requireObject, requireOneOf, requireSample, type Alternative, type Sample } from '../input.js';
import { moments, safeScale } from '../sums.js';
import type { TestResult } from './proportions.js';

/** Input of {@link welch}. */
export interface WelchInput {
  readonly x: Sample;
  readonly y: Sample;
  /** About x minus y; default `'two-sided'`. */
  readonly alternative?: Alternative;
}

/** Welch's t with its degrees of freedom. */
export interface WelchResult extends TestResult {
  readonly df: number;
}

/**
 * Welch's t-test of two means with unequal variances (Welch 1947, Satterthwaite's degrees of freedom). Both samples
 * constant: statistic 0, p-value 1. Throws `AnalysisInputError` for fewer than 2 values or values that are not finite.
 */
export const welch = (input: WelchInput): WelchResult => {
  requireObject('input', input);
  const { x, y, alternative = 'two-sided' } = input;
  requireSample('x', x, 2);
  requireSample('y', y, 2);
  requireOneOf('alternative', alternative, ALTERNATIVES);
  const scale = safeScale(x, y);
  // From one of the values: what all values have in common would take the digits of their difference.
  const origin = Math.min(x[0] as number, y[0] as number) * scale;
  const scaled = (sample: Sample): Sample => Float64Array.from(sample, (value) => value * scale - origin);
  const first = moments(scaled(x));
  const second = moments(scaled(y));
  const a = first.squaredDeviations / (first.n - 1) / first.n;
  const b = second.squaredDeviations / (second.n - 1) / second.n;
  const variance = a + b;
  if (variance === 0) return { statistic: 0, df: first.n + second.n - 2, pValue: 1 };
  const statistic = (first.mean - second.mean) / Math.sqrt(variance);
  // Shares of the variance: its square may overflow or vanish.
  const df = 1 / ((a / variance) ** 2 / (first.n - 1) + (b / variance) ** 2 / (second.n - 1));
  const upper = (t: number): number => studentTSf({ t, df });
  if (alternative === 'two-sided') return { statistic, df, pValue: Math.min(1, 2 * upper(Math.abs(statistic))) };
  return { statistic, df, pValue: upper(alternative === 'greater' ? statistic : -statistic) };
};
