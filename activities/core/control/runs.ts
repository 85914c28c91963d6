import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { isGrpcServiceError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { ControlActivities, Decision, ReleaseOutcome } from '@retempo/workflows/contracts';
import type { ArtifactStore, Call } from '../ports/index.js';
import type { Registry } from '../registry/index.js';

const runFolder = (model: string, releaseId: string) =>
  `models/${model}/runs/${releaseId.split('/').at(-1) ?? 'unknown'}`;

interface SavedRun {
  readonly v: 1;
  readonly releaseId: string;
  readonly decisions: readonly Decision[];
  readonly outcome: ReleaseOutcome | null;
}

/** Whether a release still runs, and how it ended when it said so. A deleted history is answered from the record. */
export async function describeRelease(
  client: Client,
  releaseId: string
): ReturnType<ControlActivities['describeRelease']> {
  const handle = client.workflow.getHandle(releaseId);
  try {
    const { status } = await handle.describe();
    if (status.name === 'RUNNING' || status.name === 'CONTINUED_AS_NEW' || status.name === 'PAUSED')
      return { state: 'open' };
    if (status.name !== 'COMPLETED') return { state: 'closed' };
    return { state: 'closed', outcome: (await handle.result()) as ReleaseOutcome };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return { state: 'unknown' };
    throw error;
  }
}

/** Keeps the decisions of a run and the histories of all its workflows beyond the server's retention. */
export async function exportRun(
  dependencies: { readonly client: Client; readonly registry: Registry; readonly store: ArtifactStore },
  input: Parameters<ControlActivities['exportRun']>[0],
  call: Call
): Promise<void> {
  const { client, registry, store } = dependencies;
  const { model, releaseId, decisions } = input;
  const folder = runFolder(model, releaseId);
  await registry.updateDocument<SavedRun>(
    `${folder}/record`,
    () => ({ v: 1, releaseId, decisions, outcome: null }),
    call
  );
  const children = await childrenOf(client, releaseId);
  for (const [name, workflowId] of [['release', releaseId] as const, ...children]) {
    const history = await historyOf(client, workflowId);
    if (history === null) continue;
    await putCurrent(store, `histories/${folder}/${name}.json`, Buffer.from(historyToJSON(history)), call);
  }
}

const grpcNotFound: number = 5;

/** Null when the server has deleted it: a long canary outlives the histories of the steps before it. */
async function historyOf(client: Client, workflowId: string) {
  try {
    return await client.workflow.getHandle(workflowId).fetchHistory();
  } catch (error) {
    const gone =
      error instanceof WorkflowNotFoundError || (isGrpcServiceError(error) && (error.code as number) === grpcNotFound);
    if (gone) return null;
    throw error;
  }
}

async function childrenOf(client: Client, releaseId: string): Promise<(readonly [string, string])[]> {
  const history = await historyOf(client, releaseId);
  return (history?.events ?? []).flatMap((event, index) => {
    const started = event.startChildWorkflowExecutionInitiatedEventAttributes;
    const id = started?.workflowId;
    return id === undefined || id === null ? [] : [[`${index}-${started?.workflowType?.name ?? 'child'}`, id] as const];
  });
}

/** Whole and atomic, whatever was there. */
async function putCurrent(store: ArtifactStore, key: string, bytes: Uint8Array, call: Call): Promise<void> {
  const head = await store.head(key, call);
  await store.put(key, bytes, head === null ? { ifAbsent: true } : { ifVersion: head.version }, call);
}
