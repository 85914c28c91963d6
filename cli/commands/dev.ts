import { join, relative } from 'node:path';
import { startDevServer, type DevServer, type Project } from '@retempo/workers';
import { Option } from 'commander';
import { CliError, exitCode } from '../failure.js';
import { isLocalSite, unfinishedJobs } from '../local-site.js';
import { parseWhole, type CommandDefinition } from '../program.js';
import { runWorkers, type RunningWorkers } from '../run-workers.js';
import type { Session } from '../session.js';
import { checkedAddress } from '../temporal.js';
import { duration } from '../text/quantities.js';
import { tableLines } from '../text/table.js';

interface DevOptions {
  readonly port: number;
  readonly uiPort: number;
  readonly workers: boolean;
}

/** Signal of work that goes on after the person has pressed Ctrl-C. */
const unhurried = new AbortController().signal;

/** `retempo dev`. */
export const dev: CommandDefinition = {
  name: 'dev',
  summary: 'a real Temporal server, its Web UI and workers on this machine, until Ctrl-C',
  description:
    'Starts a Temporal server on a database file in the state folder of the project, and workers for the control queue ' +
    'and all sites. The workers run in this process: one start, one log, and one Ctrl-C that drains them in order; to kill ' +
    'or update them apart, use --no-workers and retempo worker. Ctrl-C ends the workers, the local endpoints and the ' +
    'server. Jobs that still run are named and go on; the next dev finds them again. All state is kept between runs. With ' +
    'TEMPORAL_ADDRESS set, that server is used and left running.',
  options: [
    new Option('--port <port>', 'port of Temporal on 127.0.0.1; 0 = any free one')
      .argParser(parseWhole(0, 65_535))
      .default(7233),
    new Option('--ui-port <port>', 'port of the Web UI on 127.0.0.1; 0 = any free one')
      .argParser(parseWhole(0, 65_535))
      .default(8233),
    new Option('--no-workers', 'only the server'),
  ],
  examples: ['retempo dev', 'retempo dev --port 0 --ui-port 0', 'retempo dev --no-workers'],
  json: '{ v, address, namespace, uiUrl, stateFolder, queues, endpoints } when ready',
  action: async (session: Session, options: DevOptions) => {
    const startedAt = Date.now();
    const { io } = session;
    const project = await session.project();
    const { config } = project;
    if (session.options.address !== undefined) {
      throw new CliError(
        exitCode.usage,
        'usage',
        'dev starts a server of its own at --port; to use one that runs, set TEMPORAL_ADDRESS, or start only workers with: retempo worker --address <host:port>'
      );
    }
    const named = io.env['TEMPORAL_ADDRESS'] ?? '';
    if (named !== '') checkedAddress(named, 'TEMPORAL_ADDRESS');
    // As every other command has it, so that they find what dev has started.
    const wanted = session.options.namespace ?? (io.env['TEMPORAL_NAMESPACE'] || config.temporal.namespace);
    const server = await startDevServer({
      stateFolder: config.stateFolder,
      port: options.port,
      uiPort: options.uiPort,
      namespace: wanted,
      allowExisting: true,
      environment: io.env,
      onProgress: (message) => session.say(message),
    });
    // Taken down in the reverse order: workers, endpoints, server.
    session.defer(() => server.stop());
    const { address, namespace, uiUrl } = server;
    await session.installation();
    session.defer(() => stopEndpoints(session, project));
    const verbose = session.options.verbose === true;
    const from = server.pid === null ? ('environment' as const) : ('dev server' as const);
    const workers = options.workers
      ? await runWorkers({ io, config, place: { address, namespace, from }, verbose })
      : null;
    if (workers !== null) session.defer(() => workers.stop());
    const endpoints = await startEndpoints(session, project);
    if (endpoints !== null) {
      const stateFolder = relative(io.cwd, config.stateFolder) || '.';
      const queues = workers?.queues ?? [];
      session.result({ v: 1, address, namespace, uiUrl, stateFolder: config.stateFolder, queues, endpoints }, [
        ...boxLines({ project, address, uiUrl, endpoints }),
        `  Ready in ${duration(Date.now() - startedAt)}. State in ${join(stateFolder, '/')} (kept between runs). Ctrl-C ends all.`,
      ]);
      const ended = await firstEnd(session, server, workers);
      if (ended !== null) throw new CliError(exitCode.failed, 'ended', ended);
    }
    session.say('ending workers, endpoints and server ...');
  },
};

