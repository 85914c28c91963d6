import {
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { ensureSearchAttributes } from '@retempo/workers';
import { actorOf, actorOption } from '../actor.js';
import { storeCall } from '../apply/call.js';
import { changeLines, changesJson, isUpToDate } from '../apply/change-lines.js';
import { projectChanges, type ModelChange } from '../apply/changes.js';
import { configureGovernor, startGovernor } from '../apply/governors.js';
import { ensureSchedule } from '../apply/schedules.js';
import { keepSpec } from '../apply/spec-documents.js';
import { CliError, exitCode, failureOf, messageOf } from '../failure.js';
import type { CommandDefinition } from '../program.js';
import type { Session } from '../session.js';
import { workflowUrl, type Temporal } from '../temporal.js';
import { governorId } from '@retempo/workflows/contracts';

/** `retempo apply`. */
export const apply: CommandDefinition = {
  name: 'apply',
  summary: 'create or update what the files say',
  description:
    'Puts the programs into the artifact store, starts or updates the governor of every model, and creates or updates the ' +
    'Schedules that watch models and look for stray jobs. Applying twice changes nothing. A governor that was terminated ' +
    'comes back with its memory. Models whose file is gone are left alone: see retempo delete.',
  options: [actorOption()],
  examples: ['retempo apply', 'retempo apply --actor ci'],
  json: 'as of plan, with applied: true|false',
  action: async (session: Session, options: { readonly actor?: string }) => {
    // What is wrong in the files is told before what is wrong with the server.
    await session.project();
    const temporal = await session.temporal();
    const { client, namespace } = temporal;
    const actor = actorOf(session.io, options.actor);
    await prepareNamespace(temporal);
    const changes = await projectChanges(session, { keep: true });
    for (const change of changes.models) {
      if (change.change !== 'none') session.say(`apply ${change.model}`);
      await applyModel(session, change, actor);
    }
    for (const reaper of changes.reapers) await ensureSchedule(client, reaper);
    const links = changes.models.flatMap(({ model, change }) => {
      const url = change === 'none' ? null : workflowUrl(temporal, governorId(model));
      return url === null ? [] : [`  ${url}`];
    });
    const done = isUpToDate(changes)
      ? 'Nothing to do: what runs is what the files say.'
      : `Applied to namespace ${namespace} at ${temporal.address}.`;
    session.result({ ...changesJson(changes), applied: !isUpToDate(changes) }, [
      ...changeLines(changes, session.style),
      done,
      ...links,
    ]);
  },
};

async function applyModel(session: Session, change: ModelChange, actor: string): Promise<void> {
  const { client } = await session.temporal();
  const { registry, installation } = await session.installation();
  const { spec, specDigest, governor } = change;
  if (governor.state === 'running' && governor.specDigest === specDigest && change.installation === 'same') {
    await ensureSchedule(client, change.schedule);
    return;
  }
  // First what a run needs, then the governor that may start one at once.
  await keepSpec(registry, { spec, specDigest, actor }, storeCall(session.io));
  if (governor.state === 'running') {
    const { timeoutMs } = session.options;
    try {
      await configureGovernor(client, { spec, specDigest, installation, actor, timeoutMs });
    } catch (error) {
      throw notTaken(change.model, timeoutMs, error);
    }
  } else {
    await startGovernor(client, { spec, specDigest, installation });
  }
  await ensureSchedule(client, change.schedule);
}

/** Why a governor that ran did not take its new spec, with what to do. */
function notTaken(model: string, timeoutMs: number, error: unknown): unknown {
  const told = (exit: number, code: string, message: string) => new CliError(exit, code, `${model}: ${message}`, error);
  const again = 'apply again (applying twice is harmless)';
  if (error instanceof WorkflowNotFoundError) {
    return told(
      exitCode.failed,
      'ended',
      'its governor has ended meanwhile; apply again: it comes back with its memory'
    );
  }
  if (error instanceof WorkflowUpdateFailedError) {
    const why = messageOf(error.cause ?? error);
    return told(
      exitCode.failed,
      'refused',
      `its governor refuses the new spec (${why}); see that its workers are as new as this command, then ${again}`
    );
  }
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError) {
    const away = `no worker took the new spec within ${timeoutMs / 1_000} s; start one with: retempo worker, then ${again}`;
    return told(exitCode.away, 'noWorker', away);
  }
  // What the server says of itself is told as everywhere; the rest passes.
  if (failureOf(error).code !== 'error') return error;
  return told(exitCode.away, 'noWorker', `its governor did not take the new spec (${messageOf(error)}); ${again}`);
}

/** Search attributes have to be there before the first start that carries one. */
async function prepareNamespace({ client, namespace }: Temporal): Promise<void> {
  try {
    await ensureSearchAttributes(client.connection, { namespace });
  } catch (error) {
    throw new CliError(
      exitCode.failed,
      'searchAttributes',
      `the search attributes of Retempo cannot be checked or registered in namespace ${namespace} (${messageOf(error)}); ` +
        'ask its administrator to add RetempoModel, RetempoPhase, RetempoVerdict and RetempoSite, all of type Keyword',
      error
    );
  }
}
