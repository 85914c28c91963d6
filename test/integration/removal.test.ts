import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection, ScheduleNotFoundError } from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { NativeConnection, Worker } from '@temporalio/worker';
import { identityOf, isAlive } from '@retempo/activities/processes';
import { onprem, type OnpremSite } from '@retempo/onprem';
import { loadProject, openInstallation, startDevServer, type DevServer, type OpenInstallation } from '@retempo/workers';
import { controlQueue, driftScheduleId, endpointId, governorId, searchAttributes } from '@retempo/workflows/contracts';
import { main } from 'retempo';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repositoryRoot } from '../support/repository.js';
import { missingServer } from '../support/server-peer.js';
import { createTinyProject, type TinyProject } from '../support/tiny-project.js';

// What a delete takes away and what it leaves alone: two models whose names begin alike, on a real server, without workers.

const missing = await missingServer();
const folders = ['code', 'data', 'checkpoints', 'predictions', 'versions', 'histories/models'];
const models = ['tiny', 'tiny-two'] as const;
const providers = [onprem()];

async function all<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe.skipIf(missing !== null)('retempo delete', () => {
  let project: TinyProject;
  let state: string;
  let server: DevServer;
  let connection: Connection;
  let client: Client;
  let opened: OpenInstallation;
  let site: OnpremSite;
  const call = () => ({ signal: AbortSignal.timeout(60_000), deadlineMs: Date.now() + 60_000 });

  beforeAll(async () => {
    project = await createTinyProject();
    const tiny = await readFile(join(project.folder, 'models', 'tiny.yaml'), 'utf8');
    const two = tiny.replace('model: tiny', 'model: tiny-two').replace('release:', 'release:\n  to: endpoint:shared');
    await writeFile(join(project.folder, 'models', 'tiny-two.yaml'), two);
    state = await mkdtemp(join(tmpdir(), 'retempo-removal-'));
    server = await startDevServer({ stateFolder: state, uiPort: null });
    connection = await Connection.connect({ address: server.address });
    client = new Client({ connection });
    const loaded = await loadProject({ folder: project.folder, providers });
    expect(await retempo('apply')).toMatchObject({ code: 0, err: expect.stringContaining('apply tiny-two') });

    opened = await openInstallation({ project: loaded, providers });
    site = opened.sites[0] as OnpremSite;
    await site.routers.ensureRouter('tiny', call());
    await site.routers.ensureRouter('shared', call());
    for (const model of models) {
      for (const folder of folders)
        await opened.store.put(`${folder}/${model}/one`, Buffer.from(model), { ifAbsent: true }, call());
      for (const document of ['governor', 'monitor', 'decisions/1', 'evidence/1']) {
        await opened.registry.writeDocument(`models/${model}/${document}`, { v: 1 }, { ifAbsent: true }, call());
      }
    }
    // The endpoint of the one was the other's before.
    const { draft } = loaded.models.find(({ draft: { model } }) => model === 'tiny')!;
    const spec = { ...draft, release: { ...draft.release, endpoint: 'shared' } };
    await opened.registry.writeDocument('models/tiny/specs/before', { v: 1, spec }, { ifAbsent: true }, call());
  });

  afterAll(async () => {
    for (const endpoint of ['tiny', 'shared']) await site?.routers.remove(endpoint);
    await opened?.close();
    await connection?.close();
    await server?.stop();
    await project?.remove();
    await rm(state, { recursive: true, force: true });
  });

  interface Typed {
    /** What a person types when asked. */
    readonly answer?: string;
    /** Ctrl-C as soon as this was said. */
    readonly interruptAt?: string;
    /** Ctrl-C as soon as something waits for it after this was said. */
    readonly interruptAfter?: string;
  }

  const retempo = (...args: readonly string[]) => retempoWith({}, ...args);

  async function retempoWith({ answer, interruptAt, interruptAfter }: Typed, ...args: readonly string[]) {
    const written = { out: '', err: '' };
    const interrupted = new AbortController();
    const { signal } = interrupted;
    const listen = signal.addEventListener.bind(signal);
    signal.addEventListener = (...to: Parameters<typeof listen>) => {
      listen(...to);
      if (interruptAfter !== undefined && written.err.includes(interruptAfter)) interrupted.abort();
    };
    const code = await main([...args], {
      stdout: { write: (text: string) => (written.out += text) },
      stderr: {
        write: (text: string) => {
          written.err += text;
          if (interruptAt !== undefined && text.includes(interruptAt)) interrupted.abort();
        },
      },
      cwd: project.folder,
      env: { TEMPORAL_ADDRESS: server.address, RETEMPO_ACTOR: 'ann' },
      terminal: { stdin: answer !== undefined, stdout: false, stderr: false },
      columns: undefined,
      interrupted: signal,
      ask: () => Promise.resolve(answer ?? null),
    });
    return { code, ...written };
  }

  /** What is there of a model, wherever it may be. */
  async function left(model: (typeof models)[number]) {
    const { store, registry } = opened;
    const governor = await client.workflow.getHandle(governorId(model)).describe();
    const schedule = await client.schedule
      .getHandle(driftScheduleId(model))
      .describe()
      .then(
        () => true,
        (error: unknown) => {
          if (error instanceof ScheduleNotFoundError) return false;
          throw error;
        }
      );
    const files = await Promise.all(folders.map((folder) => all(store.list(`${folder}/${model}/`, call()))));
    const documents = await all(registry.listDocuments(`models/${model}/`, call()));
    return {
      governor: governor.status.name,
      schedule,
      endpoint: site.routers.leftOf(model === 'tiny' ? 'tiny' : 'shared'),
      folders: files.filter(({ length }) => length > 0).length,
      memory: documents.filter((path) => /\/(?:governor|monitor)$/.test(path)).length,
      record: documents.filter((path) => /\/(?:decisions|evidence|specs)\//.test(path)).length,
    };
  }
  const whole = { governor: 'RUNNING', schedule: true, endpoint: 'running', folders: 6, memory: 2 };

  it('does nothing until the name of the model was typed', async () => {
    const asked = await retempo('delete', 'tiny', '--purge');
    expect(asked).toMatchObject({ code: 2, err: expect.stringContaining('nobody could be asked; repeat with --yes') });
    expect(asked.err).toContain('stop the endpoint tiny at onprem.local');
    expect(asked.err).not.toContain('shared');
    for (const answer of ['', 'y', 'yes', 'tiny-two']) {
      const { code, err } = await retempoWith({ answer }, 'delete', 'tiny', '--purge');
      expect([code, err]).toEqual([1, expect.stringContaining('nothing was deleted: what was typed is not tiny')]);
    }
    const malformed = await retempo('delete', '../tiny', '--yes', '--purge');
    expect(malformed).toMatchObject({ code: 2, err: expect.stringContaining('is no model name') });
    expect(await left('tiny')).toEqual({ ...whole, record: 4 });
    expect(await left('tiny-two')).toEqual({ ...whole, record: 3 });
  });

  it('takes what runs and its working memory, and keeps the record and the other model', async () => {
    const { code, out } = await retempoWith({ answer: ' tiny\n' }, 'delete', 'tiny');
    expect([code, out]).toEqual([0, expect.stringContaining('models/tiny.yaml is still there')]);
    expect(await left('tiny')).toEqual({
      governor: 'TERMINATED',
      schedule: false,
      endpoint: 'files',
      folders: 6,
      memory: 0,
      record: 4,
    });
    expect(await left('tiny-two')).toEqual({ ...whole, record: 3 });
  });

  it('takes everything for good when told so, and nothing of the other model', async () => {
    expect(await retempo('delete', 'tiny', '--yes', '--purge')).toMatchObject({ code: 0 });
    expect(await left('tiny')).toMatchObject({ endpoint: 'nothing', folders: 0, memory: 0, record: 0 });
    expect(await left('tiny-two')).toEqual({ ...whole, record: 3 });
    const again = await retempo('delete', 'tiny', '--yes', '--purge');
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining('nothing of a model "tiny" to delete') });
  });

  it('takes an endpoint whose router has died: whoever watches would bring it back', async () => {
    const { pid } = await site.routers.ensureRouter('tiny', call());
    const router = identityOf(pid)!;
    // Nobody watches while it dies, as after the death of a whole machine.
    await opened.close();
    process.kill(pid, 'SIGKILL');
    while (isAlive(router)) await sleep(20);
    expect(site.routers.leftOf('tiny')).toBe('died');
    expect(await retempo('delete', 'tiny', '--yes')).toMatchObject({
      code: 0,
      out: expect.stringContaining('stop the endpoint tiny') as string,
    });
    expect(site.routers.leftOf('tiny')).toBe('files');
    opened = await openInstallation({ project: await loadProject({ folder: project.folder, providers }), providers });
    site = opened.sites[0] as OnpremSite;
    await site.routers.ensureRouter('shared', call());
  });

  it('stops before it takes the endpoint away when the canary or the run does not end, and goes on when repeated', async () => {
    // Of model files that cannot be read a delete needs nothing.
    await writeFile(join(project.folder, 'models', 'tiny-two.yaml'), 'model: tiny-two\ndata: nothing\n');
    const canary = endpointId('onprem.local', 'shared');
    const run = 'retempo/tiny-two/run/1-00000000';
    const start = (workflowType: string, workflowId: string) =>
      client.workflow.start(workflowType, {
        workflowId,
        taskQueue: controlQueue,
        typedSearchAttributes: [
          { key: defineSearchAttributeKey(searchAttributes.model, SearchAttributeType.KEYWORD), value: 'tiny-two' },
        ],
      });
    await start('canaryDeployment', canary);
    await start('modelRelease', run);
    const query = `WorkflowId = '${run}'`;
    while ((await all(client.workflow.list({ query }))).length === 0) await sleep(100);

    const stillThere = {
      schedule: false,
      governor: 'TERMINATED',
      endpoint: 'running',
      folders: 6,
      memory: 2,
      record: 3,
    };
    const deaf = await retempo('delete', 'tiny-two', '--yes', '--purge', '--timeout', '1s');
    expect(deaf).toMatchObject({ code: 3, err: expect.stringContaining(`${canary} was not told to roll back`) });
    expect(await left('tiny-two')).toEqual(stillThere);

    const native = await NativeConnection.connect({ address: server.address });
    const workflowsPath = fileURLToPath(new URL('test/support/endless-canary.ts', repositoryRoot));
    const worker = await Worker.create({ connection: native, taskQueue: controlQueue, workflowsPath });
    await worker.runUntil(async () => {
      const slow = await retempoWith({ interruptAt: 'rolling' }, 'delete', 'tiny-two', '--yes', '--purge');
      expect(slow).toMatchObject({
        code: 3,
        err: expect.stringContaining(`${canary} has been told to end and has not`),
      });
    });
    await native.close();
    expect(await left('tiny-two')).toEqual(stillThere);
    await client.workflow.getHandle(canary).terminate();

    const busy = await retempoWith({ interruptAfter: 'cancelling' }, 'delete', 'tiny-two', '--yes', '--purge');
    expect(busy).toMatchObject({ code: 3, err: expect.stringContaining(`${run} has been told to end and has not`) });
    expect(await left('tiny-two')).toEqual(stillThere);
    await client.workflow.getHandle(run).terminate();

    expect(await retempo('delete', 'tiny-two', '--yes', '--purge')).toMatchObject({ code: 0 });
    expect(await left('tiny-two')).toMatchObject({ endpoint: 'nothing', folders: 0, memory: 0, record: 0 });
  });
});
