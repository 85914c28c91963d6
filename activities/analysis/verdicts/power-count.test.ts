import { describe, expect, it } from 'vitest';
import { powerCount, type PowerCountInput } from './power-count.js';
import { judgeMetric } from './judge-metric.js';
import { createRandom } from '../random.js';
import { wilsonInterval } from '../two-arms/index.js';

const base: PowerCountInput = {
  baseRate: 0.01,
  ratio: 2,
  allowedRatio: 1,
  share: 0.05,
  alpha: 0.05,
  looks: 12,
  perLook: 200,
  seed: 1,
};

describe('powerCount', () => {
  it('finds the measured powers', () => {
    const doubled = powerCount(base);
    expect(doubled.probabilityFail).toBeGreaterThan(0.9 - doubled.errorFail);
    expect(doubled.medianLook).toBeGreaterThanOrEqual(4);
    expect(doubled.medianLook).toBeLessThanOrEqual(7);
    expect(doubled.medianUnits).toBe((doubled.medianLook as number) * 200);
    expect(powerCount({ ...base, ratio: 3 }).probabilityFail).toBeGreaterThan(0.995);
    expect(Math.abs(powerCount({ ...base, share: 0.5 }).probabilityFail - 0.6)).toBeLessThan(0.05);
    expect(powerCount({ ...base, ratio: 1 }).probabilityFail).toBeLessThan(0.05);
  });

  it('prints what a healthy candidate needs', () => {
    const healthy = powerCount({ ...base, ratio: 1, safeBelow: 2, looks: 60, perLook: 100 });
    expect(healthy.probabilityPass).toBeGreaterThan(0.95);
    expect(healthy.passUnits95).toBeGreaterThan(2_500);
    expect(healthy.passUnits95).toBeLessThan(3_800);
    const short = powerCount({ ...base, ratio: 1, safeBelow: 2, looks: 5, perLook: 100 });
    expect(short.passUnits95).toBeNull();
    const small = powerCount({ ...base, baseRate: 1e-5, ratio: 1, ignoreBelow: 0.01, looks: 66, perLook: 5 });
    expect(small.probabilityPass).toBeGreaterThan(0.98);
    expect(small.medianUnits).toBe(330);
  });

  it('is the same for the same seed, and says how exact it is', () => {
    expect(powerCount(base)).toEqual(powerCount(base));
    expect(powerCount({ ...base, seed: 2 })).not.toEqual(powerCount(base));
    const few = powerCount({ ...base, trials: 100 });
    expect(few.trials).toBe(100);
    expect(few.errorFail).toBeGreaterThan(powerCount(base).errorFail);
  });

  it('says how exact it is as the Wilson interval does', () => {
    for (const result of [powerCount({ ...base, trials: 137 }), powerCount({ ...base, ratio: 1, trials: 40 })]) {
      const { trials, probabilityFail, probabilityPass } = result;
      const half = (probability: number) => {
        const { lower, upper } = wilsonInterval({ events: Math.round(probability * trials), trials, confidence: 0.95 });
        return (upper - lower) / 2;
      };
      expect(result.errorFail).toBeCloseTo(half(probabilityFail), 6);
      expect(result.errorPass).toBeCloseTo(half(probabilityPass), 6);
    }
  });

  it('promises the units of 95 of 100 only with trials enough to know them', () => {
    const all = { ...base, baseRate: 1e-7, ratio: 1, ignoreBelow: 0.01, looks: 66, perLook: 5 };
    expect(powerCount({ ...all, trials: 50 })).toMatchObject({ probabilityPass: 1, passUnits95: null });
    expect(powerCount({ ...all, trials: 60 })).toMatchObject({ probabilityPass: 1, passUnits95: 330 });
  });

  it('one trial is its own median', () => {
    expect(powerCount({ ...base, ratio: 5, trials: 1 }).medianLook).not.toBeNull();
  });

  it('refuses rates that add up to certainty', () => {
    expect(() => powerCount({ ...base, baseRate: 0.5, ratio: 2 })).toThrow(/below 1, got 1$/);
  });

  it('says null when nothing was decided', () => {
    const nothing = powerCount({ ...base, ratio: 1, looks: 1, perLook: 1, trials: 20 });
    expect([nothing.medianLook, nothing.medianUnits, nothing.passUnits95]).toEqual([null, null, null]);
  });

  it('decides as judgeMetric does, look by look', () => {
    const random = createRandom(5);
    const spec = { worseThan: 1, safeBelow: 2, ignoreBelow: 0.004 };
    let fails = 0;
    let passes = 0;
    const trials = 300;
    for (let trial = 0; trial < trials; trial += 1) {
      let a = 0;
      let b = 0;
      for (let look = 1; look <= 12; look += 1) {
        // The same draws in the same order as the planner makes.
        a += random.binomial(200, 0.02);
        b += random.binomial(3_800, 0.01);
        const steps = [
          { weight: 5, candidate: { events: a, trials: look * 200 }, champion: { events: b, trials: look * 3_800 } },
        ];
        const { verdict } = judgeMetric({ spec, steps, alpha: 0.05 });
        if (verdict === 'inconclusive') continue;
        if (verdict === 'fail') fails += 1;
        else passes += 1;
        break;
      }
    }
    const got = powerCount({ ...base, safeBelow: 2, ignoreBelow: 0.004, seed: 5, trials });
    expect([got.probabilityFail * trials, got.probabilityPass * trials]).toEqual([fails, passes]);
  });

  it('names what is wrong with bad input', () => {
    const bad: [string, Partial<PowerCountInput>][] = [
      ['baseRate', { baseRate: 0 }],
      ['ratio', { ratio: 0 }],
      ['ratio', { baseRate: 0.6, ratio: 2 }],
      ['allowedRatio', { allowedRatio: -1 }],
      ['safeBelow', { allowedRatio: 2, safeBelow: 1 }],
      ['ignoreBelow', { ignoreBelow: 1 }],
      ['share', { share: 1 }],
      ['alpha', { alpha: 0 }],
      ['looks', { looks: 0 }],
      ['perLook', { perLook: 0.5 }],
      ['priorStrength', { priorStrength: 0 }],
      ['seed', { seed: -1 }],
      ['trials', { trials: 0 }],
    ];
    for (const [field, change] of bad)
      expect(() => powerCount({ ...base, ...change }), field).toThrow(`${field}: must`);
  });
});
