import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { isAlive, type ProcessIdentity } from '@retempo/activities/processes';
import { superviseModelServer, type SupervisedServer } from './supervisor.js';

// Real processes that crash, that never start and that serve; only the clock of the supervisor is the test's, so that pauses of
// half a minute are counted and not waited for.

let folder: string;
let supervised: SupervisedServer | undefined;
let reasons: string[];
/** Every process that was started, in order. */
let started: ProcessIdentity[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retempo-supervisor-'));
  reasons = [];
  started = [];
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
});
afterEach(async () => {
  await supervised?.stop();
  vi.useRealTimers();
  rmSync(folder, { recursive: true, force: true });
});

const realSetTimeout = globalThis.setTimeout;
const logFile = () => join(folder, 'server.log');

/** Waits for what processes do, while the clock stands still. */
async function until(what: string, holds: () => boolean): Promise<void> {
  const since = performance.now();
  while (!holds()) {
    if (performance.now() - since > 50_000) throw new Error(`never came: ${what}`);
    await new Promise((resolve) => {
      realSetTimeout(resolve, 5);
    });
  }
}

/** Supervises a program that does what the file `mode` says: `crash`, `hang` or `serve`. */
function supervise(mode: 'crash' | 'hang' | 'serve'): void {
  const program = join(folder, 'program.mjs');
  writeFileSync(
    program,
    `import { readFileSync } from 'node:fs';
     import { createServer } from 'node:http';
     const mode = readFileSync(${JSON.stringify(join(folder, 'mode'))}, 'utf8');
     console.log('a line of the server');
     if (mode === 'crash') process.exit(7);
     process.on('disconnect', () => process.exit(0));
     if (mode === 'serve') {
       const server = createServer((_request, response) => response.end('{"inputs":[],"outputs":[]}'));
       server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
     }`
  );
  become(mode);
  supervised = superviseModelServer({
    program,
    arguments: [],
    metadataPath: '/model',
    logFile: logFile(),
    maxBodyBytes: 1_000,
    onChange: () => {
      const identity = supervised?.identity();
      if (identity !== undefined && started.at(-1)?.pid !== identity.pid) started.push(identity);
    },
    log: (reason) => reasons.push(reason),
  });
  // The first one is started at once, before there is anything to ask.
  const first = supervised.identity();
  if (first !== undefined) started.push(first);
}
const become = (mode: string) => writeFileSync(join(folder, 'mode'), mode);

/** The next server is started when this many milliseconds have passed, and not before. */
async function startsAfter(pauseMs: number): Promise<void> {
  const before = started.length;
  await vi.advanceTimersByTimeAsync(pauseMs - 1);
  expect([pauseMs, started.length]).toEqual([pauseMs, before]);
  await vi.advanceTimersByTimeAsync(1);
  expect([pauseMs, started.length]).toEqual([pauseMs, before + 1]);
}
const ends = (times: number) => until(`end number ${times}`, () => reasons.length === times);

describe('supervisor of a model server', () => {
  it('starts one that crashes again after pauses that double, up to half a minute', async () => {
    supervise('crash');
    for (const [index, pauseMs] of [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000].entries()) {
      await ends(index + 1);
      expect(reasons.at(-1)).toContain('the model server ended (exit code 7)');
      expect(supervised?.isReady()).toBe(false);
      await startsAfter(pauseMs);
    }
  });

  it('begins with short pauses again when one has run for more than a minute, and not when it was a minute', async () => {
    supervise('crash');
    await ends(1);
    await startsAfter(200);
    await ends(2);
    let pauseMs = 400;
    for (const [ranMs, next] of [
      [60_000, 800],
      [60_001, 100],
    ] as const) {
      become('serve');
      await startsAfter(pauseMs);
      await until('it is ready', () => supervised?.isReady() === true);
      vi.setSystemTime(Date.now() + ranMs);
      process.kill(started.at(-1)?.pid ?? 0, 'SIGKILL');
      await ends(reasons.length + 1);
      pauseMs = next;
    }
    await startsAfter(100);
  });

  it('ends one that does not start within a minute, says so, and starts another one', async () => {
    supervise('hang');
    await until('the program runs', () => existsSync(logFile()) && statSync(logFile()).size > 0);
    const [first] = started;
    if (first === undefined) throw new Error('nothing was started');
    await vi.advanceTimersByTimeAsync(59_999);
    expect([reasons, isAlive(first), started.length]).toEqual([[], true, 1]);
    become('serve');
    await vi.advanceTimersByTimeAsync(1);
    expect(reasons).toEqual([expect.stringContaining('did not start within 60 s')]);
    await until('the first one is gone', () => !isAlive(first));
    await startsAfter(200);
    await until('it is ready', () => supervised?.isReady() === true);
    expect(supervised?.problem()).toBeUndefined();
  });

  it('keeps the log of a server over its restarts, until it is larger than 4 MiB', async () => {
    const limit = 4 * 1024 * 1024;
    const line = 'a line of the server\n';
    writeFileSync(logFile(), Buffer.alloc(limit, 'x'));
    supervise('crash');
    await ends(1);
    expect(statSync(logFile()).size).toBe(limit + line.length);
    await startsAfter(200);
    await ends(2);
    expect(readFileSync(logFile(), 'utf8')).toBe(line);
    await startsAfter(400);
    await ends(3);
    expect(readFileSync(logFile(), 'utf8')).toBe(line + line);
  });

  it('ends the server for good when it is stopped, which is nothing to report', async () => {
    supervise('serve');
    await until('it is ready', () => supervised?.isReady() === true);
    await supervised?.stop();
    expect([supervised?.isReady(), started.map(isAlive)]).toEqual([false, [false]]);
    await until('the supervisor has seen it', () => supervised?.identity() === undefined);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(supervised?.problem()).toContain('is being retired');
    expect([started.length, reasons]).toEqual([1, []]);
  });

  it('starts none any more when it was stopped in a pause', async () => {
    supervise('crash');
    await ends(1);
    await supervised?.stop();
    await vi.advanceTimersByTimeAsync(120_000);
    expect([started.length, reasons.length]).toEqual([1, 1]);
  });
});
