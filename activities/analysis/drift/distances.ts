import { requireObject, requireOneOf } from '../input.js';
import { createSum } from '../sums.js';
import { sharesOf, type BinnedPair } from './checks.js';

/** Input of {@link jensenShannonDistance}. */
export interface JensenShannonInput extends BinnedPair {
  /** Base of the logarithm: 'e' (largest value sqrt(ln 2) = .8326) or 2 (largest value 1). Always state it. */
  readonly base: 'e' | 2;
}

/**
 * Jensen-Shannon distance: sqrt((KL(p, a) + KL(q, a)) / 2), a = (p + q) / 2. A metric between 0 (equal) and
 * sqrt(ln 2) or 1 (nothing in common). Source: Endres & Schindelin, IEEE Trans. Inf. Theory 49, 2003.
 *
 * @throws AnalysisInputError for empty or unequal arrays, NaN, a negative count, a side without any count, an unknown
 * base.
 *
 * @example
 * jensenShannonDistance({ reference: [1, 0], current: [0.5, 0.5], base: 'e' }); // 0.46450140402245893
 */
export function jensenShannonDistance(input: JensenShannonInput): number {
  requireObject('input', input);
  requireOneOf('base', String(input.base), ['e', '2']);
  let nats = 0;
  eachBin(input, (p, q) => {
    const both = p + q;
    if (both > 0) nats += (both / 2) * entropyGap((q - p) / both);
  });
  return Math.sqrt((input.base === 2 ? nats / Math.LN2 : nats) / 2);
}

/** (1 - d) ln(1 - d) + (1 + d) ln(1 + d), from its series where the two products cancel. */
function entropyGap(d: number): number {
  const square = d * d;
  if (square > 0.01) {
    const term = (x: number): number => (x === 0 ? 0 : x * Math.log(x));
    return term(1 - d) + term(1 + d);
  }
  let value = 0;
  for (let k = 9; k >= 1; k--) value = square * (value + 1 / (k * (2 * k - 1)));
  return value;
}

/**
 * Hellinger distance: sqrt(1 - sum of sqrt(p q)), computed as sqrt(sum of (sqrt p - sqrt q)^2 / 2), which is the same
 * and keeps its digits for close distributions. 0 (equal) to 1 (nothing in common).
 *
 * @throws AnalysisInputError for empty or unequal arrays, NaN, a negative count, a side without any count.
 *
 * @example
 * hellinger({ reference: [16, 18, 16, 14, 12, 12], current: [16, 16, 16, 16, 16, 8] }); // 0.06812
 */
export function hellinger(input: BinnedPair): number {
  let total = 0;
  eachBin(input, (p, q) => {
    if (p + q > 0) total += ((p - q) / (Math.sqrt(p) + Math.sqrt(q))) ** 2;
  });
  return Math.min(1, Math.sqrt(total / 2));
}

/**
 * Total variation distance: half the sum of |p - q|, the largest difference in the probability of any event. 0 to 1.
 *
 * @throws AnalysisInputError for empty or unequal arrays, NaN, a negative count, a side without any count.
 *
 * @example
 * totalVariation({ reference: [1, 1], current: [3, 1] }); // 0.25
 */
export function totalVariation(input: BinnedPair): number {
  const total = createSum();
  eachBin(input, (p, q) => total.add(Math.abs(p - q)));
  return Math.min(1, total.value() / 2);
}

/**
 * L-infinity distance: the largest |p - q| over the bins. 0 to 1.
 *
 * @throws AnalysisInputError for empty or unequal arrays, NaN, a negative count, a side without any count.
 *
 * @example
 * lInfinity({ reference: [1, 1], current: [3, 1] }); // 0.25
 */
export function lInfinity(input: BinnedPair): number {
  let largest = 0;
  eachBin(input, (p, q) => {
    largest = Math.max(largest, Math.abs(p - q));
  });
  return largest;
}

function eachBin(pair: BinnedPair, visit: (p: number, q: number) => void): void {
  const { reference, current } = sharesOf(pair);
  for (let i = 0; i < reference.shares.length; i++) visit(reference.shares[i]!, current.shares[i]!);
}
