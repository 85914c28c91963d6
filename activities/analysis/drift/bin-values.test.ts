import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.js';
import { binValues, decileEdges } from './index.js';

const bad = (field: string): Error => expect.objectContaining({ name: 'AnalysisInputError', field }) as Error;

describe('binValues', () => {
  it('equals a plain loop on any values and edges', () => {
    const value = fc.oneof(
      fc.double({ noNaN: false }),
      fc.integer({ min: -20, max: 20 }),
      fc.constantFrom(Number.NaN, Infinity, -Infinity, 1e8, 5e-324)
    );
    const edge = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 }),
      fc.integer({ min: -20, max: 20 })
    );
    fc.assert(
      fc.property(
        fc.array(value, { maxLength: 60 }),
        fc.uniqueArray(edge, { minLength: 1, maxLength: 12, comparator: (a, b) => a === b }),
        (values, unsorted) => {
          const edges = Float64Array.from(unsorted).sort();
          const result = binValues({ values, edges });
          const plain = Array.from({ length: edges.length + 1 }, () => 0);
          const finite = values.filter((v) => Number.isFinite(v));
          for (const v of finite) {
            const bin = edges.findIndex((e) => v <= e);
            plain[bin === -1 ? edges.length : bin]! += 1;
          }
          expect([...result.counts]).toEqual(plain);
          expect(result).toMatchObject({ n: finite.length, missing: values.length - finite.length });
        }
      ),
      { numRuns: 3000 }
    );
  });

  it('keeps the digits of moments far from 0, over many blocks', () => {
    const random = createRandom(1);
    const values = Float64Array.from({ length: 100_000 }, () => 1e9 + random.normal());
    const { n, mean, squaredDeviations, min, max } = binValues({ values, edges: [1e9] });
    const exact = values.reduce((sum, v) => sum + (v - 1e9), 0) / n;
    expect(mean - 1e9).toBeCloseTo(exact, 6);
    expect(squaredDeviations / n).toBeCloseTo(values.reduce((sum, v) => sum + (v - 1e9 - exact) ** 2, 0) / n, 6);
    expect([min, max]).toEqual(
      [Math.min(...values.slice(0, 1)), max].map((_, i) => (i === 0 ? values.toSorted()[0] : values.toSorted().at(-1)))
    );
  });

  it('has nothing to say about nothing', () => {
    expect(binValues({ values: [], edges: [1, 2] })).toEqual({
      counts: new Float64Array(3),
      n: 0,
      missing: 0,
      mean: 0,
      squaredDeviations: 0,
      min: Infinity,
      max: -Infinity,
    });
  });

  it('names what is wrong', () => {
    expect(() => binValues({ values: [1], edges: [] })).toThrow(bad('edges'));
    expect(() => binValues({ values: [1], edges: [2, 2] })).toThrow(bad('edges[1]'));
    expect(() => binValues({ values: [1], edges: [Number.NaN] })).toThrow(bad('edges[0]'));
    expect(() => binValues({ values: 1 as never, edges: [1] })).toThrow(bad('values'));
  });
});

describe('decileEdges', () => {
  it('gives the deciles, equal ones once', () => {
    expect([...decileEdges([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect([...decileEdges([3, 3, 3])]).toEqual([3]);
    expect(() => decileEdges([])).toThrow(bad('reference'));
  });
});
