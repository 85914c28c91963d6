import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  energyDistance,
  hellinger,
  jensenShannonDistance,
  kolmogorovSmirnov,
  lInfinity,
  normedWasserstein,
  totalVariation,
  wasserstein,
} from './index.js';

const bad = (field: string): Error => expect.objectContaining({ name: 'AnalysisInputError', field }) as Error;
const nine = { reference: [16, 18, 16, 14, 12, 12], current: [16, 16, 16, 16, 16, 8] };
const histogram = (bins: number): fc.Arbitrary<number[]> =>
  fc.array(fc.nat({ max: 200 }), { minLength: bins, maxLength: bins }).filter((counts) => counts.some((n) => n > 0));
const binnedPair = fc.integer({ min: 1, max: 10 }).chain((bins) => fc.tuple(histogram(bins), histogram(bins)));
const sample = fc.array(fc.integer({ min: -40, max: 40 }), { minLength: 1, maxLength: 25 });

describe('distances of binned counts', () => {
  it('give rows 5, 9 and 11 of drift 3', () => {
    expect(jensenShannonDistance({ reference: [1, 0], current: [0.5, 0.5], base: 'e' })).toBeCloseTo(
      0.46450140402245893,
      14
    );
    expect(jensenShannonDistance({ reference: [1, 0, 0], current: [0, 1, 0], base: 2 })).toBe(1);
    expect(jensenShannonDistance({ ...nine, base: 'e' })).toBeCloseTo(0.0680482, 7);
    expect(jensenShannonDistance({ ...nine, base: 2 })).toBeCloseTo(0.08173421, 8);
    // Printed there as .06812: cut, not rounded.
    expect(hellinger(nine)).toBeCloseTo(0.06812774, 7);
    expect(totalVariation(nine)).toBeCloseTo(0.06818182, 8);
    expect(lInfinity(nine)).toBeCloseTo(0.04545455, 8);
    // TFDV: divergence in bits, the square of the distance.
    const divergence = (reference: number[], current: number[]): number =>
      jensenShannonDistance({ reference, current, base: 2 }) ** 2;
    expect(divergence([2, 2, 0, 0], [0, 1, 1, 2])).toBeCloseTo(0.65563906222, 10);
    expect(divergence([1, 3], [0, 4])).toBeCloseTo(0.13792538096, 10);
    expect(divergence([2, 2, 1, 0, 0, 0], [0, 2, 0, 1, 1, 1])).toBeCloseTo(0.6, 10);
    expect(divergence([1, 0], [0, 1])).toBe(1);
  });

  it('are metrics that ignore scale and order', () => {
    const all = [
      (pair: typeof nine) => jensenShannonDistance({ ...pair, base: 2 as const }),
      hellinger,
      totalVariation,
      lInfinity,
    ];
    fc.assert(
      fc.property(binnedPair, fc.integer({ min: 2, max: 99 }), ([reference, current], factor) => {
        for (const distance of all) {
          const value = distance({ reference, current });
          expect(value).toBeGreaterThanOrEqual(0);
          expect(value).toBeLessThanOrEqual(1 + 1e-12);
          expect(distance({ reference: current, current: reference })).toBeCloseTo(value, 10);
          expect(distance({ reference: reference.toReversed(), current: current.toReversed() })).toBeCloseTo(value, 10);
          expect(distance({ reference: reference.map((n) => n * factor), current })).toBeCloseTo(value, 7);
          expect(distance({ reference, current: reference })).toBe(0);
        }
        const js = jensenShannonDistance({ reference, current, base: 2 });
        expect(jensenShannonDistance({ reference, current, base: 'e' })).toBeCloseTo(js * Math.sqrt(Math.LN2), 10);
        expect(lInfinity({ reference, current })).toBeLessThanOrEqual(totalVariation({ reference, current }) + 1e-12);
        expect(hellinger({ reference, current }) ** 2).toBeLessThanOrEqual(
          totalVariation({ reference, current }) + 1e-12
        );
      }),
      { numRuns: 1000 }
    );
  });

  it('keep their digits for close distributions and survive extremes', () => {
    const e = 1e-7;
    // Distance of (1 +- e) / 2 from 1 / 2: JS^2 = e^2 / 8 nats, Hellinger^2 = e^2 / 8, up to order e^4.
    const close = { reference: [0.5, 0.5], current: [0.5 + e / 2, 0.5 - e / 2] };
    expect(jensenShannonDistance({ ...close, base: 'e' }) / (e / Math.sqrt(8))).toBeCloseTo(1, 8);
    expect(hellinger(close) / (e / Math.sqrt(8))).toBeCloseTo(1, 8);
    expect(totalVariation({ reference: [1e12, 1e12], current: [1e12, 0] })).toBeCloseTo(0.5, 12);
    expect(hellinger({ reference: [1e-300, 1e-300], current: [1e-300, 0] })).toBeCloseTo(
      Math.sqrt(1 - Math.SQRT1_2),
      12
    );
  });

  it.each([
    ['reference', { reference: [], current: [] }],
    ['current', { reference: [1], current: [1, 2] }],
    ['current[1]', { reference: [1, 1], current: [1, -2] }],
    ['reference[0]', { reference: [Number.NaN, 1], current: [1, 2] }],
    ['current', { reference: [1, 1], current: [0, 0] }],
  ])('name %s when it is wrong', (field, input) => {
    for (const distance of [hellinger, totalVariation, lInfinity]) expect(() => distance(input)).toThrow(bad(field));
    expect(() => jensenShannonDistance({ ...input, base: 'e' })).toThrow(bad(field));
    expect(() => jensenShannonDistance({ ...nine, base: 10 as never })).toThrow(bad('base'));
  });
});

