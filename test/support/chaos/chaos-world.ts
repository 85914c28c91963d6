import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { sealFolder } from '@retempo/activities';
import { onprem, type OnpremSite } from '@retempo/onprem';
import { createStarters, type Starters } from '@retempo/starters';
import { loadProject, openInstallation, retempoWorkflowsPath, startDevServer } from '@retempo/workers';
import type { DevServer, OpenInstallation } from '@retempo/workers';
import { continuousTraining } from '@retempo/workflows';
import {
  controlQueue,
  digestOf,
  governorId,
  type GovernorStatus,
  type Installation,
  type ReleaseOutcome,
} from '@retempo/workflows/contracts';
import { configure, getStatus } from '@retempo/workflows/messages';
import { createChaosProject, type ChaosProject } from './chaos-project.js';
import { startRequests, type RequestCounts, type Requests } from './requests.js';
import { startCommandWorker, startWorkerProcess, type WorkerOptions, type WorkerProcess } from './worker-process.js';

export const model = 'tiny';
export const endpoint = 'tiny';
export const siteId = 'onprem.local';

export const call = () => ({ signal: AbortSignal.timeout(30_000), deadlineMs: Date.now() + 30_000 });

type Sections = Parameters<ChaosProject['write']>[0];

/** A Temporal server, an installation, requests to its endpoint, and workers that can be killed. */
export interface ChaosWorld {
  readonly project: ChaosProject;
  readonly client: Client;
  readonly starters: Starters;
  readonly opened: OpenInstallation;
  readonly site: OnpremSite;
  readonly workers: Set<WorkerProcess>;
  /** File that everything the workers said is written to. */
  readonly log: string;
  server(): DevServer;
  startWorker(options?: Pick<WorkerOptions, 'only' | 'sabotage'>): Promise<WorkerProcess>;
  startCommandWorker(): ReturnType<typeof startCommandWorker>;
  /** Kills the server and starts it again on the same database and port. */
  killServer(): Promise<void>;
  /** Writes the model file and starts or reconfigures its governor. */
  apply(change?: Sections): Promise<void>;
  /** Asks for a run as a person; the id of the run. */
  retrain(why: string): Promise<string>;
  readonly status: () => Promise<GovernorStatus>;
  /** Looks every 100 ms until `done`; whatever does not answer meanwhile is looked at again. */
  until<T>(what: string, look: () => Promise<T>, done: (seen: T) => boolean, withinMs?: number): Promise<T>;
  /** Waits for a call to be held; fails when the release ends without reaching it. */
  reached(held: Promise<void>, runId: string): Promise<void>;
  /** Waits until the release has ended and the governor has recorded it. */
  outcomeOf(runId: string, withinMs?: number): Promise<ReleaseOutcome>;
  /** Weights above 0, as the router reads them back. */
  readonly weights: () => Promise<{ readonly [version: string]: number }>;
  /** Callers of the endpoint, all the time. */
  startRequests(): Promise<void>;
  /** Ends them; what they have seen since the start. */
  stopRequests(): Promise<RequestCounts>;
  close(): Promise<void>;
}

