import { parseArgs } from 'node:util';
import { alreadyRunningExitCode } from './layout.js';
import { AlreadyRunning, startRouter } from './router.js';

// The router of one endpoint: `node router-main.js --state <folder> --after <life>`. Started detached by a site, it outlives workers.

const { values } = parseArgs({ options: { state: { type: 'string' }, after: { type: 'string' } } });
const { state, after } = values;
if (state === undefined || after === undefined) throw new Error('usage: router-main --state <folder> --after <life>');

const log = (message: string): void => {
  process.stderr.write(`${new Date().toISOString()} ${message}\n`);
};

// From the first moment: it may be told to stop as soon as it can be found, which is before its start has returned.
const told = new Promise<void>((resolve) => {
  process.on('SIGTERM', () => resolve());
  process.on('SIGINT', () => resolve());
});

const router = await startRouter(state, after, log).catch((error: unknown) => {
  log(`router cannot start: ${(error as Error).message}`);
  process.exit(error instanceof AlreadyRunning ? alreadyRunningExitCode : 1);
});
log(`router ready: data port ${router.dataPort}, admin port ${router.adminPort}`);
await told;
log('router stops');
try {
  await router.stop();
  process.exit(0);
} catch (error) {
  log(`stopping failed: ${String(error)}`);
  process.exit(1);
}
