import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketCount, bucketOf, countSlower } from './latency-histogram.js';

const counted = (latenciesMs: readonly number[]): Float64Array => {
  const buckets = new Float64Array(bucketCount);
  for (const latencyMs of latenciesMs) {
    const bucket = bucketOf(latencyMs);
    buckets[bucket] = (buckets[bucket] ?? 0) + 1;
  }
  return buckets;
};

describe('latency histogram', () => {
  it('is exact for limits that are edges', () => {
    for (const limitMs of [
      0.001, 0.02, 0.05, 0.099, 0.1, 1, 1.5, 2, 5, 10, 25, 50, 100, 120, 200, 250, 500, 1000, 2000, 10_000,
    ]) {
      const slower = countSlower(counted([limitMs * 0.999, limitMs, limitMs * 1.001, limitMs * 1.2]), limitMs);
      expect([limitMs, slower]).toEqual([limitMs, 2]);
    }
  });

  it('never misses a slow request and applies a limit at most 5 % lower', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.02, max: 90_000, noNaN: true }), { maxLength: 50 }),
        fc.double({ min: 0.1, max: 60_000, noNaN: true }),
        (latenciesMs, limitMs) => {
          const slower = countSlower(counted(latenciesMs), limitMs);
          expect(slower).toBeGreaterThanOrEqual(latenciesMs.filter((ms) => ms > limitMs + 1e-6).length);
          expect(slower).toBeLessThanOrEqual(latenciesMs.filter((ms) => ms > limitMs * 0.95).length);
        }
      )
    );
  });

  it('puts every latency into one bucket, in order', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1e9, noNaN: true }),
        fc.double({ min: 0, max: 1e9, noNaN: true }),
        (a, b) => {
          const [low, high] = a < b ? [a, b] : [b, a];
          expect(bucketOf(low)).toBeLessThanOrEqual(bucketOf(high));
          expect(bucketOf(high)).toBeLessThan(bucketCount);
        }
      )
    );
  });
});
