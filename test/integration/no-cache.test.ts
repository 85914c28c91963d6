import { fileURLToPath } from 'node:url';
import { NativeConnection, Worker } from '@temporalio/worker';
import { controlQueue } from '@retempo/workflows/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWorld, type World } from '../../examples/flight-delay/world.mjs';
import { startInstallation, type TestInstallation } from '../support/installation.js';
import { missingServer } from '../support/server-peer.js';

const missing = await missingServer();

// Without a cache every workflow task begins with a replay of everything so far: whatever the workflows do that a replay
// would not repeat fails here, at every single task.

describe.skipIf(missing !== null)('a control worker without workflow cache', () => {
  const model = 'flight-delay';
  let test: TestInstallation;
  let world: World;
  const closing: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    const sections = {
      train: { parameters: { rate: 0.05, epochs: 2 } },
      gate: { metrics: { logLoss: { atMost: 0.65 } } },
    };
    test = await startInstallation({ name: 'no-cache', sections, workers: false });
    closing.push(() => test.close());
    world = await createWorld({ folder: test.project.live, peekMinutes: 30 });
    await world.advanceTo(5);
    await test.startWorkers((queue) => queue !== controlQueue);
    const native = await NativeConnection.connect({ address: test.server.address });
    closing.push(() => native.close());
    const control = await Worker.create({
      connection: native,
      taskQueue: controlQueue,
      workflowsPath: fileURLToPath(import.meta.resolve('@retempo/workflows')),
      activities: test.opened.activities({ client: test.client }).control,
      maxCachedWorkflows: 0,
    });
    const running = control.run();
    closing.push(async () => {
      control.shutdown();
      await running;
    });
  });
  afterAll(async () => {
    world?.close();
    for (const close of closing.toReversed()) await close();
  });

  const ended = async (runId: string) => {
    const found = await test.until(
      `end of ${runId}`,
      () => test.starters.getDecisions(model),
      (list) => list.some((d) => d.by === 'release' && d.runId === runId),
      180_000
    );
    return found.find((d) => d.by === 'release' && d.runId === runId)!;
  };

  it('releases a first version, refuses the next, and answers a repeated request with the first answer', async () => {
    await test.apply();
    const request = { model, source: 'test', id: '1', cause: 'first version' };
    const first = await test.starters.requestRetrain(request);
    expect(first).toMatchObject({ answer: 'accepted', repeated: false });
    expect((await ended(first.runId!)).what).toBe('promoted');
    const { champion } = await test.status();
    expect(champion).not.toBeNull();

    await test.project.model({
      train: { parameters: { rate: 0.05, epochs: 2 } },
      gate: { metrics: { logLoss: { atMost: 0.01 } } },
    });
    await test.apply();
    const again = { ...request, id: '2', cause: 'another', kind: 'person' as const, actor: 'ann', force: true };
    const second = await test.starters.requestRetrain(again);
    expect((await ended(second.runId!)).what).toBe('refusedByGate');
    expect(await test.starters.requestRetrain(request)).toMatchObject({ repeated: true, runId: first.runId });
    expect(await test.status()).toMatchObject({ champion, cooldownFactor: 2 });
  });
});
