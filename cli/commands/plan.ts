import type { CommandDefinition } from '../program.js';
import { changeLines, changesJson, isUpToDate } from '../apply/change-lines.js';
import { projectChanges } from '../apply/changes.js';
import { hintsFor } from '../hints/hints.js';
import type { Session } from '../session.js';

/** `retempo plan`. */
export const plan: CommandDefinition = {
  name: 'plan',
  summary: 'show what apply would change',
  description:
    'Reads retempo.yaml and the model files, compares them with what runs, and says what apply would do and what a run would find: too few rows for the gate, a canary that needs a day. Changes nothing.',
  examples: ['retempo plan', 'retempo plan --json | jq .upToDate'],
  json: '{ v, upToDate, models: [{ model, file, change: add|change|restore|none, specDigest, specChanges, fileChanges, schedule, notes }], reapers, unknown, hints: [{ model, kind, text }] }',
  action: async (session: Session) => {
    // What is wrong in the files is told before what is wrong with the server.
    await session.project();
    const changes = await projectChanges(session, { keep: false });
    const hints = await hintsFor(session, changes);
    const { style } = session;
    const signs = {
      canary: style.active('i'),
      data: style.warn('!'),
      gate: style.warn('!'),
      notEnforced: style.warn('!'),
    };
    const lines = [
      ...changeLines(changes, style),
      ...hints.map(({ model, kind, text }) => `${signs[kind]} ${model}: ${text}`),
      isUpToDate(changes) ? 'Nothing to do: what runs is what the files say.' : 'Carry it out with: retempo apply',
    ];
    session.result({ ...changesJson(changes), hints }, lines);
  },
};
