import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServiceError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import type { Decision } from '@retempo/workflows/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFileStore } from '../artifacts/index.js';
import type { ArtifactStore, Call } from '../ports/index.js';
import { createRegistry, type Registry } from '../registry/index.js';
import { describeRelease, exportRun } from './runs.js';

// The server is played here, so that every answer of it can be chosen; a real one runs in the integration tests.

let root: string;
let store: ArtifactStore;
let registry: Registry;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'retempo-runs-'));
  store = createFileStore({ root });
  registry = createRegistry({ store });
});
afterEach(() => rm(root, { recursive: true, force: true }));

const call = (): Call => ({ signal: new AbortController().signal, deadlineMs: Date.now() + 30_000 });
const releaseId = 'retempo/m/run/7-0000abcd';
const gone = new WorkflowNotFoundError('workflow not found', releaseId, undefined);
/** What a call of the server itself says of a history that it has deleted. */
const grpc = (code: number) => Object.assign(new Error('5 NOT_FOUND'), { code, details: 'gone', metadata: {} });

interface Played {
  readonly status?: string;
  readonly result?: unknown;
  readonly history?: ReturnType<typeof historyFromJSON>;
  readonly error?: Error;
}

/** A server that knows these workflows and no others. */
function serverOf(workflows: Readonly<Record<string, Played>>): Client {
  const answer = <T>(id: string, of: (played: Played) => T): Promise<T> => {
    const played = workflows[id];
    // Who asks for no workflow at all is no longer asking about this run.
    if (typeof id !== 'string') return Promise.reject(new Error('asked for a workflow without an id'));
    return played === undefined || played.error !== undefined
      ? Promise.reject(played?.error ?? gone)
      : Promise.resolve(of(played));
  };
  const getHandle = (id: string) => ({
    describe: () => answer(id, ({ status }) => ({ status: { name: status } })),
    // Waits for a run that is open, and throws for one that did not complete.
    result: () => {
      if (workflows[id]?.status !== 'COMPLETED') throw new Error('there is no result');
      return answer(id, ({ result }) => result);
    },
    fetchHistory: () => answer(id, ({ history }) => history ?? historyFromJSON({ events: [] })),
  });
  return { workflow: { getHandle } } as unknown as Client;
}

describe('whether a release still runs', () => {
  it.each(['RUNNING', 'CONTINUED_AS_NEW', 'PAUSED'])('%s: it is open, and its jobs are needed', async (status) => {
    expect(await describeRelease(serverOf({ [releaseId]: { status } }), releaseId)).toEqual({ state: 'open' });
  });

  it.each(['FAILED', 'TERMINATED', 'CANCELLED', 'TIMED_OUT'])(
    '%s: it is closed, and has said nothing',
    async (status) => {
      expect(await describeRelease(serverOf({ [releaseId]: { status } }), releaseId)).toEqual({ state: 'closed' });
    }
  );

  it('COMPLETED: it is closed, with its own word for how', async () => {
    const result = { result: 'promoted' };
    const server = serverOf({ [releaseId]: { status: 'COMPLETED', result } });
    expect(await describeRelease(server, releaseId)).toEqual({ state: 'closed', outcome: result });
  });

  it('one that the server does not know is unknown; a server that cannot say so has said nothing', async () => {
    expect(await describeRelease(serverOf({}), releaseId)).toEqual({ state: 'unknown' });
    const down = new ServiceError('the server is down');
    await expect(describeRelease(serverOf({ [releaseId]: { error: down } }), releaseId)).rejects.toBe(down);
  });
});

describe('keeping a run beyond the retention of the server', () => {
  const decisions: readonly Decision[] = [
    { n: 1, at: '2026-01-05T00:00:00.000Z', what: 'started', by: 'ann', reason: 'because' },
  ];
  const folder = 'histories/models/m/runs/7-0000abcd';
  const historyWith = (...children: readonly string[]) =>
    historyFromJSON({
      events: [
        {
          eventId: '1',
          eventType: 'EVENT_TYPE_WORKFLOW_EXECUTION_STARTED',
          workflowExecutionStartedEventAttributes: {},
        },
        ...children.map((workflowId, index) => ({
          eventId: String(index + 2),
          eventType: 'EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED',
          startChildWorkflowExecutionInitiatedEventAttributes: { workflowId, workflowType: { name: 'training' } },
        })),
      ],
    });
  const exporting = (client: Client, id = releaseId) =>
    exportRun({ client, registry, store }, { model: 'm', releaseId: id, decisions }, call());
  const kept = async (): Promise<readonly string[]> => {
    const keys: string[] = [];
    for await (const key of store.list('histories/', call())) keys.push(key);
    return keys;
  };
  const textOf = async (key: string): Promise<string> => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of store.read(key, {}, call())) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  };

  it('keeps its decisions, its history and those of its children', async () => {
    await exporting(serverOf({ [releaseId]: { history: historyWith('a', 'b') }, a: {}, b: {} }));
    expect(await kept()).toEqual([`${folder}/1-training.json`, `${folder}/2-training.json`, `${folder}/release.json`]);
    expect(await textOf(`${folder}/release.json`)).toContain('"workflowId"');
    expect((await registry.readDocument('models/m/runs/7-0000abcd/record', call()))?.value).toEqual({
      v: 1,
      releaseId,
      decisions,
      outcome: null,
    });
  });

  it.each<[string, Error]>([
    ['as a workflow', gone],
    ['as a call', grpc(5)],
  ])('leaves out what the server has deleted, told %s, and keeps the rest', async (_how, error) => {
    await exporting(serverOf({ [releaseId]: { history: historyWith('a', 'b') }, a: { error }, b: {} }));
    expect(await kept()).toEqual([`${folder}/2-training.json`, `${folder}/release.json`]);
    await expect(exporting(serverOf({ [releaseId]: { error } }))).resolves.toBeUndefined();
  });

  it.each<[string, Error]>([
    ['a server that is down', new ServiceError('the server is down')],
    ['a call that is refused', grpc(7)],
  ])('%s is no deleted history: the export is tried again', async (_what, error) => {
    await expect(exporting(serverOf({ [releaseId]: { history: historyWith('a') }, a: { error } }))).rejects.toBe(error);
    await expect(exporting(serverOf({ [releaseId]: { error } }))).rejects.toBe(error);
  });

  it('asked again, it keeps what the run has become since', async () => {
    await exporting(serverOf({ [releaseId]: { history: historyWith('a') }, a: {} }));
    const before = await textOf(`${folder}/release.json`);
    await exporting(serverOf({ [releaseId]: { history: historyWith('a', 'b') }, a: {}, b: {} }));
    expect(await textOf(`${folder}/release.json`)).not.toBe(before);
    expect(await kept()).toHaveLength(3);
  });

  it('an id that leads out of the folder of its model is refused before anything is written', async () => {
    const id = 'retempo/m/run/..';
    await expect(exporting(serverOf({ [id]: {} }), id)).rejects.toMatchObject({ class: 'InvalidSpec' });
    expect(await kept()).toEqual([]);
  });
});
