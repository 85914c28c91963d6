import { randomUUID } from 'node:crypto';
import { Option } from 'commander';
import { actorOf, actorOption, whyOption } from '../actor.js';
import { exitCode } from '../failure.js';
import { parseText, type CommandDefinition } from '../program.js';
import type { Session } from '../session.js';
import { workflowUrl } from '../temporal.js';
import { moment } from '../text/quantities.js';

interface RetrainOptions {
  readonly why: string;
  readonly actor?: string;
  readonly force?: boolean;
  readonly id?: string;
}

/** `retempo retrain`. */
export const retrain: CommandDefinition = {
  name: 'retrain',
  args: '<model>',
  summary: 'ask for a retrain',
  description:
    'Asks the governor of a model for a retrain and prints its answer: accepted, coalesced with a run that is there or ' +
    'reserved, or refused with the reason and the time from which asking again can help. The same --id is answered once.',
  options: [
    whyOption(),
    actorOption(),
    new Option('--id <id>', 'your id of this request; repeating it repeats the answer and changes nothing').argParser(
      parseText
    ),
    new Option('--force', 'override cooldown, budget and hold; recorded with your name'),
  ],
  examples: [
    'retempo retrain flight-delay --why "first version"',
    'retempo retrain flight-delay --why "new fares" --id fares-2026-11-21',
    'retempo retrain flight-delay --why "incident 4711" --force',
  ],
  json: '{ v, model, id, answer: accepted|coalesced|refused, repeated, runId?, reason, retryAt?, url }; exit code 1 when refused',
  action: async (session: Session, options: RetrainOptions, [model = '']) => {
    const starters = await session.starters();
    const temporal = await session.temporal();
    const id = options.id ?? randomUUID();
    const answer = await starters.requestRetrain({
      model,
      source: 'cli',
      id,
      cause: options.why,
      kind: 'person',
      actor: actorOf(session.io, options.actor),
      ...(options.force === true ? { force: true } : {}),
    });
    const url = answer.runId === undefined ? null : workflowUrl(temporal, answer.runId);
    const { style } = session;
    const paint = { accepted: style.good, coalesced: style.warn, refused: style.bad }[answer.answer];
    const head = `${paint(answer.answer)}${answer.repeated ? ' (as before)' : ''}`;
    const run = answer.runId === undefined ? '' : `   run ${answer.runId}`;
    const when = answer.retryAt === undefined ? '' : `; next possible ${moment(answer.retryAt, Date.now())}`;
    session.result({ v: 1, model, id, ...answer, url }, [
      `  ${head}${run}${url === null ? '' : `   ${url}`}`,
      `  ${answer.reason}${when}`,
    ]);
    return answer.answer === 'refused' ? exitCode.failed : exitCode.ok;
  },
};
