export { jobBackendCases } from './job-backend.js';
export { eventually, freeCall, jobSteps, rejectsWith } from './job-harness.js';
export type {
  ActivityEnvironment,
  JobBackendHarness,
  JobBehaviour,
  JobConformanceCase,
  JobSteps,
} from './job-harness.js';
export { withFaults, type Fault } from './lost-answers.js';
export { artifactStoreConformance, badKeys, goodKeys, metered } from './artifact-store.js';
export type { ArtifactStoreSuite, BadKey, ConformanceCase, ElsewhereStore, Meter } from './artifact-store.js';
export { missingForCase, servingBackendCases, type ServingCase, type ServingHarness } from './serving-backend.js';
