// How long a worker takes until it serves, and what it holds then, against a hello-world worker with a bundle made before:
//   npm run build && node test/bench/worker.mjs [--rounds 7]
// A real server; every start in a process of its own; rounds are interleaved, the least counts.
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { onprem } from '@retempo/onprem';
import { loadProject, retempoWorkflowsPath, startDevServer } from '@retempo/workers';
import { least, report, shown } from './rows.mjs';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '7' } } });
const rounds = Number(values.rounds);
const outputs = fileURLToPath(new URL('../../.test-output/', import.meta.url));
mkdirSync(outputs, { recursive: true });
// Inside the repository, so that the same @temporalio/workflow is bundled.
const folder = mkdtempSync(join(outputs, 'bench-worker-'));
const program = fileURLToPath(new URL('worker-process.mjs', import.meta.url));

/** @param {string} name @param {string} workflowsPath */
async function bundle(name, workflowsPath) {
  const { code } = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('WARN') });
  const file = join(folder, name);
  writeFileSync(file, code);
  return file;
}

const kinds = /** @type {const} */ (['hello', 'given', 'control', 'all']);
/** @type {{ [kind: string]: { readyMs: number, cpuMs: number, rssMiB: number }[] }} */
const starts = { hello: [], given: [], control: [], all: [] };
let server;
try {
  const source = join(folder, 'hello.js');
  const text = `import { proxyActivities } from '@temporalio/workflow';
const { greet } = proxyActivities({ startToCloseTimeout: '1 minute' });
export async function hello(name) { return greet(name); }
`;
  writeFileSync(source, text);
  const own = await bundle('retempo.bundle.js', retempoWorkflowsPath());
  const bundles = { hello: await bundle('hello.bundle.js', source), given: own, control: own, all: own };
  cpSync(fileURLToPath(new URL('../support/tiny-model/', import.meta.url)), join(folder, 'project'), {
    recursive: true,
  });
  const { config } = await loadProject({ folder: join(folder, 'project'), providers: [onprem()] });
  writeFileSync(join(folder, 'project', 'config.json'), JSON.stringify(config));
  server = await startDevServer({ stateFolder: join(folder, 'server'), uiPort: null });
  for (let round = 0; round < rounds; round++) {
    for (const kind of kinds) {
      const args = [program, kind, server.address, bundles[kind], join(folder, 'project')];
      const { stdout } = await promisify(execFile)(process.execPath, args);
      starts[kind]?.push(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''));
    }
  }
  /** @param {string} kind @param {'readyMs' | 'cpuMs' | 'rssMiB'} field */
  const of = (kind, field) => least((starts[kind] ?? []).map((one) => one[field]));
  /** @param {'given' | 'control' | 'all'} kind @param {string} what @param {number | null} mark */
  const ratios = (kind, what, mark) => [
    shown(`${what}, time until ready`, of(kind, 'readyMs') / of('hello', 'readyMs'), 'x', mark),
    shown(`${what}, CPU until ready`, of(kind, 'cpuMs') / of('hello', 'cpuMs'), 'x', null),
    shown(`${what}, memory`, of(kind, 'rssMiB') / of('hello', 'rssMiB'), 'x', null),
  ];
  console.log(
    `worker, ${rounds} rounds; hello world: ready after ${of('hello', 'readyMs').toFixed(0)} ms, ` +
      `${of('hello', 'cpuMs').toFixed(0)} ms CPU, ${of('hello', 'rssMiB').toFixed(0)} MiB`
  );
  report([
    ...ratios('given', 'control worker, configuration given', 1.1),
    ...ratios('control', 'control worker of a project', 1.1),
    ...ratios('all', 'workers of all queues of a project', null),
  ]);
} finally {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
}
