import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitCycle, stickyIndex, type Share } from './split.js';

const weightsSummingTo100 = fc
  .array(fc.nat(100), { minLength: 0, maxLength: 7 })
  .map((cuts) => [...cuts, 0, 100].sort((a, b) => a - b))
  .map((cuts) => cuts.slice(1).map((cut, i) => cut - (cuts[i] ?? 0)));

const asShares = (weights: readonly number[]): Share[] => weights.map((weight, i) => ({ version: `v${i}`, weight }));

describe('splitCycle', () => {
  it('keeps every version within one request of its share at any count', () => {
    fc.assert(
      fc.property(weightsSummingTo100, (weights) => {
        const cycle = splitCycle(asShares(weights));
        const given = weights.map(() => 0);
        for (let n = 1; n <= 300; n++) {
          const index = cycle[(n - 1) % 100] ?? -1;
          given[index] = (given[index] ?? NaN) + 1;
          weights.forEach((weight, i) => expect(Math.abs((given[i] ?? 0) - (n * weight) / 100)).toBeLessThan(1));
        }
      })
    );
  });

  it('gives exactly the weights after every 100 requests', () => {
    for (let weight = 0; weight <= 100; weight++) {
      const cycle = splitCycle(asShares([weight, 100 - weight]));
      expect(cycle.filter((index) => index === 0)).toHaveLength(weight);
    }
  });
});

describe('stickyIndex', () => {
  const at = (weight: number, salt: string, key: string) =>
    stickyIndex(
      [
        { version: 'new', weight },
        { version: 'old', weight: 100 - weight },
      ],
      salt,
      key
    );

  it('never moves a unit back while the weight of the newest version grows', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.nat(100), fc.nat(100), (salt, key, a, b) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        if (at(low, salt, key) === 0) expect(at(high, salt, key)).toBe(0);
      })
    );
  });

  it('gives everything at 100 and nothing at 0', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (salt, key) => {
        expect(at(100, salt, key)).toBe(0);
        expect(at(0, salt, key)).toBe(1);
      })
    );
  });

  it('shares units within 4 standard deviations of the weight, and independently under another salt', () => {
    const units = Array.from({ length: 20_000 }, (_, i) => `user-${i}`);
    for (const weight of [1, 5, 25, 50]) {
      const p = weight / 100;
      const first = units.filter((key) => at(weight, 'release-1', key) === 0);
      expect(Math.abs(first.length - units.length * p)).toBeLessThan(4 * Math.sqrt(units.length * p * (1 - p)));
      const again = first.filter((key) => at(weight, 'release-2', key) === 0).length;
      expect(Math.abs(again - first.length * p)).toBeLessThan(4 * Math.sqrt(first.length * p * (1 - p)));
    }
  });

  it('gives a unit the same place in every version of the program: an update in the middle of a release moves nobody', () => {
    const places = Array.from({ length: 100 }, (_, i) => ({ version: `v${i}`, weight: 1 }));
    // Computed by another program from the description of the hash.
    for (const [key, ...expected] of [
      ['', 94, 59],
      ['a', 75, 64],
      ['user-1', 4, 16],
      ['user-2', 1, 94],
      ['Łódź', 85, 4],
      ['東京', 83, 28],
      ['京東', 31, 48],
      ['😀', 15, 10],
    ] as const) {
      const found = ['release-1', 'release-2'].map((salt) => stickyIndex(places, salt, key));
      expect([key, ...found]).toEqual([key, ...expected]);
    }
  });
});
