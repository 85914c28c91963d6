// Buckets of latency with round edges: 1 µs wide below 100 µs, then per decade steps of 0.05 up to 2, 0.1 up to 5 and 0.2 up
// to 10. Relative width is at most 5 % from 20 µs up, and limits people write (1.5 ms, 50 ms, 200 ms, 2 s) are edges,
// so "slower than" is exact for them.

const linear = 100;
const perDecade = 75;
const decades = 6;

/** Number of buckets; the last one is open and holds everything above 100 s. */
export const bucketCount = linear + perDecade * decades + 1;

// Within a decade [100 u, 1000 u): 20 steps of 5 u, 30 of 10 u, 25 of 20 u.
function edgeInDecade(step: number): number {
  if (step < 20) return 100 + step * 5;
  if (step < 50) return 200 + (step - 20) * 10;
  return 500 + (step - 50) * 20;
}

const lowerEdgesUs = Float64Array.from({ length: bucketCount }, (_, bucket) => {
  if (bucket < linear) return bucket;
  const step = bucket - linear;
  return edgeInDecade(step % perDecade) * 10 ** Math.floor(step / perDecade);
});

/** Bucket of a latency in milliseconds. Buckets are (lower, upper]: a request of exactly 50 ms is not "slower than 50 ms". */
export function bucketOf(latencyMs: number): number {
  // The tiny allowance absorbs the rounding of milliseconds to microseconds at an edge.
  let us = Math.max(0, Math.ceil(latencyMs * 1000 - 1e-6) - 1);
  if (us < linear) return us;
  let base = linear;
  for (let decade = 0; decade < decades; decade++) {
    if (us < 1000) {
      if (us < 200) return base + Math.floor((us - 100) / 5);
      if (us < 500) return base + 20 + Math.floor((us - 200) / 10);
      return base + 50 + Math.floor((us - 500) / 20);
    }
    us /= 10;
    base += perDecade;
  }
  return bucketCount - 1;
}

/**
 * How many requests were slower than a limit. When the limit lies inside a bucket, the bucket counts as slow: the limit that
 * is really applied is then up to 5 % lower than asked, the same for every version, and no slow request is missed.
 */
export function countSlower(buckets: ArrayLike<number>, limitMs: number): number {
  const limitUs = limitMs * 1000;
  let slower = 0;
  for (let bucket = bucketCount - 1; bucket >= 0; bucket--) {
    const upper = lowerEdgesUs[bucket + 1] ?? Infinity;
    if (upper <= limitUs + 1e-6) break;
    slower += buckets[bucket] ?? 0;
  }
  return slower;
}
