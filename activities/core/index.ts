export { isPortError, PortError } from './ports/index.js';
export {
  countWindows,
  describeSource,
  dueWindows,
  featureBins,
  joinPredictions,
  labelledLosses,
  mergeProfiles,
  profileOf,
  snapshotData,
  targetBins,
  validateRows,
} from './data/index.js';
export type {
  Breach,
  DataSnapshot,
  DueWindow,
  DueWindows,
  EngineOptions,
  EvaluatedRow,
  FeatureBins,
  FeatureProfile,
  LabelledLosses,
  Profile,
  SourceDescription,
  Window,
} from './data/index.js';
export {
  asActivityFailure,
  checkpointPrefix,
  createCheckpointActivities,
  createJobActivities,
  maxFailureMessageBytes,
  withActivityFailures,
} from './jobs/index.js';
export type { DescribeRelease, JobActivityOptions, SealFolder, WaitDetails } from './jobs/index.js';
export * from './artifacts/index.js';
export * from './registry/index.js';
export { createControlActivities, type ControlDependencies } from './control/activities.js';
export { allDecisions } from './control/governor-documents.js';
export { gateDocument, type GateEvidence } from './control/gate.js';
export { createDataActivities, type DataDependencies } from './monitor/activities.js';
export { earlierSlots } from './monitor/season.js';
export { createServingActivities, looksDocument, type ServingDependencies } from './serving/activities.js';
