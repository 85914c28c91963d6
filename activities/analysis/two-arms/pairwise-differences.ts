/** How many pairs have x[i] - y[j] <= limit (or < limit when `strict`); both columns ascending. O(n + m). */
const countBelow = (x: Float64Array, y: Float64Array, limit: number, strict: boolean): number => {
  let count = 0;
  let i = 0;
  // Subtraction is monotone in both arguments, also after rounding: one staircase through the matrix suffices.
  for (let j = 0; j < y.length; j += 1) {
    const from = y[j] as number;
    while (i < x.length && (strict ? (x[i] as number) - from < limit : (x[i] as number) - from <= limit)) i += 1;
    count += i;
  }
  return count;
};

const finite = (value: number): number => Math.min(Math.max(value, -Number.MAX_VALUE), Number.MAX_VALUE);

/** Enough pairs to sort at once. */
const SORTED_AT_ONCE = 4_096;

/** Every x[i] - y[j] with low < difference <= high, ascending. */
const differencesIn = (x: Float64Array, y: Float64Array, low: number, high: number): Float64Array => {
  const found: number[] = [];
  let first = 0;
  for (const from of y) {
    while (first < x.length && (x[first] as number) - from <= low) first += 1;
    for (let i = first; i < x.length && (x[i] as number) - from <= high; i += 1) found.push((x[i] as number) - from);
  }
  return Float64Array.from(found).sort();
};

/**
 * The order statistic of rank `rank` (1 is the smallest) among all differences x[i] - y[j] of two ascending columns,
 * without storing them: value bisection, then a sort of the few that are left. O((n + m) log) time, O(n + m) memory.
 */
export const rankedDifference = (x: Float64Array, y: Float64Array, rank: number): number => {
  let high = (x[x.length - 1] as number) - (y[0] as number);
  let low = (x[0] as number) - (y[y.length - 1] as number);
  if (countBelow(x, y, low, false) >= rank) return low;
  let below = countBelow(x, y, low, false);
  let upTo = x.length * y.length;
  while (upTo - below > Math.max(SORTED_AT_ONCE, x.length + y.length)) {
    // Differences may overflow: the largest double stands in for an infinite end.
    const middle = finite(low) / 2 + finite(high) / 2;
    if (middle <= low || middle >= high) return high;
    const count = countBelow(x, y, middle, false);
    if (count >= rank) {
      high = middle;
      upTo = count;
    } else {
      low = middle;
      below = count;
    }
    // A tie larger than the limit never gets smaller: stop when the bracket holds one value.
    if (countBelow(x, y, high, true) < rank && countBelow(x, y, high, false) >= rank) return high;
  }
  return differencesIn(x, y, low, high)[rank - below - 1] as number;
};
