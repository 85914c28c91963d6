import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { JobIntent, JobOutcome } from '@retempo/workflows/contracts';
import { afterAll } from 'vitest';
import { jobMarker, jobPaths, readState, type StateRecord, type SupervisorOrder } from './layout.js';
import { processesOf } from './job-processes.js';

// Real supervisors of real programs, each a process of its own, in a site of the test file that imports this.

const entry = fileURLToPath(new URL('../dist/jobs/supervisor-main.js', import.meta.url));
const killer = fileURLToPath(new URL('../../../test/support/kill-at-call.mjs', import.meta.url));

/** Folder of the site. */
export const root = mkdtempSync(`${tmpdir()}/retempo-supervisor-`);
afterAll(() => {
  // A test that failed may have left programs behind.
  for (let job = 1; job <= jobs; job += 1) {
    for (const { pid } of processesOf(jobMarker(root, keyOf(job)), null)) process.kill(pid, 'SIGKILL');
  }
  rmSync(root, { recursive: true, force: true });
});

let jobs = 0;
const keyOf = (job: number): string => job.toString(16).padStart(64, '0');

/** Folder of a new job whose program notes its start, and ends well after a moment, or does what `body` says. */
export function newJob(
  options: { readonly site?: string; readonly key?: string; readonly ms?: number; readonly body?: string } = {}
): string {
  jobs += 1;
  const { site = root, key = keyOf(jobs), ms = 150 } = options;
  const { body = `setTimeout(() => {}, ${ms})` } = options;
  const paths = jobPaths(site, key);
  mkdirSync(paths.folder, { recursive: true });
  const script = `require('fs').appendFileSync(${JSON.stringify(`${site}/${key}.starts`)}, 's'); ${body}`;
  const intent: JobIntent = {
    key,
    releaseId: 'release',
    step: 'train',
    attempt: 1,
    specDigest: 'digest',
    owner: 'owner',
    spec: {
      program: { command: [process.execPath, '-e', script] },
      inputs: {},
      parameters: {},
      capacity: 'onDemand',
      timeoutMs: 60_000,
    },
  };
  const createdAt = new Date().toISOString();
  writeFileSync(paths.record, JSON.stringify({ v: 1, intent, pool: 'cpu', createdAt }));
  return key;
}

export function orderFor(key: string, slots: number, site = root, refusal: JobOutcome | null = null): string {
  const order: SupervisorOrder = {
    v: 1,
    root: site,
    key,
    slots,
    stopGraceMs: 1000,
    logBytes: 100_000,
    env: {},
    folders: { code: null, checkpoint: null, inputs: {} },
    refusal,
  };
  return `${JSON.stringify(order)}\n`;
}

/** Starts a supervisor; `killAt` = the changing call before which it is killed, 0 = never. */
export function startSupervisor(text: string, killAt = 0, preload = killer): ChildProcess {
  const child = spawn(process.execPath, ['--import', preload, entry], {
    env: { PATH: process.env['PATH'], KILL_AT: String(killAt) },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.stdin.end(text);
  return child;
}

/** Starts a supervisor in which `script` has replaced functions of `fs`, `childProcess` or `performance`. */
export function startWith(script: string, text: string): ChildProcess {
  const preload = `
    import fs from 'node:fs';
    import childProcess from 'node:child_process';
    import { syncBuiltinESMExports } from 'node:module';
    import { performance } from 'node:perf_hooks';
    ${script}
    syncBuiltinESMExports();`;
  return startSupervisor(text, 0, `data:text/javascript,${encodeURIComponent(preload)}`);
}

/** Puts a state in place, as a supervisor left it that was killed then. */
export const leave = (key: string, state: StateRecord): void =>
  writeFileSync(jobPaths(root, key).state, JSON.stringify(state));

/** A process that carries the marker of a job, as the one of a job does that nobody has written down. */
export const startMarked = (key: string, detached: boolean): ChildProcess =>
  spawn(process.execPath, ['-e', 'setTimeout(() => {}, 600000)'], {
    env: { RETEMPO_JOB_FOLDER: jobPaths(root, key).folder },
    stdio: 'ignore',
    detached,
  });

/** The program of a job once its supervisor has written down which it is, null when it does not know. */
export async function programOf(key: string): Promise<number | null> {
  for (;;) {
    const state = readState(jobPaths(root, key));
    if (state?.phase === 'running') return state.program?.pid ?? null;
    if (state?.phase === 'ended') throw new Error(`ended: ${state.outcome.message}`);
    await sleep(10);
  }
}

export const endOf = (child: ChildProcess): Promise<NodeJS.Signals | number | null> =>
  new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? code));
  });

export const runSupervisor = (key: string, killAt: number) => endOf(startSupervisor(orderFor(key, 2), killAt));

export const startsOf = (key: string): number => {
  const path = `${root}/${key}.starts`;
  return existsSync(path) ? readFileSync(path, 'utf8').length : 0;
};

export const outcomeOf = (key: string): JobOutcome | null => {
  const state = readState(jobPaths(root, key));
  return state?.phase === 'ended' ? state.outcome : null;
};
