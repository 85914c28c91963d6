import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { binomialCdf } from '../distributions/index.js';
import { createRandom } from '../random.js';
import {
  clopperPearsonInterval,
  delong,
  mantelHaenszel,
  mcnemar,
  newcombeInterval,
  newcombePaired,
  nonInferiorityScore,
  powerProportions,
  proportionTest,
  sampleRatio,
  welch,
  wilsonInterval,
} from './index.js';

const SEED = 20_261_121;
const check = <T extends unknown[]>(runs: number, property: fc.IProperty<T>): void => {
  fc.assert(property, { numRuns: runs, seed: SEED });
};
const arm = fc
  .tuple(fc.integer({ min: 1, max: 1_000_000 }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([trials, share]) => ({ events: Math.round(trials * share * share), trials }));
const confidence = fc.constantFrom(0.5, 0.9, 0.99);
const sample = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 2, maxLength: 25 });

describe('proportions', () => {
  it('mirror when the arms are swapped', () => {
    check(
      10_000,
      fc.property(arm, arm, confidence, (candidate, champion, level) => {
        const one = proportionTest({ candidate, champion });
        const two = proportionTest({ candidate: champion, champion: candidate });
        expect(one.statistic).toBeCloseTo(-two.statistic, 9);
        expect(proportionTest({ candidate, champion, alternative: 'greater' }).pValue).toBeCloseTo(
          proportionTest({ candidate: champion, champion: candidate, alternative: 'less' }).pValue,
          12
        );
        const a = newcombeInterval({ candidate, champion, confidence: level });
        const b = newcombeInterval({ candidate: champion, champion: candidate, confidence: level });
        expect(a.lower).toBeCloseTo(-b.upper, 12);
        expect(a.lower).toBeLessThanOrEqual(a.difference);
        expect(a.upper).toBeGreaterThanOrEqual(a.difference);
      })
    );
  });

  it('intervals contain the rate, mirror, and grow with the confidence', () => {
    check(
      10_000,
      fc.property(arm, ({ events, trials }) => {
        for (const interval of [wilsonInterval, clopperPearsonInterval]) {
          const one = interval({ events, trials, confidence: 0.9 });
          const two = interval({ events: trials - events, trials, confidence: 0.9 });
          const wide = interval({ events, trials, confidence: 0.99 });
          expect(one.lower).toBeLessThanOrEqual(events / trials);
          expect(one.upper).toBeGreaterThanOrEqual(events / trials);
          expect(one.lower).toBeCloseTo(1 - two.upper, 11);
          expect(wide.lower).toBeLessThanOrEqual(one.lower);
          expect(wide.upper).toBeGreaterThanOrEqual(one.upper);
          if (events === 0) expect(one.lower).toBe(0);
          if (events === trials) expect(one.upper).toBe(1);
        }
      })
    );
  });

  it('the exact limits have exactly the tail that was asked for', () => {
    check(
      3_000,
      fc.property(arm, ({ events, trials }) => {
        const { upper, lower } = clopperPearsonInterval({ events, trials, confidence: 0.9 });
        if (upper < 1) expect(binomialCdf({ k: events, n: trials, p: upper }) / 0.05).toBeCloseTo(1, 6);
        if (lower > 1e-12) expect((1 - binomialCdf({ k: events - 1, n: trials, p: lower })) / 0.05).toBeCloseTo(1, 5);
      })
    );
  });

  it('has no verdict without variance, and works at 1e12', () => {
    const none = { events: 0, trials: 9 };
    const all = { events: 9, trials: 9 };
    expect(proportionTest({ candidate: none, champion: none })).toEqual({ statistic: 0, pValue: 1 });
    expect(proportionTest({ candidate: all, champion: all })).toEqual({ statistic: 0, pValue: 1 });
    const big = { events: 5e11, trials: 1e12 };
    expect(proportionTest({ candidate: big, champion: big })).toEqual({ statistic: 0, pValue: 1 });
    expect(proportionTest({ candidate: { events: 5e11 + 1e6, trials: 1e12 }, champion: big }).statistic).toBeCloseTo(
      Math.SQRT2,
      6
    );
    const wilson = wilsonInterval({ ...big, confidence: 0.95 });
    expect((wilson.upper - wilson.lower) / (2 * 1.959963984540054 * 0.5e-6)).toBeCloseTo(1, 6);
    const exact = clopperPearsonInterval({ ...big, confidence: 0.95 });
    expect(exact.upper - exact.lower).toBeGreaterThan(1.9e-6);
    expect(exact.upper - exact.lower).toBeLessThan(2e-6);
    const one = clopperPearsonInterval({ events: 1, trials: 1, confidence: 0.95 });
    expect(one).toEqual({ lower: expect.closeTo(0.025, 12), upper: 1 });
  });
});

