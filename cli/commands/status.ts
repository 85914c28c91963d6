import { listModels } from '../status/model-rows.js';
import { statusLines, tableOfModels } from '../status/status-lines.js';
import { storeCall } from '../apply/call.js';
import type { CommandDefinition } from '../program.js';
import type { Session } from '../session.js';
import { workflowUrl } from '../temporal.js';
import { troubleOf } from '../watch/activities.js';
import { observe } from '../watch/observe.js';
import { activityText } from '../watch/watch-lines.js';

/** Alias of the version that serves. */
const championAlias = 'champion';

/** `retempo status`. */
export const status: CommandDefinition = {
  name: 'status',
  args: '[model]',
  summary: 'a table over all models, or one model in full',
  description:
    'Without a model: one row per model, read from the list of running workflows; no workflow is asked, so it needs no ' +
    'worker. With a model: what its governor says, the run, the canary, what waits for whom and until when.',
  examples: ['retempo status', 'retempo status flight-delay', 'retempo status --json | jq ".models[].phase"'],
  json: '{ v, models: [{ model, phase, champion, run: { runId, phase, since } | null, endpoint, site }] }; with a model { v, status, part, troubles: [text], url } (status: GovernorStatus, and detail: the part under way with its candidate and job; part: its pending activities with their progress)',
  action: async (session: Session, _options: object, [model]) => {
    const temporal = await session.temporal();
    const { style } = session;
    const now = Date.now();
    if (model !== undefined) {
      const seen = await observe(await session.starters(), temporal.client, model);
      const { status: found, part } = seen;
      const troubles = (part?.activities ?? []).flatMap((activity) => troubleOf(activity) ?? []);
      const url = (id: string) => workflowUrl(temporal, id);
      const run = found.running === null ? null : url(found.running.runId);
      const happens = activityText(seen);
      const lines = statusLines(found, { style, now, url, happens, troubles });
      session.result({ v: 1, status: found, part, troubles, url: run }, lines);
      return;
    }
    const rows = await listModels(temporal.client, temporal.namespace);
    const champions = await championsOf(
      session,
      rows.map((row) => row.model)
    );
    const json = rows.map((row) => ({ ...row, champion: champions.get(row.model) ?? null }));
    session.result(
      { v: 1, models: json },
      rows.length === 0
        ? `no model runs in namespace ${temporal.namespace}; create some with: retempo apply`
        : tableOfModels(rows, { style, now, champions })
    );
  },
};

/** Who serves, from the registry; unknown where there is no project to find the registry by. */
async function championsOf(session: Session, models: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  try {
    const { registry } = await session.installation();
    for (const model of models) {
      const alias = await registry.getAlias({ model, alias: championAlias }, storeCall(session.io));
      if (alias !== null) found.set(model, alias.version);
    }
  } catch (error) {
    session.say(
      `champions are not shown: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}`
    );
  }
  return found;
}
