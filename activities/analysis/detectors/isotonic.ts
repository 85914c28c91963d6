import type { Sample } from '../input.js';

/** A non-decreasing, piecewise linear curve; constant beyond both ends. */
type Calibrator = (score: number) => number;

/**
 * Isotonic regression of 0/1 labels on scores (pool adjacent violators). Equal scores are merged first; between the
 * remaining scores the curve is linear, beyond the smallest and largest it is flat. Same curve as scikit-learn's
 * `IsotonicRegression(out_of_bounds='clip')`.
 */
export function isotonic(scores: Sample, labels: Sample): Calibrator {
  const order = Uint32Array.from(scores, (_, i) => i).sort((a, b) => scores[a]! - scores[b]!);
  const knots: number[] = [];
  const sums: number[] = [];
  const counts: number[] = [];
  for (const index of order) {
    const last = knots.length - 1;
    if (knots[last] === scores[index]) {
      sums[last]! += labels[index]!;
      counts[last]! += 1;
    } else {
      knots.push(scores[index]!);
      sums.push(labels[index]!);
      counts.push(1);
    }
  }
  const levels = pool(sums, counts);
  return (score) => interpolate(knots, levels, score);
}

/** Blocks of merged neighbours; label sums and counts are whole numbers, so the comparison of means is exact. */
function pool(sums: readonly number[], counts: readonly number[]): Float64Array {
  const blocks: { sum: number; count: number; knots: number }[] = [];
  sums.forEach((sum, k) => {
    let block = { sum, count: counts[k]!, knots: 1 };
    for (;;) {
      const previous = blocks.at(-1);
      if (previous === undefined || previous.sum * block.count < block.sum * previous.count) break;
      blocks.pop();
      block = {
        sum: previous.sum + block.sum,
        count: previous.count + block.count,
        knots: previous.knots + block.knots,
      };
    }
    blocks.push(block);
  });
  const levels = new Float64Array(sums.length);
  let next = 0;
  for (const { sum, count, knots } of blocks) {
    levels.fill(sum / count, next, next + knots);
    next += knots;
  }
  return levels;
}

function interpolate(knots: readonly number[], levels: Float64Array, score: number): number {
  let low = 0;
  let high = knots.length - 1;
  if (score <= knots[low]!) return levels[low]!;
  if (score >= knots[high]!) return levels[high]!;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (knots[middle]! <= score) low = middle;
    else high = middle;
  }
  const share = (score - knots[low]!) / (knots[high]! - knots[low]!);
  return levels[low]! + share * (levels[high]! - levels[low]!);
}
