import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs, {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { identityOf, ownIdentity, type ProcessIdentity } from '@retempo/activities/processes';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { jobPaths, poolFolder, type StateRecord } from './layout.js';
import { busyCount, requestSlot, type SlotRequest } from './pool.js';

let root: string;
const requests: SlotRequest[] = [];
beforeEach(() => {
  root = mkdtempSync(`${tmpdir()}/retempo-pool-`);
});
afterEach(() => {
  for (const request of requests.splice(0)) request.close();
  rmSync(root, { recursive: true, force: true });
});

const keyOf = (digit: string): string => digit.repeat(64);

function request(digit: string, slots: number, minute = 5): SlotRequest {
  const key = keyOf(digit);
  mkdirSync(jobPaths(root, key).folder, { recursive: true });
  const made = requestSlot({ root, pool: 'cpu', slots, key, createdAt: `2026-01-01T00:0${minute}:00.000Z` });
  requests.push(made);
  return made;
}

/** A process that has ended: its pid may be anybody's by now. */
async function deadProcess(): Promise<ProcessIdentity> {
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 600000)'], { stdio: 'ignore' });
  const identity = identityOf(child.pid ?? 0);
  child.kill('SIGKILL');
  await once(child, 'exit');
  if (identity === null) throw new Error('the process was not seen');
  return identity;
}

/** Slot `index` is held by a job, as its supervisor left it. */
function hold(index: number, digit: string, supervisor: ProcessIdentity, state: StateRecord | null): void {
  const paths = jobPaths(root, keyOf(digit));
  mkdirSync(paths.folder, { recursive: true });
  if (state !== null) writeFileSync(paths.state, JSON.stringify(state));
  const slot = `${poolFolder(root, 'cpu')}/slots/${index}`;
  mkdirSync(slot, { recursive: true });
  writeFileSync(`${slot}/1`, JSON.stringify({ v: 1, key: keyOf(digit), supervisor }));
}

const runs = (program: ProcessIdentity | null): StateRecord => ({
  v: 1,
  phase: 'running',
  program,
  startedAt: '2026-01-01T00:00:00.000Z',
});

