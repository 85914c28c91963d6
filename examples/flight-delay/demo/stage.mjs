// Everything the scenes act with: a Temporal server, workers as processes of their own, the world and its callers, and
// the same library functions that a service would use to ask and to decide.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { checkpointPrefix } from '@retempo/activities';
import { createStarters } from '@retempo/starters';
import { onprem } from '@retempo/onprem';
import { loadProject, openInstallation, startDevServer } from '@retempo/workers';
import { driftScheduleId } from '@retempo/workflows/contracts';
import { createWorld } from '../world.mjs';
import { createProject } from './project.mjs';
import { retempo, startWorker } from './processes.mjs';
import { createTraffic } from './traffic.mjs';

export const model = 'flight-delay';
const endpoint = 'flight-delay';
/** How each worker process is started. */
const workerArguments = { control: ['--control'], east: ['--site', 'onprem.east'], west: ['--site', 'onprem.west'] };

const call = () => ({ signal: AbortSignal.timeout(30_000), deadlineMs: Date.now() + 30_000 });

/**
 * @param {{ folder: string, report: import('./report.mjs').Report }} options
 */
export async function openStage({ folder, report }) {
  const project = createProject(folder);
  const { config } = await loadProject({ folder, providers: [onprem()] });
  const world = await createWorld({ folder: project.live, peekMinutes: 30 });
  let server = await startDevServer({ stateFolder: config.stateFolder });
  const where = { folder, address: server.address };
  const connection = await Connection.connect({ address: server.address });
  const client = new Client({ connection });
  const opened = await openInstallation({ project: { config }, providers: [onprem()] });
  const east = opened.sites[0];
  if (east === undefined || !('routers' in east)) throw new Error('the first site serves nothing');
  const routers = /** @type {import('@retempo/onprem').OnpremSite} */ (east).routers;
  const traffic = createTraffic({ url: () => routers.endpointUrl(endpoint, call()), model });
  /** @type {Map<string, import('./processes.mjs').WorkerProcess>} */
  const workers = new Map();
  const starters = createStarters({ client, timeoutMs: 30_000 });

  const stage = {
    report,
    project,
    world,
    client,
    starters,
    opened,
    traffic,
    where,
    stateFolder: config.stateFolder,
    workers,

    /** @param {keyof typeof workerArguments} name */
    async startWorker(name) {
      const worker = startWorker(name, workerArguments[name], where);
      workers.set(name, worker);
      await worker.ready;
      return worker;
    },
    /** SIGKILL: no farewell, no clean-up. @param {keyof typeof workerArguments} name */
    async killWorker(name) {
      const worker = workers.get(name);
      workers.delete(name);
      await worker?.kill('SIGKILL');
      return worker?.pid;
    },
    /** Kills the Temporal server and starts it again on the same database file and port. */
    async killServer() {
      const { pid } = server;
      const uiPort = server.uiUrl === null ? 0 : Number(new URL(server.uiUrl).port);
      await server.kill('SIGKILL');
      server = await startDevServer({
        stateFolder: config.stateFolder,
        port: Number(where.address.split(':')[1]),
        uiPort,
      });
      return pid;
    },
    /** @param {string} workflowId */
    link: (workflowId) => report.link(`${server.uiUrl}/namespaces/default/workflows/${encodeURIComponent(workflowId)}`),
    /** @param {string[]} args */
    retempo: (args) => retempo(args, where),
    async apply() {
      const { code, stderr } = await retempo(['apply', '--actor', 'demo'], where);
      if (code !== 0) throw new Error(`retempo apply: ${stderr}`);
    },
    status: () => starters.getStatus(model),

    /**
     * Follows the model until `done` holds, and prints every change of what it says.
     * @param {(status: import('@retempo/starters').ModelStatus) => boolean} done
     * @param {{ withinMs?: number, what: string }} options
     */
    async follow(done, { withinMs = 180_000, what }) {
      const deadline = Date.now() + withinMs;
      let said = '';
      for (;;) {
        // A worker or the server may just have been killed: not answering is part of the play.
        const status = await starters.getStatus(model).catch(() => null);
        if (status !== null) {
          const text = status.detail?.sentence ?? status.sentence;
          if (text !== said) report.line(`  ${(said = text).slice(0, 200)}`);
          if (done(status)) return status;
        }
        if (Date.now() > deadline) throw new Error(`${what}: not within ${withinMs / 1000} s; ${said}`);
        await sleep(400);
      }
    },
    /** Follows the run with this id (or the next one) to its end and returns its last decision. @param {string} what @param {string} [runId] */
    async runToEnd(what, runId) {
      const ended = (/** @type {readonly import('@retempo/starters').Decision[]} */ decisions) =>
        decisions.find((decision) => decision.by === 'release' && decision.runId === runId);
      let found;
      await stage.follow(
        (status) => {
          runId ??= status.running?.runId;
          // Reserved (a cooldown), then running, then neither.
          return runId !== undefined && status.running?.runId !== runId && status.next?.runId !== runId;
        },
        { what }
      );
      for (let tries = 0; found === undefined && tries < 50; tries += 1) {
        found = ended(await starters.getDecisions(model));
        if (found === undefined) await sleep(200);
      }
      if (found === undefined) throw new Error(`${what}: ${runId} left no decision`);
      return found;
    },
    /** Waits until the training of a run has a checkpoint that its site's end cannot take away. @param {string} runId */
    async checkpointOf(runId) {
      const prefix = `${checkpointPrefix(runId, 'train')}/`;
      for (let tries = 0; tries < 300; tries += 1) {
        for await (const key of opened.store.list(prefix, call())) if (key.endsWith('latest.json')) return;
        await sleep(200);
      }
      throw new Error(`${runId}: no checkpoint within a minute`);
    },
    /** Asks for a retrain as a person who overrides the cooldown. @param {string} why */
    async retrain(why) {
      const answer = await starters.requestRetrain({
        model,
        source: 'demo',
        id: why,
        cause: why,
        kind: 'person',
        actor: 'demo',
        force: true,
      });
      report.line(`${answer.answer}: ${answer.reason}`);
      if (answer.runId === undefined) throw new Error(`no run: ${answer.reason}`);
      stage.link(answer.runId);
      return answer.runId;
    },
    /**
     * A week passes: its flights are asked for, they appear in the data, the labels of the week before arrive, and the
     * monitor's Schedule fires.
     * @param {number} week @param {number} requests
     */
    async liveThrough(week, requests) {
      async function* bodies() {
        for await (const { body } of world.requestsOf(week, { limit: requests })) yield body;
      }
      await traffic.send(bodies());
      await world.advanceTo(week);
      return stage.check();
    },
    /** Fires the drift Schedule and waits for the check to end. */
    async check() {
      const schedule = client.schedule.getHandle(driftScheduleId(model));
      const before = (await schedule.describe()).info.numActionsTaken;
      await schedule.trigger();
      for (let tries = 0; tries < 100; tries += 1) {
        const { info } = await schedule.describe();
        const last = info.recentActions.at(-1);
        if (info.numActionsTaken > before && last?.action.type === 'startWorkflow') {
          const { workflowId, firstExecutionRunId } = last.action.workflow;
          const { reports } = await client.workflow.getHandle(workflowId, firstExecutionRunId).result();
          return /** @type {import('@retempo/workflows/contracts').WindowReport[]} */ (reports);
        }
        await sleep(100);
      }
      throw new Error('the Schedule did not start a drift check');
    },
    /** What the endpoint serves, as read back. */
    async weights() {
      const serving = east.serving;
      if (serving === undefined) throw new Error('no serving');
      const { versions } = await serving.describe(endpoint, call());
      return Object.fromEntries(
        Object.entries(versions)
          .filter(([, { weight }]) => weight > 0)
          .map(([version, { weight }]) => [version, weight])
      );
    },
    /** The request log of the router: what the outside world saw. */
    logFolder: join(config.stateFolder, 'onprem.east', 'serving', endpoint),

    async close() {
      await traffic.stop();
      traffic.close();
      world.close();
      for (const worker of workers.values()) await worker.kill('SIGTERM');
      await connection.close();
      await routers.stop(endpoint);
      await opened.close();
      await server.stop();
    },
    /** What `--keep` leaves running, in words. */
    keepText: () =>
      [
        `Temporal ${where.address}, Web UI ${server.uiUrl}`,
        `project  ${folder}`,
        `workers  ${[...workers.values()].map(({ name, pid }) => `${name} ${pid}`).join(', ')}`,
      ].join('\n'),
  };
  return stage;
}

/** @typedef {Awaited<ReturnType<typeof openStage>>} Stage */
