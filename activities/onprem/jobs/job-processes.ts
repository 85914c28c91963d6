import { readdirSync, readFileSync } from 'node:fs';
import { hasEnded, ownIdentity, processStat, type ProcessIdentity } from '@retempo/activities/processes';

/** A process of a job, with the process group that it was in when it was found. */
export interface JobProcess extends ProcessIdentity {
  readonly group: number;
}

function environmentOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

/** Whether the session number of a leader still means its session: its pid was not given to another process since. */
function leadsSession(leader: ProcessIdentity): boolean {
  const here = ownIdentity();
  if (leader.boot !== here.boot || leader.pidSpace !== here.pidSpace) return false;
  const now = processStat(leader.pid);
  return now === null || String(now.startTicks) === leader.started;
}

/**
 * Living processes of one job: those that carry `marker` (`NAME=value`) in the environment they were started with, and
 * those in the session of `leader`. The marker finds descendants that started a session of their own; the session finds
 * those that cleared their environment. When the leader's pid has been given to another process, its session number no
 * longer means anything and is not used.
 */
export function processesOf(marker: string, leader: ProcessIdentity | null): JobProcess[] {
  const session = leader !== null && leadsSession(leader) ? leader : null;
  const found: JobProcess[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const stat = processStat(pid);
    if (stat === null || hasEnded(stat)) continue;
    if (stat.session !== session?.pid && !environmentOf(pid).includes(marker)) continue;
    found.push({ ...ownIdentity(), pid, started: String(stat.startTicks), group: stat.group });
  }
  return found;
}
