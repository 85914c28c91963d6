import { ScheduleNotFoundError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import { driftScheduleId, endpointId, governorId, isSlug } from '@retempo/workflows/contracts';
import { storeCall } from '../apply/call.js';
import type { GovernorMemo } from '../apply/governors.js';
import { ConfigurationError } from '@retempo/workers';
import { CliError, exitCode } from '../failure.js';
import type { Session } from '../session.js';
import { listModels } from '../status/model-rows.js';
import { plural } from '../text/quantities.js';

/** Everything that a `delete` will remove. */
export interface Deletion {
  readonly model: string;
  /** Model file that is still in the project. */
  readonly file: string | null;
  readonly schedule: string | null;
  /** True when the governor runs. */
  readonly governor: boolean;
  /** Workflow id of the run under way. */
  readonly run: string | null;
  /** Workflow id of the canary under way. */
  readonly canary: string | null;
  readonly endpoint: { readonly name: string; readonly site: string } | null;
  /** Registry documents, by path. */
  readonly documents: readonly string[];
  /** Keys of records and bytes of versions and of histories; only with `purge`. */
  readonly keys: readonly string[];
  readonly purge: boolean;
}

/** Documents that are working memory; all others are the record of what was decided and why. */
const memory: readonly string[] = ['governor', 'monitor'];

/** Looks for everything of a model. */
export async function deletionOf(session: Session, model: string, purge: boolean): Promise<Deletion> {
  if (!isSlug(model)) {
    throw new CliError(exitCode.usage, 'malformed', `"${model}" is no model name: lower-case letters, digits and "-"`);
  }
  const { client, namespace } = await session.temporal();
  // A model can be removed whatever state the model files are in: what runs says where its endpoint is.
  const models = await session.project().then(
    (project) => project.models,
    (error: unknown) => {
      if (error instanceof ConfigurationError) return [];
      throw error;
    }
  );
  const loaded = models.find(({ draft }) => draft.model === model);
  const governor = await describeGovernor(client, model);
  const release = loaded?.draft.release;
  const named = governor?.memo ?? null;
  const endpoint =
    named !== null
      ? { name: named.endpoint, site: named.site }
      : release === undefined
        ? null
        : { name: release.endpoint, site: release.site };
  const run = (await listModels(client, namespace)).find((row) => row.model === model)?.run ?? null;
  return {
    model,
    file: loaded?.file ?? null,
    schedule: await scheduleOf(client, model),
    governor: governor?.running ?? false,
    run: run?.runId ?? null,
    canary: endpoint === null ? null : await runningCanary(client, endpointId(endpoint.site, endpoint.name)),
    endpoint: governor === null ? null : endpoint,
    documents: await documentsOf(session, model, purge),
    keys: purge ? await keysOf(session, model) : [],
    purge,
  };
}

async function describeGovernor(
  client: Client,
  model: string
): Promise<{ readonly running: boolean; readonly memo: GovernorMemo | null } | null> {
  try {
    const { status, memo } = await client.workflow.getHandle(governorId(model)).describe();
    return { running: status.name === 'RUNNING', memo: memo?.['v'] === 1 ? (memo as unknown as GovernorMemo) : null };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}

async function scheduleOf(client: Client, model: string): Promise<string | null> {
  const id = driftScheduleId(model);
  try {
    await client.schedule.getHandle(id).describe();
    return id;
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return null;
    throw error;
  }
}

async function runningCanary(client: Client, id: string): Promise<string | null> {
  try {
    const { status } = await client.workflow.getHandle(id).describe();
    return status.name === 'RUNNING' ? id : null;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}

async function documentsOf(session: Session, model: string, purge: boolean): Promise<readonly string[]> {
  const { registry } = await session.installation();
  const prefix = `models/${model}/`;
  const found: string[] = [];
  for await (const path of registry.listDocuments(prefix, storeCall(session.io))) {
    if (purge || memory.includes(path.slice(prefix.length))) found.push(path);
  }
  return found;
}

/** Records and histories of a model, and the bytes of its versions that no other model has. */
async function keysOf(session: Session, model: string): Promise<readonly string[]> {
  const { store, stores, registry } = await session.installation();
  const call = storeCall(session.io);
  const keys: string[] = [];
  const others = new Set<string>();
  const models = new Set<string>();
  for await (const key of store.list('registry/models/', call)) {
    const owner = key.split('/')[2];
    if (owner === model) keys.push(key);
    else if (owner !== undefined) models.add(owner);
  }
  for (const other of models) {
    for (const { artifact } of await registry.listVersions(other, call)) others.add(artifact.uri);
  }
  for (const { artifact } of await registry.listVersions(model, call)) {
    if (others.has(artifact.uri) || !artifact.uri.startsWith(store.root)) continue;
    for await (const key of store.list(`${stores.resolve(artifact.uri).key}/`, call)) keys.push(key);
  }
  for (const own of [`predictions/${model}/`, `histories/models/${model}/`])
    for await (const key of store.list(own, call)) keys.push(key);
  return [...new Set(keys)];
}

/** True when nothing of such a model is there. */
export const isNothing = (deletion: Deletion): boolean =>
  deletion.schedule === null &&
  !deletion.governor &&
  deletion.run === null &&
  deletion.canary === null &&
  deletion.documents.length === 0 &&
  deletion.keys.length === 0;

/** What will be done, one sentence each, in the order in which it is done. */
export function deletionLines(deletion: Deletion): readonly string[] {
  const { model, schedule, governor, canary, run, endpoint, documents, keys, purge } = deletion;
  return [
    ...(schedule === null ? [] : [`delete the schedule ${schedule}`]),
    ...(governor ? [`end the governor ${governorId(model)}`] : []),
    ...(canary === null ? [] : [`roll the canary ${canary} back: the champion gets all traffic`]),
    ...(run === null ? [] : [`cancel the run ${run}: its jobs are stopped`]),
    ...(endpoint === null ? [] : [`stop the endpoint ${endpoint.name} at ${endpoint.site}: it no longer answers`]),
    ...(documents.length === 0
      ? []
      : [
          `delete ${plural(documents.length, 'registry document')}${purge ? ': decisions and evidence too' : ' (working memory; decisions and evidence stay)'}`,
        ]),
    ...(keys.length === 0
      ? []
      : [`delete ${plural(keys.length, 'file')} of versions, predictions and histories, for good`]),
  ];
}
