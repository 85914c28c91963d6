import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/**
 * Names one process for good: a pid alone is reused, a pid with its start time and the boot of its machine is not.
 * JSON-safe, so that it can be written down and looked up by another process.
 */
export interface ProcessIdentity {
  readonly host: string;
  /** Changes with every start of the machine; empty where the system does not tell. */
  readonly boot: string;
  /** Pids of different name spaces (containers) cannot be compared; empty where the system does not tell. */
  readonly pidSpace: string;
  readonly pid: number;
  /** In the system's own notation (Linux: clock ticks since boot); empty where the system does not tell. */
  readonly started: string;
}

/** What Linux tells of a process in `/proc/<pid>/stat`. */
export interface ProcessStat {
  /** One letter; `Z` and `X` have ended. */
  readonly state: string;
  readonly group: number;
  readonly session: number;
  /** Field 22: start time since boot in clock ticks, of which Linux has 100 a second. */
  readonly startTicks: number;
}

const ticksPerSecond = 100;

function quietly(read: () => string): string {
  try {
    return read().trim();
  } catch {
    return '';
  }
}

/** Fields of `/proc/<pid>/stat`, also of a zombie; null when there is no such process, or no `/proc`. */
export function processStat(pid: number): ProcessStat | null {
  const text = quietly(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  if (text === '') return null;
  // The name in parentheses may itself contain spaces and parentheses, so it is cut off.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    state: fields[0] ?? '?',
    group: Number(fields[2]),
    session: Number(fields[3]),
    startTicks: Number(fields[19]),
  };
}

/** A process that has ended and only waits for its parent to notice. It holds nothing. */
export const hasEnded = (stat: ProcessStat): boolean => stat.state === 'Z' || stat.state === 'X';

/** Start time of a process and whether it still runs; null when there is none. */
function startOf(pid: number): { readonly started: string; readonly runs: boolean } | null {
  if (process.platform === 'linux') {
    const stat = processStat(pid);
    return stat === null ? null : { started: String(stat.startTicks), runs: !hasEnded(stat) };
  }
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return null;
  }
  if (process.platform === 'win32') return { started: '', runs: true };
  return {
    started: quietly(() => execFileSync('ps', ['-p', String(pid), '-o', 'lstart='], { encoding: 'utf8' })),
    runs: true,
  };
}

let place: Pick<ProcessIdentity, 'host' | 'boot' | 'pidSpace'> | undefined;

function ownPlace(): NonNullable<typeof place> {
  place ??= {
    host: hostname(),
    boot: quietly(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')),
    pidSpace: quietly(() => readlinkSync('/proc/self/ns/pid')),
  };
  return place;
}

/** Identity of a process of this machine that exists now (also as a zombie), or null. */
export function identityOf(pid: number): ProcessIdentity | null {
  const start = startOf(pid);
  return start === null ? null : { ...ownPlace(), pid, started: start.started };
}

let own: ProcessIdentity | undefined;

/** Identity of this process. */
export function ownIdentity(): ProcessIdentity {
  own ??= { ...ownPlace(), pid: process.pid, started: startOf(process.pid)?.started ?? '' };
  return own;
}

/** Whether a process still runs; `unknown` when it belongs to another machine or container. A zombie is dead. */
export function livenessOf(identity: ProcessIdentity): 'alive' | 'dead' | 'unknown' {
  const here = ownPlace();
  if (identity.boot !== here.boot) return identity.host === here.host ? 'dead' : 'unknown';
  if (identity.pidSpace !== here.pidSpace || (here.boot === '' && identity.host !== here.host)) return 'unknown';
  const now = startOf(identity.pid);
  return now !== null && now.runs && now.started === identity.started ? 'alive' : 'dead';
}

/**
 * True while exactly this process runs here. A zombie has ended; a stopped process (SIGSTOP) has not. False for processes
 * of other machines and containers, of which nothing can be known.
 */
export const isAlive = (identity: ProcessIdentity): boolean => livenessOf(identity) === 'alive';

/**
 * How long a process has existed, in milliseconds, by the kernel's clock: a change of the wall clock does not matter.
 *
 * @throws Error (`ENOENT`) on systems other than Linux.
 */
export function ageMs(identity: ProcessIdentity): number {
  const uptimeSeconds = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
  return Math.max(0, (uptimeSeconds - Number(identity.started) / ticksPerSecond) * 1000);
}

/** Sends a signal to one verified process. Returns false when it no longer runs or belongs to another user. */
export function signalProcess(target: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(target)) return false;
  try {
    return process.kill(target.pid, signal);
  } catch {
    return false;
  }
}
