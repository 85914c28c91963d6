import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { processStart } from './processes.js';

// The guardian is a program of its own, so the compiled form is what runs.
const compiled = new URL('../dist/dev-server/guarded-process.js', import.meta.url).href;
const { startGuarded } = (await import(compiled)) as typeof import('./guarded-process.js');

let folder: string;
let logFile: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retempo-guarded-'));
  logFile = join(folder, 'log');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const start = (script: string, graceMs = 60_000) =>
  startGuarded({ program: '/bin/sh', arguments: ['-c', script], logFile, graceMs });

/** The log, once it has this line. */
async function logWith(line: string): Promise<readonly string[]> {
  for (;;) {
    const lines = (await readFile(logFile, 'utf8').catch(() => '')).split('\n');
    if (lines.includes(line)) return lines;
    await sleep(20);
  }
}

async function untilGone(pid: number): Promise<void> {
  while ((await processStart(pid)) !== null) await sleep(20);
}

/** A field of what Linux says of a process: 4 its parent, 5 its group. */
async function field(pid: number, number: 4 | 5): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[number - 3]);
}

/** Programs that end with the test's folder at the latest, also where the test fails. */
const patient = () => `trap 'echo asked; exit 7' TERM; echo ready; while [ -d ${folder} ]; do sleep 0.05; done`;
const deaf = () => `trap 'echo asked' TERM; echo ready; while [ -d ${folder} ]; do sleep 0.05; done`;

describe('a guarded process', () => {
  it('is asked to end, and given its time', async () => {
    const server = await start(patient());
    await logWith('ready');
    expect(server.isRunning()).toBe(true);
    await server.stop();
    expect(await server.ended).toBe(7);
    expect(server.isRunning()).toBe(false);
    // Its id may be somebody else's by now.
    expect(() => server.signal('SIGKILL')).toThrow(`process ${server.pid} has ended`);
    await server.stop();
    // What was written before stays.
    const again = await start('echo second');
    expect(await again.ended).toBe(0);
    expect(await logWith('second')).toEqual(['ready', 'asked', 'second', '']);
    await again.stop();
  });

  it('is killed when it does not end in its time', async () => {
    const server = await start(deaf(), 200);
    await logWith('ready');
    await server.stop();
    expect(await server.ended).toBe('SIGKILL');
    expect(await processStart(server.pid)).toBeNull();
  });

  it('gets a signal that is sent to it', async () => {
    const server = await start(patient());
    await logWith('ready');
    server.signal('SIGKILL');
    expect(await server.ended).toBe('SIGKILL');
    await server.stop();
  });

  it('that cannot be started is told, with the reason', async () => {
    const program = join(folder, 'nothing');
    await expect(startGuarded({ program, arguments: [], logFile, graceMs: 1 })).rejects.toThrow(/nothing ENOENT/);
    await expect(
      startGuarded({ program, arguments: [], logFile: join(folder, 'no', 'log'), graceMs: 1 })
    ).rejects.toThrow('the guardian process ended before the program started');
  });

  it('is told where no guardian can be started: the host goes on', async () => {
    const { execPath } = process;
    process.execPath = join(folder, 'no-node');
    try {
      await expect(start('exit 0')).rejects.toThrow('the guardian process ended before the program started');
    } finally {
      process.execPath = execPath;
    }
  });
});

describe.skipIf(process.platform !== 'linux')('its guardian', () => {
  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('that gets %s ends it first, and asks it once', async (signal) => {
    const server = await start(deaf(), 1_000);
    await logWith('ready');
    process.kill(await field(server.pid, 4), signal);
    await logWith('asked');
    await server.stop();
    expect(await server.ended).toBe('SIGKILL');
    expect((await logWith('asked')).filter((line) => line === 'asked')).toHaveLength(1);
  });

  it('that is killed takes it along', async () => {
    const server = await start(deaf());
    await logWith('ready');
    process.kill(await field(server.pid, 4), 'SIGKILL');
    expect(await server.ended).toBe('guardian lost');
    await untilGone(server.pid);
  });

  it('whose host is gone before it has said that the program runs ends it all the same', async () => {
    const guardian = spawn(
      process.execPath,
      [fileURLToPath(new URL('guardian.js', compiled)), logFile, '60000', '/bin/sh', '-c', patient()],
      { stdio: ['pipe', 'pipe', 'inherit'] }
    );
    const ended = once(guardian, 'exit');
    guardian.stdout.destroy();
    await logWith('ready');
    guardian.stdin.end();
    expect(await ended).toEqual([0, null]);
    expect(await logWith('asked')).toEqual(['ready', 'asked', '']);
  });

  it('ends with it, also before anybody asks for that', async () => {
    const server = await start(patient());
    const guardian = await field(server.pid, 4);
    server.signal('SIGKILL');
    expect(await server.ended).toBe('SIGKILL');
    await untilGone(guardian);
    await server.stop();
  });

  it('keeps it out of the reach of a Ctrl-C: the host ends first', async () => {
    const server = await start(patient());
    expect(await field(server.pid, 5)).not.toBe(await field(process.pid, 5));
    await server.stop();
  });
});

describe('its host', () => {
  /** Runs a program that starts a guarded process, writes its id and then does this; gives the id and the exit code. */
  async function host(then: string): Promise<{ readonly pid: number; readonly code: unknown; readonly said: string }> {
    const script = `
      const { startGuarded } = await import(${JSON.stringify(compiled)});
      const server = await startGuarded(${JSON.stringify({ program: '/bin/sh', arguments: ['-c', patient()], logFile, graceMs: 60_000 })});
      console.log(server.pid);
      ${then}`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (data) => (said += String(data)));
    const code = await new Promise((resolve) => child.once('close', (exit, signal) => resolve(signal ?? exit)));
    return { pid: Number.parseInt(said, 10), code, said };
  }

  it('is not kept alive by it, and takes it along', async () => {
    const { pid, code } = await host('');
    expect(code).toBe(0);
    await untilGone(pid);
  });

  it('that is killed takes it along', async () => {
    const { pid, code } = await host("process.kill(process.pid, 'SIGKILL');");
    expect(code).toBe('SIGKILL');
    await untilGone(pid);
  });

  it('is not kept alive where there was nothing to start', async () => {
    const nothing = JSON.stringify({ program: join(folder, 'nothing'), arguments: [], logFile, graceMs: 60_000 });
    const { code, said } = await host(
      `await server.stop(); await startGuarded(${nothing}).catch(({ message }) => console.log(message));`
    );
    expect(code).toBe(0);
    expect(said).toContain('nothing ENOENT');
  });

  it('lives until it has ended, when it waits for nothing but that', async () => {
    const { pid, code, said } = await host("await server.stop(); console.log('stopped');");
    expect([code, said]).toEqual([0, `${pid}\nstopped\n`]);
    expect(await processStart(pid)).toBeNull();
  });
});
