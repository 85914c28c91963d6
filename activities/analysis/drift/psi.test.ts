import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chiSquareContingency, psi } from './index.js';

const bad = (field: string): Error => expect.objectContaining({ name: 'AnalysisInputError', field }) as Error;
const pair = fc
  .array(fc.tuple(fc.nat({ max: 500 }), fc.nat({ max: 500 })), { minLength: 1, maxLength: 15 })
  .map((bins) => ({ reference: bins.map(([p]) => p), current: bins.map(([, q]) => q) }))
  .filter(({ reference, current }) => reference.some((n) => n > 0) && current.some((n) => n > 0));

describe('psi', () => {
  it('gives rows 9 and 10 of drift 3', () => {
    expect(psi({ reference: [16, 18, 16, 14, 12, 12], current: [16, 16, 16, 16, 16, 8] }).value).toBeCloseTo(
      0.03721838,
      8
    );
    expect(psi({ reference: [248, 247, 260, 245], current: [13, 43, 63, 81] }).value).toBeCloseTo(0.3404592225, 10);
  });

  it('states the 99 % quantile of no change for the bins that are kept', () => {
    // 21.665994333461924 is the 99 % quantile of chi-square with 9 degrees of freedom.
    const ten = Array.from({ length: 10 }, () => 100);
    expect(psi({ reference: ten, current: ten }).nullQuantile99).toBeCloseTo(0.002 * 21.665994333461924, 13);
    expect(psi({ reference: [...ten, 0], current: [...ten, 0] }).nullQuantile99).toBeCloseTo(
      0.002 * 21.665994333461924,
      13
    );
    expect(psi({ reference: [5, 0], current: [5, 0] })).toEqual({ value: 0, nullQuantile99: 0 });
  });

  it('replaces only shares of exactly 0 and does not renormalise', () => {
    const one = psi({ reference: [100, 0], current: [50, 50] }).value;
    expect(one).toBeCloseTo(0.5 * Math.log(2) + (0.5 - 1e-4) * Math.log(0.5 / 1e-4), 12);
    const other = psi({ reference: [100, 0], current: [50, 50], epsilon: 0.01 }).value;
    expect(other).toBeCloseTo(0.5 * Math.log(2) + 0.49 * Math.log(50), 12);
    // A share below epsilon is kept as it is.
    const tiny = psi({ reference: [999_999, 1], current: [500_000, 500_000] }).value;
    expect(tiny).toBeCloseTo(0.499999 * Math.log(0.999999 / 0.5) + 0.499999 * Math.log(0.5 / 1e-6), 9);
  });

  it('is symmetric, at least 0, and blind to scale, order and bins that are empty on both sides', () => {
    fc.assert(
      fc.property(pair, fc.integer({ min: 2, max: 1000 }), ({ reference, current }, factor) => {
        const { value, nullQuantile99 } = psi({ reference, current });
        expect(value).toBeGreaterThanOrEqual(0);
        expect(psi({ reference: current, current: reference }).value).toBeCloseTo(value, 10);
        expect(psi({ reference: reference.toReversed(), current: current.toReversed() }).value).toBeCloseTo(value, 10);
        expect(psi({ reference: [0, ...reference], current: [0, ...current] })).toEqual({ value, nullQuantile99 });
        const scaled = psi({ reference: reference.map((n) => n * factor), current: current.map((n) => n * factor) });
        expect(scaled.value).toBeCloseTo(value, 10);
        expect(scaled.nullQuantile99 * factor).toBeCloseTo(nullQuantile99, 8);
      }),
      { numRuns: 1000 }
    );
  });

  it('survives extremes', () => {
    expect(psi({ reference: [1e12, 1e12], current: [1e12, 1e12] }).value).toBe(0);
    expect(psi({ reference: [1], current: [1] }).value).toBe(0);
    expect(Number.isFinite(psi({ reference: [5e-324, 1], current: [1, 5e-324] }).value)).toBe(true);
    expect(psi({ reference: Float64Array.of(1, 3), current: Float64Array.of(3, 1) }).value).toBeCloseTo(
      Math.log(3),
      12
    );
  });

  it.each([
    ['reference', { reference: [], current: [] }],
    ['current', { reference: [1, 2], current: [1] }],
    ['reference[1]', { reference: [1, -1], current: [1, 1] }],
    ['current[0]', { reference: [1, 1], current: [Number.NaN, 1] }],
    ['current[0]', { reference: [1, 1], current: [Infinity, 1] }],
    ['reference', { reference: [0, 0], current: [1, 1] }],
    ['current', { reference: [1, 1], current: [0, 0] }],
    ['current', { reference: [1, 1], current: [1e308, 1e308] }],
    ['epsilon', { reference: [1], current: [1], epsilon: 0 }],
    ['epsilon', { reference: [1], current: [1], epsilon: 1 }],
    ['epsilon', { reference: [1], current: [1], epsilon: Number.NaN }],
    ['reference', { reference: undefined as never, current: [1] }],
  ])('names %s when it is wrong', (field, input) => {
    expect(() => psi(input)).toThrow(bad(field));
  });
});

