import { join } from 'node:path';
import { exportNames } from './export-names.js';
import type { Tarball } from './tarballs.js';

// The programs of the hosts: small, and each the way a stranger would begin.

/** Asks for something impossible and somebody absent; prints what it was told. */
export const startersProgram = `
import { Client, Connection } from '@temporalio/client';
import { createStarters, isStarterError, type Answer, type StarterProblem, type Starters } from '@retempo/starters';

async function problemOf(ask: () => Promise<unknown>): Promise<StarterProblem | 'none'> {
  try {
    await ask();
    return 'none';
  } catch (error) {
    if (isStarterError(error)) return error.problem;
    throw error;
  }
}

async function main(): Promise<void> {
  // Nobody listens on port 1.
  const connection = Connection.lazy({ address: '127.0.0.1:1', connectTimeout: 500 });
  const retempo: Starters = createStarters({ client: new Client({ connection }), timeoutMs: 2_000 });
  const request = { source: 'pricing', id: 'order-1', cause: 'new fares loaded' };
  const ask = (model: string): Promise<Answer> => retempo.requestRetrain({ model, ...request });
  const away = await problemOf(() => ask('flight-delay'));
  const told = [await problemOf(() => ask('No Slug')), away, typeof retempo.approve];
  console.log(JSON.stringify(told));
  await connection.close();
}
void main();
`;

/** Every entry, every value and every type by name; prints which entries have something to run. */
export async function everyEntry(tarballs: readonly Tarball[]): Promise<string> {
  const lines: string[] = ['const told: Record<string, boolean> = {};'];
  const imports: string[] = [];
  let number = 0;
  for (const { manifest, folder } of tarballs) {
    for (const [entry, { types }] of Object.entries(manifest.exports ?? {})) {
      const specifier = join(manifest.name, entry);
      const names = await exportNames(join(folder, types));
      const typeNames = names.filter((name) => name.startsWith('type ')).map((name) => name.slice('type '.length));
      const values = names.filter((name) => !name.startsWith('type '));
      const it = `entry${number++}`;
      imports.push(`import * as ${it} from '${specifier}';`);
      if (typeNames.length > 0) {
        imports.push(
          `import type { ${typeNames.map((name) => `${name} as ${it}_${name}`).join(', ')} } from '${specifier}';`
        );
      }
      const used = values.map((name) => `${it}.${name}`).join(', ');
      lines.push(`told['${specifier}'] = [${used}].every((value) => value !== undefined);`);
    }
  }
  return [...imports, ...lines, 'console.log(JSON.stringify(told));', 'process.exit(0);'].join('\n');
}

export const jsProgram = `
import { governorId } from '@retempo/workflows/contracts';
import { proportionTest } from '@retempo/analysis';
import { OrchestratorPlugin } from '@retempo/workers';

const plugin = new OrchestratorPlugin({ activities: {} });
console.log(governorId('flight-delay'), typeof proportionTest, plugin.name);
process.exit(0);
`;

/** A host's own workflow file: what the README tells it to write. */
export const ownWorkflows = `
export * from '@retempo/workflows';

export async function hostOwn() {
  return 'own';
}
`;

export const workflowHost = `
import { bundleWorkflowCode } from '@temporalio/worker';
import { fileURLToPath } from 'node:url';
import * as workflows from './workflows.js';

const nothing = () => undefined;
const { code } = await bundleWorkflowCode({
  workflowsPath: fileURLToPath(new URL('./workflows.js', import.meta.url)),
  logger: { log: nothing, trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing },
});
const modules = [...code.matchAll(/^\\/\\*{3}\\/ "([^"?]+)"$/gm)].map((match) => match[1]);
const registered = Object.keys(workflows).filter((name) => ['hostOwn', 'modelRelease'].includes(name));
console.log(JSON.stringify({ modules, registered: registered.sort() }));
process.exit(0);
`;

/**
 * A host that has its configuration already: opens an installation, as it would for its workers, and prints what of the heavy
 * libraries has been loaded for that, after a configuration was read, and after data were. Then what reading data said.
 */
export const workerHost = `
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { pathToFileURL } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { describeSource } from '@retempo/activities';
import { onprem } from '@retempo/onprem';
import { limitDefaults, loadConfig, modelJsonSchema, openInstallation } from '@retempo/workers';

/** Every script of this process, modules of both kinds, is told to a debugger that comes later. */
function heavy() {
  const found = new Set();
  const session = new Session();
  session.connect();
  session.on('Debugger.scriptParsed', ({ params }) => {
    const name = /node_modules\\/(zod|yaml|@duckdb\\/node-api|onnxruntime-node)\\//.exec(params.url)?.[1];
    if (name !== undefined) found.add(name);
  });
  session.post('Debugger.enable');
  session.disconnect();
  return [...found].sort();
}

const folder = process.cwd();
const temporal = { address: '127.0.0.1:1', namespace: 'default', apiKey: null, tls: null };
const stateFolder = folder + '/state';
const artifacts = pathToFileURL(stateFolder + '/artifacts').href + '/';
const rest = { folder, endpoints: {}, models: [], code: { include: [], exclude: [] }, metricsPort: null };
const config = { ...rest, stateFolder, temporal, artifacts, owner: 'host', sites: { 'onprem.local': {} }, limits: limitDefaults };
const opened = await openInstallation({ project: { config }, providers: [onprem()] });
const client = new Client({ connection: Connection.lazy({ address: temporal.address }) });
const activities = opened.activities({ client });
const sites = opened.sites.map((site) => Object.keys(activities.site(site, 'data')).includes('snapshotData'));
const described = typeof modelJsonSchema().properties;
const ready = heavy();
writeFileSync('retempo.yaml', 'owner: from-the-file\\n');
const { owner } = await loadConfig({ folder, providers: [onprem()] });
const configured = heavy();
writeFileSync('rows.csv', 'at\\n2026-01-01T00:00:00Z\\n');
const data = await describeSource({ source: folder + '/rows.csv', time: 'at' }).then(
  ({ rows }) => ({ rows }),
  (error) => ({ class: error.class, message: error.message })
);
console.log(JSON.stringify({ sites, described, ready, owner, configured, data, read: heavy() }));
process.exit(0);
`;