describe('nonInferiorityScore', () => {
  it('is the pooled z at margin 0, grows with the margin, and mirrors for losses', () => {
    check(
      5_000,
      fc.property(arm, arm, fc.double({ min: 0.001, max: 0.5, noNaN: true }), (candidate, champion, margin) => {
        const pooled = proportionTest({ candidate, champion }).statistic;
        const zero = nonInferiorityScore({ candidate, champion, margin: 0 }).statistic;
        expect(Math.abs(zero - pooled)).toBeLessThan(1e-7 * Math.max(1, Math.abs(pooled)));
        const one = nonInferiorityScore({ candidate, champion, margin });
        const two = nonInferiorityScore({ candidate, champion, margin: margin * 1.5 });
        expect(two.statistic).toBeGreaterThan(one.statistic);
        // H0 about failures of the swapped arms is the same hypothesis.
        const flip = ({ events, trials }: { events: number; trials: number }) => ({ events: trials - events, trials });
        const mirrored = nonInferiorityScore({ candidate: flip(champion), champion: flip(candidate), margin });
        expect(Math.abs(mirrored.statistic - one.statistic)).toBeLessThan(1e-6 * Math.max(1, Math.abs(one.statistic)));
      })
    );
  });

  it('accepts equal perfect arms with a margin', () => {
    const perfect = { events: 1_000, trials: 1_000 };
    const got = nonInferiorityScore({ candidate: perfect, champion: perfect, margin: 0.05 });
    expect(got.statistic).toBeCloseTo(0.05 / Math.sqrt((0.05 * 0.95) / 1_000), 9);
  });
});

describe('paired tests', () => {
  it('mirror when the models are swapped', () => {
    const cell = fc.integer({ min: 0, max: 5_000 });
    check(
      5_000,
      fc.property(cell, cell, cell, cell, (both, a, b, neither) => {
        if (both + a + b + neither === 0) return;
        expect(mcnemar({ onlyChampionCorrect: a, onlyCandidateCorrect: b })).toEqual(
          mcnemar({ onlyChampionCorrect: b, onlyCandidateCorrect: a })
        );
        const at = (x: number, y: number) =>
          newcombePaired({
            bothCorrect: both,
            onlyCandidateCorrect: x,
            onlyChampionCorrect: y,
            neitherCorrect: neither,
            confidence: 0.95,
          });
        const one = at(a, b);
        const two = at(b, a);
        expect(one.lower).toBeCloseTo(-two.upper, 12);
        expect(one.difference).toBe(-two.difference === 0 ? one.difference : -two.difference);
        expect(one.lower).toBeLessThanOrEqual(one.difference);
        expect(one.upper).toBeGreaterThanOrEqual(one.difference);
      })
    );
  });

  it('says nothing without discordant rows, and works at 1e12', () => {
    expect(mcnemar({ onlyChampionCorrect: 0, onlyCandidateCorrect: 0 })).toEqual({
      exactPValue: 1,
      midPValue: 1,
      chiSquare: 0,
      pValue: 1,
      chiSquareCorrected: 0,
      pValueCorrected: 1,
    });
    const big = mcnemar({ onlyChampionCorrect: 5e11, onlyCandidateCorrect: 5e11 + 2e6 });
    expect(big.chiSquare).toBeCloseTo(4, 4);
    expect(big.exactPValue / big.pValue).toBeCloseTo(1, 4);
  });
});

describe('mantelHaenszel', () => {
  const strata = fc.array(fc.record({ candidate: arm, champion: arm }), { minLength: 1, maxLength: 5 });
  it('is the plain difference in one stratum, mirrors, and ignores order and empty strata', () => {
    check(
      5_000,
      fc.property(strata, (rows) => {
        const one = mantelHaenszel({ strata: rows });
        const first = rows[0] as (typeof rows)[number];
        const single = mantelHaenszel({ strata: [first] });
        expect(single.riskDifference).toBeCloseTo(
          first.candidate.events / first.candidate.trials - first.champion.events / first.champion.trials,
          10
        );
        const two = mantelHaenszel({
          strata: rows.map(({ candidate, champion }) => ({ candidate: champion, champion: candidate })),
        });
        expect(one.riskDifference).toBeCloseTo(-(two.riskDifference as number), 10);
        expect(one.standardError).toBeCloseTo(two.standardError, 8);
        expect(Math.abs(one.chiSquare - two.chiSquare)).toBeLessThanOrEqual(1e-6 * Math.max(1, one.chiSquare));
        const empty = { candidate: { events: 0, trials: 0 }, champion: { events: 1, trials: 5 } };
        const again = mantelHaenszel({ strata: [empty, ...rows.toReversed()] });
        expect(again.riskDifference).toBeCloseTo(one.riskDifference as number, 10);
      })
    );
  });

  it('has no ratio without events and no estimate without strata', () => {
    const none = { events: 0, trials: 10 };
    const got = mantelHaenszel({ strata: [{ candidate: none, champion: none }] });
    expect(got).toMatchObject({ riskDifference: 0, riskRatio: null, oddsRatio: null, chiSquare: 0, pValue: 1 });
    expect(mantelHaenszel({ strata: [{ candidate: { events: 1, trials: 10 }, champion: none }] }).riskRatio).toBe(
      Infinity
    );
    const empty = { events: 0, trials: 0 };
    expect(mantelHaenszel({ strata: [{ candidate: empty, champion: none }] })).toMatchObject({
      riskDifference: null,
      lower: -Infinity,
      upper: Infinity,
      pValue: 1,
    });
  });
});

