// The registered workflow types: exactly these names. A host that runs workflows of its own re-exports this module.
export { canaryDeployment } from './canary-deployment.js';
export { continuousTraining } from './continuous-training.js';
export { driftCheck } from './drift-check.js';
export { jobReaper } from './job-reaper.js';
export { modelRelease } from './model-release.js';
export { trainingPipeline } from './training-pipeline.js';
export { validationGate } from './validation-gate.js';

export type { GovernorInput } from './governor-memory.js';
export type { DriftCheckInput } from './drift-check.js';
export type { ReaperInput } from './job-reaper.js';
