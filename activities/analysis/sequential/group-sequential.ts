import { normalQuantile, normalSf } from '../distributions/index.js';
import { gaussLegendre } from '../distributions/quadrature.js';
import { reject, requireArray, requireObject, requireOneOf, requirePositive, requireShare } from '../input.js';
import { lastNonNegative } from './crossing.js';

/** How the error is spent over the planned looks. */
export type Spending =
  | 'obrienFleming'
  | 'pocock'
  | { readonly kind: 'lanDeMetsObrienFleming' | 'lanDeMetsPocock' | 'power'; readonly phi?: number };

/** Input of {@link groupSequentialBoundaries}. */
export interface GroupSequentialInput {
  /** Shares of the full information at the planned looks, ascending, in (0, 1]. */
  readonly informationFractions: readonly number[];
  readonly alpha: number;
  readonly sides: 1 | 2;
  readonly spending: Spending;
}

/** Boundaries of the planned looks. */
export interface GroupSequentialResult {
  /** Reject at look k when the statistic (its absolute value when two-sided) is at least z[k]; Infinity spends nothing. */
  readonly z: readonly number[];
  /** The p-value that belongs to each z: 2 P(Z > z), one-sided P(Z > z). */
  readonly nominalAlpha: readonly number[];
}

/** Nobody is this far out: exp(-40^2 / 2) underflows. */
const FARTHEST = 40;
/** How far below 0 a one-sided path is followed: returning from there is rarer than any level in use. */
const LOWEST = -12;

/** Paths that have not crossed yet: density of the score process at quadrature nodes, times their weights. */
interface Alive {
  readonly points: Float64Array;
  readonly mass: Float64Array;
  readonly information: number;
}

const START: Alive = { points: Float64Array.of(0), mass: Float64Array.of(1), information: 0 };

/** P(cross the upper boundary z at information t, having stayed inside before). */
const crossing = (alive: Alive, t: number, z: number): number => {
  const step = Math.sqrt(t - alive.information);
  const bound = z * Math.sqrt(t);
  let total = 0;
  for (let i = 0; i < alive.points.length; i += 1) {
    total += (alive.mass[i] as number) * normalSf((bound - (alive.points[i] as number)) / step);
  }
  return total;
};

/** The paths that are still inside at information t; `finest` is the smallest later step, which the nodes resolve. */
const survive = (alive: Alive, t: number, z: number, sides: 1 | 2, finest: number): Alive => {
  const root = Math.sqrt(t);
  const step = Math.sqrt(t - alive.information);
  const high = Math.min(z, FARTHEST) * root;
  const low = sides === 2 ? -high : LOWEST * root;
  const width = Math.min(step, finest, root) * 2.5;
  const { nodes, weights } = gaussLegendre(low, high, Math.max(1, Math.ceil((high - low) / width)));
  const scale = 1 / (step * Math.sqrt(2 * Math.PI));
  const mass = weights.map((weight, i) => {
    const to = nodes[i] as number;
    let density = 0;
    for (let k = 0; k < alive.points.length; k += 1) {
      const gap = (to - (alive.points[k] as number)) / step;
      if (gap < FARTHEST && gap > -FARTHEST) density += (alive.mass[k] as number) * Math.exp((-gap * gap) / 2);
    }
    return weight * density * scale;
  });
  return { points: nodes, mass, information: t };
};

/** Smallest square root of a later information step at each look. */
const finestSteps = (fractions: readonly number[]): number[] =>
  fractions.map((t, k) => (k + 1 < fractions.length ? Math.sqrt((fractions[k + 1] as number) - t) : Infinity));

/** P(ever cross the upper boundary) for given boundaries. */
const totalCrossing = (fractions: readonly number[], z: readonly number[], sides: 1 | 2): number => {
  const finest = finestSteps(fractions);
  let alive = START;
  let total = 0;
  for (const [k, t] of fractions.entries()) {
    total += crossing(alive, t, z[k] as number);
    if (k + 1 < fractions.length) alive = survive(alive, t, z[k] as number, sides, finest[k] as number);
  }
  return total;
};

