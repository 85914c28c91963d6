export { createCheckpointActivities, createJobActivities, type JobActivityOptions } from './activities.js';
export { checkpointPrefix, type SealFolder } from './checkpoints.js';
export { asActivityFailure, maxFailureMessageBytes, withActivityFailures } from './failures.js';
export type { DescribeRelease } from './reap.js';
export type { WaitDetails } from './wait.js';
