import { describe, expect, it } from 'vitest';
import { asymptoticCs, countTest } from '../sequential/index.js';
import { isSmall, meanHarm } from './judge-metric-harm.js';
import type { ArmMoments, MetricStep, ResolvedSpec } from './judge-metric-types.js';

const spec: ResolvedSpec = {
  kind: 'mean',
  name: 'loss',
  unit: 'request',
  valueUnit: '',
  direction: 'lowerIsBetter',
  scale: 'difference',
  worseThan: 0,
  safeBelow: 0.1,
  ignoreBelow: 0.01,
  priorStrength: 10,
  overdispersion: 1,
  tuning: 5_000,
  minUnits: 1,
};
/** Moments with this mean and this sample variance. */
const arm = (n: number, mean: number, variance: number): ArmMoments => ({
  n,
  sum: n * mean,
  sumSquares: (n - 1) * variance + n * mean * mean,
});
const step = (weight: number, candidate: ArmMoments, champion: ArmMoments): MetricStep => ({
  weight,
  candidate,
  champion,
});

describe('isSmall', () => {
  it('is the count test against the fixed share, to the very request', () => {
    for (let events = 0; events <= 12; events += 1) {
      for (let trials = events + 1; trials <= 4_000; trials = Math.ceil(trials * 1.15)) {
        const { pValue } = countTest({
          candidateEvents: events,
          championEvents: trials - events,
          expectedShare: 0.01,
          alternative: 'less',
          priorStrength: 10,
        });
        expect([events, trials, isSmall(events, trials, 0.05, spec)]).toEqual([events, trials, pValue <= 0.05]);
      }
    }
  });

  it('takes requests that come in bunches of 3 for a third of them', () => {
    const bunched = { ...spec, overdispersion: 3 };
    const proven = [0, 1, 2, 4].map((events) => {
      let trials = events + 1;
      while (!isSmall(events, trials, 0.05, spec)) trials += 1;
      // Three times as many of everything prove exactly as much, one bunch less proves nothing.
      expect(isSmall(3 * events, 3 * trials, 0.05, bunched)).toBe(true);
      expect(isSmall(3 * events, 3 * (trials - 1), 0.05, bunched)).toBe(false);
      return trials;
    });
    expect(proven).toEqual(proven.toSorted((a, b) => a - b));
    expect(proven[0]).toBeGreaterThan(300);
    expect(proven[0]).toBeLessThan(340);
  });

  it('is never so without a limit', () => {
    expect(isSmall(0, 1e9, 0.05, { ...spec, ignoreBelow: null })).toBe(false);
  });
});

describe('meanHarm', () => {
  const steps = [
    step(5, arm(400, 0.5, 0.04), arm(7_600, 0.48, 0.05)),
    step(25, arm(3_000, 0.52, 0.06), arm(9_000, 0.47, 0.03)),
  ];
  /** Both arms' means and the variances of these means, by step. */
  const strata = [
    { a: 0.5, va: 0.04 / 400, b: 0.48, vb: 0.05 / 7_600 },
    { a: 0.52, va: 0.06 / 3_000, b: 0.47, vb: 0.03 / 9_000 },
  ];
  const n = 20_000;

  it('is the inverse-variance mean of the differences with the half-width of the one-sided sequence', () => {
    for (const overdispersion of [1, 4]) {
      const weights = strata.map(({ va, vb }) => 1 / (va + vb));
      const total = weights[0]! + weights[1]!;
      const estimate = strata.reduce((sum, { a, b }, i) => sum + weights[i]! * (a - b), 0) / total;
      // Bunches of 4: a quarter of the units, each mean twice as uncertain.
      const standardError = Math.sqrt(overdispersion / total);
      const sequence = { estimate, standardError, n: n / overdispersion, alpha: 0.05, tuning: spec.tuning } as const;
      const harm = meanHarm(steps, 0.05, { ...spec, overdispersion });
      expect(harm.estimate).toBeCloseTo(estimate, 12);
      expect(harm.lower).toBeCloseTo(asymptoticCs({ ...sequence, side: 'lower' }).lower, 10);
      expect(harm.upper).toBeCloseTo(asymptoticCs({ ...sequence, side: 'upper' }).upper, 10);
    }
  });

  it('turns round where higher is better', () => {
    const up = meanHarm(steps, 0.05, { ...spec, direction: 'higherIsBetter' });
    const down = meanHarm(steps, 0.05, spec);
    expect(up.estimate).toBeCloseTo(-down.estimate!, 12);
    expect(up.lower).toBeCloseTo(-down.upper, 12);
    expect(up.upper).toBeCloseTo(-down.lower, 12);
  });

  it('leaves out steps of which either arm has fewer than 100 units', () => {
    const only = meanHarm(steps.slice(1), 0.05, spec);
    const few = arm(99, 9, 1);
    const many = arm(5_000, 9, 1);
    expect(meanHarm([step(1, few, many), ...steps.slice(1)], 0.05, spec)).toEqual(only);
    expect(meanHarm([step(1, many, few), ...steps.slice(1)], 0.05, spec)).toEqual(only);
    expect(meanHarm([step(1, few, many)], 0.05, spec).lacking[0]).toContain('no step has 100 requests per arm');
    expect(meanHarm([step(1, arm(100, 9, 1), arm(100, 9, 1))], 0.05, spec).lacking).toEqual([]);
  });

  it('its ratio is where the combined difference is zero, and its ends where the sequences no longer reject', () => {
    const ratio = meanHarm(steps, 0.05, { ...spec, scale: 'ratio' });
    const z = (r: number) => {
      const weights = strata.map(({ va, vb }) => 1 / (va + r * r * vb));
      const sum = strata.reduce((total, { a, b }, i) => total + weights[i]! * (a - r * b), 0);
      return sum / Math.sqrt(weights[0]! + weights[1]!);
    };
    const one = { estimate: 0, standardError: 1, n, alpha: 0.05, tuning: spec.tuning } as const;
    const { halfWidth } = asymptoticCs({ ...one, side: 'lower' });
    expect(Math.abs(z(ratio.estimate!))).toBeLessThan(1e-9);
    expect(z(ratio.lower)).toBeCloseTo(halfWidth, 6);
    expect(z(ratio.upper)).toBeCloseTo(-halfWidth, 6);
    expect(ratio.lower).toBeLessThan(ratio.estimate!);
    expect(ratio.estimate).toBeLessThan(ratio.upper);
  });

  it('has no end where no factor at all is rejected', () => {
    // A comparison arm whose mean is lost in its noise: any ratio fits.
    const lost = step(50, arm(150, 1, 0.01), arm(150, 0.001, 900));
    const { lower, upper } = meanHarm([lost], 0.05, { ...spec, scale: 'ratio' });
    expect([lower, upper]).toEqual([-Infinity, Infinity]);
  });
});
