import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import type { Payload, PayloadCodec } from '@temporalio/common';
import { SimplePlugin } from '@temporalio/plugin';
import { NativeConnection, Worker, type WorkerPlugin } from '@temporalio/worker';
import { controlQueue } from '@retempo/workflows/contracts';
import { connectWorkers, createWorkers, OrchestratorPlugin, ProviderPlugin, startDevServer } from '@retempo/workers';
import type { CreateWorkersOptions, DevServer } from '@retempo/workers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repositoryRoot } from '../support/repository.js';
import { missingServer } from '../support/server-peer.js';

const missing = await missingServer();
const workflowsPath = fileURLToPath(new URL('test/support/host-workflows.ts', repositoryRoot));

let folder: string;
let server: DevServer;
let connection: NativeConnection;
let clientConnection: Connection;

beforeAll(async () => {
  if (missing !== null) return;
  folder = await mkdtemp(join(tmpdir(), 'retempo-plugins-'));
  server = await startDevServer({ stateFolder: folder, uiPort: null });
  connection = await NativeConnection.connect({ address: server.address });
  clientConnection = await Connection.connect({ address: server.address });
});

afterAll(async () => {
  if (missing !== null) return;
  await clientConnection.close();
  await connection.close();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Turns every byte around, and counts: shows that a host's codec is used, for what we send too. */
function countingCodec(): PayloadCodec & { readonly seen: { encoded: number; decoded: number } } {
  const flip = (payloads: Payload[]): Promise<Payload[]> =>
    Promise.resolve(
      payloads.map((payload) => ({ ...payload, data: (payload.data ?? new Uint8Array()).map((byte) => byte ^ 255) }))
    );
  const seen = { encoded: 0, decoded: 0 };
  return {
    seen,
    encode: (payloads) => {
      seen.encoded += payloads.length;
      return flip(payloads);
    },
    decode: (payloads) => {
      seen.decoded += payloads.length;
      return flip(payloads);
    },
  };
}

const site = (id: string): CreateWorkersOptions['sites'][number] => ({
  id,
  pools: [],
  probe: () => Promise.resolve([]),
  close: () => Promise.resolve(),
});

const config: CreateWorkersOptions['config'] = {
  temporal: { address: '', namespace: 'default', apiKey: null, tls: null },
  limits: {
    heartbeatMs: 5_000,
    noWorkerAfterMs: 5_000,
    capacityAfterMs: 5_000,
    drainMs: 5_000,
    stickyTimeoutMs: 5_000,
    cachedWorkflows: 10,
  },
};

describe.skipIf(missing !== null)("a host's own Temporal set-up", () => {
  it('goes on working beside ours: workflows, activities, interceptors, codec, other plugins, given twice', async () => {
    const calls: string[] = [];
    const codec = countingCodec();
    const dataConverter = { payloadCodecs: [codec] };
    const orchestrator = new OrchestratorPlugin({ activities: { oursActivity: () => Promise.resolve('ours') } });
    const otherPlugin = new SimplePlugin({
      name: 'host.Other',
      activities: { otherActivity: () => Promise.resolve('other') },
      runContext: async (next) => {
        calls.push('runContext');
        await next();
      },
    });
    const shared = await connectWorkers({
      config: { temporal: { ...config.temporal, address: server.address }, metricsPort: null },
      plugins: [otherPlugin, orchestrator],
    });
    const worker = await Worker.create({
      connection: shared,
      taskQueue: controlQueue,
      workflowsPath,
      dataConverter,
      activities: { hostActivity: () => Promise.resolve('host') },
      interceptors: {
        activity: [() => ({ inbound: { execute: (input, next) => (calls.push('activity'), next(input)) } })],
        activityInbound: [() => ({ execute: (input, next) => (calls.push('activityInbound'), next(input)) })],
      },
      plugins: [orchestrator],
    });
    const client = new Client({ connection: clientConnection, dataConverter });
    const call = (activity: string): Promise<unknown> =>
      client.workflow.execute('callOn', {
        taskQueue: controlQueue,
        workflowId: `call-${activity}`,
        args: [{ queue: controlQueue, activity }],
      });
    const results = await worker.runUntil(Promise.all(['hostActivity', 'oursActivity', 'otherActivity'].map(call)));
    expect(results).toEqual(['host', 'ours', 'other']);
    expect(calls.filter((name) => name === 'activity')).toHaveLength(3);
    expect(calls.filter((name) => name === 'activityInbound')).toHaveLength(3);
    expect(calls.filter((name) => name === 'runContext')).toHaveLength(1);
    expect(codec.seen.encoded).toBeGreaterThan(0);
    expect(codec.seen.decoded).toBeGreaterThan(0);
    await shared.close();
  });

  it('is told when a plugin lands on a foreign queue or an activity name is taken', async () => {
    const provider = new ProviderPlugin({
      site: 'onprem.east',
      role: 'jobs',
      activities: { a: () => Promise.resolve() },
    });
    const create = (taskQueue: string, activities?: object): Promise<Worker> =>
      Worker.create({
        connection,
        taskQueue,
        plugins: [provider],
        ...(activities === undefined ? {} : { activities }),
      });
    await expect(create('retempo.onprem.west.jobs')).rejects.toThrow('foreign task queue retempo.onprem.west.jobs');
    await expect(create('retempo.onprem.east.jobs', { a: () => Promise.resolve() })).rejects.toThrow('named a;');
  });

  it('is told when another plugin would silently replace our activity, before anything runs; the connection is free', async () => {
    const ran: string[] = [];
    const activity = (name: string) => () => Promise.resolve(void ran.push(name));
    const provider = new ProviderPlugin({ site: 'onprem.east', role: 'jobs', activities: { a: activity('ours') } });
    // Plugins that take their time are waited for.
    const slow = new SimplePlugin({
      name: 'host.Slow',
      runContext: async (next) => {
        await new Promise((done) => setTimeout(done, 20));
        await next();
      },
    });
    const other = new SimplePlugin({ name: 'host.Other', activities: { a: activity('other') } });
    const own = await NativeConnection.connect({ address: server.address });
    const taskQueue = 'retempo.onprem.east.jobs';
    const replaced = await Worker.create({ connection: own, taskQueue, plugins: [provider, slow, other] });
    await expect(replaced.run()).rejects.toThrow(
      `retempo.Onprem: another plugin of the worker on ${taskQueue} has replaced the activity a; rename`
    );
    const fine = await Worker.create({ connection: own, taskQueue, plugins: [provider] });
    await fine.runUntil(Promise.resolve());
    expect(ran).toEqual([]);
    // Possible only when no Worker holds the connection any more.
    await own.close();
  });

  it('is told so also when a plugin in between does not start the worker; what is no function is no activity', async () => {
    const activity = () => Promise.resolve();
    const activities = { a: activity, b: activity, settings: { retries: 3 } };
    const provider = new ProviderPlugin({ site: 'onprem.east', role: 'jobs', activities });
    let refuses = true;
    const refusing: WorkerPlugin = {
      name: 'host.Refusing',
      runWorker: (worker, next) => (refuses ? Promise.reject(new Error('not now')) : next(worker)),
    };
    const others = { a: () => Promise.resolve(), b: () => Promise.resolve(), settings: { retries: 5 } };
    const other = new SimplePlugin({ name: 'host.Other', activities: others });
    const own = await NativeConnection.connect({ address: server.address });
    const taskQueue = 'retempo.onprem.east.jobs';
    const replaced = await Worker.create({ connection: own, taskQueue, plugins: [provider, refusing, other] });
    const told = `retempo.Onprem: another plugin of the worker on ${taskQueue} has replaced the activities a, b; rename`;
    await expect(replaced.run()).rejects.toThrow(told);
    // Once it may begin it can be ended, and gives its connection back.
    refuses = false;
    await expect(replaced.run()).rejects.toThrow(told);
    const fine = await Worker.create({ connection: own, taskQueue, plugins: [provider] });
    await fine.runUntil(Promise.resolve());
    await own.close();
  });
});

describe.skipIf(missing !== null)('createWorkers', () => {
  it('makes one Worker per queue that has activities, and each serves its own queue only', async () => {
    const graces: Record<string, number> = {};
    const looking: WorkerPlugin = {
      name: 'looking',
      runWorker(worker, next) {
        graces[worker.options.taskQueue] = worker.options.shutdownGraceTimeMs;
        return next(worker);
      },
    };
    // What is given for the control Worker is its own.
    const control: string[] = [];
    const lookingAtControl: WorkerPlugin = {
      name: 'looking at control',
      runWorker: (worker, next) => (control.push(worker.options.taskQueue), next(worker)),
    };
    // A setting that is said to be undefined takes nothing of ours away.
    const every = { plugins: [looking], shutdownGraceTime: undefined };
    const workers = await createWorkers({
      config,
      connection,
      sites: [site('onprem.east'), site('onprem.west')],
      activities: {
        control: {},
        site: ({ id }, role) => (role === 'serving' ? {} : { whereAmI: () => Promise.resolve(`${id} ${role}`) }),
      },
      host: { every, control: { workflowsPath, plugins: [lookingAtControl] } },
    });
    const queues = ['east', 'west'].flatMap((name) =>
      ['jobs', 'wait', 'data'].map((role) => `retempo.onprem.${name}.${role}`)
    );
    expect(workers.queues).toEqual([controlQueue, ...queues]);
    const running = workers.run();
    const client = new Client({ connection: clientConnection });
    const answers = await Promise.all(
      queues.map((queue) =>
        client.workflow.execute('callOn', {
          taskQueue: controlQueue,
          workflowId: `where-${queue}`,
          args: [{ queue, activity: 'whereAmI' }],
        })
      )
    );
    expect(answers).toEqual(
      ['east', 'west'].flatMap((name) => ['jobs', 'wait', 'data'].map((role) => `onprem.${name} ${role}`))
    );
    expect(control).toEqual([controlQueue]);
    expect(graces).toEqual(
      Object.fromEntries([controlQueue, ...queues].map((queue) => [queue, queue.endsWith('.wait') ? 0 : 5_000]))
    );
    workers.shutdown();
    workers.shutdown();
    await running;
  });

  it('ends what it made when one Worker cannot be created, and says when there is nothing to serve', async () => {
    const own = await NativeConnection.connect({ address: server.address });
    const options = { config, connection: own, sites: [site('onprem.east')] };
    const activities = { control: {}, site: () => ({ a: () => Promise.resolve() }) };
    const host = { every: { activities: { a: () => Promise.resolve() } }, control: { workflowsPath } };
    await expect(createWorkers({ ...options, activities, host })).rejects.toThrow('named a;');
    await expect(createWorkers({ ...options, activities, only: () => false })).rejects.toThrow('no queue to serve');
    // Possible only when no Worker holds the connection any more.
    await own.close();
  });

  it('ends all when one fails, and tells why', async () => {
    const own = await NativeConnection.connect({ address: server.address });
    const breaking: WorkerPlugin = {
      name: 'breaking',
      async runWorker(worker, next) {
        await Promise.all([next(worker), Promise.resolve().then(() => worker.shutdown())]);
        throw new Error('broken');
      },
    };
    const workers = await createWorkers({
      config,
      connection: own,
      sites: [site('onprem.east')],
      activities: { control: {}, site: () => ({ a: () => Promise.resolve() }) },
      host: { control: { workflowsPath, plugins: [breaking] } },
    });
    await expect(workers.run()).rejects.toThrow('broken');
    // Possible only when no Worker holds the connection any more.
    await own.close();
  });

  /** Workers on a connection of their own; plugins of the host hold back that of the site until it is let go. */
  async function heldBack(control: WorkerPlugin['runWorker']) {
    const own = await NativeConnection.connect({ address: server.address });
    let letGo = (): void => undefined;
    const held = new Promise<void>((done) => (letGo = done));
    const holding: WorkerPlugin = {
      name: 'holding',
      async runWorker(worker, next) {
        if (worker.options.taskQueue === controlQueue) return control?.(worker, next);
        await held;
        return next(worker);
      },
    };
    const workers = await createWorkers({
      config,
      connection: own,
      sites: [site('onprem.east')],
      activities: { control: {}, site: (_, role) => (role === 'jobs' ? { a: () => Promise.resolve() } : {}) },
      host: { every: { plugins: [holding] }, control: { workflowsPath } },
    });
    return { own, workers, letGo };
  }

  it('ends also one that a plugin held back when another failed', async () => {
    const { own, workers, letGo } = await heldBack(async (worker, next) => {
      await Promise.all([next(worker), Promise.resolve().then(() => worker.shutdown())]);
      // Only after the failure has been seen.
      setImmediate(letGo);
      throw new Error('broken');
    });
    await expect(workers.run()).rejects.toThrow('broken');
    // Possible only when no Worker holds the connection any more.
    await own.close();
  });

  it('ends all when it is told to before they run, or while a plugin holds one back', async () => {
    for (const early of [true, false]) {
      const { own, workers, letGo } = await heldBack((worker, next) => next(worker));
      if (early) workers.shutdown();
      const running = workers.run();
      if (!early) workers.shutdown();
      letGo();
      await running;
      await own.close();
    }
  });

  it('finishes a running activity on SIGTERM, then ends; metrics are on loopback', async () => {
    const port = await new Promise<number>((done) => {
      const probe = createServer().listen(0, '127.0.0.1', () => {
        const { port } = probe.address() as { port: number };
        probe.close(() => done(port));
      });
    });
    const script = fileURLToPath(new URL('test/support/drain-host.mjs', repositoryRoot));
    const host = spawn(process.execPath, [script, server.address, String(port)], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ended = new Promise((done) => host.once('exit', (code, signal) => done(signal ?? code)));
    const said: string[] = [];
    const lines = createInterface({ input: host.stdout });
    const started = new Promise<void>((done) => {
      lines.on('line', (line) => {
        said.push(line);
        if (line === 'started') done();
      });
    });
    const control = await Worker.create({ connection, taskQueue: controlQueue, workflowsPath });
    const client = new Client({ connection: clientConnection });
    const result = await control.runUntil(async () => {
      const handle = await client.workflow.start('callOn', {
        taskQueue: controlQueue,
        workflowId: 'drained',
        args: [{ queue: 'retempo.onprem.east.jobs', activity: 'slow' }],
      });
      await started;
      expect(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).toContain('temporal_');
      host.kill('SIGTERM');
      return handle.result();
    });
    expect(result).toBe('finished');
    expect(await ended).toBe(0);
    expect(said).toEqual(['retempo.onprem.east.jobs', 'started', 'drained']);
  });
});