describe('chiSquareContingency', () => {
  it('gives rows 7 and 9 of drift 3', () => {
    const seven = chiSquareContingency({
      table: [
        [10, 10, 20],
        [20, 20, 20],
      ],
    });
    expect(seven.statistic).toBeCloseTo(2.7777777777777777, 12);
    expect(seven.pValue).toBeCloseTo(0.24935220877729619, 12);
    expect(seven.df).toBe(2);
    expect(seven.cramersV).toBeCloseTo(Math.sqrt(2.7777777777777777 / 100), 12);
    const nine = chiSquareContingency({
      table: [
        [16, 18, 16, 14, 12, 12],
        [16, 16, 16, 16, 16, 8],
      ],
    });
    expect(nine.statistic).toBeCloseTo(1.62241, 5);
    expect(nine.pValue).toBeCloseTo(0.89853, 5);
  });

  it('is blind to order, transposition and empty rows and columns', () => {
    fc.assert(
      fc.property(pair, ({ reference, current }) => {
        const whole = chiSquareContingency({ table: [reference, current] });
        const turned = chiSquareContingency({ table: reference.map((n, i) => [n, current[i]!]) });
        expect(turned.statistic).toBeCloseTo(whole.statistic, 8);
        expect(turned.df).toBe(whole.df);
        expect(chiSquareContingency({ table: [current, reference] }).statistic).toBeCloseTo(whole.statistic, 8);
        const padded = chiSquareContingency({
          table: [
            [...reference, 0],
            [...current, 0],
            [...reference.map(() => 0), 0],
          ],
        });
        expect(padded).toEqual(whole);
        expect(whole.cramersV).toBeGreaterThanOrEqual(0);
        expect(whole.cramersV).toBeLessThanOrEqual(1);
      }),
      { numRuns: 1000 }
    );
  });

  it('says nothing about one category, and survives extremes', () => {
    expect(chiSquareContingency({ table: [[5], [7]] })).toEqual({ statistic: 0, df: 0, pValue: 1, cramersV: 0 });
    expect(
      chiSquareContingency({
        table: [
          [5, 5],
          [0, 0],
        ],
      })
    ).toEqual({ statistic: 0, df: 0, pValue: 1, cramersV: 0 });
    expect(
      chiSquareContingency({
        table: [
          [1e12, 0],
          [0, 1e12],
        ],
      })
    ).toMatchObject({ statistic: 2e12, cramersV: 1, pValue: 0 });
    expect(
      chiSquareContingency({
        table: [
          [1e200, 0],
          [0, 1e200],
        ],
      }).cramersV
    ).toBe(1);
  });

  it.each([
    ['table', []],
    ['table[0]', [[]]],
    ['table[1]', [[1, 2], [1]]],
    [
      'table[1][0]',
      [
        [1, 2],
        [-1, 1],
      ],
    ],
    [
      'table[0][1]',
      [
        [1, Number.NaN],
        [1, 1],
      ],
    ],
    [
      'table',
      [
        [0, 0],
        [0, 0],
      ],
    ],
    ['table', 'no' as never],
  ])('names %s when it is wrong', (field, table) => {
    expect(() => chiSquareContingency({ table })).toThrow(bad(field));
  });
});
