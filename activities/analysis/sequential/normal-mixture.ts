import { normalLogSf } from '../distributions/index.js';
import {
  reject,
  requireFinite,
  requireNonNegative,
  requireObject,
  requireOneOf,
  requirePositive,
  requireShare,
} from '../input.js';
import { lastNonNegative } from './crossing.js';

/** Input of {@link normalMixture}. */
export interface NormalMixtureInput {
  /** Variance process value at which the bound is tightest. */
  readonly vOptimum: number;
  readonly alpha: number;
  readonly side: 'one' | 'two';
}

/** A normal-mixture boundary. */
export interface NormalMixture {
  readonly rho: number;
  /** ln of the mixture supermartingale at sum s and variance process v. */
  logMixture(s: number, v: number): number;
  /** The s >= 0 at which the mixture reaches 1 / alpha: the uniform boundary at v. */
  bound(v: number): number;
}

/** rho of the mixture that is tightest at v (Howard et al., arXiv 1810.08240): v / (2 ln(1/a) + ln(1 + 2 ln(1/a))). */
export const bestRho = (v: number, alpha: number): number => {
  const needed = -2 * Math.log(alpha);
  return v / (needed + Math.log1p(needed));
};

/**
 * Normal-mixture boundary of Howard et al. (arXiv 1810.08240; reference 2.2 D), as confseq: two-sided
 * |S| <= sqrt((v + rho)(ln(1 + v / rho) + 2 ln(1/a))); one-sided with rho for 2 a and the mixture over the half-line,
 * its bound by root finding. Throws `AnalysisInputError` for v <= 0, alpha outside (0, 1), >= .5 when one-sided.
 */
export const normalMixture = (input: NormalMixtureInput): NormalMixture => {
  requireObject('input', input);
  const { vOptimum, alpha, side } = input;
  requirePositive('vOptimum', vOptimum);
  requireShare('alpha', alpha);
  requireOneOf('side', side, ['one', 'two']);
  if (side === 'one' && alpha >= 0.5) reject('alpha', 'below 0.5 for one side', alpha);
  const rho = bestRho(vOptimum, side === 'one' ? 2 * alpha : alpha);
  const threshold = -Math.log(alpha);
  const mixture = (s: number, v: number): number => {
    const spread = v + rho;
    const twoSided = -Math.log1p(v / rho) / 2 + (s / spread) * (s / 2);
    return side === 'two' ? twoSided : twoSided + Math.LN2 + normalLogSf(-s / Math.sqrt(spread));
  };
  const twoSidedBound = (v: number): number => Math.sqrt((v + rho) * (Math.log1p(v / rho) + 2 * threshold));
  return {
    rho,
    logMixture: (s, v) => {
      requireFinite('s', s);
      requireNonNegative('v', v);
      return mixture(s, v);
    },
    bound: (v) => {
      requireNonNegative('v', v);
      const outer = twoSidedBound(v);
      // The half-line mixture is at most twice the two-sided one, so its bound is below the two-sided bound.
      return side === 'two' ? outer : lastNonNegative((s) => mixture(s, v) - threshold, outer, 0);
    },
  };
};
