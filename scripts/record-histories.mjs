// Records the histories that the replay tests load: node scripts/record-histories.mjs [part ...]
// Runs a whole installation (Temporal server, workers, two local sites, real data) through every path of every workflow
// and writes test/replay/histories/*.json. `test/replay/README.md` says when to do that, and which files must never change.
import { startVitest } from 'vitest/node';

process.env['RETEMPO_RECORD'] = process.argv.slice(2).join(',');
const vitest = await startVitest('test', [], {
  root: new URL('..', import.meta.url).pathname,
  config: false,
  include: ['test/replay/record/main.ts'],
  pool: 'forks',
  testTimeout: 1_800_000,
  hookTimeout: 300_000,
  watch: false,
});
await vitest.close();
