import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { betaQuantile, logBetaKernel, logBetaTails } from './beta.js';
import { binomialUpper, logBinomialDensity } from './binomial.js';
import {
  binomialCdf,
  chiSquareSf,
  kolmogorovSf,
  logGamma,
  normalCdf,
  normalLogSf,
  normalQuantile,
  normalSf,
  regularizedBeta,
  regularizedGamma,
  studentTSf,
} from './index.js';

const SEED = 20_261_121;
const check = <T extends unknown[]>(runs: number, property: fc.IProperty<T>): void => {
  fc.assert(property, { numRuns: runs, seed: SEED });
};
const relative = (got: number, want: number): number => Math.abs(got - want) / Math.abs(want);
const logUniform = (low: number, high: number) => fc.double({ min: low, max: high, noNaN: true }).map((e) => 10 ** e);

describe('identities on 10,000 random inputs', () => {
  it('gamma: recurrence and reflection', () => {
    check(
      10_000,
      fc.property(logUniform(-6, 9), (x) => {
        const gap = logGamma(x + 1) - logGamma(x) - Math.log(x);
        expect(Math.abs(gap)).toBeLessThan(1e-13 * Math.max(1, Math.abs(logGamma(x + 1))));
      })
    );
    check(
      10_000,
      fc.property(fc.double({ min: -30, max: -0.01, noNaN: true }), (x) => {
        if (Math.abs(x - Math.round(x)) < 1e-6) return;
        const want = Math.log(Math.PI / Math.abs(Math.sin(Math.PI * (x - Math.round(x))))) - logGamma(1 - x);
        expect(Math.abs(logGamma(x) - want)).toBeLessThan(1e-11);
      })
    );
    expect([logGamma(0), logGamma(-3), logGamma(Infinity), logGamma(-Infinity)]).toEqual([
      Infinity,
      Infinity,
      Infinity,
      Infinity,
    ]);
    expect(Math.abs(logGamma(1)) + Math.abs(logGamma(2))).toBeLessThan(1e-16);
    expect(relative(logGamma(171), 706.5730622457874)).toBeLessThan(1e-15);
    expect(relative(logGamma(1e300), 1e300 * (Math.log(1e300) - 1))).toBeLessThan(1e-15);
  });

  it('beta: symmetry, complement, recurrence', () => {
    const parameter = logUniform(-1, 6);
    check(
      10_000,
      fc.property(parameter, parameter, fc.double({ min: -6, max: 6, noNaN: true }), (a, b, z) => {
        const centre = a / (a + b);
        const x = Math.min(1 - 1e-9, Math.max(1e-9, centre + z * Math.sqrt((centre * (1 - centre)) / (a + b + 1))));
        const lower = regularizedBeta({ x, a, b });
        const upper = regularizedBeta({ x, a, b, upper: true });
        expect(lower + upper).toBeCloseTo(1, 13);
        const { lower: logLower, upper: logUpper } = logBetaTails(a, b, x, 1 - x);
        expect(relative(Math.exp(logLower), lower)).toBeLessThan(1e-9);
        expect(relative(Math.exp(logUpper), upper)).toBeLessThan(1e-9);
        // I_x(a, b) = I_x(a + 1, b) + x^a (1 - x)^b / (a B(a, b))
        const next = regularizedBeta({ x, a: a + 1, b }) + Math.exp(logBetaKernel(a, b, x, 1 - x)) / a;
        expect(Math.abs(next - lower)).toBeLessThan(1e-10 * Math.max(lower, 1e-290) + 1e-13);
      })
    );
    expect(regularizedBeta({ x: 0, a: 2, b: 3 })).toBe(0);
    expect(regularizedBeta({ x: 1, a: 2, b: 3 })).toBe(1);
    expect(regularizedBeta({ x: 0, a: 2, b: 3, upper: true })).toBe(1);
    expect(regularizedBeta({ x: 0.3, a: 1, b: 1 })).toBeCloseTo(0.3, 15);
    expect(regularizedBeta({ x: 0.5, a: 1e12, b: 1e12 })).toBeCloseTo(0.5, 9);
    const tail = regularizedBeta({ x: 0.5 - 3.535533905932738e-7 * 3, a: 1e12, b: 1e12 });
    expect(relative(tail, normalSf(3))).toBeLessThan(1e-5);
    expect(relative(regularizedBeta({ x: 1e-10, a: 30, b: 1 }), 1e-300)).toBeLessThan(1e-12);
  });

  it('beta quantiles invert both tails', () => {
    const parameter = logUniform(-0.5, 6);
    check(
      3_000,
      fc.property(parameter, parameter, logUniform(-100, -0.01), fc.boolean(), (a, b, p, upper) => {
        const x = betaQuantile(a, b, p, upper);
        // An x at the end of the doubles cannot be inverted any further.
        if (x > 1 - 1e-6 || x < 1e-300) return;
        expect(Math.abs(logBetaTails(a, b, x, 1 - x)[upper ? 'upper' : 'lower'] - Math.log(p))).toBeLessThan(
          1e-8 * (1 + Math.sqrt(a + b))
        );
      })
    );
  });

  it('gamma tails: complement and recurrence', () => {
    check(
      10_000,
      fc.property(logUniform(-1, 7), fc.double({ min: -6, max: 6, noNaN: true }), (a, z) => {
        const x = Math.max(1e-6, a + z * Math.sqrt(a));
        const lower = regularizedGamma({ a, x });
        expect(lower + regularizedGamma({ a, x, upper: true })).toBeCloseTo(1, 13);
        const step = Math.exp(a * Math.log(x) - x - logGamma(a + 1));
        if (a < 1e5) expect(Math.abs(regularizedGamma({ a: a + 1, x }) + step - lower)).toBeLessThan(1e-9);
      })
    );
    expect(regularizedGamma({ a: 3, x: 0 })).toBe(0);
    expect(regularizedGamma({ a: 3, x: Infinity })).toBe(1);
    expect(regularizedGamma({ a: 3, x: 0, upper: true })).toBe(1);
    expect(regularizedGamma({ a: 1e12, x: 1e12 })).toBeCloseTo(0.5, 6);
    expect(chiSquareSf({ x: -1, df: 2 })).toBe(1);
    expect(chiSquareSf({ x: Infinity, df: 2 })).toBe(0);
  });

  it('normal: symmetry, inverse, logarithm', () => {
    check(
      10_000,
      fc.property(fc.double({ min: -37, max: 37, noNaN: true }), (z) => {
        expect(normalCdf(z)).toBe(normalSf(-z));
        expect(normalCdf(z) + normalSf(z)).toBeCloseTo(1, 14);
        expect(Math.abs(normalLogSf(z) - Math.log(normalSf(z)))).toBeLessThan(1e-11 * Math.max(1, z * z));
        if (z < 5) expect(Math.abs(normalQuantile(normalCdf(z)) - z)).toBeLessThan(1e-8);
      })
    );
    expect([normalSf(0), normalSf(Infinity), normalSf(-Infinity), normalSf(40)]).toEqual([0.5, 0, 1, 0]);
    expect([normalQuantile(0), normalQuantile(1), normalQuantile(0.5)]).toEqual([-Infinity, Infinity, 0]);
    expect(normalQuantile(5e-324)).toBeCloseTo(-38.467405617144344, 10);
    expect(normalLogSf(1e6)).toBeCloseTo(-500_000_000_014.734, 2);
    expect(relative(normalQuantile(0.975), 1.959963984540054)).toBeLessThan(1e-15);
  });

  it('Student t: symmetry, Cauchy, the normal limit', () => {
    check(
      10_000,
      fc.property(fc.double({ min: -1e3, max: 1e3, noNaN: true }), logUniform(-1, 6), (t, df) => {
        expect(studentTSf({ t, df }) + studentTSf({ t: -t, df })).toBeCloseTo(1, 14);
        if (t > 0.1) expect(relative(studentTSf({ t, df: 1 }), Math.atan(1 / t) / Math.PI)).toBeLessThan(1e-13);
      })
    );
    expect([
      studentTSf({ t: 0, df: 3 }),
      studentTSf({ t: Infinity, df: 3 }),
      studentTSf({ t: -Infinity, df: 3 }),
    ]).toEqual([0.5, 0, 1]);
    expect(studentTSf({ t: 2, df: Infinity })).toBe(normalSf(2));
    expect(relative(studentTSf({ t: 2, df: 1e12 }), normalSf(2))).toBeLessThan(1e-9);
    expect(studentTSf({ t: 1e-300, df: 5 })).toBe(0.5);
  });

  it('binomial: sums of the density, both tails', () => {
    check(
      2_000,
      fc.property(fc.integer({ min: 1, max: 60 }), fc.double({ min: 0.001, max: 0.999, noNaN: true }), (n, p) => {
        let total = 0;
        for (let k = 0; k <= n; k += 1) {
          total += Math.exp(logBinomialDensity(k, n, p, 1 - p));
          expect(Math.abs(binomialCdf({ k, n, p }) - total)).toBeLessThan(1e-12);
          expect(
            Math.abs(binomialUpper(k, n, p) - (1 - total + Math.exp(logBinomialDensity(k, n, p, 1 - p))))
          ).toBeLessThan(1e-12);
        }
      })
    );
    expect([
      binomialCdf({ k: -1, n: 5, p: 0.5 }),
      binomialCdf({ k: 5, n: 5, p: 0.5 }),
      binomialCdf({ k: 2.9, n: 5, p: 0.5 }),
    ]).toEqual([0, 1, 0.5]);
    expect([
      binomialCdf({ k: 0, n: 0, p: 0.5 }),
      binomialCdf({ k: 1, n: 5, p: 0 }),
      binomialCdf({ k: 4, n: 5, p: 1 }),
    ]).toEqual([1, 1, 0]);
    expect([binomialUpper(0, 5, 0.5), binomialUpper(6, 5, 0.5)]).toEqual([1, 0]);
    expect(binomialCdf({ k: 5e11, n: 1e12, p: 0.5 })).toBeCloseTo(0.5, 5);
  });

  it('Kolmogorov: falls with the distance, exact at both ends', () => {
    check(
      2_000,
      fc.property(
        fc.integer({ min: 1, max: 400 }),
        fc.integer({ min: 1, max: 400 }),
        fc.double({ min: 0, max: 0.99, noNaN: true }),
        (n, m, d) => {
          const one = kolmogorovSf({ d, n, m });
          expect(one).toBe(kolmogorovSf({ d, n: m, m: n }));
          expect(one).toBeGreaterThanOrEqual(0);
          expect(one).toBeLessThanOrEqual(1);
          // Neighbouring methods meet within their stated accuracy.
          expect(kolmogorovSf({ d: d + 0.01, n, m })).toBeLessThanOrEqual(one + 1e-5);
        }
      )
    );
    expect(kolmogorovSf({ d: 0, n: 10, m: 10 })).toBe(1);
    expect(kolmogorovSf({ d: 1, n: 10, m: 10 })).toBe(0);
    expect(kolmogorovSf({ d: 0.9, n: 2, m: 2 })).toBeCloseTo(0.2, 12);
    // kstwo.sf(.003, 1000000) of SciPy: a sum of a million terms, here with a stride.
    expect(relative(kolmogorovSf({ d: 0.003, n: 2e6, m: 2e6 }), 3.039812751939269e-8)).toBeLessThan(1e-10);
  });
});
