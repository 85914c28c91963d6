// What the package exports. The compiler's output of this file is a working entry of a hundred modules; `npm run bundle`
// puts all of them into it, because importing costs by the module (rolldown.config.mjs).
export * from './index.js';
