import { logBetaKernel, logBetaTails } from '../distributions/beta.js';
import type { Alternative } from '../input.js';

/** One traffic step for the count evidence: events per arm and the share of the trials that the candidate had. */
export interface EventSplit {
  /** Events of the candidate; fractional after division by an overdispersion factor. */
  readonly candidateEvents: number;
  readonly championEvents: number;
  /** Trials of the candidate over trials of both, in [0, 1]. */
  readonly candidateShare: number;
  /** Trials of the champion over trials of both: given apart, because 1 - candidateShare loses the digits of a tiny arm. */
  readonly championShare: number;
}

/** Parameters of a beta prior on the candidate's share of the events. */
export interface BetaPrior {
  readonly a: number;
  readonly b: number;
}

/** The share of the events that the candidate has when its rate is `ratio` times the champion's, and the rest of it. */
export const nullShares = (
  { candidateShare, championShare: champion }: Pick<EventSplit, 'candidateShare' | 'championShare'>,
  ratio: number
): { share: number; rest: number } => {
  const candidate = candidateShare * ratio;
  const both = candidate + champion;
  return { share: candidate / both, rest: champion / both };
};

/**
 * ln of the Bayes factor of the count test (Lindon and Malek 2022): a beta mixture over the candidate's share of the
 * events against the null share t0. With x1, x2 events and prior Beta(a, b) it is the density ratio at t0 (Savage and
 * Dickey): ln beta(t0; a, b) - ln beta(t0; a + x1, b + x2). One-sided priors are truncated at t0 and renormalised.
 * A split that says nothing (no events, or an arm without trials) gives 0.
 */
export const countEvidence = (
  split: EventSplit,
  ratio: number,
  alternative: Alternative,
  priorStrength: number,
  prior?: BetaPrior
): number => {
  const { candidateEvents: x1, championEvents: x2, candidateShare, championShare } = split;
  if (x1 + x2 === 0 || candidateShare === 0 || championShare === 0) return 0;
  const { share, rest } = nullShares(split, ratio);
  const a = prior?.a ?? priorStrength * share;
  const b = prior?.b ?? priorStrength * rest;
  const twoSided = logBetaKernel(a, b, share, rest) - logBetaKernel(a + x1, b + x2, share, rest);
  if (alternative === 'two-sided') return twoSided;
  const side = alternative === 'greater' ? 'upper' : 'lower';
  return twoSided + logBetaTails(a + x1, b + x2, share, rest)[side] - logBetaTails(a, b, share, rest)[side];
};

/** The p-value of evidence at this look, min(1, 1 / Bayes factor). */
export const evidencePValue = (logBayesFactor: number): number => Math.min(1, Math.exp(-logBayesFactor));
