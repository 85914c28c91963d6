import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { ProgramExit } from './outcome.js';
import { identityOf, isAlive, signalProcess, type ProcessIdentity } from '@retempo/activities/processes';
import { processesOf } from './job-processes.js';

/** A program that was started here, or adopted from a supervisor that died. */
export interface RunningProgram {
  /** Null when it is not known which process was started. */
  readonly identity: ProcessIdentity | null;
  /** Undefined while it runs; then how it ended, null when that cannot be known. */
  exit(): ProgramExit | undefined;
  /** True while any process of the job is alive: the program, its process group, descendants that left it. */
  isAnyAlive(): boolean;
  /** Signals the whole process group at once, then those of the job who left it. */
  signal(signal: NodeJS.Signals): void;
}

function signalJob(marker: string, identity: ProcessIdentity | null, signal: NodeJS.Signals): void {
  let group = 0;
  if (identity !== null && isAlive(identity)) {
    try {
      process.kill(-identity.pid, signal);
      group = identity.pid;
    } catch {
      // Ended just now; what is left of the job is signalled one by one.
    }
  }
  for (const member of processesOf(marker, identity)) {
    if (group === 0 || member.group !== group) signalProcess(member, signal);
  }
}

export interface LaunchOptions {
  readonly command: readonly string[];
  readonly folder: string;
  readonly env: { readonly [name: string]: string };
  readonly stdout: string;
  readonly stderr: string;
  /** See `processesOf`. */
  readonly marker: string;
  readonly onExit: () => void;
}

/**
 * Starts a program without a shell, in a session and process group of its own, writing to its log files itself: it goes
 * on when its supervisor dies. Throws the system's error (ENOENT, EACCES, E2BIG ...) when it cannot be started.
 */
export async function launch(options: LaunchOptions): Promise<RunningProgram & { readonly identity: ProcessIdentity }> {
  const [file = '', ...args] = options.command;
  const stdout = openSync(options.stdout, 'a', 0o600);
  const stderr = openSync(options.stderr, 'a', 0o600);
  try {
    const child = spawn(file, args, {
      cwd: options.folder,
      env: options.env,
      detached: true,
      shell: false,
      stdio: ['ignore', stdout, stderr],
    });
    // Read before the event loop turns: a program that has already ended is a zombie until then and still has its entry.
    const identity = child.pid === undefined ? null : identityOf(child.pid);
    let exit: ProgramExit | undefined;
    child.once('exit', (code, signal) => {
      exit = { code, signal };
      options.onExit();
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    if (identity === null) throw new Error(`/proc has no entry for the program that was started (${file})`);
    return {
      identity,
      exit: () => exit,
      isAnyAlive: () => processesOf(options.marker, identity).length > 0,
      signal: (signal) => signalJob(options.marker, identity, signal),
    };
  } finally {
    closeSync(stdout);
    closeSync(stderr);
  }
}

/** Takes over a program whose supervisor has died. Its exit code will never be known here. */
export function adopt(identity: ProcessIdentity | null, marker: string): RunningProgram {
  const isAnyAlive = () => processesOf(marker, identity).length > 0;
  return {
    identity,
    exit: () => ((identity === null ? isAnyAlive() : isAlive(identity)) ? undefined : null),
    isAnyAlive,
    signal: (signal) => signalJob(marker, identity, signal),
  };
}
