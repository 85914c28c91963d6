import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  auc,
  brier,
  calibrationError,
  calibrationSlope,
  confusion,
  fairness,
  logLoss,
  logLossDetails,
  multiclass,
  regressionErrors,
} from './index.js';

const labels = [1, 0, 1, 1, 0, 0, 1, 0, 1, 0];
const probabilities = [0.9, 0.4, 0.6, 0.3, 0.2, 0.7, 0.8, 0.1, 0.55, 0.45];
const groups = ['a', 'a', 'a', 'a', 'a', 'b', 'b', 'b', 'b', 'b'];
const bad = (field: string): Error => expect.objectContaining({ name: 'AnalysisInputError', field }) as Error;

const scored = fc
  .array(fc.tuple(fc.constantFrom(0, 1), fc.integer({ min: 0, max: 1000 })), { minLength: 1, maxLength: 60 })
  .map((rows) => ({ labels: rows.map(([y]) => y), probabilities: rows.map(([, p]) => p / 1000) }));

describe('reference row 20 of progressive-delivery 2.3', () => {
  it('gives the published values', () => {
    expect(brier({ labels, probabilities })).toBeCloseTo(0.1805, 12);
    expect(logLoss({ labels, probabilities })).toBeCloseTo(0.5282278992, 10);
    expect(calibrationError({ labels, probabilities, bins: 5, binning: 'equalWidth' })).toBeCloseTo(0.16, 12);
    const result = fairness({ labels, probabilities, threshold: 0.5, groups });
    expect(result.byGroup['a']!.selectionRate).toBeCloseTo(0.4, 12);
    expect(result.byGroup['b']!.selectionRate).toBeCloseTo(0.6, 12);
    expect(result.demographicParityDifference).toBeCloseTo(0.2, 12);
    expect(result.demographicParityRatio).toBeCloseTo(2 / 3, 12);
    expect(result.byGroup['a']!.tpr).toBeCloseTo(2 / 3, 12);
    expect(result.byGroup['b']!.tpr).toBe(1);
    expect(result.byGroup['a']!.fpr).toBe(0);
    expect(result.byGroup['b']!.fpr).toBeCloseTo(1 / 3, 12);
    expect(result.equalizedOddsDifference).toBeCloseTo(1 / 3, 12);
  });
});

describe('logLoss', () => {
  it('clips both sides alike and says how many', () => {
    const details = logLossDetails({ labels: [1, 0, 1, 0, 1], probabilities: [0, 1, 1, 0, 1e-15] });
    expect(details).toEqual({ value: (-3 * Math.log(1e-15)) / 5, clipped: 2, n: 5 });
    expect(logLossDetails({ labels: [1, 0], probabilities: [1, 0] })).toEqual({ value: 0, clipped: 0, n: 2 });
    expect(logLossDetails({ labels: [0], probabilities: [1e-300] }).value).toBeCloseTo(1e-300, 310);
    expect(logLossDetails({ labels: [0], probabilities: [1e-20] }).value).toBe(1e-20);
  });
});

describe('auc', () => {
  it('counts ties half, and is null with one class', () => {
    expect(auc({ labels: [0, 0, 1, 1], probabilities: [0.1, 0.4, 0.35, 0.8] })).toBe(0.75);
    expect(auc({ labels: [0, 1, 0, 1], probabilities: [0.5, 0.5, 0.5, 0.5] })).toBe(0.5);
    expect(auc({ labels: [1, 1], probabilities: [0.1, 0.4] })).toBeNull();
    expect(auc({ labels: [0], probabilities: [0.1] })).toBeNull();
    expect(auc({ labels: [0, 1], probabilities: [-1e308, 5e-324] })).toBe(1);
  });

  it('equals the share of won pairs, mirrors under swapped labels, and depends on ranks only', () => {
    fc.assert(
      fc.property(scored, (input) => {
        const value = auc(input);
        let wins = 0;
        let pairs = 0;
        input.labels.forEach((a, i) =>
          input.labels.forEach((b, j) => {
            if (a !== 1 || b !== 0) return;
            pairs++;
            wins += (Math.sign(input.probabilities[i]! - input.probabilities[j]!) + 1) / 2;
          })
        );
        if (value === null) {
          expect(pairs).toBe(0);
          return;
        }
        expect(value).toBeCloseTo(wins / pairs, 12);
        const swapped = auc({ labels: input.labels.map((y) => 1 - y), probabilities: input.probabilities });
        expect(swapped).toBeCloseTo(1 - value, 12);
        expect(auc({ labels: input.labels, probabilities: input.probabilities.map((p) => Math.exp(20 * p)) })).toBe(
          value
        );
      })
    );
  });
});