/** Constant boundary shapes: one factor for all looks. */
const constantShape = (
  fractions: readonly number[],
  perSide: number,
  sides: 1 | 2,
  shape: (t: number) => number
): number[] => {
  const excess = (c: number): number =>
    Math.log(
      totalCrossing(
        fractions,
        fractions.map((t) => c * shape(t)),
        sides
      )
    ) - Math.log(perSide);
  const unit = shape(fractions.at(-1) as number);
  const single = -normalQuantile(perSide) / unit;
  const safe = -normalQuantile(perSide / fractions.length) / Math.min(...fractions.map(shape));
  const c = fractions.length === 1 ? single : lastNonNegative(excess, single, safe + 0.1);
  return fractions.map((t) => c * shape(t));
};

/** Error spent by information t, per side. */
const spender = (spending: Exclude<Spending, string>, perSide: number): ((t: number) => number) => {
  if (spending.kind === 'lanDeMetsObrienFleming') {
    const z = -normalQuantile(perSide / 2);
    return (t) => 2 * normalSf(z / Math.sqrt(t));
  }
  if (spending.kind === 'lanDeMetsPocock') return (t) => perSide * Math.log1p(Math.expm1(1) * t);
  const { phi = 1 } = spending;
  return (t) => perSide * t ** phi;
};

const spent = (fractions: readonly number[], sides: 1 | 2, spend: (t: number) => number): number[] => {
  const finest = finestSteps(fractions);
  let alive = START;
  let before = 0;
  return fractions.map((t, k) => {
    const budget = spend(t) - before;
    before = spend(t);
    const z = budget > 0 ? boundaryFor(alive, t, budget) : Infinity;
    if (k + 1 < fractions.length) alive = survive(alive, t, z, sides, finest[k] as number);
    return z;
  });
};

/** The z at which exactly `budget` of the paths cross. */
const boundaryFor = (alive: Alive, t: number, budget: number): number => {
  if (alive.information === 0) return -normalQuantile(budget);
  const excess = (z: number): number => Math.log(crossing(alive, t, z)) - Math.log(budget);
  return lastNonNegative(excess, -8, FARTHEST - 2);
};

/**
 * Group-sequential boundaries, valid only at the planned looks: O'Brien-Fleming (z = c / sqrt t), Pocock (z = c), or
 * spending functions per side: Lan-DeMets O'Brien-Fleming 2 - 2 Phi(z_(a/2) / sqrt t), Lan-DeMets Pocock
 * a ln(1 + (e - 1) t), power a t^phi (phi default 1). Two-sided: each side spends f(t; alpha / 2). Crossing
 * probabilities by the recursion of Armitage, McPherson and Rowe (1969) with Gauss-Legendre panels; boundaries to 1e-10.
 * Throws `AnalysisInputError` for fractions that do not ascend within (0, 1], alpha outside (0, 1), a bad phi.
 */
export const groupSequentialBoundaries = (input: GroupSequentialInput): GroupSequentialResult => {
  requireObject('input', input);
  const { informationFractions: fractions, alpha, sides, spending } = input;
  requireArray('informationFractions', fractions, 1);
  for (const [k, t] of fractions.entries()) {
    const before = k === 0 ? 0 : (fractions[k - 1] as number);
    if (typeof t !== 'number' || !(t > before && t <= 1))
      reject(`informationFractions[${k}]`, `above ${before} and at most 1`, t);
  }
  requireShare('alpha', alpha);
  if (sides !== 1 && sides !== 2) reject('sides', '1 or 2', sides);
  const perSide = alpha / sides;
  return withNominal(boundaries(fractions, perSide, sides, spending), sides);
};

const boundaries = (fractions: readonly number[], perSide: number, sides: 1 | 2, spending: Spending): number[] => {
  if (spending === 'obrienFleming') return constantShape(fractions, perSide, sides, (t) => 1 / Math.sqrt(t));
  if (spending === 'pocock') return constantShape(fractions, perSide, sides, () => 1);
  if (typeof spending !== 'object' || spending === null) reject('spending', 'a known spending rule', spending);
  requireOneOf('spending.kind', spending.kind, ['lanDeMetsObrienFleming', 'lanDeMetsPocock', 'power']);
  if (spending.kind === 'power' && spending.phi !== undefined) requirePositive('spending.phi', spending.phi);
  return spent(fractions, sides, spender(spending, perSide));
};

const withNominal = (z: readonly number[], sides: 1 | 2): GroupSequentialResult => ({
  z,
  nominalAlpha: z.map((value) => Math.min(1, sides * normalSf(value))),
});