describe('kolmogorovSmirnov', () => {
  it('counts orderings exactly', () => {
    expect(kolmogorovSmirnov({ x: [1, 2, 3], y: [4, 5, 6], method: 'exact' })).toEqual({ statistic: 1, pValue: 0.1 });
    expect(kolmogorovSmirnov({ x: [1], y: [1], method: 'exact' })).toEqual({ statistic: 0, pValue: 1 });
    // 1 / C(200, 100) twice: far below what 1 - p can hold.
    const apart = kolmogorovSmirnov({
      x: Array.from({ length: 100 }, (_, i) => i),
      y: Array.from({ length: 100 }, (_, i) => i + 1000),
      method: 'auto',
    });
    expect(apart.pValue / (2 / 9.054851465610328e58)).toBeCloseTo(1, 10);
    // Where SciPy's exact value is lost to rounding: d = 1/7 is reached by every ordering.
    const seven = [0, 1, 2, 3, 4, 5, 6];
    expect(kolmogorovSmirnov({ x: seven, y: seven.map((v) => v + 0.5), method: 'exact' }).pValue).toBe(1);
  });

  it('agrees with the count of all orderings of small samples', () => {
    for (const [n, m] of [
      [2, 3],
      [3, 4],
      [4, 4],
      [2, 6],
    ] as const) {
      const statistics: number[] = [];
      for (let mask = 0; mask < 2 ** (n + m); mask++) {
        const inX = Array.from({ length: n + m }, (_, i) => ((mask >> i) & 1) === 1);
        if (inX.filter(Boolean).length !== n) continue;
        const x = inX.flatMap((yes, i) => (yes ? [i] : []));
        const y = inX.flatMap((yes, i) => (yes ? [] : [i]));
        const result = kolmogorovSmirnov({ x, y, method: 'exact' });
        statistics.push(result.statistic);
      }
      for (let mask = 0; mask < 2 ** (n + m); mask += 3) {
        const inX = Array.from({ length: n + m }, (_, i) => ((mask >> i) & 1) === 1);
        if (inX.filter(Boolean).length !== n) continue;
        const x = inX.flatMap((yes, i) => (yes ? [i] : []));
        const y = inX.flatMap((yes, i) => (yes ? [] : [i]));
        const { statistic, pValue } = kolmogorovSmirnov({ x, y, method: 'exact' });
        const share = statistics.filter((d) => d >= statistic - 1e-12).length / statistics.length;
        expect(pValue).toBeCloseTo(share, 12);
      }
    }
  });

  it('is symmetric and blind to order and monotone maps', () => {
    fc.assert(
      fc.property(sample, sample, (x, y) => {
        for (const method of ['exact', 'asymptotic', 'auto'] as const) {
          const result = kolmogorovSmirnov({ x, y, method });
          const swapped = kolmogorovSmirnov({ x: y, y: x, method });
          expect(swapped.statistic).toBe(result.statistic);
          expect(swapped.pValue).toBeCloseTo(result.pValue, 12);
          expect(kolmogorovSmirnov({ x: x.toReversed(), y, method })).toEqual(result);
          const curved = { x: x.map((v) => v ** 3), y: y.map((v) => v ** 3), method };
          expect(kolmogorovSmirnov(curved)).toEqual(result);
          expect(result.pValue).toBeGreaterThanOrEqual(0);
          expect(result.pValue).toBeLessThanOrEqual(1);
        }
      }),
      { numRuns: 1000 }
    );
  });

  it('switches to the asymptotic value above 10,000 and refuses the impossible', () => {
    const x = Float64Array.from({ length: 10_001 }, (_, i) => i);
    const y = Float64Array.from({ length: 10 }, (_, i) => i * 1000 + 0.5);
    const auto = kolmogorovSmirnov({ x, y, method: 'auto' });
    expect(auto).toEqual(kolmogorovSmirnov({ x, y, method: 'asymptotic' }));
    expect(auto).not.toEqual(kolmogorovSmirnov({ x, y, method: 'exact' }));
    const shorter = x.subarray(0, 10_000);
    expect(kolmogorovSmirnov({ x: shorter, y, method: 'auto' })).toEqual(
      kolmogorovSmirnov({ x: shorter, y, method: 'exact' })
    );
    const big = new Float64Array(100_001);
    expect(() => kolmogorovSmirnov({ x: big, y: big, method: 'exact' })).toThrow(bad('method'));
    expect(() => kolmogorovSmirnov({ x: [], y: [1], method: 'auto' })).toThrow(bad('x'));
    expect(() => kolmogorovSmirnov({ x: [1], y: [Infinity], method: 'auto' })).toThrow(bad('y[0]'));
    expect(() => kolmogorovSmirnov({ x: [1], y: [1], method: 'fast' as never })).toThrow(bad('method'));
  });
});

