import { describe, expect, it } from 'vitest';

import { mergeProfiles } from './merge-profiles.js';
import type { CategoricalProfile, FeatureProfile, NumericProfile, Profile } from './profile-types.js';

/** Of the values 1, 1, 3 and 6 beside edges at 1, 2 and 4, one missing. */
const x: NumericProfile = {
  name: 'x',
  kind: 'numeric',
  importance: 1,
  nulls: 1,
  nan: 2,
  negativeInfinity: 3,
  positiveInfinity: 4,
  n: 4,
  min: 1,
  max: 6,
  mean: 2.75,
  m2: 16.75,
  edges: [1, 2, 4],
  counts: [0, 0, 1],
  points: [1],
  pointCounts: [2],
  underflow: 0,
  overflow: 1,
};
const place: CategoricalProfile = {
  name: 'place',
  kind: 'categorical',
  importance: 1,
  nulls: 1,
  values: ['A', 'B'],
  counts: [3, 1],
  other: 0,
  unseen: 2,
  complete: true,
};
const without: NumericProfile = { ...x, n: 0, min: null, max: null, mean: null, m2: null };
const profile = (features: readonly FeatureProfile[], more: Partial<Profile> = {}): Profile => ({
  v: 'retempo.profile/v1',
  window: null,
  rows: 5,
  features,
  target: null,
  ...more,
});
const merged = <F extends FeatureProfile>(a: F, b: F) =>
  mergeProfiles(profile([a]), profile([b])).features[0] as unknown as F;

describe('two profiles of one reference', () => {
  it('add up: every count, the extremes, and the moments as of all values together', () => {
    const later: NumericProfile = {
      ...x,
      nulls: 10,
      nan: 20,
      negativeInfinity: 30,
      positiveInfinity: 40,
      n: 2,
      min: -5,
      max: 5,
      mean: 0,
      m2: 50,
      counts: [0, 0, 0],
      pointCounts: [0],
      underflow: 1,
      overflow: 1,
    };
    const sum = {
      ...x,
      nulls: 11,
      nan: 22,
      negativeInfinity: 33,
      positiveInfinity: 44,
      n: 6,
      min: -5,
      max: 6,
      counts: [0, 0, 1],
      pointCounts: [2],
      underflow: 1,
      overflow: 2,
    };
    // 1, 1, 3, 6, -5 and 5: mean 11/6, squared deviations 97 - 121/6.
    for (const both of [merged(x, later), merged(later, x)]) {
      expect(both).toMatchObject({ ...sum, mean: expect.closeTo(11 / 6, 12), m2: expect.closeTo(97 - 121 / 6, 10) });
    }
    expect(merged(place, { ...place, nulls: 4, counts: [10, 20], other: 0, unseen: 5 })).toEqual({
      ...place,
      nulls: 5,
      counts: [13, 21],
      unseen: 7,
    });
    const partly = { ...place, complete: false, unseen: 0, other: 7 };
    expect(merged(partly, partly)).toMatchObject({ complete: false, other: 14, unseen: 0 });
    expect(mergeProfiles(profile([x]), profile([x], { rows: 7 })).rows).toBe(12);
  });

  it('one without a finite value changes neither extremes nor moments', () => {
    for (const some of [x, { ...x, min: -6, max: -1, mean: -2.75 }]) {
      const { min, max, mean, m2 } = some;
      for (const both of [merged(some, without), merged(without, some)])
        expect(both).toMatchObject({ min, max, mean, m2, n: 4 });
    }
    expect(merged(without, without)).toMatchObject({ min: null, max: null, mean: null, m2: null, n: 0 });
  });

  it('moments that one of them lacks, because its values are too great, are those of neither', () => {
    const giant = { ...x, mean: null, m2: null, max: 1e200 };
    for (const both of [merged(x, giant), merged(giant, x)])
      expect(both).toMatchObject({ n: 8, max: 1e200, mean: null, m2: null });
  });

  it('cover the span of both windows, whichever comes first; one without a window has none to add', () => {
    const [early, late] = [
      { from: '2001-01-01T00:00:00Z', to: '2001-01-02T00:00:00Z' },
      // Later, but not as a text.
      { from: '2001-01-03T00:00:00+02:00', to: '2001-01-03T00:00:00+02:00' },
    ];
    const of = (window: Profile['window']) => profile([], { window });
    const span = { from: early.from, to: late.to };
    for (const [a, b] of [
      [early, late],
      [late, early],
    ] as const)
      expect(mergeProfiles(of(a), of(b)).window).toEqual(span);
    const long = { from: '2001-01-01T00:00:00Z', to: '2001-01-09T00:00:00Z' };
    for (const [a, b] of [
      [long, late],
      [late, long],
    ] as const)
      expect(mergeProfiles(of(a), of(b)).window).toEqual(long);
    expect(mergeProfiles(of(early), of(null)).window).toBeNull();
    expect(mergeProfiles(of(null), of(late)).window).toBeNull();
  });

  it('have a label when both have one', () => {
    const labelled = profile([], { target: place });
    expect(mergeProfiles(labelled, labelled).target).toMatchObject({ counts: [6, 2] });
    expect(mergeProfiles(labelled, profile([])).target).toBeNull();
    expect(mergeProfiles(profile([]), labelled).target).toBeNull();
  });
});

describe('profiles of different references', () => {
  it.each<readonly [string, readonly FeatureProfile[], readonly FeatureProfile[], string]>([
    ['more features', [x], [x, place], 'one has 1 features, the other 2'],
    ['fewer features', [x, place], [x], 'one has 2 features, the other 1'],
    ['another feature', [x], [{ ...x, name: 'y' }], 'feature `x` meets `y`'],
    ['another kind', [x], [{ ...place, name: 'x' }], '`x` is numeric in one and categorical in the other'],
    ['another kind, seen from there', [place], [{ ...x, name: 'place' }], '`place` is categorical in one and numeric'],
    ['another edge', [x], [{ ...x, edges: [1, 2, 5] }], 'the bins of `x` differ'],
    ['one edge more', [x], [{ ...x, edges: [1, 2, 4, 8] }], 'the bins of `x` differ'],
    ['other point masses', [x], [{ ...x, points: [2] }], 'the bins of `x` differ'],
    ['other values', [place], [{ ...place, values: ['B', 'A'] }], 'the bins of `place` differ'],
    ['one value less', [place], [{ ...place, values: ['A'] }], 'the bins of `place` differ'],
    ['all values in one only', [place], [{ ...place, complete: false }], '`place` lists all values in one only'],
  ])('are not added: %s', (_, a, b, why) => {
    expect(() => mergeProfiles(profile(a), profile(b))).toThrow(
      expect.objectContaining({
        class: 'InvalidSpec',
        message: expect.stringMatching(/^profiles cannot be added: .*; make both with the same reference$/) as string,
      }) as Error
    );
    expect(() => mergeProfiles(profile(a), profile(b))).toThrow(why);
  });
});
