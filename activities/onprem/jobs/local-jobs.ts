import { readdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Call, FoundJob, JobBackend, OwnedJob, Pool, ProviderContext } from '@retempo/activities/ports';
import { isPortError, PortError } from '@retempo/activities/ports';
import {
  nonRetryableClasses,
  type JobIntent,
  type JobRef,
  type JobState,
  type Json,
} from '@retempo/workflows/contracts';
import { createFolder, createJson, errorCode, readJson, replaceJson } from './atomic-file.js';
import { openArtifactCache } from './cache.js';
import { checkIntent } from './check-intent.js';
import { holderOf } from './claim.js';
import {
  cacheFolder,
  isJobKey,
  jobPaths,
  jobsFolder,
  readRecord,
  readState,
  type JobPaths,
  type JobRecord,
  type StateRecord,
  type StopRecord,
  type SupervisorOrder,
} from './layout.js';
import { createLeftovers } from './leftovers.js';
import { latestProgress, printable } from './log.js';
import { messageWithTail } from './outcome.js';
import { busyCount } from './pool.js';
import { isAlive, signalProcess, type ProcessIdentity } from '@retempo/activities/processes';
import { startSupervisor } from './start-supervisor.js';
import type { SupervisorHolder } from './supervisor.js';

const defaultStopGraceMs = 30_000;
const defaultLogBytes = 8 * 1024 * 1024;
const defaultKeepMs = 7 * 86_400_000;

/** Longest time that `create` waits for the supervisor to be started, in milliseconds; it goes on in the background. */
const startPatienceMs = 2000;
const prepareDeadlineMs = 24 * 3_600_000;

export interface LocalJobsOptions {
  /** Site id, such as `onprem.local`. */
  readonly site: string;
  /**
   * Folder of the site on a local disk, used by one machine only. Jobs run below it, so put it inside the project folder
   * (default `.retempo/...`): Node then finds the project's `node_modules` by walking up from a job's working folder.
   */
  readonly root: string;
  readonly pools: readonly Pool[];
  readonly context: Pick<ProviderContext, 'materialize' | 'secret'>;
  /** Between SIGTERM and SIGKILL, in milliseconds; default 30,000. */
  readonly stopGraceMs?: number;
  /** How long the folder of an ended job, and a copy of an artifact that no job asks for, are kept, in milliseconds; default 7 days. */
  readonly keepMs?: number;
  /** Size at which a log file of a job is rotated, in bytes; one older file is kept; default 8 MiB. */
  readonly logBytes?: number;
}

/** File errors in the words of ports: a full disk is a lack of capacity, a missing right is `AuthDenied`. */
function asPortError(error: unknown, root: string): PortError {
  if (isPortError(error)) return error;
  const code = errorCode(error);
  const text = error instanceof Error ? error.message : String(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new PortError('CapacityUnavailable', `no space left below ${root}; free some or use another site`, {
      cause: error,
    });
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new PortError(
      'AuthDenied',
      `not allowed to write below ${root} (${text}); give the user of the worker the right to it`,
      { cause: error }
    );
  }
  return new PortError(
    'ServiceFault',
    `local jobs below ${root} cannot be reached (${text}); look at the disk, it is tried again`,
    { cause: error }
  );
}

/**
 * Runs each job as a process of this machine under a supervisor process of its own; both outlive the worker. One folder
 * per job, created exclusively by key: a second `create` throws `AlreadyExists`, a job whose worker or supervisor died is
 * carried on by the next call for it (from any worker of the site), and its program is started at most once.
 *
 * `create` throws `InvalidSpec` for what can never run here, `AlreadyExists`, `CapacityUnavailable` on a full disk.
 * Artifacts are made available in the background: the job is `starting` until then, `queued` while it waits for a slot.
 * A job that cannot get its artifacts or secrets for good ends as `failed` with the class of that error.
 */
