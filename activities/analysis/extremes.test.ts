import { describe, expect, it } from 'vitest';
import * as analysis from './index.js';
import { AnalysisInputError } from './index.js';

/** Values of mpmath at 40 digits, from the definitions; inputs at the ends of what a double holds. */
const near = (got: number, want: number, relative = 1e-9): void => {
  if (!(Math.abs(got - want) <= relative * Math.abs(want))) expect.fail(`${got} is not ${want}`);
};
const arm = (events: number, trials: number) => ({ events, trials });

describe('extremes', () => {
  it('beta and gamma tails far out end, and are right', () => {
    expect(analysis.regularizedBeta({ x: 1e-300, a: 400, b: 400 })).toBe(0);
    expect(analysis.regularizedBeta({ x: 1e-300, a: 400, b: 400, upper: true })).toBe(1);
    near(analysis.regularizedBeta({ x: 0.3, a: 400, b: 400 }), 1.8033739879835092e-32);
    near(analysis.regularizedBeta({ x: 0.49999717157287527, a: 1e12, b: 1e12 }), 6.220960572724387e-16, 1e-8);
    near(analysis.regularizedGamma({ a: 500, x: 200 }), 6.174261434528856e-71);
    near(analysis.regularizedGamma({ a: 500, x: 1000, upper: true }), 4.1436785914549916e-69);
    expect(analysis.regularizedGamma({ a: 1e50, x: 1 })).toBe(0);
    expect(analysis.binomialCdf({ k: 499, n: 1_000, p: 1e-300 })).toBe(1);
    expect(analysis.studentTSf({ t: 3, df: 1e308 })).toBe(analysis.normalSf(3));
    near(analysis.studentTSf({ t: 3, df: 1e100 }), analysis.normalSf(3), 1e-12);
    for (const a of [1e101, 1e-101]) {
      expect(() => analysis.regularizedBeta({ x: 0.5, a, b: 1 })).toThrow('a: must be within [1e-100, 1e100]');
    }
  });

  it('the Kolmogorov distribution at a million values and more: two equal one-sided tails, exp(-2 n d^2) at first', () => {
    // SciPy replaces Smirnov's sum by exp(-(6 n d + 1)^2 / (18 n)) above a million values: right to about 1e-6 here.
    for (const [n, d] of [
      [10_000_000, 0.0005],
      [10_000_000, 0.0006],
      [1_000_000_000, 0.00005],
    ] as const) {
      near(analysis.kolmogorovSf({ d, n: 2 * n, m: 2 * n }), 2 * Math.exp(-((6 * n * d + 1) ** 2) / (18 * n)), 1e-6);
    }
    expect(analysis.kolmogorovSf({ d: 0.5, n: 1e12, m: 1e12 })).toBe(0);
  });

  it('proportions of 1e12 trials keep the digits of their difference', () => {
    const z = (a: ReturnType<typeof arm>, b: ReturnType<typeof arm>) =>
      analysis.proportionTest({ candidate: a, champion: b }).statistic;
    near(z(arm(5e11, 1e12), arm(499_999_876_543, 1e12)), 0.17459456376989652, 1e-14);
    near(z(arm(1e10, 1e12), arm(1e10 + 3, 1e12)), -2.132007163397819e-5, 1e-14);
    near(
      z(arm(499_999_999_999, 999_999_999_999), arm(500_000_000_001, 1_000_000_000_003)),
      -2.82842712474195e-18,
      1e-12
    );
  });

  it('non-inferiority with arms of very different size keeps both distances of both rates', () => {
    const at = (candidate: ReturnType<typeof arm>, champion: ReturnType<typeof arm>, margin: number) =>
      analysis.nonInferiorityScore({ candidate, champion, margin }).statistic;
    near(at(arm(3, 7), arm(0, 1e12), 0.3), 1_020_204.0612219374);
    near(at(arm(3, 7), arm(0, 1e12), 0.999), 37_783_216.22858104);
    near(at(arm(4_503_599_627_370_496, 9_007_199_254_740_991), arm(1, 3), 0.999), 2_290_074_456.152387);
    near(at(arm(1e12, 1e12), arm(1e12 - 1, 1e12), 0.05), 229_415.73387291475);
  });

  it("Welch's t is the same for denormal values, huge ones and values with a large common part", () => {
    const rows: [number[], number[], number, number, number][] = [
      [
        [100_000_001, 100_000_002, 100_000_004],
        [100_000_002, 100_000_003],
        -0.1643989873053573,
        2.894291754756871,
        0.8802234038117916,
      ],
      [
        [1e8, 1e8, 100_000_000.000001],
        [1e8, 100_000_000.000002],
        -0.6324555320336759,
        1.2269938650306749,
        0.6243579916412205,
      ],
      [[1e-320, 2e-320, 5e-320], [3e-320, 9e-320], -1.0314212462587935, 1.3296215484162215, 0.45385060807261957],
      [[1e200, 2e200, 5e200], [3e200, 3.5e200], -0.4751909633114914, 2.1687007783355594, 0.6782455715743538],
      [[0, 0, 0, 1e8], [1, 2, 3], 0.9999999199999997, 3.000000000000003, 0.3910022520355057],
    ];
    for (const [x, y, statistic, df, pValue] of rows) {
      const got = analysis.welch({ x, y });
      near(got.statistic, statistic);
      near(got.df, df);
      near(got.pValue, pValue);
    }
  });

  it('evidence stays a finite number where variances are denormal or differences huge', () => {
    near(analysis.msprt({ difference: 0, variance: 5e-324, tau2: 1 }).logLikelihoodRatio, -372.2200359606906);
    const huge = analysis.msprt({ difference: 1, variance: 5e-324, tau2: 1 });
    expect(huge).toEqual({ logLikelihoodRatio: Number.MAX_VALUE, pValue: 0 });
    expect(JSON.parse(JSON.stringify(huge))).toEqual(huge);
    expect(() => analysis.msprt({ difference: 1e308, variance: 1, tau2: 1, nullDifference: -1e308 })).toThrow(
      'difference'
    );
    expect(analysis.sequentialCombine({ logBayesFactors: [-Infinity, 5] }).pValue).toBe(1);
    expect(() => analysis.sequentialCombine({ logBayesFactors: [Infinity, -Infinity] })).toThrow(
      'infinities of both signs'
    );
  });

  it('a confidence sequence has a width for any tuning and any alpha', () => {
    const width = (change: object) =>
      analysis.asymptoticCs({ estimate: 0, standardError: 1, n: 100, alpha: 0.05, tuning: 5_000, ...change }).halfWidth;
    for (const side of ['both', 'lower'] as const) {
      for (const change of [
        { tuning: 5e-324 },
        { tuning: 1e308 },
        { alpha: 5e-324 },
        { alpha: 0.4999999 },
        { n: 1e300 },
      ]) {
        expect(width({ ...change, side })).toBeGreaterThan(0);
        expect(width({ ...change, side })).toBeLessThan(Infinity);
      }
    }
    // sqrt(2 (1 + 1 / (n rho^2)) ln(sqrt(n rho^2 + 1) / a)) with n rho^2 far above 1.
    const rho = Math.sqrt(2 * Math.log(20) + Math.log(1 + 2 * Math.log(20))) / Math.sqrt(5e-324);
    near(width({ tuning: 5e-324 }), Math.sqrt(2 * (Math.log(10) + Math.log(rho) + Math.log(20))));
  });

  it('a count test knows a tiny arm, on either side', () => {
    const big = arm(40, 1e12);
    const tiny = arm(1, 3);
    near(analysis.countTest({ candidate: big, champion: tiny }).logBayesFactor, -1.0986122886150376, 1e-9);
    for (const allowedRatio of [1, 1e3]) {
      const one = analysis.countTest({ candidate: big, champion: tiny, allowedRatio, alternative: 'less' });
      const two = analysis.countTest({
        candidate: tiny,
        champion: big,
        allowedRatio: 1 / allowedRatio,
        alternative: 'greater',
      });
      near(one.logBayesFactor, two.logBayesFactor, 1e-9);
    }
    const steps = [{ candidate: big, champion: tiny }];
    const swapped = [{ candidate: tiny, champion: big }];
    near(
      analysis.rateRatioSequence({ steps, alpha: 0.05 }).upper,
      1 / analysis.rateRatioSequence({ steps: swapped, alpha: 0.05 }).lower
    );
    for (const priorStrength of [1e101, 1e308, 5e-324]) {
      expect(() => analysis.countTest({ candidate: big, champion: tiny, priorStrength })).toThrow('priorStrength');
      expect(() => analysis.rateRatioSequence({ steps, alpha: 0.05, priorStrength })).toThrow('priorStrength');
    }
    expect(() => analysis.countTest({ candidate: big, champion: tiny, allowedRatio: 5e-324 })).toThrow('allowedRatio');
  });

  it('one-sided evidence is right where the prior lies almost wholly at one end: no infinite evidence from nothing', () => {
    const rows: [number, number, number, number, number, number, number][] = [
      [5, 5, 3, 1e12, 1, 20, 114.08726045007707],
      [5, 5, 3, 1e12, 1e-6, 20, 182.6856409395765],
      [5, 5, 3, 1e12, 1e-6, 1e-3, 187.58359797237847],
      [3, 7, 1e5, 1e12, 1, 1e-3, 36.27655988987015],
      [0, 1e12, 4, 1e12, 1e-6, 1e-3, -4.438074633695982],
      [0, 1, 1, 1, 1e-6, 1e-3, -4.295801594590567],
    ];
    for (const [x1, n1, x2, n2, allowedRatio, priorStrength, want] of rows) {
      const [candidate, champion] = [arm(x1, n1), arm(x2, n2)];
      near(
        analysis.countTest({ candidate, champion, allowedRatio, priorStrength, alternative: 'greater' }).logBayesFactor,
        want
      );
      const mirrored = { candidate: champion, champion: candidate, allowedRatio: 1 / allowedRatio, priorStrength };
      near(analysis.countTest({ ...mirrored, alternative: 'less' }).logBayesFactor, want);
    }
    // b B(a, b) is nearly b / a for a tiny a: 1 - I_x(a, 1) = 1 - x^a.
    for (const a of [1e-3, 1e-9, 1e-90]) {
      near(analysis.regularizedBeta({ x: 0.25, a, b: 1, upper: true }), -Math.expm1(a * Math.log(0.25)), 1e-12);
      near(analysis.regularizedBeta({ x: 0.25, a: 1, b: a }), -Math.expm1(a * Math.log(0.75)), 1e-12);
    }
  });

  it('differences and quantiles that overflow are infinite or interpolated, never NaN', () => {
    const far = analysis.mannWhitney({ x: [1e308], y: [-1e308], method: 'asymptotic' });
    expect([far.u, far.shift.estimate]).toEqual([1, Infinity]);
    const x = Array.from({ length: 100 }, (_, i) => (i < 60 ? i : 1e308));
    const y = x.map((value) => -value);
    const many = analysis.mannWhitney({ x, y, method: 'asymptotic' }).shift;
    // 60 x 60 of the 10,000 differences are small, 2 x 60 x 40 near 1e308, the others beyond the largest double.
    expect(many.estimate).toBe(1e308);
    expect(many.upper).toBeGreaterThanOrEqual(1e308);
    expect([...analysis.decileEdges([-1e308, 1e308])].map((edge) => Math.round(edge / 1e307))).toEqual([
      -8, -6, -4, -2, 0, 2, 4, 6, 8,
    ]);
  });

  it('a bootstrap of huge losses is that of small ones, and sees their heavy tail', () => {
    const candidate = Array.from({ length: 300 }, (_, i) => ((i * 37) % 101) / 101);
    const champion = candidate.map((_, i) => ((i * 61) % 89) / 89);
    const at = (scale: number, outlier = 0) =>
      analysis.pairedBootstrap({
        champion: champion.map((value) => value * scale),
        candidate: candidate.map((value, i) => value * scale + (i === 7 ? outlier : 0)),
        confidence: 0.9,
        seed: 3,
      });
    const one = at(1);
    for (const scale of [2 ** 1023, 2 ** -900]) {
      const other = at(scale);
      for (const end of ['difference', 'lower', 'upper'] as const) near(other[end] / scale, one[end], 1e-12);
      expect(other.heavyTail).toBe(false);
    }
    for (const outlier of [1e8, 1e200, 1e307]) expect(at(1, outlier).heavyTail).toBe(true);
    expect(at(2 ** -900, 2 ** -880).heavyTail).toBe(true);
  });

  it('a profile of huge values has their mean and infinite squares', () => {
    const got = analysis.binValues({ values: [1e308, -1e308, 1e308, 1e308, Number.NaN], edges: [0] });
    expect([...got.counts]).toEqual([1, 3]);
    near(got.mean, 5e307);
    expect(got.squaredDeviations).toBe(Infinity);
    const long = analysis.binValues({
      values: new Float64Array(20_000).map((_, i) => (i % 2 === 0 ? 1.5e308 : -1.7e308)),
      edges: [0],
    });
    near(long.mean, -1e307, 1e-6);
    expect(long.missing).toBe(0);
  });

  it('holes of a sparse array are bad values, not skipped', () => {
    const named = (field: string): Error => expect.objectContaining({ name: 'AnalysisInputError', field }) as Error;
    // oxlint-disable-next-line no-sparse-arrays
    const holed = [0.5, , 0.5] as number[];
    expect(() => analysis.eDetector({ tolerated: 0.2, alarmEvery: 9 }).update(holed)).toThrow(named('losses[1]'));
    expect(() => analysis.chiSquareContingency({ table: [[1, 2], ...Array(1), [3, 4]] as number[][] })).toThrow(
      named('table[1]')
    );
    const row = { key: 'a', label: 1, champion: 0.4, candidate: 0.5 };
    const gate = { metrics: { logLoss: { atMost: 9 } }, minRows: 2, seed: 1 };
    // oxlint-disable-next-line no-sparse-arrays
    const rows = [row, , { ...row, key: 'b', label: 0 }] as (typeof row)[];
    expect(analysis.runGate({ gate, rows }).verdict).toBe('error');
  });

  it('a state that something else wrote is refused', () => {
    const { state } = analysis.eDetector({ tolerated: 0.2, alarmEvery: 9 });
    const resume = (change: object) => () =>
      analysis.eDetector({ tolerated: 0.2, alarmEvery: 9, state: { ...state, ...change } });
    expect(resume({})).not.toThrow();
    for (const change of [
      { alarm: 'no' },
      { windows: -1 },
      { pendingSums: 3 },
      { logEvidence: [0] },
      { lambdas: null },
    ]) {
      expect(resume(change)).toThrow(AnalysisInputError);
    }
    const threshold = { spec: { max: 1 }, value: 0.5 };
    for (const previous of [null, { v: 1, failures: 0, failed: 3 }, { v: 1, failures: -1, failed: null }]) {
      expect(() => analysis.judgeThreshold({ ...threshold, previous: previous as never })).toThrow(AnalysisInputError);
    }
  });

  it('a step without one of its arms is a step without data', () => {
    const steps = [{ weight: 5, champion: arm(2, 200) }] as never;
    const got = analysis.judgeMetric({ spec: { name: 'errors' }, steps, alpha: 0.05 });
    expect(got.verdict).toBe('noData');
    expect(got.reasons).toEqual(['errors: no data of the candidate for step 1 (5 %)']);
  });
});
