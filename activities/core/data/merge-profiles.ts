import { PortError } from '../ports/port-error.js';
import type { CategoricalProfile, FeatureProfile, NumericProfile, Profile } from './profile-types.js';

/**
 * Adds two profiles that were made with the same reference: hours to days, days to weeks. The window becomes the span of
 * both (the caller sees to it that they do not overlap); null when one of them is.
 *
 * @throws PortError `InvalidSpec` when features or bins differ.
 */
export function mergeProfiles(a: Profile, b: Profile): Profile {
  if (a.features.length !== b.features.length)
    refuse(`one has ${a.features.length} features, the other ${b.features.length}`);
  return {
    v: a.v,
    window: mergeWindows(a, b),
    rows: a.rows + b.rows,
    features: a.features.map((feature, i) => mergeFeatures(feature, b.features[i]!)),
    target: a.target === null || b.target === null ? null : mergeFeatures(a.target, b.target),
  };
}

function refuse(why: string): never {
  throw new PortError('InvalidSpec', `profiles cannot be added: ${why}; make both with the same reference`);
}

function mergeWindows({ window: a }: Profile, { window: b }: Profile): Profile['window'] {
  if (a === null || b === null) return null;
  const from = Date.parse(a.from) <= Date.parse(b.from) ? a.from : b.from;
  const to = Date.parse(a.to) >= Date.parse(b.to) ? a.to : b.to;
  return { from, to };
}

function mergeFeatures(a: FeatureProfile, b: FeatureProfile): FeatureProfile {
  if (a.name !== b.name) refuse(`feature \`${a.name}\` meets \`${b.name}\``);
  if (a.kind === 'numeric' && b.kind === 'numeric') return mergeNumeric(a, b);
  if (a.kind === 'categorical' && b.kind === 'categorical') return mergeCategorical(a, b);
  return refuse(`\`${a.name}\` is ${a.kind} in one and ${b.kind} in the other`);
}

function mergeNumeric(a: NumericProfile, b: NumericProfile): NumericProfile {
  requireSame(a.name, a.edges, b.edges);
  requireSame(a.name, a.points, b.points);
  return {
    ...a,
    nulls: a.nulls + b.nulls,
    nan: a.nan + b.nan,
    negativeInfinity: a.negativeInfinity + b.negativeInfinity,
    positiveInfinity: a.positiveInfinity + b.positiveInfinity,
    n: a.n + b.n,
    min: smaller(a.min, b.min),
    max: greater(a.max, b.max),
    ...mergeMoments(a, b),
    counts: added(a.counts, b.counts),
    pointCounts: added(a.pointCounts, b.pointCounts),
    underflow: a.underflow + b.underflow,
    overflow: a.overflow + b.overflow,
  };
}

function mergeCategorical(a: CategoricalProfile, b: CategoricalProfile): CategoricalProfile {
  requireSame(a.name, a.values, b.values);
  if (a.complete !== b.complete) refuse(`\`${a.name}\` lists all values in one only`);
  return {
    ...a,
    nulls: a.nulls + b.nulls,
    counts: added(a.counts, b.counts),
    other: a.other + b.other,
    unseen: a.unseen + b.unseen,
  };
}

/** Chan, Golub and LeVeque 1979: M2 = M2a + M2b + d^2 na nb / n. */
function mergeMoments(a: NumericProfile, b: NumericProfile): Pick<NumericProfile, 'mean' | 'm2'> {
  if (a.n === 0) return { mean: b.mean, m2: b.m2 };
  if (b.n === 0) return { mean: a.mean, m2: a.m2 };
  if (a.mean === null || b.mean === null || a.m2 === null || b.m2 === null) return { mean: null, m2: null };
  const n = a.n + b.n;
  const distance = b.mean - a.mean;
  return { mean: a.mean + (distance * b.n) / n, m2: a.m2 + b.m2 + distance * distance * ((a.n * b.n) / n) };
}

function requireSame(name: string, a: readonly (number | string)[], b: readonly (number | string)[]): void {
  if (a.length === b.length && a.every((value, i) => value === b[i])) return;
  refuse(`the bins of \`${name}\` differ`);
}

const added = (a: readonly number[], b: readonly number[]) => a.map((count, i) => count + b[i]!);
const smaller = (a: number | null, b: number | null) => (a === null || b === null ? (a ?? b) : Math.min(a, b));
const greater = (a: number | null, b: number | null) => (a === null || b === null ? (a ?? b) : Math.max(a, b));
