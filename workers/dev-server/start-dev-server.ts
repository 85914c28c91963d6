import { appendFile, open, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeFolder } from '@retempo/activities/processes';
import { DevServerError, messageOf } from './dev-server-error.js';
import { existingServer } from './existing-server.js';
import { findServerBinary } from './find-server-binary.js';
import type { FindServerBinaryOptions } from './find-server-binary.js';
import { startGuarded } from './guarded-process.js';
import type { GuardedProcess } from './guarded-process.js';
import { freePort, listenerOf, portIsFree } from './processes.js';
import { serverProblem } from './reach-server.js';
import { findDevServer, forgetDevServer, recordDevServer } from './server-record.js';

export interface DevServerOptions extends FindServerBinaryOptions {
  /** The database file and the log lie under `temporal/` in here. A second server on the same folder is refused. */
  readonly stateFolder: string;
  /** Port of the Temporal service on 127.0.0.1; 0 or absent = a free one. */
  readonly port?: number;
  /** Port of the Web UI on 127.0.0.1; 0 or absent = a free one; null = no Web UI. */
  readonly uiPort?: number | null;
  /** Default `default`. */
  readonly namespace?: string;
  /**
   * Use the server that `TEMPORAL_ADDRESS` (and `TEMPORAL_NAMESPACE`) names, when set, instead of starting one. Default
   * false: tests and demos must never touch somebody's server.
   */
  readonly allowExisting?: boolean;
  /** Dynamic configuration of the server, added to the defaults. */
  readonly dynamicConfig?: { readonly [key: string]: string | number | boolean };
  /** How long to wait until the server answers, in milliseconds; default 30 000. */
  readonly startTimeoutMs?: number;
}

/** A Temporal server that runs, started here or named by the environment. */
export interface DevServer {
  /** `127.0.0.1:<port>`, to connect to. */
  readonly address: string;
  /** Address of the Web UI; null when there is none, or when the server was not started here. */
  readonly uiUrl: string | null;
  readonly namespace: string;
  /** Process id of the server; null when it was not started here. */
  readonly pid: number | null;
  /** SQLite file with everything the server knows; null when it was not started here. */
  readonly databaseFile: string | null;
  /** Settles when the server has ended, for whatever reason; never for a server that was not started here. */
  readonly ended: Promise<number | string | null>;
  /** Ends the server (SIGTERM, after 10 s SIGKILL) and waits until it has ended. May be called again. */
  stop(): Promise<void>;
  /** Sends a signal to the server's process and, for SIGKILL and SIGTERM, waits until it has ended. */
  kill(signal: NodeJS.Signals): Promise<void>;
}

const graceMs = 10_000;

/** What the SDK's own test server sets too: no call home, and updates that may be started without waiting. */
const defaultDynamicConfig = {
  'frontend.enableServerVersionCheck': false,
  'frontend.enableUpdateWorkflowExecution': true,
  'frontend.enableUpdateWorkflowExecutionAsyncAccepted': true,
};

/**
 * Starts a real Temporal server on a database file, with the Web UI, on loopback only, and registers the search
 * attributes. Work survives its death: start it again on the same folder. The server ends together with this process,
 * also when this process is killed.
 *
 * Throws {@link DevServerError}; nothing is left running then.
 */
export async function startDevServer(options: DevServerOptions): Promise<DevServer> {
  const environment = options.environment ?? process.env;
  const named = environment['TEMPORAL_ADDRESS'];
  if (options.allowExisting === true && named !== undefined && named !== '') {
    return existingServer(named, options.namespace ?? environment['TEMPORAL_NAMESPACE'] ?? 'default');
  }
  const stateFolder = resolve(options.stateFolder);
  const running = await findDevServer(stateFolder);
  if (running !== null) {
    throw new DevServerError(
      'alreadyRunning',
      `a Temporal dev server already runs on ${stateFolder} (process ${running.pid}, ${running.address}); ` +
        'use it, stop it, or choose another state folder (state: in retempo.yaml)'
    );
  }
  const folder = join(stateFolder, 'temporal');
  try {
    makeFolder(folder);
  } catch (error) {
    throw new DevServerError(
      'stateFolder',
      `the state folder ${stateFolder} cannot be used (${messageOf(error)}); choose a folder that can be written (state: in retempo.yaml)`
    );
  }
  const binary = await findServerBinary(options);
  // A port chosen here may be taken before the server binds it; a port that was asked for is never exchanged.
  const mayChoose = (options.port ?? 0) === 0 || options.uiPort === undefined || options.uiPort === 0;
  for (let triesLeft = mayChoose ? 3 : 1; ; triesLeft--) {
    try {
      return await startOnce({ options, stateFolder, folder, program: binary.path });
    } catch (error) {
      if (!(error instanceof PortLost) || triesLeft <= 1) throw error;
    }
  }
}

/** Somebody else has taken a port between the choice and the start. */
class PortLost extends DevServerError {}

