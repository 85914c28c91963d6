import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger, type LogEntry } from '@temporalio/worker';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createFileStore, createStores } from '../artifacts/index.js';
import { PortError, type Notifier } from '../ports/index.js';
import { createRegistry } from '../registry/index.js';
import { createControlActivities, type ControlDependencies } from './activities.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'retempo-control-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

function world(change: Partial<ControlDependencies> = {}) {
  const logged: LogEntry[] = [];
  const store = createFileStore({ root });
  const activities = createControlActivities({
    client: {} as ControlDependencies['client'],
    registry: createRegistry({ store }),
    stores: createStores([store]),
    store,
    ...change,
  });
  const logger = new DefaultLogger('INFO', (entry) => logged.push(entry));
  const mock = new MockActivityEnvironment(
    { workflowExecution: { workflowId: 'retempo/m/run/7-0000abcd', runId: 'r' } },
    { logger }
  );
  return { activities, logged, run: <T>(work: () => Promise<T>): Promise<T> => mock.run(work) };
}
const event = { v: 1, kind: 'rolledBack', model: 'm', text: 'm was rolled back' } as unknown as Parameters<
  ReturnType<typeof createControlActivities>['notifyPeople']
>[0];

it('people are told once, with the workflow that has something to say, and the log has it in any case', async () => {
  const told: unknown[] = [];
  const notifier: Notifier = {
    notify(given) {
      told.push(given);
      return Promise.resolve();
    },
  };
  const { activities, logged, run } = world({ notifier });
  await run(() => activities.notifyPeople(event));
  expect(told).toEqual([{ ...event, link: 'retempo/m/run/7-0000abcd' }]);
  expect(logged.map(({ message }) => message)).toEqual(['m was rolled back']);
  const silent = world();
  await silent.run(() => silent.activities.notifyPeople(event));
  expect(silent.logged[0]).toMatchObject({
    level: 'WARN',
    meta: { kind: 'rolledBack', model: 'm', workflow: 'retempo/m/run/7-0000abcd' },
  });
});

it('a notifier that fails is tried again, and one that hangs holds nothing for ever', async () => {
  const failing = world({ notifier: { notify: () => Promise.reject(new PortError('Throttled', 'later')) } });
  const failed = failing.run(() => failing.activities.notifyPeople(event));
  await expect(failed).rejects.toMatchObject({ type: 'Retempo.Throttled', nonRetryable: false });
  const notify = () => new Promise<never>(() => undefined);
  const hanging = world({ notifier: { notify }, callTimeoutMs: 20 });
  const hung = hanging.run(() => hanging.activities.notifyPeople(event));
  await expect(hung).rejects.toMatchObject({ type: 'Retempo.UnknownOutcome' });
});

it('what is saved is loaded again; what fails is told by its class', async () => {
  const { activities, run } = world();
  const input = { model: 'm', revision: 1, snapshot: { text: 'x' }, decisions: [] };
  await run(() => activities.saveGovernor(input));
  expect(await run(() => activities.loadGovernor({ model: 'm' }))).toEqual({ snapshot: { text: 'x' }, recorded: 0 });
  expect(await run(() => activities.getChampion({ model: 'm', anchor: 'pinned' }))).toEqual({
    champion: null,
    anchor: null,
  });
  expect(await run(() => activities.getPreviousChampion({ model: 'm' }))).toBeNull();
  const unknown = run(() =>
    activities.setChampion({ model: 'm', version: 'v1-00000000', expected: null, releaseId: 'r', reason: 'x' })
  );
  await expect(unknown).rejects.toMatchObject({ type: 'Retempo.NotFound' });
});
