import { spawnSync } from 'node:child_process';
import fs, {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { type FileHandle, open as openFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Counters, openCounters } from './counters.js';
import { type LogEntry, openRequestLog } from './request-log.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retempo-stores-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('counters', () => {
  it('give the same answers after a restart', async () => {
    const counters = openCounters(folder);
    counters.add(1, 'v1', { status: 200, latencyMs: 3, prediction: 0.5 });
    counters.add(1, 'v1', { status: 500, latencyMs: 80, prediction: null });
    counters.add(2, 'v1', { status: 400, latencyMs: 1, prediction: null });
    counters.add(2, 'v2', { status: 200, latencyMs: 1, prediction: null });
    await counters.flush();
    const again = openCounters(folder);
    for (const query of [
      { version: 'v1' },
      { version: 'v1', revisions: [1], slowOverMs: 50 },
      { version: 'v2', slowOverMs: 50 },
      { version: 'v3' },
    ]) {
      expect(again.read(query)).toEqual(counters.read(query));
    }
    expect(again.read({ version: 'v1', slowOverMs: 50 })).toEqual({
      requests: 3,
      errors: 1,
      callerErrors: 1,
      slow: 1,
      sums: {
        latencyMs: { n: 3, sum: 84, sumSquares: 6410 },
        prediction: { n: 1, sum: 0.5, sumSquares: 0.25 },
      },
    });
    // Where no limit is asked, none is applied.
    expect(again.read({ version: 'v1' })?.slow).toBeNull();
    expect(again.total(1)).toBe(2);
    expect(again.total(7)).toBe(0);
  });

  it('are written again each time they have grown', async () => {
    const counters = openCounters(join(folder, 'not', 'there', 'yet'));
    for (let requests = 1; requests <= 3; requests++) {
      counters.add(1, 'v1', { status: 200, latencyMs: 3, prediction: null });
      await counters.flush();
      expect(openCounters(join(folder, 'not', 'there', 'yet')).total(1)).toBe(requests);
    }
  });

  it('write only what has changed', async () => {
    const counters = openCounters(folder);
    counters.add(1, 'v1', { status: 200, latencyMs: 3, prediction: null });
    await counters.flush();
    rmSync(join(folder, 'r1.json'));
    counters.add(2, 'v1', { status: 200, latencyMs: 3, prediction: null });
    await counters.flush();
    expect(readdirSync(folder)).toEqual(['r2.json']);
  });

  it('are whole on disk at every moment of a write', async () => {
    const counters = openCounters(folder);
    for (let i = 0; i < 300; i++) counters.add(1, `v${i}`, { status: 200, latencyMs: i, prediction: null });
    await counters.flush();
    for (let round = 0; round < 40; round++) {
      counters.add(1, 'v1', { status: 200, latencyMs: 3, prediction: null });
      const state = { isWriting: true };
      const writing = counters.flush().finally(() => (state.isWriting = false));
      while (state.isWriting) {
        const { arms } = JSON.parse(readFileSync(join(folder, 'r1.json'), 'utf8')) as { readonly arms: unknown[] };
        expect(arms).toHaveLength(300);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await writing;
    }
  });

  it('do not know what they cannot read back, now and after every restart, and never tell it as 0', async () => {
    appendFileSync(join(folder, 'r1.json'), '{"v":1,"arms":[');
    for (let start = 0; start < 3; start++) {
      const counters = openCounters(folder);
      counters.add(1, 'v1', { status: 200, latencyMs: 3, prediction: null });
      counters.add(2, 'v1', { status: 200, latencyMs: 3, prediction: null });
      expect(counters.read({ version: 'v1' })).toBeNull();
      expect(counters.read({ version: 'v1', revisions: [1, 2] })).toBeNull();
      expect(counters.read({ version: 'v1', revisions: [2] })?.requests).toBe(start + 1);
      await counters.flush();
    }
  });
});

