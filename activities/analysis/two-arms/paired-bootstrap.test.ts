import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.js';
import { pairedBootstrap } from './index.js';

describe('pairedBootstrap', () => {
  const random = createRandom(9);
  const champion = Float64Array.from({ length: 2_000 }, () => random.exponential());
  const candidate = champion.map((v) => v + 0.1 + 0.5 * random.normal());

  it('finds the interval that the normal theory gives, from the seed alone', () => {
    const got = pairedBootstrap({ champion, candidate, confidence: 0.95, seed: 3 });
    expect(got).toEqual(pairedBootstrap({ champion, candidate, confidence: 0.95, seed: 3 }));
    const half = (1.96 * 0.5) / Math.sqrt(2_000);
    expect(Math.abs(got.upper - got.lower - 2 * half)).toBeLessThan(0.15 * half);
    expect(got).toMatchObject({ n: 2_000, clusterCount: 2_000, heavyTail: false });
    const swapped = pairedBootstrap({ champion: candidate, candidate: champion, confidence: 0.95, seed: 3 });
    expect(swapped.lower).toBeCloseTo(-got.upper, 12);
    const weighted = pairedBootstrap({
      champion,
      candidate,
      confidence: 0.95,
      seed: 3,
      statistic: (weights) => {
        let total = 0;
        let size = 0;
        for (let i = 0; i < weights.length; i += 1) {
          total += (weights[i] as number) * ((candidate[i] as number) - (champion[i] as number));
          size += weights[i] as number;
        }
        return total / size;
      },
    });
    expect(weighted.lower).toBeCloseTo(got.lower, 12);
    expect(weighted.difference).toBeCloseTo(got.difference, 12);
  });

  it('is wider when whole clusters are resampled', () => {
    const clusters = Array.from({ length: 2_000 }, (_, i) => `day ${i % 40}`);
    const shifted = candidate.map((v, i) => v + ((i % 40) - 19.5) / 20);
    const rows = pairedBootstrap({ champion, candidate: shifted, confidence: 0.9, seed: 1 });
    const days = pairedBootstrap({ champion, candidate: shifted, clusters, confidence: 0.9, seed: 1 });
    expect(days.clusterCount).toBe(40);
    expect(days.upper - days.lower).toBeGreaterThan(3 * (rows.upper - rows.lower));
    expect(days.difference).toBe(rows.difference);
  });

  it('says when few rows carry the variance', () => {
    const heavy = candidate.map((v, i) => (i % 400 === 0 ? v + 40 : v));
    expect(pairedBootstrap({ champion, candidate: heavy, confidence: 0.9, iterations: 10, seed: 1 }).heavyTail).toBe(
      true
    );
    const outlier = candidate.map((v, i) => (i === 0 ? 1e8 : v));
    expect(pairedBootstrap({ champion, candidate: outlier, confidence: 0.9, iterations: 10, seed: 1 }).heavyTail).toBe(
      true
    );
    const day = Array.from({ length: 2_000 }, (_, i) => (i < 1_000 ? i % 200 : 500 + (i % 5)));
    const lump = candidate.map((v, i) => (i >= 1_000 && i % 5 === 0 ? v + 3 : v));
    expect(
      pairedBootstrap({ champion, candidate: lump, clusters: day, confidence: 0.9, iterations: 10, seed: 1 }).heavyTail
    ).toBe(true);
    const constant = pairedBootstrap({ champion, candidate: champion, confidence: 0.9, iterations: 10, seed: 1 });
    expect(constant).toMatchObject({ difference: 0, lower: 0, upper: 0, heavyTail: false });
    expect(pairedBootstrap({ champion: [1], candidate: [3], confidence: 0.9, iterations: 10, seed: 1 })).toMatchObject({
      difference: 2,
      lower: 2,
      upper: 2,
      n: 1,
      heavyTail: false,
    });
  });
});
