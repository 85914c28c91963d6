import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { promisify } from 'node:util';

/** Names one process for as long as the machine runs: a pid alone is reused, a pid and a start time are not. */
export interface ProcessIdentity {
  readonly host: string;
  /** Changes with every start of the machine; empty where the system does not tell. */
  readonly boot: string;
  /** Pids of different name spaces (containers) cannot be compared. */
  readonly pidSpace: string;
  readonly pid: number;
  /** In the system's own notation; empty where the system does not tell. */
  readonly started: string;
}

const quietly = (work: Promise<string>): Promise<string> => work.then((text) => text.trim()).catch(() => '');

/** Start time of a living process, or undefined when there is none (or it is a zombie, which holds nothing). */
export async function processStart(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') {
    const stat = await quietly(readFile(`/proc/${pid}/stat`, 'utf8'));
    // The name is in parentheses and may contain anything; state is the 1st and start time the 20th field after it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return stat === '' || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  }
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined;
  }
  if (process.platform === 'win32') return '';
  return quietly(promisify(execFile)('ps', ['-p', String(pid), '-o', 'lstart=']).then(({ stdout }) => stdout));
}

let own: Promise<ProcessIdentity> | undefined;

/** Identity of this process. */
export function ownIdentity(): Promise<ProcessIdentity> {
  own ??= (async () => ({
    host: hostname(),
    boot: await quietly(readFile('/proc/sys/kernel/random/boot_id', 'utf8')),
    pidSpace: await quietly(readlink('/proc/self/ns/pid')),
    pid: process.pid,
    started: (await processStart(process.pid)) ?? '',
  }))();
  return own;
}

/** Whether a process still runs; `unknown` when it belongs to another machine or container. */
export async function livenessOf(identity: ProcessIdentity): Promise<'alive' | 'dead' | 'unknown'> {
  const self = await ownIdentity();
  if (identity.boot !== self.boot) return identity.host === self.host ? 'dead' : 'unknown';
  if (identity.pidSpace !== self.pidSpace || (self.boot === '' && identity.host !== self.host)) return 'unknown';
  const started = await processStart(identity.pid);
  return started !== undefined && started === identity.started ? 'alive' : 'dead';
}

const short = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 10);

/** File name that carries the identity of its owner, so that others can tell when it was left behind. */
export async function ownedName(): Promise<string> {
  const { host, boot, pidSpace, pid, started } = await ownIdentity();
  return `${short(`${host}\n${boot}\n${pidSpace}`)}-${pid}-${short(started)}-${randomBytes(8).toString('hex')}`;
}

/** Whether the maker of a name from {@link ownedName} still runs. */
export async function livenessOfName(name: string): Promise<'alive' | 'dead' | 'unknown'> {
  const [place, pid, started] = name.split('-');
  const { host, boot, pidSpace } = await ownIdentity();
  if (place !== short(`${host}\n${boot}\n${pidSpace}`)) return 'unknown';
  const now = await processStart(Number(pid));
  return now !== undefined && short(now) === started ? 'alive' : 'dead';
}