/** Starts everything but workers; the model is applied when there is one. */
export async function startChaosWorld(options: {
  readonly name: string;
  readonly sections?: Sections;
}): Promise<ChaosWorld> {
  const project = await createChaosProject(options.name);
  await project.write(options.sections ?? {});
  const { config } = await loadProject({ folder: project.folder, providers: [onprem()] });
  let server = await startDevServer({ stateFolder: config.stateFolder, uiPort: null });
  const opened = await openInstallation({ project: { config }, providers: [onprem()] });
  const site = opened.sites[0] as OnpremSite;
  const installation: Installation = {
    ...opened.installation,
    limits: { ...opened.installation.limits, describeMs: 2_000 },
  };
  const connection = await Connection.connect({ address: server.address });
  const client = new Client({ connection });
  const starters = createStarters({ client, timeoutMs: 60_000 });
  const bundle = join(project.folder, 'workflows.bundle.js');
  const { code } = await bundleWorkflowCode({
    workflowsPath: retempoWorkflowsPath(),
    logger: new DefaultLogger('ERROR'),
  });
  writeFileSync(bundle, code);
  const log = join(project.folder, 'workers.log');
  const workers = new Set<WorkerProcess>();
  const { address } = server;
  let requests: Requests | null = null;

  const world: ChaosWorld = {
    project,
    client,
    starters,
    opened,
    site,
    workers,
    log,
    server: () => server,
    async startWorker(more = {}) {
      const worker = await startWorkerProcess({ folder: project.folder, address, bundle, log, ...more });
      workers.add(worker);
      void worker.ended.then(() => workers.delete(worker));
      return worker;
    },
    startCommandWorker: () => startCommandWorker({ folder: project.folder, address, log }),
    async killServer() {
      await server.kill('SIGKILL');
      server = await startDevServer({
        stateFolder: config.stateFolder,
        port: Number(address.split(':')[1]),
        uiPort: null,
      });
    },
    async apply(change = {}) {
      await project.write(change);
      const { models } = await loadProject({ folder: project.folder, providers: [onprem()] });
      const { draft, codeFiles, folder } = models[0]!;
      const files = new Set(codeFiles.map(({ path }) => path));
      const isPart = (path: string) => files.has(path) || [...files].some((file) => file.startsWith(`${path}/`));
      const sealed = { store: opened.store, folder, prefix: 'code', exclude: (path: string) => !isPart(path) };
      const spec = { ...draft, code: await sealFolder(sealed, call()) };
      const specDigest = digestOf(spec);
      await client.workflow.start(continuousTraining, {
        workflowId: governorId(model),
        workflowIdConflictPolicy: 'USE_EXISTING',
        taskQueue: controlQueue,
        args: [{ v: 1, installation, spec, specDigest }],
      });
      const governor = client.workflow.getHandle(governorId(model));
      await governor.executeUpdate(configure, { args: [{ spec, specDigest, ifDigest: null, actor: 'test' }] });
    },
    async retrain(why) {
      const asked = { model, source: 'chaos', id: why, cause: why, kind: 'person', actor: 'ann', force: true } as const;
      const answer = await starters.requestRetrain(asked);
      if (answer.runId === undefined) throw new Error(`no run: ${answer.reason}`);
      if (answer.repeated) throw new Error(`"${why}" was asked for before, and started ${answer.runId}`);
      return answer.runId;
    },
    status: () => client.workflow.getHandle(governorId(model)).query(getStatus),
    async until(what, look, done, withinMs = 300_000) {
      const deadline = Date.now() + withinMs;
      let seen: unknown = 'nothing';
      for (;;) {
        try {
          const now = await look();
          seen = now;
          if (done(now)) return now;
        } catch (error) {
          // What was killed a moment ago does not answer: looked at again.
          seen = error instanceof Error ? [error.message, (error.cause as Error | undefined)?.message] : error;
        }
        if (Date.now() > deadline)
          throw new Error(`${what}: not within ${withinMs} ms; last seen ${JSON.stringify(seen)}; see ${log}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
    async reached(held, runId) {
      const early = async () => {
        const { result, reason } = await world.outcomeOf(runId);
        throw new Error(`${runId} ended before the point was reached: ${result}, ${reason}`);
      };
      const ending = early();
      ending.catch(() => undefined);
      await Promise.race([held, ending]);
    },
    async outcomeOf(runId, withinMs = 300_000) {
      const handle = client.workflow.getHandle(runId);
      await world.until(
        `end of ${runId}`,
        () => handle.describe(),
        ({ status }) => status.name !== 'RUNNING',
        withinMs
      );
      const outcome = (await handle.result()) as ReleaseOutcome;
      await world.until('the governor hears of it', world.status, ({ running }) => running?.runId !== runId, withinMs);
      return outcome;
    },
    async weights() {
      const { versions } = await site.serving!.describe(endpoint, call());
      const weighted = Object.entries(versions).filter(([, { weight }]) => weight > 0);
      return Object.fromEntries(weighted.map(([version, { weight }]) => [version, weight]));
    },
    async startRequests() {
      requests = startRequests(await site.routers.endpointUrl(endpoint, call()), endpoint);
    },
    async stopRequests() {
      const counts = await requests?.stop();
      requests = null;
      return counts ?? { sent: 0, answered: 0, failed: 0, lost: 0 };
    },
    async close() {
      await world.stopRequests();
      await Promise.all([...workers].map((worker) => worker.end()));
      await connection.close();
      await site.routers.stop(endpoint).catch(() => undefined);
      await opened.close();
      await server.stop();
      if (process.env['RETEMPO_CHAOS_KEEP'] === undefined) await project.remove();
      else console.log(`kept ${project.folder}`);
    },
  };
  return world;
}

/** Lines of a file of JSON lines; none when it is not there. */
export const jsonLines = (path: string): readonly unknown[] =>
  existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as unknown)
    : [];