describe('calibration', () => {
  it('puts a value on an edge into the bin below, the first bin being closed', () => {
    const at = (p: number): number =>
      calibrationError({ labels: [1, 0], probabilities: [p, 0.05], bins: 10, binning: 'equalWidth' });
    // .1 shares the first bin with .05; just above it does not.
    expect(at(0.1)).toBeCloseTo(Math.abs(0.15 - 1) / 2, 12);
    expect(at(0.1000001)).toBeCloseTo((Math.abs(0.1000001 - 1) + 0.05) / 2, 12);
    expect(calibrationError({ labels: [0, 1], probabilities: [0, 1], bins: 3, binning: 'equalWidth' })).toBe(0);
    // 11 / 20 is the edge .55 itself although .55 * 20 rounds up.
    expect(
      calibrationError({ labels: [1, 0], probabilities: [0.55, 0.51], bins: 20, binning: 'equalWidth' })
    ).toBeCloseTo(0.03, 12);
  });

  it('splits equal masses at quantiles and never equal probabilities', () => {
    const rows = { labels: [0, 0, 1, 1], probabilities: [0.1, 0.2, 0.7, 0.9] };
    expect(calibrationError({ ...rows, bins: 2, binning: 'equalMass' })).toBeCloseTo((0.3 + 0.4) / 4, 12);
    const tied = { labels: [0, 1, 0, 1], probabilities: [0.5, 0.5, 0.5, 0.5] };
    expect(calibrationError({ ...tied, bins: 4, binning: 'equalMass' })).toBe(0);
  });

  it('stays within [0, 1] and is the plain mean gap with one bin', () => {
    fc.assert(
      fc.property(scored, fc.integer({ min: 1, max: 20 }), (input, bins) => {
        for (const binning of ['equalWidth', 'equalMass'] as const) {
          const value = calibrationError({ ...input, bins, binning });
          expect(value).toBeGreaterThanOrEqual(0);
          expect(value).toBeLessThanOrEqual(1 + 1e-12);
        }
        const total = input.labels.reduce((sum: number, y, i) => sum + input.probabilities[i]! - y, 0);
        expect(calibrationError({ ...input, bins: 1, binning: 'equalMass' })).toBeCloseTo(
          Math.abs(total) / input.labels.length,
          12
        );
      })
    );
  });

  it('finds slope 1 and intercept 0 where shares equal probabilities', () => {
    const rows = [0.1, 0.3, 0.5, 0.8].flatMap((p) =>
      Array.from({ length: 10 }, (_, i) => [p, i < p * 10 - 1e-9 ? 1 : 0])
    );
    const input = { labels: rows.map(([, y]) => y!), probabilities: rows.map(([p]) => p!) };
    const result = calibrationSlope(input);
    expect(result.converged).toBe(true);
    expect(result.slope).toBeCloseTo(1, 9);
    expect(result.intercept).toBeCloseTo(0, 9);
    const logit = (p: number): number => Math.log(p / (1 - p));
    const sharpened = input.probabilities.map((p) => 1 / (1 + Math.exp(-(2 * logit(p) + 1))));
    const other = calibrationSlope({ labels: input.labels, probabilities: sharpened });
    expect(other.slope).toBeCloseTo(0.5, 9);
    expect(other.intercept).toBeCloseTo(-0.5, 9);
  });

  it.each([
    [
      [1, 1],
      [0.2, 0.8],
    ],
    [
      [0, 1],
      [0.5, 0.5],
    ],
    [
      [0, 0, 1, 1],
      [0.1, 0.2, 0.8, 0.9],
    ],
    [
      [1, 1, 0, 0],
      [0.1, 0.2, 0.8, 0.9],
    ],
    [[1], [0.3]],
  ])('says so when labels %j with %j determine nothing', (y, p) => {
    expect(calibrationSlope({ labels: y, probabilities: p })).toEqual({
      slope: null,
      intercept: null,
      converged: false,
    });
  });
});

