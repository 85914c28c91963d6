import { AnalysisInputError } from '../errors.js';
import { requireArray, requireObject, requireSample, type Sample } from '../input.js';
import { sortedQuantile } from '../two-arms/paired-bootstrap.js';

/** Output of {@link binValues}: all that drift needs of a column, without its rows. Two of the same edges add up. */
export interface BinnedValues {
  /** Values per bin (previous edge, edge]; the first reaches down to -Infinity, the last, one more than edges, up. */
  readonly counts: Float64Array;
  /** Finite values. */
  readonly n: number;
  /** NaN, Infinity and -Infinity: counted here and nowhere else. */
  readonly missing: number;
  /** Mean and sum of squared deviations of the finite values; 0 without any. */
  readonly mean: number;
  readonly squaredDeviations: number;
  /** Smallest and largest finite value; Infinity and -Infinity without any. */
  readonly min: number;
  readonly max: number;
}

/** Cells of the grid that leads from a value to its bin; the grid only guesses, the edges decide. */
const cells = 4096;
/** Values whose moments are summed plainly before they are merged: keeps the digits and the speed. */
const blockSize = 4096;

/**
 * Counts per bin and moments of a column in one pass over typed arrays: about two steps per value for any edges, so
 * that outliers cost nothing. Edges are those of the reference (see {@link decileEdges}): strictly ascending.
 *
 * @throws AnalysisInputError for no edges, edges that do not ascend or are not finite, or values that are no array.
 *
 * @example
 * binValues({ values: Float64Array.of(1, 2, 3), edges: [1.5, 2.5] }).counts; // 1, 1, 1
 */
export function binValues(input: { readonly values: Sample; readonly edges: Sample }): BinnedValues {
  requireObject('input', input);
  const { values } = input;
  requireArray('values', values);
  requireSample('edges', input.edges);
  const edges = Float64Array.from(input.edges);
  edges.forEach((edge, i) => {
    if (i > 0 && edge <= edges[i - 1]!) throw new AnalysisInputError(`edges[${i}]`, `must be above edges[${i - 1}]`);
  });
  const low = edges[0]!;
  const scale = edges.length === 1 ? 0 : cells / (edges.at(-1)! - low);
  const start = gridOf(edges, low, scale);
  const counts = new Float64Array(edges.length + 1);
  const total = { n: 0, mean: 0, squares: 0, min: Infinity, max: -Infinity };
  for (let from = 0; from < values.length; from += blockSize) {
    const to = Math.min(from + blockSize, values.length);
    addBlock(values, from, to, { edges, low, scale, start, counts }, total);
  }
  const { n, mean, squares, min, max } = total;
  return { counts, n, missing: values.length - n, mean, squaredDeviations: squares, min, max };
}

/** First bin that a value of each cell can lie in. */
function gridOf(edges: Float64Array, low: number, scale: number): Uint16Array {
  const start = new Uint16Array(cells + 2);
  // Edges whose range has no finite scale: every value is led to the first bin and walks from there.
  if (scale === 0) return start;
  let bin = 0;
  for (let cell = 0; cell < start.length; cell++) {
    // One cell of room: rounding may put a value on an edge into either neighbour.
    while (bin < edges.length - 1 && (edges[bin]! - low) * scale < cell - 1) bin++;
    start[cell] = bin;
  }
  return start;
}

interface Bins {
  readonly edges: Float64Array;
  readonly low: number;
  readonly scale: number;
  readonly start: Uint16Array;
  readonly counts: Float64Array;
}

function addBlock(
  values: Sample,
  from: number,
  to: number,
  { edges, low, scale, start, counts }: Bins,
  total: { n: number; mean: number; squares: number; min: number; max: number }
): void {
  const last = edges.length;
  const top = edges[last - 1]!;
  const centre = total.n > 0 ? total.mean : low;
  let n = 0;
  let sum = 0;
  let squares = 0;
  for (let i = from; i < to; i++) {
    const value = values[i]!;
    // False for NaN and both infinities.
    if (!(value - value === 0)) continue;
    let bin = 0;
    if (value > top) bin = last;
    else if (value > low) {
      bin = start[((value - low) * scale) | 0]!;
      while (value > edges[bin]!) bin++;
    }
    counts[bin]!++;
    const deviation = value - centre;
    n++;
    sum += deviation;
    squares += deviation * deviation;
    if (value < total.min) total.min = value;
    if (value > total.max) total.max = value;
  }
  if (n === 0) return;
  // Two groups of moments become one (Chan, Golub & LeVeque 1983).
  const all = total.n + n;
  // Values beyond 1e150 have squares beyond the largest double: the mean is still one, the squares are infinite.
  const fits = squares < Infinity;
  const mean = fits ? centre + sum / n : largeMean(values, from, to, n);
  const own = fits ? Math.max(0, squares - (sum / n) * sum) : Infinity;
  const gap = mean - total.mean;
  if (total.n === 0) {
    total.squares = own;
    total.mean = mean;
  } else {
    total.squares += own + gap * gap * ((total.n * n) / all);
    total.mean =
      Math.abs(gap) * n < Infinity ? total.mean + (gap * n) / all : (total.mean / all) * total.n + (mean / all) * n;
  }
  total.n = all;
}

/** Mean of the finite values, of which there are n, without their sum. */
function largeMean(values: Sample, from: number, to: number, n: number): number {
  let mean = 0;
  for (let i = from; i < to; i++) if (Number.isFinite(values[i])) mean += values[i]! / n;
  return mean;
}

/**
 * Inner decile edges of a reference (type 7), equal ones once: 9 edges, 10 bins, fewer for columns with point masses.
 *
 * @throws AnalysisInputError for an empty sample or values that are not finite.
 *
 * @example
 * decileEdges([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]); // 1, 2, ..., 9
 */
export function decileEdges(reference: Sample): Float64Array {
  requireSample('reference', reference);
  const sorted = new Float64Array(reference).sort();
  return Float64Array.from(new Set(Array.from({ length: 9 }, (_, i) => sortedQuantile(sorted, (i + 1) / 10))));
}
