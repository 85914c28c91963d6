import { AnalysisInputError } from '../errors.js';
import {
  reject,
  requireArray,
  requireCount,
  requireObject,
  requireOneOf,
  requirePositive,
  requireProbability,
  requireSameLength,
  requireSample,
  requireShare,
} from '../input.js';
import type { DriftFeature, DriftPolicy, FeatureWindow, JudgeDriftInput } from './judge-drift-types.js';

/** Fills in the defaults of a policy; throws `AnalysisInputError` for one that is wrong. */
export function resolvePolicy(policy: DriftPolicy | undefined): Required<DriftPolicy> {
  const resolved = {
    falseDiscoveryRate: 0.05,
    effectAtLeast: 0.1,
    majorAtLeast: 0.25,
    minRows: 500,
    referenceTimes: 10,
    confirmAtOnceImportance: 0.2,
    settledAfter: 3,
    calmBelow: 0.8,
    ...policy,
  };
  requireShare('policy.falseDiscoveryRate', resolved.falseDiscoveryRate);
  requirePositive('policy.effectAtLeast', resolved.effectAtLeast);
  requirePositive('policy.majorAtLeast', resolved.majorAtLeast);
  if (resolved.majorAtLeast < resolved.effectAtLeast) {
    reject('policy.majorAtLeast', `at least effectAtLeast (${resolved.effectAtLeast})`, resolved.majorAtLeast);
  }
  requireCount('policy.minRows', resolved.minRows, 1);
  requirePositive('policy.referenceTimes', resolved.referenceTimes);
  requireProbability('policy.confirmAtOnceImportance', resolved.confirmAtOnceImportance);
  requireCount('policy.settledAfter', resolved.settledAfter, 1);
  requireShare('policy.calmBelow', resolved.calmBelow);
  return resolved;
}

/** Throws `AnalysisInputError` for features or a history that cannot be judged. */
export function requireFeatures({ features, history = [] }: JudgeDriftInput): void {
  requireArray('features', features, 1);
  const names = new Set<string>();
  // By position, not forEach, here and below: that would pass over the holes of a sparse array.
  for (const [i, feature] of features.entries()) {
    const field = `features[${i}]`;
    requireObject(field, feature);
    if (typeof feature.name !== 'string' || feature.name === '') reject(`${field}.name`, 'a name', feature.name);
    if (names.has(feature.name))
      throw new AnalysisInputError(`${field}.name`, `is the name of another feature too: ${feature.name}`);
    names.add(feature.name);
    requireOneOf(`${field}.kind`, feature.kind, ['numeric', 'categorical']);
    if (feature.importance !== undefined) requireProbability(`${field}.importance`, feature.importance);
    requireWindows(field, feature);
  }
  requireArray('history', history);
  for (const [i, window] of history.entries()) {
    requireObject(`history[${i}]`, window);
    requireArray(`history[${i}].drifted`, window.drifted);
    if (window.unsettled === undefined) return;
    requireObject(`history[${i}].unsettled`, window.unsettled);
    for (const [name, calm] of Object.entries(window.unsettled)) requireCount(`history[${i}].unsettled.${name}`, calm);
  }
}

function requireWindows(field: string, feature: DriftFeature): void {
  requireWindow(`${field}.train`, feature.train, feature.kind);
  for (const part of ['seasonal', 'current'] as const) {
    const window = feature[part];
    if (part === 'seasonal' && window === undefined) continue;
    requireWindow(`${field}.${part}`, window!, feature.kind);
    if ((window!.values === undefined) !== (feature.train.values === undefined)) {
      throw new AnalysisInputError(
        `${field}.${part}`,
        'must give values where train gives values, and counts where it gives counts'
      );
    }
    if (window!.counts !== undefined) {
      requireSameLength(`${field}.${part}.counts`, window!.counts, `${field}.train.counts`, feature.train.counts!);
    }
  }
}

function requireWindow(field: string, window: FeatureWindow, kind: DriftFeature['kind']): void {
  requireObject(field, window);
  const { counts, values, missing = 0 } = window;
  requireCount(`${field}.missing`, missing);
  if ((counts === undefined) === (values === undefined)) {
    throw new AnalysisInputError(field, 'must have either counts or values');
  }
  if (values !== undefined) {
    if (kind === 'categorical')
      throw new AnalysisInputError(`${field}.values`, 'are for numeric features: give counts');
    return requireSample(`${field}.values`, values, 0);
  }
  requireArray(`${field}.counts`, counts!, 1);
  for (const [i, count] of counts!.entries()) requireCount(`${field}.counts[${i}]`, count);
}