describe('confusion and fairness', () => {
  it('calls a row at the threshold class 1 and gives null for 0 / 0', () => {
    const none = confusion({ labels: [0, 0], probabilities: [0.2, 0.3], threshold: 0.5 });
    expect(none).toMatchObject({
      accuracy: 1,
      precision: null,
      recall: null,
      f1: null,
      tpr: null,
      fpr: 0,
      selectionRate: 0,
    });
    const all = confusion({ labels: [1, 1], probabilities: [0.5, 0.4], threshold: 0.5 });
    expect(all).toMatchObject({ accuracy: 0.5, precision: 1, recall: 0.5, f1: 2 / 3, fpr: null, selectionRate: 0.5 });
  });

  it('adds up', () => {
    fc.assert(
      fc.property(scored, fc.double({ min: 0, max: 1, noNaN: true }), (input, threshold) => {
        const c = confusion({ ...input, threshold });
        expect(c.truePositives + c.falsePositives + c.trueNegatives + c.falseNegatives).toBe(input.labels.length);
        expect(c.recall).toBe(c.tpr);
      })
    );
  });

  it('is null where a group lacks positives or negatives, or is alone', () => {
    const result = fairness({
      labels: [1, 0, 0, 0],
      probabilities: [0.9, 0.1, 0.2, 0.3],
      threshold: 0.5,
      groups: [1, 1, 2, 2],
    });
    expect(result.byGroup['2']).toMatchObject({ n: 2, tpr: null });
    expect(result.equalizedOddsDifference).toBeNull();
    expect(result.demographicParityDifference).toBe(0.5);
    const alone = fairness({ labels: [1, 0], probabilities: [0.9, 0.1], threshold: 0.5, groups: ['x', 'x'] });
    expect(alone).toMatchObject({
      demographicParityDifference: null,
      demographicParityRatio: null,
      equalizedOddsDifference: null,
    });
    const nobody = fairness({ labels: [1, 0], probabilities: [0.1, 0.1], threshold: 0.5, groups: ['x', '__proto__'] });
    expect(nobody.demographicParityRatio).toBeNull();
    expect(Object.keys(nobody.byGroup)).toEqual(['x', '__proto__']);
  });
});

describe('multiclass', () => {
  it('counts the first of tied classes and the classes that occur', () => {
    const result = multiclass({
      labels: [0, 1, 2, 2],
      probabilities: [
        [0.5, 0.5, 0, 0],
        [0.2, 0.5, 0.3, 0],
        [0.6, 0.1, 0.3, 0],
        [0, 0, 1, 0],
      ],
    });
    expect(result.accuracy).toBe(0.75);
    expect(result.macroF1).toBeCloseTo((2 / 3 + 1 + 2 / 3) / 3, 12);
    expect(result.logLoss).toBeCloseTo(-(Math.log(0.5) * 2 + Math.log(0.3)) / 4, 12);
  });

  it('agrees with the two-class functions', () => {
    fc.assert(
      fc.property(scored, (input) => {
        const both = multiclass({ labels: input.labels, probabilities: input.probabilities.map((p) => [1 - p, p]) });
        expect(both.logLoss).toBeCloseTo(logLoss(input), 9);
      })
    );
  });
});

describe('regressionErrors', () => {
  it('gives the values of the documentation of scikit-learn', () => {
    const result = regressionErrors({ actual: [3, -0.5, 2, 7], predicted: [2.5, 0, 2, 8] });
    expect(result.mae).toBeCloseTo(0.5, 12);
    expect(result.rmse).toBeCloseTo(Math.sqrt(0.375), 12);
    expect(result.r2).toBeCloseTo(0.9486081370449679, 12);
    expect(result.bias).toBeCloseTo(0.25, 12);
  });

  it('survives extremes', () => {
    expect(regressionErrors({ actual: [1], predicted: [3] })).toEqual({ mae: 2, rmse: 2, r2: null, bias: 2 });
    expect(regressionErrors({ actual: [0.1, 0.1, 0.1], predicted: [0.1, 0.1, 0.1] }).r2).toBeNull();
    expect(regressionErrors({ actual: [1e200, -1e200], predicted: [0, 0] }).rmse).toBeCloseTo(1e200, -190);
    expect(regressionErrors({ actual: [1e-200, -1e-200], predicted: [0, 0] }).r2).toBeCloseTo(0, 12);
    expect(regressionErrors({ actual: [1, 2, 3], predicted: [1, 2, 1e8] }).mae).toBeCloseTo((1e8 - 3) / 3, 4);
  });
});

