import { requireObject } from '../input.js';
import { chiSquareQuantile } from './chi-square-quantile.js';
import { requireRange, sharesOf, type BinnedPair } from './checks.js';

/** Input of {@link psi}. */
export interface PsiInput extends BinnedPair {
  /** Share that stands in for a share of exactly 0, in (0, 1). Default 1e-4. */
  readonly epsilon?: number;
}

/** Output of {@link psi}. */
export interface PsiResult {
  /** Population stability index in nats. 0 when the shares are equal. */
  readonly value: number;
  /**
   * 99 % quantile of the index when nothing changed: (1/n + 1/m) times the chi-square quantile with B - 1 degrees of
   * freedom, B = bins that hold a count on at least one side. A value below it is within the noise of these sizes.
   */
  readonly nullQuantile99: number;
}

/**
 * Population stability index: the sum over bins of (q - p) ln(q / p), p = share of the bin in the reference,
 * q = share in the current window. Natural logarithm.
 *
 * Bins that are empty on both sides are dropped. A share of exactly 0 on one side is replaced by `epsilon`, nothing
 * else is changed and the shares are not renormalised. The bands .1 / .25 are a rule of thumb without an error rate:
 * compare with `nullQuantile99` (Yurdakul & Naranjo, Journal of Risk Model Validation 14/4, 2020).
 *
 * @throws AnalysisInputError for empty or unequal arrays, NaN, a negative count, a side without any count, or an
 * epsilon outside (0, 1).
 *
 * @example
 * psi({ reference: [248, 247, 260, 245], current: [13, 43, 63, 81] }).value; // 0.3404592225
 */
export function psi(input: PsiInput): PsiResult {
  requireObject('input', input);
  const epsilon = input.epsilon ?? 1e-4;
  requireRange('epsilon', epsilon, { min: 0, max: 1, open: 'both' });
  const { reference, current } = sharesOf(input);
  let value = 0;
  let bins = 0;
  for (let i = 0; i < reference.shares.length; i++) {
    // Emptiness is a property of the counts: the share of a denormal count underflows to 0 although the bin is kept.
    if (input.reference[i] === 0 && input.current[i] === 0) continue;
    bins++;
    const p = reference.shares[i] || epsilon;
    const q = current.shares[i] || epsilon;
    value += (q - p) * logRatio(p, q);
  }
  const scale = 1 / reference.total + 1 / current.total;
  const nullQuantile99 = bins < 2 ? 0 : scale * chiSquareQuantile({ upperTail: 0.01, df: bins - 1 });
  return { value, nullQuantile99 };
}

/** ln(q / p) for p, q > 0: log1p keeps the digits where the shares are close, two logarithms do not overflow. */
function logRatio(p: number, q: number): number {
  return q > p / 2 && q < 2 * p ? Math.log1p((q - p) / p) : Math.log(q) - Math.log(p);
}
