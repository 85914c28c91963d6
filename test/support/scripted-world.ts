import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { bundleWorkflowCode, NativeConnection, Worker } from '@temporalio/worker';
import { startDevServer } from '@retempo/workers';
import {
  controlQueue,
  defaultLimits,
  failureType,
  siteQueue,
  siteRoles,
  type ArtifactRef,
  type ControlActivities,
  type DataActivities,
  type EndpointState,
  type ErrorClass,
  type GateEvaluation,
  type Installation,
  type JobActivities,
  type ModelSpec,
  type Observation,
  type ReleaseInput,
  type ServingActivities,
  type SnapshotSummary,
  type VersionRecord,
} from '@retempo/workflows/contracts';

// A real Temporal server with the real workflows, and an outside world of a few lines that keeps a journal and does what a
// test tells it. For answers that no real router and no real job gives on command: a read-back that differs, a lost fence, a
// look that hangs. Whatever the real things can show is tested with them.

type Activities = ControlActivities & JobActivities & DataActivities & ServingActivities;
type Name = keyof Activities;
type Input<N extends Name> = Parameters<Activities[N]>[0];
type Result<N extends Name> = Awaited<ReturnType<Activities[N]>>;
type Told<N extends Name> = (input: Input<N>, usual: () => Result<N>) => Result<N> | Promise<Result<N>>;

/** One call of an activity, in the order in which they began. */
export interface Call {
  readonly name: Name;
  readonly queue: string;
  readonly input: unknown;
}

export const artifact = (name: string): ArtifactRef => ({
  v: 1,
  uri: `file:///nowhere/${name}/`,
  digest: `sha256:${name}`,
  bytes: 1,
});

/** What a port throws: as the activities hand it on. */
export const trouble = (errorClass: ErrorClass, message: string = errorClass): ApplicationFailure =>
  ApplicationFailure.create({ type: failureType.port(errorClass), message });

const window = { from: '2026-01-01T00:00:00.000Z', to: '2026-01-29T00:00:00.000Z', rows: 1_000 };
const snapshot: SnapshotSummary = {
  train: artifact('train'),
  evaluate: artifact('evaluate'),
  labels: artifact('labels'),
  trainWindow: window,
  evaluateWindow: window,
  watermark: window.to,
};

export const spec: ModelSpec = {
  v: 1,
  model: 'm',
  task: 'binary',
  code: artifact('code'),
  data: {
    source: '/nowhere/*.csv',
    time: 'at',
    key: 'id',
    unit: 'id',
    label: { column: 'late', arrivesAfterMs: 0 },
    features: { include: 'all', except: [], important: [] },
    split: { trainMs: 1, gapMs: 0, evaluateMs: 1 },
    validate: [],
  },
  train: {
    run: ['train'],
    at: ['onprem.east/cpu', 'onprem.west/cpu'],
    resources: {},
    parameters: {},
    env: {},
    timeoutMs: 60_000,
    atMost: null,
    attemptsPerPool: 2,
  },
  evaluate: { run: ['evaluate'], predictions: { key: 'id', probability: 'p' }, timeoutMs: 60_000 },
  gate: {
    metrics: { logLoss: { atMost: 1 } },
    minRows: 1,
    confidence: 0.95,
    slices: null,
    anchor: null,
    approval: null,
  },
  release: {
    endpoint: 'e',
    site: 'onprem.east',
    strategy: 'canary',
    steps: [10, 50],
    holdbackPercent: 0,
    bakeMs: 0,
    guardrails: { errors: { worseThan: 1, safeBelow: 2, ignoreBelow: 0.01, overdispersion: 1 }, slow: null },
    alpha: 0.05,
    lookEveryMs: 50,
    stepDeadlineMs: 60_000,
    totalDeadlineMs: 120_000,
    deployDeadlineMs: 60_000,
    onInconclusive: 'hold',
    approval: null,
    leaseMs: null,
  },
  watch: { everyMs: 1, compare: ['training'], minRows: 1, loss: null },
  retrain: {
    on: { drift: true, everyMs: null, events: [] },
    cooldownMs: 1_000,
    atMost: { runs: 100, cost: null, perMs: 1_000 },
    breakerAfter: 3,
    minGain: 0.01,
  },
};

export const installation: Installation = {
  owner: 'test',
  limits: { ...defaultLimits, heartbeatMs: 10_000, noWorkerMs: 10_000 },
};

/** A run of the scripted model that a person has asked for. */
export const runInput = (releaseId: string): ReleaseInput => ({
  v: 1,
  installation,
  releaseId,
  seq: 2,
  spec,
  specDigest: 'sha256:spec',
  cause: 'a test',
  requestedBy: ['ann'],
  causedByDrift: false,
});