describe('bad input', () => {
  const good = { labels: [0, 1], probabilities: [0.2, 0.7] };
  const functions = {
    logLoss,
    logLossDetails,
    brier,
    calibrationSlope,
    calibrationError: (input: typeof good) => calibrationError({ ...input, bins: 5, binning: 'equalWidth' }),
    confusion: (input: typeof good) => confusion({ ...input, threshold: 0.5 }),
    fairness: (input: typeof good) => fairness({ ...input, threshold: 0.5, groups: ['a', 'b'] }),
  };
  it.each(Object.entries(functions))('%s names the field', (_name, run) => {
    expect(() => run({ labels: [], probabilities: [] })).toThrow(bad('labels'));
    expect(() => run({ labels: [0, 2], probabilities: [0.1, 0.2] })).toThrow(bad('labels[1]'));
    expect(() => run({ labels: [0, Number.NaN], probabilities: [0.1, 0.2] })).toThrow(bad('labels[1]'));
    expect(() => run({ labels: [0, 1], probabilities: [0.1, 1.2] })).toThrow(bad('probabilities[1]'));
    expect(() => run({ labels: [0, 1], probabilities: [-0.1, 0.2] })).toThrow(bad('probabilities[0]'));
    expect(() => run({ labels: [0, 1], probabilities: [0.1, Number.NaN] })).toThrow(bad('probabilities[1]'));
    expect(() => run({ labels: [0, 1], probabilities: [0.1] })).toThrow(bad('probabilities'));
    expect(() => run({ labels: 'no' as never, probabilities: [0.1] })).toThrow(bad('labels'));
  });

  it('names the field of the others', () => {
    expect(() => auc({ labels: [0, 1], probabilities: [0, Infinity] })).toThrow(bad('probabilities[1]'));
    expect(() => auc({ labels: [0, 1], probabilities: [0] })).toThrow(bad('probabilities'));
    expect(() => auc({ labels: [0, 3], probabilities: [0, 1] })).toThrow(bad('labels[1]'));
    expect(() => calibrationError({ ...good, bins: 0, binning: 'equalWidth' })).toThrow(bad('bins'));
    expect(() => calibrationError({ ...good, bins: 5, binning: 'other' as never })).toThrow(bad('binning'));
    expect(() => confusion({ ...good, threshold: Number.NaN })).toThrow(bad('threshold'));
    expect(() => fairness({ ...good, threshold: 0.5, groups: ['a'] })).toThrow(bad('groups'));
    expect(() => fairness({ ...good, threshold: 0.5, groups: undefined as never })).toThrow(bad('groups'));
    expect(() => multiclass({ labels: [], probabilities: [] })).toThrow(bad('labels'));
    expect(() => multiclass({ labels: [0], probabilities: [] })).toThrow(bad('probabilities'));
    expect(() => multiclass({ labels: [2], probabilities: [[0.5, 0.5]] })).toThrow(bad('labels[0]'));
    expect(() => multiclass({ labels: [0.5], probabilities: [[0.5, 0.5]] })).toThrow(bad('labels[0]'));
    expect(() => multiclass({ labels: [0], probabilities: [[0.5, 0.4]] })).toThrow(bad('probabilities[0]'));
    expect(() => multiclass({ labels: [0, 1], probabilities: [[0.5, 0.5], [1]] })).toThrow(bad('probabilities[1]'));
    expect(() => multiclass({ labels: [0], probabilities: [[Number.NaN, 1]] })).toThrow(bad('probabilities[0][0]'));
    expect(() => regressionErrors({ actual: [], predicted: [] })).toThrow(bad('actual'));
    expect(() => regressionErrors({ actual: [1], predicted: [Number.NaN] })).toThrow(bad('predicted[0]'));
    expect(() => regressionErrors({ actual: [1], predicted: [1, 2] })).toThrow(bad('predicted'));
  });
});
