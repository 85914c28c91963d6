import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs, { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import {
  ageMs,
  identityOf,
  isAlive,
  livenessOf,
  livenessOfName,
  ownedName,
  ownIdentity,
  signalProcess,
} from './index.js';

const folder = mkdtempSync(`${tmpdir()}/retempo-process-`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const { platform } = process;
const { readlinkSync } = fs;
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  Object.defineProperty(process, 'platform', { value: platform });
  Object.assign(fs, { readFileSync, readlinkSync });
  syncBuiltinESMExports();
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe('identity of a process', () => {
  it('a pid with another start time or boot is another process, and gets no signal', () => {
    const own = ownIdentity();
    expect(isAlive(own)).toBe(true);
    for (const other of [
      { ...own, started: String(Number(own.started) - 1) },
      { ...own, boot: 'another' },
      { ...own, pidSpace: 'another' },
    ]) {
      expect(isAlive(other)).toBe(false);
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
    const parent = spawn('/bin/sh', ['-c', 'sleep 60 & echo $!; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [line] = (await new Promise<Buffer>((resolve) => parent.stdout.once('data', resolve))).toString().split('\n');
    const child = identityOf(Number(line));
    if (child === null) throw new Error('no child');
    expect(isAlive(child)).toBe(true);
    // The shell would ask for its result: it ends only when another program has taken the place of the shell.
    await until(() => readFileSync(`/proc/${parent.pid}/cmdline`, 'utf8').startsWith('sleep'));
    process.kill(child.pid, 'SIGKILL');
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

  it('tells living, dead and foreign processes apart', async () => {
    const self = ownIdentity();
    const child = spawn('/bin/sleep', ['60']);
    const other = identityOf(child.pid ?? 0);
    if (other === null) throw new Error('no child');
    expect([livenessOf(self), livenessOf(other)]).toEqual(['alive', 'alive']);
    child.kill('SIGKILL');
    await until(() => livenessOf(other) === 'dead');
    expect(livenessOf({ ...self, boot: 'an earlier start of this machine' })).toBe('dead');
    expect(livenessOf({ ...self, boot: 'another machine', host: 'elsewhere' })).toBe('unknown');
    expect(livenessOf({ ...self, pidSpace: 'another container' })).toBe('unknown');
    // Its boot is what names a machine that tells it; its name may change while it runs.
    expect(livenessOf({ ...self, host: 'renamed meanwhile' })).toBe('alive');
  });

  it('a signal that may not be sent is told', () => {
    const kill = vi.spyOn(process, 'kill').mockImplementation(() => {
      throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' });
    });
    expect(signalProcess(ownIdentity(), 'SIGCONT')).toBe(false);
    expect(kill).toHaveBeenCalledExactlyOnceWith(process.pid, 'SIGCONT');
  });

  it('reads the owner of a file from its name', () => {
    const name = ownedName();
    expect(livenessOfName(name)).toBe('alive');
    const parts = name.split('-');
    expect(livenessOfName([parts[0], parts[1], 'ffffffffff', parts[3]].join('-'))).toBe('dead');
    expect(livenessOfName('anything')).toBe('unknown');
  });
});

/** The module as it is on a system that has another name and no `/proc`. */
async function identityOn(name: NodeJS.Platform): Promise<typeof import('./identity.js')> {
  Object.defineProperty(process, 'platform', { value: name });
  const refused = () => {
    throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
  };
  Object.assign(fs, { readFileSync: refused, readlinkSync: refused });
  syncBuiltinESMExports();
  vi.resetModules();
  return await import('./identity.js');
}

describe('identity of a process where the system has no /proc', () => {
  const missing = spawnSync('ps', ['-p', String(process.pid)]).error;
  if (missing !== undefined && process.env['RETEMPO_REQUIRE_PEERS'] === '1') throw missing;
  if (missing !== undefined) console.warn(`skipped, no start times are told here: ${missing.message}`);

  it.skipIf(missing !== undefined)('is its pid with the start that `ps` tells, within one machine', async () => {
    const { identityOf, livenessOf, ownIdentity } = await identityOn('darwin');
    const self = ownIdentity();
    expect(self).toMatchObject({ boot: '', pidSpace: '', pid: process.pid });
    expect(self.started).toMatch(/^\w.*\d:\d\d.*\w$/);
    expect(livenessOf(self)).toBe('alive');
    expect(livenessOf({ ...self, started: 'Thu Jan  1 00:00:00 1970' })).toBe('dead');
    // Nothing tells two such machines apart but their names.
    expect(livenessOf({ ...self, host: 'elsewhere' })).toBe('unknown');
    const child = spawn('/bin/sleep', ['60']);
    const other = identityOf(child.pid ?? 0);
    if (other === null) throw new Error('no child');
    expect(livenessOf(other)).toBe('alive');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect([identityOf(other.pid), livenessOf(other)]).toEqual([null, 'dead']);
    // A process of another user.
    vi.spyOn(process, 'kill').mockImplementation(() => {
      throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' });
    });
    expect(identityOf(process.pid)).toEqual(self);
  });

  it('is its pid alone on Windows', async () => {
    const { identityOf, livenessOf, ownIdentity } = await identityOn('win32');
    expect(ownIdentity()).toMatchObject({ pid: process.pid, started: '' });
    expect(livenessOf(ownIdentity())).toBe('alive');
    expect(identityOf(2 ** 30)).toBeNull();
  });
});
