import { existsSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Call,
  isPortError,
  type MetricsSource,
  PortError,
  type ProviderContext,
  type ServingBackend,
} from '@retempo/activities/ports';
import { makeFolder } from '@retempo/activities/processes';
import { type ArmsReading, type EndpointState, isSlug } from '@retempo/workflows/contracts';
import { readJson } from '../jobs/atomic-file.js';
import type { AdminRequest } from './admin-client.js';
import { checkEndpointOptions } from './check-endpoint-options.js';
import { type EndpointRecord, maxVersions } from './endpoint-record.js';
import { endpointDefaults, type EndpointOptions, routerFiles, type RouterConfig, type RouterFiles } from './layout.js';
import { materializeVersion } from './materialize.js';
import { askRouter, ensureRouterProcess, hasDied, runningRouter, stopRouterProcess } from './router-process.js';
import type { RouterState } from './control.js';
import { isVersionId } from './version-folder.js';

const watchEveryMs = 1_000;
const restartWithinMs = 20_000;

/** Serving of one local site: one router process per endpoint, so that endpoints share neither fate nor event loop. */
export interface OnpremServing {
  readonly serving: ServingBackend;
  readonly metrics: MetricsSource;
  /** Starts the endpoint's router when none runs (also for an endpoint without versions), and returns where requests go. */
  ensureRouter(endpoint: string, call: Call): Promise<{ readonly url: string; readonly pid: number }>;
  /** Base URL of the Open Inference Protocol v2, `http://127.0.0.1:<port>`; starts the router when none runs. */
  endpointUrl(endpoint: string, call: Call): Promise<string>;
  /** Ends the endpoint's router in order; state, counts and logs stay. Versions serve again after the next call. */
  stop(endpoint: string): Promise<void>;
  /**
   * Whether the endpoint's router runs, has died (then whoever watches starts it again), only its files are left (state,
   * counts, request log), or nothing at all.
   */
  leftOf(endpoint: string): 'running' | 'died' | 'files' | 'nothing';
  /** Ends the endpoint's router in order and deletes all that it kept: state, counts, request log and versions. */
  remove(endpoint: string): Promise<void>;
  /** Stops watching over routers; the routers themselves keep running. */
  close(): void;
}

/** What the port's state is, without what only a router says. */
const stateOf = ({ revision, epoch, busy, versions }: RouterState): EndpointState => ({
  revision,
  epoch,
  busy,
  versions,
});

/**
 * Opens the serving side of a local site.
 *
 * While it is open it starts routers again that died (`kill -9`), its own and those of other workers on the same root; a router that
 * was stopped in order stays stopped until the next call.
 *
 * @param options.root Folder of all endpoints' state; one machine only.
 * @param options.endpoints Options by endpoint name; endpoints that are not named get free ports and no stickiness.
 * @throws TypeError when an endpoint's options are wrong.
 */
