import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Client, Connection, isGrpcServiceError } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { createStarters } from '@retempo/starters';
import { startDevServer, type DevServer } from '@retempo/workers';
import { controlQueue, governorId } from '@retempo/workflows/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repositoryRoot } from '../support/repository.js';
import { missingServer } from '../support/server-peer.js';

// What a service sees when something is missing, against a real server: no model, no worker, no server.

const missing = await missingServer();
const run = promisify(execFile);
const root = fileURLToPath(repositoryRoot);
const request = { source: 'pricing', id: 'order-1', cause: 'new fares loaded' };
const press = { actor: 'ann', reason: 'because' };

describe.skipIf(missing !== null)('starters and a Temporal server', () => {
  let folder: string;
  let server: DevServer;
  let connection: Connection;
  let client: Client;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'retempo-starters-'));
    server = await startDevServer({ stateFolder: folder, uiPort: null });
    connection = await Connection.connect({ address: server.address });
    client = new Client({ connection });
  });
  afterAll(async () => {
    await connection?.close();
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('a model that does not exist is unknown to every function, and nothing is started', async () => {
    const model = 'nobody';
    const starters = createStarters({ client });
    const asks = [
      starters.requestRetrain({ model, ...request }),
      starters.reportEvents(model, [request]),
      starters.getStatus(model),
      starters.getDecisions(model),
      starters.approve({ model, ...press }),
      starters.reject({ model, ...press }),
      starters.pause({ model, ...press }),
      starters.resume({ model, ...press }),
      starters.promote({ model, ...press }),
      starters.rollback({ model, ...press }),
      starters.abort({ model, ...press }),
    ];
    for (const told of await Promise.allSettled(asks)) {
      expect(told).toMatchObject({
        status: 'rejected',
        reason: { problem: 'unknownModel', message: 'there is no model "nobody"; create it with: retempo apply' },
      });
    }
    await expect(client.workflow.getHandle(governorId(model)).describe()).rejects.toThrow(/not found/);
  });

  it('without a worker the answer does not come in time, and the error says what to start', async () => {
    const model = 'asleep';
    // Nobody polls the queue: the governor exists and cannot answer.
    const start = { workflowId: governorId(model), taskQueue: controlQueue, args: [{}] };
    await client.workflow.start('continuousTraining', start);
    const starters = createStarters({ client, timeoutMs: 1_500 });
    const asks = [starters.requestRetrain({ model, ...request }), starters.pause({ model, ...press })];
    // All at once: one that is refused while another is awaited would be refused unheard.
    for (const told of await Promise.allSettled(asks)) {
      expect(told).toMatchObject({
        status: 'rejected',
        reason: { problem: 'noWorker', message: expect.stringContaining('no worker answered within 1.5 s') },
      });
    }
    // A signal needs no worker: it is kept.
    await starters.reportEvents(model, [request, { ...request, id: 'order-2' }]);
    const { events } = await client.workflow.getHandle(governorId(model)).fetchHistory();
    expect(events?.filter((event) => event.workflowExecutionSignaledEventAttributes)).toHaveLength(1);
  });

  it('a governor whose worker cannot carry it on is told as that, and answers when the worker is mended', async () => {
    const model = 'stuck';
    const connection = await NativeConnection.connect({ address: server.address });
    const worker = async (name: string) =>
      Worker.create({
        connection,
        taskQueue: controlQueue,
        workflowsPath: fileURLToPath(new URL(`test/support/${name}.ts`, repositoryRoot)),
      });
    try {
      // It has other workflows: every task of the governor fails.
      const broken = await worker('trivial-workflows');
      const start = { workflowId: governorId(model), taskQueue: controlQueue, args: [{}] };
      const governor = await client.workflow.start('continuousTraining', start);
      const attempts = async () => (await governor.describe()).raw.pendingWorkflowTask?.attempt ?? 0;
      const asking = await broken.runUntil(async () => {
        // From then on the server takes no more updates.
        while ((await attempts()) < 3) await new Promise((resolve) => setTimeout(resolve, 50));
        const impatient = createStarters({ client, timeoutMs: 1_500 });
        await expect(impatient.requestRetrain({ model, ...request })).rejects.toMatchObject({
          problem: 'noWorker',
          message: expect.stringContaining('the workers cannot carry on the governor') as string,
        });
        return { answer: createStarters({ client, timeoutMs: 180_000 }).requestRetrain({ model, ...request }) };
      });
      const mended = await worker('answering-governor');
      expect(await mended.runUntil(asking.answer)).toMatchObject({ reason: 'seen order-1' });
    } finally {
      await connection.close();
    }
  });

  it('a namespace that does not exist is no model that does not exist', async () => {
    const starters = createStarters({ client: new Client({ connection, namespace: 'nope' }), timeoutMs: 5_000 });
    const model = 'nobody';
    const asks = [
      starters.requestRetrain({ model, ...request }),
      starters.reportEvents(model, [request]),
      starters.getStatus(model),
      starters.pause({ model, ...press }),
    ];
    for (const told of await Promise.allSettled(asks)) {
      expect(told).toMatchObject({
        status: 'rejected',
        reason: { problem: 'noAccess', message: expect.stringContaining('has no namespace "nope"') },
      });
    }
  });

  it('a message that is no message is malformed, and says which part', async () => {
    const model = 'asleep';
    const starters = createStarters({ client, timeoutMs: 1_500 });
    const wrong = { model, ...request, at: 'now' as unknown as Date };
    await expect(starters.requestRetrain(wrong)).rejects.toMatchObject({
      problem: 'malformed',
      message: 'at: expected a valid Date',
    });
  });

  it('more than 50 events travel in several signals', async () => {
    const model = 'many';
    const start = { workflowId: governorId(model), taskQueue: controlQueue, args: [{}] };
    await client.workflow.start('continuousTraining', start);
    const events = Array.from({ length: 120 }, (_, i) => ({ ...request, id: `order-${i}` }));
    await createStarters({ client }).reportEvents(model, events);
    const history = await client.workflow.getHandle(governorId(model)).fetchHistory();
    const signals = history.events?.filter((event) => event.workflowExecutionSignaledEventAttributes) ?? [];
    expect(signals).toHaveLength(3);
  });

  it('the example of the README compiles and runs', async () => {
    const text = await readFile(join(root, 'starters/README.md'), 'utf8');
    const example = text.split('<!-- example -->')[1]?.match(/```ts\n([\s\S]*?)```/)?.[1];
    expect(example).toBeDefined();
    const outputs = join(root, '.test-output');
    await mkdir(outputs, { recursive: true });
    // Below the repository, so that it finds the packages as a service does after its `npm install`.
    const program = await mkdtemp(join(outputs, 'starters-readme-'));
    try {
      await writeFile(join(program, 'package.json'), '{ "type": "module" }');
      await writeFile(join(program, 'main.ts'), example!);
      const compilerOptions = {
        target: 'es2022',
        module: 'nodenext',
        strict: true,
        skipLibCheck: true,
        types: ['node'],
      };
      await writeFile(join(program, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['main.ts'] }));
      await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', program]);
      const env = { ...process.env, TEMPORAL_ADDRESS: server.address };
      const { stdout, stderr } = await run(process.execPath, ['main.js'], { cwd: program, env });
      expect([stdout, stderr]).toEqual(['', expect.stringContaining('unknownModel there is no model "flight-delay"')]);
    } finally {
      await rm(program, { recursive: true });
    }
  });
});