describe('slots of a pool', () => {
  it('are held by living processes: of the supervisor, or of the program that outlives it, and by nothing else', async () => {
    const [dead, alive] = [await deadProcess(), ownIdentity()];
    hold(0, 'a', alive, null);
    hold(1, 'b', dead, runs(alive));
    hold(2, 'c', dead, runs(dead));
    hold(3, 'd', dead, runs(null));
    hold(4, 'e', dead, { v: 1, phase: 'launching' });
    hold(5, 'f', alive, { v: 1, phase: 'ended', outcome: { result: 'succeeded', message: '' } });
    expect(busyCount(root, 'cpu')).toBe(2);
    const refused = request('1', 2);
    expect(refused.tryTake()).toBe(false);
    refused.close();
    expect(request('2', 3).tryTake()).toBe(true);
    expect(busyCount(root, 'cpu')).toBe(3);
  });

  it('are of the user of the site alone, whatever its root allows', () => {
    const usual = process.umask(0o022);
    try {
      expect(busyCount(root, 'gpu')).toBe(0);
      request('1', 1);
    } finally {
      process.umask(usual);
    }
    const folders = [poolFolder(root, 'gpu'), `${poolFolder(root, 'gpu')}/slots`, `${poolFolder(root, 'cpu')}/waiting`];
    expect(folders.map((folder) => statSync(folder).mode & 0o777)).toEqual([0o700, 0o700, 0o700]);
  });

  it('are counted by a marker too: a program whose start was never written down holds its slot', async () => {
    const dead = await deadProcess();
    hold(0, 'a', dead, { v: 1, phase: 'launching' });
    const program = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 600000)'], {
      env: { RETEMPO_JOB_FOLDER: jobPaths(root, keyOf('a')).folder },
      stdio: 'ignore',
    });
    while (busyCount(root, 'cpu') === 0) await sleep(10);
    const waiting = request('1', 1);
    expect(waiting.tryTake()).toBe(false);
    program.kill('SIGKILL');
    await once(program, 'exit');
    expect(waiting.tryTake()).toBe(true);
  });

  it('are not waited for by the dead: who stands in line and was killed holds up nobody', async () => {
    const line = `${poolFolder(root, 'cpu')}/waiting`;
    mkdirSync(line, { recursive: true });
    const ticket = `2026-01-01T00:01:00.000Z-${keyOf('a')}.json`;
    writeFileSync(`${line}/${ticket}`, JSON.stringify({ v: 1, supervisor: await deadProcess() }));
    // A ticket that is taken back between the look into the folder and the look at it.
    symlinkSync(`${line}/nowhere`, `${line}/2026-01-01T00:00:00.000Z-${keyOf('b')}.json`);
    expect(request('1', 1, 2).tryTake()).toBe(true);
    expect(readdirSync(line)).not.toContain(ticket);
  });

  it('are not waited for by the dead, whoever else clears up after them, nor by what is only being written', async () => {
    const line = `${poolFolder(root, 'cpu')}/waiting`;
    mkdirSync(line, { recursive: true });
    const ticket = `2026-01-01T00:01:00.000Z-${keyOf('a')}.json`;
    writeFileSync(`${line}/${ticket}`, JSON.stringify({ v: 1, supervisor: await deadProcess() }));
    writeFileSync(`${line}/2026-01-01T00:00:00.000Z-${keyOf('b')}.json.4321.0123456789ab.tmp`, '{"v":');
    const late = request('1', 1, 2);
    // Another one in line removes the ticket at the same moment.
    const { rmSync: asIs } = fs;
    const twice = (path: string, options?: object): void => {
      if (path.endsWith(ticket)) asIs(path);
      asIs(path, options);
    };
    Object.assign(fs, { rmSync: twice });
    syncBuiltinESMExports();
    try {
      expect(late.tryTake()).toBe(true);
    } finally {
      Object.assign(fs, { rmSync: asIs });
      syncBuiltinESMExports();
    }
    expect(readdirSync(line)).not.toContain(ticket);
  });

  it('keep the place of a job whose supervisor was replaced while it stood in line', async () => {
    const line = `${poolFolder(root, 'cpu')}/waiting`;
    mkdirSync(line, { recursive: true });
    const ticket = `2026-01-01T00:01:00.000Z-${keyOf('1')}.json`;
    writeFileSync(`${line}/${ticket}`, JSON.stringify({ v: 1, supervisor: await deadProcess() }));
    const older = request('1', 1, 1);
    expect(request('2', 1, 2).tryTake()).toBe(false);
    expect(older.tryTake()).toBe(true);
  });

  it('go to the oldest first, whoever asks first, and to as many as there are slots', () => {
    const older = request('1', 1, 1);
    expect(request('2', 1, 2).tryTake()).toBe(false);
    expect(request('3', 3, 3).tryTake()).toBe(true);
    expect(older.tryTake()).toBe(false);
    expect(request('1', 2, 1).tryTake()).toBe(true);
  });

  it('of a pool that was made smaller are not taken in place of those that jobs hold further up', () => {
    hold(1, 'a', ownIdentity(), null);
    hold(5, 'b', ownIdentity(), null);
    expect(request('1', 2).tryTake()).toBe(false);
    expect(request('1', 3).tryTake()).toBe(true);
    expect(busyCount(root, 'cpu')).toBe(3);
  });

  it('of a pool that was made smaller are not taken by a job that slept since its look', () => {
    hold(2, 'a', ownIdentity(), null);
    hold(5, 'b', ownIdentity(), null);
    const [first, slept] = [request('1', 3, 1), request('2', 3, 2)];
    const { readdirSync } = fs;
    // Between its look at the slots and its look at the line the other one takes the last slot and leaves the line.
    const look = (path: string): string[] => {
      if (path.endsWith('/waiting')) {
        Object.assign(fs, { readdirSync });
        syncBuiltinESMExports();
        expect(first.tryTake()).toBe(true);
        first.close();
      }
      return readdirSync(path);
    };
    Object.assign(fs, { readdirSync: look });
    syncBuiltinESMExports();
    expect(slept.tryTake()).toBe(false);
    expect(busyCount(root, 'cpu')).toBe(3);
  });

  it('of a pool that was made smaller: jobs in slots that are gone count, and many that race never exceed the limit', async () => {
    const compiled = fileURLToPath(new URL('../dist/jobs/pool.js', import.meta.url));
    const racers = 6;
    for (let round = 0; round < 5; round += 1) {
      hold(2, 'f', ownIdentity(), null);
      const start = `${root}/start-${round}`;
      const script = (digit: number) => `
        import { existsSync, appendFileSync } from 'node:fs';
        import { requestSlot } from ${JSON.stringify(compiled)};
        const createdAt = '2026-01-01T00:01:00.000Z';
        const key = '${digit}'.repeat(64);
        const slot = requestSlot({ root: ${JSON.stringify(root)}, pool: 'cpu', slots: 2, key, createdAt });
        // Nobody stands in line before anybody: all see the same free slot.
        slot.close();
        appendFileSync(${JSON.stringify(`${root}/ready-${round}`)}, '+');
        while (!existsSync(${JSON.stringify(start)})) ;
        if (slot.tryTake()) appendFileSync(${JSON.stringify(`${root}/taken-${round}`)}, '+');
        process.stdin.resume();`;
      const children = Array.from({ length: racers }, (_, digit) => {
        mkdirSync(jobPaths(root, keyOf(String(digit))).folder, { recursive: true });
        return spawn(process.execPath, ['--input-type=module', '-e', script(digit)], {
          stdio: ['pipe', 'ignore', 'inherit'],
        });
      });
      const marks = (name: string): number =>
        spawnSync('cat', [`${root}/${name}-${round}`], { encoding: 'utf8' }).stdout.length;
      while (marks('ready') < racers) await sleep(20);
      writeFileSync(start, '');
      while (marks('taken') === 0) await sleep(20);
      await sleep(500);
      expect(readFileSync(`${root}/taken-${round}`, 'utf8')).toBe('+');
      for (const child of children) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      rmSync(poolFolder(root, 'cpu'), { recursive: true });
    }
  }, 120_000);
});
