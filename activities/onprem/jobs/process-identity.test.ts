import { spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import {
  ageMs,
  identityOf,
  isAlive,
  ownIdentity,
  processesOf,
  sameProcess,
  signalProcess,
} from './process-identity.js';

const folder = mkdtempSync(`${tmpdir()}/retempo-process-`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => {
  vi.useRealTimers();
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe('identity of a process', () => {
  it('a pid with another start time or boot is another process, and gets no signal', () => {
    const own = ownIdentity();
    expect(isAlive(own)).toBe(true);
    expect(sameProcess(own, { ...own })).toBe(true);
    for (const other of [
      { ...own, startTicks: own.startTicks - 1 },
      { ...own, bootId: 'another' },
    ]) {
      expect(isAlive(other)).toBe(false);
      expect(sameProcess(own, other)).toBe(false);
      expect(signalProcess(other, 'SIGKILL')).toBe(false);
    }
    expect(identityOf(2 ** 30)).toBeNull();
  });

  it('a program whose name looks like fields of stat is read right', async () => {
    const program = `${folder}/) Z 1 1 1 (`;
    copyFileSync('/bin/sleep', program);
    const child = spawn(program, ['60']);
    await until(() => readFileSync(`/proc/${child.pid}/comm`, 'utf8').startsWith(') Z 1'));
    const identity = identityOf(child.pid ?? 0);
    expect(identity !== null && isAlive(identity)).toBe(true);
    child.kill('SIGKILL');
    await until(() => identity !== null && !isAlive(identity));
  });

  it('a zombie has ended, a suspended process has not', async () => {
    const parent = spawn('/bin/sh', ['-c', 'sleep 0.2 & echo $!; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [line] = (await new Promise<Buffer>((resolve) => parent.stdout.once('data', resolve))).toString().split('\n');
    const child = identityOf(Number(line));
    if (child === null) throw new Error('no child');
    expect(isAlive(child)).toBe(true);
    await until(() => !isAlive(child));
    expect(readFileSync(`/proc/${child.pid}/stat`, 'utf8')).toContain(' Z ');
    parent.kill('SIGSTOP');
    const stopped = identityOf(parent.pid ?? 0);
    expect(stopped !== null && isAlive(stopped)).toBe(true);
    parent.kill('SIGKILL');
  });

  it('the age does not change with the wall clock', () => {
    const before = ageMs(ownIdentity());
    vi.useFakeTimers({ now: Date.now() + 30 * 86_400_000, toFake: ['Date'] });
    expect(ageMs(ownIdentity()) - before).toBeLessThan(3_600_000);
  });

  it('the session of a leader whose pid was given away proves nothing', async () => {
    const child = spawn('/bin/sleep', ['60'], { detached: true });
    const leader = identityOf(child.pid ?? 0);
    if (leader === null) throw new Error('no child');
    const pids = (identity: typeof leader) => processesOf('RETEMPO_JOB=none', identity).map(({ pid }) => pid);
    expect(pids(leader)).toEqual([leader.pid]);
    expect(pids({ ...leader, startTicks: leader.startTicks - 5 })).toEqual([]);
    child.kill('SIGKILL');
    await until(() => pids(leader).length === 0);
  });
});
