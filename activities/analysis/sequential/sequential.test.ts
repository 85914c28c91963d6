import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.js';
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

const SEED = 20_261_121;
const check = <T extends unknown[]>(runs: number, property: fc.IProperty<T>): void => {
  // Mutation testing asks for fewer: each mutant meets them all.
  fc.assert(property, { numRuns: Number(process.env['RETEMPO_PROPERTY_RUNS'] ?? runs), seed: SEED });
};
const arm = fc
  .tuple(fc.integer({ min: 1, max: 20_000 }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([trials, share]) => ({ events: Math.floor(trials * share ** 3), trials }));
const ratio = fc.constantFrom(0.5, 0.8, 1, 1.25, 2, 5);

/** Thousands of cases each: on a busy machine they take minutes, and no time is asked of them. */
const PATIENT = { timeout: 1_200_000 };

describe('countTest', PATIENT, () => {
  it('says nothing without events or with an empty arm', () => {
    const none = { events: 0, trials: 0 };
    for (const [candidate, champion] of [
      [
        { events: 0, trials: 9 },
        { events: 0, trials: 90 },
      ],
      [none, { events: 3, trials: 9 }],
      [{ events: 3, trials: 9 }, none],
      [none, none],
    ] as const) {
      const got = countTest({ candidate, champion });
      expect([got.logBayesFactor, got.pValue]).toEqual([0, 1]);
    }
    expect(countTest({ candidate: { events: 1, trials: 50 }, champion: { events: 1, trials: 950 } }).nullShare).toBe(
      0.05
    );
  });

  it('mirrors when the arms are swapped, and two-sided mixes both sides', () => {
    check(
      10_000,
      fc.property(arm, arm, ratio, (candidate, champion, allowedRatio) => {
        const one = countTest({ candidate, champion, allowedRatio, alternative: 'greater' });
        const two = countTest({
          candidate: champion,
          champion: candidate,
          allowedRatio: 1 / allowedRatio,
          alternative: 'less',
        });
        const size = Math.max(1, Math.abs(one.logBayesFactor));
        expect(Math.abs(one.logBayesFactor - two.logBayesFactor) / size).toBeLessThan(1e-8);
        expect(one.nullShare + two.nullShare).toBeCloseTo(1, 12);
        const less = countTest({ candidate, champion, allowedRatio, alternative: 'less' }).logBayesFactor;
        const both = countTest({ candidate, champion, allowedRatio }).logBayesFactor;
        // The two-sided mixture is an average of the one-sided ones, weighted by the prior mass of each side.
        expect(both).toBeLessThanOrEqual(Math.max(one.logBayesFactor, less) + 1e-7 * size);
        expect(both).toBeGreaterThanOrEqual(Math.min(one.logBayesFactor, less) - 1e-7 * size);
      })
    );
  });

  it('needs more evidence for a larger allowed ratio', () => {
    check(
      10_000,
      fc.property(arm, arm, ratio, fc.double({ min: 1.001, max: 3, noNaN: true }), (candidate, champion, r, more) => {
        const at = (allowedRatio: number, alternative: 'greater' | 'less') =>
          countTest({ candidate, champion, allowedRatio, alternative }).logBayesFactor;
        expect(at(r * more, 'greater')).toBeLessThanOrEqual(at(r, 'greater') + 1e-9);
        expect(at(r * more, 'less')).toBeGreaterThanOrEqual(at(r, 'less') - 1e-9);
      })
    );
  });

  it('takes arms or bare events, and any batching of the same counts', () => {
    check(
      2_000,
      fc.property(arm, arm, (candidate, champion) => {
        const expectedShare = candidate.trials / (candidate.trials + champion.trials);
        const raw = countTest({ candidateEvents: candidate.events, championEvents: champion.events, expectedShare });
        // The share of a larger candidate does not hold all digits of the champion's.
        const whole = countTest({ candidate, champion });
        expect(Math.abs(whole.logBayesFactor - raw.logBayesFactor)).toBeLessThan(1e-10);
        expect(whole.nullShare).toBe(raw.nullShare);
        if (candidate.trials < champion.trials / 1e3) expect(whole).toEqual(raw);
      })
    );
  });

  it('is an average of 1 under the null hypothesis: no evidence on average, exactly', () => {
    // Over all outcomes of n events, weighted by their probability, the Bayes factor averages to 1.
    for (const [n, expectedShare, alternative] of [
      [12, 0.05, 'two-sided'],
      [12, 0.3, 'greater'],
      [9, 0.5, 'less'],
    ] as const) {
      let average = 0;
      let ways = 1;
      for (let k = 0; k <= n; k += 1) {
        const { logBayesFactor } = countTest({ candidateEvents: k, championEvents: n - k, expectedShare, alternative });
        average += ways * expectedShare ** k * (1 - expectedShare) ** (n - k) * Math.exp(logBayesFactor);
        ways = (ways * (n - k)) / (k + 1);
      }
      expect(average).toBeCloseTo(1, 10);
    }
  });

  it('keeps its digits at 1e12 counts', () => {
    const at = (excess: number) =>
      countTest({ candidate: { events: 1e10 + excess, trials: 1e12 }, champion: { events: 1e10, trials: 1e12 } })
        .logBayesFactor;
    // Normal approximation of the same mixture: prior sd of the share .5 / sqrt(21), data sd .5 / sqrt(2e10).
    for (const z of [0, 3, 8]) {
      const excess = Math.round(z * Math.sqrt(2e10));
      const share = (1e10 + excess) / (2e10 + excess);
      const variance = 0.25 / (2e10 + excess);
      const expected = 0.5 * Math.log(variance / (0.25 / 20)) + (share - 0.5) ** 2 / (2 * variance);
      expect(Math.abs(at(excess) - expected)).toBeLessThan(0.02);
    }
    const swapped = countTest({
      candidate: { events: 1e10, trials: 1e12 },
      champion: { events: 1e10 + 3e5, trials: 1e12 },
    });
    expect(Math.abs(swapped.logBayesFactor - at(3e5))).toBeLessThan(1e-6);
    const all = countTest({ candidate: { events: 1e12, trials: 1e12 }, champion: { events: 1e12, trials: 1e12 } });
    expect(all.pValue).toBe(1);
  });
});

describe('rateRatioSequence and sequentialCombine', PATIENT, () => {
  it('ends exactly where the product of one-sided tests reaches 1 / alpha', () => {
    const steps = fc.array(fc.record({ candidate: arm, champion: arm }), { minLength: 1, maxLength: 3 });
    check(
      3_000,
      fc.property(steps, fc.constantFrom(0.001, 0.05, 0.2), (rows, alpha) => {
        const got = rateRatioSequence({ steps: rows, alpha });
        const evidence = (allowedRatio: number, alternative: 'greater' | 'less') =>
          sequentialCombine({
            logBayesFactors: rows.map((row) => countTest({ ...row, allowedRatio, alternative }).logBayesFactor),
          });
        if (got.lower > 0) expect(evidence(got.lower, 'greater').pValue / alpha).toBeCloseTo(1, 5);
        if (got.upper < Infinity) expect(evidence(got.upper, 'less').pValue / alpha).toBeCloseTo(1, 5);
        expect(got.n).toBe(rows.reduce((sum, row) => sum + row.candidate.trials + row.champion.trials, 0));
      })
    );
  });

  it('has no ends without events, and an estimate only where there is one', () => {
    const at = (a: number, b: number) =>
      rateRatioSequence({
        steps: [{ candidate: { events: a, trials: 100 }, champion: { events: b, trials: 900 } }],
        alpha: 0.05,
      });
    expect(at(0, 0)).toEqual({ estimate: null, lower: 0, upper: Infinity, n: 1000 });
    expect(at(3, 0)).toMatchObject({ estimate: Infinity, upper: Infinity });
    expect(at(0, 50)).toMatchObject({ estimate: 0, lower: 0 });
    expect(at(0, 50).upper).toBeLessThan(2);
    expect(rateRatioSequence({ steps: [], alpha: 0.05 })).toEqual({ estimate: null, lower: 0, upper: Infinity, n: 0 });
    expect(at(10, 90).estimate).toBeCloseTo(1, 12);
  });

  it('covers the truth at every look of 95 % of 400 runs', () => {
    const random = createRandom(SEED);
    let missed = 0;
    for (let run = 0; run < 400; run += 1) {
      const a = { events: 0, trials: 0 };
      const b = { events: 0, trials: 0 };
      let out = false;
      for (let look = 0; look < 30; look += 1) {
        a.events += random.binomial(300, 0.03);
        b.events += random.binomial(2_700, 0.02);
        a.trials += 300;
        b.trials += 2_700;
        const { lower, upper } = rateRatioSequence({ steps: [{ candidate: a, champion: b }], alpha: 0.025 });
        if (lower > 1.5 || upper < 1.5) out = true;
      }
      if (out) missed += 1;
    }
    expect(missed / 400).toBeLessThanOrEqual(0.05 + 3 * Math.sqrt((0.05 * 0.95) / 400));
  });

  it('adds evidence, keeps infinities and caps the p-value', () => {
    expect(sequentialCombine({ logBayesFactors: [1, 2.5, -0.5] })).toEqual({ logBayesFactor: 3, pValue: Math.exp(-3) });
    expect(sequentialCombine({ logBayesFactors: [] })).toEqual({ logBayesFactor: 0, pValue: 1 });
    expect(sequentialCombine({ logBayesFactors: [-3] }).pValue).toBe(1);
    expect(sequentialCombine({ logBayesFactors: [1, Infinity] }).pValue).toBe(0);
    expect(sequentialCombine({ logBayesFactors: [1e16, 1, -1e16] }).logBayesFactor).toBe(1);
  });
});

describe('asymptoticCs, msprt, normalMixture', PATIENT, () => {
  const real = fc.double({ min: -1e3, max: 1e3, noNaN: true });
  const positive = fc.double({ min: 1e-3, max: 1e3, noNaN: true });

  it('is unbounded without spread and one-sided on request', () => {
    const input = { estimate: 2, standardError: 0, n: 500, alpha: 0.05, tuning: 500 };
    expect(asymptoticCs(input)).toMatchObject({ lower: -Infinity, upper: Infinity, halfWidth: Infinity });
    const one = { ...input, standardError: 1 };
    expect(asymptoticCs({ ...one, side: 'lower' }).upper).toBe(Infinity);
    expect(asymptoticCs({ ...one, side: 'upper' }).lower).toBe(-Infinity);
    const upper = asymptoticCs({ ...one, side: 'upper' });
    expect(upper.upper - 2).toBeCloseTo(2 - asymptoticCs({ ...one, side: 'lower' }).lower, 12);
  });

  it('shifts with the estimate, scales with the error, narrows with alpha', () => {
    check(
      10_000,
      fc.property(real, positive, fc.integer({ min: 200, max: 1e6 }), positive, (estimate, standardError, n, scale) => {
        const at = (change: object) =>
          asymptoticCs({ estimate, standardError, n, alpha: 0.05, tuning: 5_000, ...change });
        const one = at({});
        expect(at({ estimate: estimate + 5 }).halfWidth).toBe(one.halfWidth);
        expect(at({ standardError: standardError * scale }).halfWidth / one.halfWidth / scale).toBeCloseTo(1, 9);
        expect(at({ alpha: 0.01 }).halfWidth).toBeGreaterThan(one.halfWidth);
        expect(at({ side: 'lower' }).lower).toBeGreaterThan(one.lower);
        const mirrored = at({ estimate: -estimate });
        expect(mirrored.lower).toBe(-one.upper);
      })
    );
  });

  it('gives evidence that is even in the difference and 0 without variance', () => {
    expect(msprt({ difference: 3, variance: 0, tau2: 1 })).toEqual({ logLikelihoodRatio: 0, pValue: 1 });
    check(
      10_000,
      fc.property(real, positive, positive, real, (difference, variance, tau2, nullDifference) => {
        const one = msprt({ difference, variance, tau2, nullDifference });
        expect(msprt({ difference: -difference, variance, tau2, nullDifference: -nullDifference })).toEqual(one);
        expect(one.pValue).toBeLessThanOrEqual(1);
        const scaled = msprt({
          difference: 2 * difference,
          variance: 4 * variance,
          tau2: 4 * tau2,
          nullDifference: 2 * nullDifference,
        });
        expect(Math.abs(scaled.logLikelihoodRatio - one.logLikelihoodRatio)).toBeLessThanOrEqual(
          1e-9 * Math.abs(one.logLikelihoodRatio) + 1e-12
        );
      })
    );
  });

  it('reaches 1 / alpha on its boundary', () => {
    check(
      3_000,
      fc.property(
        positive,
        fc.constantFrom(0.001, 0.05, 0.2),
        fc.constantFrom('one' as const, 'two' as const),
        positive,
        (vOptimum, alpha, side, v) => {
          const mixture = normalMixture({ vOptimum, alpha, side });
          expect(Math.abs(mixture.logMixture(mixture.bound(v), v) + Math.log(alpha))).toBeLessThan(1e-8);
          if (side === 'two') expect(mixture.logMixture(-3, v)).toBe(mixture.logMixture(3, v));
        }
      )
    );
  });
});

describe('bernoulliConfidenceSequence', PATIENT, () => {
  it('contains the rate, mirrors with successes and failures, narrows with data', () => {
    check(
      3_000,
      fc.property(
        arm,
        fc.constantFrom(0.01, 0.05),
        fc.integer({ min: 2, max: 5_000 }),
        ({ events, trials }, alpha, tOptimum) => {
          const one = bernoulliConfidenceSequence({ successes: events, trials, alpha, tOptimum });
          const two = bernoulliConfidenceSequence({ successes: trials - events, trials, alpha, tOptimum });
          expect(one.lower).toBeLessThanOrEqual(events / trials);
          expect(one.upper).toBeGreaterThanOrEqual(events / trials);
          expect(Math.abs(one.lower - (1 - two.upper))).toBeLessThan(1e-10);
          const more = bernoulliConfidenceSequence({ successes: events * 50, trials: trials * 50, alpha, tOptimum });
          expect(more.upper - more.lower).toBeLessThanOrEqual(one.upper - one.lower + 1e-12);
        }
      )
    );
  });

  it('says nothing without trials and keeps its digits at 1e12', () => {
    expect(bernoulliConfidenceSequence({ successes: 0, trials: 0, alpha: 0.05, tOptimum: 10 })).toEqual({
      lower: 0,
      upper: 1,
    });
    const got = bernoulliConfidenceSequence({ successes: 1e6, trials: 1e12, alpha: 0.05, tOptimum: 1e12 });
    expect(got.lower).toBeGreaterThan(0.996e-6);
    expect(got.upper).toBeLessThan(1.004e-6);
    expect(got.lower).toBeLessThan(1e-6);
    expect(got.upper).toBeGreaterThan(1e-6);
  });
});

describe('groupSequentialBoundaries', PATIENT, () => {
  it('keeps the error at alpha by simulation', () => {
    const informationFractions = [0.2, 0.5, 0.7, 1];
    for (const spending of [
      'obrienFleming',
      'pocock',
      { kind: 'lanDeMetsPocock' },
      { kind: 'power', phi: 2 },
    ] as const) {
      const { z } = groupSequentialBoundaries({ informationFractions, alpha: 0.1, sides: 2, spending });
      const random = createRandom(SEED);
      let crossed = 0;
      const trials = 20_000;
      for (let trial = 0; trial < trials; trial += 1) {
        let score = 0;
        let before = 0;
        for (const [k, t] of informationFractions.entries()) {
          score += random.normal() * Math.sqrt(t - before);
          before = t;
          if (Math.abs(score) / Math.sqrt(t) < (z[k] as number)) continue;
          crossed += 1;
          break;
        }
      }
      expect(Math.abs(crossed / trials - 0.1)).toBeLessThan(4 * Math.sqrt(0.09 / trials));
    }
  });

  it('spends nothing at a very early look instead of failing', () => {
    const got = groupSequentialBoundaries({
      informationFractions: [0.001, 1],
      alpha: 0.05,
      sides: 1,
      spending: { kind: 'lanDeMetsObrienFleming' },
    });
    expect(got.z[0]).toBe(Infinity);
    expect(got.nominalAlpha[0]).toBe(0);
    expect(got.z[1]).toBeCloseTo(1.6449, 3);
  });
});
