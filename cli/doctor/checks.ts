import { statfs } from 'node:fs/promises';
import { searchAttributes, siteQueue } from '@retempo/workflows/contracts';
import { runningGovernors } from '../apply/governors.js';
import type { Session } from '../session.js';
import { listModels, listRunning } from '../status/model-rows.js';
import { describeWorkflow, troubleOf } from '../watch/activities.js';
import { bytes, plural } from '../text/quantities.js';
import { finding, type Finding } from './finding.js';
import { describeQueue, neededQueues, queueFinding } from './queues.js';

/** Free disk space below which runs are likely to fail, in bytes. */
const littleDiskBytes = 1024 ** 3;
/** Phases in which a person has to do something. */
const stuckPhases: { readonly [phase: string]: string } = {
  hold: 'is on hold: look why with retempo status, then retempo resume',
  rollbackBlocked: 'cannot be rolled back: its endpoint does not obey; look at its canary in the Web UI',
  paused: 'is paused: retempo resume lets runs start again',
};

/** Time that one check of a site may take, in milliseconds. */
const probeTimeoutMs = 10_000;

/** Looks at everything that can keep models from being trained or served. Repairs nothing. */
export async function examine(session: Session): Promise<readonly Finding[]> {
  const configuration = await finding('configuration', async () => {
    const { models, config } = await session.project();
    const sites = Object.keys(config.sites);
    return [
      { level: 'ok', what: 'configuration', message: `${plural(models.length, 'model')}, sites ${sites.join(', ')}` },
    ];
  });
  if (configuration.some(({ level }) => level === 'error')) return configuration;
  const local = [...(await finding('disk', () => disk(session))), ...(await finding('sites', () => probes(session)))];
  const server = await finding('temporal', () => temporal(session));
  if (server.some(({ level }) => level === 'error')) return [...configuration, ...local, ...server];
  return [
    ...configuration,
    ...local,
    ...server,
    ...(await finding('search attributes', () => attributes(session))),
    ...(await finding('queues', () => queues(session))),
    ...(await finding('models', () => models(session))),
    ...(await finding('activities', () => activities(session))),
    ...(await finding('endpoints', () => endpoints(session))),
  ];
}

async function disk(session: Session): Promise<readonly Finding[]> {
  const { config } = await session.project();
  const { bavail, bsize } = await statfs(config.folder);
  const free = bavail * bsize;
  const message = `${bytes(free)} free at ${config.folder}`;
  return free >= littleDiskBytes
    ? [{ level: 'ok', what: 'disk', message }]
    : [
        {
          level: 'error',
          what: 'disk',
          message: `only ${message}; make room or move the state folder (state: in retempo.yaml)`,
        },
      ];
}

async function probes(session: Session): Promise<readonly Finding[]> {
  const found: Finding[] = [];
  for (const site of (await session.installation()).sites) {
    const call = { signal: session.io.interrupted, deadlineMs: Date.now() + probeTimeoutMs };
    const problems = await site.probe(call);
    found.push(
      ...problems.map(({ where, message }): Finding => ({
        level: 'error',
        what: `site ${site.id}`,
        message: `${where}: ${message}`,
      }))
    );
    if (problems.length === 0) found.push({ level: 'ok', what: `site ${site.id}`, message: 'can run jobs' });
  }
  return found;
}

async function temporal(session: Session): Promise<readonly Finding[]> {
  const { address, namespace, client, from } = await session.temporal();
  await client.connection.workflowService.describeNamespace({ namespace });
  return [{ level: 'ok', what: 'temporal', message: `${address}, namespace ${namespace} (${from})` }];
}

async function attributes(session: Session): Promise<readonly Finding[]> {
  const { client, namespace } = await session.temporal();
  const { customAttributes } = await client.connection.operatorService.listSearchAttributes({ namespace });
  const missing = Object.values(searchAttributes).filter((name) => customAttributes?.[name] === undefined);
  const what = 'search attributes';
  return missing.length === 0
    ? [{ level: 'ok', what, message: Object.values(searchAttributes).join(', ') }]
    : [{ level: 'error', what, message: `missing: ${missing.join(', ')}; register them with: retempo apply` }];
}

