import { benjaminiHochberg } from '../multiple-testing/index.js';
import { requireObject } from '../input.js';
import { allRows, compareWindows } from './judge-drift-compare.js';
import { requireFeatures, resolvePolicy } from './judge-drift-input.js';
import { featureReason } from './judge-drift-reasons.js';
import type {
  DriftComparison,
  DriftFeature,
  DriftJudgement,
  DriftPolicy,
  DriftWindow,
  FeatureJudgement,
  JudgeDriftInput,
} from './judge-drift-types.js';
import { formatCount, formatUnits } from './judge-metric-reasons.js';
import type { Verdict } from './judge-metric-types.js';

/**
 * Says whether the features of a window have drifted from what the model was trained on.
 *
 * A feature drifts when its p-value survives Benjamini-Hochberg over the features of the window **and** its effect is
 * at least `effectAtLeast`, against training and, where given, against the same season. p-value: Kolmogorov-Smirnov
 * (numeric) or chi-square (categorical, rare categories pooled), together with a test of missingness. Effect: PSI with
 * missing as a bin of its own, for numeric features also the shift in standard deviations; the larger one counts.
 * Drift is confirmed when the same feature drifted in 2 of the last 3 windows with data, or at once when it is major
 * and the feature important. Features of importance 0 are reported and never decide. A feature that drifted stays
 * `unsettled` until 3 windows in a row were calm, with an effect below 80 % of the limit.
 *
 * Verdict: fail = a drift is confirmed; else noData = no feature has enough rows; else inconclusive = a drift is not
 * confirmed yet, or a feature has too few rows; else pass. Rule and measured error rates: drift 0.4 and 6.
 *
 * @throws AnalysisInputError for no features, a name twice, windows whose forms or bins differ, negative or broken
 * counts, values that are not finite, or a policy out of range.
 *
 * @example
 * judgeDrift({ features: [{ name: 'age', kind: 'numeric', train: { values }, current: { values: now } }] }).verdict;
 */
export function judgeDrift(input: JudgeDriftInput): DriftJudgement {
  requireObject('input', input);
  const policy = resolvePolicy(input.policy);
  requireFeatures(input);
  const compared = input.features.map((feature) => compare(feature, policy));
  const judged = compared.filter(({ pValue }) => pValue !== null);
  const adjusted = benjaminiHochberg(judged.map(({ pValue }) => pValue!));
  const adjustedOf = new Map(judged.map(({ feature }, i) => [feature.name, adjusted[i]!]));
  const recent = (input.history ?? []).filter(({ verdict }) => verdict !== 'noData' && verdict !== 'error').slice(-2);
  const features = compared.map((part) =>
    judgeFeature(part, adjustedOf.get(part.feature.name) ?? null, recent, policy)
  );
  const matters = features.filter(({ importance }) => importance !== 0);
  const drifted = matters.filter((feature) => feature.drifted).map(({ name }) => name);
  const confirmed = matters.filter((feature) => feature.confirmed).map(({ name }) => name);
  const verdict = overall(features);
  const unsettled = unsettledAfter(features, input.history?.at(-1)?.unsettled ?? {}, policy);
  return {
    verdict,
    reasons: reasonsOf(features, verdict, policy),
    features,
    drifted,
    confirmed,
    unsettled: Object.keys(unsettled),
    window: { verdict, drifted, unsettled },
  };
}

/**
 * One calm window is no proof that a drift is over, and an effect just below the limit is not calm: without this a feature
 * at the limit would be suspected and cleared at every other window. A feature without data keeps the calm it had.
 */
function unsettledAfter(
  features: readonly FeatureJudgement[],
  before: Readonly<Record<string, number>>,
  policy: Required<DriftPolicy>
): Readonly<Record<string, number>> {
  const after: [string, number][] = [];
  for (const { name, importance, drifted, effect } of features) {
    const known = Object.hasOwn(before, name) ? before[name]! : null;
    if (importance === 0) continue;
    if (drifted) after.push([name, 0]);
    else if (known !== null) {
      const isCalm = effect !== null && effect < policy.calmBelow * policy.effectAtLeast;
      const calm = effect === null ? known : isCalm ? known + 1 : 0;
      if (calm < policy.settledAfter) after.push([name, calm]);
    }
  }
  return Object.fromEntries(after);
}

interface Compared {
  readonly feature: DriftFeature;
  readonly train: DriftComparison | null;
  readonly seasonal: DriftComparison | null;
  readonly pValue: number | null;
  readonly effect: number | null;
}

