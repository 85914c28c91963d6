import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { governorId } from '@retempo/workflows/contracts';
import { abort } from '@retempo/workflows/messages';
import { storeCall } from '../apply/call.js';
import { deleteSchedule } from '../apply/schedules.js';
import { CliError, exitCode, messageOf } from '../failure.js';
import { isLocalSite } from '../local-site.js';
import type { Session } from '../session.js';
import type { Deletion } from './deletion.js';

/** Longest wait for a run or a canary to end, in milliseconds: a job gets its grace, a rollback its read-back. */
const endWithinMs = 120_000;

/** Does what a {@link Deletion} says, in an order that can be interrupted anywhere and repeated. */
export async function carryOut(session: Session, deletion: Deletion, actor: string) {
  const { client } = await session.temporal();
  const { model, canary, run } = deletion;
  // Nothing new may begin while the rest is taken down.
  if (deletion.schedule !== null) await deleteSchedule(client, deletion.schedule);
  if (deletion.governor) {
    await client.workflow.getHandle(governorId(model)).terminate(`deleted by ${actor}`).catch(unlessGone);
  }
  if (canary !== null) {
    session.say(`rolling ${canary} back ...`);
    await client
      .withDeadline(Date.now() + session.options.timeoutMs, () =>
        client.workflow.getHandle(canary).executeUpdate(abort, { args: [{ actor, reason: `${model} is deleted` }] })
      )
      .catch(unlessGone)
      .catch((error: unknown) => {
        throw new CliError(
          exitCode.away,
          'noWorker',
          `${canary} was not told to roll back (${messageOf(error)}); start a worker with: retempo worker, then repeat the delete`,
          error
        );
      });
    await untilEnded(session, client, canary);
  }
  if (run !== null) {
    session.say(`cancelling ${run} ...`);
    await client.workflow.getHandle(run).cancel().catch(unlessGone);
    await untilEnded(session, client, run);
  }
  await endEndpoints(session, deletion);
  await deleteData(session, deletion);
  return {
    schedule: deletion.schedule,
    governor: deletion.governor,
    run,
    canary,
    endpoints: deletion.endpoints,
    documents: deletion.documents.length,
    files: deletion.keys.length,
  };
}

function unlessGone(error: unknown): void {
  if (!(error instanceof WorkflowNotFoundError)) throw error;
}

async function untilEnded(session: Session, client: Client, workflowId: string): Promise<void> {
  const { interrupted } = session.io;
  for (const until = Date.now() + endWithinMs; Date.now() < until && !interrupted.aborted;) {
    const state = await client.workflow
      .getHandle(workflowId)
      .describe()
      .then(({ status }) => status.name)
      .catch((error: unknown) => {
        unlessGone(error);
        return 'GONE' as const;
      });
    if (state !== 'RUNNING') return;
    await sleep(500, undefined, { signal: interrupted }).catch(() => undefined);
  }
  throw new CliError(
    exitCode.away,
    'noWorker',
    `${workflowId} has been told to end and has not ended within ${endWithinMs / 1_000} s; look whether its workers run (retempo doctor), then repeat the delete`
  );
}

async function endEndpoints(session: Session, { endpoints, purge }: Deletion): Promise<void> {
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
