import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import {
  controlQueue,
  digestOf,
  governorId,
  modelOfId,
  type Installation,
  type ModelSpec,
} from '@retempo/workflows/contracts';
import type { continuousTraining } from '@retempo/workflows';
import { configure, getStatus } from '@retempo/workflows/messages';
import { attributesOf } from './schedules.js';

/** What is known of a model's governor without changing anything. */
export type GovernorState =
  | { readonly state: 'missing' }
  /** It ended: terminated, cancelled or failed. */
  | { readonly state: 'ended'; readonly how: string }
  | {
      readonly state: 'running';
      /** Digest of the installation's owner and limits that it was started with. */
      readonly installationDigest: string | null;
      /** Digest of its spec, or null when no worker answered. */
      readonly specDigest: string | null;
    };

/** What a governor's memo says; list rows carry it, so that nobody has to be asked. */
export interface GovernorMemo {
  readonly v: 1;
  readonly endpoint: string;
  readonly site: string;
  readonly task: string;
  readonly installationDigest: string;
}

/** Looks at a governor. `specDigest` is null when no worker answers within `timeoutMs`. */
export async function lookAtGovernor(client: Client, model: string, timeoutMs: number): Promise<GovernorState> {
  const handle = client.workflow.getHandle(governorId(model));
  let memo: Partial<GovernorMemo> | undefined;
  try {
    const { status, memo: found } = await handle.describe();
    if (status.name !== 'RUNNING' && status.name !== 'PAUSED')
      return { state: 'ended', how: status.name.toLowerCase() };
    memo = found;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return { state: 'missing' };
    throw error;
  }
  const specDigest = await client
    .withDeadline(Date.now() + timeoutMs, () => handle.query(getStatus))
    .then((status) => status.specDigest)
    .catch(() => null);
  return { state: 'running', installationDigest: memo?.installationDigest ?? null, specDigest };
}

/** Starts a governor; one that runs already is left alone. A governor that ended comes back with its memory. */
export async function startGovernor(
  client: Client,
  input: { readonly spec: ModelSpec; readonly specDigest: string; readonly installation: Installation }
): Promise<void> {
  const { spec, specDigest, installation } = input;
  const memo: GovernorMemo = {
    v: 1,
    endpoint: spec.release.endpoint,
    site: spec.release.site,
    task: spec.task,
    installationDigest: digestOf(installation),
  };
  await client.workflow.start<typeof continuousTraining>('continuousTraining', {
    workflowId: governorId(spec.model),
    workflowIdConflictPolicy: 'USE_EXISTING',
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    taskQueue: controlQueue,
    args: [{ v: 1, installation, spec, specDigest }],
    memo: { ...memo },
    typedSearchAttributes: attributesOf({ model: spec.model, phase: 'healthy' }),
    staticSummary: `governor of ${spec.model}`,
    staticDetails: spec.description ?? `Keeps ${spec.model} fresh on endpoint ${spec.release.endpoint}.`,
  });
}

/** Gives a running governor a new spec. Runs that are under way keep theirs. */
export async function configureGovernor(
  client: Client,
  input: { readonly spec: ModelSpec; readonly specDigest: string; readonly actor: string; readonly timeoutMs: number }
): Promise<void> {
  const { spec, specDigest, actor, timeoutMs } = input;
  await client.withDeadline(Date.now() + timeoutMs, () =>
    client.workflow
      .getHandle(governorId(spec.model))
      .executeUpdate(configure, { args: [{ spec, specDigest, ifDigest: null, actor }] })
  );
}

/** Models whose governor runs, by name. */
export async function runningGovernors(client: Client): Promise<readonly string[]> {
  const found: string[] = [];
  const query = `WorkflowType = 'continuousTraining' AND ExecutionStatus = 'Running'`;
  for await (const { workflowId } of client.workflow.list({ query })) {
    const model = modelOfId(workflowId);
    if (model !== undefined && workflowId === governorId(model)) found.push(model);
  }
  return found.toSorted();
}
