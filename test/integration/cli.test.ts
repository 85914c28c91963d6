import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repositoryRoot } from '../support/repository.js';
import { missingServer } from '../support/server-peer.js';
import { createTinyProject, type TinyProject } from '../support/tiny-project.js';

// The command as a person types it: processes, exit codes, stdout and stderr, on a real server.

const bin = fileURLToPath(new URL('cli/dist/bin.js', repositoryRoot));
const missing = await missingServer();

/** Nothing of the caller's environment names a server or forces colours. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(?:TEMPORAL_|RETEMPO_|FORCE_COLOR|NO_COLOR)/.test(name))
);

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

let project: TinyProject;

function retempo(...args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, [bin, ...args], { cwd: project.folder, env }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
  });
}

async function json<T = Record<string, unknown>>(...args: readonly string[]): Promise<T> {
  const { out, err } = await retempo(...args, '--json');
  expect(out, err).not.toBe('');
  return JSON.parse(out.trimEnd().split('\n').at(-1) ?? '') as T;
}

interface LongLived {
  readonly child: ChildProcess;
  /** First document that it printed. */
  readonly ready: Record<string, unknown>;
  /** Sends a signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** Starts a command that goes on, and waits for its first line of JSON. */
async function start(...args: readonly string[]): Promise<LongLived> {
  const child = spawn(process.execPath, [bin, ...args, '--json'], { cwd: project.folder, env, stdio: 'pipe' });
  let out = '';
  let err = '';
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const first = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      const [line, rest] = out.split('\n');
      if (rest !== undefined && line !== undefined) resolve(line);
    });
    void ended.then((code) => reject(new Error(`${args.join(' ')} ended with ${String(code)}: ${err}`)));
  });
  return {
    child,
    ready: JSON.parse(first) as Record<string, unknown>,
    end(signal) {
      child.kill(signal);
      return ended;
    },
  };
}

async function until<T>(what: string, look: () => Promise<T>, done: (seen: T) => boolean): Promise<T> {
  const giveUpAt = Date.now() + 90_000;
  for (;;) {
    const seen = await look();
    if (done(seen)) return seen;
    if (Date.now() > giveUpAt) throw new Error(`${what}: last seen ${JSON.stringify(seen)}`);
    await sleep(250);
  }
}

interface StatusDocument {
  readonly status: {
    readonly phase: string;
    readonly champion: string | null;
    readonly running: { readonly runId: string; readonly phase: string } | null;
    readonly specDigest: string;
    readonly installationDigest: string;
  };
}
interface ChangesDocument {
  readonly upToDate: boolean;
  readonly applied?: boolean;
  readonly models: readonly {
    readonly change: string;
    readonly specDigest: string;
    readonly specChanges: readonly { readonly path: string }[];
    readonly fileChanges: readonly { readonly path: string; readonly what: string }[];
  }[];
}

const statusOf = () => json<StatusDocument>('status', 'tiny');

/** True while something answers at the address. */
const answers = (url: string): Promise<boolean> =>
  fetch(url).then(
    () => true,
    () => false
  );

