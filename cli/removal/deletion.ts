import { ScheduleNotFoundError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import { driftScheduleId, endpointId, governorId, isSlug } from '@retempo/workflows/contracts';
import { ConfigurationError } from '@retempo/workers';
import { CliError, exitCode } from '../failure.js';
import type { Session } from '../session.js';
import { listModels } from '../status/model-rows.js';
import { isOpen } from '../temporal.js';
import { plural } from '../text/quantities.js';
import { documentsOf, endpointIn, endpointsOf, keysOf, type Endpoint } from './owned.js';

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
  /** Every endpoint that the model was ever applied with and that no other model has now. */
  readonly endpoints: readonly Endpoint[];
  /** Registry documents, by path. */
  readonly documents: readonly string[];
  /** Keys of everything that the store holds of the model besides documents; only with `purge`. */
  readonly keys: readonly string[];
  readonly purge: boolean;
}

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
  const rows = await listModels(client, namespace);
  const endpoints = await endpointsOf(session, model, {
    known: [endpointIn(governor?.memo ?? {}), loaded?.draft.release],
    others: [...rows, ...models.map(({ draft }) => ({ model: draft.model, ...draft.release }))],
    running: governor?.running ?? false,
    purge,
  });
  return {
    model,
    file: loaded?.file ?? null,
    schedule: await scheduleOf(client, model),
    governor: governor?.running ?? false,
    run: rows.find((row) => row.model === model)?.run?.runId ?? null,
    canary: await runningCanary(client, endpoints),
    endpoints,
    documents: await documentsOf(session, model, purge),
    keys: purge ? await keysOf(session, model) : [],
    purge,
  };
}

async function describeGovernor(
  client: Client,
  model: string
): Promise<{ readonly running: boolean; readonly memo: Readonly<Record<string, unknown>> } | null> {
  try {
    const { status, memo } = await client.workflow.getHandle(governorId(model)).describe();
    return { running: isOpen(status.name), memo: memo ?? {} };
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

async function runningCanary(client: Client, endpoints: readonly Endpoint[]): Promise<string | null> {
  for (const { site, endpoint } of endpoints) {
    const id = endpointId(site, endpoint);
    try {
      const { status } = await client.workflow.getHandle(id).describe();
      if (isOpen(status.name)) return id;
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  }
  return null;
}

/** True when nothing of such a model is there. */
export const isNothing = (deletion: Deletion): boolean =>
  deletion.schedule === null &&
  !deletion.governor &&
  deletion.run === null &&
  deletion.canary === null &&
  deletion.endpoints.length === 0 &&
  deletion.documents.length === 0 &&
  deletion.keys.length === 0;

/** What will be done, one sentence each, in the order in which it is done. */
export function deletionLines(deletion: Deletion): readonly string[] {
  const { model, schedule, governor, canary, run, endpoints, documents, keys, purge } = deletion;
  return [
    ...(schedule === null ? [] : [`delete the schedule ${schedule}`]),
    ...(governor ? [`end the governor ${governorId(model)}`] : []),
    ...(canary === null ? [] : [`roll the canary ${canary} back: the champion gets all traffic`]),
    ...(run === null ? [] : [`cancel the run ${run}: its jobs are stopped`]),
    ...endpoints.map(({ endpoint, site }) =>
      purge
        ? `stop the endpoint ${endpoint} at ${site} and delete its request log and counts: it no longer answers`
        : `stop the endpoint ${endpoint} at ${site}: it no longer answers`
    ),
    ...(documents.length === 0
      ? []
      : [
          `delete ${plural(documents.length, 'registry document')}${purge ? ': decisions and evidence too' : ' (working memory; decisions and evidence stay)'}`,
        ]),
    ...(keys.length === 0
      ? []
      : [
          `delete ${plural(keys.length, 'file')} of programs, data, checkpoints, versions, predictions and histories, for good`,
        ]),
  ];
}