describe('welch and delong', () => {
  it('mirror and ignore scale', () => {
    check(
      5_000,
      fc.property(sample, sample, (x, y) => {
        const one = welch({ x, y });
        const two = welch({ x: y, y: x });
        expect(one.statistic).toBe(two.statistic === 0 ? one.statistic : -two.statistic);
        expect(one.pValue).toBe(two.pValue);
        const scaled = welch({ x: x.map((v) => v * 4), y: y.map((v) => v * 4) });
        expect(Math.abs(scaled.statistic - one.statistic)).toBeLessThanOrEqual(1e-9 * Math.abs(one.statistic));
      })
    );
    expect(welch({ x: [2, 2, 2], y: [3, 3] })).toEqual({ statistic: 0, df: 3, pValue: 1 });
  });

  it('compare areas under the curve', () => {
    const labels = fc.array(fc.constantFrom(0, 1), { minLength: 2, maxLength: 30 });
    check(
      5_000,
      fc.property(labels, fc.integer({ min: 0, max: 1e6 }), (y, seed) => {
        const random = createRandom(seed);
        const a = y.map(() => random.integer(6));
        const b = y.map(() => random.integer(6));
        const one = delong({ labels: y, champion: a, candidate: b });
        const two = delong({ labels: y, champion: b, candidate: a });
        expect([one.aucChampion, one.aucCandidate]).toEqual([two.aucCandidate, two.aucChampion]);
        expect(one.statistic).toBe(two.statistic === 0 ? one.statistic : -two.statistic);
        expect(one.pValue).toBe(two.pValue);
        // Any increasing transformation of the scores leaves everything as it is.
        expect(delong({ labels: y, champion: a.map((v) => v ** 3 - 7), candidate: b })).toEqual(one);
        if (new Set(y).size === 1) expect(one.aucChampion).toBeNull();
      })
    );
    const same = delong({ labels: [0, 1, 1, 0], champion: [1, 2, 3, 4], candidate: [1, 2, 3, 4] });
    expect(same).toEqual({ aucChampion: 0.5, aucCandidate: 0.5, statistic: 0, pValue: 1, lower: 0, upper: 0 });
    // Perfect against useless without any spread: nothing can be said about the difference.
    const apart = delong({ labels: [0, 1, 0, 1], champion: [1, 1, 1, 1], candidate: [0, 1, 0, 1] });
    expect(apart).toMatchObject({ aucChampion: 0.5, aucCandidate: 1, statistic: 0, pValue: 1, lower: -1, upper: 1 });
  });
});

describe('powerProportions and sampleRatio', () => {
  it('size and power are inverse to each other', () => {
    const rate = fc.double({ min: 0.01, max: 0.99, noNaN: true });
    check(
      10_000,
      fc.property(
        rate,
        rate,
        fc.constantFrom(0.01, 0.05),
        fc.double({ min: 0.2, max: 0.99, noNaN: true }),
        fc.constantFrom(0.5, 1, 19),
        (p1, p2, alpha, power, ratio) => {
          if (Math.abs(p1 - p2) < 1e-3) return;
          const { n } = powerProportions({ p1, p2, alpha, power, ratio });
          // A power that needs no data at all has no size to go back from.
          if (n === 0) return;
          expect(powerProportions({ p1, p2, alpha, n, ratio }).power).toBeCloseTo(power, 9);
          const one = powerProportions({ p1, p2, alpha, power, ratio, alternative: p1 > p2 ? 'greater' : 'less' });
          expect(one.n).toBeLessThan(n);
          expect(powerProportions({ p1, p2, alpha, power, ratio, alternative: p1 > p2 ? 'less' : 'greater' }).n).toBe(
            Infinity
          );
        }
      )
    );
    expect(powerProportions({ p1: 0.5, p2: 0.5, alpha: 0.05, power: 0.8 }).n).toBe(Infinity);
    expect(powerProportions({ p1: 0.5, p2: 0.5, alpha: 0.05, n: 100 }).power).toBeCloseTo(0.025, 9);
  });

  it('a split as planned has no evidence', () => {
    expect(sampleRatio({ observed: [0, 0], expectedShares: [0.5, 0.5] })).toEqual({ statistic: 0, pValue: 1 });
    expect(sampleRatio({ observed: [10, 30, 60], expectedShares: [0.1, 0.3, 0.6] }).pValue).toBeCloseTo(1, 12);
    expect(sampleRatio({ observed: [30, 10, 60], expectedShares: [0.3, 0.1, 0.6] }).pValue).toBeCloseTo(1, 12);
  });
});