describe.skipIf(missing !== null)('retempo', () => {
  let dev: LongLived;
  let endpointUrl: string;

  beforeAll(async () => {
    project = await createTinyProject();
    dev = await start('dev', '--port', '0', '--ui-port', '0');
    endpointUrl = (dev.ready['endpoints'] as readonly { url: string }[])[0]?.url ?? '';
  });

  afterAll(async () => {
    if (dev.child.exitCode === null) await dev.end('SIGINT');
    await project.remove();
  });

  it('dev says where everything is, and it is there', async () => {
    expect(dev.ready).toMatchObject({ v: 1, namespace: 'default', stateFolder: join(project.folder, '.retempo') });
    expect(dev.ready['queues']).toHaveLength(5);
    expect(await answers(endpointUrl)).toBe(true);
    expect(await answers(String(dev.ready['uiUrl']))).toBe(true);
    const second = await retempo('dev', '--port', '0', '--ui-port', '0');
    expect(second.code).toBe(1);
    expect(second.err).toContain('a Temporal dev server already runs on');
  });

  it('plan changes nothing', async () => {
    const plan = await json<ChangesDocument>('plan');
    expect(plan).toMatchObject({ upToDate: false, models: [{ model: 'tiny', change: 'add', schedule: 'new' }] });
    expect(await json('status')).toEqual({ v: 1, models: [] });
    expect(await json('plan')).toEqual(plan);
  });

  it('refuses a model that was never applied', async () => {
    const { code, err } = await retempo('retrain', 'tiny', '--why', 'x');
    expect(code).toBe(1);
    expect(err).toContain('there is no model "tiny"; create it with: retempo apply');
  });

  it('apply creates, and a second one changes nothing', async () => {
    const first = await retempo('apply');
    expect(first.code).toBe(0);
    expect(first.out).toContain('+ model tiny    governor retempo/tiny, watch every 7 d');
    expect(await json('apply')).toMatchObject({ upToDate: true, applied: false, models: [{ change: 'none' }] });
    expect((await retempo('plan')).out).toContain('Nothing to do');
  });

  it('an edited model file and program are told value by value and file by file, and applied', async () => {
    const file = join(project.folder, 'models', 'tiny.yaml');
    await writeFile(file, (await readFile(file, 'utf8')).replace('cooldown: 0s', 'cooldown: 1s'));
    await writeFile(join(project.folder, 'notes.txt'), 'part of the program');
    const plan = await retempo('plan');
    expect(plan.out).toMatch(/~ model tiny {4}1 value, 1 file of its program/);
    expect(plan.out).toMatch(/retrain\.cooldown +0 ms → 1 s/);
    expect(plan.out).toMatch(/notes\.txt +added/);
    const applied = await json<ChangesDocument>('apply');
    expect(applied.models[0]).toMatchObject({ change: 'change', schedule: 'changed' });
    expect((await statusOf()).status.specDigest).toBe(applied.models[0]?.specDigest);
    expect(await json('plan')).toMatchObject({ upToDate: true });
  });

  it('plan says what a change would wait for, and which keys do nothing yet', async () => {
    const file = join(project.folder, 'models', 'tiny.yaml');
    const before = await readFile(file, 'utf8');
    await writeFile(
      file,
      before
        .replace(/^watch:$/m, 'watch:\n  compare: [training, sameSlot]')
        .replace(/^train:$/m, 'train:\n  atMost: 5 USD')
    );
    const { hints } = await json<{ readonly hints: readonly { readonly kind: string; readonly text: string }[] }>(
      'plan'
    );
    const texts = hints.map(({ kind, text }) => `${kind}: ${text}`);
    expect(texts).toContainEqual(expect.stringMatching(/^data: watch\.compare: sameSlot needs data from 2025-/));
    expect(texts).toContainEqual(expect.stringMatching(/^notEnforced: train\.atMost is kept but not enforced/));
    await writeFile(file, before);
  });

  it('changed limits of retempo.yaml reach a governor that runs: its next run gets them', async () => {
    const before = (await statusOf()).status;
    const file = join(project.folder, 'retempo.yaml');
    const text = await readFile(file, 'utf8');
    expect(text).toContain('limits:');
    await writeFile(file, text.replace('\nlimits:', '\nlimits:\n  capacityAfter: 7m'));
    expect((await retempo('plan')).out).toContain('~ model tiny    owner or limits of retempo.yaml');
    expect(await json('apply')).toMatchObject({ applied: true, models: [{ change: 'change', specChanges: [] }] });
    const after = (await statusOf()).status;
    expect(after.installationDigest).not.toBe(before.installationDigest);
    expect(after.specDigest).toBe(before.specDigest);
    expect(await json('plan')).toMatchObject({ upToDate: true });
  });

  it('tells what is wrong in a file with its line, and changes nothing', async () => {
    const file = join(project.folder, 'models', 'tiny.yaml');
    const before = await readFile(file, 'utf8');
    await writeFile(file, `${before}aproval: none\n`);
    const { code, err } = await retempo('apply');
    expect(code).toBe(2);
    expect(err).toMatch(/models\/tiny\.yaml:\d+:1 {2}aproval: unknown key/);
    await writeFile(file, before);
    expect(await json('plan')).toMatchObject({ upToDate: true });
  });

  it('retrain starts one run for one id, and watch follows it to its end', async () => {
    const ask = () => json('retrain', 'tiny', '--why', 'first version', '--id', 'one');
    const first = await ask();
    expect(first).toMatchObject({ v: 1, answer: 'accepted', repeated: false });
    expect(await ask()).toMatchObject({ answer: 'accepted', runId: first['runId'] });
    const runId = String(first['runId']);
    const watched = await retempo('watch', 'tiny', '--every', '200ms', '--run', runId);
    expect(watched.code, watched.out + watched.err).toBe(0);
    expect(watched.out).toContain('promoted');
    expect(watched.out).toContain(runId);
    const { status } = await statusOf();
    expect(status).toMatchObject({
      phase: 'healthy',
      running: null,
      champion: expect.stringMatching(/^v1-/) as string,
    });
    expect(await json('status')).toMatchObject({
      models: [{ model: 'tiny', champion: status.champion, endpoint: 'tiny', endpointUrl }],
    });
    expect((await retempo('status')).out).toContain(`tiny at onprem.local  ${endpointUrl}`);
    // Where a caller sends its requests: the line is copied and used as it stands.
    expect(await json('status', 'tiny')).toMatchObject({
      endpoint: { name: 'tiny', site: 'onprem.local', url: endpointUrl },
    });
    const [, told = ''] =
      /endpoint +tiny at onprem\.local +(http\S+)/.exec((await retempo('status', 'tiny')).out) ?? [];
    const body = JSON.stringify({ inputs: [{ name: 'x', shape: [1, 1], datatype: 'FP32', data: [0.5] }] });
    expect((await fetch(told, { method: 'POST', body })).status).toBe(200);
    const { decisions } = await json<{ decisions: readonly { what: string; by: string }[] }>('decisions', 'tiny');
    expect(decisions.map(({ what }) => what)).toEqual(expect.arrayContaining(['promoted']));
    expect((await retempo('watch', 'tiny', '--once')).out).toContain('HEALTHY');
    // Who comes too late is told the same.
    const late = await json('watch', 'tiny', '--run', runId);
    expect(late).toMatchObject({ ended: { what: 'promoted', runId } });
    expect((await retempo('watch', 'tiny')).out).toMatch(new RegExp(`promoted.*\\nrun ${runId} `));
    const unknown = await retempo('watch', 'tiny', '--run', `${runId}0`);
    expect(unknown).toMatchObject({ code: 1, err: expect.stringContaining('tiny has no run') as string });
  });

  it('a canary is watched and rolled back by a person; the champion stays', async () => {
    const { champion } = (await statusOf()).status;
    expect((await retempo('retrain', 'tiny', '--why', 'again')).code).toBe(0);
    await until('canary', statusOf, ({ status }) => status.running?.phase === 'canary');
    const once = await until(
      'weight',
      () => retempo('watch', 'tiny', '--once'),
      ({ out }) => out.includes('CANARY 50 %')
    );
    expect(once.code).toBe(0);
    const vote = await retempo('approve', 'tiny', '--why', 'x');
    expect(vote.code).toBe(1);
    expect(vote.err).toContain('waits for no approval');
    const runId = (await statusOf()).status.running?.runId ?? 'none';
    const watching = retempo('watch', 'tiny', '--every', '200ms', '--run', runId);
    expect((await retempo('rollback', 'tiny', '--why', 'enough', '--actor', 'mia')).code).toBe(0);
    const watched = await watching;
    expect(watched.code).toBe(1);
    expect(watched.out).toContain('rolledBack');
    expect((await statusOf()).status.champion).toBe(champion);
  });

  it('the doctor finds nothing wrong', async () => {
    const { out, code } = await retempo('doctor');
    expect(code, out).toBe(0);
    expect(out).toMatch(/ok {2}endpoint tiny +v1-\w{8} 100 %/);
  });

  it('a terminated governor comes back with its memory', async () => {
    const before = (await statusOf()).status;
    const connection = await Connection.connect({ address: String(dev.ready['address']) });
    await new Client({ connection }).workflow.getHandle('retempo/tiny').terminate('test');
    await connection.close();
    expect((await retempo('doctor')).out).toContain('has no governor; start it with: retempo apply');
    expect((await retempo('plan')).out).toContain('its governor was terminated; it comes back with its memory');
    expect(await json('apply')).toMatchObject({ applied: true, models: [{ change: 'restore' }] });
    expect((await statusOf()).status).toMatchObject({ champion: before.champion, specDigest: before.specDigest });
    // The same request is still the same request.
    expect(await json('retrain', 'tiny', '--why', 'first version', '--id', 'one')).toMatchObject({ repeated: true });
  });

  it('delete asks first, then leaves nothing that runs', async () => {
    const refused = await retempo('delete', 'tiny');
    expect(refused.code).toBe(2);
    expect(refused.err).toContain('end the governor retempo/tiny');
    expect(await json('plan')).toMatchObject({ upToDate: true });
    expect((await retempo('retrain', 'tiny', '--why', 'in the way', '--force')).code).toBe(0);
    await until('canary', statusOf, ({ status }) => status.running?.phase === 'canary');
    const deleted = await json('delete', 'tiny', '--yes');
    expect(deleted).toMatchObject({ deleted: { governor: true, canary: 'retempo/endpoint/onprem.local/tiny' } });
    expect(await json('status')).toEqual({ v: 1, models: [] });
    expect(await answers(endpointUrl)).toBe(false);
    const nothing = await retempo('delete', 'tiny', '--yes');
    expect(nothing.code).toBe(1);
    const endpointFolder = join(project.folder, '.retempo', 'onprem.local', 'serving', 'tiny');
    expect(await readdir(endpointFolder)).toContain('requests');
    // What was decided can still be explained.
    const { decisions } = await json<{ decisions: readonly unknown[] }>('decisions', 'tiny');
    expect(decisions.length).toBeGreaterThan(3);
    expect(await json('delete', 'tiny', '--yes', '--purge')).toMatchObject({ deleted: { governor: false } });
    await expect(readdir(endpointFolder)).rejects.toThrow('ENOENT');
    expect(await json('decisions', 'tiny')).toMatchObject({ decisions: [] });
    const store = join(project.folder, '.retempo', 'artifacts');
    const files = (await readdir(store, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => relative(store, join(entry.parentPath, entry.name)));
    // What stays belongs to no model: the key of the store, and what no run can be told by.
    expect(files.filter((file) => /^(code|data|checkpoints|predictions|versions|histories)\//.test(file))).toEqual([]);
    expect(files.filter((file) => file.split('/').includes('tiny'))).toEqual([]);
  });

  it('Ctrl-C ends everything that dev has started; state is kept', async () => {
    expect((await retempo('apply')).code).toBe(0);
    const { uiUrl, endpoints } = dev.ready as { uiUrl: string; endpoints: readonly { url: string }[] };
    expect(await dev.end('SIGINT')).toBe(0);
    expect(await answers(uiUrl)).toBe(false);
    expect(await answers(endpoints[0]?.url ?? '')).toBe(false);
    expect((await retempo('status', '--timeout', '2s')).code).toBe(3);
    // Asking for the address of an endpoint that rests has not started it.
    expect(await answers(endpoints[0]?.url ?? '')).toBe(false);
  });

  it('without workers it says so, in time, and goes on when one comes', async () => {
    dev = await start('dev', '--port', '0', '--ui-port', '0', '--no-workers');
    expect(await json('status')).toMatchObject({ models: [{ model: 'tiny' }] });
    const asked = await retempo('retrain', 'tiny', '--why', 'x', '--id', 'late', '--timeout', '1s');
    expect(asked.code).toBe(3);
    expect(asked.err).toContain('start one with "retempo worker"');
    const { code, out } = await retempo('doctor');
    expect(code).toBe(1);
    expect(out).toMatch(/x +queue retempo\.control +no worker; \d+ tasks? waits? since .*retempo worker --control/);
    const worker = await start('worker');
    expect(worker.ready['queues']).toHaveLength(5);
    expect(await json('retrain', 'tiny', '--why', 'x', '--id', 'late')).toMatchObject({ answer: 'accepted' });
    expect(await worker.end('SIGTERM')).toBe(0);
  });
});
