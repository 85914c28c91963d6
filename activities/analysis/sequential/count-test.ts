import {
  ALTERNATIVES,
  reject,
  requireCount,
  requireCounts,
  requireObject,
  requireOneOf,
  requireParameter,
  requireShare,
  type Alternative,
  type Counts,
} from '../input.js';
import { countEvidence, evidencePValue, nullShares, type BetaPrior, type EventSplit } from './count-evidence.js';

/** Concentration of the default prior. 100 is too concentrated at 50/50: a doubling was caught 27 % instead of 60 %. */
export const DEFAULT_PRIOR_STRENGTH = 20;

/** What both forms of {@link countTest} accept. */
export interface CountTestOptions {
  /** Ratio of the candidate's rate to the champion's under the null hypothesis; default 1. */
  readonly allowedRatio?: number;
  /** `'greater'`: the ratio is above `allowedRatio`; `'less'`: below it. Default `'two-sided'`. */
  readonly alternative?: Alternative;
  /** s of the default prior Beta(s t0, s (1 - t0)), centred on the null share t0; default 20. */
  readonly priorStrength?: number;
  /** Replaces the default prior. */
  readonly prior?: BetaPrior;
}

/** Arms of one traffic step. */
export interface CountTestArms extends CountTestOptions {
  readonly candidate: Counts;
  readonly champion: Counts;
}

/** Bare event counts with the share of the trials that the candidate was meant to have. */
export interface CountTestRaw extends CountTestOptions {
  readonly candidateEvents: number;
  readonly championEvents: number;
  /** Share of the trials of the candidate, inside (0, 1). */
  readonly expectedShare: number;
}

/** Evidence of one look. */
export interface CountTestResult {
  /** Natural logarithm of the Bayes factor against the null hypothesis: the evidence to store and to add up. */
  readonly logBayesFactor: number;
  /** min(1, 1 / Bayes factor) of this look; the smallest over all looks is valid at any stop. */
  readonly pValue: number;
  /** Share of the events that the candidate has under the null hypothesis. */
  readonly nullShare: number;
}

const toSplit = (input: CountTestArms | CountTestRaw): EventSplit => {
  if ('expectedShare' in input) {
    requireCount('candidateEvents', input.candidateEvents);
    requireCount('championEvents', input.championEvents);
    requireShare('expectedShare', input.expectedShare);
    const { candidateEvents, championEvents, expectedShare } = input;
    return { candidateEvents, championEvents, candidateShare: expectedShare, championShare: 1 - expectedShare };
  }
  requireCounts('candidate', input.candidate);
  requireCounts('champion', input.champion);
  return splitOf(input.candidate, input.champion);
};

/** Counts of one step as the split that the count evidence works on; share 0 without trials. */
export const splitOf = (candidate: Counts, champion: Counts): EventSplit => {
  const trials = candidate.trials + champion.trials;
  return {
    candidateEvents: candidate.events,
    championEvents: champion.events,
    candidateShare: trials === 0 ? 0 : candidate.trials / trials,
    championShare: trials === 0 ? 1 : champion.trials / trials,
  };
};

/**
 * Sequential test of two event rates within one traffic step, valid at any stop (Lindon and Malek, arXiv 2011.03567;
 * reference 2.2 C). Given an event, it is the candidate's with probability t0 = w r / (w r + 1 - w), where w is the
 * candidate's observed share of the trials and r the allowed ratio; the evidence is a beta mixture over that share.
 *
 * Units are independent trials of the caller's unit (request, user). Steps with other splits are combined by
 * {@link sequentialCombine}, never pooled. No events, or an arm without trials: evidence 0, p-value 1.
 * Throws `AnalysisInputError` for counts that are not whole or negative, events above trials, a ratio, strength or prior
 * parameter that is not positive, a share outside (0, 1), an unknown alternative.
 *
 * @example countTest({ candidate: { events: 14, trials: 500 }, champion: { events: 86, trials: 9500 } }).pValue
 */
export const countTest = (input: CountTestArms | CountTestRaw): CountTestResult => {
  requireObject('input', input);
  const { allowedRatio = 1, alternative = 'two-sided', priorStrength = DEFAULT_PRIOR_STRENGTH, prior } = input;
  const split = toSplit(input);
  requireParameter('allowedRatio', allowedRatio);
  requireParameter('priorStrength', priorStrength);
  requireOneOf('alternative', alternative, ALTERNATIVES);
  if (prior !== undefined) {
    if (typeof prior !== 'object' || prior === null) reject('prior', 'an object { a, b }', prior);
    requireParameter('prior.a', prior.a);
    requireParameter('prior.b', prior.b);
  }
  const logBayesFactor = countEvidence(split, allowedRatio, alternative, priorStrength, prior);
  const { share } = nullShares(split, allowedRatio);
  return { logBayesFactor, pValue: evidencePValue(logBayesFactor), nullShare: share };
};
