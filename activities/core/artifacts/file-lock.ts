import { randomBytes } from 'node:crypto';
import { link, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PortError, type Call } from '../ports/index.js';
import { checkCall } from './calls.js';
import { codeOf } from './file-errors.js';
import { writeDurably } from './file-sync.js';
import { livenessOf, makeFolder, ownIdentity, type ProcessIdentity } from '../processes/index.js';

// Mutual exclusion between processes without a server and without flock(2), which Node does not offer.
//
// The lock is a file that appears by link(2), so that exactly one process makes it, and that names its holder. A holder
// killed with -9 leaves it behind. To take it over, a process first creates `<lock>.<nonce of the dead holder>` by
// link(2): that claim is won by exactly one, and only its owner may replace the lock of that nonce. If the owner of the
// claim dies too, the claim is claimed in the same way by its nonce, and so on. Nonces are never reused, so a process
// that acts on something it read long ago finds another nonce and starts again.

/** A holder of another machine or container cannot be looked at: its lock is taken over after this many ms. */
const foreignHolderMs = 60_000;
/** A holder does not rely on its lock for longer than this many ms: well below {@link foreignHolderMs}. */
const trustedHoldMs = 20_000;

/** How often a call that waits behind others of this process looks whether it is over, in ms. */
const lookMs = 25;

/** Content of a lock. */
export interface Holder extends ProcessIdentity {
  /** Names one acquisition; never used again. */
  readonly nonce: string;
}

const queues = new Map<string, Promise<unknown>>();

async function holderOf(path: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Holder;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

const linked = (from: string, to: string): Promise<boolean> =>
  link(from, to).then(
    () => true,
    (error: unknown) => {
      if (codeOf(error) === 'EEXIST') return false;
      throw error;
    }
  );

async function isGone(holder: Holder, path: string, mine: string): Promise<boolean> {
  const liveness = livenessOf(holder);
  if (liveness !== 'unknown') return liveness === 'dead';
  // Both times come from the clock of the file system, so that clocks of machines do not matter.
  const [theirs, ours] = await Promise.all([stat(path).catch(() => undefined), stat(mine)]);
  return theirs !== undefined && ours.mtimeMs - theirs.mtimeMs > foreignHolderMs;
}

/**
 * Takes the place of a dead holder; false when somebody else has, or when the holder lives.
 *
 * @param holder What was read from the lock, however long ago.
 * @param mine Ticket of the caller, which becomes the lock.
 */
export async function takeOver(lock: string, holder: Holder, mine: string): Promise<boolean> {
  const claims: string[] = [];
  let dead = holder;
  let at = lock;
  while (await isGone(dead, at, mine)) {
    at = `${lock}.${dead.nonce}`;
    if (!(await linked(mine, at))) {
      const owner = await holderOf(at);
      if (owner === undefined) return false;
      claims.push(at);
      dead = owner;
      continue;
    }
    const entitled = (await holderOf(lock))?.nonce === holder.nonce;
    // Renaming one hard link of a file over another does nothing, so the lock is replaced by a copy.
    if (entitled) {
      await writeDurably(`${mine}.copy`, await readFile(mine));
      await rename(`${mine}.copy`, lock);
    }
    for (const claim of [at, ...(entitled ? claims.toReversed() : [])]) await unlink(claim).catch(() => undefined);
    return entitled;
  }
  return false;
}

async function acquire(lock: string, mine: string, call: Call): Promise<void> {
  for (let round = 0; ; round++) {
    if (await linked(mine, lock)) return;
    const holder = await holderOf(lock);
    if (holder !== undefined && (await takeOver(lock, holder, mine))) return;
    const by = holder === undefined ? '' : ` by process ${holder.pid} on ${holder.host}`;
    checkCall(call, `waiting until ${lock} is released${by}`);
    await sleep(1 + Math.random() * Math.min(25, 2 + round));
  }
}

/** Removes what killed processes left in a folder of locks and what can no longer matter. */
export async function removeDeadTickets(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    const [lock, nonce] = name.split('.');
    if (lock === undefined || nonce === undefined) continue;
    const path = join(folder, name);
    const holder = await holderOf(path).catch(() => undefined);
    // A claim counts only while the lock that it was made for is there; it was listed before the lock is looked for, and
    // its nonce is that of a dead process.
    const useless =
      lock === 'new'
        ? holder !== undefined && livenessOf(holder) === 'dead'
        : (await stat(join(folder, lock)).catch(() => undefined)) === undefined;
    if (useless) await unlink(path).catch(() => undefined);
  }
}

/** What the holder of a lock is given. */
export interface HeldLock {
  /** Throws class `Conflict` when the lock has been held so long that another machine may have taken it over. */
  confirm(): void;
}

/**
 * Runs `work` while no other caller, in this process or another one on the same folder, runs under the same `name`.
 * Released by a crash: the next caller sees that the holder is dead. Waits until `call.deadlineMs`.
 *
 * @param folder Folder of the locks, made when absent.
 * @param name File name of the lock.
 */
export async function withFileLock<T>(
  folder: string,
  name: string,
  call: Call,
  work: (held: HeldLock) => Promise<T>
): Promise<T> {
  const lock = join(folder, name);
  const before = queues.get(lock) ?? Promise.resolve();
  const turn = before.then(
    () => undefined,
    () => undefined
  );
  let givenUp: unknown;
  const run = turn.then(() => {
    if (givenUp !== undefined) throw givenUp;
    return exclusively(folder, lock, call, work);
  });
  queues.set(lock, run);
  const forget = () => {
    if (queues.get(lock) === run) queues.delete(lock);
  };
  void run.then(forget, forget);
  try {
    // Who waits before this one may have much more time.
    while (!(await Promise.race([turn.then(() => true), sleep(lookMs, false, { ref: false })])))
      checkCall(call, `waiting for ${lock}`);
  } catch (error) {
    givenUp = error;
    throw error;
  }
  return run;
}

async function exclusively<T>(
  folder: string,
  lock: string,
  call: Call,
  work: (held: HeldLock) => Promise<T>
): Promise<T> {
  checkCall(call, `waiting for ${lock}`);
  makeFolder(folder);
  const nonce = randomBytes(12).toString('hex');
  const holder: Holder = { ...ownIdentity(), nonce };
  const mine = join(folder, `new.${nonce}`);
  try {
    // On the disk before it becomes the lock: after a loss of power, one that does not name its holder would stay for ever.
    await writeDurably(mine, Buffer.from(JSON.stringify(holder)));
    await acquire(lock, mine, call);
    const since = performance.now();
    try {
      return await work({
        confirm() {
          if (performance.now() - since < trustedHoldMs) return;
          throw new PortError(
            'Conflict',
            `the lock ${lock} was held for too long and nothing was changed; repeat the call`
          );
        },
      });
    } finally {
      if ((await holderOf(lock))?.nonce === nonce) await unlink(lock);
    }
  } finally {
    await unlink(mine).catch(() => undefined);
  }
}