describe('wasserstein and energyDistance', () => {
  it('give rows 2 to 4 and 6 of drift 3', () => {
    expect(wasserstein({ x: [0, 1, 3], y: [5, 6, 8] })).toBeCloseTo(5, 12);
    expect(wasserstein({ x: [0, 1], y: [0, 1], xWeights: [3, 1], yWeights: [2, 2] })).toBeCloseTo(0.25, 14);
    expect(
      wasserstein({ x: [3.4, 3.9, 7.5, 7.8], y: [4.5, 1.4], xWeights: [1.4, 0.9, 3.1, 7.2], yWeights: [3.2, 3.5] })
    ).toBeCloseTo(4.0781331438047861, 12);
    expect(energyDistance({ x: [0], y: [2] })).toBeCloseTo(2, 14);
    expect(
      energyDistance({ x: [0.7, 7.4, 2.4, 6.8], y: [1.4, 8], xWeights: [2.1, 4.2, 7.4, 8], yWeights: [7.6, 8.8] })
    ).toBeCloseTo(0.88003340976158217, 12);
  });

  it('are symmetric, move with the values, and take repeats as weights', () => {
    fc.assert(
      fc.property(sample, sample, fc.integer({ min: 1, max: 9 }), (x, y, factor) => {
        for (const [distance, power] of [
          [wasserstein, 1],
          [energyDistance, 0.5],
        ] as const) {
          const value = distance({ x, y });
          expect(distance({ x: y, y: x })).toBeCloseTo(value, 9);
          expect(distance({ x, y: x.toReversed() })).toBe(0);
          const moved = { x: x.map((v) => v * factor + 7), y: y.map((v) => v * factor + 7) };
          expect(distance(moved)).toBeCloseTo(value * factor ** power, 7);
          const twice = distance({ x: [...x, ...x], y });
          expect(twice).toBeCloseTo(value, 7);
          expect(distance({ x, y, xWeights: x.map(() => 2), yWeights: y.map(() => 0.5) })).toBeCloseTo(value, 7);
          const padded = { x: [...x, 99], y, xWeights: [...x.map(() => 1), 0] };
          expect(distance(padded)).toBeCloseTo(value, 7);
        }
        const shift = wasserstein({ x, y: x.map((v) => v + factor) });
        expect(shift).toBeCloseTo(factor, 9);
      }),
      { numRuns: 1000 }
    );
  });

  it('name what is wrong', () => {
    expect(() => wasserstein({ x: [], y: [1] })).toThrow(bad('x'));
    expect(() => wasserstein({ x: [1], y: [Number.NaN] })).toThrow(bad('y[0]'));
    expect(() => wasserstein({ x: [1], y: [1], xWeights: [1, 2] })).toThrow(bad('xWeights'));
    expect(() => energyDistance({ x: [1], y: [1], yWeights: [0] })).toThrow(bad('yWeights'));
    expect(() => energyDistance({ x: [1], y: [1, 2], yWeights: [-1, 2] })).toThrow(bad('yWeights[0]'));
  });
});