function compare(feature: DriftFeature, policy: Required<DriftPolicy>): Compared {
  const windows = [feature.current, feature.train, ...(feature.seasonal === undefined ? [] : [feature.seasonal])];
  if (windows.some((window) => allRows(window) < policy.minRows)) {
    return { feature, train: null, seasonal: null, pValue: null, effect: null };
  }
  const against = (reference: DriftFeature['train']): DriftComparison =>
    compareWindows(feature.kind, reference, feature.current, policy.referenceTimes);
  const train = against(feature.train);
  const seasonal = feature.seasonal === undefined ? null : against(feature.seasonal);
  // A change that comes back every season is no drift: both references must reject it.
  return {
    feature,
    train,
    seasonal,
    pValue: Math.max(train.pValue, seasonal?.pValue ?? 0),
    effect: Math.min(train.effect, seasonal?.effect ?? Infinity),
  };
}

function judgeFeature(
  { feature, ...compared }: Compared,
  adjustedPValue: number | null,
  recent: readonly DriftWindow[],
  policy: Required<DriftPolicy>
): FeatureJudgement {
  const { name, kind, importance = null } = feature;
  const effect = compared.effect ?? 0;
  const drifted =
    adjustedPValue !== null && adjustedPValue <= policy.falseDiscoveryRate && effect >= policy.effectAtLeast;
  const severity = !drifted ? 'none' : effect >= policy.majorAtLeast ? 'major' : 'minor';
  const atOnce = severity === 'major' && (importance ?? 0) >= policy.confirmAtOnceImportance && importance !== 0;
  const before = recent.filter((window) => window.drifted.includes(name)).length;
  const confirmed = drifted && importance !== 0 && (before > 0 || atOnce);
  const verdict: Verdict =
    adjustedPValue === null ? 'noData' : confirmed ? 'fail' : drifted && importance !== 0 ? 'inconclusive' : 'pass';
  const judgement = {
    name,
    kind,
    importance,
    verdict,
    drifted,
    confirmed,
    severity,
    rows: allRows(feature.current),
    missingShare: { train: missingShare(feature.train), current: missingShare(feature.current) },
    ...compared,
    adjustedPValue,
  } as const;
  return { ...judgement, reason: featureReason({ ...judgement, before, windows: recent.length + 1 }, feature, policy) };
}

function missingShare(window: DriftFeature['train']): number {
  const rows = allRows(window);
  return rows === 0 ? 0 : (window.missing ?? 0) / rows;
}

function overall(features: readonly FeatureJudgement[]): Verdict {
  const has = (verdict: Verdict): boolean => features.some((feature) => feature.verdict === verdict);
  if (has('fail')) return 'fail';
  if (features.every(({ verdict }) => verdict === 'noData')) return 'noData';
  return has('inconclusive') || has('noData') ? 'inconclusive' : 'pass';
}

/** Which features are mentioned, and in which order. */
const weightOf: Readonly<Record<Verdict, number>> = { fail: 0, error: 1, inconclusive: 2, noData: 3, pass: 4 };

function reasonsOf(features: readonly FeatureJudgement[], verdict: Verdict, policy: Required<DriftPolicy>): string[] {
  const spoken = features
    .filter((feature) => feature.verdict !== 'pass' || feature.drifted)
    .toSorted((a, b) => weightOf[a.verdict] - weightOf[b.verdict] || (b.effect ?? 0) - (a.effect ?? 0))
    .map(({ reason }) => reason);
  const judged = features.filter((feature) => feature.verdict !== 'noData');
  const small = judged.filter(
    ({ train, seasonal }) => train?.smallReference === true || seasonal?.smallReference === true
  );
  const calm = judged.filter(({ drifted }) => !drifted).length;
  const first = verdict === 'pass' ? `no drift that matters in ${formatUnits(judged.length, 'feature')}` : null;
  const others =
    verdict !== 'pass' && calm > 0
      ? `no drift in ${formatCount(calm)} of ${formatUnits(features.length, 'feature')}`
      : null;
  const smallText =
    small.length === 0
      ? null
      : `the reference of ${formatUnits(small.length, 'feature')} has fewer than ${policy.referenceTimes} times the rows of the window (${small
          .slice(0, 3)
          .map(({ name }) => name)
          .join(', ')}${small.length > 3 ? ', …' : ''}): small drifts may be missed`;
  return [first, ...spoken, others, smallText].filter((reason) => reason !== null);
}