describe('counters and a disk that refuses', () => {
  const add = (counters: Counters) => counters.add(1, 'v1', { status: 200, latencyMs: 3, prediction: null });
  const storedRequests = () => openCounters(folder).read({ version: 'v1' })?.requests;

  it('what could not be written is written as soon as it can be', async () => {
    const counters = openCounters(folder);
    add(counters);
    const inTheWay = join(folder, 'r1.json');
    mkdirSync(join(inTheWay, 'full'), { recursive: true });
    await expect(counters.flush()).rejects.toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
    rmSync(inTheWay, { recursive: true });
    await counters.flush();
    expect(storedRequests()).toBe(1);
  });

  it('several writes at once do not get in the way of each other', async () => {
    const counters = openCounters(folder);
    const writes = Array.from({ length: 20 }, () => {
      add(counters);
      return counters.flush();
    });
    await Promise.all(writes);
    expect(storedRequests()).toBe(20);
  });

  it('half of a write of a process that was killed goes', () => {
    writeFileSync(join(folder, 'r1.json.tmp'), '{"v":1');
    openCounters(folder);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('request log', () => {
  const entry = (key: string | null): LogEntry => ({
    key,
    version: 'v1',
    revision: 'r1',
    atMs: 0,
    status: 200,
    prediction: 0.25,
  });
  const open = (options: { rotateBytes?: number; keepBytes?: number } = {}) =>
    openRequestLog(folder, { rotateBytes: 1e9, keepBytes: 1e9, onProblem: () => undefined, ...options });
  const lines = () =>
    readdirSync(folder)
      .sort()
      .flatMap((name) => readFileSync(join(folder, name), 'utf8').split(/(?<=\n)/))
      // A file that was just begun is empty.
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { readonly [key: string]: unknown });

  it('writes one JSON line per request, whatever is in the key', async () => {
    const log = open();
    const keys = ['a', '"', '\\', '\n', '\u2028', '😀', null];
    for (const key of keys) log.add(entry(key));
    await log.close();
    expect(lines().map(({ key }) => key)).toEqual(keys);
    expect(lines()[0]).toEqual({
      key: 'a',
      version: 'v1',
      revision: 'r1',
      at: '1970-01-01T00:00:00.000Z',
      status: 200,
      prediction: 0.25,
    });
  });

  it('goes on in a new file after a size and loses nothing on the way', async () => {
    const log = open({ rotateBytes: 500 });
    for (let i = 0; i < 50; i++) {
      log.add(entry(`k${i}`));
      await log.flush();
    }
    await log.close();
    expect(readdirSync(folder).length).toBeGreaterThan(5);
    expect(lines().map(({ key }) => key)).toEqual(Array.from({ length: 50 }, (_, i) => `k${i}`));
  });

  it('begins files whose names sort by age, also after the clock was set back', async () => {
    const future = 'requests-9999999999999-0000.ndjson';
    writeFileSync(join(folder, future), '');
    const log = open();
    log.add(entry('now'));
    await log.close();
    const names = readdirSync(folder).sort();
    expect([names.length, names[0]]).toEqual([2, future]);
  });

  it('holds a bounded part of the memory while a disk is slow, and counts what it could not hold', async () => {
    const log = open();
    const lines40MiB = 40 * 1024;
    for (let i = 0; i < lines40MiB; i++) log.add(entry('k'.repeat(1_024)));
    expect(log.lost()).toBeGreaterThan(0);
    const lost = log.lost();
    expect(lost).toBeLessThan(lines40MiB / 2);
    // What was written is not held any more.
    await log.flush();
    log.add(entry('next'));
    await log.close();
    expect(log.lost()).toBe(lost);
    expect(lines()).toHaveLength(lines40MiB - lost + 1);
  });

  it.each([
    ['a file that has lines already', 1e9],
    ['a file that was just begun', 100],
  ])('a full disk leaves whole lines in %s: what was written of the rest is taken back', (_what, rotateBytes) => {
    // The limit of the size of a file refuses in the middle of a batch, as a full disk does.
    const module = fileURLToPath(new URL('../dist/serving/request-log.js', import.meta.url));
    const program = `
      import { openRequestLog } from ${JSON.stringify(module)};
      const options = { rotateBytes: ${rotateBytes}, keepBytes: 1e9, onProblem: () => {} };
      const log = openRequestLog(${JSON.stringify(folder)}, options);
      const add = (key) => log.add({ key, version: 'v1', revision: 'r1', atMs: 0, status: 200, prediction: null });
      add('first');
      await log.flush();
      for (let i = 0; i < 100; i++) add('k'.repeat(100) + i);
      await log.flush();
      add('last');
      await log.close();
      console.log(log.lost());`;
    const limited = 'ulimit -f 8; exec "$0" --input-type=module -e "$1"';
    const { stdout } = spawnSync('/bin/sh', ['-c', limited, process.execPath, program], { encoding: 'utf8' });
    expect(stdout.trim()).toBe('100');
    expect(lines().map(({ key }) => key)).toEqual(['first', 'last']);
  });

  it('keeps one file open, and none after its end', async () => {
    const log = open({ rotateBytes: 1 });
    const openFiles = () =>
      readdirSync('/proc/self/fd').filter((descriptor) => {
        try {
          return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith(`${folder}/`);
        } catch {
          // The descriptor with which the folder was read.
          return false;
        }
      }).length;
    for (let i = 0; i < 5; i++) {
      log.add(entry('a'));
      await log.flush();
    }
    expect([readdirSync(folder).length, openFiles()]).toEqual([5, 1]);
    await log.close();
    const again = open();
    expect(openFiles()).toBe(0);
    await again.close();
    expect(openFiles()).toBe(0);
  });

  it('is on disk soon, although nobody asks for it', async () => {
    const log = open();
    log.add(entry('a'));
    await vi.waitUntil(() => readdirSync(folder).length > 0 && lines().length > 0, 50_000);
    await log.close();
  });

  it('has nothing to do with other files in its folder', async () => {
    writeFileSync(join(folder, 'notes'), 'of somebody else');
    writeFileSync(join(folder, 'zebra'), 'of somebody else');
    const log = open({ rotateBytes: 1, keepBytes: 0 });
    for (const key of ['a', 'b']) {
      log.add(entry(key));
      await log.flush();
    }
    await log.close();
    for (const name of ['notes', 'zebra']) {
      expect(readFileSync(join(folder, name), 'utf8')).toBe('of somebody else');
      rmSync(join(folder, name));
    }
    expect(lines().map(({ key }) => key)).toEqual(['b']);
  });

  it('loses no line where an old file cannot be removed, and says so', async () => {
    const problems: string[] = [];
    const stuck = 'requests-0000000000000-0000.ndjson';
    const log = openRequestLog(folder, {
      rotateBytes: 1,
      keepBytes: 0,
      onProblem: (message) => problems.push(message),
    });
    mkdirSync(join(folder, stuck, 'in the way'), { recursive: true });
    for (const key of ['a', 'b']) {
      log.add(entry(key));
      await log.flush();
    }
    await log.close();
    expect(log.lost()).toBe(0);
    expect(problems[0]).toContain(stuck);
    rmSync(join(folder, stuck), { recursive: true });
    expect(lines().map(({ key }) => key)).toEqual(['a', 'b']);
  });

  it('begins, and says so, where the newest file of before cannot be opened', async () => {
    const problems: string[] = [];
    const broken = 'requests-0000000000000-0000.ndjson';
    mkdirSync(join(folder, broken), { recursive: true });
    const log = openRequestLog(folder, {
      rotateBytes: 1e9,
      keepBytes: 1e9,
      onProblem: (message) => problems.push(message),
    });
    log.add(entry('a'));
    await log.close();
    expect(problems).toEqual([expect.stringContaining(`${broken} may be torn: EISDIR`)]);
    rmSync(join(folder, broken), { recursive: true });
    expect(lines().map(({ key }) => key)).toEqual(['a']);
  });

  it('removes its oldest files beyond the size that is kept, in whatever order the file system lists them', async () => {
    const { readdirSync: asIs } = fs;
    Object.assign(fs, { readdirSync: (path: string) => asIs(path).toReversed() });
    syncBuiltinESMExports();
    try {
      const log = open({ rotateBytes: 200, keepBytes: 1_000 });
      for (let i = 0; i < 50; i++) {
        log.add(entry(`k${i}`));
        await log.flush();
        // And not more than is too much.
        expect(lines().length).toBeGreaterThan(Math.min(i, 5));
      }
      await log.close();
    } finally {
      Object.assign(fs, { readdirSync: asIs });
      syncBuiltinESMExports();
    }
    const kept = lines().map(({ key }) => key);
    expect(kept.length).toBeLessThan(15);
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, i) => `k${50 - kept.length + i}`));
  });

  it.each([
    ['a line that a crash has torn', '{"key":"to'],
    ['what a loss of power has left of many lines', '\0'.repeat(200_000)],
  ])('cuts %s, and keeps the whole ones', async (_what, torn) => {
    const log = open();
    log.add(entry('whole'));
    await log.close();
    const [name] = readdirSync(folder);
    appendFileSync(join(folder, name ?? ''), torn);
    const again = open();
    again.add(entry('next'));
    await again.close();
    expect(lines().map(({ key }) => key)).toEqual(['whole', 'next']);
  });

  it('goes on after a disk that neither takes lines nor lets go of half of them', async () => {
    const log = open();
    log.add(entry('kept'));
    await log.flush();
    const handle = await openFile(join(folder, readdirSync(folder)[0] ?? ''));
    const methods = Object.getPrototypeOf(handle) as FileHandle;
    await handle.close();
    for (const name of ['write', 'truncate'] as const)
      vi.spyOn(methods, name).mockRejectedValueOnce(Object.assign(new Error('the disk is gone'), { code: 'EIO' }));
    for (const key of ['lost', 'next']) {
      log.add(entry(key));
      await log.flush();
    }
    vi.restoreAllMocks();
    await log.close();
    expect(log.lost()).toBe(1);
    expect(lines().map(({ key }) => key)).toEqual(['kept', 'next']);
  });

  it('never holds up the caller when the disk takes nothing: lines are lost and counted', async () => {
    const problems: string[] = [];
    const log = openRequestLog(folder, {
      rotateBytes: 1,
      keepBytes: 1e9,
      onProblem: (message) => problems.push(message),
    });
    log.add(entry('kept'));
    await log.flush();
    rmSync(folder, { recursive: true });
    log.add(entry('lost'));
    await log.flush();
    expect(log.lost()).toBe(1);
    expect(problems[0]).toContain('1 lines are lost');
    await log.close();
  });
});
