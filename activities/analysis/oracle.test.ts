import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as analysis from './index.js';
import type { Alternative } from './index.js';

/**
 * Values of independent programs (SciPy, statsmodels, mpmath), made by testdata/statistics-oracle.py, seed 20261121.
 * RETEMPO_STATISTICS_VECTORS names another file: the 10,000 per function that the script writes with `full`.
 */
const file =
  process.env['RETEMPO_STATISTICS_VECTORS'] ?? new URL('testdata/statistics-vectors.json', import.meta.url).pathname;
type Row = (number | null)[];
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Row[]>;
const other = vectors as unknown as Record<string, unknown[][]>;

const close = (got: number, want: number | null, relative: number, absolute: number, row: unknown): void => {
  if (want === null) return;
  const error = Math.abs(got - want);
  if (!(error <= absolute || error <= relative * Math.abs(want))) {
    expect.fail(`${got} is not ${want} (relative error ${error / Math.abs(want)}) for ${JSON.stringify(row)}`);
  }
};

interface Check {
  readonly name: string;
  readonly compute: (row: number[]) => readonly number[];
  readonly inputs: number;
  readonly relative: number;
  readonly absolute?: number;
}

const arms = ([x1, n1, x2, n2]: number[]) => ({
  candidate: { events: x1 as number, trials: n1 as number },
  champion: { events: x2 as number, trials: n2 as number },
});
const interval = ({ lower, upper }: { lower: number; upper: number }) => [lower, upper];
const result = ({ statistic, pValue }: { statistic: number; pValue: number }) => [statistic, pValue];

