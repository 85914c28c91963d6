import { describe, expect, it } from 'vitest';
import { chiSquareSf, normalSf } from './distributions/index.js';
import { createRandom, type Random } from './random.js';
import { createSum, mean, moments, sum, sumOf } from './sums.js';

const moment = (n: number, draw: () => number): { mean: number; variance: number } => {
  const { mean: average, squaredDeviations } = moments(Float64Array.from({ length: n }, draw));
  return { mean: average, variance: squaredDeviations / (n - 1) };
};

describe('createRandom', () => {
  it('gives the same numbers for the same seed, others for others', () => {
    const draw = (seed: number) => {
      const random = createRandom(seed);
      return [
        random.uniform(),
        random.integer(1_000),
        random.normal(),
        random.poisson(30),
        random.binomial(1_000, 0.3),
      ];
    };
    expect(draw(1)).toEqual(draw(1));
    const seeds = [0, 1, 2, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER];
    expect(new Set(seeds.map((seed) => draw(seed).join())).size).toBe(seeds.length);
    expect(() => createRandom(-1)).toThrow('seed');
    expect(() => createRandom(0.5)).toThrow('seed');
  });

  it('is pinned: recorded bootstraps and simulations must be repeatable by later versions', () => {
    const random = createRandom(20_261_121);
    expect([random.integer(1e6), random.integer(1e6), random.integer(1e6), random.uniform()]).toMatchInlineSnapshot(`
      [
        419528,
        15011,
        234311,
        0.8503134004401163,
      ]
    `);
  });

  it('is uniform', () => {
    const random = createRandom(3);
    const counts = new Float64Array(100);
    for (let i = 0; i < 100_000; i += 1) {
      const bin = random.integer(100);
      counts[bin] = (counts[bin] as number) + 1;
    }
    const statistic = sumOf(100, (i) => ((counts[i] as number) - 1_000) ** 2 / 1_000);
    expect(chiSquareSf({ x: statistic, df: 99 })).toBeGreaterThan(1e-4);
    for (let i = 0; i < 1_000; i += 1) {
      const u = random.uniform();
      expect(u).toBeGreaterThanOrEqual(0);
      expect(u).toBeLessThan(1);
      expect(random.integer(1)).toBe(0);
      expect(random.integer(2 ** 40)).toBeLessThan(2 ** 40);
    }
    expect(() => random.integer(0)).toThrow('bound');
  });

  const cases: [string, (random: Random) => number, number, number][] = [
    ['uniform', (r) => r.uniform(), 1 / 2, 1 / 12],
    ['normal', (r) => r.normal(), 0, 1],
    ['exponential', (r) => r.exponential(), 1, 1],
    ['binomial small', (r) => r.binomial(200, 0.01), 2, 1.98],
    ['binomial large', (r) => r.binomial(3_800, 0.01), 38, 37.62],
    ['binomial half', (r) => r.binomial(1_000, 0.5), 500, 250],
    ['binomial high', (r) => r.binomial(50, 0.9), 45, 4.5],
    ['poisson small', (r) => r.poisson(0.3), 0.3, 0.3],
    ['poisson middle', (r) => r.poisson(12), 12, 12],
    ['poisson large', (r) => r.poisson(1_000), 1_000, 1_000],
  ];
  for (const [name, draw, wantMean, wantVariance] of cases) {
    it(`has the right mean and variance: ${name}`, () => {
      const n = 200_000;
      const random = createRandom(11);
      const got = moment(n, () => draw(random));
      expect(Math.abs(got.mean - wantMean)).toBeLessThan(4.5 * Math.sqrt(wantVariance / n));
      expect(Math.abs(got.variance / wantVariance - 1)).toBeLessThan(0.03);
    });
  }

  it('has the right distribution of binomial and Poisson counts', () => {
    const random = createRandom(12);
    const n = 100_000;
    let low = 0;
    for (let i = 0; i < n; i += 1) if (random.binomial(100, 0.2) <= 14) low += 1;
    expect(Math.abs(low / n - 0.0804437)).toBeLessThan(4 * Math.sqrt(0.08 / n));
    let high = 0;
    for (let i = 0; i < n; i += 1) if (random.poisson(20) >= 28) high += 1;
    expect(Math.abs(high / n - 0.0524812)).toBeLessThan(4 * Math.sqrt(0.0525 / n));
    let beyond = 0;
    for (let i = 0; i < n; i += 1) if (random.normal() > 2) beyond += 1;
    expect(Math.abs(beyond / n - normalSf(2))).toBeLessThan(4 * Math.sqrt(0.0228 / n));
  });

  it('knows the borders', () => {
    const random = createRandom(1);
    expect([random.binomial(0, 0.5), random.binomial(9, 0), random.binomial(9, 1), random.poisson(0)]).toEqual([
      0, 0, 9, 0,
    ]);
    expect(() => random.binomial(9, 1.1)).toThrow('p');
    expect(() => random.poisson(-1)).toThrow('mean');
  });
});

describe('sums', () => {
  it('keep what plain addition drops', () => {
    expect(sum([1e16, 1, -1e16])).toBe(1);
    expect(sum([1, 1e100, 1, -1e100])).toBe(2);
    expect(sum(Float64Array.from({ length: 10 }, () => 0.1))).toBe(1);
    expect(sum([])).toBe(0);
    const running = createSum(5);
    for (const term of [1e16, 1, -1e16]) running.add(term);
    expect(running.value()).toBe(6);
    expect(sumOf(4, (i) => i)).toBe(6);
    expect(mean([1, 2, 6])).toBe(3);
    expect(mean([])).toBeNaN();
  });

  it('moments do not cancel', () => {
    const shifted = [1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16];
    expect(moments(shifted)).toEqual({ n: 4, mean: 1e9 + 10, squaredDeviations: 90 });
    expect(moments([0.1, 0.1, 0.1]).squaredDeviations).toBeLessThan(1e-33);
    expect(moments([7])).toEqual({ n: 1, mean: 7, squaredDeviations: 0 });
  });
});