/** Waits for Ctrl-C (null), or for the end of what should not end (why). */
async function firstEnd(session: Session, server: DevServer, workers: RunningWorkers | null): Promise<string | null> {
  // The server is a process of its own and keeps nothing of this one busy: without workers Node would end here.
  const alive = setInterval(() => undefined, 60_000);
  const { interrupted } = session.io;
  try {
    return await Promise.race([
      new Promise<null>((resolve) => {
        if (interrupted.aborted) resolve(null);
        else interrupted.addEventListener('abort', () => resolve(null), { once: true });
      }),
      server.ended.then(
        (code) =>
          `the Temporal server ended (${String(code)}); see temporal/server.log in the state folder, then start dev again: all state is kept`
      ),
      ...(workers === null
        ? []
        : [
            workers.ended.then(
              () => 'the workers ended, so dev ends too; their log says why: start it again, with --verbose to see more'
            ),
          ]),
    ]);
  } finally {
    clearInterval(alive);
  }
}

/** Ends the local endpoints of all models, and names the jobs that go on. */
async function stopEndpoints(session: Session, project: Project): Promise<void> {
  const { sites } = await session.installation();
  for (const site of sites) {
    if (isLocalSite(site)) {
      for (const { draft } of project.models) {
        if (draft.release.site === site.id) await site.routers.stop(draft.release.endpoint);
      }
    }
    for (const job of await unfinishedJobs(site, project.config.owner, unhurried)) {
      session.say(`still runs at ${site.id}: job ${job}`);
    }
  }
}

interface RunningEndpoint {
  readonly endpoint: string;
  readonly site: string;
  readonly model: string;
  readonly url: string;
}

/**
 * Routers of all models' endpoints: callers get an answer from the start, and the address does not change later. Null when
 * the person has pressed Ctrl-C meanwhile.
 */
async function startEndpoints(session: Session, project: Project): Promise<readonly RunningEndpoint[] | null> {
  const { sites } = await session.installation();
  const { interrupted } = session.io;
  const running: RunningEndpoint[] = [];
  for (const { draft } of project.models) {
    const { endpoint, site: id } = draft.release;
    const site = sites.find((one) => one.id === id);
    if (site === undefined || !isLocalSite(site)) continue;
    const call = { signal: interrupted, deadlineMs: Date.now() + 30_000 };
    const router = await site.routers.ensureRouter(endpoint, call).catch((error: unknown) => {
      if (!interrupted.aborted) throw error;
      return null;
    });
    if (router === null) return null;
    running.push({ endpoint, site: id, model: draft.model, url: router.url });
  }
  return running;
}

function boxLines(input: {
  readonly project: Project;
  readonly address: string;
  readonly uiUrl: string | null;
  readonly endpoints: readonly RunningEndpoint[];
}): readonly string[] {
  const { project, address, uiUrl, endpoints } = input;
  const sites = Object.entries(project.config.sites).map(([id, entry]) => [
    '  Site',
    id,
    poolsText(entry),
    endpoints
      .filter(({ site }) => site === id)
      .map(({ endpoint, url }) => `endpoint ${endpoint} ${url}`)
      .join('  '),
  ]);
  return tableLines([['  Temporal', address, uiUrl === null ? '' : `Web UI ${uiUrl}`], ...sites]);
}

/** `pools: cpu (2 slots)`, of what the site's entry lists. */
function poolsText(entry: unknown): string {
  const pools = typeof entry === 'object' && entry !== null && 'pools' in entry ? entry.pools : undefined;
  if (typeof pools !== 'object' || pools === null) return '';
  const named = Object.entries(pools as { readonly [name: string]: { readonly slots?: number } | null });
  return `pools: ${named.map(([name, pool]) => (pool?.slots === undefined ? name : `${name} (${pool.slots} slots)`)).join(', ')}`;
}
