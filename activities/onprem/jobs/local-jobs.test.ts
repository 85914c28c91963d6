import childProcess, { type ChildProcess } from 'node:child_process';
import fs, { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import timers, { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { PortError, type Call, type JobBackend, type ProviderContext } from '@retempo/activities/ports';
import { identityOf, isAlive, type ProcessIdentity } from '@retempo/activities/processes';
import type { JobIntent, JobRef, JobState } from '@retempo/workflows/contracts';
import { holderOf, takeClaim } from './claim.js';
import { jobPaths, type StateRecord } from './layout.js';
import { createLocalJobs } from './local-jobs.js';

// Whose jobs a site knows, and when it starts a supervisor; what jobs do is tested by the conformance suite.

const root = mkdtempSync(`${tmpdir()}/retempo-local-jobs-`);
afterAll(() => rmSync(root, { recursive: true, force: true }));

const site = 'onprem.here';
const key = 'a'.repeat(64);
const call: Call = { signal: new AbortController().signal, deadlineMs: Date.now() + 60_000 };
const jobs = createLocalJobs({
  site,
  root,
  pools: [{ name: 'cpu', slots: 1 }],
  context: { materialize: () => Promise.resolve(), secret: () => Promise.resolve('') },
});
/** A folder as an ended job leaves it. */
function endedJob(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const intent = { key, releaseId: 'r', step: 'train', attempt: 1, specDigest: 'd', owner: 'o', pool: 'cpu', spec: {} };
  writeFileSync(`${folder}/job.json`, JSON.stringify({ v: 1, intent, pool: 'cpu', createdAt: '2026-01-01T00:00:00Z' }));
  writeFileSync(`${folder}/state.json`, JSON.stringify({ v: 1, phase: 'ended', outcome: { result: 'succeeded' } }));
}
endedJob(`${root}/jobs/${key}`);
endedJob(`${root}/elsewhere`);
const refOf = (id: string, at = site) => ({ v: 1, site: at, id, key: id }) as const;
const asks: readonly ((ref: JobRef) => Promise<unknown>)[] = [
  (ref) => jobs.describe(ref, call),
  (ref) => jobs.requestStop(ref, call),
  (ref) => jobs.outputOf(ref, call),
];

describe('jobs of a site', () => {
  it('are found by key and by reference', async () => {
    expect(await jobs.find(key, call)).toEqual([{ ...refOf(key), specDigest: 'd' }]);
    expect((await jobs.describe(refOf(key), call)).phase).toBe('ended');
  });

  it('are none for a key that was never given', async () => {
    expect(await jobs.find('b'.repeat(64), call)).toEqual([]);
  });

  it('are not those of another site, which may have the same keys', async () => {
    for (const ask of asks) {
      await expect(ask(refOf(key, 'onprem.there'))).rejects.toMatchObject({ class: 'NotFound' });
    }
  });

  it.each(['../elsewhere', `../jobs/${key}`, `${key}/`, '', '.'])('A4: %j is no key and leads nowhere', async (bad) => {
    expect(await jobs.find(bad, call)).toEqual([]);
    for (const ask of asks) {
      await expect(ask(refOf(bad))).rejects.toMatchObject({ class: 'NotFound' });
    }
  });
});

/** A site of its own, whose artifacts come as `materialize` says. */
function newSite(materialize: ProviderContext['materialize'] = () => Promise.resolve()) {
  const own = mkdtempSync(`${root}/site-`);
  const open = (): JobBackend =>
    createLocalJobs({
      site,
      root: own,
      pools: [{ name: 'cpu', slots: 1 }],
      context: { materialize, secret: () => Promise.resolve('') },
      stopGraceMs: 1000,
    });
  return { own, open, paths: jobPaths(own, key) };
}

const rows = { v: 1, uri: 'file:///rows/', digest: `sha256:${'0'.repeat(64)}`, bytes: 1 } as const;
const intentOf = (command: readonly string[]): JobIntent => ({
  key,
  releaseId: 'r',
  step: 'train',
  attempt: 1,
  specDigest: 'd',
  owner: 'o',
  spec: { program: { command }, inputs: { rows }, parameters: {}, capacity: 'onDemand', timeoutMs: 600_000 },
});
const ref = refOf(key);

async function until(backend: JobBackend, isIt: (state: JobState) => boolean): Promise<JobState> {
  for (;;) {
    const state = await backend.describe(ref, call);
    if (isIt(state)) return state;
    await sleep(10);
  }
}

/** Waits for the end of a job and of its supervisor, which clears up after it. */
async function untilEnded({ open, paths }: ReturnType<typeof newSite>): Promise<JobState> {
  const state = await until(open(), ({ phase }) => phase === 'ended');
  const isSupervised = (): boolean => {
    const holder = holderOf(paths.supervisor) as { readonly process: ProcessIdentity } | null;
    return holder !== null && isAlive(holder.process);
  };
  while (isSupervised()) await sleep(10);
  return state;
}

const { spawn } = childProcess;
const { renameSync } = fs;
const readAsIs = fs.readFileSync;
const { setTimeout } = timers;
const substitutes: ChildProcess[] = [];
afterEach(() => {
  for (const child of substitutes.splice(0)) child.kill('SIGKILL');
  Object.assign(timers, { setTimeout });
  Object.assign(childProcess, { spawn });
  Object.assign(fs, { readFileSync: readAsIs, renameSync });
  syncBuiltinESMExports();
});

/** Counts the supervisors that are started from now on, to the end of the test. */
function countStarts(): () => number {
  let starts = 0;
  Object.assign(childProcess, {
    spawn: (...input: Parameters<typeof spawn>) => {
      starts += 1;
      return spawn(...input);
    },
  });
  syncBuiltinESMExports();
  return () => starts;
}

/** Takes the place of supervisors, to the end of the test: one tells what it was told, and stays. */
function catchOrders(own: string): () => Promise<unknown> {
  let orders = 0;
  Object.assign(childProcess, {
    spawn: (_file: string, _args: readonly string[], options: object) => {
      orders += 1;
      const child = spawn('/bin/sh', ['-c', 'cat > "$0" && exec sleep 600', `${own}/order-${orders}`], options);
      substitutes.push(child);
      return child;
    },
  });
  syncBuiltinESMExports();
  let read = 0;
  return async () => {
    read += 1;
    for (;;) {
      const text = existsSync(`${own}/order-${read}`) ? readFileSync(`${own}/order-${read}`, 'utf8') : '';
      if (text.endsWith('\n')) return JSON.parse(text) as unknown;
      await sleep(10);
    }
  };
}

describe('supervisors of a site', () => {
  it('are told everything that the program needs, and the defaults of the site', async () => {
    const own = mkdtempSync(`${root}/site-`);
    const nextOrder = catchOrders(own);
    const backend = createLocalJobs({
      site,
      root: own,
      pools: [
        { name: 'small', slots: 1 },
        { name: 'large', slots: 7 },
      ],
      context: { materialize: () => Promise.resolve(), secret: (name) => Promise.resolve(`the secret ${name}`) },
    });
    const refTo = (digit: string) => ({ ...rows, digest: `sha256:${digit.repeat(64)}` });
    const { spec, ...intent } = intentOf(['x']);
    const env = { PLAIN: 'not a secret:', TOKEN: 'secret:a/b\nc' };
    await backend.create(
      { ...intent, pool: 'large', spec: { ...spec, env, code: refTo('1'), checkpoint: refTo('2') } },
      call
    );
    const folderOf = (digit: string): string => `${own}/cache/${digit.repeat(64)}/files`;
    expect(await nextOrder()).toEqual({
      v: 1,
      root: own,
      key,
      slots: 7,
      stopGraceMs: 30_000,
      logBytes: 8 * 1024 * 1024,
      env: { PLAIN: 'not a secret:', TOKEN: 'the secret a/b\nc' },
      folders: { code: folderOf('1'), checkpoint: folderOf('2'), inputs: { rows: folderOf('0') } },
      refusal: null,
    });
  });

  it('are started in the background when the artifacts take long, or when nobody waits for the answer', async () => {
    const slept: unknown[] = [];
    let isTimeOver = false;
    Object.assign(timers, {
      setTimeout: async (ms: number, _value: unknown, options?: { readonly signal?: AbortSignal }) => {
        slept.push(ms);
        if (!isTimeOver) await new Promise((_resolve, reject) => options?.signal?.addEventListener('abort', reject));
      },
    });
    syncBuiltinESMExports();
    const cancelled = newSite(() => new Promise(() => undefined));
    const nobody = new AbortController();
    const creating = cancelled.open().create(intentOf(['x']), { ...call, signal: nobody.signal });
    while (slept.length === 0) await new Promise(setImmediate);
    nobody.abort();
    expect(await creating).toEqual(ref);
    isTimeOver = true;
    const slow = newSite(() => new Promise(() => undefined));
    expect(await slow.open().create(intentOf(['x']), call)).toEqual(ref);
    expect(slept).toEqual([2000, 2000]);
    for (const { paths } of [cancelled, slow]) expect(existsSync(paths.state)).toBe(false);
  });

  it('are not started for a job that ends at this moment', async () => {
    const here = newSite();
    endedJob(here.paths.folder);
    const ended = readFileSync(here.paths.state, 'utf8');
    writeFileSync(here.paths.record, JSON.stringify({ v: 1, intent: intentOf(['x']), pool: 'cpu', createdAt: '' }));
    writeFileSync(here.paths.state, JSON.stringify({ v: 1, phase: 'launching' } satisfies StateRecord));
    const supervisor = spawn('/bin/sleep', ['600']);
    const identity = identityOf(supervisor.pid ?? 0);
    if (identity === null) throw new Error('no process');
    takeClaim(here.paths.supervisor, { v: 1, process: identity }, () => true);
    const starts = countStarts();
    Object.assign(fs, {
      readFileSync: (path: string, ...more: []) => {
        const text = readAsIs(path, ...more);
        if (path === here.paths.state && supervisor.kill('SIGKILL')) {
          writeFileSync(path, ended);
          while (isAlive(identity));
        }
        return text;
      },
    });
    syncBuiltinESMExports();
    await here.open().find(key, call);
    // One that only takes over is started without waiting for anything.
    await new Promise(setImmediate);
    expect(isAlive(identity)).toBe(false);
    expect(starts()).toBe(0);
  });

  it('wait for nothing any more when their folders are made', async () => {
    const here = newSite();
    endedJob(here.paths.folder);
    writeFileSync(here.paths.record, JSON.stringify({ v: 1, intent: intentOf(['x']), pool: 'cpu', createdAt: '' }));
    writeFileSync(here.paths.state, JSON.stringify({ v: 1, phase: 'preparing' } satisfies StateRecord));
    const nextOrder = catchOrders(here.own);
    expect(await here.open().describe(ref, call)).toStrictEqual({ phase: 'starting' });
    await nextOrder();
  });

  it('trouble that has passed is no longer told', async () => {
    let isAway = true;
    const here = newSite(() => (isAway ? Promise.reject(new Error('the store is away')) : Promise.resolve()));
    const nextOrder = catchOrders(here.own);
    const backend = here.open();
    await backend.create(intentOf(['x']), call);
    const told = { waitingFor: 'inputs', problem: 'the store is away' };
    expect(await backend.describe(ref, call)).toEqual({ phase: 'starting', progress: told });
    isAway = false;
    await until(backend, (state) => !JSON.stringify(state).includes('problem'));
    await nextOrder();
  });

  it('are started once, however often a job is asked for while its inputs come, at its start, and while it runs', async () => {
    let arrive = (): void => undefined;
    const arrival = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    const here = newSite(() => arrival);
    const starts = countStarts();
    const backend = here.open();
    const creating = backend.create(intentOf(['/bin/sleep', '600']), call);
    const asked = () => Promise.all([backend.find(key, call), backend.describe(ref, call), backend.find(key, call)]);
    await asked();
    arrive();
    await creating;
    await asked();
    expect(await until(backend, ({ phase }) => phase === 'running')).toStrictEqual({ phase: 'running' });
    const another = here.open();
    for (let turn = 0; turn < 3; turn += 1) await another.describe(ref, call);
    await another.requestStop(ref, call);
    expect((await untilEnded(here)).phase).toBe('ended');
    await backend.describe(ref, call);
    expect(starts()).toBe(1);
  });

  it.each<StateRecord>([
    { v: 1, phase: 'launching' },
    { v: 1, phase: 'running', program: null, startedAt: '2026-01-01T00:00:00.000Z' },
  ])('take over a job that was started without its inputs: they may be away for good ($phase)', async (state) => {
    const here = newSite(() => new Promise(() => undefined));
    endedJob(here.paths.folder);
    writeFileSync(here.paths.record, JSON.stringify({ v: 1, intent: intentOf(['x']), pool: 'cpu', createdAt: '' }));
    writeFileSync(here.paths.state, JSON.stringify(state));
    expect(await untilEnded(here)).toMatchObject({ phase: 'ended', outcome: { result: 'lost' } });
  });

  it.each(['NotFound', 'Integrity', 'AuthDenied'] as const)('inputs that are %s end the job for good', async (why) => {
    const here = newSite(() => Promise.reject(new PortError(why, 'not today')));
    await here.open().create(intentOf(['x']), call);
    const outcome = { result: 'failed', class: why, message: 'not started: not today' };
    expect(await untilEnded(here)).toMatchObject({ outcome });
  });

  it('inputs that are not there end the job; what a store says is shown short and without control characters', async () => {
    const hostile = `gone \u001b[2J${'x'.repeat(5000)}\u001b[2J`;
    const missing = newSite(() => Promise.reject(new PortError('NotFound', hostile)));
    await missing.open().create(intentOf(['x']), call);
    const ended = await untilEnded(missing);
    expect(ended).toMatchObject({ outcome: { result: 'failed', class: 'NotFound' } });
    const away = newSite(() => Promise.reject(new PortError('ServiceFault', hostile)));
    const backend = away.open();
    await backend.create(intentOf(['x']), call);
    const waiting = await backend.describe(ref, call);
    expect(waiting).toMatchObject({ phase: 'starting', progress: { waitingFor: 'inputs' } });
    for (const state of [ended, waiting]) {
      const text = JSON.stringify(state);
      expect(text).toMatch(/gone|xxx/);
      expect(text).not.toContain('\\u001b');
      expect(text.length).toBeLessThan(2500);
    }
    await backend.requestStop(ref, call);
    await untilEnded(away);
  });
});

describe('what a job leaves', () => {
  it('a stop after the end changes nothing', async () => {
    const folder = `${root}/jobs/${key}`;
    const before = readdirSync(folder);
    await jobs.requestStop(refOf(key), call);
    expect(readdirSync(folder)).toEqual(before);
  });

  it('an empty folder for checkpoints is none', async () => {
    const { own, open, paths } = newSite();
    endedJob(paths.folder);
    const outputFolder = `${own}/jobs/${key}/output`;
    expect(await open().outputOf(ref, call)).toEqual({ outputFolder, checkpointFolder: null });
    mkdirSync(paths.checkpoint);
    expect(await open().outputOf(ref, call)).toEqual({ outputFolder, checkpointFolder: null });
    writeFileSync(`${paths.checkpoint}/step`, '');
    expect(await open().outputOf(ref, call)).toEqual({ outputFolder, checkpointFolder: paths.checkpoint });
  });

  it.each([
    ['ENOSPC', 'CapacityUnavailable', /^no space left below .*; free some/],
    ['EDQUOT', 'CapacityUnavailable', /^no space left below .*; free some/],
    ['EACCES', 'AuthDenied', /^not allowed to write below .*; give the user/],
    ['EPERM', 'AuthDenied', /^not allowed to write below .*; give the user/],
    ['EROFS', 'AuthDenied', /^not allowed to write below .*; give the user/],
    ['EIO', 'ServiceFault', /^local jobs below .* cannot be reached .*; look at the disk/],
  ])('nothing when its folder meets %s, which is told as %s', async (code, errorClass, message) => {
    const { own, open } = newSite();
    Object.assign(fs, {
      renameSync: () => {
        throw Object.assign(new Error('refused'), { code });
      },
    });
    syncBuiltinESMExports();
    const creating = open().create(intentOf(['x']), call);
    await expect(creating).rejects.toMatchObject({
      class: errorClass,
      message: expect.stringMatching(message) as string,
    });
    expect(readdirSync(`${own}/jobs`)).toEqual([]);
  });
});