const CHECKS: readonly Check[] = [
  { name: 'normalSf', inputs: 1, relative: 1e-12, compute: ([z]) => [analysis.normalSf(z as number)] },
  { name: 'normalQuantile', inputs: 1, relative: 1e-13, compute: ([p]) => [analysis.normalQuantile(p as number)] },
  { name: 'logGamma', inputs: 1, relative: 1e-12, absolute: 1e-15, compute: ([x]) => [analysis.logGamma(x as number)] },
  {
    name: 'regularizedBeta',
    inputs: 3,
    relative: 1e-9,
    absolute: 1e-290,
    compute: ([x, a, b]) =>
      [false, true].map((upper) => analysis.regularizedBeta({ x: x as number, a: a as number, b: b as number, upper })),
  },
  {
    name: 'regularizedGamma',
    inputs: 2,
    relative: 1e-9,
    absolute: 1e-290,
    compute: ([a, x]) =>
      [false, true].map((upper) => analysis.regularizedGamma({ a: a as number, x: x as number, upper })),
  },
  {
    name: 'chiSquareSf',
    inputs: 2,
    relative: 1e-10,
    absolute: 1e-290,
    compute: ([x, df]) => [analysis.chiSquareSf({ x: x as number, df: df as number })],
  },
  {
    name: 'studentTSf',
    inputs: 2,
    relative: 1e-10,
    absolute: 1e-290,
    compute: ([t, df]) => [analysis.studentTSf({ t: t as number, df: df as number })],
  },
  {
    name: 'binomialCdf',
    inputs: 3,
    relative: 1e-10,
    absolute: 1e-290,
    compute: ([k, n, p]) => [analysis.binomialCdf({ k: k as number, n: n as number, p: p as number })],
  },
  {
    name: 'kolmogorovSf',
    inputs: 2,
    relative: 1e-8,
    absolute: 1e-290,
    compute: ([d, n]) => [analysis.kolmogorovSf({ d: d as number, n: 2 * (n as number), m: 2 * (n as number) })],
  },
  {
    name: 'proportionTest',
    inputs: 4,
    relative: 1e-9,
    absolute: 1e-13,
    compute: (row) => result(analysis.proportionTest(arms(row))),
  },
  {
    name: 'wilsonInterval',
    inputs: 3,
    relative: 1e-9,
    absolute: 1e-15,
    compute: ([events, trials, confidence]) =>
      interval(
        analysis.wilsonInterval({
          events: events as number,
          trials: trials as number,
          confidence: confidence as number,
        })
      ),
  },
  {
    name: 'clopperPearsonInterval',
    inputs: 3,
    relative: 1e-9,
    compute: ([events, trials, confidence]) =>
      interval(
        analysis.clopperPearsonInterval({
          events: events as number,
          trials: trials as number,
          confidence: confidence as number,
        })
      ),
  },
  {
    name: 'newcombeInterval',
    inputs: 4,
    relative: 1e-9,
    absolute: 1e-14,
    compute: (row) => interval(analysis.newcombeInterval({ ...arms(row), confidence: 0.95 })),
  },
  {
    name: 'mcnemar',
    inputs: 2,
    relative: 1e-9,
    absolute: 1e-13,
    compute: ([b, c]) => {
      const r = analysis.mcnemar({ onlyChampionCorrect: b as number, onlyCandidateCorrect: c as number });
      return [r.exactPValue, r.chiSquare, r.pValue, r.midPValue];
    },
  },
  {
    name: 'nonInferiorityScore',
    inputs: 5,
    relative: 1e-9,
    absolute: 1e-13,
    compute: (row) => result(analysis.nonInferiorityScore({ ...arms(row), margin: row[4] as number })),
  },
  {
    name: 'countTest',
    inputs: 5,
    relative: 1e-8,
    absolute: 1e-8,
    compute: ([x1, x2, w, r, s]) =>
      (['two-sided', 'greater', 'less'] as const).map(
        (alternative) =>
          analysis.countTest({
            candidateEvents: x1 as number,
            championEvents: x2 as number,
            expectedShare: w as number,
            allowedRatio: r as number,
            priorStrength: s as number,
            alternative,
          }).logBayesFactor
      ),
  },
  {
    name: 'newcombePaired',
    inputs: 5,
    relative: 1e-9,
    absolute: 1e-13,
    compute: ([a, b, c, d, confidence]) =>
      interval(
        analysis.newcombePaired({
          bothCorrect: a as number,
          onlyCandidateCorrect: b as number,
          onlyChampionCorrect: c as number,
          neitherCorrect: d as number,
          confidence: confidence as number,
        })
      ),
  },
  {
    name: 'powerProportions',
    inputs: 6,
    relative: 1e-9,
    absolute: 1e-14,
    compute: ([p1, p2, alpha, power, two, n]) => {
      // The oracle takes the absolute effect, as R does.
      const alternative = two === 1 ? 'two-sided' : (p1 as number) > (p2 as number) ? 'greater' : 'less';
      const common = { p1: p1 as number, p2: p2 as number, alpha: alpha as number, alternative } as const;
      return [
        analysis.powerProportions({ ...common, power: power as number }).n,
        analysis.powerProportions({ ...common, n: n as number }).power,
      ];
    },
  },
  {
    name: 'msprt',
    inputs: 4,
    relative: 1e-9,
    absolute: 1e-10,
    compute: ([difference, variance, tau2, nullDifference]) => [
      analysis.msprt({
        difference: difference as number,
        variance: variance as number,
        tau2: tau2 as number,
        nullDifference: nullDifference as number,
      }).logLikelihoodRatio,
    ],
  },
  {
    name: 'normalMixture',
    inputs: 4,
    relative: 1e-9,
    absolute: 1e-9,
    compute: ([vOptimum, alpha, s, v]) => {
      const sides = (['two', 'one'] as const).map((side) =>
        analysis.normalMixture({ vOptimum: vOptimum as number, alpha: alpha as number, side })
      );
      return [...sides.map(({ rho }) => rho), ...sides.map((mixture) => mixture.logMixture(s as number, v as number))];
    },
  },
  {
    name: 'asymptoticCs',
    inputs: 5,
    relative: 1e-9,
    absolute: 1e-9,
    compute: ([estimate, standardError, n, alpha, tuning]) => {
      const got = analysis.asymptoticCs({
        estimate: estimate as number,
        standardError: standardError as number,
        n: n as number,
        alpha: alpha as number,
        tuning: tuning as number,
      });
      return [got.rho, got.lower, got.upper];
    },
  },
  {
    name: 'bernoulliConfidenceSequence',
    inputs: 4,
    relative: 1e-7,
    absolute: 1e-10,
    compute: ([successes, trials, alpha, tOptimum]) =>
      interval(
        analysis.bernoulliConfidenceSequence({
          successes: successes as number,
          trials: trials as number,
          alpha: alpha as number,
          tOptimum: tOptimum as number,
        })
      ),
  },
];

