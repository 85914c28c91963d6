// One file instead of a hundred: what importing the package costs is mostly the number of modules that Node resolves, reads
// and links (bench/import-cost.mjs). Run by `npm run build` after the compiler, whose output is the input here.
import { join } from 'node:path';

const dist = join(import.meta.dirname, 'dist');

/** @type {import('rolldown').RolldownOptions} */
export default {
  input: join(dist, 'index.js'),
  // The package has no dependency: whatever cannot be found inside it is an error, not something to leave outside.
  onLog(level, log) {
    if (level === 'warn') throw new Error(log.message);
  },
  output: { file: join(dist, 'analysis.js'), format: 'esm', sourcemap: true },
};
