import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from '@temporalio/worker';
import type { NativeConnection, WorkerPlugin } from '@temporalio/worker';
import { controlQueue, siteQueue, siteRoles } from '@retempo/workflows/contracts';
import type { SiteRole } from '@retempo/workflows/contracts';
import type { Site } from '@retempo/activities/ports';
import type { RetempoConfig } from '../configuration/config.js';
import { OrchestratorPlugin } from '../plugins/orchestrator-plugin.js';
import { ProviderPlugin } from '../plugins/provider-plugin.js';
import { joinHostOptions, type HostOptions } from './host-options.js';
import { workerSettings } from './worker-settings.js';
import type { QueueRole } from './worker-settings.js';

export interface CreateWorkersOptions {
  readonly config: Pick<RetempoConfig, 'temporal' | 'limits'>;
  /** Shared by all workers; closed by the caller after {@link RetempoWorkers.run} has returned. */
  readonly connection: NativeConnection;
  /** Open sites; each gets one Worker per role that has activities. */
  readonly sites: readonly Site[];
  /** Implementations, by activity name. An empty object means that the queue gets no Worker. */
  readonly activities: {
    readonly control: object;
    site(site: Site, role: SiteRole): object;
  };
  /** Only queues that pass get a Worker; default all. Lets one process serve one site, or the control queue alone. */
  readonly only?: (queue: string) => boolean;
  /** The host's own additions: plugins, interceptors, data converter, workflows. Settings of ours stay where not named. */
  readonly host?: {
    readonly every?: HostOptions;
    readonly control?: HostOptions;
  };
}

export interface RetempoWorkers {
  /** Queues served, control first. */
  readonly queues: readonly string[];
  /**
   * Serves all queues until {@link RetempoWorkers.shutdown} or a signal (SIGTERM, SIGINT) and returns when everything in
   * flight has been drained. Rejects with the first error when a Worker fails; the others are drained first.
   */
  run(): Promise<void>;
  /** Starts the graceful drain; `run` returns when it is over. May be called again, and before `run`. */
  shutdown(): void;
}

interface Planned {
  readonly queue: string;
  readonly role: QueueRole;
  readonly plugin: WorkerPlugin;
}

/** How often it is looked whether a Worker that has to end has begun, in milliseconds. */
const beginsEveryMs = 20;

/**
 * Creates one Temporal Worker per queue: `retempo.control`, and per site `jobs`, `wait`, `serving` and `data`. Nothing
 * polls before `run`. Throws an Error when there is nothing to serve, or what Temporal says about the namespace or a Worker;
 * Workers that were already created are ended then.
 */
export async function createWorkers(options: CreateWorkersOptions): Promise<RetempoWorkers> {
  const planned = planWorkers(options);
  if (planned.length === 0) {
    throw new Error(
      'no queue to serve: no site has activities for the chosen queues, and the control queue is left out'
    );
  }
  const { connection, config } = options;
  // Asked first: of a Worker that Temporal refuses the SDK leaves threads behind, which keep the process from ending.
  await connection.workflowService.describeNamespace({ namespace: config.temporal.namespace });
  const workers: Worker[] = [];
  try {
    // One after the other: bundling the workflows fills a core, and a failure there should cost nothing else.
    for (const plan of planned) workers.push(await createWorker(plan, options));
  } catch (error) {
    await Promise.allSettled(workers.map((worker) => worker.runUntil(Promise.resolve())));
    throw error;
  }
  return {
    queues: planned.map(({ queue }) => queue),
    ...together(workers),
  };
}

function planWorkers(options: CreateWorkersOptions): readonly Planned[] {
  const { activities, sites } = options;
  const wanted = options.only ?? (() => true);
  const control: Planned[] = wanted(controlQueue)
    ? [{ queue: controlQueue, role: 'control', plugin: new OrchestratorPlugin({ activities: activities.control }) }]
    : [];
  const perSite = sites.flatMap((site) =>
    siteRoles.flatMap((role): Planned[] => {
      const queue = siteQueue(site.id, role);
      const implementations = wanted(queue) ? activities.site(site, role) : {};
      if (Object.keys(implementations).length === 0) return [];
      return [{ queue, role, plugin: new ProviderPlugin({ site: site.id, role, activities: implementations }) }];
    })
  );
  return [...control, ...perSite];
}

function createWorker(plan: Planned, options: CreateWorkersOptions): Promise<Worker> {
  const { every = {}, control = {} } = options.host ?? {};
  const host = joinHostOptions(every, plan.role === 'control' ? control : {});
  return Worker.create({
    ...workerSettings({ role: plan.role, queue: plan.queue, limits: options.config.limits }),
    ...host,
    connection: options.connection,
    namespace: options.config.temporal.namespace,
    taskQueue: plan.queue,
    plugins: [...(host.plugins ?? []), plan.plugin],
  });
}

/** What runs and ends several Workers together. */
function together(workers: readonly Worker[]): Pick<RetempoWorkers, 'run' | 'shutdown'> {
  const running = new Set<Worker>();
  let ending = false;
  const end = async (worker: Worker): Promise<void> => {
    // A plugin of the host may still hold it back: it can be told only when it has begun, and would serve for ever untold.
    while (running.has(worker) && worker.getState() === 'INITIALIZED') await sleep(beginsEveryMs);
    // One that stops already, or was never started, has nothing to be told.
    if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  const shutdown = (): void => {
    ending = true;
    for (const worker of workers) void end(worker);
  };
  const runOne = async (worker: Worker): Promise<void> => {
    running.add(worker);
    try {
      const run = worker.run();
      if (ending) void end(worker);
      await run;
    } catch (error) {
      shutdown();
      throw error;
    } finally {
      running.delete(worker);
    }
  };
  return {
    shutdown,
    async run() {
      const failed = (await Promise.allSettled(workers.map(runOne))).find((result) => result.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    },
  };
}
