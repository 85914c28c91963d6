import { Option } from 'commander';
import { actorOf, actorOption } from '../actor.js';
import { CliError, exitCode } from '../failure.js';
import { deletionOf, deletionLines, isNothing, type Deletion } from '../removal/deletion.js';
import { carryOut } from '../removal/carry-out.js';
import type { CommandDefinition } from '../program.js';
import type { Session } from '../session.js';

interface DeleteOptions {
  readonly yes?: boolean;
  readonly purge?: boolean;
  readonly actor?: string;
}

/** `retempo delete`. */
export const remove: CommandDefinition = {
  name: 'delete',
  args: '<model>',
  summary: 'remove a model with everything it owns',
  description:
    'Removes the watch Schedule and the governor, rolls a running canary back, cancels a running run (its jobs are ' +
    'stopped), stops the endpoint, and forgets what governor and monitor remember. Versions, decisions and evidence are ' +
    'kept, so that past answers stay explainable; --purge deletes those too, with the data, programs and checkpoints of its ' +
    'runs and the request log of its endpoint. Folders of ended jobs go when their site keeps them no longer (keepJobs). ' +
    'Says first what it will do, and asks. Being repeated it finishes what was interrupted.',
  options: [
    new Option('--yes', 'do not ask'),
    new Option(
      '--purge',
      'also delete versions, data, predictions, request logs, decisions, evidence and histories: for good'
    ),
    actorOption(),
  ],
  examples: [
    'retempo delete flight-delay',
    'retempo delete flight-delay --yes',
    'retempo delete flight-delay --purge --yes',
  ],
  json: '{ v, model, deleted: { schedule, governor, run, canary, endpoints, documents, files } }',
  action: async (session: Session, options: DeleteOptions, [model = '']) => {
    const deletion = await deletionOf(session, model, options.purge === true);
    if (isNothing(deletion)) {
      throw new CliError(
        exitCode.failed,
        'unknownModel',
        `there is nothing of a model "${model}" to delete; see: retempo status`
      );
    }
    if (options.yes !== true) await confirm(session, deletion);
    const done = await carryOut(session, deletion, actorOf(session.io, options.actor));
    const { schedule, governor, run, canary, endpoints } = done;
    const counts = { documents: done.documents.length, files: done.keys.length };
    session.result({ v: 1, model, deleted: { schedule, governor, run, canary, endpoints, ...counts } }, [
      ...deletionLines(done).map((line) => `${session.style.good('-')} ${line}`),
      ...(deletion.file === null ? [] : [`${deletion.file} is still there: the next apply creates the model again.`]),
    ]);
  },
};

async function confirm(session: Session, deletion: Deletion): Promise<void> {
  const { io } = session;
  io.stderr.write(
    `This will be done:\n${deletionLines(deletion)
      .map((line) => `  - ${line}\n`)
      .join('')}`
  );
  const answer = io.terminal.stdin ? await io.ask(`Type the name of the model to go on: `) : null;
  if (answer === null) {
    throw new CliError(exitCode.usage, 'unconfirmed', `nothing was deleted: nobody could be asked; repeat with --yes`);
  }
  if (answer.trim() !== deletion.model) {
    throw new CliError(
      exitCode.failed,
      'unconfirmed',
      `nothing was deleted: what was typed is not ${deletion.model}; repeat the delete and type it, or use --yes`
    );
  }
}