describe('agreement with independent programs', () => {
  for (const { name, inputs, relative, absolute = 0, compute } of CHECKS) {
    it(`${name} on ${vectors[name]?.length} inputs`, () => {
      for (const row of vectors[name] as Row[]) {
        const got = compute(row.slice(0, inputs) as number[]);
        expect(got).toHaveLength(row.length - inputs);
        for (const [i, value] of got.entries())
          close(value, row[inputs + i] ?? null, relative, absolute, [name, ...row]);
      }
    });
  }

  it('mantelHaenszel', () => {
    for (const [strata, odds, risk, statistic, p] of other['mantelHaenszel'] as [number[][], ...number[]][]) {
      const got = analysis.mantelHaenszel({ strata: strata.map(arms) });
      close(got.oddsRatio as number, odds as number, 1e-10, 0, strata);
      close(got.riskRatio as number, risk as number, 1e-10, 0, strata);
      close(got.chiSquare, statistic as number, 1e-9, 1e-12, strata);
      close(got.pValue, p as number, 1e-9, 1e-12, strata);
    }
  });

  it('sampleRatio', () => {
    for (const [observed, expectedShares, statistic, p] of other['sampleRatio'] as [
      number[],
      number[],
      number,
      number,
    ][]) {
      const got = analysis.sampleRatio({ observed, expectedShares });
      close(got.statistic, statistic, 1e-9, 1e-9, [observed, expectedShares]);
      close(got.pValue, p, 1e-8, 1e-13, [observed, expectedShares]);
    }
  });

  it('groupSequentialBoundaries of two looks', () => {
    type R = [number[], number, 1 | 2, string, number, number, number];
    for (const row of other['groupSequential'] as R[]) {
      const [informationFractions, alpha, sides, kind, phi, ...want] = row;
      const named = kind === 'pocock' || kind === 'obrienFleming';
      const spending = (named ? kind : { kind, ...(kind === 'power' ? { phi } : {}) }) as analysis.Spending;
      const got = analysis.groupSequentialBoundaries({ informationFractions, alpha, sides, spending });
      for (const [k, z] of got.z.entries()) close(z, want[k] as number, 1e-9, 1e-9, row);
      close(got.nominalAlpha[1] as number, sides * analysis.normalSf(want[1]), 1e-8, 0, row);
    }
  });

  it('rateRatioSequence', () => {
    type R = [number[][], number, number, number | null, number | null];
    for (const [steps, alpha, priorStrength, lower, upper] of other['rateRatioSequence'] as R[]) {
      const got = analysis.rateRatioSequence({ steps: steps.map(arms), alpha, priorStrength });
      close(got.lower, lower, 1e-7, 0, [steps, alpha, priorStrength]);
      close(got.upper, upper, 1e-7, 0, [steps, alpha, priorStrength]);
    }
  });

  it('mannWhitney', () => {
    type R = [number[], number[], Alternative, number, number, number | null, number];
    for (const [x, y, alternative, u, asymptotic, exact, shift] of other['mannWhitney'] as R[]) {
      const got = analysis.mannWhitney({ x, y, alternative, method: 'asymptotic' });
      close(got.u, u, 0, 1e-12, [x, y]);
      close(got.pValue, asymptotic, 1e-9, 1e-13, [x, y, alternative]);
      close(got.shift.estimate, shift, 1e-12, 1e-12, [x, y]);
      if (exact !== null)
        close(analysis.mannWhitney({ x, y, alternative, method: 'exact' }).pValue, exact, 1e-9, 0, [x, y]);
    }
  });

  it('welch', () => {
    type R = [number[], number[], Alternative, number, number, number];
    for (const [x, y, alternative, statistic, df, p] of other['welch'] as R[]) {
      const got = analysis.welch({ x, y, alternative });
      close(got.statistic, statistic, 1e-9, 1e-12, [x, y]);
      close(got.df, df, 1e-9, 0, [x, y]);
      close(got.pValue, p, 1e-9, 1e-13, [x, y]);
    }
  });

  it('holm and benjaminiHochberg', () => {
    for (const [p, holm, bh] of other['adjust'] as [number[], number[], number[]][]) {
      for (const [i, value] of analysis.holm(p).entries()) close(value, holm[i] as number, 1e-12, 1e-15, p);
      for (const [i, value] of analysis.benjaminiHochberg(p).entries()) close(value, bh[i] as number, 1e-12, 1e-15, p);
    }
  });

  it('delong', () => {
    type R = [number[], number[], number[], number, number, number, number];
    for (const [labels, champion, candidate, one, two, statistic, p] of other['delong'] as R[]) {
      const got = analysis.delong({ labels, champion, candidate });
      close(got.aucChampion as number, one, 1e-12, 0, labels);
      close(got.aucCandidate as number, two, 1e-12, 0, labels);
      close(got.statistic, statistic, 1e-8, 1e-9, [labels, champion, candidate]);
      close(got.pValue, p, 1e-7, 1e-9, labels);
    }
  });
});
