import { describe, expect, it } from 'vitest';
import * as analysis from './index.js';
import { AnalysisInputError } from './index.js';

const nan = Number.NaN;
const arm = { events: 1, trials: 10 };
const arms = { candidate: arm, champion: arm };
const rows = { labels: [0, 1], champion: [1, 2], candidate: [2, 1] };
const boot = { champion: [1, 2], candidate: [1, 3], confidence: 0.9, seed: 1 };
const cs = { estimate: 0, standardError: 1, n: 100, alpha: 0.05, tuning: 100 };
const group = { informationFractions: [0.5, 1], alpha: 0.05, sides: 2, spending: 'pocock' } as const;
const power = { p1: 0.1, p2: 0.2, alpha: 0.05, power: 0.8 };
const bernoulli = { successes: 1, trials: 2, alpha: 0.05, tOptimum: 10 };

/** Every function with every kind of input that nothing can be computed from: the field that is named. */
const BAD: readonly (readonly [string, string, () => unknown])[] = [
  ['normalCdf', 'z', () => analysis.normalCdf(nan)],
  ['normalSf', 'z', () => analysis.normalSf('1' as never)],
  ['normalQuantile', 'p', () => analysis.normalQuantile(1.1)],
  ['logGamma', 'x', () => analysis.logGamma(nan)],
  ['regularizedBeta', 'x', () => analysis.regularizedBeta({ x: 1.5, a: 1, b: 1 })],
  ['regularizedBeta', 'a', () => analysis.regularizedBeta({ x: 0.5, a: 0, b: 1 })],
  ['regularizedBeta', 'b', () => analysis.regularizedBeta({ x: 0.5, a: 1, b: Infinity })],
  ['regularizedGamma', 'a', () => analysis.regularizedGamma({ a: -1, x: 1 })],
  ['regularizedGamma', 'x', () => analysis.regularizedGamma({ a: 1, x: -1 })],
  ['chiSquareSf', 'x', () => analysis.chiSquareSf({ x: nan, df: 1 })],
  ['chiSquareSf', 'df', () => analysis.chiSquareSf({ x: 1, df: 0 })],
  ['studentTSf', 't', () => analysis.studentTSf({ t: nan, df: 1 })],
  ['studentTSf', 'df', () => analysis.studentTSf({ t: 1, df: 0 })],
  ['binomialCdf', 'k', () => analysis.binomialCdf({ k: nan, n: 1, p: 0.5 })],
  ['binomialCdf', 'n', () => analysis.binomialCdf({ k: 1, n: 1.5, p: 0.5 })],
  ['binomialCdf', 'p', () => analysis.binomialCdf({ k: 1, n: 2, p: -0.5 })],
  ['kolmogorovSf', 'd', () => analysis.kolmogorovSf({ d: 2, n: 1, m: 1 })],
  ['kolmogorovSf', 'n', () => analysis.kolmogorovSf({ d: 0.5, n: 0, m: 1 })],
  ['kolmogorovSf', 'm', () => analysis.kolmogorovSf({ d: 0.5, n: 1, m: 0.5 })],
  ['countTest', 'input', () => analysis.countTest(undefined as never)],
  ['countTest', 'candidate', () => analysis.countTest({ champion: arm } as never)],
  ['countTest', 'candidate.events', () => analysis.countTest({ ...arms, candidate: { events: 11, trials: 10 } })],
  ['countTest', 'champion.events', () => analysis.countTest({ ...arms, champion: { events: -1, trials: 10 } })],
  ['countTest', 'champion.trials', () => analysis.countTest({ ...arms, champion: { events: 1, trials: nan } })],
  ['countTest', 'allowedRatio', () => analysis.countTest({ ...arms, allowedRatio: 0 })],
  ['countTest', 'priorStrength', () => analysis.countTest({ ...arms, priorStrength: -1 })],
  ['countTest', 'alternative', () => analysis.countTest({ ...arms, alternative: 'both' as never })],
  ['countTest', 'prior', () => analysis.countTest({ ...arms, prior: 3 as never })],
  ['countTest', 'prior.a', () => analysis.countTest({ ...arms, prior: { a: 0, b: 1 } })],
  ['countTest', 'prior.b', () => analysis.countTest({ ...arms, prior: { a: 1, b: nan } })],
  ['countTest', 'expectedShare', () => analysis.countTest({ candidateEvents: 1, championEvents: 1, expectedShare: 1 })],
  [
    'countTest',
    'candidateEvents',
    () => analysis.countTest({ candidateEvents: 0.5, championEvents: 1, expectedShare: 0.5 }),
  ],
  [
    'countTest',
    'championEvents',
    () => analysis.countTest({ candidateEvents: 1, championEvents: -1, expectedShare: 0.5 }),
  ],
  ['rateRatioSequence', 'alpha', () => analysis.rateRatioSequence({ steps: [arms], alpha: 1 })],
  ['rateRatioSequence', 'steps', () => analysis.rateRatioSequence({ steps: {} as never, alpha: 0.05 })],
  [
    'rateRatioSequence',
    'steps[0].champion.trials',
    () => analysis.rateRatioSequence({ steps: [{ ...arms, champion: { events: 0, trials: -1 } }], alpha: 0.05 }),
  ],
  [
    'rateRatioSequence',
    'priorStrength',
    () => analysis.rateRatioSequence({ steps: [arms], alpha: 0.05, priorStrength: 0 }),
  ],
  ['sequentialCombine', 'logBayesFactors[1]', () => analysis.sequentialCombine({ logBayesFactors: [1, nan] })],
  ['asymptoticCs', 'estimate', () => analysis.asymptoticCs({ ...cs, estimate: Infinity })],
  ['asymptoticCs', 'standardError', () => analysis.asymptoticCs({ ...cs, standardError: -1 })],
  ['asymptoticCs', 'n', () => analysis.asymptoticCs({ ...cs, n: 0 })],
  ['asymptoticCs', 'alpha', () => analysis.asymptoticCs({ ...cs, alpha: 0 })],
  ['asymptoticCs', 'alpha', () => analysis.asymptoticCs({ ...cs, alpha: 0.5, side: 'lower' })],
  ['asymptoticCs', 'tuning', () => analysis.asymptoticCs({ ...cs, tuning: nan })],
  ['asymptoticCs', 'side', () => analysis.asymptoticCs({ ...cs, side: 'left' as never })],
  ['msprt', 'difference', () => analysis.msprt({ difference: nan, variance: 1, tau2: 1 })],
  ['msprt', 'variance', () => analysis.msprt({ difference: 1, variance: -1, tau2: 1 })],
  ['msprt', 'tau2', () => analysis.msprt({ difference: 1, variance: 1, tau2: 0 })],
  ['msprt', 'nullDifference', () => analysis.msprt({ difference: 1, variance: 1, tau2: 1, nullDifference: nan })],
  ['normalMixture', 'vOptimum', () => analysis.normalMixture({ vOptimum: 0, alpha: 0.05, side: 'one' })],
  ['normalMixture', 'alpha', () => analysis.normalMixture({ vOptimum: 1, alpha: 0.5, side: 'one' })],
  ['normalMixture', 'side', () => analysis.normalMixture({ vOptimum: 1, alpha: 0.05, side: 'both' as never })],
  ['normalMixture.bound', 'v', () => analysis.normalMixture({ vOptimum: 1, alpha: 0.05, side: 'two' }).bound(-1)],
  [
    'normalMixture.logMixture',
    's',
    () => analysis.normalMixture({ vOptimum: 1, alpha: 0.05, side: 'two' }).logMixture(nan, 1),
  ],
  [
    'bernoulliConfidenceSequence',
    'successes',
    () => analysis.bernoulliConfidenceSequence({ ...bernoulli, successes: 3 }),
  ],
  ['bernoulliConfidenceSequence', 'trials', () => analysis.bernoulliConfidenceSequence({ ...bernoulli, trials: -1 })],
  ['bernoulliConfidenceSequence', 'alpha', () => analysis.bernoulliConfidenceSequence({ ...bernoulli, alpha: 2 })],
  [
    'bernoulliConfidenceSequence',
    'tOptimum',
    () => analysis.bernoulliConfidenceSequence({ ...bernoulli, tOptimum: 0 }),
  ],
  [
    'groupSequentialBoundaries',
    'informationFractions',
    () => analysis.groupSequentialBoundaries({ ...group, informationFractions: [] }),
  ],
  [
    'groupSequentialBoundaries',
    'informationFractions[1]',
    () => analysis.groupSequentialBoundaries({ ...group, informationFractions: [0.5, 0.5] }),
  ],
  [
    'groupSequentialBoundaries',
    'informationFractions[0]',
    () => analysis.groupSequentialBoundaries({ ...group, informationFractions: [1.5] }),
  ],
  ['groupSequentialBoundaries', 'alpha', () => analysis.groupSequentialBoundaries({ ...group, alpha: nan })],
  ['groupSequentialBoundaries', 'sides', () => analysis.groupSequentialBoundaries({ ...group, sides: 3 as never })],
  [
    'groupSequentialBoundaries',
    'spending',
    () => analysis.groupSequentialBoundaries({ ...group, spending: 'haybittle' as never }),
  ],
  [
    'groupSequentialBoundaries',
    'spending.kind',
    () => analysis.groupSequentialBoundaries({ ...group, spending: { kind: 'x' as never } }),
  ],
  [
    'groupSequentialBoundaries',
    'spending.phi',
    () => analysis.groupSequentialBoundaries({ ...group, spending: { kind: 'power', phi: 0 } }),
  ],
  [
    'proportionTest',
    'candidate.trials',
    () => analysis.proportionTest({ ...arms, candidate: { events: 0, trials: 0 } }),
  ],
  ['proportionTest', 'alternative', () => analysis.proportionTest({ ...arms, alternative: '' as never })],
  ['wilsonInterval', 'confidence', () => analysis.wilsonInterval({ ...arm, confidence: 95 })],
  ['wilsonInterval', 'input.trials', () => analysis.wilsonInterval({ events: 0, trials: 0, confidence: 0.9 })],
  [
    'clopperPearsonInterval',
    'side',
    () => analysis.clopperPearsonInterval({ ...arm, confidence: 0.9, side: 'x' as never }),
  ],
  [
    'clopperPearsonInterval',
    'input.events',
    () => analysis.clopperPearsonInterval({ events: 1.5, trials: 9, confidence: 0.9 }),
  ],
  [
    'newcombeInterval',
    'champion.trials',
    () => analysis.newcombeInterval({ ...arms, champion: { events: 0, trials: 0 }, confidence: 0.9 }),
  ],
  [
    'newcombePaired',
    'bothCorrect',
    () =>
      analysis.newcombePaired({
        bothCorrect: 0,
        onlyCandidateCorrect: 0,
        onlyChampionCorrect: 0,
        neitherCorrect: 0,
        confidence: 0.9,
      }),
  ],
  [
    'newcombePaired',
    'neitherCorrect',
    () =>
      analysis.newcombePaired({
        bothCorrect: 0,
        onlyCandidateCorrect: 0,
        onlyChampionCorrect: 0,
        neitherCorrect: -1,
        confidence: 0.9,
      }),
  ],
  ['nonInferiorityScore', 'margin', () => analysis.nonInferiorityScore({ ...arms, margin: 1 })],
  ['nonInferiorityScore', 'margin', () => analysis.nonInferiorityScore({ ...arms, margin: -0.1 })],
  ['mantelHaenszel', 'strata', () => analysis.mantelHaenszel({ strata: [] })],
  [
    'mantelHaenszel',
    'strata[0].candidate.events',
    () => analysis.mantelHaenszel({ strata: [{ ...arms, candidate: { events: 5, trials: 2 } }] }),
  ],
  ['mcnemar', 'onlyChampionCorrect', () => analysis.mcnemar({ onlyChampionCorrect: -1, onlyCandidateCorrect: 1 })],
  ['delong', 'labels', () => analysis.delong({ ...rows, labels: [] })],
  ['delong', 'labels[1]', () => analysis.delong({ ...rows, labels: [0, 2] })],
  ['delong', 'candidate', () => analysis.delong({ ...rows, candidate: [1] })],
  ['delong', 'champion[0]', () => analysis.delong({ ...rows, champion: [nan, 1] })],
  ['delong', 'confidence', () => analysis.delong({ ...rows, confidence: 1 })],
  ['mannWhitney', 'x', () => analysis.mannWhitney({ x: [], y: [1], method: 'exact' })],
  ['mannWhitney', 'y[0]', () => analysis.mannWhitney({ x: [1], y: [Infinity], method: 'exact' })],
  ['mannWhitney', 'method', () => analysis.mannWhitney({ x: [1], y: [2], method: 'auto' as never })],
  ['mannWhitney', 'method', () => analysis.mannWhitney({ x: [1], y: [1], method: 'exact' })],
  [
    'mannWhitney',
    'method',
    () => analysis.mannWhitney({ x: Array.from({ length: 1_001 }, (_, i) => i), y: [0.5], method: 'exact' }),
  ],
  ['welch', 'x', () => analysis.welch({ x: [1], y: [1, 2] })],
  ['welch', 'y', () => analysis.welch({ x: [1, 2], y: 'ab' as never })],
  ['powerProportions', 'n', () => analysis.powerProportions({ ...power, n: 10 })],
  ['powerProportions', 'n', () => analysis.powerProportions({ p1: 0.1, p2: 0.2, alpha: 0.05 })],
  ['powerProportions', 'p1', () => analysis.powerProportions({ ...power, p1: -0.1 })],
  ['powerProportions', 'p1', () => analysis.powerProportions({ ...power, p1: 0, p2: 0 })],
  ['powerProportions', 'ratio', () => analysis.powerProportions({ ...power, ratio: 0 })],
  ['powerProportions', 'power', () => analysis.powerProportions({ ...power, power: 1 })],
  ['powerProportions', 'margin', () => analysis.powerProportions({ ...power, margin: nan })],
  ['sampleRatio', 'observed', () => analysis.sampleRatio({ observed: [1], expectedShares: [1] })],
  ['sampleRatio', 'expectedShares', () => analysis.sampleRatio({ observed: [1, 2], expectedShares: [0.5, 0.4] })],
  ['sampleRatio', 'expectedShares', () => analysis.sampleRatio({ observed: [1, 2], expectedShares: [0.5, 0.3, 0.2] })],
  ['sampleRatio', 'expectedShares[0]', () => analysis.sampleRatio({ observed: [1, 2], expectedShares: [0, 1] })],
  ['sampleRatio', 'observed[1]', () => analysis.sampleRatio({ observed: [1, -2], expectedShares: [0.5, 0.5] })],
  ['pairedBootstrap', 'champion', () => analysis.pairedBootstrap({ ...boot, champion: [] })],
  ['pairedBootstrap', 'candidate', () => analysis.pairedBootstrap({ ...boot, candidate: [1] })],
  ['pairedBootstrap', 'candidate[1]', () => analysis.pairedBootstrap({ ...boot, candidate: [1, nan] })],
  ['pairedBootstrap', 'clusters', () => analysis.pairedBootstrap({ ...boot, clusters: ['a'] })],
  ['pairedBootstrap', 'clusters[1]', () => analysis.pairedBootstrap({ ...boot, clusters: [1, nan] })],
  ['pairedBootstrap', 'confidence', () => analysis.pairedBootstrap({ ...boot, confidence: 0 })],
  ['pairedBootstrap', 'iterations', () => analysis.pairedBootstrap({ ...boot, iterations: 0 })],
  ['pairedBootstrap', 'seed', () => analysis.pairedBootstrap({ ...boot, seed: 0.5 })],
  ['pairedBootstrap', 'statistic', () => analysis.pairedBootstrap({ ...boot, statistic: 'median' as never })],
  ['pairedBootstrap', 'statistic', () => analysis.pairedBootstrap({ ...boot, statistic: () => nan })],
  ['holm', 'pValues[0]', () => analysis.holm([2])],
  ['benjaminiHochberg', 'pValues[1]', () => analysis.benjaminiHochberg([0, nan])],
  ['bonferroni', 'pValues', () => analysis.bonferroni(undefined as never)],
];

describe('bad input throws AnalysisInputError with field and reason', () => {
  for (const [name, field, run] of BAD) {
    it(`${name}: ${field}`, () => {
      try {
        run();
      } catch (error) {
        expect(error).toBeInstanceOf(AnalysisInputError);
        const { field: named, reason, message } = error as AnalysisInputError;
        expect(named).toBe(field);
        expect(reason).toMatch(/^must /);
        expect(message).toBe(`${named}: ${reason}`);
        return;
      }
      expect.fail('was accepted');
    });
  }
});
