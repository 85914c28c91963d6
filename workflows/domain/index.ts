export { canonicalJson } from './canonical-json.js';
export { sha256Hex } from './sha256.js';
export * from './governor/index.js';
export * from './canary.js';
export { timeText } from './times.js';
