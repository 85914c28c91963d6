export { connectWorkers, installRuntime } from './connect.js';
export { createWorkers } from './create-workers.js';
export type { CreateWorkersOptions, HostOptions, RetempoWorkers } from './create-workers.js';
export { heartbeatThrottleMs } from './worker-settings.js';
