import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnalysisInputError } from '../errors.js';
import { createRandom } from '../random.js';
import { eDetector, type EDetectorOptions, type EDetectorState } from './index.js';

const options: EDetectorOptions = { tolerated: 0.22, alarmEvery: 365 };
const constant = (n: number, value: number): number[] => Array.from({ length: n }, () => value);
const bernoulli = (seed: number, n: number, p: number): number[] => {
  const random = createRandom(seed);
  return Array.from({ length: n }, () => (random.uniform() < p ? 1 : 0));
};

describe('eDetector', () => {
  it('follows the definition in plain arithmetic', () => {
    const lambdas = [0.05, 0.1, 0.2, 0.35];
    const detector = eDetector(options);
    let plain = lambdas.map(() => 0);
    for (let window = 0; window < 5; window++) {
      const losses = bernoulli(window, 120, 0.25);
      plain = plain.map((m, k) => losses.reduce((value, x) => value * (1 + lambdas[k]! * (x - 0.22)), m + 1));
      const mean = plain.reduce((a, b) => a + b, 0) / plain.length;
      expect(detector.update(losses).logEValue).toBeCloseTo(Math.log(mean), 11);
    }
  });

  it('raises each window to 1 / overdispersion and scales by clip', () => {
    const plain = eDetector({ ...options, lambdas: [0.2] }).update(constant(200, 0.5)).logEValue!;
    expect(
      eDetector({ ...options, lambdas: [0.2], overdispersion: 4 }).update(constant(200, 0.5)).logEValue
    ).toBeCloseTo(plain / 4, 12);
    const clipped = eDetector({ tolerated: 0.88, alarmEvery: 365, lambdas: [0.2], clip: 4 });
    expect(clipped.update(constant(200, 2)).logEValue).toBeCloseTo(plain, 12);
    const far = eDetector({ tolerated: 0.88, alarmEvery: 365, lambdas: [0.2], clip: 4 });
    expect(far.update([...constant(199, 2), Infinity]).logEValue).toBeCloseTo(
      (plain * 199) / 200 + Math.log(1 + 0.2 * 0.78),
      12
    );
  });

  it('alarms at the line, keeps the alarm, and forgets it on reset', () => {
    const detector = eDetector(options);
    const results = Array.from({ length: 6 }, () => detector.update(constant(300, 1)));
    expect(results[0]!.alarm).toBe(true);
    for (let i = 0; i < 60; i++) expect(detector.update(constant(300, 0)).alarm).toBe(true);
    expect(detector.update(constant(300, 0)).logEValue!).toBeLessThan(Math.log(365));
    detector.reset();
    expect(detector.state).toEqual(eDetector(options).state);
    expect(detector.update(constant(300, 0)).alarm).toBe(false);
    const edge = eDetector({ tolerated: 0, alarmEvery: 2 ** 10, lambdas: [1], minCount: 10 });
    expect(edge.update(constant(10, 1)).alarm).toBe(true);
    const below = eDetector({ tolerated: 0, alarmEvery: 2 ** 10 + 1e-6, lambdas: [1], minCount: 10 });
    expect(below.update(constant(10, 1)).alarm).toBe(false);
  });

  it('carries fewer than minCount labels over and lets an empty window change nothing', () => {
    const detector = eDetector(options);
    expect(detector.update([])).toEqual({ status: 'noData', logEValue: null, alarm: false });
    expect(detector.update(constant(60, 1))).toEqual({ status: 'noData', logEValue: null, alarm: false });
    const before = detector.state;
    expect(detector.update([]).status).toBe('noData');
    expect(detector.state).toEqual(before);
    expect(before.pendingCount).toBe(60);
    const joined = detector.update(constant(60, 0));
    expect(joined.status).toBe('ok');
    const whole = eDetector(options).update([...constant(60, 1), ...constant(60, 0)]);
    expect(joined.logEValue).toBeCloseTo(whole.logEValue!, 12);
    expect(detector.state.pendingCount).toBe(0);
    // Exactly minCount labels are enough.
    expect(eDetector(options).update(constant(100, 0)).status).toBe('ok');
  });

  it('resumes bit by bit from JSON at any point', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 })), (windows) => {
        const steady = eDetector({ ...options, minCount: 20 });
        let state: EDetectorState | undefined;
        for (const losses of windows) {
          const resumed = eDetector({ ...options, minCount: 20, ...(state === undefined ? {} : { state }) });
          expect(resumed.update(losses)).toEqual(steady.update(losses));
          expect(resumed.state).toEqual(steady.state);
          state = JSON.parse(JSON.stringify(resumed.state)) as EDetectorState;
          expect(state).toEqual(resumed.state);
        }
      }),
      { numRuns: 300 }
    );
  });

  it('does not depend on the order within a window and rises with the losses', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 100, maxLength: 150 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (losses, extra) => {
          const value = eDetector(options).update(losses).logEValue!;
          expect(eDetector(options).update(losses.toReversed()).logEValue).toBeCloseTo(value, 11);
          const worse = losses.map((x) => Math.max(x, extra));
          expect(eDetector(options).update(worse).logEValue!).toBeGreaterThanOrEqual(value - 1e-12);
        }
      ),
      { numRuns: 300 }
    );
  });

  it('stays finite over ten years of certain harm and of certain health', () => {
    const harmed = eDetector(options);
    const healthy = eDetector(options);
    for (let window = 0; window < 3650; window++) {
      harmed.update(constant(1000, 1));
      healthy.update(constant(1000, 0));
    }
    expect(Number.isFinite(harmed.update(constant(1000, 1)).logEValue)).toBe(true);
    expect(harmed.state.logEvidence.every((value) => value! > 1e5)).toBe(true);
    const last = healthy.update(constant(1000, 0));
    expect(last.alarm).toBe(false);
    expect(last.logEValue).toBeLessThan(-5);
    expect(Number.isFinite(last.logEValue)).toBe(true);
  });

  it('hands out copies of its state', () => {
    const detector = eDetector(options);
    detector.update(constant(100, 0.5));
    (detector.state.logEvidence as (number | null)[])[0] = 1e9;
    expect(detector.state.logEvidence[0]).toBeLessThan(10);
  });

  it.each([
    ['tolerated', { ...options, tolerated: 1 }],
    ['tolerated', { ...options, tolerated: -0.1 }],
    ['tolerated', { ...options, tolerated: Number.NaN }],
    ['tolerated', { ...options, tolerated: 4, clip: 4 }],
    ['alarmEvery', { ...options, alarmEvery: 0.5 }],
    ['alarmEvery', { ...options, alarmEvery: Infinity }],
    ['minCount', { ...options, minCount: 0 }],
    ['minCount', { ...options, minCount: 2.5 }],
    ['overdispersion', { ...options, overdispersion: 0.9 }],
    ['clip', { ...options, clip: 0 }],
    ['lambdas', { ...options, lambdas: [] }],
    ['lambdas[0]', { ...options, lambdas: [0] }],
    ['lambdas[1]', { ...options, lambdas: [0.1, 1 / 0.22] }],
    ['state', { ...options, state: { ...eDetector(options).state, tolerated: 0.3 } }],
    ['state', { ...options, state: eDetector({ ...options, lambdas: [0.1] }).state }],
    ['state', { ...options, state: eDetector({ ...options, lambdas: [0.1, 0.2, 0.3, 0.4] }).state }],
    ['state.logEvidence', { ...options, state: { ...eDetector(options).state, logEvidence: [null] } }],
    ['state.pendingSums', { ...options, state: { ...eDetector(options).state, pendingSums: [0, 0, 0, Number.NaN] } }],
    ['state.pendingErrors', { ...options, state: { ...eDetector(options).state, pendingErrors: [0] } }],
    ['state.pendingCount', { ...options, state: { ...eDetector(options).state, pendingCount: -1 } }],
  ] as const)('names %s when it is wrong', (field, bad) => {
    expect(() => eDetector(bad)).toThrow(expect.objectContaining({ name: 'AnalysisInputError', field }) as Error);
  });

  it.each([[[0.5, 1.01]], [[0.5, -0.01]], [[0.5, Number.NaN]], [[0, Infinity]]])(
    'refuses losses %j whole',
    (losses) => {
      const detector = eDetector(options);
      const before = detector.state;
      expect(() => detector.update(losses)).toThrow(AnalysisInputError);
      expect(() => detector.update(losses)).toThrow('losses[1]');
      expect(detector.state).toEqual(before);
    }
  );

  it('refuses negative losses and NaN with clip, and no array at all', () => {
    const detector = eDetector({ tolerated: 1, alarmEvery: 365, clip: 4 });
    expect(() => detector.update([-1])).toThrow('losses[0]: must be a number >= 0, got -1');
    expect(() => detector.update([Number.NaN])).toThrow('losses[0]');
    expect(() => detector.update(3 as never)).toThrow('losses: must be an array, got 3');
  });
});