async function startOnce(input: {
  readonly options: DevServerOptions;
  readonly stateFolder: string;
  readonly folder: string;
  readonly program: string;
}): Promise<DevServer> {
  const { options, stateFolder, folder } = input;
  const namespace = options.namespace ?? 'default';
  const port = await choosePort(options.port, 'port');
  const uiPort = options.uiPort === null ? null : await choosePort(options.uiPort, 'uiPort');
  const address = `127.0.0.1:${port}`;
  const uiUrl = uiPort === null ? null : `http://127.0.0.1:${uiPort}`;
  const databaseFile = join(folder, 'temporal.db');
  const logFile = join(folder, 'server.log');
  const logStart = await stat(logFile).then(
    (found) => found.size,
    () => 0
  );
  await appendFile(logFile, '').catch((error: unknown) => {
    throw new DevServerError(
      'stateFolder',
      `the log ${logFile} cannot be written (${messageOf(error)}); make it writable, or choose another state folder (state: in retempo.yaml)`
    );
  });
  const server = await startGuarded({
    program: input.program,
    arguments: serverArguments({ port, uiPort, namespace, databaseFile, dynamicConfig: options.dynamicConfig ?? {} }),
    logFile,
    graceMs,
  }).catch((error: unknown) => {
    throw new DevServerError(
      'diedAtStart',
      `${input.program} could not be started (${messageOf(error)}); set TEMPORAL_CLI to a Temporal CLI that runs here`
    );
  });
  try {
    await ready({
      server,
      address,
      namespace,
      databaseFile,
      logFile,
      logStart,
      timeoutMs: options.startTimeoutMs ?? 30_000,
    });
    await recordDevServer(stateFolder, { address, uiUrl, namespace, pid: server.pid, databaseFile });
  } catch (error) {
    await server.stop();
    throw error;
  }
  return {
    address,
    uiUrl,
    namespace,
    pid: server.pid,
    databaseFile,
    ended: server.ended,
    async stop() {
      await server.stop();
      await forgetDevServer(stateFolder, server.pid);
    },
    async kill(signal) {
      server.signal(signal);
      if (signal === 'SIGKILL' || signal === 'SIGTERM') await server.stop();
    },
  };
}

function serverArguments(input: {
  readonly port: number;
  readonly uiPort: number | null;
  readonly namespace: string;
  readonly databaseFile: string;
  readonly dynamicConfig: { readonly [key: string]: string | number | boolean };
}): readonly string[] {
  const ui =
    input.uiPort === null
      ? ['--headless']
      : ['--ui-ip', '127.0.0.1', '--ui-port', String(input.uiPort), '--ui-disable-news-fetch'];
  const dynamic = Object.entries({ ...defaultDynamicConfig, ...input.dynamicConfig });
  const flags: Record<string, string> = {
    '--ip': '127.0.0.1',
    '--port': String(input.port),
    '--namespace': input.namespace,
    '--db-filename': input.databaseFile,
    '--log-format': 'json',
    '--log-level': 'warn',
  };
  return [
    'server',
    'start-dev',
    ...Object.entries(flags).flat(),
    ...ui,
    ...dynamic.flatMap(([key, value]) => ['--dynamic-config-value', `${key}=${JSON.stringify(value)}`]),
  ];
}

async function choosePort(wanted: number | undefined, option: 'port' | 'uiPort'): Promise<number> {
  if (wanted === undefined || wanted === 0) return freePort();
  if (await portIsFree(wanted)) return wanted;
  const by = await listenerOf(wanted);
  throw new DevServerError(
    'portInUse',
    `port 127.0.0.1:${wanted} is in use${by === null ? '' : ` by ${by}`}; stop that process, ` +
      `or choose another port with the option ${option} (${option === 'port' ? '--port' : '--ui-port'} of retempo dev; 0 = any free one)`
  );
}

/** Waits until the server answers for the namespace and has its search attributes. */
async function ready(input: {
  readonly server: GuardedProcess;
  readonly address: string;
  readonly namespace: string;
  readonly databaseFile: string;
  readonly logFile: string;
  readonly logStart: number;
  readonly timeoutMs: number;
}): Promise<void> {
  const { server, address, namespace } = input;
  const until = Date.now() + input.timeoutMs;
  for (;;) {
    const problem = await serverProblem(address, namespace, true);
    if (problem === null && server.isRunning()) return;
    if (!server.isRunning()) {
      const said = await saidSince(input);
      const Failure = /address already in use/.test(said) ? PortLost : DevServerError;
      throw new Failure(
        'diedAtStart',
        `the Temporal server ended at start (${String(await server.ended)}): ${shortened(said)}\n` +
          `The whole log is in ${input.logFile}. ${nextStepAfterDeath(input.databaseFile)}`
      );
    }
    if (Date.now() > until) {
      throw new DevServerError(
        'noAnswer',
        `the Temporal server did not answer at ${address} within ${input.timeoutMs} ms (${problem}): ` +
          `${shortened(await saidSince(input))}\nThe whole log is in ${input.logFile}. Try again; on a busy machine give it more time (startTimeoutMs)`
      );
    }
    await Promise.race([sleep(50), server.ended]);
  }
}

/** What a person can do when the log does not say it: most often the file is of another version, or damaged. */
const nextStepAfterDeath = (databaseFile: string): string =>
  `Mend what it says, then try again; if the database file cannot be read, move ${databaseFile} away (what the server knew goes ` +
  'with it; artifacts and the registry stay) and: retempo apply';

/** What the server has written since this start, at most its last MiB. */
async function saidSince(input: { readonly logFile: string; readonly logStart: number }): Promise<string> {
  const file = await open(input.logFile, 'r').catch(() => null);
  if (file === null) return '';
  try {
    const { size } = await file.stat();
    const from = Math.max(input.logStart, size - 2 ** 20);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2 ** 20), 0, 2 ** 20, from);
    return buffer.toString('utf8', 0, bytesRead).trim();
  } finally {
    await file.close();
  }
}

/** The beginning names the cause, also when a page of a stack trace follows; the end says what became of it. */
function shortened(said: string): string {
  if (said === '') return 'it wrote nothing';
  return said.length <= 2_048 ? said : `${said.slice(0, 1_024)}\n...\n${said.slice(-1_024)}`;
}