/** A version as the registry knows it. */
export const version = (name: string): VersionRecord => ({
  v: 1,
  model: spec.model,
  version: name,
  artifact: artifact(name),
  releaseId: 'retempo/m/run/0-00000000',
  site: 'onprem.east',
  jobKey: 'key',
  specDigest: 'sha256:spec',
  code: artifact(`code of ${name}`),
  evaluator: { ...spec.evaluate, run: [`evaluate ${name}`] },
  data: snapshot,
  parent: null,
});

/** A call that does not answer before it is let go. */
export function hold() {
  let letGo = () => {};
  let reached = () => {};
  const gate = new Promise<void>((resolve) => (letGo = resolve));
  const there = new Promise<void>((resolve) => (reached = resolve));
  const wait = async <T>(usual: () => T): Promise<T> => {
    reached();
    await gate;
    return usual();
  };
  return { wait, letGo, there };
}

/** A look with this action, while the endpoint has the weights it should have. */
export const look = (action: Observation['action'], reason = `because ${action}`): Observation => ({
  action,
  weightsAsIntended: true,
  endpoint: { revision: '', epoch: 0, busy: false, versions: {} },
  checks: [],
  reasons: [reason],
  requests: 1,
  judged: {},
});

export const gatePassed: GateEvaluation = {
  verdict: 'pass',
  checks: [],
  reasons: ['every check passed'],
  evidence: 'gate',
  evidenceDigest: 'sha256:evidence',
  gain: 0.02,
};

export class ScriptedWorld {
  readonly journal: Call[] = [];
  champion: VersionRecord | null = version('v1');
  endpoint: EndpointState | null = {
    revision: '1',
    epoch: 3,
    busy: false,
    versions: { v0: { weight: 0, ready: 1 }, v1: { weight: 100, ready: 1 } },
  };
  /** Every map of weights that was in force, oldest first. */
  readonly served: { readonly [version: string]: number }[] = [];
  private readonly told = new Map<Name, Told<Name>[]>();

  /** The next call of this activity does this instead of the usual; told more than once, the next ones in order. */
  next<N extends Name>(name: N, ...tell: readonly Told<N>[]): void {
    this.told.set(name, [...(this.told.get(name) ?? []), ...(tell as unknown as Told<Name>[])]);
  }

  calls<N extends Name>(name: N): Input<N>[] {
    return this.journal.filter((call) => call.name === name).map(({ input }) => input as Input<N>);
  }

  get names(): Name[] {
    return this.journal.map(({ name }) => name);
  }

  /** What the world does when it is not told otherwise. */
  private readonly usual: { readonly [N in Name]: (input: Input<N>) => Result<N> } = {
    findCheckpoint: () => null,
    loadGovernor: () => ({ snapshot: null, recorded: 0 }),
    saveGovernor: () => undefined,
    describeRelease: () => ({ state: 'open' }),
    getChampion: () => ({ champion: this.champion, anchor: null }),
    getPreviousChampion: () => null,
    registerVersion: ({ record, seq }) => ({ v: 1, version: `v${seq}`, ...record }),
    setChampion: ({ version: name }) => {
      this.champion = version(name);
    },
    evaluateGate: () => gatePassed,
    resetMonitor: () => undefined,
    confirmReports: () => undefined,
    exportRun: () => undefined,
    notifyPeople: () => undefined,
    submitJob: ({ key, step, attempt }) => ({ v: 1, site: '', id: `${step} ${attempt}`, key }),
    awaitJob: () => ({ result: 'succeeded', message: '' }),
    stopJob: () => ({ ended: 1 }),
    collectOutput: ({ ref }) => artifact(ref.id),
    reapJobs: () => ({ looked: 0, stopped: [], removed: 0 }),
    snapshotData: () => ({ result: 'ok', snapshot }),
    checkWindows: () => ({ reports: [] }),
    describeEndpoint: () => this.endpoint,
    deployVersion: ({ version: name, epoch }) => {
      const before = this.endpoint ?? { revision: '0', epoch: 0, busy: false, versions: {} };
      if (epoch < before.epoch) throw trouble('Conflict', 'an older epoch');
      this.endpoint = { ...before, epoch, versions: { ...before.versions, [name]: { weight: 0, ready: 1 } } };
    },
    setTraffic: ({ weights, ifRevision, epoch }) => {
      const before = this.endpoint!;
      if (epoch < before.epoch || ifRevision !== before.revision) throw trouble('Conflict', 'somebody was quicker');
      const names = Object.keys(before.versions);
      const sum = Object.values(weights).reduce((all, weight) => all + weight, 0);
      if (sum !== 100 || names.some((name) => weights[name] === undefined))
        throw trouble('InvalidSpec', 'not a full map');
      this.served.push(Object.fromEntries(Object.entries(weights).filter(([, weight]) => weight > 0)));
      const versions = Object.entries(before.versions).map(([name, one]) => [name, { ...one, weight: weights[name]! }]);
      this.endpoint = {
        ...before,
        epoch,
        revision: String(Number(before.revision) + 1),
        versions: Object.fromEntries(versions) as EndpointState['versions'],
      };
      return this.endpoint;
    },
    observe: () => look('advance'),
    retireVersion: ({ version: name }) => {
      const { [name]: gone, ...versions } = this.endpoint!.versions;
      if ((gone?.weight ?? 0) > 0) throw trouble('Conflict', `${name} has traffic`);
      this.endpoint = { ...this.endpoint!, versions };
    },
  };

