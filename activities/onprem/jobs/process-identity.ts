import { readdirSync, readFileSync } from 'node:fs';

/**
 * One process for good: a pid alone is reused, a pid with its start time since boot and the id of that boot is not.
 * Holds inside one machine and one pid namespace; a site root therefore belongs to one machine or one container.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of `/proc/<pid>/stat`: start time since boot in clock ticks, of which Linux has 100 a second. */
  readonly startTicks: number;
  /** `/proc/sys/kernel/random/boot_id`. */
  readonly bootId: string;
}

const ticksPerSecond = 100;

interface ProcessStat {
  readonly state: string;
  readonly group: number;
  readonly session: number;
  readonly startTicks: number;
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

/** Fields of `/proc/<pid>/stat`; the name in parentheses may itself contain spaces and parentheses, so it is cut off. */
function statOf(pid: number): ProcessStat | null {
  const text = readOrNull(`/proc/${pid}/stat`);
  if (text === null) return null;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    state: fields[0] ?? '?',
    group: Number(fields[2]),
    session: Number(fields[3]),
    startTicks: Number(fields[19]),
  };
}

let cachedBootId: string | undefined;
const bootId = (): string => (cachedBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());

/** Identity of a process that exists now (also as a zombie), or null. */
export function identityOf(pid: number): ProcessIdentity | null {
  const stat = statOf(pid);
  return stat === null ? null : { pid, startTicks: stat.startTicks, bootId: bootId() };
}

/** Identity of this process. Throws where there is no `/proc`. */
export function ownIdentity(): ProcessIdentity {
  const own = identityOf(process.pid);
  if (own === null) throw new Error('there is no /proc: local jobs need Linux');
  return own;
}

export const sameProcess = (a: ProcessIdentity, b: ProcessIdentity): boolean =>
  a.pid === b.pid && a.startTicks === b.startTicks && a.bootId === b.bootId;

/** True while exactly this process runs. A zombie has ended; a stopped process (SIGSTOP) has not. */
export function isAlive(process: ProcessIdentity): boolean {
  if (process.bootId !== bootId()) return false;
  const stat = statOf(process.pid);
  return stat !== null && stat.startTicks === process.startTicks && stat.state !== 'Z' && stat.state !== 'X';
}

/** How long a process has existed, in milliseconds, by the kernel's clock: a change of the wall clock does not matter. */
export function ageMs(process: ProcessIdentity): number {
  const uptimeSeconds = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
  return Math.max(0, (uptimeSeconds - process.startTicks / ticksPerSecond) * 1000);
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

/** A process of a job, with the process group that it was in when it was found. */
export interface JobProcess extends ProcessIdentity {
  readonly group: number;
}

/**
 * Living processes of one job: those that carry `marker` (`NAME=value`) in the environment they were started with, and
 * those in the session of `leader`. The marker finds descendants that started a session of their own; the session finds
 * those that cleared their environment. When the leader's pid has been given to another process, its session number no
 * longer means anything and is not used.
 */
export function processesOf(marker: string, leader: ProcessIdentity | null): JobProcess[] {
  const leaderNow = leader === null ? null : statOf(leader.pid);
  const trustSession =
    leader !== null && leader.bootId === bootId() && (leaderNow === null || leaderNow.startTicks === leader.startTicks);
  const found: JobProcess[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const stat = statOf(pid);
    if (stat === null || stat.state === 'Z' || stat.state === 'X') continue;
    const inSession = trustSession && stat.session === leader.pid && stat.startTicks >= leader.startTicks;
    if (inSession || (readOrNull(`/proc/${pid}/environ`) ?? '').split('\0').includes(marker)) {
      found.push({ pid, startTicks: stat.startTicks, bootId: bootId(), group: stat.group });
    }
  }
  return found;
}
