import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.js';
import { adwin, cbpe, ddm, eddm, pageHinkley, toleratedLoss } from './index.js';
import { isotonic } from './isotonic.js';

const bad = (field: string): Error => expect.objectContaining({ name: 'AnalysisInputError', field }) as Error;

describe('adwin (row 12 of drift 3)', () => {
  it('never alarms on a constant and starts afresh after an alarm', () => {
    const calm = adwin();
    for (let i = 0; i < 5000; i++) expect(calm.update(1).drift).toBe(false);
    expect(calm.width).toBe(5000);
    const detector = adwin({ clock: 1 });
    for (let i = 0; i < 500; i++) detector.update(0);
    let alarmed = false;
    for (let i = 0; i < 50 && !alarmed; i++) alarmed = detector.update(100).drift;
    expect(alarmed).toBe(true);
    detector.update(100);
    expect(detector.width).toBe(1);
  });

  it('names what is wrong', () => {
    expect(() => adwin({ delta: 0 })).toThrow(bad('delta'));
    expect(() => adwin({ delta: 1 })).toThrow(bad('delta'));
    expect(() => adwin({ clock: 0 })).toThrow(bad('clock'));
    expect(() => adwin({ maxBuckets: 1 })).toThrow(bad('maxBuckets'));
    expect(() => adwin({ minWindowLength: 0 })).toThrow(bad('minWindowLength'));
    expect(() => adwin({ gracePeriod: -1 })).toThrow(bad('gracePeriod'));
    expect(() => adwin().update(Number.NaN)).toThrow(bad('x'));
  });
});

describe('pageHinkley, ddm, eddm', () => {
  it('name what is wrong', () => {
    expect(() => pageHinkley({ minInstances: 0 })).toThrow(bad('minInstances'));
    expect(() => pageHinkley({ delta: -1 })).toThrow(bad('delta'));
    expect(() => pageHinkley({ threshold: Number.NaN })).toThrow(bad('threshold'));
    expect(() => pageHinkley({ alpha: 0 })).toThrow(bad('alpha'));
    expect(() => pageHinkley({ mode: 'side' as never })).toThrow(bad('mode'));
    expect(() => pageHinkley().update(Infinity)).toThrow(bad('x'));
    expect(() => ddm({ warmStart: -1 })).toThrow(bad('warmStart'));
    expect(() => ddm({ warningThreshold: -1 })).toThrow(bad('warningThreshold'));
    expect(() => ddm({ driftThreshold: Infinity })).toThrow(bad('driftThreshold'));
    expect(() => ddm().update(0.5)).toThrow(bad('x'));
    expect(() => eddm({ warmStart: 1.5 })).toThrow(bad('warmStart'));
    expect(() => eddm({ alpha: 1.1 })).toThrow(bad('alpha'));
    expect(() => eddm({ alpha: 0.8, beta: 0.9 })).toThrow(bad('beta'));
    expect(() => eddm().update(2)).toThrow(bad('x'));
  });
});

describe('isotonic', () => {
  it('merges ties, never falls, and is flat beyond its ends', () => {
    const curve = isotonic([0.1, 0.1, 0.4, 0.6, 0.9], [0, 1, 0, 1, 1]);
    expect(curve(0)).toBeCloseTo(1 / 3, 12);
    expect(curve(0.4)).toBeCloseTo(1 / 3, 12);
    expect(curve(0.5)).toBeCloseTo(2 / 3, 12);
    expect(curve(2)).toBe(1);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.constantFrom(0, 1)), { minLength: 1, maxLength: 40 }),
        (rows) => {
          const fitted = isotonic(
            rows.map(([s]) => s),
            rows.map(([, y]) => y)
          );
          const values = Array.from({ length: 45 }, (_, i) => fitted(i / 2 - 1));
          values.forEach((value, i) => expect(value).toBeGreaterThanOrEqual((values[i - 1] ?? 0) - 1e-12));
          // The fitted values of the rows keep their sum.
          const total = rows.reduce((sum, [s]) => sum + fitted(s), 0);
          expect(total).toBeCloseTo(rows.filter(([, y]) => y === 1).length, 8);
        }
      ),
      { numRuns: 500 }
    );
  });
});

