import { normalCdf, normalQuantile } from '../distributions/index.js';
import { AnalysisInputError } from '../errors.js';
import {
  ALTERNATIVES,
  reject,
  requireFinite,
  requireObject,
  requireOneOf,
  requirePositive,
  requireProbability,
  requireShare,
  type Alternative,
} from '../input.js';

/** Input of {@link powerProportions}; exactly one of `power` and `n`. */
export interface PowerProportionsInput {
  readonly p1: number;
  readonly p2: number;
  readonly alpha: number;
  readonly power?: number;
  /** Units of arm 1. */
  readonly n?: number;
  /** Non-inferiority on p1 - p2: H0 p1 - p2 <= margin (negative: how much lower p1 may be). */
  readonly margin?: number;
  /** Units of arm 2 per unit of arm 1; default 1. */
  readonly ratio?: number;
  /** About p1 minus p2; default `'two-sided'`, with a margin `'greater'`. */
  readonly alternative?: Alternative;
}

/** Size of arm 1 (not rounded) and power. */
export interface PowerProportionsResult {
  readonly n: number;
  readonly power: number;
}

/**
 * Size or power of a comparison of two proportions by the normal approximation, as R `power.prop.test(strict = FALSE)`
 * for equal arms: pooled variance under the null, unpooled under the alternative. With a margin both are unpooled
 * (reference 2.2 E). An effect of 0, or on the other side of a one-sided test, needs n = Infinity.
 * One look only; for running tests see `powerCount`. Throws `AnalysisInputError` unless exactly one of n, power is given.
 */
export const powerProportions = (input: PowerProportionsInput): PowerProportionsResult => {
  requireObject('input', input);
  const { p1, p2, alpha, power, n, margin, ratio = 1 } = input;
  const alternative = input.alternative ?? (margin === undefined ? 'two-sided' : 'greater');
  requireProbability('p1', p1);
  requireProbability('p2', p2);
  requireShare('alpha', alpha);
  requirePositive('ratio', ratio);
  requireOneOf('alternative', alternative, ALTERNATIVES);
  if (margin !== undefined) requireFinite('margin', margin);
  if ((n === undefined) === (power === undefined))
    throw new AnalysisInputError('n', 'must be given, or power, not both');
  if (n !== undefined) requirePositive('n', n);
  if (power !== undefined) requireShare('power', power);

  const signed = p1 - p2 - (margin ?? 0);
  const effect = alternative === 'two-sided' ? Math.abs(signed) : alternative === 'greater' ? signed : -signed;
  const z = -normalQuantile(alternative === 'two-sided' ? alpha / 2 : alpha);
  const unpooled = Math.sqrt(p1 * (1 - p1) + (p2 * (1 - p2)) / ratio);
  const common = (p1 + ratio * p2) / (1 + ratio);
  const pooled = margin === undefined ? Math.sqrt(common * (1 - common) * (1 + 1 / ratio)) : unpooled;
  if (unpooled === 0 && pooled === 0) reject('p1', 'a pair of rates with some variance', p1);
  if (n !== undefined) {
    const excess = Math.sqrt(n) * effect - z * pooled;
    return { n, power: unpooled === 0 ? Number(excess >= 0) : normalCdf(excess / unpooled) };
  }
  const wanted = power as number;
  const root = (z * pooled + normalQuantile(wanted) * unpooled) / effect;
  // A power below alpha needs no data; an effect of the wrong sign never reaches one above it.
  if (root <= 0 && effect > 0) return { n: 0, power: wanted };
  return { n: effect > 0 ? root ** 2 : Infinity, power: wanted };
};
