import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import {
  controlQueue,
  governorId,
  memoOf,
  modelOfId,
  type Installation,
  type ModelSpec,
} from '@retempo/workflows/contracts';
import type { continuousTraining } from '@retempo/workflows';
import { configure, getStatus } from '@retempo/workflows/messages';
import { isOpen, openOnly } from '../temporal.js';
import { attributesOf } from './schedules.js';

/** What is known of a model's governor without changing anything. */
export type GovernorState =
  | { readonly state: 'missing' }
  /** It ended: terminated, cancelled or failed. */
  | { readonly state: 'ended'; readonly how: string }
  | {
      readonly state: 'running';
      /** Digest of the owner and limits that its next run gets, or null when no worker answered. */
      readonly installationDigest: string | null;
      /** Digest of its spec, or null when no worker answered. */
      readonly specDigest: string | null;
    };

/** Looks at a governor. The digests are null when no worker answers within `timeoutMs`. */
export async function lookAtGovernor(client: Client, model: string, timeoutMs: number): Promise<GovernorState> {
  const handle = client.workflow.getHandle(governorId(model));
  try {
    const { status } = await handle.describe();
    if (!isOpen(status.name)) return { state: 'ended', how: status.name.toLowerCase() };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return { state: 'missing' };
    throw error;
  }
  const status = await client.withDeadline(Date.now() + timeoutMs, () => handle.query(getStatus)).catch(() => null);
  return {
    state: 'running',
    installationDigest: status?.installationDigest ?? null,
    specDigest: status?.specDigest ?? null,
  };
}

/** Starts a governor; one that runs already is left alone. A governor that ended comes back with its memory. */
export async function startGovernor(
  client: Client,
  input: { readonly spec: ModelSpec; readonly specDigest: string; readonly installation: Installation }
): Promise<void> {
  const { spec, specDigest, installation } = input;
  await client.workflow.start<typeof continuousTraining>('continuousTraining', {
    workflowId: governorId(spec.model),
    workflowIdConflictPolicy: 'USE_EXISTING',
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    taskQueue: controlQueue,
    args: [{ v: 1, installation, spec, specDigest }],
    memo: { ...memoOf(spec) },
    typedSearchAttributes: attributesOf({ model: spec.model, phase: 'healthy' }),
    staticSummary: `governor of ${spec.model}`,
    staticDetails: spec.description ?? `Keeps ${spec.model} fresh on endpoint ${spec.release.endpoint}.`,
  });
}

/** Gives a running governor a new spec, owner and limits. Runs that are under way keep theirs. */
export async function configureGovernor(
  client: Client,
  input: {
    readonly spec: ModelSpec;
    readonly specDigest: string;
    readonly installation: Installation;
    readonly actor: string;
    readonly timeoutMs: number;
  }
): Promise<void> {
  const { spec, specDigest, installation, actor, timeoutMs } = input;
  await client.withDeadline(Date.now() + timeoutMs, () =>
    client.workflow
      .getHandle(governorId(spec.model))
      .executeUpdate(configure, { args: [{ spec, specDigest, installation, ifDigest: null, actor }] })
  );
}

/** Models whose governor has not ended, by name. */
export async function runningGovernors(client: Client): Promise<readonly string[]> {
  const found: string[] = [];
  const query = `WorkflowType = 'continuousTraining' AND ${openOnly}`;
  for await (const { workflowId } of client.workflow.list({ query })) {
    const model = modelOfId(workflowId);
    if (model !== undefined && workflowId === governorId(model)) found.push(model);
  }
  return found.toSorted();
}
