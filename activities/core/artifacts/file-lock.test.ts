import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PortError, type Call } from '../ports/index.js';
import { removeDeadTickets, takeOver, withFileLock } from './file-lock.js';
import { identityOf, ownIdentity } from '../processes/index.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retempo-lock-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const call = (timeoutMs = 30_000): Call => ({
  signal: new AbortController().signal,
  deadlineMs: Date.now() + timeoutMs,
});

/** Runs a process that does nothing, and gives its identity while it lives. */
async function withProcess<T>(work: (pid: number, end: () => Promise<void>) => Promise<T>): Promise<T> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  const end = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  try {
    return await work(child.pid ?? 0, end);
  } finally {
    await end();
  }
}

async function deadIdentity() {
  return withProcess(async (pid, end) => {
    const identity = identified(pid);
    await end();
    return identity;
  });
}

function identified(pid: number) {
  const identity = identityOf(pid);
  if (identity === null) throw new Error(`no process ${pid}`);
  return identity;
}

const hold = (name: string, holder: object, nonce: string) =>
  writeFile(join(folder, name), JSON.stringify({ ...holder, nonce }));

const enter = (timeoutMs?: number) => withFileLock(folder, 'lock', call(timeoutMs), () => Promise.resolve('entered'));

describe('G6: lock between processes', () => {
  it('lets one in at a time and leaves nothing behind', async () => {
    let inside = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 20 }, () =>
        withFileLock(folder, 'lock', call(), async () => {
          inside += 1;
          most = Math.max(most, inside);
          await new Promise((resolve) => setTimeout(resolve, 1));
          inside -= 1;
        })
      )
    );
    expect(most).toBe(1);
    expect(await readdir(folder)).toEqual([]);
  });

  it('is not relied on by who held it so long that another machine may have taken it over', async () => {
    const start = performance.now();
    const now = vi.spyOn(performance, 'now');
    try {
      const held = await withFileLock(folder, 'lock', call(), (lock) => {
        lock.confirm();
        now.mockReturnValue(start + 120_000);
        return Promise.resolve(lock);
      });
      expect(() => held.confirm()).toThrow(expect.objectContaining({ class: 'Conflict' }) as Error);
    } finally {
      now.mockRestore();
    }
  });

  it('is released when the work throws', async () => {
    const failing = withFileLock(folder, 'lock', call(), () => Promise.reject(new Error('work failed')));
    await expect(failing).rejects.toThrow('work failed');
    await expect(enter()).resolves.toBe('entered');
  });

  it('is taken over from a holder that was killed', async () => {
    await hold('lock', await deadIdentity(), 'x');
    await expect(enter()).resolves.toBe('entered');
    expect(await readdir(folder)).toEqual([]);
  });

  it('is taken over when those who took it over were killed too', async () => {
    const dead = await deadIdentity();
    await hold('lock', dead, 'x');
    await hold('lock.x', dead, 'y');
    await hold('lock.y', dead, 'z');
    await expect(enter()).resolves.toBe('entered');
    expect(await readdir(folder)).toEqual([]);
  });

  it('is not taken over while the holder, or whoever is about to take over, lives', async () => {
    const dead = await deadIdentity();
    await withProcess(async (pid) => {
      const alive = identified(pid);
      await hold('lock', alive, 'x');
      await expect(enter(100)).rejects.toMatchObject({
        class: 'DeadlineExceeded',
        message: expect.stringContaining(`is released by process ${pid} on ${alive.host}`) as string,
      });
      await hold('lock', dead, 'x');
      await hold('lock.x', alive, 'y');
      await expect(enter(100)).rejects.toMatchObject({ class: 'DeadlineExceeded' });
    });
    await expect(enter()).resolves.toBe('entered');
  });

  it('is taken over from another machine only when it is a minute old', async () => {
    const foreign = { ...ownIdentity(), host: 'elsewhere', boot: 'another' };
    await hold('lock', foreign, 'x');
    await expect(enter(100)).rejects.toBeInstanceOf(PortError);
    const longAgo = Date.now() / 1000 - 61;
    await utimes(join(folder, 'lock'), longAgo, longAgo);
    await expect(enter()).resolves.toBe('entered');
  });

  it('is taken over by exactly one of many', async () => {
    const self = ownIdentity();
    const aliases = await mkdtemp(join(tmpdir(), 'retempo-lock-aliases-'));
    try {
      // Each contender knows the folder by another name: they meet on the lock file only, as processes do.
      const names = Array.from({ length: 8 }, (_, index) => join(aliases, String(index)));
      await Promise.all(names.map((name) => symlink(folder, name)));
      for (let round = 0; round < 50; round++) {
        await hold('lock', { ...self, started: 'never' }, `x${round}`);
        let inside = 0;
        await Promise.all(
          names.map((name) =>
            withFileLock(name, 'lock', call(), async () => {
              inside += 1;
              expect(inside).toBe(1);
              await new Promise((resolve) => setTimeout(resolve, 1));
              inside -= 1;
            })
          )
        );
      }
    } finally {
      await rm(aliases, { recursive: true, force: true });
    }
    expect(await readdir(folder)).toEqual([]);
  });

  it('is not taken from a living holder by somebody who saw a dead one there long ago', async () => {
    const dead = { ...(await deadIdentity()), nonce: 'x' };
    await hold('lock', ownIdentity(), 'y');
    await hold('new.z', ownIdentity(), 'z');
    expect(await takeOver(join(folder, 'lock'), dead, join(folder, 'new.z'))).toBe(false);
    expect(JSON.parse(await readFile(join(folder, 'lock'), 'utf8'))).toMatchObject({ nonce: 'y' });
    expect((await readdir(folder)).sort()).toEqual(['lock', 'new.z']);
  });

  it('A6: tickets of killed processes are removed, those that still count are not', async () => {
    const dead = await deadIdentity();
    await hold('new.1', dead, '1');
    await hold('new.2', ownIdentity(), '2');
    await hold('gone.3', dead, '4');
    await hold('lock', dead, '5');
    await hold('lock.5', dead, '6');
    await removeDeadTickets(folder);
    expect((await readdir(folder)).sort()).toEqual(['lock', 'lock.5', 'new.2']);
  });
});
