import { PortError } from '../ports/port-error.js';
import type { CategoricalProfile, FeatureProfile, NumericProfile, Profile } from './profile-types.js';

/** Counts of one feature over the same bins in the reference, in the current window and, if there is one, in the season. */
export interface FeatureBins {
  readonly name: string;
  readonly kind: 'numeric' | 'categorical';
  readonly importance: number;
  /** Counts of the reference. */
  readonly train: readonly number[];
  readonly current: readonly number[];
  /** Counts of the same slot of earlier seasons; null when it was not given. */
  readonly season: readonly number[] | null;
  /** What each bin holds, for messages: `<= 3`, `= 0`, `ORD`, `(other)`, `(unseen)`, `(missing)`. */
  readonly labels: readonly string[];
}

/** Share of the reference that a bin of a numeric feature is to hold. */
const NUMERIC_SHARE = 0.1;
/** Categories below this share of the reference are judged together: many tiny bins make any index large by chance. */
const CATEGORY_SHARE = 0.01;

/**
 * The bins that drift is judged on. Numeric: the percentiles of the reference joined to about ten bins of equal share,
 * open at both ends; a value that holds a tenth of the reference or more keeps a bin of its own, so that a constant
 * becomes {below, equal, above}. Categorical: values with at least 1 % of the reference, the others together, and
 * values that the reference does not have. Missing values (NULL, NaN) are always the last bin.
 *
 * @throws PortError `InvalidSpec` when `current` or `season` was not made with `reference`.
 */
export function featureBins(
  reference: Profile,
  current: Profile,
  season: Profile | null = null
): readonly FeatureBins[] {
  const others = season === null ? [current] : [current, season];
  return reference.features.map((feature) =>
    binsOf(
      feature,
      others.map(({ features }) => features.find(({ name }) => name === feature.name) ?? refuse(feature.name))
    )
  );
}

/** The bins of the label, or null when one of the two has none. */
export function targetBins(reference: Profile, current: Profile): FeatureBins | null {
  if (reference.target === null || current.target === null) return null;
  return binsOf(reference.target, [current.target]);
}

function refuse(name: string): never {
  throw new PortError('InvalidSpec', `\`${name}\` cannot be compared: its bins are not those of the reference`);
}

function binsOf(reference: FeatureProfile, others: readonly FeatureProfile[]): FeatureBins {
  const profiles = [reference, ...others];
  if (profiles.every((profile) => profile.kind === 'numeric')) return numericBins(reference.name, profiles);
  if (profiles.every((profile) => profile.kind === 'categorical')) return categoricalBins(reference.name, profiles);
  return refuse(reference.name);
}

/** One bin of the histogram; `alone` = never joined with a neighbour. */
interface Bin {
  readonly label: string;
  /** Of the reference, the current window and, if there is one, the season. */
  readonly counts: readonly number[];
  readonly alone: boolean;
}

const inReference = (bin: Bin): number => bin.counts[0]!;

function numericBins(name: string, profiles: readonly NumericProfile[]): FeatureBins {
  const [{ edges, points, n }] = profiles as readonly [NumericProfile];
  if (!profiles.every((profile) => same(edges, profile.edges) && same(points, profile.points))) refuse(name);
  const bin = (label: string, count: (profile: NumericProfile) => number, alone = false): Bin => ({
    label,
    counts: profiles.map(count),
    alone,
  });
  const inside: Bin[] = [];
  for (const [i, edge] of edges.entries()) {
    const point = points.indexOf(edge);
    inside.push(bin(`${point < 0 ? '<=' : '<'} ${edge}`, (profile) => profile.counts[i]!));
    if (point < 0) continue;
    const equal = bin(`= ${edge}`, (profile) => profile.pointCounts[point]!);
    inside.push({ ...equal, alone: inReference(equal) >= NUMERIC_SHARE * n });
  }
  const bins = joinBins(
    [
      bin(`< ${edges[0] ?? 'all'}`, (profile) => profile.underflow + profile.negativeInfinity),
      ...inside,
      bin(`> ${edges.at(-1) ?? 'all'}`, (profile) => profile.overflow + profile.positiveInfinity),
    ],
    NUMERIC_SHARE * n
  );
  return result(profiles, [...bins, bin('(missing)', (profile) => profile.nulls + profile.nan, true)]);
}

/** Joins neighbours until each holds `wanted` of the reference; what is left over joins the neighbour before it. */
function joinBins(bins: readonly Bin[], wanted: number): readonly Bin[] {
  const joined: Bin[] = [];
  let run: Bin[] = [];
  const close = (isEndOfStretch: boolean) => {
    if (run.length === 0) return;
    const sum = total(run);
    const before = joined.at(-1);
    run = [];
    if (isEndOfStretch && before !== undefined && !before.alone && inReference(sum) < wanted / 2) {
      joined[joined.length - 1] = { ...total([before, sum]), label: sum.label };
    } else if (sum.counts.some((count) => count > 0)) joined.push(sum);
  };
  for (const bin of bins) {
    if (bin.alone) {
      close(true);
      joined.push(bin);
      continue;
    }
    run.push(bin);
    if (inReference(total(run)) >= wanted && wanted > 0) close(false);
  }
  close(true);
  return joined;
}

function total(bins: readonly Bin[]): Bin {
  return {
    label: bins.at(-1)!.label,
    counts: bins[0]!.counts.map((_, part) => bins.reduce((sum, bin) => sum + bin.counts[part]!, 0)),
    alone: false,
  };
}

function categoricalBins(name: string, profiles: readonly CategoricalProfile[]): FeatureBins {
  const [reference] = profiles as readonly [CategoricalProfile];
  if (!profiles.every((profile) => same(reference.values, profile.values))) refuse(name);
  const n = reference.counts.reduce((sum, count) => sum + count, 0) + reference.other;
  const bin = (label: string, count: (profile: CategoricalProfile) => number): Bin => ({
    label,
    counts: profiles.map(count),
    alone: true,
  });
  const all = reference.values.map((label, i) => bin(label, (profile) => profile.counts[i]!));
  const isLarge = (one: Bin) => inReference(one) >= CATEGORY_SHARE * n;
  return result(profiles, [
    ...all.filter(isLarge),
    total([...all.filter((one) => !isLarge(one)), bin('(other)', (profile) => profile.other)]),
    // The reference has none by definition.
    bin('(unseen)', (profile) => (profile === reference ? 0 : profile.unseen)),
    bin('(missing)', (profile) => profile.nulls),
  ]);
}

function result(profiles: readonly FeatureProfile[], bins: readonly Bin[]): FeatureBins {
  const { name, kind, importance } = profiles[0]!;
  const part = (i: number) => bins.map((bin) => bin.counts[i]!);
  return {
    name,
    kind,
    importance,
    train: part(0),
    current: part(1),
    season: profiles.length > 2 ? part(2) : null,
    labels: bins.map((bin) => bin.label),
  };
}

function same(a: readonly (number | string)[], b: readonly (number | string)[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
