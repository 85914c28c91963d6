import { endpointUrl, servedAt } from '../status/served-at.js';
import { listModels, type ModelRow } from '../status/model-rows.js';
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
    'worker. With a model: what its governor says, the run, the canary, what waits for whom and until when. The URL of an ' +
    'endpoint is where its requests go: <url>/v2/models/<endpoint>/infer.',
  examples: ['retempo status', 'retempo status flight-delay', 'retempo status --json | jq ".models[].phase"'],
  json: '{ v, models: [{ model, phase, champion, run: { runId, phase, since } | null, endpoint, site, endpointUrl: text | null }] }; with a model { v, status, endpoint: { name, site, url } | null, part, troubles: [text], url } (status: GovernorStatus, and detail: the part under way with its candidate and job; part: its pending activities with their progress)',
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
      const endpoint = await servedAt(session, found);
      const lines = statusLines(found, { style, now, url, endpoint, happens, troubles });
      session.result({ v: 1, status: found, endpoint, part, troubles, url: run }, lines);
      return;
    }
    const rows = await listModels(temporal.client, temporal.namespace);
    const { champions, urls } = await servingOf(session, rows);
    const json = rows.map((row) => ({
      ...row,
      champion: champions.get(row.model) ?? null,
      endpointUrl: urls.get(row.model) ?? null,
    }));
    session.result(
      { v: 1, models: json },
      rows.length === 0
        ? `no model runs in namespace ${temporal.namespace}; create some with: retempo apply`
        : tableOfModels(rows, { style, now, champions, urls })
    );
  },
};

/** Who serves where, from the registry and the sites; unknown where there is no project to find them by. */
async function servingOf(
  session: Session,
  rows: readonly ModelRow[]
): Promise<{ readonly champions: ReadonlyMap<string, string>; readonly urls: ReadonlyMap<string, string> }> {
  const champions = new Map<string, string>();
  const urls = new Map<string, string>();
  try {
    const { registry } = await session.installation();
    for (const row of rows) {
      const { model } = row;
      const alias = await registry.getAlias({ model, alias: championAlias }, storeCall(session.io));
      if (alias !== null) champions.set(model, alias.version);
      const url = await endpointUrl(session, row);
      if (url !== null) urls.set(model, url);
    }
  } catch (error) {
    session.say(
      `champions and addresses are not shown: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}`
    );
  }
  return { champions, urls };
}
