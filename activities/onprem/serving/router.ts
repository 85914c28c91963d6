import { randomBytes } from 'node:crypto';
import { readJson, replaceJson } from '../jobs/atomic-file.js';
import { takeClaim } from '../jobs/claim.js';
import { isAlive, ownIdentity, type ProcessIdentity, signalProcess } from '@retempo/activities/processes';
import { openAdmin } from './admin.js';
import { openControl } from './control.js';
import { openCounters } from './counters.js';
import { openFleet } from './fleet.js';
import { defaultFrontLimits, openFront } from './front.js';
import { endpointDefaults, lifeOf, routerFiles, type RouterConfig, type RouterProcess } from './layout.js';
import { openRequestLog } from './request-log.js';
import { createRoutes } from './routes.js';
import { openTraffic } from './traffic.js';
import { openUnitCounts } from './unit-counts.js';

const countersEveryMs = 1_000;
const leaseEveryMs = 100;

export interface Router {
  readonly dataPort: number;
  readonly adminPort: number;
  /** Finishes what is on the way, writes everything and ends the model servers. */
  stop(): Promise<void>;
}

/** Thrown when another router already runs on the state folder. */
export class AlreadyRunning extends Error {
  override readonly name = 'AlreadyRunning';
}

// A fixed port is taken or fails; a free one is kept over restarts when it can be had again.
async function openOnPort<T>(
  wanted: number,
  before: number | undefined,
  open: (port: number) => Promise<T>
): Promise<T> {
  if (wanted !== 0) return open(wanted);
  return open(before ?? 0).catch(() => open(0));
}

/**
 * Runs the router of one endpoint in this process: claims the state folder, takes over what it holds, opens both ports.
 *
 * @param after the router that was the last one when this one was wanted ({@link lifeOf}): one that was slow to start and finds
 * that another has run since must not come up after that one was stopped in order.
 * @throws AlreadyRunning when another router holds the folder, or has held it since.
 */
export async function startRouter(folder: string, after: string, log: (message: string) => void): Promise<Router> {
  const files = routerFiles(folder);
  const config = readJson(files.config) as RouterConfig | null;
  if (config === null) throw new Error(`${files.config} is missing: a router is started by its site, which writes it`);
  const { endpoint, stickiness, requestTimeoutMs, ...wanted } = { ...endpointDefaults, ...config };
  const own = ownIdentity();
  const hasRunSince = () => lifeOf(readJson(files.process) as RouterProcess | null) !== after;
  // One that comes too late leaves nothing in a folder that may be removed already; what counts is how it is behind the claim.
  if (hasRunSince() || !takeClaim<ProcessIdentity>(files.claim, own, (holder) => !isAlive(holder))) {
    throw new AlreadyRunning(`another router already runs on ${folder}`);
  }
  if (hasRunSince()) throw new AlreadyRunning(`another router has run on ${folder}`);
  const before = readJson(files.process) as RouterProcess | null;
  // Servers of a dead router end by themselves, except those that hang.
  for (const server of before?.servers ?? []) signalProcess(server, 'SIGKILL');

  let problem: string | null = null;
  const onProblem = (message: string): void => {
    log(message);
    problem = message;
  };
  const limits = defaultFrontLimits;
  const token = before?.token ?? randomBytes(24).toString('hex');
  let ports: { readonly dataPort: number; readonly adminPort: number } | undefined;
  let stopped = false;

  const counters = openCounters(files.counters);
  const units = openUnitCounts(files.units);
  const requestLog = openRequestLog(files.requestLog, {
    rotateBytes: wanted.logRotateBytes,
    keepBytes: wanted.logKeepBytes,
    onProblem,
  });
  // The file exists before anyone looks for it: a glob without a match is an error to DuckDB.
  await requestLog.flush();

  const writeProcess = (): void => {
    if (ports === undefined) return;
    const stored: RouterProcess = { v: 1, process: own, ...ports, token, stopped, servers: fleet.identities() };
    replaceJson(files.process, stored);
  };
  const fleet = openFleet({
    endpoint,
    files,
    maxBodyBytes: limits.maxBodyBytes,
    onProblem,
    onChange: () => {
      try {
        writeProcess();
      } catch (error) {
        onProblem(`${files.process}: ${(error as Error).message}`);
      }
    },
  });
  const traffic = openTraffic({
    endpoint,
    stickiness,
    requestTimeoutMs,
    counters,
    units,
    log: requestLog,
    upstreamOf: (version) => fleet.upstreamOf(version),
    beforePick: (nowMs) => control.checkLease(nowMs),
  });
  const control = openControl({
    endpoint,
    files,
    fleet,
    counters,
    requestLog,
    traffic,
    units: stickiness === undefined ? null : units,
    problem: () => problem,
    onProblem,
  });

  const timers = [
    setInterval(() => {
      for (const counts of [counters, units])
        counts.flush().catch((error: unknown) => onProblem(`counters: ${String(error)}`));
    }, countersEveryMs),
    setInterval(() => control.checkLease(Date.now()), leaseEveryMs),
  ];
  const handle = createRoutes({
    endpoint,
    describe: () => control.describe(),
    metadataOf: (version) => fleet.metadataOf(version),
    infer: (head, body, respond) => traffic.infer(head, body, respond),
  });
  const wantedHeader = stickiness !== undefined && 'header' in stickiness ? stickiness.header.toLowerCase() : undefined;
  const front = await openOnPort(wanted.dataPort, before?.dataPort, (port) =>
    openFront({ port, wantedHeader, limits, handle })
  );
  const admin = await openOnPort(wanted.adminPort, before?.adminPort, (port) => openAdmin({ port, token, control }));
  ports = { dataPort: front.port, adminPort: admin.port };
  writeProcess();

  return {
    ...ports,
    stop: async () => {
      await front.drain(requestTimeoutMs + 1_000);
      await admin.close();
      for (const timer of timers) clearInterval(timer);
      await Promise.allSettled([counters.flush(), units.flush(), requestLog.close()]);
      await fleet.stop();
      stopped = true;
      writeProcess();
    },
  };
}
