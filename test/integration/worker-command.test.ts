import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { NativeConnection, Worker } from '@temporalio/worker';
import { startDevServer, type DevServer } from '@retempo/workers';
import { controlQueue } from '@retempo/workflows/contracts';
import { main } from 'retempo';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repositoryRoot } from '../support/repository.js';
import { missingServer } from '../support/server-peer.js';
import { createTinyProject, type TinyProject } from '../support/tiny-project.js';

// Which queues a worker serves, and how it ends where it cannot begin or is not wanted any more.

const missing = await missingServer();
const bin = fileURLToPath(new URL('cli/dist/bin.js', repositoryRoot));
const roles = ['jobs', 'wait', 'serving', 'data'];
const of = (site: string, some = roles) => some.map((role) => `retempo.onprem.${site}.${role}`);

describe.skipIf(missing !== null)('retempo worker', () => {
  let project: TinyProject;
  let state: string;
  let server: DevServer;

  beforeAll(async () => {
    project = await createTinyProject();
    state = await mkdtemp(join(tmpdir(), 'retempo-worker-'));
    server = await startDevServer({ stateFolder: state, uiPort: null });
    await configure();
  });
  afterAll(async () => {
    await server?.stop();
    await project?.remove();
    await rm(state, { recursive: true, force: true });
  });

  const configure = (west = '', more = '') =>
    writeFile(
      join(project.folder, 'retempo.yaml'),
      `sites:
  onprem.east: { pools: { cpu: { slots: 1 } } }
  onprem.west: { pools: { cpu: { slots: 1 } }${west} }
limits: { drain: 5s }
${more}`
    );

  interface Surroundings {
    /** Told to end before it has begun. */
    readonly before?: boolean;
    readonly env?: { readonly TEMPORAL_ADDRESS?: string };
    /** Looked at while it serves. */
    readonly meanwhile?: () => Promise<unknown>;
  }

  /** A worker in this process that is told to end as soon as it says what it serves. */
  async function worker(args: readonly string[], around: Surroundings = {}) {
    const { before = false, env = { TEMPORAL_ADDRESS: server.address }, meanwhile } = around;
    const written = { out: '', err: '' };
    const interrupted = new AbortController();
    let seen: Promise<unknown> | undefined;
    if (before) interrupted.abort();
    const code = await main(['worker', '--json', ...args], {
      stdout: {
        write(text: string) {
          written.out += text;
          seen = Promise.resolve(meanwhile?.()).finally(() => interrupted.abort());
        },
      },
      stderr: { write: (text: string) => (written.err += text) },
      cwd: project.folder,
      env,
      terminal: { stdin: false, stdout: false, stderr: false },
      columns: undefined,
      interrupted: interrupted.signal,
      ask: () => Promise.resolve(null),
    });
    return { code, err: written.err, said: JSON.parse(written.out) as unknown, seen: await seen };
  }

  it.each<[args: readonly string[], queues: readonly string[]]>([
    [[], ['retempo.control', ...of('east'), ...of('west')]],
    [['--control'], ['retempo.control']],
    [['--site', 'onprem.east'], of('east')],
    [
      ['--site', 'onprem.east', 'onprem.west', '--role', 'serving'],
      [...of('east', ['serving']), ...of('west', ['serving'])],
    ],
    [
      ['--control', '--site', 'onprem.west', '--role', 'jobs', 'wait'],
      ['retempo.control', ...of('west', ['jobs', 'wait'])],
    ],
    [
      ['--role', 'data'],
      ['retempo.control', ...of('east', ['data']), ...of('west', ['data'])],
    ],
  ])('%j serves its queues and ends when told to', async (args, queues) => {
    const { code, err, said } = await worker(args);
    expect(said).toEqual({ v: 1, queues });
    expect([code, err]).toEqual([0, expect.stringContaining('drained')]);
  });

  it('ends when it was told to before it had begun', async () => {
    expect(await worker(['--site', 'onprem.east'], { before: true })).toMatchObject({ code: 0 });
  });

  /** What the activities of the workers say of a run that is open in this namespace: the reaper stops what has no open run. */
  async function stateOfAnOpenRun(address: string, namespace: string): Promise<unknown> {
    const connection = await NativeConnection.connect({ address });
    try {
      const client = new Client({ connection, namespace });
      const run = { workflowId: 'retempo/m/run/1-00000000', taskQueue: 'nobody' };
      await client.workflow.start('modelRelease', run);
      const workflowsPath = fileURLToPath(new URL('test/support/host-workflows.ts', repositoryRoot));
      const host = await Worker.create({ connection, namespace, taskQueue: 'host', workflowsPath });
      const told = { releaseId: run.workflowId };
      const asked = { queue: controlQueue, activity: 'describeRelease', told };
      return await host.runUntil(
        client.workflow.execute('callOn', { workflowId: 'asks', taskQueue: 'host', args: [asked] })
      );
    } finally {
      await connection.close();
    }
  }

  it('serves the namespace of the dev server of its project, and no other one than it is told', async () => {
    const dev = await startDevServer({
      stateFolder: join(project.folder, '.retempo'),
      namespace: 'mine',
      uiPort: null,
    });
    const connection = await Connection.connect({ address: dev.address });
    const taskQueue = { name: 'retempo.onprem.east.jobs' };
    const pollersIn = async (namespace: string) => {
      const request = {
        namespace,
        taskQueue,
        taskQueueType: temporal.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
      };
      return (await connection.workflowService.describeTaskQueue(request)).pollers.length;
    };
    try {
      const { code, seen } = await worker(['--site', 'onprem.east'], {
        env: {},
        async meanwhile() {
          while ((await pollersIn('mine')) === 0) await sleep(50);
          return pollersIn('default');
        },
      });
      expect({ code, seen }).toEqual({ code: 0, seen: 0 });
      expect(
        await worker(['--control'], { env: {}, meanwhile: () => stateOfAnOpenRun(dev.address, 'mine') })
      ).toMatchObject({
        code: 0,
        seen: { state: 'open' },
      });
      expect(await worker(['--namespace', 'nope'], { env: {} })).toMatchObject({
        code: 3,
        said: { error: { message: expect.stringContaining('has no namespace "nope"') as string } },
      });
    } finally {
      await connection.close();
      await dev.stop();
    }
  });

  it('serves one site where another cannot be opened, and none where its own cannot', async () => {
    await configure(', root: /proc/retempo');
    try {
      expect(await worker(['--site', 'onprem.east'])).toMatchObject({ code: 0 });
      expect(await worker(['--site', 'onprem.west'])).toMatchObject({
        code: 2,
        said: { error: { message: expect.stringContaining('/proc/retempo') as string } },
      });
    } finally {
      await configure();
    }
  });

  /** As a process of its own: whether it ends is part of what is asked. */
  const ended = (...args: readonly string[]) =>
    new Promise<{ code: unknown; err: string }>((done) => {
      const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], TEMPORAL_ADDRESS: server.address };
      execFile(
        process.execPath,
        [bin, 'worker', ...args],
        { cwd: project.folder, env, timeout: 100_000 },
        (error, _out, err) => done({ code: error === null ? 0 : error.code, err })
      );
    });

  it('ends where its namespace does not exist, or its metrics cannot be served', async () => {
    const { code, err } = await ended('--namespace', 'nope');
    expect([code, err]).toEqual([3, expect.stringContaining('has no namespace "nope"')]);
    const taken = createServer();
    await new Promise<void>((done) => taken.listen(0, '127.0.0.1', done));
    const { port } = taken.address() as AddressInfo;
    await configure('', `metrics: { port: ${port} }\n`);
    try {
      const refused = await ended();
      expect(refused).toMatchObject({ code: 1, err: expect.stringContaining(`127.0.0.1:${port}/metrics`) as string });
    } finally {
      await new Promise((done) => taken.close(done));
      await configure();
    }
  });
});
