import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.js';
import { mannWhitney } from './index.js';

const SEED = 20_261_121;
const check = <T extends unknown[]>(runs: number, property: fc.IProperty<T>): void => {
  fc.assert(property, { numRuns: runs, seed: SEED });
};
const sample = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 2, maxLength: 25 });

/** Thousands of cases each: on a busy machine they take minutes, and no time is asked of them. */
const PATIENT = { timeout: 1_200_000 };

describe('mannWhitney', PATIENT, () => {
  it('mirrors, ignores order, scale and shift, and finds the shift that was put in', () => {
    check(
      3_000,
      fc.property(sample, sample, fc.constantFrom(2, 8), (x, y, scale) => {
        const one = mannWhitney({ x, y, method: 'asymptotic' });
        const two = mannWhitney({ x: y, y: x, method: 'asymptotic' });
        expect(one.u + two.u).toBe(x.length * y.length);
        expect(one.pValue).toBeCloseTo(two.pValue, 12);
        expect(one.cles + two.cles).toBeCloseTo(1, 12);
        expect(one.shift.lower).toBe(
          two.shift.upper === Infinity ? -Infinity : -two.shift.upper === 0 ? one.shift.lower : -two.shift.upper
        );
        const scaled = mannWhitney({
          x: x.toReversed().map((v) => v * scale),
          y: y.map((v) => v * scale),
          method: 'asymptotic',
        });
        expect(scaled.pValue).toBe(one.pValue);
        expect(scaled.shift.estimate).toBeCloseTo(one.shift.estimate * scale, 6);
      })
    );
  });

  it('ranks all differences as sorting them would', () => {
    check(
      3_000,
      fc.property(
        fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 1, maxLength: 40 }),
        fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 1, maxLength: 40 }),
        (x, y) => {
          const all = x.flatMap((a) => y.map((b) => a - b)).sort((a, b) => a - b);
          const middle = (all.length - 1) / 2;
          const median = ((all[Math.floor(middle)] as number) + (all[Math.ceil(middle)] as number)) / 2;
          expect(mannWhitney({ x, y, method: 'asymptotic' }).shift.estimate).toBe(median);
        }
      )
    );
  });

  it('stays small in memory for large samples, also when most pairs tie', () => {
    const random = createRandom(1);
    const n = 20_000;
    const x = Float64Array.from({ length: n }, () => random.normal() + 0.5);
    const y = Float64Array.from({ length: n }, () => random.normal());
    const got = mannWhitney({ x, y, method: 'asymptotic' });
    expect(got.shift.estimate).toBeGreaterThan(0.45);
    expect(got.shift.estimate).toBeLessThan(0.55);
    expect(got.shift.lower).toBeLessThan(0.5);
    const ties = mannWhitney({ x: x.map((v) => (v > 2 ? 1 : 0)), y: y.map(() => 0), method: 'asymptotic' });
    expect(ties.shift).toEqual({ estimate: 0, lower: 0, upper: 0 });
  });

  it('has no verdict for equal values, an unbounded shift for tiny samples, and refuses exact ties', () => {
    const flat = mannWhitney({ x: [3, 3, 3], y: [3, 3], method: 'asymptotic' });
    expect([flat.u, flat.pValue, flat.cles]).toEqual([3, 1, 0.5]);
    const tiny = mannWhitney({ x: [5], y: [1], method: 'exact' });
    expect(tiny).toMatchObject({ u: 1, pValue: 1, shift: { estimate: 4, lower: -Infinity, upper: Infinity } });
    expect(() => mannWhitney({ x: [1, 2], y: [2], method: 'exact' })).toThrow('ties');
    const outlier = mannWhitney({ x: [1, 2, 3, 1e8], y: [4, 5, 6], method: 'exact' });
    expect(outlier.u).toBe(3);
    const denormal = mannWhitney({ x: [5e-324, 1e-323], y: [0], method: 'exact' });
    expect(denormal.u).toBe(2);
  });

  it('has exact limits with the coverage that was asked for', () => {
    // Of all 70 ways to split 8 ranks into 4 and 4, the exact two-sided 90 % interval must contain 0 in at least 63.
    let covered = 0;
    let ways = 0;
    for (let mask = 0; mask < 256; mask += 1) {
      const x = [...Array(8).keys()].filter((i) => (mask >> i) & 1);
      if (x.length !== 4) continue;
      ways += 1;
      const y = [...Array(8).keys()].filter((i) => !((mask >> i) & 1));
      const { lower, upper } = mannWhitney({ x, y, method: 'exact', confidence: 0.9 }).shift;
      if (lower < 0 && upper > 0) covered += 1;
    }
    expect(ways).toBe(70);
    expect(covered / ways).toBeGreaterThanOrEqual(0.9);
    expect(covered).toBeLessThan(70);
  });
});
