import { AnalysisInputError } from '../errors.js';
import { requireNonNegative, requireObject, requireSameLength, requireSample, reject, type Sample } from '../input.js';
import { sum } from '../sums.js';

/** Counts (or weights) of the same bins in a reference and in a current window. */
export interface BinnedPair {
  /** Count per bin of the reference: finite, at least 0, at least one above 0. */
  readonly reference: Sample;
  /** Count per bin of the current window, same bins in the same order. */
  readonly current: Sample;
}

/** Requires a finite number within [min, max]; an open end excludes the limit itself. */
export function requireRange(
  field: string,
  value: number,
  limits: { readonly min: number; readonly max: number; readonly open?: 'min' | 'max' | 'both' }
): void {
  const { min, max, open } = limits;
  const openMin = open === 'min' || open === 'both';
  const openMax = open === 'max' || open === 'both';
  const inside = (): boolean => (openMin ? value > min : value >= min) && (openMax ? value < max : value <= max);
  // The type first: a symbol cannot be compared.
  if (typeof value === 'number' && Number.isFinite(value) && inside()) return;
  reject(field, `a finite number in ${openMin ? '(' : '['}${min}, ${max}${openMax ? ')' : ']'}`, value);
}

/** Shares of the bins of one side, and the total they were computed from. */
export interface Shares {
  readonly shares: Float64Array;
  readonly total: number;
}

/** Checks a pair of binned counts and turns both sides into shares that sum to 1. */
export function sharesOf(pair: BinnedPair): { readonly reference: Shares; readonly current: Shares } {
  requireObject('input', pair);
  const reference = sharesOfSide('reference', pair.reference);
  const current = sharesOfSide('current', pair.current);
  requireSameLength('current', pair.current, 'reference', pair.reference);
  return { reference, current };
}

/** Checks the counts (or weights) of one side and turns them into shares that sum to 1. */
function sharesOfSide(field: string, counts: Sample): Shares {
  const total = requireTotal(field, counts);
  return { shares: Float64Array.from(counts, (count) => count / total), total };
}

/** Requires counts of at least 0 with a finite sum above 0, and returns that sum. */
export function requireTotal(field: string, counts: Sample): number {
  requireSample(field, counts);
  counts.forEach((count: number, i: number) => requireNonNegative(`${field}[${i}]`, count));
  const total = sum(counts);
  if (total === 0) throw new AnalysisInputError(field, 'must have at least one count above 0');
  if (!Number.isFinite(total)) throw new AnalysisInputError(field, 'the counts are too large: their sum is not finite');
  return total;
}
