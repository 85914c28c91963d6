import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { NativeConnection, Worker } from '@temporalio/worker';
import { onprem, type OnpremSite } from '@retempo/onprem';
import { loadProject, openInstallation, startDevServer, type DevServer, type OpenInstallation } from '@retempo/workers';
import { controlQueue, driftScheduleId, endpointId, governorId, searchAttributes } from '@retempo/workflows/contracts';
import { main } from 'retempo';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repositoryRoot } from '../support/repository.js';
import { missingServer } from '../support/server-peer.js';
import { createTinyProject, type TinyProject } from '../support/tiny-project.js';

// A delete looks first and acts later: what ends or begins in between, and what no file of the project tells any more.

const missing = await missingServer();
const site = 'onprem.local';
const canary = endpointId(site, 'tiny');
const run = 'retempo/tiny/run/1-00000000';

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
  let local: OnpremSite;
  const call = () => ({ signal: AbortSignal.timeout(60_000), deadlineMs: Date.now() + 60_000 });

  beforeAll(async () => {
    project = await createTinyProject();
    state = await mkdtemp(join(tmpdir(), 'retempo-meanwhile-'));
    server = await startDevServer({ stateFolder: state, uiPort: null });
    connection = await Connection.connect({ address: server.address });
    client = new Client({ connection });
    const providers = [onprem()];
    opened = await openInstallation({ project: await loadProject({ folder: project.folder, providers }), providers });
    local = opened.sites[0] as OnpremSite;
  });

  afterAll(async () => {
    await local?.routers.remove('tiny');
    await opened?.close();
    await connection?.close();
    await server?.stop();
    await project?.remove();
    await rm(state, { recursive: true, force: true });
  });

  /** A command; `meanwhile` happens while somebody is asked. */
  async function retempo(args: readonly string[], meanwhile?: () => Promise<unknown>) {
    const written = { out: '', err: '' };
    const code = await main([...args], {
      stdout: { write: (text: string) => (written.out += text) },
      stderr: { write: (text: string) => (written.err += text) },
      cwd: project.folder,
      env: { TEMPORAL_ADDRESS: server.address, RETEMPO_ACTOR: 'ann' },
      terminal: { stdin: meanwhile !== undefined, stdout: false, stderr: false },
      columns: undefined,
      interrupted: new AbortController().signal,
      async ask() {
        await meanwhile?.();
        return 'tiny';
      },
    });
    return { code, ...written };
  }

  const handle = (workflowId: string) => client.workflow.getHandle(workflowId);
  const statusOf = async (workflowId: string) => (await handle(workflowId).describe()).status.name;

  /** A canary and its run, as the lists of the server know them. */
  async function begin(): Promise<void> {
    const ofTiny = {
      key: defineSearchAttributeKey(searchAttributes.model, SearchAttributeType.KEYWORD),
      value: 'tiny',
    };
    for (const [type, workflowId] of [
      ['canaryDeployment', canary],
      ['modelRelease', run],
    ] as const) {
      await client.workflow.start(type, { workflowId, taskQueue: controlQueue, typedSearchAttributes: [ofTiny] });
    }
    const query = `WorkflowId = '${run}' AND ExecutionStatus = 'Running'`;
    while ((await client.workflow.count(query)).count === 0) await sleep(100);
  }

  it('a model that was never applied has its endpoint: it loses it by its own delete, and by no other', async () => {
    await local.routers.ensureRouter('tiny', call());
    const spec = { release: { endpoint: 'tiny', site } };
    await opened.registry.writeDocument('models/older/specs/before', { v: 1, spec }, { ifAbsent: true }, call());
    expect(await retempo(['delete', 'older', '--yes', '--purge'])).toMatchObject({ code: 0 });
    expect(local.routers.leftOf('tiny')).toBe('running');
    expect(await retempo(['delete', 'tiny', '--yes'])).toMatchObject({ code: 0 });
    expect(local.routers.leftOf('tiny')).toBe('files');
  });

  it('what has ended while it asked is no failure', async () => {
    expect(await retempo(['apply'])).toMatchObject({ code: 0 });
    await local.routers.ensureRouter('tiny', call());
    await begin();
    const parts = [governorId('tiny'), canary, run];
    const { code, out, err } = await retempo(['delete', 'tiny', '--json'], async () => {
      await client.schedule.getHandle(driftScheduleId('tiny')).delete();
      for (const id of parts) await handle(id).terminate();
      await local.routers.stop('tiny');
    });
    expect([code, err]).toEqual([0, expect.stringContaining(`rolling ${canary} back`)]);
    expect(JSON.parse(out)).toMatchObject({ deleted: { governor: true, canary, run } });
    for (const id of parts) expect(await statusOf(id)).toBe('TERMINATED');
  });

  it('what has begun while it asked ends too, and nothing is left of what it wrote', async () => {
    expect(await retempo(['delete', 'tiny', '--yes', '--purge'])).toMatchObject({ code: 0 });
    expect(await retempo(['apply'])).toMatchObject({ code: 0 });
    const native = await NativeConnection.connect({ address: server.address });
    const workflowsPath = fileURLToPath(new URL('test/support/ending-canary.ts', repositoryRoot));
    const worker = await Worker.create({ connection: native, taskQueue: controlQueue, workflowsPath });
    const { store, registry } = opened;
    const deleted = await worker.runUntil(() =>
      retempo(['delete', 'tiny', '--purge'], async () => {
        await begin();
        await local.routers.ensureRouter('tiny', call());
        await store.put('checkpoints/tiny/one', Buffer.from('1'), { ifAbsent: true }, call());
        await registry.writeDocument('models/tiny/decisions/1', { v: 1 }, { ifAbsent: true }, call());
      })
    );
    await native.close();
    expect(deleted).toMatchObject({ code: 0 });
    expect(deleted.err).not.toContain('roll the canary');
    expect(deleted.out).toContain(`roll the canary ${canary} back`);
    expect(deleted.out).toContain(`cancel the run ${run}`);
    expect(deleted.out).toContain(`stop the endpoint tiny at ${site}`);
    expect(await Promise.all([governorId('tiny'), canary, run].map(statusOf))).toEqual([
      'TERMINATED',
      'COMPLETED',
      'CANCELLED',
    ]);
    expect(await handle(canary).result()).toEqual({ actor: 'ann', reason: 'tiny is deleted' });
    expect(local.routers.leftOf('tiny')).toBe('nothing');
    expect(await all(store.list('checkpoints/tiny/', call()))).toEqual([]);
    expect(await all(registry.listDocuments('models/tiny/', call()))).toEqual([]);
  });

  it('finds the endpoint where only the server knows it, and touches none that cannot be one', async () => {
    expect(await retempo(['apply'])).toMatchObject({ code: 0 });
    const { registry } = opened;
    for await (const path of registry.listDocuments('models/tiny/specs/', call()))
      await registry.deleteDocument(path, call());
    for (const [name, release] of [
      ['climbs', { endpoint: '../../artifacts', site }],
      ['elsewhere', { endpoint: 'far', site: 'onprem.gone' }],
      ['nowhere', { endpoint: 'far', site: 'gone' }],
    ] as const) {
      await registry.writeDocument(`models/tiny/specs/${name}`, { spec: { release } }, { ifAbsent: true }, call());
    }
    await rm(join(project.folder, 'models', 'tiny.yaml'));
    await local.routers.ensureRouter('tiny', call());
    const { code, out, err } = await retempo(['delete', 'tiny', '--yes', '--json']);
    expect([code, err]).toEqual([
      0,
      expect.stringContaining('the site onprem.gone is not in retempo.yaml, so its endpoint far is left as it is'),
    ]);
    expect(JSON.parse(out)).toMatchObject({
      deleted: {
        endpoints: [
          { endpoint: 'tiny', site },
          { endpoint: 'far', site: 'onprem.gone' },
        ],
      },
    });
    expect(local.routers.leftOf('tiny')).toBe('files');
    // What nobody here can look at is named once.
    expect(await retempo(['delete', 'tiny', '--yes'])).toMatchObject({ code: 1 });
  });
});
