import { Client, Connection } from '@temporalio/client';
import { sealFolder } from '@retempo/activities';
import { onprem, type OnpremSite } from '@retempo/onprem';
import { createStarters, type Starters } from '@retempo/starters';
import {
  connectWorkers,
  createWorkers,
  loadProject,
  openInstallation,
  startDevServer,
  type DevServer,
  type OpenInstallation,
  type RetempoWorkers,
} from '@retempo/workers';
import { continuousTraining } from '@retempo/workflows';
import {
  controlQueue,
  digestOf,
  governorId,
  type Decision,
  type GovernorStatus,
  type Installation,
  type ModelSpec,
} from '@retempo/workflows/contracts';
import { configure, getStatus } from '@retempo/workflows/messages';
import { createFlightProject, type FlightProject, type Sections } from './flight-project.js';

/** A whole installation in this process: a real Temporal server, workers of all queues, two local sites. */
export interface TestInstallation {
  readonly project: FlightProject;
  readonly server: DevServer;
  readonly client: Client;
  readonly starters: Starters;
  readonly opened: OpenInstallation;
  readonly installation: Installation;
  site(id: string): OnpremSite;
  /** Seals the program, resolves the model file and starts or reconfigures its governor. */
  apply(): Promise<ModelSpec>;
  readonly status: () => Promise<GovernorStatus>;
  /** Asks for a retrain (of `flight-delay`) as ann, who overrides what can be overridden; the id of the accepted run. */
  readonly retrain: (cause: string, of?: string) => Promise<string>;
  /** The decision that ended a run. */
  readonly ended: (runId: string, of?: string) => Promise<Decision>;
  /** Versions with traffic, as the router reads back. */
  readonly weights: () => Promise<{ readonly [version: string]: number }>;
  /** Asks every 200 ms until `done` says so; fails after `withinMs` with what was seen last. */
  until<T>(what: string, look: () => Promise<T>, done: (seen: T) => boolean, withinMs?: number): Promise<T>;
  /** Stops the workers of this process; `startWorkers` begins new ones. */
  stopWorkers(): Promise<void>;
  startWorkers(only?: (queue: string) => boolean): Promise<void>;
  close(): Promise<void>;
}

const model = 'flight-delay';
const call = () => ({ signal: AbortSignal.timeout(60_000), deadlineMs: Date.now() + 60_000 });

export async function startInstallation(options: {
  readonly name: string;
  readonly sections?: Sections;
  /** Settings of its endpoint. */
  readonly endpoint?: object;
  readonly limits?: Partial<Installation['limits']>;
  readonly workers?: boolean;
  /** Dynamic configuration of the server. */
  readonly dynamicConfig?: { readonly [key: string]: number };
}): Promise<TestInstallation> {
  const project = await createFlightProject(options.name, options.sections, options.endpoint);
  const { config } = await loadProject({ folder: project.folder, providers: [onprem()] });
  const { dynamicConfig = {} } = options;
  const server = await startDevServer({ stateFolder: config.stateFolder, dynamicConfig });
  const temporal = { ...config.temporal, address: server.address };
  const opened = await openInstallation({ project: { config }, providers: [onprem()] });
  const installation: Installation = {
    ...opened.installation,
    limits: { ...opened.installation.limits, describeMs: 2_000, ...options.limits },
  };
  const connection = await Connection.connect({ address: server.address });
  const client = new Client({ connection });
  const native = await connectWorkers({ config: { temporal, metricsPort: null } });
  let workers: { readonly set: RetempoWorkers; readonly run: Promise<void> } | null = null;

  async function startWorkers(only: (queue: string) => boolean = () => true): Promise<void> {
    const set = await createWorkers({
      config: { temporal, limits: config.limits },
      connection: native,
      sites: opened.sites,
      activities: opened.activities({ client }),
      only,
    });
    workers = { set, run: set.run() };
    workers.run.catch(() => undefined);
  }
  async function stopWorkers(): Promise<void> {
    workers?.set.shutdown();
    await workers?.run;
    workers = null;
  }
  const specOf = async (): Promise<ModelSpec> => {
    const { models } = await loadProject({ folder: project.folder, providers: [onprem()] });
    const { draft, codeFiles, folder } = models[0]!;
    const files = new Set(codeFiles.map(({ path }) => path));
    const isPart = (path: string) => files.has(path) || [...files].some((file) => file.startsWith(`${path}/`));
    const code = await sealFolder(
      { store: opened.store, folder, prefix: 'code', exclude: (path) => !isPart(path) },
      call()
    );
    return { ...draft, code };
  };
  const governor = client.workflow.getHandle(governorId(model));
  const starters = createStarters({ client });
  const siteOf = (id: string) => opened.sites.find((site) => site.id === id) as OnpremSite;
  let asked = 0;
  const until: TestInstallation['until'] = async (what, look, done, withinMs = 60_000) => {
    const deadline = Date.now() + withinMs;
    for (;;) {
      const seen = await look();
      if (done(seen)) return seen;
      if (Date.now() > deadline)
        throw new Error(`${what}: not within ${withinMs} ms; last seen ${JSON.stringify(seen)}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };
  if (options.workers !== false) await startWorkers();

  return {
    project,
    server,
    client,
    starters,
    opened,
    installation,
    site: siteOf,
    async apply() {
      const spec = await specOf();
      const specDigest = digestOf(spec);
      await client.workflow.start(continuousTraining, {
        workflowId: governorId(spec.model),
        workflowIdConflictPolicy: 'USE_EXISTING',
        taskQueue: controlQueue,
        args: [{ v: 1, installation, spec, specDigest }],
      });
      await governor.executeUpdate(configure, { args: [{ spec, specDigest, ifDigest: null, actor: 'test' }] });
      return spec;
    },
    status: () => governor.query(getStatus),
    async retrain(cause, of = model) {
      const asking = { model: of, source: 'test', id: `r${++asked}`, cause, actor: 'ann' };
      const { answer, reason, runId } = await starters.requestRetrain({ ...asking, kind: 'person', force: true });
      if (answer !== 'accepted') throw new Error(`${cause}: ${reason}`);
      return runId!;
    },
    async ended(runId, of = model) {
      const isEnd = (d: Decision) => d.by === 'release' && d.runId === runId;
      const list = () => starters.getDecisions(of);
      return (await until(`end of ${runId}`, list, (found) => found.some(isEnd), 240_000)).find(isEnd)!;
    },
    async weights() {
      const { versions } = await siteOf('onprem.east').serving!.describe(model, call());
      const all = Object.entries(versions).map(([id, { weight }]) => [id, weight] as const);
      return Object.fromEntries(all.filter(([, weight]) => weight > 0));
    },
    until,
    stopWorkers,
    startWorkers,
    async close() {
      await stopWorkers();
      await native.close();
      await connection.close();
      for (const site of opened.sites as readonly OnpremSite[]) await site.routers.stop(model).catch(() => undefined);
      await opened.close();
      await server.stop();
      await project.remove();
    },
  };
}
