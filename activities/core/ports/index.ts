export type * from './artifact-store.js';
export type * from './call.js';
export type * from './job-backend.js';
export type * from './metrics-source.js';
export type * from './notifier.js';
export type * from './provider.js';
export type * from './serving-backend.js';
export { isPortError, PortError } from './port-error.js';
