import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs, { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Call } from '../ports/index.js';
import { identityOf, ownIdentity } from '../processes/index.js';
import { removeDeadTickets, takeOver, withFileLock, type Holder } from './file-lock.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retempo-lock-edges-'));
});
afterEach(async () => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
  await rm(folder, { recursive: true, force: true });
});

const call = (timeoutMs = 30_000): Call => ({
  signal: new AbortController().signal,
  deadlineMs: Date.now() + timeoutMs,
});
const hold = (name: string, holder: object, nonce: string) =>
  writeFile(join(folder, name), JSON.stringify({ ...holder, nonce }));

async function deadIdentity(): Promise<object> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  const identity = identityOf(child.pid ?? 0);
  child.kill('SIGKILL');
  await once(child, 'exit');
  if (identity === null) throw new Error('it never ran');
  return identity;
}

/** Whoever removes a file finds from now on that somebody else has removed it a moment before. */
function removedBySomebodyElse(): void {
  const { unlink } = fs;
  vi.spyOn(fs, 'unlink').mockImplementation(async (path) => {
    await unlink(path);
    await unlink(path);
  });
  syncBuiltinESMExports();
}

describe('G6: a lock', () => {
  it('that cannot be read is told, not waited for', async () => {
    await writeFile(join(folder, 'lock'), 'no JSON');
    await expect(withFileLock(folder, 'lock', call(), () => Promise.resolve())).rejects.toThrow('JSON');
    expect(await readdir(folder)).toEqual(['lock']);
  });

  it('of which nobody can be seen to hold it is waited for only as long as the call lasts', async () => {
    // Taken and released again and again it looks the same: the name is taken, and nothing is found there.
    await symlink('nowhere', join(folder, 'lock'));
    const late = withFileLock(folder, 'lock', call(100), () => Promise.resolve());
    await expect(late).rejects.toMatchObject({ class: 'DeadlineExceeded' });
    const controller = new AbortController();
    const waiting = withFileLock(folder, 'lock', { ...call(), signal: controller.signal }, () => Promise.resolve());
    while ((await readdir(folder)).length < 2) await sleep(5);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ class: 'Cancelled' });
    expect(await readdir(folder)).toEqual(['lock']);
  });

  it('for which others of this process wait is waited for only as long as the call lasts, and then not taken', async () => {
    const done: string[] = [];
    const take = (name: string, during: Call) =>
      withFileLock(folder, 'lock', during, () => Promise.resolve(void done.push(name)));
    const gate = new AbortController();
    const first = withFileLock(folder, 'lock', call(), async () => {
      while (!gate.signal.aborted) await sleep(5);
    });
    const controller = new AbortController();
    const cancelled = take('cancelled', { ...call(), signal: controller.signal });
    await expect(take('late', call(50))).rejects.toMatchObject({ class: 'DeadlineExceeded' });
    controller.abort();
    await expect(cancelled).rejects.toMatchObject({ class: 'Cancelled' });
    // Also when a clock that is set back makes it seem that there is time again.
    vi.spyOn(Date, 'now').mockReturnValue(0);
    const last = take('last', call());
    gate.abort();
    await Promise.all([first, last]);
    expect([done, await readdir(folder)]).toEqual([['last'], []]);
  });

  it('is not taken for a call that is over, even when nobody holds it', async () => {
    const work = vi.fn(() => Promise.resolve());
    const over = withFileLock(folder, 'lock', { ...call(), signal: AbortSignal.abort() }, work);
    await expect(over).rejects.toMatchObject({ class: 'Cancelled' });
    expect([work.mock.calls, await readdir(folder)]).toEqual([[], []]);
  });

  it('whose claims somebody else has removed is taken over all the same', async () => {
    const dead = await deadIdentity();
    await hold('lock', dead, 'x');
    await hold('lock.x', dead, 'y');
    await hold('new.z', ownIdentity(), 'z');
    removedBySomebodyElse();
    expect(await takeOver(join(folder, 'lock'), { ...dead, nonce: 'x' } as Holder, join(folder, 'new.z'))).toBe(true);
    expect((await readdir(folder)).sort()).toEqual(['lock', 'new.z']);
  });

  it('whose ticket is gone at the end has done its work: it is not told to have failed', async () => {
    const done = await withFileLock(folder, 'lock', call(), async () => {
      for (const name of await readdir(folder)) if (name.startsWith('new.')) await rm(join(folder, name));
      return 'done';
    });
    expect([done, await readdir(folder)]).toEqual(['done', []]);
  });

  it('keeps nothing of those who had it', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const results = await Promise.all(
      ['a', 'b'].map(async (name) => new WeakRef(await withFileLock(folder, name, call(), async () => ({ name }))))
    );
    while (results.some((result) => result.deref() !== undefined)) {
      await sleep(5);
      collect();
    }
  });

  it('that cannot be made is told, not waited for', async () => {
    const made = withFileLock(folder, join('nowhere', 'lock'), call(), () => Promise.resolve());
    await expect(made).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await readdir(folder)).toEqual([]);
  });

  it('that somebody else has taken over meanwhile is left to him', async () => {
    await withFileLock(folder, 'lock', call(), () => hold('lock', ownIdentity(), 'theirs'));
    expect(JSON.parse(await readFile(join(folder, 'lock'), 'utf8'))).toMatchObject({ nonce: 'theirs' });
  });

  it('of another machine that is gone already is not taken over: whoever wants it begins again', async () => {
    const foreign = { ...ownIdentity(), host: 'elsewhere', boot: 'another', nonce: 'x' };
    await hold('new.y', ownIdentity(), 'y');
    expect(await takeOver(join(folder, 'lock'), foreign, join(folder, 'new.y'))).toBe(false);
    expect(await readdir(folder)).toEqual(['new.y']);
  });
});

describe('A6: removing tickets of killed processes', () => {
  it('leaves one that is only half written, and goes on with the others', async () => {
    const dead = await deadIdentity();
    await writeFile(join(folder, 'new.1'), '');
    await hold('new.2', dead, '2');
    await removeDeadTickets(folder);
    expect(await readdir(folder)).toEqual(['new.1']);
  });

  it('goes on when somebody else removes them too', async () => {
    const dead = await deadIdentity();
    for (const nonce of ['1', '2']) await hold(`new.${nonce}`, dead, nonce);
    removedBySomebodyElse();
    await removeDeadTickets(folder);
    expect(await readdir(folder)).toEqual([]);
  });

  it('never takes a lock for a ticket, whatever its name', async () => {
    await hold('new', await deadIdentity(), '1');
    await removeDeadTickets(folder);
    expect(await readdir(folder)).toEqual(['new']);
  });
});
