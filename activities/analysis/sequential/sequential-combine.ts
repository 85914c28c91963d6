import { reject, requireArray, requireNumber, requireObject } from '../input.js';
import { sum } from '../sums.js';
import { evidencePValue } from './count-evidence.js';

/** Evidence of several traffic steps together. */
export interface CombinedEvidence {
  readonly logBayesFactor: number;
  readonly pValue: number;
}

/**
 * Multiplies the Bayes factors of traffic steps: the final one of each past step and the latest of the current one, all
 * for the same ratio and side. A product of evidence values of successive steps is evidence again, so it stays valid at
 * any stop; pooling the counts would not be (Simpson's paradox when the split changes). No steps: evidence 0, p-value 1.
 * Throws `AnalysisInputError` for a logarithm that is NaN, or infinities of both signs.
 */
export const sequentialCombine = (input: { readonly logBayesFactors: readonly number[] }): CombinedEvidence => {
  requireObject('input', input);
  const { logBayesFactors } = input;
  requireArray('logBayesFactors', logBayesFactors);
  for (const [i, value] of logBayesFactors.entries()) requireNumber(`logBayesFactors[${i}]`, value);
  const infinite = logBayesFactors.find((value) => !Number.isFinite(value));
  if (infinite !== undefined && logBayesFactors.includes(-infinite)) {
    reject('logBayesFactors', 'without infinities of both signs', logBayesFactors);
  }
  const logBayesFactor = infinite ?? sum(logBayesFactors);
  return { logBayesFactor, pValue: evidencePValue(logBayesFactor) };
};
