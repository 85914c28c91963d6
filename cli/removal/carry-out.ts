import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { governorId } from '@retempo/workflows/contracts';
import { abort } from '@retempo/workflows/messages';
import { storeCall } from '../apply/call.js';
import { deleteSchedule } from '../apply/schedules.js';
import { CliError, exitCode, messageOf } from '../failure.js';
import { isLocalSite } from '../local-site.js';
import type { Session } from '../session.js';
import { isOpen } from '../temporal.js';
import { deletionOf, type Deletion } from './deletion.js';

/** Longest wait for a run or a canary to end, in milliseconds: a job gets its grace, a rollback its read-back. */
const endWithinMs = 120_000;

/**
 * Does what a {@link Deletion} says, in an order that can be interrupted anywhere and repeated. Returns what was done: also
 * what has begun since the deletion was looked up, such as a run that started while somebody was asked.
 */
export async function carryOut(session: Session, seen: Deletion, actor: string): Promise<Deletion> {
  const { client } = await session.temporal();
  const { model, purge } = seen;
  // Nothing new may begin while the rest is taken down.
  if (seen.schedule !== null) await deleteSchedule(client, seen.schedule);
  if (seen.governor) {
    await client.workflow.getHandle(governorId(model)).terminate(`deleted by ${actor}`).catch(unlessGone);
  }
  const now = await deletionOf(session, model, purge);
  // What has just begun is in no list yet, and what was seen may have ended: either is asked.
  const canary = now.canary ?? seen.canary;
  const run = now.run ?? seen.run;
  if (canary !== null) await rollBack(session, client, { canary, model, actor });
  if (run !== null) {
    session.say(`cancelling ${run} ...`);
    await client.workflow.getHandle(run).cancel().catch(unlessGone);
    await untilEnded(session, client, run);
  }
  // Until here a run and its canary went on serving and writing.
  const left = await deletionOf(session, model, purge);
  const endpoints = joined(seen.endpoints, left.endpoints);
  await endEndpoints(session, endpoints, purge);
  await deleteData(session, left);
  return { ...seen, canary, run, endpoints, documents: left.documents, keys: left.keys };
}

async function rollBack(
  session: Session,
  client: Client,
  { canary, model, actor }: { readonly canary: string; readonly model: string; readonly actor: string }
): Promise<void> {
  session.say(`rolling ${canary} back ...`);
  await client
    .withDeadline(Date.now() + session.options.timeoutMs, () =>
      client.workflow.getHandle(canary).executeUpdate(abort, { args: [{ actor, reason: `${model} is deleted` }] })
    )
    .catch(async (error: unknown) => {
      if (!(await isStillOpen(client, canary))) return;
      throw new CliError(
        exitCode.away,
        'noWorker',
        `${canary} was not told to roll back (${messageOf(error)}); start a worker with: retempo worker, then repeat the delete`,
        error
      );
    });
  await untilEnded(session, client, canary);
}

/** Endpoints of either list, each once. */
const joined = (seen: Deletion['endpoints'], left: Deletion['endpoints']): Deletion['endpoints'] => [
  ...new Map([...seen, ...left].map((one) => [`${one.site}/${one.endpoint}`, one])).values(),
];

function unlessGone(error: unknown): void {
  if (!(error instanceof WorkflowNotFoundError)) throw error;
}

/** Whether a workflow has not ended. Throws when it is paused: nothing that it is told reaches it then. */
async function isStillOpen(client: Client, workflowId: string): Promise<boolean> {
  const state = await client.workflow
    .getHandle(workflowId)
    .describe()
    .then(({ status }) => status.name)
    .catch((error: unknown) => {
      unlessGone(error);
      return 'GONE' as const;
    });
  if (state === 'PAUSED') {
    throw new CliError(
      exitCode.failed,
      'paused',
      `${workflowId} is paused, so it cannot end; let it go on with: temporal workflow unpause --workflow-id ${workflowId}, then repeat the delete`
    );
  }
  return isOpen(state);
}

async function untilEnded(session: Session, client: Client, workflowId: string): Promise<void> {
  const { interrupted } = session.io;
  for (const until = Date.now() + endWithinMs; Date.now() < until && !interrupted.aborted;) {
    if (!(await isStillOpen(client, workflowId))) return;
    await sleep(500, undefined, { signal: interrupted }).catch(() => undefined);
  }
  throw new CliError(
    exitCode.away,
    'noWorker',
    `${workflowId} has been told to end and has not ended within ${endWithinMs / 1_000} s; look whether its workers run (retempo doctor), then repeat the delete`
  );
}

async function endEndpoints(session: Session, endpoints: Deletion['endpoints'], purge: boolean): Promise<void> {
  const { sites } = await session.installation();
  for (const { endpoint, site: id } of endpoints) {
    const site = sites.find((other) => other.id === id);
    if (site === undefined) {
      session.say(`the site ${id} is not in retempo.yaml, so its endpoint ${endpoint} is left as it is; stop it there`);
    } else if (isLocalSite(site)) {
      await (purge ? site.routers.remove(endpoint) : site.routers.stop(endpoint));
    }
  }
}

async function deleteData(session: Session, { documents, keys }: Deletion): Promise<void> {
  const { registry, store } = await session.installation();
  const call = storeCall(session.io);
  for (const path of documents) await registry.deleteDocument(path, call);
  // The records come first in the list: bytes without a record are rubbish, a record without bytes is a lie.
  for (const key of keys) await store.delete(key, call);
}
