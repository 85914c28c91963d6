import { allRows } from './judge-drift-compare.js';
import type { DriftFeature, DriftPolicy, FeatureJudgement } from './judge-drift-types.js';
import { formatCount, formatNumber, formatPercent } from './judge-metric-reasons.js';

/** A feature's judgement as one sentence with numbers and units. */
export function featureReason(
  judgement: Omit<FeatureJudgement, 'reason'> & { readonly before: number; readonly windows: number },
  feature: DriftFeature,
  policy: Required<DriftPolicy>
): string {
  const { name, train, seasonal } = judgement;
  if (train === null) return notEnough(feature, policy);
  const measure = [
    `${name}: PSI ${formatNumber(train.psi)} (below ${formatNumber(train.psiNullQuantile99)} is noise)`,
    ...(train.shift === null ? [] : [`shift ${formatNumber(train.shift)} standard deviations`]),
    ...(seasonal === null ? [] : [`effect ${formatNumber(seasonal.effect)} against the same season`]),
    `adjusted p ${formatP(judgement.adjustedPValue!)}`,
    `${formatCount(judgement.rows)} rows against ${formatCount(train.referenceRows)}`,
    ...missingText(judgement),
  ].join(', ');
  return `${measure}: ${conclusion(judgement, policy)}`;
}

function notEnough(feature: DriftFeature, { minRows }: Required<DriftPolicy>): string {
  const parts = (['current', 'train', 'seasonal'] as const).flatMap((part) => {
    const window = feature[part];
    const rows = window === undefined ? Infinity : allRows(window);
    const place = { current: 'this window', train: 'the training reference', seasonal: 'the seasonal reference' }[part];
    return rows < minRows ? [`${formatCount(rows)} rows in ${place}`] : [];
  });
  return `${feature.name}: not enough data: ${parts.join(' and ')}, at least ${formatCount(minRows)} are needed`;
}

function missingText({ missingShare }: Omit<FeatureJudgement, 'reason'>): string[] {
  const { train, current } = missingShare;
  return train === current ? [] : [`missing ${formatPercent(current)} instead of ${formatPercent(train)}`];
}

function conclusion(
  judgement: Omit<FeatureJudgement, 'reason'> & { readonly before: number; readonly windows: number },
  policy: Required<DriftPolicy>
): string {
  const { drifted, severity, importance, confirmed, before, windows } = judgement;
  if (!drifted) {
    const small = judgement.effect! < policy.effectAtLeast;
    return small ? `no drift, an effect below ${formatNumber(policy.effectAtLeast)}` : 'no drift, within chance';
  }
  if (importance === 0) return `${severity} drift of a feature the model does not use, for information only`;
  if (!confirmed) return `${severity} drift, not confirmed: it must show in 2 of 3 windows`;
  return before > 0
    ? `${severity} drift, confirmed in ${before + 1} of ${windows} windows`
    : `${severity} drift of a feature with importance ${formatNumber(importance!)}, confirmed at once`;
}

/** A p-value; 0 is what is left of one that a double cannot hold. */
export function formatP(pValue: number): string {
  return pValue === 0 ? 'below 1e-300' : formatNumber(pValue);
}
