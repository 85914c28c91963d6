import { normalSf } from '../distributions/index.js';
import { logGammaPositive } from '../distributions/gamma-kernel.js';
import { AnalysisInputError } from '../errors.js';
import {
  ALTERNATIVES,
  requireObject,
  requireOneOf,
  requireSample,
  requireShare,
  type Alternative,
  type Sample,
} from '../input.js';
import { createSum } from '../sums.js';
import { rankedDifference } from './pairwise-differences.js';
import { intervalZ, type Interval } from './proportions.js';

/** Input of {@link mannWhitney}. */
export interface MannWhitneyInput {
  readonly x: Sample;
  readonly y: Sample;
  /** About x minus y; default `'two-sided'`. */
  readonly alternative?: Alternative;
  /** `'exact'` needs samples without ties and at most 1e6 pairs. */
  readonly method: 'exact' | 'asymptotic';
  /** Continuity correction of the asymptotic p-value; default true. */
  readonly continuity?: boolean;
  /** Of the interval of the shift; default .95. */
  readonly confidence?: number;
}

/** Result of {@link mannWhitney}. */
export interface MannWhitneyResult {
  /** Pairs with x > y plus half the ties. */
  readonly u: number;
  readonly pValue: number;
  /** Hodges-Lehmann shift of x against y: the median of all differences; limits are order statistics of them. */
  readonly shift: Interval & { readonly estimate: number };
  /** Common-language effect size u / (n m): the probability that an x exceeds a y, ties half. */
  readonly cles: number;
}

const EXACT_PAIRS = 1_000_000;

/**
 * P(U <= k) for k = 0 .. half of n m: coefficients of the Gaussian binomial, built as prefix sums and shifted
 * differences from the small end, where the counts are exact or nearly so.
 */
const exactLower = (n: number, m: number): Float64Array => {
  const half = Math.floor((n * m) / 2);
  const counts = new Float64Array(half + 1);
  counts[0] = 1;
  const small = Math.min(n, m);
  const large = Math.max(n, m);
  for (let i = 1; i <= small; i += 1) {
    for (let k = i; k <= half; k += 1) counts[k] = (counts[k] as number) + (counts[k - i] as number);
    for (let k = half; k >= large + i; k -= 1) counts[k] = (counts[k] as number) - (counts[k - large - i] as number);
  }
  const scale = Math.exp(logGammaPositive(small + 1) + logGammaPositive(large + 1) - logGammaPositive(n + m + 1));
  const total = createSum();
  return counts.map((count) => {
    total.add(count);
    return total.value() * scale;
  });
};

/** P(U >= u) for whole u, from the lower half by symmetry. */
const exactUpper = (lower: Float64Array, pairs: number, u: number): number => {
  const mirrored = pairs - u;
  if (mirrored < 0) return 0;
  if (mirrored < lower.length) return lower[mirrored] as number;
  return u <= 0 ? 1 : 1 - (lower[u - 1] as number);
};

interface Ranks {
  readonly u: number;
  /** Sum of t^3 - t over groups of t equal values. */
  readonly ties: number;
}

/** u and ties by merging two ascending columns. */
const countPairs = (x: Float64Array, y: Float64Array): Ranks => {
  let doubled = 0;
  let ties = 0;
  let i = 0;
  let j = 0;
  while (i < x.length || j < y.length) {
    const value = Math.min(i < x.length ? (x[i] as number) : Infinity, j < y.length ? (y[j] as number) : Infinity);
    const [fromX, fromY] = [i, j];
    while (i < x.length && x[i] === value) i += 1;
    while (j < y.length && y[j] === value) j += 1;
    const [ownX, ownY] = [i - fromX, j - fromY];
    // Twice the count stays whole: every x here beats the earlier y and halves with the equal ones.
    doubled += ownX * (2 * fromY + ownY);
    const group = ownX + ownY;
    ties += group * (group * group - 1);
  }
  return { u: doubled / 2, ties };
};

