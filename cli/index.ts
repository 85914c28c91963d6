export type { Io } from './io.js';
export { main } from './main.js';
export { processIo } from './process-io.js';