export function createLocalJobs(options: LocalJobsOptions): JobBackend {
  const { site, root, pools, context } = options;
  const cache = openArtifactCache(cacheFolder(root), context.materialize);
  const starting = new Map<string, Promise<void>>();
  const started = new Map<string, ProcessIdentity>();
  const problems = new Map<string, string>();

  const refOf = (key: string): JobRef => ({ v: 1, site, id: key, key });

  async function guarded<T>(work: () => T | Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw asPortError(error, root);
    }
  }

  function existing(ref: JobRef): { readonly paths: JobPaths; readonly record: JobRecord } {
    const paths = jobPaths(root, ref.key);
    const record = ref.site === site && isJobKey(ref.key) ? readRecord(paths) : null;
    if (record === null)
      throw new PortError(
        'NotFound',
        `${site} has no job ${printable(ref.key).slice(0, 64)}; look whether the root of the site was moved or emptied`
      );
    return { paths, record };
  }

  async function resolveEnvironment(intent: JobIntent): Promise<{ readonly [name: string]: string }> {
    const entries = Object.entries(intent.spec.env ?? {}).map(async ([name, value]) => {
      const secret = /^secret:(.+)$/s.exec(value)?.[1];
      return [name, secret === undefined ? value : await context.secret(secret)] as const;
    });
    return Object.fromEntries(await Promise.all(entries));
  }

  /** Everything that the program needs, or why it can never have it. Throws what may pass. */
  async function orderFor(record: JobRecord, isStarted: boolean): Promise<SupervisorOrder> {
    const { intent } = record;
    const { spec, key } = intent;
    const base = {
      v: 1 as const,
      root,
      key,
      slots: pools.find(({ name }) => name === record.pool)?.slots ?? 0,
      stopGraceMs: options.stopGraceMs ?? defaultStopGraceMs,
      logBytes: options.logBytes ?? defaultLogBytes,
    };
    const nothing = { env: {}, folders: { code: null, checkpoint: null, inputs: {} } };
    // A supervisor that only takes over or records a stop needs neither artifacts nor secrets.
    if (isStarted) return { ...base, ...nothing, refusal: null };
    const call: Call = { signal: new AbortController().signal, deadlineMs: Date.now() + prepareDeadlineMs };
    const folderOf = async (ref: typeof spec.code) => (ref === undefined ? null : await cache.folderOf(ref, call));
    try {
      const inputs: { [name: string]: string } = {};
      const code = await folderOf(spec.code);
      const checkpoint = await folderOf(spec.checkpoint);
      for (const [name, ref] of Object.entries(spec.inputs)) inputs[name] = await cache.folderOf(ref, call);
      return { ...base, env: await resolveEnvironment(intent), folders: { code, checkpoint, inputs }, refusal: null };
    } catch (error) {
      if (!isPortError(error) || (error.class !== 'NotFound' && !nonRetryableClasses.includes(error.class)))
        throw error;
      const refusal = {
        result: 'failed' as const,
        class: error.class,
        message: messageWithTail(`not started: ${printable(error.message)}`, ''),
        endedAt: new Date().toISOString(),
      };
      return { ...base, ...nothing, refusal };
    }
  }

  const supervisorOf = (paths: JobPaths): ProcessIdentity | null => {
    const holder = holderOf(paths.supervisor) as SupervisorHolder | null;
    return holder !== null && isAlive(holder.process) ? holder.process : null;
  };

  async function startOne(record: JobRecord, isStarted: boolean): Promise<void> {
    const { key } = record.intent;
    try {
      const identity = await startSupervisor(await orderFor(record, isStarted));
      problems.delete(key);
      if (identity !== null) started.set(key, identity);
    } catch (error) {
      // Shown by `describe`, and tried again by the next call for this job.
      problems.set(key, printable(error instanceof Error ? error.message : String(error)).slice(0, 500));
    }
  }

  /** Sees to it that a job that has not ended has a supervisor. Never two: the supervisors themselves see to that. */
  function drive(paths: JobPaths, record: JobRecord): Promise<void> {
    const { key } = record.intent;
    const recent = started.get(key);
    // Looked at before the state: one that is gone has written what it had to write.
    const isSupervised = (recent !== undefined && isAlive(recent)) || supervisorOf(paths) !== null;
    const state = readState(paths);
    if (state?.phase === 'ended') started.delete(key);
    if (state?.phase === 'ended' || isSupervised) return Promise.resolve();
    const isStarted = state?.phase === 'running' || state?.phase === 'launching' || readJson(paths.stop) !== null;
    // A stop does not wait for a download that it makes pointless.
    const id = isStarted ? `${key} end` : key;
    let promise = starting.get(id);
    if (promise === undefined) {
      promise = startOne(record, isStarted).finally(() => starting.delete(id));
      starting.set(id, promise);
    }
    return promise;
  }

  const startingProgress = (key: string): Json => {
    const problem = problems.get(key);
    return { waitingFor: 'inputs', ...(problem === undefined ? {} : { problem }) };
  };

  function liveState(paths: JobPaths, record: JobRecord, state: StateRecord | null): JobState {
    if (state?.phase === 'ended') return { phase: 'ended', outcome: state.outcome };
    const progress = latestProgress(paths.stdout);
    const withProgress = progress === null ? {} : { progress };
    if (readJson(paths.stop) !== null) return { phase: 'stopping', ...withProgress };
    if (state?.phase === 'running') return { phase: 'running', ...withProgress };
    if (state?.phase === 'queued') {
      const slots = pools.find(({ name }) => name === record.pool)?.slots ?? 0;
      return {
        phase: 'queued',
        progress: { waitingFor: 'slot', pool: record.pool, busy: busyCount(root, record.pool), slots },
      };
    }
    return state === null
      ? { phase: 'starting', progress: startingProgress(record.intent.key) }
      : { phase: 'starting', ...withProgress };
  }

  return {
    leftovers: createLeftovers({ site, root, keepMs: options.keepMs ?? defaultKeepMs, cache, guarded }),

    capabilities: { create: 'name', find: 'strong', consistencyMs: 0, stop: 'confirmed' },

    find: (key) =>
      guarded((): readonly FoundJob[] => {
        if (!isJobKey(key)) return [];
        const paths = jobPaths(root, key);
        const record = readRecord(paths);
        if (record === null) return [];
        void drive(paths, record);
        return [{ ...refOf(key), specDigest: record.intent.specDigest }];
      }),

    create: (intent, call) =>
      guarded(async () => {
        const pool = checkIntent(intent, site, pools);
        const paths = jobPaths(root, intent.key);
        const record: JobRecord = { v: 1, intent, pool: pool.name, createdAt: new Date().toISOString() };
        const isNew = createFolder(paths.folder, (folder) => replaceJson(`${folder}/job.json`, record));
        if (!isNew) throw new PortError('AlreadyExists', `${site} has a job ${intent.key} already; adopt it`);
        await Promise.race([
          drive(paths, record),
          sleep(startPatienceMs, undefined, { signal: call.signal, ref: false }).catch(() => undefined),
        ]);
        return refOf(intent.key);
      }),

    describe: (ref) =>
      guarded(() => {
        const { paths, record } = existing(ref);
        void drive(paths, record);
        return liveState(paths, record, readState(paths));
      }),

    requestStop: (ref) =>
      guarded(() => {
        const { paths, record } = existing(ref);
        if (readState(paths)?.phase === 'ended') return;
        createJson(paths.stop, { v: 1, at: new Date().toISOString() } satisfies StopRecord);
        const supervisor = supervisorOf(paths);
        // Wakes a supervisor that sleeps or was suspended; to any other process SIGCONT does nothing.
        if (supervisor !== null) signalProcess(supervisor, 'SIGCONT');
        void drive(paths, record);
      }),

    async *listOwned(owner, since): AsyncIterable<OwnedJob> {
      const names = await guarded(() => readdirSync(jobsFolder(root))).catch((error: unknown) => {
        if (isPortError(error) && errorCode(error.cause) === 'ENOENT') return [];
        throw error;
      });
      for (const key of names.filter(isJobKey)) {
        const paths = jobPaths(root, key);
        const record = await guarded(() => readRecord(paths));
        if (record === null || record.intent.owner !== owner || Date.parse(record.createdAt) < Date.parse(since))
          continue;
        const ended = readState(paths)?.phase === 'ended';
        yield { ...refOf(key), releaseId: record.intent.releaseId, ended };
      }
    },

    outputOf: (ref) =>
      guarded(async () => {
        const { paths } = existing(ref);
        const checkpoints = await readdir(paths.checkpoint).catch(() => []);
        return { outputFolder: paths.output, checkpointFolder: checkpoints.length === 0 ? null : paths.checkpoint };
      }),
  };
}
