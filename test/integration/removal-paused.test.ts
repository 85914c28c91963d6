import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { onprem, type OnpremSite } from '@retempo/onprem';
import { loadProject, openInstallation, startDevServer, type DevServer, type OpenInstallation } from '@retempo/workers';
import { controlQueue, endpointId, governorId, searchAttributes } from '@retempo/workflows/contracts';
import { main } from 'retempo';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingServer } from '../support/server-peer.js';
import { createTinyProject, type TinyProject } from '../support/tiny-project.js';

// Somebody has paused workflows in Temporal: they have not ended, and go on where they were as soon as they may.

const missing = await missingServer();
const site = 'onprem.local';
const governor = governorId('tiny');
const canary = endpointId(site, 'tiny');
const run = 'retempo/tiny/run/1-00000000';

describe.skipIf(missing !== null)('what is paused in Temporal', () => {
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
    state = await mkdtemp(join(tmpdir(), 'retempo-paused-'));
    const dynamicConfig = { 'frontend.WorkflowPauseEnabled': true };
    server = await startDevServer({ stateFolder: state, uiPort: null, dynamicConfig });
    connection = await Connection.connect({ address: server.address });
    client = new Client({ connection });
    const providers = [onprem()];
    opened = await openInstallation({ project: await loadProject({ folder: project.folder, providers }), providers });
    local = opened.sites[0] as OnpremSite;
    expect(await retempo('apply')).toMatchObject({ code: 0 });
    await local.routers.ensureRouter('tiny', call());
    await opened.store.put('checkpoints/tiny/one', Buffer.from('1'), { ifAbsent: true }, call());

    const model = defineSearchAttributeKey(searchAttributes.model, SearchAttributeType.KEYWORD);
    const typedSearchAttributes = [{ key: model, value: 'tiny' }];
    await client.workflow.start('canaryDeployment', {
      workflowId: canary,
      taskQueue: controlQueue,
      typedSearchAttributes,
    });
    await client.workflow.start('modelRelease', { workflowId: run, taskQueue: controlQueue, typedSearchAttributes });
    for (const workflowId of [governor, canary, run]) {
      await connection.workflowService.pauseWorkflowExecution({
        namespace: 'default',
        workflowId,
        requestId: workflowId,
        identity: 'ann',
        reason: 'somebody looks at it',
      });
    }
    // The server keeps its list a moment later.
    while ((await client.workflow.count(`ExecutionStatus = 'Paused'`)).count < 3) await sleep(100);
  });

  afterAll(async () => {
    await local?.routers.remove('tiny');
    await opened?.close();
    await connection?.close();
    await server?.stop();
    await project?.remove();
    await rm(state, { recursive: true, force: true });
  });

  async function retempo(...args: readonly string[]) {
    const written = { out: '', err: '' };
    const code = await main([...args, '--timeout', '1s'], {
      stdout: { write: (text: string) => (written.out += text) },
      stderr: { write: (text: string) => (written.err += text) },
      cwd: project.folder,
      env: { TEMPORAL_ADDRESS: server.address, RETEMPO_ACTOR: 'ann' },
      terminal: { stdin: false, stdout: false, stderr: false },
      columns: undefined,
      interrupted: new AbortController().signal,
      ask: () => Promise.resolve(null),
    });
    return { code, ...written };
  }

  const statusOf = async (workflowId: string) => (await client.workflow.getHandle(workflowId).describe()).status.name;

  async function checkpoints(): Promise<readonly string[]> {
    const found: string[] = [];
    for await (const key of opened.store.list('checkpoints/tiny/', call())) found.push(key);
    return found;
  }

  it('is there: for the status, for a plan, and for the plan of a project that has no file of it', async () => {
    expect(JSON.parse((await retempo('status', '--json')).out)).toMatchObject({
      models: [{ model: 'tiny', phase: 'healthy', run: { runId: run }, endpoint: 'tiny' }],
    });
    expect((await retempo('plan')).out).toContain('no worker answers');
    const file = join(project.folder, 'models', 'tiny.yaml');
    const text = await readFile(file, 'utf8');
    const other = text.replace('model: tiny', 'model: other').replace('release:', 'release:\n  to: endpoint:other');
    await writeFile(file, other);
    try {
      expect(JSON.parse((await retempo('plan', '--json')).out)).toMatchObject({ unknown: ['tiny'] });
      // Its endpoint is its own: the delete of a model that had it before leaves it alone.
      const spec = { release: { endpoint: 'tiny', site } };
      await opened.registry.writeDocument('models/older/specs/before', { v: 1, spec }, { ifAbsent: true }, call());
      expect(await retempo('delete', 'older', '--yes', '--purge')).toMatchObject({ code: 0 });
      expect(local.routers.leftOf('tiny')).toBe('running');
      expect(await statusOf(canary)).toBe('PAUSED');
    } finally {
      await writeFile(file, text);
    }
  });

  it('a delete ends the governor, says what has to go on before it can end, and takes nothing from it until then', async () => {
    for (const paused of [canary, run]) {
      expect(await retempo('delete', 'tiny', '--yes', '--purge')).toMatchObject({
        code: 1,
        err: expect.stringContaining(`temporal workflow unpause --workflow-id ${paused}`) as string,
      });
      expect(await statusOf(governor)).toBe('TERMINATED');
      expect(await statusOf(paused)).toBe('PAUSED');
      expect(local.routers.leftOf('tiny')).toBe('running');
      expect(await checkpoints()).toHaveLength(1);
      await client.workflow.getHandle(paused).terminate();
    }
    expect(await retempo('delete', 'tiny', '--yes', '--purge')).toMatchObject({ code: 0 });
    expect(local.routers.leftOf('tiny')).toBe('nothing');
    expect(await checkpoints()).toEqual([]);
  });
});
