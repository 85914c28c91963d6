import { describe, expect, it } from 'vitest';
import {
  asymptoticCs,
  bernoulliConfidenceSequence,
  countTest,
  groupSequentialBoundaries,
  msprt,
  normalMixture,
  rateRatioSequence,
  sequentialCombine,
} from './index.js';

/** Exact values and edges that the properties leave open. */
describe('sequential tests, edges', () => {
  it('have the widths of the published formula', () => {
    const input = { estimate: 0, standardError: 1, n: 1_000, alpha: 0.05, tuning: 500 };
    for (const oneSided of [false, true]) {
      const logAlpha = Math.log(oneSided ? 0.1 : 0.05);
      const rho = Math.sqrt((-2 * logAlpha + Math.log(1 - 2 * logAlpha)) / 500);
      const spread = 1_000 * rho ** 2 + 1;
      const bound = oneSided ? Math.log(1 + Math.sqrt(spread) / 0.1) : Math.log(Math.sqrt(spread) / 0.05);
      const width = Math.sqrt(1_000) * Math.sqrt(((2 * spread) / (1_000 * rho) ** 2) * bound);
      const got = asymptoticCs(oneSided ? { ...input, side: 'upper' } : input);
      expect(got.rho).toBeCloseTo(rho, 12);
      expect(got.upper).toBeCloseTo(width, 10);
      expect(got.lower).toBeCloseTo(oneSided ? -Infinity : -width, 10);
    }
  });

  it('take any alpha below 1, and below one half for one side', () => {
    const input = { estimate: 0, standardError: 1, n: 500, tuning: 500 };
    expect(asymptoticCs({ ...input, alpha: 0.6 }).halfWidth).toBeGreaterThan(0);
    expect(asymptoticCs({ ...input, alpha: 0.49, side: 'lower' }).upper).toBe(Infinity);
    for (const side of ['lower', 'upper'] as const) {
      expect(() => asymptoticCs({ ...input, alpha: 0.5, side })).toThrow('alpha: must be below 0.5');
    }
  });

  it('has the likelihood ratio of a normal mixture', () => {
    const { logLikelihoodRatio, pValue } = msprt({ difference: 3, variance: 1, tau2: 2, nullDifference: 0.5 });
    const expected = 0.5 * Math.log(1 / 3) + (2.5 ** 2 * 2) / (2 * 1 * 3);
    expect(logLikelihoodRatio).toBeCloseTo(expected, 12);
    expect(pValue).toBeCloseTo(Math.exp(-expected), 12);
  });

  it('find both ends where the steps contradict each other and the estimate itself is rejected', () => {
    const arm = (events: number) => ({ events, trials: 1_000 });
    const steps = [
      { candidate: arm(200), champion: arm(20) },
      { candidate: arm(20), champion: arm(200) },
    ];
    const got = rateRatioSequence({ steps, alpha: 0.05 });
    expect(got.estimate).toBeCloseTo(1, 12);
    const pValue = (allowedRatio: number, alternative: 'greater' | 'less') =>
      sequentialCombine({
        logBayesFactors: steps.map((step) => countTest({ ...step, allowedRatio, alternative }).logBayesFactor),
      }).pValue;
    expect(got.lower).toBeGreaterThan(2);
    expect(got.upper).toBeLessThan(0.5);
    expect(pValue(got.lower, 'greater')).toBeCloseTo(0.05, 9);
    expect(pValue(got.upper, 'less')).toBeCloseTo(0.05, 9);
    // Farther out nothing is rejected; the ends are the outermost ones.
    expect(pValue(got.lower * 1.01, 'greater')).toBeGreaterThan(0.05);
    expect(pValue(got.upper / 1.01, 'less')).toBeGreaterThan(0.05);
  });

  it('have no end within e^40 where the prior lets no data speak', () => {
    const steps = [{ candidate: { events: 10, trials: 100 }, champion: { events: 10, trials: 100 } }];
    expect(rateRatioSequence({ steps, alpha: 0.05, priorStrength: 1e15 })).toMatchObject({
      estimate: 1,
      lower: 0,
      upper: Infinity,
    });
    // Not far inside that limit there still is one.
    const { lower, upper } = rateRatioSequence({ steps, alpha: 0.05, priorStrength: 1e12 });
    expect(lower).toBeGreaterThan(Math.exp(-40));
    expect(lower).toBeLessThan(1e-9);
    expect(upper * lower).toBeCloseTo(1, 9);
  });

  it('learn nothing from a step with an empty arm', () => {
    const empty = { events: 0, trials: 0 };
    const whole = { candidate: { events: 30, trials: 1_000 }, champion: { events: 20, trials: 1_000 } };
    const halves = [
      { candidate: { events: 5, trials: 100 }, champion: empty },
      { candidate: empty, champion: { events: 7, trials: 100 } },
      { candidate: empty, champion: empty },
    ];
    const alone = rateRatioSequence({ steps: [whole], alpha: 0.05 });
    expect(rateRatioSequence({ steps: [...halves, whole], alpha: 0.05 })).toEqual({ ...alone, n: 2_200 });
    for (const step of halves) {
      const nothing = { estimate: null, lower: 0, upper: Infinity };
      expect(rateRatioSequence({ steps: [step], alpha: 0.05 })).toMatchObject(nothing);
      expect(countTest(step)).toMatchObject({ logBayesFactor: 0, pValue: 1 });
    }
    expect(countTest(halves[2]!).nullShare).toBe(0);
    expect(() => countTest({ ...whole, prior: null as never })).toThrow('prior: ');
  });

  it('bounds on one side ask for alpha below one half, on both for any', () => {
    const two = normalMixture({ vOptimum: 10, alpha: 0.6, side: 'two' });
    expect(two.rho).toBeCloseTo(10 / (-2 * Math.log(0.6) + Math.log(1 - 2 * Math.log(0.6))), 12);
    expect(() => normalMixture({ vOptimum: 10, alpha: 0.5, side: 'one' })).toThrow('alpha: must be below 0.5');
    expect(normalMixture({ vOptimum: 10, alpha: 0.49, side: 'one' }).bound(10)).toBeGreaterThan(0);
    for (const side of ['one', 'two'] as const) {
      const mixture = normalMixture({ vOptimum: 10, alpha: 0.05, side });
      expect(mixture.logMixture(mixture.bound(7), 7)).toBeCloseTo(Math.log(20), 10);
      expect(mixture.bound(0)).toBeCloseTo(normalMixture({ vOptimum: 10, alpha: 0.05, side }).bound(1e-12), 4);
    }
  });

  it('a rate near 0 or 1 keeps its digits and its limits', () => {
    const rare = bernoulliConfidenceSequence({ successes: 9, trials: 1e9, alpha: 0.05, tOptimum: 1e9 });
    const common = bernoulliConfidenceSequence({ successes: 1e9 - 9, trials: 1e9, alpha: 0.05, tOptimum: 1e9 });
    expect(rare.lower).toBeGreaterThan(0);
    expect(rare.upper).toBeLessThan(1e-7);
    expect(1 - common.upper).toBeCloseTo(rare.lower, 14);
    expect(1 - common.lower).toBeCloseTo(rare.upper, 14);
    const none = bernoulliConfidenceSequence({ successes: 0, trials: 1_000, alpha: 0.05, tOptimum: 1_000 });
    expect(none.lower).toBe(0);
    expect(none.upper).toBeLessThan(0.01);
    expect(none.upper).toBeGreaterThan(0.003);
  });

  it('refuses a phi that is not positive for power spending, and takes 1 when there is none', () => {
    const plan = { informationFractions: [0.5, 1], alpha: 0.05, sides: 2 } as const;
    const power = (phi?: number) =>
      groupSequentialBoundaries({ ...plan, spending: phi === undefined ? { kind: 'power' } : { kind: 'power', phi } });
    expect(power()).toEqual(power(1));
    // Half of .025 at half the information.
    expect(power().z[0]).toBeCloseTo(2.241402727604947, 10);
    expect(() => power(0)).toThrow('spending.phi');
    expect(() => groupSequentialBoundaries({ ...plan, spending: null as never })).toThrow('spending');
    // Other rules have no phi and do not look at one.
    const spending = { kind: 'lanDeMetsPocock', phi: -1 } as const;
    expect(groupSequentialBoundaries({ ...plan, spending }).z).toHaveLength(2);
  });
});
