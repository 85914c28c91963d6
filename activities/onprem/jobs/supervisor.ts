import { performance } from 'node:perf_hooks';
import type { ErrorClass, JobOutcome } from '@retempo/workflows/contracts';
import { errorCode, readJson } from './atomic-file.js';
import { takeClaim } from './claim.js';
import { openLedger, type Ledger } from './ledger.js';
import {
  jobMarker,
  jobPaths,
  readRecord,
  readState,
  type JobPaths,
  type JobRecord,
  type SupervisorOrder,
} from './layout.js';
import { logTail, rotateLog } from './log.js';
import { messageWithTail, outcomeOf, type EndCause, type EndOfProgram } from './outcome.js';
import { requestSlot } from './pool.js';
import { ageMs, identityOf, isAlive, ownIdentity, type ProcessIdentity } from '@retempo/activities/processes';
import { processesOf } from './job-processes.js';
import { adopt, launch, type RunningProgram } from './program.js';
import { clearWorkspace, minimalEnvironment, prepareWorkspace, programEnvironment } from './workspace.js';

const tickMs = 100;
const leftoverGraceMs = 2000;
const tailBytes = 1800;
/** Between fork and exec a process does not yet show its own environment: how many times to look for it, a tick apart. */
const settleLooks = 6;

/** Holder of a job's supervisor claim. */
export interface SupervisorHolder {
  readonly v: 1;
  readonly process: ProcessIdentity;
}

interface Supervision {
  readonly order: SupervisorOrder;
  readonly record: JobRecord;
  readonly paths: JobPaths;
  readonly ledger: Ledger;
  readonly marker: string;
  /** True once the machine has asked this process to end. */
  isInterrupted(): boolean;
  /** Waits for one tick, or less when something has happened. */
  readonly tick: () => Promise<void>;
  readonly wake: () => void;
}

function alarmClock(): { readonly wake: () => void; readonly tick: () => Promise<void> } {
  let ring = (): void => undefined;
  return {
    wake: () => ring(),
    tick: () =>
      new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, tickMs);
        ring = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
  };
}

const isStopRequested = (paths: JobPaths): boolean => readJson(paths.stop) !== null;

async function end(job: Supervision, outcome: JobOutcome, program: ProcessIdentity | null): Promise<void> {
  // The journal first: whoever sees the end of a job finds it there.
  job.ledger.journal({ event: 'ended', key: job.order.key, program, result: outcome.result });
  job.ledger.record({ v: 1, phase: 'ended', outcome });
  while (!job.ledger.flush()) await job.tick();
  clearWorkspace(job.paths);
}

const endedBeforeStart = (errorClass: ErrorClass, message: string): JobOutcome => ({
  result: errorClass === 'Cancelled' ? 'stopped' : 'failed',
  class: errorClass,
  message: messageWithTail(message, ''),
  endedAt: new Date().toISOString(),
});

const stoppedBeforeStart = (): JobOutcome => endedBeforeStart('Cancelled', 'stopped on request before it was started');

/** Why a program could not be started, in the words of whoever has to change something. */
function startFailure(error: unknown, command: readonly string[]): JobOutcome {
  const code = errorCode(error) ?? 'error';
  const name = command[0] ?? '';
  const table: { readonly [code: string]: readonly [ErrorClass, string] } = {
    ENOENT: [
      'InvalidSpec',
      `there is no program ${JSON.stringify(name)} in PATH or in the code folder; install it or correct train.run`,
    ],
    EACCES: [
      'InvalidSpec',
      `${JSON.stringify(name)} is not executable; start it through its interpreter, as in "node train.js"`,
    ],
    ENOEXEC: [
      'InvalidSpec',
      `${JSON.stringify(name)} is not a program; start it through its interpreter, as in "node train.js"`,
    ],
    E2BIG: ['InvalidSpec', 'command and environment are too large; hand large values over as parameters or inputs'],
    ENOSPC: ['CapacityUnavailable', 'no space left on the disk of the site; free some or use another site'],
    EDQUOT: ['CapacityUnavailable', 'the disk quota of the site is used up; free some or use another site'],
    EAGAIN: ['CapacityUnavailable', 'the machine has no process left to give; end some or use another site'],
    ENOMEM: ['CapacityUnavailable', 'the machine has no memory left for another process; end some or use another site'],
  };
  const isOwnFile = error instanceof Error && 'syscall' in error && !String(error.syscall).startsWith('spawn');
  const isSpecific = !isOwnFile || code === 'ENOSPC' || code === 'EDQUOT';
  const [errorClass, text] = (isSpecific ? table[code] : undefined) ?? [
    'ServiceFault',
    `could not be started (${String(error)}); look at supervisor.log in the folder of the job`,
  ];
  return endedBeforeStart(errorClass, text);
}

/** Waits for a slot. False when the job was stopped or the machine asked for an end meanwhile. */
async function waitForSlot(job: Supervision): Promise<boolean> {
  job.ledger.record({ v: 1, phase: 'queued' });
  const request = requestSlot({
    root: job.order.root,
    pool: job.record.pool,
    slots: job.order.slots,
    key: job.order.key,
    createdAt: job.record.createdAt,
  });
  try {
    while (!isStopRequested(job.paths) && !job.isInterrupted()) {
      if (request.tryTake()) return true;
      await job.tick();
    }
    return false;
  } finally {
    request.close();
  }
}

