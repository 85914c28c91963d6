import {
  reject,
  requireFinite,
  requireNonNegative,
  requireObject,
  requireOneOf,
  requirePositive,
  requireShare,
} from '../input.js';

/** Which ends of an interval are wanted; the other end is infinite. */
export type Side = 'both' | 'lower' | 'upper';

/** Input of {@link asymptoticCs}. */
export interface AsymptoticCsInput {
  /** Candidate minus champion. */
  readonly estimate: number;
  /** Unpooled standard error of the estimate. */
  readonly standardError: number;
  /** Units of both arms together. */
  readonly n: number;
  readonly alpha: number;
  /** n at which the interval is tightest; fixed before the start. */
  readonly tuning: number;
  /** Default `'both'`. */
  readonly side?: Side;
}

/** A confidence sequence at one look. */
export interface AsymptoticCsResult {
  readonly rho: number;
  readonly lower: number;
  readonly upper: number;
  readonly halfWidth: number;
}

/**
 * Asymptotic confidence sequence for a mean difference (Waudby-Smith et al., arXiv 2103.06476; reference 2.2 A), valid at
 * any stop once the normal approximation holds: at least 100 units per arm. Not for event rates: use `countTest`.
 * Two-sided: rho = sqrt((-2 ln a + ln(1 - 2 ln a)) / tuning), half-width = se sqrt(n) sqrt(2 (n rho^2 + 1) / (n rho)^2
 * ln(sqrt(n rho^2 + 1) / a)). One-sided: rho for 2 a and ln(1 + sqrt(n rho^2 + 1) / (2 a)).
 * A standard error of 0 gives an unbounded interval: constant data say nothing about the spread.
 * Throws `AnalysisInputError` for numbers that are not finite, n < 1, alpha outside (0, 1), or >= .5 when one-sided.
 */
export const asymptoticCs = (input: AsymptoticCsInput): AsymptoticCsResult => {
  requireObject('input', input);
  const { estimate, standardError, n, alpha, tuning, side = 'both' } = input;
  requireFinite('estimate', estimate);
  requireNonNegative('standardError', standardError);
  requirePositive('n', n);
  requirePositive('tuning', tuning);
  requireShare('alpha', alpha);
  requireOneOf('side', side, ['both', 'lower', 'upper']);
  if (side !== 'both' && alpha >= 0.5) reject('alpha', 'below 0.5 for one side', alpha);
  const { rho, factor } = csFactor(n, alpha, tuning, side !== 'both');
  const halfWidth = standardError === 0 ? Infinity : standardError * factor;
  return {
    rho,
    lower: side === 'upper' ? -Infinity : estimate - halfWidth,
    upper: side === 'lower' ? Infinity : estimate + halfWidth,
    halfWidth,
  };
};

/** The half-width in standard errors. */
export const csFactor = (
  n: number,
  alpha: number,
  tuning: number,
  oneSided: boolean
): { readonly rho: number; readonly factor: number } => {
  const logAlpha = Math.log(oneSided ? 2 * alpha : alpha);
  const rho = Math.sqrt(-2 * logAlpha + Math.log1p(-2 * logAlpha)) / Math.sqrt(tuning);
  // sqrt(n) rho and the root of n rho^2 + 1: no square overflows or vanishes.
  const size = Math.sqrt(n) * rho;
  const root = Math.hypot(size, 1);
  const logRoot = Math.log(root);
  // ln(1 + root / (2 a)), where the quotient overflows the 1 is nothing.
  const logBound = !oneSided
    ? logRoot - logAlpha
    : root / alpha < Infinity
      ? Math.log1p(root / (2 * alpha))
      : logRoot - Math.LN2 - Math.log(alpha);
  return { rho, factor: (root / size) * Math.sqrt(2 * logBound) };
};
