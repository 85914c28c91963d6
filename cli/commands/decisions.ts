import { allDecisions } from '@retempo/activities';
import type { Decision } from '@retempo/workflows/contracts';
import { Option } from 'commander';
import { storeCall } from '../apply/call.js';
import { CliError, exitCode } from '../failure.js';
import { parseWhole, type CommandDefinition } from '../program.js';
import type { Session } from '../session.js';
import { harmless, type Style } from '../text/style.js';
import { tableLines } from '../text/table.js';

/** `retempo decisions`. */
export const decisions: CommandDefinition = {
  name: 'decisions',
  args: '<model>',
  summary: 'who or what decided, when, on which numbers',
  description:
    'Lists the decisions of a model, newest first, from the registry: it needs the project and neither Temporal nor a ' +
    'worker. Without a project the governor is asked for its last ones.',
  options: [new Option('--limit <count>', 'how many').argParser(parseWhole(1, 1_000_000)).default(20)],
  examples: ['retempo decisions flight-delay', 'retempo decisions flight-delay --limit 1000 --json'],
  json: '{ v, model, decisions: [{ at, by, what, runId?, version?, reason }] }, newest first',
  action: async (session: Session, options: { readonly limit: number }, [model = '']) => {
    const found = await recorded(session, model, options.limit);
    session.result({ v: 1, model, decisions: found }, decisionLines(found, session.style));
  },
};

async function recorded(session: Session, model: string, limit: number): Promise<readonly Decision[]> {
  const withProject = hasProject(session);
  if (!withProject) return (await session.starters()).getDecisions(model, Math.min(20, limit));
  const { registry } = await session.installation();
  const all = await allDecisions(registry, model, storeCall(session.io));
  if (all.length > 0) return all.toReversed().slice(0, limit);
  const known = (await session.project()).models.map(({ draft }) => draft.model);
  if (known.includes(model)) return [];
  throw new CliError(
    exitCode.failed,
    'unknownModel',
    `there is no model "${model}" and no decision about it; models of this project: ${known.join(', ')}; name one of them, or write its file and: retempo apply`
  );
}

function hasProject(session: Session): boolean {
  try {
    session.projectFolder();
    return true;
  } catch {
    return false;
  }
}

/** Decisions for people, newest first, one a line. */
function decisionLines(found: readonly Decision[], style: Style): readonly string[] {
  if (found.length === 0) return ['no decision yet'];
  return tableLines(
    found.map(({ at, by, what, version, reason }) => [
      style.dim(`${at.slice(0, 10)} ${at.slice(11, 19)}`),
      harmless(by),
      style.bold(harmless(what)),
      version ?? '',
      harmless(reason.split('\n')[0] ?? ''),
    ])
  );
}
