import { spawn } from 'node:child_process';
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { type Call, isPortError, PortError } from '@retempo/activities/ports';
import { readJson, replaceJson } from '../jobs/atomic-file.js';
import { isAlive, signalProcess } from '@retempo/activities/processes';
import { type AdminRequest, callRouter } from './admin-client.js';
import {
  alreadyRunningExitCode,
  lifeOf,
  programPath,
  type RouterConfig,
  type RouterFiles,
  type RouterProcess,
} from './layout.js';

// Finding, starting and ending the router process of an endpoint. Any worker may do it at any time: the process is found by pid and
// start time in its state folder, and a second one on the same folder ends by itself.

const startWithinMs = 20_000;
const pollEveryMs = 25;

const sleep = (milliseconds: number) =>
  new Promise<void>((resolve) => {
    setTimeout(resolve, milliseconds);
  });

/** The last router of a state folder as it told of itself, or null when none has ever run. */
function lastRouter(files: RouterFiles): RouterProcess | null {
  try {
    return readJson(files.process) as RouterProcess | null;
  } catch (error) {
    throw new PortError(
      'ServiceFault',
      `which router runs is not known: ${(error as Error).message}; end the one on ${files.folder} if there is one, remove the file and repeat the call: what serves is kept in other files`,
      { cause: error }
    );
  }
}

/** The router that runs on a state folder, or undefined when none does. */
export function runningRouter(files: RouterFiles): RouterProcess | undefined {
  const found = lastRouter(files);
  return found !== null && !found.stopped && isAlive(found.process) ? found : undefined;
}

/** True when the router of this folder died; false while it runs, was stopped in order, or never ran. */
export function hasDied(files: RouterFiles): boolean {
  const found = lastRouter(files);
  return found !== null && !found.stopped && !isAlive(found.process);
}

/** A router process that was started here. */
interface Started {
  /** Set once it has ended. */
  ended?: { readonly code: number | null; readonly how: string };
  /** How long its log was before: what stands there is of other routers. */
  readonly logBytes: number;
}

function start(files: RouterFiles, after: string): Started {
  const log = openSync(files.routerLog, 'a', 0o600);
  try {
    const started: Started = { logBytes: fstatSync(log).size };
    const child = spawn(process.execPath, [programPath('router-main'), `--state=${files.folder}`, `--after=${after}`], {
      detached: true,
      stdio: ['ignore', log, log],
    });
    child.on('error', ({ message }) => (started.ended = { code: null, how: message }));
    child.on(
      'exit',
      (code, signal) => (started.ended = { code, how: `it ended with ${signal ?? `exit code ${code}`}` })
    );
    child.unref();
    return started;
  } finally {
    closeSync(log);
  }
}

/** Why a router ended that did not come up: what it wrote to its log, and how it ended if that is nothing. */
function reasonOf({ ended, logBytes }: Started, log: string): string {
  const text = existsSync(log) ? readFileSync(log).subarray(logBytes).toString('utf8').trimEnd() : '';
  return text === '' ? `${ended?.how}, without a word in ${log}` : text.split('\n').slice(-2).join(' | ').slice(-1_000);
}

/**
 * The running router of an endpoint, started when there is none.
 *
 * @throws PortError class `ServiceFault` when it does not start, with the reason from its log.
 */
export async function ensureRouterProcess(
  files: RouterFiles,
  config: RouterConfig,
  call: Call
): Promise<RouterProcess> {
  const untilMs = Math.min(call.deadlineMs, Date.now() + startWithinMs);
  for (;;) {
    const running = runningRouter(files);
    if (running !== undefined) return running;
    const after = lifeOf(lastRouter(files));
    mkdirSync(files.logs, { recursive: true, mode: 0o700 });
    replaceJson(files.config, config);
    const started = start(files, after);
    while (started.ended === undefined) {
      const up = runningRouter(files);
      if (up !== undefined) return up;
      if (call.signal.aborted)
        throw new PortError(
          'Cancelled',
          `the caller no longer waits for the router of ${config.endpoint}; repeat the call if it is still wanted`
        );
      if (Date.now() > untilMs) {
        throw new PortError(
          'ServiceFault',
          `the router of ${config.endpoint} did not start in time; see ${files.routerLog}`
        );
      }
      await sleep(pollEveryMs);
    }
    // Somebody else's router was faster, or it cannot run here.
    if (started.ended.code !== alreadyRunningExitCode) {
      throw new PortError(
        'ServiceFault',
        `the router of ${config.endpoint} cannot run: ${reasonOf(started, files.routerLog)}; correct that, then repeat the call`
      );
    }
    await sleep(pollEveryMs);
  }
}

/** Ends the router of a folder in order (requests on the way are answered), by force when it does not end within `graceMs`. */
export async function stopRouterProcess(files: RouterFiles, graceMs: number): Promise<void> {
  const running = runningRouter(files);
  if (running === undefined) {
    markStopped(files);
    return;
  }
  signalProcess(running.process, 'SIGTERM');
  const untilMs = Date.now() + graceMs;
  while (isAlive(running.process) && Date.now() < untilMs) await sleep(pollEveryMs);
  if (isAlive(running.process)) {
    signalProcess(running.process, 'SIGKILL');
    for (const server of running.servers) signalProcess(server, 'SIGKILL');
    // Marked as stopped only when it is dead: before, whoever watches would take it for one that died and start it again.
    await hasEnded(running, killedWithinMs);
  }
  markStopped(files);
}

/** A router that could not say itself that it stopped was stopped all the same: nobody brings it back. */
function markStopped(files: RouterFiles): void {
  const last = lastRouter(files);
  if (last === null || last.stopped || isAlive(last.process)) return;
  replaceJson(files.process, { ...last, stopped: true } satisfies RouterProcess);
}

const dyingWithinMs = 500;
const killedWithinMs = 10_000;
const maxAttempts = 3;

async function hasEnded(router: RouterProcess, withinMs: number): Promise<boolean> {
  const untilMs = Date.now() + withinMs;
  while (isAlive(router.process)) {
    if (Date.now() > untilMs) return false;
    await sleep(pollEveryMs);
  }
  return true;
}

/**
 * One call to the router of an endpoint. A router that turns out to be dead is started and asked again, unless the call may have
 * changed something before it died.
 */
export async function askRouter(
  files: RouterFiles,
  config: RouterConfig,
  what: AdminRequest,
  call: Call
): Promise<unknown> {
  for (let attempt = 1; ; attempt++) {
    const router = await ensureRouterProcess(files, config, call);
    try {
      return await callRouter(router, what, call);
    } catch (error) {
      // `ServiceFault` of a change means that it never reached the router.
      const isFault = isPortError(error) && error.class === 'ServiceFault';
      if (!isFault || attempt === maxAttempts || !(await hasEnded(router, dyingWithinMs))) throw error;
    }
  }
}