/** What every function that needs an answer is told within its time and that of one question to the server. */
async function expectAway(client: Client, timeoutMs: number): Promise<void> {
  const starters = createStarters({ client, timeoutMs });
  const model = 'asleep';
  const asks = {
    'retrain asleep': starters.requestRetrain({ model, ...request }),
    'ask the status of asleep': starters.getStatus(model),
    'pause asleep': starters.pause({ model, ...press }),
    'report events to asleep': starters.reportEvents(model, [request]),
  };
  const told = await Promise.allSettled(Object.values(asks));
  for (const [index, what] of Object.keys(asks).entries()) {
    expect(told[index]).toMatchObject({
      status: 'rejected',
      reason: {
        name: 'StarterError',
        problem: 'unavailable',
        message: expect.stringMatching(new RegExp(`^the Temporal server does not answer.*\\(${what}\\)`)),
      },
    });
  }
}

/** gRPC status of what the server does not know. */
const notFound = 5;

/** Returns when the server has an update that waits for a worker: it answers for those that it knows. */
async function untilTaken(connection: Connection, updateId: string): Promise<void> {
  const updateRef = { workflowExecution: { workflowId: governorId('asleep') }, updateId };
  for (;;) {
    try {
      await connection.workflowService.pollWorkflowExecutionUpdate({ namespace: 'default', updateRef });
      return;
    } catch (error) {
      const code: number | null = isGrpcServiceError(error) ? error.code : null;
      if (code !== notFound) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe.skipIf(missing !== null)('starters and a Temporal server that goes away', () => {
  let folder: string;
  let server: DevServer;
  let connection: Connection;
  let client: Client;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'retempo-starters-away-'));
    server = await startDevServer({ stateFolder: folder, uiPort: null });
    connection = await Connection.connect({ address: server.address });
    client = new Client({ connection });
    const start = { workflowId: governorId('asleep'), taskQueue: controlQueue, args: [{}] };
    await client.workflow.start('continuousTraining', start);
  });
  afterAll(async () => {
    await connection?.close();
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('stopped, it is away and not its workers, and there again when it goes on', async () => {
    await server.kill('SIGSTOP');
    await expectAway(client, 1_000);
    await server.kill('SIGCONT');
    const asked = createStarters({ client, timeoutMs: 1_500 }).requestRetrain({ model: 'asleep', ...request });
    await expect(asked).rejects.toMatchObject({ problem: 'noWorker' });
  });

  it('killed while it has a request, it is away: nobody can know whether the request will be carried out', async () => {
    const id = 'order-3';
    const asked = createStarters({ client, timeoutMs: 10_000 }).requestRetrain({ model: 'asleep', ...request, id });
    const told = expect(asked).rejects.toMatchObject({
      problem: 'unavailable',
      message: expect.stringContaining('whether it took the request is not known'),
    });
    await untilTaken(connection, createHash('sha256').update(`${request.source}\n${id}`).digest('hex'));
    await server.kill('SIGKILL');
    await told;
    await expectAway(client, 1_000);
  });
});

describe('starters without a Temporal server', () => {
  it('say that it is away, in time, and which call it was', async () => {
    const connection = Connection.lazy({ address: '127.0.0.1:1', connectTimeout: 300 });
    await expectAway(new Client({ connection }), 1_500);
    await connection.close();
  });
});
