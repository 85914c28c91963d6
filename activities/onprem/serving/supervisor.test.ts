import { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { Socket, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { isAlive, type ProcessIdentity } from '@retempo/activities/processes';
import { superviseModelServer, type SupervisedServer } from './supervisor.js';

// Real processes that crash, that never start and that serve; only the clock of the supervisor is the test's, so that pauses of
// half a minute are counted and not waited for.

let folder: string;
let supervised: SupervisedServer | undefined;
let server: Server | undefined;
let reasons: string[];
/** Every process that was started, in order. */
let started: ProcessIdentity[];
/** How often a change was told. */
let changes: number;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retempo-supervisor-'));
  reasons = [];
  started = [];
  changes = 0;
  // The clock of a request is not the test's: it would end one that the test has not answered yet.
  vi.spyOn(Socket.prototype, 'setTimeout').mockReturnThis();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
});
afterEach(async () => {
  await supervised?.stop();
  supervised = undefined;
  server?.closeAllConnections();
  server?.close();
  vi.useRealTimers();
  vi.restoreAllMocks();
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

type Mode = 'crash' | 'refuse' | 'hang' | 'serve' | 'elsewhere';

/**
 * Supervises a program that does what the file `mode` says: `crash`, `refuse` (says why it cannot serve, and ends), `hang`, `serve`,
 * or `elsewhere` (the test answers in its place at the port in the file `port`).
 */
function supervise(mode: Mode): void {
  const program = join(folder, 'program.mjs');
  writeFileSync(
    program,
    `import { readFileSync } from 'node:fs';
     import { createServer } from 'node:http';
     const mode = readFileSync(${JSON.stringify(join(folder, 'mode'))}, 'utf8');
     console.log('a line of the server');
     if (mode === 'crash') process.exit(7);
     if (mode === 'refuse') process.send({ problem: 'there is no model' }, () => process.exit(1));
     process.on('disconnect', () => process.exit(0));
     if (mode === 'elsewhere') process.send({ port: Number(readFileSync(${JSON.stringify(join(folder, 'port'))}, 'utf8')) });
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
      changes += 1;
      const identity = supervised?.identity();
      if (identity !== undefined && started.at(-1)?.pid !== identity.pid) started.push(identity);
    },
    log: (reason) => reasons.push(reason),
  });
  // The first one is started at once, before there is anything to ask.
  const first = supervised.identity();
  if (first !== undefined) started.push(first);
}
const become = (mode: Mode) => writeFileSync(join(folder, 'mode'), mode);

function kill(one: ProcessIdentity | undefined): void {
  // The id 0 would be the group of these tests.
  if (one === undefined) throw new Error('nothing was started');
  process.kill(one.pid, 'SIGKILL');
}

/** The next server is started when this many milliseconds have passed, and not before. */
async function startsAfter(pauseMs: number): Promise<void> {
  const before = started.length;
  await vi.advanceTimersByTimeAsync(pauseMs - 1);
  expect([pauseMs, started.length]).toEqual([pauseMs, before]);
  await vi.advanceTimersByTimeAsync(1);
  expect([pauseMs, started.length]).toEqual([pauseMs, before + 1]);
}
/** A server of the test that stands in for the program's own: each request waits until the test answers it. */
async function standIn(): Promise<{ readonly asked: ServerResponse[] }> {
  const asked: ServerResponse[] = [];
  server = createServer((_request, response) => void asked.push(response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  writeFileSync(join(folder, 'port'), String((server.address() as AddressInfo).port));
  return { asked };
}
/** Answers a request, and waits until the supervisor has taken notice: it pauses before its next look. */
async function answer(response: ServerResponse | undefined, status = 200): Promise<void> {
  const timers = vi.getTimerCount();
  response?.writeHead(status).end('{"inputs":[],"outputs":[]}');
  await until('the supervisor has taken notice', () => vi.getTimerCount() === timers + 1);
}
const ends = (times: number) => until(`end number ${times}`, () => reasons.length === times);

describe('supervisor of a model server: health', () => {
  it('ends one that three times in a row is not well, and none that is well in between', async () => {
    const { asked } = await standIn();
    supervise('elsewhere');
    await until('it is asked', () => asked.length === 1);
    await answer(asked.at(-1));
    expect(supervised?.isReady()).toBe(true);
    for (const status of [503, 503, 200, 503, 503]) {
      const before = asked.length;
      await vi.advanceTimersByTimeAsync(1_000);
      await until('it is asked again', () => asked.length === before + 1);
      await answer(asked.at(-1), status);
      expect([reasons, supervised?.isReady()]).toEqual([[], true]);
    }
    become('crash');
    await vi.advanceTimersByTimeAsync(1_000);
    await until('it is asked again', () => asked.length === 7);
    asked.at(-1)?.writeHead(503).end();
    await ends(1);
    expect(reasons[0]).toContain('the model server hangs (status 503) and is started again');
    expect(supervised?.isReady()).toBe(false);
    await until('it is gone', () => !started.some(isAlive));
    await startsAfter(200);
  });

  it.each<readonly [what: string, respond: (response: ServerResponse | undefined) => void, reason: RegExp]>([
    ['no JSON', (response) => response?.end('well'), /Unexpected token .*is not valid JSON/],
    [
      'cut off in the middle',
      (response) => response?.writeHead(200, { 'content-length': 100 }).write('{', () => response.destroy()),
      /aborted/,
    ],
  ])('ends one whose answers are %s', async (_what, respond, reason) => {
    const { asked } = await standIn();
    supervise('elsewhere');
    for (const looks of [1, 2, 3]) {
      await until('it is asked', () => asked.length === looks);
      const timers = vi.getTimerCount();
      respond(asked.at(-1));
      if (looks === 3) break;
      await until('the supervisor has taken notice', () => vi.getTimerCount() === timers + 1);
      expect([reasons, supervised?.isReady()]).toEqual([[], false]);
      await vi.advanceTimersByTimeAsync(1_000);
    }
    await ends(1);
    expect(reasons[0]).toMatch(reason);
    expect(reasons[0]).toMatch(/^the model server hangs \(.*\) and is started again/);
    become('serve');
    await startsAfter(200);
    await until('it is ready', () => supervised?.isReady() === true);
  });

  it('ends one that takes no connection where it says that it listens', async () => {
    await standIn();
    server?.close();
    await once(server as Server, 'close');
    supervise('elsewhere');
    for (let looks = 1; looks < 3; looks += 1) {
      // The minute for the start, and the second to the next look.
      await until('the supervisor has taken notice', () => vi.getTimerCount() === 2);
      expect(reasons).toEqual([]);
      await vi.advanceTimersByTimeAsync(1_000);
    }
    await ends(1);
    expect(reasons[0]).toContain('the model server hangs (connect ECONNREFUSED');
  });

  it('gives no traffic to one that has ended, whatever is answered in its name afterwards', async () => {
    const { asked } = await standIn();
    supervise('elsewhere');
    await until('it is asked', () => asked.length === 1);
    kill(started[0]);
    await ends(1);
    await answer(asked[0]);
    expect(supervised?.isReady()).toBe(false);
    // It is not asked any more either.
    become('hang');
    await startsAfter(200);
    const connecting = vi.spyOn(Socket.prototype, 'connect');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(connecting).not.toHaveBeenCalled();
  });

  it('gives no traffic to one that was stopped while it answered', async () => {
    const { asked } = await standIn();
    supervise('elsewhere');
    await until('it is asked', () => asked.length === 1);
    // As if its end took its time.
    const killing = vi.spyOn(ChildProcess.prototype, 'kill').mockReturnValue(true);
    const stopping = supervised?.stop();
    expect(killing).toHaveBeenCalledWith('SIGKILL');
    await answer(asked[0]);
    expect(supervised?.isReady()).toBe(false);
    killing.mockRestore();
    kill(started[0]);
    await stopping;
    expect(supervised?.isReady()).toBe(false);
  });

  it('is not ready from the moment on that it has ended', async () => {
    supervise('serve');
    await until('it is ready', () => supervised?.isReady() === true);
    const before = changes;
    kill(started[0]);
    await ends(1);
    expect([supervised?.isReady(), supervised?.upstream()]).toEqual([false, undefined]);
    // Who keeps the list of processes is told.
    expect([supervised?.identity(), changes]).toEqual([undefined, before + 1]);
  });
});

describe('supervisor of a model server: what cannot be started', () => {
  it('is told in the words of the program, and is started again', async () => {
    supervise('refuse');
    await ends(1);
    expect([reasons, supervised?.problem()]).toEqual([['there is no model'], 'there is no model']);
    await startsAfter(200);
  });

  it.each<[string, () => () => void]>([
    [
      'its log cannot be opened',
      () => {
        mkdirSync(logFile());
        return () => rmSync(logFile(), { recursive: true });
      },
    ],
    [
      'the system has no such program',
      () => {
        const { execPath } = process;
        process.execPath = join(folder, 'no-node');
        return () => (process.execPath = execPath);
      },
    ],
  ])('is tried again when the reason is gone: %s', async (_what, prevent) => {
    const mend = prevent();
    try {
      supervise('serve');
      await ends(1);
    } finally {
      mend();
    }
    expect(reasons[0]).toMatch(/^the model server cannot be started \((EISDIR|spawn .* ENOENT).*\); look at/);
    await startsAfter(200);
    await until('it is ready', () => supervised?.isReady() === true);
  });

  it('can be stopped before that is known', async () => {
    const { execPath } = process;
    process.execPath = join(folder, 'no-node');
    // What never was a process has no id: a signal to it would reach the group of whoever sends it.
    const killing = vi.spyOn(ChildProcess.prototype, 'kill').mockReturnValue(true);
    try {
      supervise('serve');
      await supervised?.stop();
    } finally {
      process.execPath = execPath;
    }
    expect([started, killing.mock.calls]).toEqual([[], []]);
  });
});

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
      kill(started.at(-1));
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
