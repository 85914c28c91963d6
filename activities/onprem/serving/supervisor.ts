import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, statSync, truncateSync } from 'node:fs';
import { get } from 'node:http';
import type { ModelServerMessage } from './model-server-main.js';
import { identityOf, type ProcessIdentity } from '@retempo/activities/processes';
import { openUpstream, type Upstream } from './upstream.js';

// Keeps one model server running: starts it, asks for its health, ends it when it hangs, starts it again with growing pauses. The
// server is a child with a process channel and ends by itself when the router is gone. One that answers requests does not hang,
// however long its health has to wait behind them: to end it would turn slow answers into none.

const startTimeoutMs = 60_000;
const healthEveryMs = 1_000;
const healthTimeoutMs = 2_000;
const healthStrikes = 3;
const firstPauseMs = 100;
const longestPauseMs = 30_000;
const stableAfterMs = 60_000;
/** Looked at when a server starts and with its health: what it writes in between comes on top. */
const maxServerLogBytes = 4 * 1024 * 1024;

export interface ModelServerMetadata {
  readonly inputs: readonly unknown[];
  readonly outputs: readonly unknown[];
}

export interface SupervisedServer {
  /** Connections to the running server; undefined while there is none. */
  upstream(): Upstream | undefined;
  isReady(): boolean;
  /** Why it is not ready, in one sentence. */
  problem(): string | undefined;
  identity(): ProcessIdentity | undefined;
  metadata(): ModelServerMetadata | undefined;
  /** Ends the server for good. Requests without an outcome are broken off: drain before. */
  stop(): Promise<void>;
}

function getJson(port: number, path: string, timeoutMs: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path, agent: false, timeout: timeoutMs }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode !== 200) return reject(new Error(`status ${response.statusCode}`));
        try {
          resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')));
        } catch (error) {
          reject(error);
        }
      });
    });
    request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    request.on('error', reject);
  });
}

const pause = (milliseconds: number) =>
  new Promise<void>((resolve) => {
    setTimeout(resolve, milliseconds).unref();
  });

const isRunning = (child: ChildProcess) => child.exitCode === null && child.signalCode === null;

/** Starts a model server and keeps it running until {@link SupervisedServer.stop}. */
export function superviseModelServer(options: {
  readonly program: string;
  readonly arguments: readonly string[];
  /** Path of the metadata of the model. */
  readonly metadataPath: string;
  readonly logFile: string;
  readonly maxBodyBytes: number;
  /** Called when the process has come or gone. */
  readonly onChange: () => void;
  readonly log: (message: string) => void;
}): SupervisedServer {
  let child: ChildProcess | undefined;
  let identity: ProcessIdentity | undefined;
  let upstream: Upstream | undefined;
  let metadata: ModelServerMetadata | undefined;
  let problem: string | undefined = 'the model server is starting';
  let stopping = false;
  let pauseMs = firstPauseMs;
  const isStopping = () => stopping;

  // A log that is too large begins anew. The server appends to it, so that its next line is the first one then.
  function boundLog(): void {
    const size = statSync(options.logFile, { throwIfNoEntry: false })?.size ?? 0;
    if (size > maxServerLogBytes) truncateSync(options.logFile);
  }

  function start(): ChildProcess {
    boundLog();
    const log = openSync(options.logFile, 'a');
    try {
      return spawn(process.execPath, [options.program, ...options.arguments], { stdio: ['ignore', log, log, 'ipc'] });
    } finally {
      closeSync(log);
    }
  }

  const cannotStart = (error: unknown): string =>
    `the model server cannot be started (${(error as Error).message}); look at processes, files and memory of the machine`;

  // Watches one life of the server; resolves with the reason of its end.
  async function live(): Promise<string> {
    let started: ChildProcess;
    try {
      started = start();
    } catch (error) {
      return cannotStart(error);
    }
    child = started;
    identity = started.pid === undefined ? undefined : (identityOf(started.pid) ?? undefined);
    options.onChange();
    let said: string | undefined;
    const ended = new Promise<string>((resolve) => {
      started.on('error', (error) => resolve(cannotStart(error)));
      started.on('exit', (code, signal) => {
        resolve(said ?? `the model server ended (${signal ?? `exit code ${code}`}), see ${options.logFile}`);
      });
    });
    const listening = new Promise<number>((resolve) => {
      started.on('message', (message: ModelServerMessage) => {
        if ('port' in message) resolve(message.port);
        else said = message.problem;
      });
    });
    const outcome = await Promise.race([
      listening,
      ended,
      pause(startTimeoutMs).then(
        () =>
          `the model server did not start within ${startTimeoutMs / 1000} s and is started again; see ${options.logFile}`
      ),
    ]);
    if (typeof outcome === 'string') return outcome;
    return Promise.race([ended, watchHealth(started, outcome)]);
  }

  async function watchHealth(started: ChildProcess, port: number): Promise<string> {
    let strikes = 0;
    let answered = 0;
    for (;;) {
      try {
        boundLog();
      } catch {
        // No reason to end a server that serves: the next start tells what is wrong with the log.
      }
      try {
        if (metadata === undefined)
          metadata = (await getJson(port, options.metadataPath, healthTimeoutMs)) as ModelServerMetadata;
        else await getJson(port, '/v2/health/ready', healthTimeoutMs);
        strikes = 0;
        if (upstream === undefined && !stopping && isRunning(started)) {
          upstream = openUpstream({ port, maxBodyBytes: options.maxBodyBytes });
          problem = undefined;
        }
      } catch (error) {
        const before = answered;
        answered = upstream?.answered() ?? 0;
        strikes = answered > before ? 0 : strikes + 1;
        if (strikes >= healthStrikes)
          return `the model server hangs (${(error as Error).message}) and is started again; see ${options.logFile}`;
      }
      await pause(healthEveryMs);
      if (!isRunning(started)) return `the model server ended and is started again; see ${options.logFile}`;
    }
  }

  async function supervise(): Promise<void> {
    for (;;) {
      const sinceMs = Date.now();
      const reason = await live();
      child?.kill('SIGKILL');
      child = undefined;
      identity = undefined;
      upstream?.close();
      upstream = undefined;
      if (isStopping()) return;
      problem = reason;
      options.log(reason);
      options.onChange();
      pauseMs = Date.now() - sinceMs > stableAfterMs ? firstPauseMs : Math.min(longestPauseMs, pauseMs * 2);
      await pause(pauseMs);
      if (isStopping()) return;
    }
  }
  const supervised = supervise();
  supervised.catch((error: unknown) => options.log(`supervisor: ${String(error)}`));

  return {
    upstream: () => upstream,
    isReady: () => upstream !== undefined,
    problem: () => problem,
    identity: () => identity,
    metadata: () => metadata,
    stop: async () => {
      stopping = true;
      problem = 'the version is being retired; deploy it again when it is gone';
      upstream?.close();
      upstream = undefined;
      const running = child;
      if (running === undefined) return;
      await new Promise<void>((resolve) => {
        running.on('exit', () => resolve());
        // One that could not be started has no end.
        running.on('error', () => resolve());
        // Without a process the signal would reach the whole group of this one.
        if (running.pid !== undefined) running.kill('SIGKILL');
      });
    },
  };
}
