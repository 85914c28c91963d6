import { requireArray, requireProbability } from '../input.js';

const requirePValues = (pValues: readonly number[]): void => {
  requireArray('pValues', pValues);
  for (let i = 0; i < pValues.length; i += 1) requireProbability(`pValues[${i}]`, pValues[i] as number);
};

/** Positions in ascending order of p; ties keep their input order. */
const ascending = (pValues: readonly number[]): number[] =>
  pValues.map((_, i) => i).sort((a, b) => (pValues[a] as number) - (pValues[b] as number) || a - b);

/** Bonferroni: min(1, m p). Adjusted p-values in input order; empty in, empty out. Throws `AnalysisInputError`. */
export const bonferroni = (pValues: readonly number[]): readonly number[] => {
  requirePValues(pValues);
  return pValues.map((p) => Math.min(1, p * pValues.length));
};

/**
 * Holm (1979), strong control of the family-wise error under any dependence: running maximum of (m - i) p_(i).
 * Adjusted p-values in input order; empty in, empty out. Throws `AnalysisInputError` outside [0, 1].
 */
export const holm = (pValues: readonly number[]): readonly number[] => {
  requirePValues(pValues);
  const adjusted = Array.from({ length: pValues.length }, () => 0);
  let largest = 0;
  for (const [rank, i] of ascending(pValues).entries()) {
    largest = Math.max(largest, Math.min(1, (pValues.length - rank) * (pValues[i] as number)));
    adjusted[i] = largest;
  }
  return adjusted;
};

/**
 * Benjamini and Hochberg (1995), false discovery rate under independence or positive dependence: running minimum from
 * the largest of m p_(i) / i. Adjusted p-values in input order; empty in, empty out. Throws `AnalysisInputError`.
 */
export const benjaminiHochberg = (pValues: readonly number[]): readonly number[] => {
  requirePValues(pValues);
  const order = ascending(pValues);
  const adjusted = Array.from({ length: pValues.length }, () => 0);
  let smallest = 1;
  for (let rank = order.length; rank >= 1; rank -= 1) {
    const i = order[rank - 1] as number;
    smallest = Math.min(smallest, ((pValues[i] as number) * pValues.length) / rank);
    adjusted[i] = smallest;
  }
  return adjusted;
};
