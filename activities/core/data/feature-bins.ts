import { PortError } from '../ports/port-error.js';
import type { CategoricalProfile, FeatureProfile, NumericProfile, Profile } from './profile-types.js';

/** Counts of one feature over the same bins in the reference and in the current window. */
export interface FeatureBins {
  readonly name: string;
  readonly kind: 'numeric' | 'categorical';
  readonly importance: number;
  /** Counts of the reference. */
  readonly train: readonly number[];
  readonly current: readonly number[];
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
 * @throws PortError `InvalidSpec` when `current` was not made with `reference`.
 */
export function featureBins(reference: Profile, current: Profile): readonly FeatureBins[] {
  return reference.features.map((feature) => {
    const other = current.features.find((candidate) => candidate.name === feature.name);
    if (other === undefined) return refuse(feature.name);
    return binsOf(feature, other);
  });
}

/** The bins of the label, or null when one of the two has none. */
export function targetBins(reference: Profile, current: Profile): FeatureBins | null {
  if (reference.target === null || current.target === null) return null;
  return binsOf(reference.target, current.target);
}

function refuse(name: string): never {
  throw new PortError('InvalidSpec', `\`${name}\` cannot be compared: its bins are not those of the reference`);
}

function binsOf(reference: FeatureProfile, current: FeatureProfile): FeatureBins {
  if (reference.kind === 'numeric' && current.kind === 'numeric') return numericBins(reference, current);
  if (reference.kind === 'categorical' && current.kind === 'categorical') return categoricalBins(reference, current);
  return refuse(reference.name);
}

/** One bin of the histogram; `alone` = never joined with a neighbour. */
interface Bin {
  readonly label: string;
  readonly train: number;
  readonly current: number;
  readonly alone: boolean;
}

function numericBins(reference: NumericProfile, current: NumericProfile): FeatureBins {
  const { edges, points } = reference;
  if (!same(edges, current.edges) || !same(points, current.points)) refuse(reference.name);
  const inside: Bin[] = [];
  for (const [i, edge] of edges.entries()) {
    const point = points.indexOf(edge);
    const label = `${point < 0 ? '<=' : '<'} ${edge}`;
    inside.push({ label, train: reference.counts[i]!, current: current.counts[i]!, alone: false });
    if (point < 0) continue;
    const train = reference.pointCounts[point]!;
    inside.push({
      label: `= ${edge}`,
      train,
      current: current.pointCounts[point]!,
      alone: train >= NUMERIC_SHARE * reference.n,
    });
  }
  const low = (profile: NumericProfile) => profile.underflow + profile.negativeInfinity;
  const high = (profile: NumericProfile) => profile.overflow + profile.positiveInfinity;
  const bins = joinBins(
    [
      { label: `< ${edges[0] ?? 'all'}`, train: low(reference), current: low(current), alone: false },
      ...inside,
      { label: `> ${edges.at(-1) ?? 'all'}`, train: high(reference), current: high(current), alone: false },
    ],
    NUMERIC_SHARE * reference.n
  );
  const missing = (profile: NumericProfile) => profile.nulls + profile.nan;
  return result(reference, [
    ...bins,
    { label: '(missing)', train: missing(reference), current: missing(current), alone: true },
  ]);
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
    if (isEndOfStretch && before !== undefined && !before.alone && sum.train < wanted / 2) {
      joined[joined.length - 1] = { ...total([before, sum]), label: sum.label };
    } else if (sum.train > 0 || sum.current > 0) joined.push(sum);
  };
  for (const bin of bins) {
    if (bin.alone) {
      close(true);
      joined.push(bin);
      continue;
    }
    run.push(bin);
    if (total(run).train >= wanted && wanted > 0) close(false);
  }
  close(true);
  return joined;
}

function total(bins: readonly Bin[]): Bin {
  return {
    label: bins.at(-1)!.label,
    train: bins.reduce((sum, bin) => sum + bin.train, 0),
    current: bins.reduce((sum, bin) => sum + bin.current, 0),
    alone: false,
  };
}

function categoricalBins(reference: CategoricalProfile, current: CategoricalProfile): FeatureBins {
  if (!same(reference.values, current.values)) refuse(reference.name);
  const n = reference.counts.reduce((sum, count) => sum + count, 0) + reference.other;
  const all = reference.values.map((label, i) => ({
    label,
    train: reference.counts[i]!,
    current: current.counts[i]!,
    alone: true,
  }));
  const isLarge = (bin: Bin) => bin.train >= CATEGORY_SHARE * n;
  const rest = total([
    ...all.filter((bin) => !isLarge(bin)),
    { label: '(other)', train: reference.other, current: current.other, alone: true },
  ]);
  return result(reference, [
    ...all.filter(isLarge),
    rest,
    { label: '(unseen)', train: 0, current: current.unseen, alone: true },
    { label: '(missing)', train: reference.nulls, current: current.nulls, alone: true },
  ]);
}

function result({ name, kind, importance }: FeatureProfile, bins: readonly Bin[]): FeatureBins {
  return {
    name,
    kind,
    importance,
    train: bins.map((bin) => bin.train),
    current: bins.map((bin) => bin.current),
    labels: bins.map((bin) => bin.label),
  };
}

function same(a: readonly (number | string)[], b: readonly (number | string)[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