describe('normedWasserstein', () => {
  const ramp = Array.from({ length: 1000 }, (_, i) => i);

  it('is about the shift in standard deviations and ignores one outlier of 1e8', () => {
    const sd = Math.sqrt((1000 ** 2 - 1) / 12);
    const shifted = ramp.map((v) => v + 0.2 * sd);
    const clean = normedWasserstein({ reference: ramp, current: shifted });
    expect(clean).toBeGreaterThan(0.18);
    expect(clean).toBeLessThan(0.2);
    const dirty = normedWasserstein({ reference: [...ramp, 1e8], current: [...shifted, 1e8, -1e8] });
    expect(Math.abs(dirty - clean)).toBeLessThan(0.01);
    expect(normedWasserstein({ reference: ramp, current: [...ramp, 1e8] })).toBeLessThan(0.002);
  });

  it('clips to the larger of .001 and 5 / n by default, and not beyond its range for tiny references', () => {
    const value = normedWasserstein({ reference: ramp, current: [5000] });
    expect(value).toBe(normedWasserstein({ reference: ramp, current: [5000], clip: 0.005 }));
    const long = Array.from({ length: 10_000 }, (_, i) => i);
    expect(normedWasserstein({ reference: long, current: [1e9] })).toBe(
      normedWasserstein({ reference: long, current: [1e9], clip: 0.001 })
    );
    expect(normedWasserstein({ reference: [1, 2, 3], current: [9] })).toBe(
      normedWasserstein({ reference: [1, 2, 3], current: [9], clip: 0 })
    );
    expect(normedWasserstein({ reference: [1, 2, 3, 4], current: [2, 3, 4, 5], clip: 0 })).toBeCloseTo(
      0.75 / Math.sqrt(1.25),
      12
    );
  });

  it('gives the share that left a constant reference', () => {
    const constant = Array.from({ length: 50 }, () => 0.1);
    expect(normedWasserstein({ reference: constant, current: [0.1, 0.1, 0.2, 9e9] })).toBe(0.5);
    expect(normedWasserstein({ reference: constant, current: constant })).toBe(0);
  });

  it('is blind to scale and place, and survives extremes', () => {
    fc.assert(
      fc.property(sample, sample, fc.integer({ min: 1, max: 1000 }), (reference, current, factor) => {
        const value = normedWasserstein({ reference, current });
        expect(value).toBeGreaterThanOrEqual(0);
        const map = (v: number): number => v * factor - 5;
        expect(normedWasserstein({ reference: reference.map(map), current: current.map(map) })).toBeCloseTo(value, 8);
        expect(normedWasserstein({ reference: current, current })).toBe(0);
      }),
      { numRuns: 500 }
    );
    expect(normedWasserstein({ reference: [5e-324, 0], current: [0, 0], clip: 0 })).toBeGreaterThanOrEqual(0);
    expect(normedWasserstein({ reference: [1e308, -1e308], current: [1e308, 1e308], clip: 0 })).toBeCloseTo(1, 12);
  });

  it('names what is wrong', () => {
    expect(() => normedWasserstein({ reference: [], current: [1] })).toThrow(bad('reference'));
    expect(() => normedWasserstein({ reference: [1], current: [] })).toThrow(bad('current'));
    expect(() => normedWasserstein({ reference: [1], current: [1], clip: 0.5 })).toThrow(bad('clip'));
    expect(() => normedWasserstein({ reference: [1], current: [1], clip: -0.1 })).toThrow(bad('clip'));
  });
});