async function startProgram(job: Supervision): Promise<void> {
  const { order, paths, ledger, record } = job;
  const { spec } = record.intent;
  const command = 'command' in spec.program ? spec.program.command : [];
  let program: RunningProgram & { readonly identity: ProcessIdentity };
  const startedAt = new Date().toISOString();
  try {
    ledger.record({ v: 1, phase: 'preparing' });
    prepareWorkspace(paths, order, spec.parameters);
    ledger.record({ v: 1, phase: 'launching' });
    // Without this line on disk a successor could start the program a second time.
    while (!ledger.flush()) {
      await job.tick();
      // What is on disk lets the next supervisor begin anew.
      if (job.isInterrupted()) return;
    }
    // As late as can be: the folders and a full disk may have taken long.
    if (isStopRequested(paths)) return await end(job, stoppedBeforeStart(), null);
    program = await launch({
      command,
      folder: paths.work,
      env: programEnvironment(paths, order, minimalEnvironment(process.env)),
      stdout: paths.stdout,
      stderr: paths.stderr,
      marker: job.marker,
      onExit: job.wake,
    });
  } catch (error) {
    return await end(job, startFailure(error, command), null);
  }
  ledger.record({ v: 1, phase: 'running', program: program.identity, startedAt });
  ledger.journal({ event: 'started', key: order.key, program: program.identity });
  await watch(job, program, startedAt);
}

/** What asks for the end of a program that has not ended, or null. */
function causeNow(job: Supervision, program: RunningProgram): EndCause | null {
  if (isStopRequested(job.paths)) return 'stop';
  if (job.isInterrupted()) return 'interrupted';
  const { timeoutMs } = job.record.intent.spec;
  return program.identity !== null && ageMs(program.identity) > timeoutMs ? 'timeout' : null;
}

/**
 * Watches a program to its end: live limits, rotation of its logs, stop (SIGTERM to everything of the job, SIGKILL after
 * the grace). The end is recorded only when no process of the job is left.
 */
async function watch(job: Supervision, program: RunningProgram, startedAt: string): Promise<void> {
  const { paths, order } = job;
  let cause: EndCause = 'own';
  let killAt: number | null = null;
  for (;;) {
    job.ledger.flush();
    for (const log of [paths.stdout, paths.stderr]) rotateLog(log, order.logBytes);
    const exit = program.exit();
    if (exit !== undefined && !program.isAnyAlive()) break;
    if (killAt === null) {
      const asked = exit === undefined ? causeNow(job, program) : 'own';
      if (asked !== null) {
        cause = asked;
        killAt = performance.now() + (asked === 'own' ? leftoverGraceMs : order.stopGraceMs);
        program.signal('SIGTERM');
        // A suspended program could not react to SIGTERM.
        program.signal('SIGCONT');
      }
    } else if (performance.now() >= killAt) program.signal('SIGKILL');
    await job.tick();
  }
  const finish: EndOfProgram = {
    cause,
    exit: program.exit() ?? null,
    startedAt,
    endedAt: new Date().toISOString(),
    timeoutMs: job.record.intent.spec.timeoutMs,
    tail: logTail(paths, tailBytes),
  };
  await end(job, outcomeOf(finish), program.identity);
}

/** The program that a dead supervisor had started without writing it down: the leader of its group, if it is alive. */
async function findStarted(job: Supervision): Promise<ProcessIdentity | null> {
  for (let look = 1; ; look += 1) {
    const found = processesOf(job.marker, null);
    const leader = found.find((process) => process.group === process.pid) ?? found[0];
    if (leader !== undefined) return identityOf(leader.pid);
    if (look >= settleLooks) return null;
    await job.tick();
  }
}

/** Takes over a program that was started by a supervisor that has died, at whatever point it died. */
async function resume(job: Supervision, known: ProcessIdentity | null, since: string | null): Promise<void> {
  const identity = known ?? (await findStarted(job));
  const startedAt = since ?? new Date().toISOString();
  if (since === null && identity !== null)
    job.ledger.journal({ event: 'started', key: job.order.key, program: identity });
  job.ledger.record({ v: 1, phase: 'running', program: identity, startedAt });
  await watch(job, adopt(identity, job.marker), startedAt);
}

/**
 * Body of the supervisor process of one job. Returns at once when another supervisor of the job is alive; otherwise
 * carries the job on from whatever its folder says, and returns when the job has ended.
 *
 * A program is started at most once per key: state `launching` is on disk before the start, so a supervisor that finds
 * it looks for the program and never starts another one. A program that outlives its supervisor stays accounted for
 * (running, stoppable, its slot taken) and ends as `lost`, because only a parent learns an exit code.
 */
export async function supervise(order: SupervisorOrder): Promise<void> {
  const paths = jobPaths(order.root, order.key);
  const holder: SupervisorHolder = { v: 1, process: ownIdentity() };
  if (!takeClaim<SupervisorHolder>(paths.supervisor, holder, (current) => !isAlive(current.process))) return;
  const record = readRecord(paths);
  if (record === null) throw new Error(`no job at ${paths.folder}`);
  let interrupted = false;
  const clock = alarmClock();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      interrupted = true;
      clock.wake();
    });
  }
  // Sent by whoever has written a stop request: look now.
  process.on('SIGCONT', clock.wake);
  const job: Supervision = {
    order,
    record,
    paths,
    ledger: openLedger(order.root, paths),
    marker: jobMarker(order.root, order.key),
    isInterrupted: () => interrupted,
    ...clock,
  };
  const state = readState(paths);
  if (state?.phase === 'ended') return;
  if (state?.phase === 'running') return await resume(job, state.program, state.startedAt);
  if (state?.phase === 'launching') return await resume(job, null, null);
  if (isStopRequested(paths)) return await end(job, stoppedBeforeStart(), null);
  if (order.refusal !== null) return await end(job, order.refusal, null);
  if (await waitForSlot(job)) return await startProgram(job);
  if (isStopRequested(paths)) await end(job, stoppedBeforeStart(), null);
}
