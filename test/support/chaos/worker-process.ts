import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { repositoryRoot } from '../repository.js';

/** One call of a port or an activity, at which a worker process is struck. */
export interface Point {
  /** `jobs.create`, `serving.setTraffic`, `registry.setAlias`, `activity.awaitJob`, ... */
  readonly call: string;
  /** Which call of that name since the arming, from 1. */
  readonly nth: number;
  /** `after`: the call was made and its answer is lost. */
  readonly when: 'before' | 'after';
}

/** A worker in a process of its own. */
export interface WorkerProcess {
  readonly pid: number;
  /** Resolves to exit code or signal. */
  readonly ended: Promise<number | string>;
  hasEnded(): boolean;
  /** True when it died at the point it was armed for, and not because a test ended it. */
  hasStruck(): boolean;
  readonly sabotage: WorkerOptions['sabotage'];
  readonly only: WorkerOptions['only'];
  /** Strikes the worker at this point; counting begins now. `hold` keeps the call waiting until `release`. */
  arm(point: Point, how?: 'SIGKILL' | 'SIGSTOP' | 'hold'): Promise<void>;
  /** Resolves when a call is held. */
  held(): Promise<void>;
  release(): void;
  /** Resolves when the worker goes on after it was stopped at its point. */
  woken(): Promise<void>;
  /** How often everything was called since the last arming. */
  counts(): Promise<{ readonly [call: string]: number }>;
  kill(signal: NodeJS.Signals): void;
  /** Kills it and waits for its end; does nothing when it has ended. */
  end(): Promise<void>;
}

export interface WorkerOptions {
  readonly folder: string;
  readonly address: string;
  /** File with the bundled workflows. */
  readonly bundle: string;
  /** Regular expression of the queues to serve; default all. */
  readonly only?: string;
  /** A protection to take away, see `worker-main.mjs`. */
  readonly sabotage?: 'randomJobKey' | 'noDeadline' | 'noFence';
  readonly log: string;
}

const program = fileURLToPath(new URL('./worker-main.mjs', import.meta.url));

/** Nothing of the caller's environment names a server. */
const cleanEnv = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(?:TEMPORAL_|RETEMPO_|NODE_OPTIONS|VITEST)/.test(name))
);

/** Starts `worker-main.mjs` and waits until it serves its queues. */
export async function startWorkerProcess(options: WorkerOptions): Promise<WorkerProcess> {
  const { log, ...settings } = options;
  const child = spawn(process.execPath, [program], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...cleanEnv, CHAOS_WORKER: JSON.stringify(settings) },
  });
  let over = false;
  /** Ended by a test, not by its own strike. */
  let endedByTest = false;
  const ended = new Promise<number | string>((resolve) => {
    child.once('exit', (code, signal) => {
      over = true;
      resolve(signal ?? code ?? 'unknown');
    });
  });
  child.stdin.on('error', () => undefined);
  child.stderr.on('data', (chunk: Buffer) => appendFileSync(log, chunk));
  const waiting = new Set<(message: { readonly [key: string]: unknown }) => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    appendFileSync(log, `${new Date().toISOString()} ${child.pid} ${line}\n`);
    if (!line.startsWith('{')) return;
    const message = JSON.parse(line) as { readonly [key: string]: unknown };
    for (const hear of waiting) hear(message);
  });
  /** The first message with this key; fails when the process ends before. */
  const hear = (key: string): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const listener = (message: { readonly [key: string]: unknown }): void => {
        if (!(key in message)) return;
        waiting.delete(listener);
        resolve(message[key]);
      };
      waiting.add(listener);
      void ended.then((how) => reject(new Error(`the worker ended (${how}) before it said "${key}"; see ${log}`)));
    });
  const tell = (message: object): void => void child.stdin.write(`${JSON.stringify(message)}\n`);

  await hear('ready');
  return {
    pid: child.pid as number,
    ended,
    hasEnded: () => over,
    hasStruck: () => over && !endedByTest,
    sabotage: options.sabotage,
    only: options.only,
    async arm(point, how = 'SIGKILL') {
      const answer = hear('armed');
      tell({ arm: { ...point, how } });
      await answer;
    },
    held: async () => void (await hear('held')),
    release: () => tell({ release: true }),
    woken: async () => void (await hear('woken')),
    async counts() {
      const answer = hear('counts');
      tell({ counts: true });
      return (await answer) as { readonly [call: string]: number };
    },
    kill(signal) {
      endedByTest ||= signal === 'SIGKILL' || signal === 'SIGTERM';
      child.kill(signal);
    },
    async end() {
      if (over) return;
      endedByTest = true;
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** The real command, `retempo worker`, for what a person stops with SIGTERM. */
export async function startCommandWorker(options: {
  readonly folder: string;
  readonly address: string;
  readonly log: string;
}): Promise<{ readonly pid: number; readonly ended: Promise<number | string>; kill(signal: NodeJS.Signals): void }> {
  const bin = fileURLToPath(new URL('cli/dist/bin.js', repositoryRoot));
  const child = spawn(
    process.execPath,
    [bin, 'worker', '--project', options.folder, '--address', options.address, '--json'],
    { stdio: ['ignore', 'pipe', 'pipe'], env: cleanEnv }
  );
  const ended = new Promise<number | string>((resolve) =>
    child.once('exit', (code, signal) => resolve(signal ?? code ?? 'unknown'))
  );
  child.stderr.on('data', (chunk: Buffer) => appendFileSync(options.log, chunk));
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      appendFileSync(options.log, chunk);
      if (chunk.toString().includes('"queues"')) resolve();
    });
    void ended.then((how) => reject(new Error(`retempo worker ended with ${how}; see ${options.log}`)));
  });
  return { pid: child.pid as number, ended, kill: (signal) => void child.kill(signal) };
}