export function createOnpremServing(options: {
  readonly id: string;
  readonly root: string;
  readonly endpoints?: { readonly [endpoint: string]: EndpointOptions };
  readonly context: Pick<ProviderContext, 'materialize'>;
}): OnpremServing {
  const configured = new Map(Object.entries(options.endpoints ?? {}));
  for (const [endpoint, wanted] of configured) {
    const [problem] = checkEndpointOptions(wanted);
    if (!isSlug(endpoint))
      throw new TypeError(`${options.id}: endpoint "${endpoint}" must be lower-case letters, digits and "-"`);
    if (problem !== undefined)
      throw new TypeError(`${options.id}: endpoints.${[endpoint, ...problem.path].join('.')}: ${problem.message}`);
  }
  makeFolder(options.root, 0o700);
  const ensuring = new Map<string, Promise<unknown>>();
  const stopped = new Set<string>();

  function filesOf(endpoint: string): RouterFiles {
    if (!isSlug(endpoint)) {
      throw new PortError(
        'InvalidSpec',
        `${options.id}: endpoint names are lower-case letters, digits and "-", got ${JSON.stringify(endpoint).slice(0, 80)}`
      );
    }
    return routerFiles(join(options.root, endpoint));
  }
  const configOf = (endpoint: string): RouterConfig => ({ v: 1, endpoint, ...configured.get(endpoint) });

  function existingFiles(endpoint: string): RouterFiles {
    const files = filesOf(endpoint);
    if (readJson(files.record) !== null) return files;
    throw new PortError('NotFound', `${options.id} has no endpoint ${endpoint}; it is created by the first deployment`);
  }

  const ask = (files: RouterFiles, endpoint: string, what: AdminRequest, call: Call): Promise<unknown> => {
    stopped.delete(endpoint);
    return askRouter(files, configOf(endpoint), what, call);
  };

  const serving: ServingBackend = {
    capabilities: { fence: 'epoch', deployBlocksTraffic: false, maxVersions, mirror: false, lease: true },
    describe: async (endpoint, call) => {
      const state = await ask(existingFiles(endpoint), endpoint, { path: '/endpoint', mutates: false }, call);
      return stateOf(state as RouterState);
    },
    deploy: async (input, call) => {
      const { key, endpoint, version, artifact, epoch } = input;
      const files = filesOf(endpoint);
      if (!isVersionId(version))
        throw new PortError(
          'InvalidSpec',
          `${endpoint}: ${JSON.stringify(version).slice(0, 80)} is not a version id; use letters, digits, ".", "_" and "-"`
        );
      assertDigestUnchanged(files, version, artifact.digest);
      for (let attempt = 1; ; attempt++) {
        const filesDigest = await materializeVersion({
          versionsFolder: files.versions,
          version,
          artifact,
          context: options.context,
          call,
        });
        const body = { key, version, digest: artifact.digest, filesDigest, epoch };
        try {
          await ask(files, endpoint, { path: '/deploy', body, mutates: true }, call);
          return;
        } catch (error) {
          // A retirement removed the folder in between: bring it back once.
          if (attempt === 1 && isPortError(error) && error.class === 'NotFound') continue;
          throw error;
        }
      }
    },
    setTraffic: async ({ endpoint, weights, ifRevision, epoch, lease }, call) => {
      const body = { weights, ifRevision, epoch, ...(lease === undefined ? {} : { lease }) };
      const state = await ask(existingFiles(endpoint), endpoint, { path: '/traffic', body, mutates: true }, call);
      return { revision: (state as RouterState).revision };
    },
    retire: async ({ endpoint, version, epoch }, call) => {
      await ask(existingFiles(endpoint), endpoint, { path: '/retire', body: { version, epoch }, mutates: true }, call);
    },
  };

  const metrics: MetricsSource = {
    capabilities: { lagMs: 0, periodMs: 1, slow: 'bucket' },
    readArms: async ({ endpoint, versions, revisions, slowOverMs }, call) => {
      const body = { versions, revisions, slowOverMs };
      return (await ask(
        existingFiles(endpoint),
        endpoint,
        { path: '/counts', body, mutates: false },
        call
      )) as ArmsReading;
    },
    requestLog: async (endpoint, call) => {
      const log = await ask(existingFiles(endpoint), endpoint, { path: '/flush', body: {}, mutates: false }, call);
      return { glob: (log as RouterState['log']).glob };
    },
  };

  async function ensureRouter(endpoint: string, call: Call): Promise<{ url: string; pid: number }> {
    stopped.delete(endpoint);
    const router = await ensureRouterProcess(filesOf(endpoint), configOf(endpoint), call);
    return { url: `http://127.0.0.1:${router.dataPort}`, pid: router.process.pid };
  }

  // A router that was killed is started again by whichever worker sees it first; the others find it running.
  const watch = setInterval(() => {
    for (const endpoint of unlessFailing(() => readdirSync(options.root)) ?? []) {
      if (!isSlug(endpoint) || stopped.has(endpoint) || ensuring.has(endpoint)) continue;
      const files = filesOf(endpoint);
      if (unlessFailing(() => hasDied(files)) !== true) continue;
      const call: Call = { signal: new AbortController().signal, deadlineMs: Date.now() + restartWithinMs };
      const restarted = ensureRouterProcess(files, configOf(endpoint), call).catch(() => undefined);
      ensuring.set(
        endpoint,
        restarted.finally(() => ensuring.delete(endpoint))
      );
    }
  }, watchEveryMs);
  watch.unref();

  async function stop(endpoint: string): Promise<void> {
    const files = filesOf(endpoint);
    stopped.add(endpoint);
    await ensuring.get(endpoint);
    const requestMs = configured.get(endpoint)?.requestTimeoutMs ?? endpointDefaults.requestTimeoutMs;
    await stopRouterProcess(files, requestMs + 5_000);
  }

  return {
    serving,
    metrics,
    ensureRouter,
    endpointUrl: async (endpoint, call) => (await ensureRouter(endpoint, call)).url,
    stop,
    leftOf: (endpoint) => {
      const files = filesOf(endpoint);
      if (runningRouter(files) !== undefined) return 'running';
      if (hasDied(files)) return 'died';
      return existsSync(files.folder) ? 'files' : 'nothing';
    },
    remove: async (endpoint) => {
      await stop(endpoint);
      await rm(filesOf(endpoint).folder, { recursive: true, force: true });
    },
    close: () => clearInterval(watch),
  };
}

// What cannot be read is told to whoever calls for it. Here nobody does: it is looked at again, and is no end of the process.
function unlessFailing<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

// Refuses other bytes under a known id before anything is downloaded, also for versions that were retired and removed.
function assertDigestUnchanged(files: RouterFiles, version: string, digest: string): void {
  const record = readJson(files.record) as EndpointRecord | null;
  const known = [...(record?.versions ?? []), ...(record?.retired ?? [])].find(({ id }) => id === version);
  if (known === undefined || known.digest === digest) return;
  throw new PortError(
    'Conflict',
    `version ${version} is ${known.digest} and can never be ${digest}; give the new bytes a new version id`
  );
}
