import { describe, expect, it } from 'vitest';
import * as analysis from './index.js';

/** Published and recomputed values: progressive-delivery 2.3, the numbers in the titles are its rows. */
const near = (got: number | null, want: number, relative = 1e-9): void => {
  expect(got).not.toBeNull();
  const error = Math.abs((got as number) - want) / Math.abs(want === 0 ? 1 : want);
  if (!(error <= relative)) expect.fail(`${got} is not ${want}: relative error ${error}`);
};
/** A value known to the printed digits only. */
const digits = (got: number, want: string): void => {
  const places = want.includes('.') ? (want.split('.')[1] as string).length : 0;
  expect(Math.abs(got - Number(want))).toBeLessThanOrEqual(0.5000001 * 10 ** -places);
};
const arm = (events: number, trials: number) => ({ events, trials });

describe('reference values', () => {
  it('1 Mann-Whitney of the SciPy documentation', () => {
    const x = [19, 22, 16, 29, 24];
    const y = [20, 11, 17, 12];
    const exact = analysis.mannWhitney({ x, y, method: 'exact' });
    expect(exact.u).toBe(17);
    near(exact.pValue, 1 / 9, 1e-12);
    near(analysis.mannWhitney({ x, y, method: 'asymptotic' }).pValue, 0.11134688653314041);
    near(analysis.mannWhitney({ x, y, method: 'asymptotic', continuity: false }).pValue, 0.0864107329737);
  });

  it('2 Mann-Whitney of the R documentation', () => {
    const x = [0.8, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
    const y = [1.15, 0.88, 0.9, 0.74, 1.21];
    const got = analysis.mannWhitney({ x, y, method: 'exact', alternative: 'greater' });
    expect(got.u).toBe(35);
    digits(got.pValue, '0.1272061');
    near(got.shift.estimate, 0.305, 1e-12);
    expect(got.shift.upper).toBe(Infinity);
  });

  it('3 common-language effect size of identical and of separated samples', () => {
    const x = [1, 2, 3];
    expect(analysis.mannWhitney({ x, y: x, method: 'asymptotic' }).cles).toBe(0.5);
    expect(analysis.mannWhitney({ x, y: [4, 5, 6], method: 'asymptotic' }).cles).toBe(0);
  });

  it('4 pooled z', () => {
    const got = analysis.proportionTest({ candidate: arm(5, 83), champion: arm(12, 99) });
    digits(got.statistic, '-1.40783042');
    digits(got.pValue, '0.15918129');
  });

  it('5 Wilson', () => {
    const rows: [number, number, string, string][] = [
      [81, 263, '.2553', '.3662'],
      [15, 148, '.0624', '.1605'],
      [0, 20, '0', '.1611'],
      [1, 29, '.0061', '.1718'],
    ];
    for (const [events, trials, lower, upper] of rows) {
      const got = analysis.wilsonInterval({ events, trials, confidence: 0.95 });
      digits(got.lower, lower);
      digits(got.upper, upper);
    }
  });

  it('6 non-inferiority score', () => {
    const one = analysis.nonInferiorityScore({ candidate: arm(125, 1000), champion: arm(130, 1000), margin: 0.05 });
    digits(one.statistic, '2.9889546757');
    digits(one.pValue, '.00139966827');
    const two = analysis.nonInferiorityScore({ candidate: arm(25, 1000), champion: arm(30, 1000), margin: 0.01 });
    digits(two.statistic, '.6787861321');
    digits(two.pValue, '.24863669');
  });

  it('7 and 8 McNemar', () => {
    const one = analysis.mcnemar({ onlyChampionCorrect: 86, onlyCandidateCorrect: 150 });
    digits(one.chiSquare, '17.355932');
    digits(one.chiSquareCorrected, '16.817797');
    near(one.pValue, 3.099e-5, 1.7e-4);
    near(one.pValueCorrected, 4.1146e-5, 1e-5);
    near(one.exactPValue, 3.7159e-5, 1.4e-5);
    const two = analysis.mcnemar({ onlyChampionCorrect: 10, onlyCandidateCorrect: 3 });
    near(two.exactPValue, 0.09228515625);
    near(two.midPValue, 0.057373046875);
    digits(two.chiSquare, '3.769231');
    digits(two.chiSquareCorrected, '2.769231');
  });

  it('9 normal mixture', () => {
    const two = analysis.normalMixture({ vOptimum: 100, alpha: 0.05, side: 'two' });
    digits(two.rho, '12.60056');
    digits(two.logMixture(10, 100), '-.6510052');
    digits(two.bound(100), '30.35209');
    const one = analysis.normalMixture({ vOptimum: 100, alpha: 0.05, side: 'one' });
    digits(one.rho, '15.80063');
    digits(one.logMixture(10, 100), '-.06502391');
    digits(one.bound(100), '27.66071');
    near(one.logMixture(one.bound(37), 37), Math.log(20), 1e-11);
  });

  it('10 asymptotic confidence sequence', () => {
    const common = { estimate: 0.5033610858562358, standardError: 0.3334122146400735, n: 6461, alpha: 0.05 };
    const early = analysis.asymptoticCs({ ...common, tuning: 1000 });
    digits(early.rho, '.0890850975');
    digits(early.lower, '-.55844');
    digits(early.upper, '1.56516');
    digits(analysis.asymptoticCs({ ...common, tuning: 5000 }).halfWidth, '1.0130788467');
    const lower = analysis.asymptoticCs({ ...common, tuning: 5000, side: 'lower' });
    digits(lower.lower, '-.42356455');
    expect(lower.upper).toBe(Infinity);
  });

  it('11 mixture sequential probability ratio', () => {
    const one = analysis.msprt({ difference: 0.1, variance: 2 / 1000, tau2: 0.01 });
    digits(one.logLikelihoodRatio, '1.1874535987');
    digits(one.pValue, '.3049969');
    const two = analysis.msprt({ difference: 0.1, variance: 2 / 500, tau2: 0.01 });
    digits(two.logLikelihoodRatio, '.2664756586');
    digits(two.pValue, '.7660747');
  });

  it('12 count test', () => {
    const rows: [number, number, number, number, number, string][] = [
      [70, 30, 0.5, 1, 1, '6.05750190'],
      [14, 86, 0.05, 1, 1, '3.40914890'],
      [14, 86, 0.05, 5, 95, '2.75633317'],
      [0, 30, 0.5, 1, 1, '17.36042821'],
      [1130, 8870, 0.1, 1, 1, '4.21297166'],
    ];
    for (const [candidateEvents, championEvents, expectedShare, a, b, want] of rows) {
      digits(
        analysis.countTest({ candidateEvents, championEvents, expectedShare, prior: { a, b } }).logBayesFactor,
        want
      );
    }
  });

  it('13 error of repeated looks at nominal .05', () => {
    // z = 1.96 at every look spends what Armitage, McPherson and Rowe found: 1.96 lies between the Pocock constants for
    // the two totals that would be printed with these four digits.
    const rows: [number, number][] = [
      [1, 0.05],
      [2, 0.0831],
      [3, 0.1073],
      [4, 0.1262],
      [5, 0.1417],
      [10, 0.1934],
      [20, 0.2479],
    ];
    for (const [looks, alpha] of rows) {
      const informationFractions = Array.from({ length: looks }, (_, i) => (i + 1) / looks);
      const constant = (total: number): number =>
        analysis.groupSequentialBoundaries({ informationFractions, alpha: total, sides: 2, spending: 'pocock' })
          .z[0] as number;
      expect(constant(alpha - 5e-5)).toBeGreaterThan(1.9599639845);
      expect(constant(alpha + 5e-5)).toBeLessThan(1.9599639845);
    }
  });

  it('14 group-sequential boundaries', () => {
    const fractions = (k: number) => Array.from({ length: k }, (_, i) => (i + 1) / k);
    const boundary = (k: number, spending: 'obrienFleming' | 'pocock') =>
      analysis.groupSequentialBoundaries({ informationFractions: fractions(k), alpha: 0.05, sides: 2, spending });
    const five = boundary(5, 'obrienFleming').z;
    // Row 14 prints 3.2256 for the second value; 2.040073 sqrt(5 / 2) is 3.225639: the row is right to its digits.
    for (const [i, want] of ['4.5617', '3.2256', '2.6337', '2.2809', '2.0401'].entries())
      digits(five[i] as number, want);
    expect(Math.abs((boundary(5, 'pocock').z[0] as number) - 2.4132)).toBeLessThan(5e-5);
    expect(Math.abs((boundary(5, 'pocock').nominalAlpha[0] as number) - 0.0158)).toBeLessThan(5e-5);
    const pocock: [number, string][] = [
      [2, '2.1783'],
      [3, '2.2895'],
      [4, '2.3613'],
      [10, '2.5550'],
    ];
    for (const [k, want] of pocock) digits(boundary(k, 'pocock').z[0] as number, want);
    const constants: [number, string][] = [
      [2, '1.9774'],
      [3, '2.0040'],
      [4, '2.0243'],
      [10, '2.0865'],
    ];
    for (const [k, want] of constants) digits(boundary(k, 'obrienFleming').z.at(-1) as number, want);
  });

  it('14 spending functions spend alpha: a second look at the same information changes nothing', () => {
    for (const kind of ['lanDeMetsObrienFleming', 'lanDeMetsPocock', 'power'] as const) {
      const got = analysis.groupSequentialBoundaries({
        informationFractions: [1],
        alpha: 0.05,
        sides: 2,
        spending: { kind },
      });
      near(got.nominalAlpha[0] as number, 0.05, 1e-10);
    }
    // Lan-DeMets values of Jennison and Turnbull / ldbounds for five equal looks, one side of .025.
    const fractions = [0.2, 0.4, 0.6, 0.8, 1];
    const got = analysis.groupSequentialBoundaries({
      informationFractions: fractions,
      alpha: 0.025,
      sides: 1,
      spending: { kind: 'lanDeMetsObrienFleming' },
    });
    for (const [i, want] of ['4.8769', '3.3570', '2.6803', '2.2898', '2.0310'].entries())
      digits(got.z[i] as number, want);
  });

  it('15 sample ratio', () => {
    near(analysis.sampleRatio({ observed: [821588, 815482], expectedShares: [0.5, 0.5] }).pValue, 1.82e-6, 2e-3);
    near(analysis.sampleRatio({ observed: [1130, 8870], expectedShares: [0.1, 0.9] }).pValue, 1.4687e-5, 1e-4);
  });

  it('16 power of two proportions', () => {
    digits(analysis.powerProportions({ p1: 0.5, p2: 0.75, alpha: 0.05, power: 0.9 }).n, '76.70693');
    digits(analysis.powerProportions({ p1: 0.5, p2: 0.75, alpha: 0.05, n: 50 }).power, '.7401659');
    digits(analysis.powerProportions({ p1: 0.05, p2: 0.06, alpha: 0.05, power: 0.8 }).n, '8157.731');
    digits(analysis.powerProportions({ p1: 0.85, p2: 0.65, margin: -0.1, alpha: 0.05, power: 0.8 }).n, '24.387');
  });

  it('16 sizes of 2.2 F', () => {
    const size = (p2: number, ratio?: number) =>
      analysis.powerProportions({ p1: 0.9, p2: 0.9, margin: -p2, alpha: 0.05, power: 0.8, ...(ratio ? { ratio } : {}) })
        .n;
    expect(Math.ceil(size(0.01))).toBe(11129);
    expect(Math.ceil(size(0.02))).toBe(2783);
    const errors = analysis.powerProportions({ p1: 0.99, p2: 0.99, margin: -0.005, alpha: 0.05, power: 0.8 }).n;
    expect(Math.ceil(errors)).toBe(4897);
  });

  it('16 least sizes of a canary of 2.2 F, per arm at 50/50 and of the canary at 5/95', () => {
    const sizes: [number, number, number[]][] = [
      [1, 0.001, [61748, 18519, 6170]],
      [1, 0.01, [6105, 1826, 605]],
      [1, 0.05, [1159, 343, 111]],
      [19, 0.001, [30374, 8603, 2620]],
      [19, 0.01, [3005, 850, 258]],
      [19, 0.05, [572, 160, 48]],
    ];
    for (const [ratio, p2, want] of sizes) {
      const common = { p2, alpha: 0.05, power: 0.8, ratio, alternative: 'greater' } as const;
      const got = [1.5, 2, 3].map((times) => Math.ceil(analysis.powerProportions({ ...common, p1: p2 * times }).n));
      expect(got).toEqual(want);
    }
  });

  it('chi-square of one sample (drift 3, row 8)', () => {
    const expectedShares = [16, 16, 16, 16, 16, 8].map((count) => count / 88);
    const got = analysis.sampleRatio({ observed: [16, 18, 16, 14, 12, 12], expectedShares });
    near(got.statistic, 3.5);
    near(got.pValue, 0.62338762774958223);
  });

  it('17 Clopper-Pearson, one-sided', () => {
    const rows: [number, string][] = [
      [20, '.13910834'],
      [100, '.02951305'],
      [300, '.00993608'],
    ];
    for (const [trials, want] of rows) {
      const got = analysis.clopperPearsonInterval({ events: 0, trials, confidence: 0.95, side: 'upper' });
      digits(got.upper, want);
      expect(got.lower).toBe(0);
      near(got.upper, 1 - 0.05 ** (1 / trials), 1e-12);
    }
  });

  it('18 adjusted p-values', () => {
    const p = [0.005, 0.011, 0.02, 0.04, 0.13];
    const holm = [0.025, 0.044, 0.06, 0.08, 0.13];
    const bh = [0.025, 0.0275, 0.1 / 3, 0.05, 0.13];
    for (const [i, value] of analysis.holm(p).entries()) near(value, holm[i] as number, 1e-12);
    for (const [i, value] of analysis.benjaminiHochberg(p).entries()) near(value, bh[i] as number, 1e-12);
    expect(analysis.bonferroni([0.02, 0.5])).toEqual([0.04, 1]);
  });

  it('18 Benjamini-Hochberg of the SciPy documentation (drift 3, row 1)', () => {
    const p = [
      0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719, 0.6528, 0.759, 1,
    ];
    const want = [
      0.0015, 0.003, 0.0095, 0.035625, 0.0603, 0.063857, 0.063857, 0.0645, 0.0765, 0.486, 0.581182, 0.714875, 0.753231,
      0.813214, 1,
    ];
    for (const [i, value] of analysis.benjaminiHochberg(p).entries()) near(value, want[i] as number, 1e-5);
    expect(analysis.bonferroni(p).filter((value) => value <= 0.05)).toHaveLength(3);
  });

  it('19 Welch on the sleep data', () => {
    const x = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0, 2];
    const y = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
    const got = analysis.welch({ x, y });
    digits(got.statistic, '-1.8608');
    digits(got.df, '17.7765');
    digits(got.pValue, '.07939');
  });

  it('paired Newcombe, method 10', () => {
    const got = analysis.newcombePaired({
      bothCorrect: 2640,
      onlyCandidateCorrect: 90,
      onlyChampionCorrect: 60,
      neitherCorrect: 210,
      confidence: 0.95,
    });
    near(got.difference, 0.01, 1e-12);
    digits(got.lower, '.00197');
    digits(got.upper, '.01813');
  });

  it('a Bernoulli sequence of one in two says nothing', () => {
    expect(analysis.bernoulliConfidenceSequence({ successes: 1, trials: 2, alpha: 0.05, tOptimum: 10 })).toEqual({
      lower: 0,
      upper: 1,
    });
  });

  it('the effective size of the Kolmogorov distribution is rounded half to even', () => {
    // 5 x 5 / 10 = 2.5 becomes 2, not 3: kstwo.sf(.6, 2) = .32, kstwo.sf(.6, 3) = .144.
    near(analysis.kolmogorovSf({ d: 0.6, n: 5, m: 5 }), 2 * 0.4 ** 2, 1e-12);
    // 7 x 7 / 14 = 3.5 becomes 4.
    near(analysis.kolmogorovSf({ d: 0.6, n: 7, m: 7 }), 0.0674, 1e-12);
  });

  it('tails down to 1e-300', () => {
    near(analysis.normalSf(37), 5.725571222524577e-300, 1e-9);
    near(analysis.normalCdf(-37), analysis.normalSf(37), 1e-15);
    near(analysis.normalQuantile(1e-300), -37.0471, 1e-6);
    near(analysis.binomialCdf({ k: 0, n: 900, p: 1 - 10 ** (-1 / 3) }), 1e-300, 1e-9);
    near(analysis.regularizedGamma({ a: 1, x: 690, upper: true }), Math.exp(-690), 1e-12);
    near(analysis.chiSquareSf({ x: 1380, df: 2 }), Math.exp(-690), 1e-12);
    near(analysis.studentTSf({ t: 1e100, df: 3 }), ((2 * Math.sqrt(3)) / Math.PI) * 1e-300, 1e-12);
  });
});
