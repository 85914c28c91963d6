import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { NativeConnection, Worker } from '@temporalio/worker';
import { startDevServer, type DevServer } from '@retempo/workers';
import { controlQueue, driftScheduleId, governorId, searchAttributes } from '@retempo/workflows/contracts';
import { main } from 'retempo';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repositoryRoot } from '../support/repository.js';
import { missingServer } from '../support/server-peer.js';
import { createTinyProject, type TinyProject } from '../support/tiny-project.js';

// What plan and apply make of a governor that answers, of one that refuses, and of a namespace that knows nothing of Retempo.

const missing = await missingServer();
const bin = fileURLToPath(new URL('cli/dist/bin.js', repositoryRoot));

describe.skipIf(missing !== null)('plan and apply, answered', () => {
  let project: TinyProject;
  let state: string;
  let server: DevServer;
  let connection: Connection;
  let client: Client;
  const atEnd = new AbortController();
  let working: Promise<unknown> | undefined;

  beforeAll(async () => {
    project = await createTinyProject();
    state = await mkdtemp(join(tmpdir(), 'retempo-answered-'));
    server = await startDevServer({ stateFolder: state, uiPort: null });
    connection = await Connection.connect({ address: server.address });
    client = new Client({ connection });
  });

  afterAll(async () => {
    atEnd.abort();
    await working;
    await connection?.close();
    await server?.stop();
    await project?.remove();
    await rm(state, { recursive: true, force: true });
  });

  interface Around {
    /** Told of every text when it is written, before anything else is done. */
    readonly heard?: (text: string) => void;
    readonly interrupted?: AbortSignal;
  }

  async function retempoWith({ heard, interrupted }: Around, ...args: readonly string[]) {
    const written = { out: '', err: '' };
    const write = (to: keyof typeof written) => ({
      write(text: string) {
        written[to] += text;
        heard?.(text);
      },
    });
    // Who answers has just begun, on a machine that may be busy.
    const code = await main([...args, '--timeout', '100s'], {
      stdout: write('out'),
      stderr: write('err'),
      cwd: project.folder,
      env: { TEMPORAL_ADDRESS: server.address, RETEMPO_ACTOR: 'ann' },
      terminal: { stdin: false, stdout: false, stderr: false },
      columns: undefined,
      interrupted: interrupted ?? new AbortController().signal,
      ask: () => Promise.resolve(null),
    });
    return { code, ...written };
  }
  const retempo = (...args: readonly string[]) => retempoWith({}, ...args);

  /** A command that ends well, with what it says. */
  async function json<T = object>(...args: readonly string[]): Promise<T> {
    const { code, out, err } = await retempo(...args, '--json');
    expect(code, out + err).toBe(0);
    return JSON.parse(out) as T;
  }

  interface Digests {
    readonly status: { readonly specDigest: string; readonly installationDigest: string };
  }
  const digests = async () => (await json<Digests>('status', 'tiny')).status;

  /** Changes a file for as long as `meanwhile` takes. */
  async function edited(name: string, from: string, to: string, meanwhile: () => Promise<void>): Promise<void> {
    const file = join(project.folder, name);
    const text = await readFile(file, 'utf8');
    expect(text).toContain(from);
    await writeFile(file, text.replace(from, to));
    try {
      await meanwhile();
    } finally {
      await writeFile(file, text);
    }
  }
  const artifacts = (folder: string) => join(project.folder, '.retempo', 'artifacts', folder);
  const programs = () => readdir(artifacts('code/tiny')).catch(() => []);
  const model = join('models', 'tiny.yaml');

  it('a namespace that knows nothing of Retempo is told so, and prepared by an apply', async () => {
    const namespace = 'bare';
    await connection.workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
    });
    const known = () => connection.workflowService.describeNamespace({ namespace });
    // The server learns of a namespace a moment later.
    while (
      await known().then(
        () => false,
        () => true
      )
    )
      await sleep(100);
    const unprepared = async () => retempo('status', '--namespace', namespace);
    let seen = await unprepared();
    while (seen.err.includes('has no namespace')) seen = await unprepared();
    expect(seen).toMatchObject({
      code: 1,
      err: expect.stringContaining('nothing was ever applied here; do it with: retempo apply') as string,
    });
    const applied = await retempo('apply', '--namespace', namespace);
    expect(applied.code, applied.err).toBe(0);
    const there = new Client({ connection, namespace }).workflow.getHandle(governorId('tiny'));
    const ofModel = defineSearchAttributeKey(searchAttributes.model, SearchAttributeType.KEYWORD);
    expect((await there.describe()).typedSearchAttributes.get(ofModel)).toBe('tiny');
    await there.terminate();
  });

  it('an apply keeps the program and the spec that a run needs, a plan nothing', async () => {
    await rm(artifacts(''), { recursive: true });
    expect(await json('plan')).toMatchObject({ models: [{ change: 'add' }] });
    expect(await programs()).toEqual([]);
    await json('apply');
    expect(await programs()).toHaveLength(1);
    const specs = artifacts('registry/documents/models/tiny/specs');
    const [spec, ...more] = await readdir(specs);
    expect(more).toEqual([]);
    expect(JSON.parse(await readFile(join(specs, spec!), 'utf8'))).toMatchObject({ actor: 'ann' });
  });

  it('what is as the files say is left alone, and a watch that somebody deleted or changed comes back', async () => {
    await new Promise<void>((serves, ends) => {
      working = retempoWith(
        { heard: (text) => text.includes('serves') && serves(), interrupted: atEnd.signal },
        'worker',
        '--control'
      );
      void working.then(ends, ends);
    });
    const before = await digests();
    expect(await json('apply')).toMatchObject({ upToDate: true, applied: false });
    const watch = client.schedule.getHandle(driftScheduleId('tiny'));
    await watch.delete();
    expect(await json('plan')).toMatchObject({ models: [{ change: 'change', schedule: 'new', specChanges: [] }] });
    expect((await retempo('plan')).out).toContain('~ model tiny    its watch schedule is missing');
    await json('apply');
    await watch.update((was) => ({ ...was, spec: { intervals: [{ every: 3_600_000 }] } }));
    expect((await retempo('plan')).out).toContain('~ model tiny    its watch schedule');
    await json('apply');
    expect((await watch.describe()).spec.intervals).toEqual([expect.objectContaining({ every: 7 * 86_400_000 })]);
    expect(await digests()).toEqual(before);
    expect(await json('plan')).toMatchObject({ upToDate: true });
  });

  it('new limits reach a governor that runs, and its watch', async () => {
    const before = await digests();
    await edited('retempo.yaml', 'drain: 5s', 'drain: 5s\n  capacityAfter: 7m', async () => {
      expect((await retempo('plan')).out).toContain('~ model tiny    owner or limits of retempo.yaml');
      expect(await json('apply')).toMatchObject({
        models: [{ change: 'change', schedule: 'changed', specChanges: [] }],
      });
      const after = await digests();
      expect(after.specDigest).toBe(before.specDigest);
      expect(after.installationDigest).not.toBe(before.installationDigest);
      expect(await json('plan')).toMatchObject({ upToDate: true });
    });
    await json('apply');
    expect(await digests()).toEqual(before);
  });

  it('says what it cannot compare any more, and applies it all the same', async () => {
    await edited(model, 'every: 7d', 'every: 2d', async () => {
      await rm(artifacts('code/tiny'), { recursive: true });
      expect(await json('plan')).toMatchObject({
        models: [{ change: 'change', specChanges: [{ path: 'watch.every' }], fileChanges: [], notes: [] }],
      });
      await rm(artifacts('registry/documents/models/tiny/specs'), { recursive: true });
      const { specDigest } = await digests();
      expect(await json('plan')).toMatchObject({
        models: [
          {
            change: 'change',
            specChanges: [],
            notes: [`it runs with spec ${specDigest}, which is not kept in this artifact store`],
          },
        ],
      });
      const applied = await json<{ readonly models: readonly Digests['status'][] }>('apply');
      expect((await digests()).specDigest).toBe(applied.models[0]?.specDigest);
    });
    await json('apply');
  });

  it('a governor that ends meanwhile is told as that, and comes back', async () => {
    await edited(model, 'every: 7d', 'every: 2d', async () => {
      const heard = (text: string) => {
        if (!text.includes('apply tiny')) return;
        const env = { ...process.env, TEMPORAL_ADDRESS: server.address };
        execFileSync(process.execPath, [bin, 'delete', 'tiny', '--yes'], { cwd: project.folder, env });
      };
      expect(await retempoWith({ heard }, 'apply')).toMatchObject({
        code: 1,
        err: expect.stringContaining('tiny: its governor has ended meanwhile; apply again') as string,
      });
      expect(await json('apply')).toMatchObject({ models: [{ change: 'restore', schedule: 'new' }] });
    });
  });

  it('a governor that refuses a spec is told as that, and its watch stays as it was', async () => {
    const answering = client.workflow.getHandle(governorId('tiny'));
    await answering.terminate();
    atEnd.abort();
    await working;
    const native = await NativeConnection.connect({ address: server.address });
    const workflowsPath = fileURLToPath(new URL('test/support/refusing-governor.ts', repositoryRoot));
    const refuses = await Worker.create({ connection: native, taskQueue: controlQueue, workflowsPath });
    await client.workflow.start('continuousTraining', { workflowId: governorId('tiny'), taskQueue: controlQueue });
    const watch = client.schedule.getHandle(driftScheduleId('tiny'));
    const before = (await watch.describe()).action.args;
    await refuses.runUntil(async () => {
      expect(await retempo('apply')).toMatchObject({
        code: 1,
        err: expect.stringContaining('tiny: its governor refuses the new spec (a spec of another version)') as string,
      });
    });
    await native.close();
    expect((await watch.describe()).action.args).toEqual(before);
  });
});