async function queues(session: Session): Promise<readonly Finding[]> {
  const { client, namespace } = await session.temporal();
  const { config } = await session.project();
  const found: Finding[] = [];
  for (const { queue, start } of neededQueues(Object.keys(config.sites))) {
    found.push(queueFinding(await describeQueue(client, namespace, queue), start, Date.now()));
  }
  return found;
}

async function models(session: Session): Promise<readonly Finding[]> {
  const { client, namespace } = await session.temporal();
  const files = (await session.project()).models.map(({ draft }) => draft.model);
  const running = await runningGovernors(client);
  const rows = await listModels(client, namespace);
  return [
    ...files
      .filter((model) => !running.includes(model))
      .map((model): Finding => ({
        level: 'error',
        what: `model ${model}`,
        message: 'has no governor; start it with: retempo apply',
      })),
    ...running
      .filter((model) => !files.includes(model))
      .map((model): Finding => ({
        level: 'warning',
        what: `model ${model}`,
        message: `runs, but this project has no file of it; end it with: retempo delete ${model}`,
      })),
    ...rows.flatMap(({ model, phase, run }): Finding[] => {
      const stuck = stuckPhases[run?.phase ?? phase] ?? stuckPhases[phase];
      if (stuck !== undefined) return [{ level: 'warning', what: `model ${model}`, message: stuck }];
      return phase === 'absent' ? [] : [{ level: 'ok', what: `model ${model}`, message: run?.phase ?? phase }];
    }),
  ];
}

/** Most running workflows that are looked into; a fleet has the Web UI for the rest. */
const mostWorkflows = 200;

/** Activities that keep failing. */
async function activities(session: Session): Promise<readonly Finding[]> {
  const { client, namespace } = await session.temporal();
  const found: Finding[] = [];
  for (const { workflowId } of (await listRunning(client, namespace)).slice(0, mostWorkflows)) {
    for (const activity of (await describeWorkflow(client, workflowId))?.activities ?? []) {
      const message = troubleOf(activity);
      if (message !== null) found.push({ level: 'error', what: workflowId, message });
    }
  }
  return found;
}

/** Only endpoints whose site has a worker: asking would start what is meant to rest. */
async function endpoints(session: Session): Promise<readonly Finding[]> {
  const { client, namespace } = await session.temporal();
  const { sites } = await session.installation();
  const found: Finding[] = [];
  for (const { draft } of (await session.project()).models) {
    const { endpoint, site: id } = draft.release;
    const serving = sites.find((site) => site.id === id)?.serving;
    const { pollers } = await describeQueue(client, namespace, siteQueue(id, 'serving'));
    if (serving === undefined || pollers === 0) continue;
    const what = `endpoint ${endpoint}`;
    const call = { signal: session.io.interrupted, deadlineMs: Date.now() + probeTimeoutMs };
    try {
      const { versions } = await serving.describe(endpoint, call);
      const serves = Object.entries(versions).filter(([, { weight }]) => weight > 0);
      const broken = serves.filter(([, { ready }]) => ready === 0);
      const text = serves.map(([version, { weight }]) => `${version} ${weight} %`).join(', ');
      found.push(
        broken.length > 0
          ? {
              level: 'error',
              what,
              message: `${broken.map(([version, { problem }]) => `${version} does not answer${problem === undefined ? '' : ` (${problem})`}`).join(', ')}; look into its log in the site's folder, then roll back with: retempo rollback ${draft.model}`,
            }
          : { level: 'ok', what, message: text === '' ? 'serves nothing yet' : text }
      );
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const fresh = (error as { class?: unknown }).class === 'NotFound';
      found.push({
        level: fresh ? 'ok' : 'error',
        what,
        message: fresh
          ? 'serves nothing yet'
          : `does not answer: ${message}; its router is started again by a worker of ${id}: retempo worker --site ${id}`,
      });
    }
  }
  return found;
}
