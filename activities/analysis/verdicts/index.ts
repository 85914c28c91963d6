export { judgeMetric } from './judge-metric.js';
export {
  type ArmError,
  type ArmMoments,
  type JudgeMetricInput,
  type MetricArm,
  type MetricJudgement,
  type MetricSpec,
  type MetricState,
  type MetricStep,
  type Verdict,
} from './judge-metric-types.js';
export { judgeRollout } from './judge-rollout.js';
export {
  judgeThreshold,
  type JudgeThresholdInput,
  type ThresholdJudgement,
  type ThresholdSpec,
  type ThresholdState,
} from './judge-rollout-threshold.js';
export {
  type Exposures,
  type ExposureStep,
  type JudgeRolloutInput,
  type MetricRole,
  type RolloutCause,
  type RolloutJudgement,
  type RolloutMetric,
  type RolloutRules,
  type RolloutState,
  type RolloutStep,
  type StrategyStep,
} from './judge-rollout-types.js';
export { powerCount, type PowerCountInput, type PowerCountResult } from './power-count.js';
export { judgeDrift } from './judge-drift.js';
export type {
  DriftComparison,
  DriftFeature,
  DriftJudgement,
  DriftPolicy,
  DriftWindow,
  FeatureJudgement,
  FeatureWindow,
  JudgeDriftInput,
} from './judge-drift-types.js';
export { runGate } from './run-gate.js';
export type {
  GateCheck,
  GateCheckKind,
  GateInput,
  GateLimits,
  GateMetricName,
  GateResult,
  GateRow,
  GateSpec,
  SliceResult,
} from './run-gate-types.js';
