export { connectWorkers, installRuntime } from './connect.js';
export { createWorkers } from './create-workers.js';
export type { CreateWorkersOptions, RetempoWorkers } from './create-workers.js';
export type { HostOptions } from './host-options.js';
export { heartbeatThrottleMs } from './worker-settings.js';