  /** The activities of one queue. */
  activities(queue: string): { readonly [N in Name]: (input: Input<N>) => Promise<Result<N>> } {
    const one = async (name: Name, input: never): Promise<unknown> => {
      this.journal.push({ name, queue, input });
      const usual = () => this.usual[name](input) as never;
      const tell = this.told.get(name)?.shift();
      return tell === undefined ? usual() : tell(input, usual);
    };
    const names = Object.keys(this.usual) as Name[];
    return Object.fromEntries(names.map((name) => [name, (input: never) => one(name, input)])) as never;
  }
}

/** The server, and a world that is changed for every test. */
export interface ScriptedInstallation {
  readonly client: Client;
  /** A world as new. */
  begin(): ScriptedWorld;
  /** A cancellation has reached the workflow, and it has decided what to do. */
  handled(handle: WorkflowHandle): Promise<void>;
  /** What happens while this runs reaches the workflows at once, in one task, when it is over. Sites answer meanwhile. */
  whileAway(happens: () => Promise<void>): Promise<void>;
  /** Ends what a test that failed has left behind: it would speak to the world of the next one. */
  end(...workflowIds: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** @param dynamicConfig Settings of the server, such as when it suggests to begin anew. */
export async function startScriptedInstallation(
  dynamicConfig: { readonly [key: string]: number } = {}
): Promise<ScriptedInstallation> {
  const folder = await mkdtemp(join(tmpdir(), 'retempo-scripted-'));
  const server = await startDevServer({ stateFolder: folder, uiPort: null, dynamicConfig });
  const native = await NativeConnection.connect({ address: server.address });
  const connection = await Connection.connect({ address: server.address });
  const workflowBundle = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(import.meta.resolve('@retempo/workflows')),
  });
  let world = new ScriptedWorld();
  const sites = ['onprem.east', 'onprem.west'].flatMap((site) => siteRoles.map((role) => siteQueue(site, role)));
  const serve = async (taskQueue: string) => {
    const names = Object.keys(world.activities(taskQueue)) as Name[];
    const now = (name: Name) => (input: never) => world.activities(taskQueue)[name](input);
    const worker = await Worker.create({
      connection: native,
      taskQueue,
      // A test that failed may have left a call that nobody lets go.
      shutdownForceTime: '5 seconds',
      activities: Object.fromEntries(names.map((name) => [name, now(name)])),
      ...(taskQueue === controlQueue ? { workflowBundle } : {}),
    });
    const running = worker.run();
    return async () => {
      worker.shutdown();
      await running;
    };
  };
  let endControl = await serve(controlQueue);
  const endSites = await Promise.all(sites.map(serve));
  const client = new Client({ connection });
  return {
    client,
    begin: () => (world = new ScriptedWorld()),
    async handled(handle) {
      for (;;) {
        const { events = [] } = await handle.fetchHistory();
        const asked = events?.findIndex((event) => event.workflowExecutionCancelRequestedEventAttributes != null) ?? -1;
        const later = asked === -1 ? [] : (events ?? []).slice(asked);
        if (later.some((event) => event.workflowTaskCompletedEventAttributes != null)) return;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    async whileAway(happens) {
      await endControl();
      try {
        await happens();
      } finally {
        endControl = await serve(controlQueue);
      }
    },
    async end(...workflowIds) {
      for (const id of workflowIds)
        await client.workflow
          .getHandle(id)
          .terminate()
          .catch(() => undefined);
    },
    async close() {
      await Promise.all([endControl, ...endSites].map((end) => end()));
      await native.close();
      await connection.close();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
