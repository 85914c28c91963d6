import { join } from 'node:path';
import { Client } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import { controlQueue } from '@retempo/workflows/contracts';
import {
  connectWorkers,
  createWorkers,
  environmentSecrets,
  openInstallation,
  type HostOptions,
  type RetempoConfig,
} from '@retempo/workers';
import { CliError, exitCode, messageOf } from './failure.js';
import type { Io } from './io.js';
import { providers } from './session.js';
import { credentialsFor, temporalAccess, type TemporalPlace } from './temporal.js';
import { workflowBundle } from './workflow-bundle.js';
import { installWorkerLog } from './worker-log.js';

/** Workers of this process that run. */
export interface RunningWorkers {
  /** Queues served, control first. */
  readonly queues: readonly string[];
  /** Settles when all have been drained; rejects with what ended one of them. */
  readonly ended: Promise<void>;
  /** Starts the drain; returns when it is over. May be called again. */
  stop(): Promise<void>;
}

/**
 * On a server of one's own desk heartbeats cost nothing, and somebody watches: progress is shown as it happens. Elsewhere
 * each one is a billable action, and they go as seldom as the heartbeat time-out allows.
 */
const promptHeartbeats: HostOptions = { maxHeartbeatThrottleInterval: 1_000, defaultHeartbeatThrottleInterval: 1_000 };

/**
 * Creates the workers of an installation in this process and lets them run until {@link RunningWorkers.stop}, SIGINT or
 * SIGTERM. Jobs and endpoints outlive them.
 */
export async function runWorkers(input: {
  readonly io: Io;
  readonly config: RetempoConfig;
  readonly place: Pick<TemporalPlace, 'address' | 'namespace' | 'from'>;
  /** All that the workers log, not only warnings. */
  readonly verbose: boolean;
  /** Sites to serve; default all. */
  readonly sites?: readonly string[];
  /** Which queues get a worker; default all. */
  readonly only?: (queue: string) => boolean;
}): Promise<RunningWorkers> {
  const { io, place } = input;
  const secret = environmentSecrets(io.env);
  const { address, namespace } = place;
  // The place may be another than the file's: a dev server, or one named by option. Metrics come with the log.
  const config = {
    ...input.config,
    metricsPort: null,
    temporal: { address, namespace, ...credentialsFor(place, input.config.temporal) },
  };
  const opened = await openInstallation({
    project: { config },
    providers: providers(),
    secret,
    ...(input.sites === undefined ? {} : { sites: input.sites }),
  });
  const connection = await connected({
    io,
    config,
    verbose: input.verbose,
    metricsPort: input.config.metricsPort,
  }).catch(async (error: unknown) => {
    await opened.close();
    throw error;
  });
  const closeAll = async () => {
    await connection.close().catch(() => undefined);
    await opened.close();
  };
  const serve = input.only ?? (() => true);
  try {
    const client = new Client({ connection, namespace: place.namespace });
    const workers = await createWorkers({
      config,
      connection,
      sites: opened.sites,
      activities: opened.activities({ client }),
      only: serve,
      host: {
        ...(place.from === 'dev server' ? { every: promptHeartbeats } : {}),
        ...(serve(controlQueue)
          ? { control: { workflowBundle: await workflowBundle(join(config.stateFolder, 'cache')) } }
          : {}),
      },
    });
    const ended = drained(workers.run(), closeAll);
    // Whoever waits for it hears of a failure; until then it must not count as unheard.
    ended.catch(() => undefined);
    return {
      queues: workers.queues,
      ended,
      async stop() {
        workers.shutdown();
        await ended;
      },
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/**
 * Connects the workers. Secrets are looked at before their log is installed, which starts the SDK's native part: that ends
 * with the last connection, and without any it would keep a process that has failed from ending.
 */
async function connected(input: {
  readonly io: Io;
  readonly config: RetempoConfig;
  readonly verbose: boolean;
  readonly metricsPort: number | null;
}): Promise<NativeConnection> {
  const { io, config, verbose, metricsPort } = input;
  const secret = environmentSecrets(io.env);
  await temporalAccess(config.temporal, secret);
  installWorkerLog(io, { verbose, metricsPort });
  try {
    return await connectWorkers({ config, secret });
  } catch (error) {
    throw new CliError(exitCode.away, 'unavailable', messageOf(error), error);
  }
}

async function drained(running: Promise<void>, closeAll: () => Promise<void>): Promise<void> {
  try {
    await running;
  } finally {
    await closeAll();
  }
}