describe('cbpe', () => {
  const rows = (seed: number, n: number) => {
    const random = createRandom(seed);
    const probabilities = Array.from({ length: n }, () => random.uniform());
    return { probabilities, labels: probabilities.map((p) => (random.uniform() < p ** 2 ? 1 : 0)) };
  };

  it('estimates accuracy and AUC of a model that is not calibrated, within its own error', () => {
    const reference = rows(1, 20_000);
    const { probabilities, labels } = rows(2, 4000);
    const result = cbpe({ reference, current: { probabilities }, threshold: 0.5 });
    const accuracy = labels.filter((y, i) => (probabilities[i]! >= 0.5 ? 1 : 0) === y).length / labels.length;
    expect(Math.abs(result.accuracy.estimate - accuracy)).toBeLessThan(4 * result.accuracy.standardError);
    expect(result.auc!.estimate).toBeGreaterThan(0.8);
    expect(result.auc!.standardError).toBeLessThan(0.01);
    expect(result.calibration.healthy).toBe(true);
    expect(result.calibration.error).toBeLessThan(0.02);
  });

  it('says when the calibration cannot be trusted', () => {
    // Labels that alternate must not fool the split into halves.
    const labels = Array.from({ length: 4000 }, (_, i) => i % 2);
    const probabilities = labels.map(() => 0.5);
    const alternating = cbpe({
      reference: { labels, probabilities },
      current: { probabilities: [0.5] },
      threshold: 0.5,
    });
    expect(alternating.calibration.healthy).toBe(true);
    expect(alternating.calibration.error).toBeLessThan(0.05);
    const few = { labels: [0, 1, 1, 0], probabilities: [0.1, 0.2, 0.8, 0.9] };
    const unsure = cbpe({ reference: few, current: { probabilities: [0.5] }, threshold: 0.5 }).calibration;
    expect(unsure.healthy).toBe(false);
    expect(unsure.error).toBeGreaterThan(0.05);
    const oneClass = { labels: [1, 1, 1], probabilities: [0.2, 0.5, 0.9] };
    const result = cbpe({ reference: oneClass, current: { probabilities: [0.3, 0.6] }, threshold: 0.5 });
    expect(result).toEqual({
      accuracy: { estimate: 0.5, standardError: 0 },
      auc: null,
      calibration: { error: 0, healthy: false },
    });
    const single = { labels: [1], probabilities: [0.2] };
    expect(cbpe({ reference: single, current: { probabilities: [0.3] }, threshold: 0.5 }).calibration.healthy).toBe(
      false
    );
  });

  it('names what is wrong', () => {
    const good = {
      reference: { labels: [0, 1], probabilities: [0.1, 0.9] },
      current: { probabilities: [0.2] },
      threshold: 0.5,
    };
    const wrong = (field: string, change: object): void => {
      expect(() => cbpe({ ...good, ...change })).toThrow(bad(field));
    };
    wrong('reference.labels', { reference: { labels: [], probabilities: [] } });
    wrong('reference.labels[0]', { reference: { labels: [2, 1], probabilities: [0.1, 0.2] } });
    wrong('reference.probabilities[1]', { reference: { labels: [0, 1], probabilities: [0.1, 1.2] } });
    wrong('reference.probabilities', { reference: { labels: [0, 1], probabilities: [0.1] } });
    wrong('current.probabilities', { current: { probabilities: [] } });
    wrong('current.probabilities[0]', { current: { probabilities: [Number.NaN] } });
    wrong('threshold', { threshold: Infinity });
  });
});

describe('toleratedLoss', () => {
  it('adds the upper limit of the estimate and the tolerance', () => {
    const input = { mean: 0.2, standardDeviation: 0.4, n: 2000, tolerance: 0.02 };
    expect(toleratedLoss(input)).toBeCloseTo(0.22 + (2.3263478740408408 * 0.4) / Math.sqrt(2000), 12);
    expect(toleratedLoss({ ...input, confidence: 0.95 })).toBeCloseTo(
      0.22 + (1.6448536269514722 * 0.4) / Math.sqrt(2000),
      12
    );
    expect(toleratedLoss({ ...input, standardDeviation: 0 })).toBeCloseTo(0.22, 12);
    expect(() => toleratedLoss({ ...input, mean: Number.NaN })).toThrow(bad('mean'));
    expect(() => toleratedLoss({ ...input, standardDeviation: -1 })).toThrow(bad('standardDeviation'));
    expect(() => toleratedLoss({ ...input, n: 0 })).toThrow(bad('n'));
    expect(() => toleratedLoss({ ...input, tolerance: -1 })).toThrow(bad('tolerance'));
    expect(() => toleratedLoss({ ...input, confidence: 1 })).toThrow(bad('confidence'));
  });
});