const asymptoticP = (
  { u, ties }: Ranks,
  n: number,
  m: number,
  alternative: Alternative,
  continuity: boolean
): number => {
  const size = n + m;
  const variance = ((n * m) / 12) * (size + 1 - ties / size / (size - 1));
  if (!(variance > 0)) return 1;
  const centred = u - (n * m) / 2;
  const gap = alternative === 'two-sided' ? Math.abs(centred) : alternative === 'greater' ? centred : -centred;
  const tail = normalSf((gap - (continuity ? 0.5 : 0)) / Math.sqrt(variance));
  return Math.min(1, alternative === 'two-sided' ? 2 * tail : tail);
};

/** Rank of the lower limit from below (and of the upper from above); 0 when the samples are too small for one. */
const limitRank = (n: number, m: number, tail: number, lower: Float64Array | null): number => {
  if (lower !== null) {
    const k = lower.findIndex((p) => p >= tail);
    return k === -1 ? lower.length : k;
  }
  const spread = Math.sqrt(n * (m / 12) * (n + m + 1));
  return Math.max(0, Math.floor((n * m) / 2 - intervalZ(1 - 2 * tail) * spread));
};

/**
 * Mann-Whitney test with the Hodges-Lehmann shift. Exact null distribution or normal approximation with tie correction;
 * the limits of the shift are the order statistics of the differences that the same distribution gives (Hollander and
 * Wolfe 1999), unbounded where the samples are too small for the confidence, one-sided with a one-sided alternative.
 * All values equal: p-value 1. Memory n + m, also for large n m.
 * Throws `AnalysisInputError` for empty samples, values that are not finite, `'exact'` with ties or above 1e6 pairs.
 */
export const mannWhitney = (input: MannWhitneyInput): MannWhitneyResult => {
  requireObject('input', input);
  const { alternative = 'two-sided', method, continuity = true, confidence = 0.95 } = input;
  requireSample('x', input.x);
  requireSample('y', input.y);
  requireOneOf('alternative', alternative, ALTERNATIVES);
  requireOneOf('method', method, ['exact', 'asymptotic']);
  requireShare('confidence', confidence);
  const x = Float64Array.from(input.x).sort();
  const y = Float64Array.from(input.y).sort();
  const [n, m] = [x.length, y.length];
  const pairs = n * m;
  const ranks = countPairs(x, y);
  const lower = method === 'exact' ? exactTable(n, m, ranks) : null;
  const exactP = (table: Float64Array): number => {
    const greater = exactUpper(table, pairs, ranks.u);
    const less = exactUpper(table, pairs, pairs - ranks.u);
    if (alternative !== 'two-sided') return alternative === 'greater' ? greater : less;
    return Math.min(1, 2 * Math.min(greater, less));
  };
  const rank = limitRank(n, m, alternative === 'two-sided' ? (1 - confidence) / 2 : 1 - confidence, lower);
  const middle = Math.floor((pairs + 1) / 2);
  const left = rankedDifference(x, y, middle);
  const right = pairs % 2 === 0 ? rankedDifference(x, y, middle + 1) : left;
  return {
    u: ranks.u,
    pValue: lower === null ? asymptoticP(ranks, n, m, alternative, continuity) : exactP(lower),
    shift: {
      estimate: left === right ? left : left / 2 + right / 2,
      lower: rank < 1 || alternative === 'less' ? -Infinity : rankedDifference(x, y, rank),
      upper: rank < 1 || alternative === 'greater' ? Infinity : rankedDifference(x, y, pairs + 1 - rank),
    },
    cles: ranks.u / pairs,
  };
};

const exactTable = (n: number, m: number, ranks: Ranks): Float64Array => {
  if (ranks.ties > 0) throw new AnalysisInputError('method', `must be 'asymptotic' for samples with ties`);
  if (n * m > EXACT_PAIRS || n + m > 1_000) {
    throw new AnalysisInputError('method', `must be 'asymptotic' above 1000 values or ${EXACT_PAIRS} pairs`);
  }
  return exactLower(n, m);
};
