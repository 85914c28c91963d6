import { Context } from '@temporalio/activity';
import type { ArtifactRef, CheckpointActivities, CollectInput, JobActivities } from '@retempo/workflows/contracts';
import { PortError } from '../ports/index.js';
import type { ArtifactStore, JobBackend } from '../ports/index.js';
import { sealFolder } from '../artifacts/seal.js';
import { portCalls, type PortCalls } from './calls.js';
import { findNewestCheckpoint, type SealFolder } from './checkpoints.js';
import { withActivityFailures } from './failures.js';
import { checkRequired, filesOf } from './output.js';
import { reap, type DescribeRelease } from './reap.js';
import { stateOrGone, stopKey } from './stop.js';
import { adoptOrSubmit } from './submit.js';
import { waitForJob } from './wait.js';

const defaultPollMs = 1000;
const defaultCallTimeoutMs = 30_000;
const defaultStopAgainMs = 30_000;
const defaultReapGraceMs = 10_000;
const defaultTransferKeepMs = 2 * 86_400_000;

/** Attempts of `findCheckpoint` that insist on every store. */
const patientAttempts = 3;

export interface JobActivityOptions {
  readonly backend: JobBackend;
  /** The site's artifact store: outputs and checkpoints go there. */
  readonly store: ArtifactStore;
  /** Default: `sealFolder`. */
  readonly seal?: SealFolder;
  /** Owner tag of this installation. */
  readonly owner: string;
  readonly describeRelease: DescribeRelease;
  /** Longest time between two looks at a job, in milliseconds; default 1,000. */
  readonly pollMs?: number;
  /** Time after which a call of a port is given up, in milliseconds; default 30,000. */
  readonly callTimeoutMs?: number;
  /** Time after which an unconfirmed stop is asked for again, in milliseconds; default 30,000. */
  readonly stopAgainMs?: number;
  /** Time between the reaper's two looks at a release, in milliseconds; default 10,000. */
  readonly reapGraceMs?: number;
  /**
   * How long what a broken-off transfer left in the store is kept once it no longer changes, in milliseconds; default 2
   * days, because a transfer may take one.
   */
  readonly transferKeepMs?: number;
}

async function collect(options: JobActivityOptions, input: CollectInput, calls: PortCalls): Promise<ArtifactRef> {
  const { backend, store, seal = sealFolder } = options;
  const state = await stateOrGone(backend, input.ref, calls);
  if (state === null)
    throw new PortError(
      'NotFound',
      `${input.ref.site} no longer knows job ${input.ref.id}; look whether the root of the site was moved or emptied`
    );
  if (state.phase !== 'ended' || state.outcome.result !== 'succeeded') {
    const how = state.phase === 'ended' ? state.outcome.result : state.phase;
    throw new PortError(
      'Conflict',
      `job ${input.ref.key} is ${how}: only the output of a job that succeeded is collected; wait for its end, or look at its log`
    );
  }
  const { outputFolder } = await calls.transfer('fetch output', (call) => backend.outputOf(input.ref, call));
  checkRequired(await filesOf(outputFolder), input.required);
  return await calls.transfer('seal output', (call) => seal({ store, folder: outputFolder, prefix: input.kind }, call));
}

/** Heartbeats while something long goes on that does not report by itself. */
async function beating<T>(pollMs: number, work: Promise<T>): Promise<T> {
  const context = Context.current();
  const timer = setInterval(() => context.heartbeat(), pollMs);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}

/**
 * The job activities of one site, over any {@link JobBackend}. They throw `ApplicationFailure`s of type
 * `Retempo.<class>` only, and Temporal's cancellation.
 */
export function createJobActivities(options: JobActivityOptions): JobActivities {
  const { backend, owner } = options;
  const pollMs = options.pollMs ?? defaultPollMs;
  const calls = () => portCalls(options.callTimeoutMs ?? defaultCallTimeoutMs);
  const askAgainMs = options.stopAgainMs ?? defaultStopAgainMs;
  const stopping = () => ({ backend, calls: calls(), pollMs, askAgainMs });
  return withActivityFailures<JobActivities>({
    async submitJob(intent) {
      if (intent.owner !== owner) {
        throw new PortError(
          'InvalidSpec',
          `the job is tagged for ${intent.owner}, this installation is ${owner}; give all workers of one server the same owner in retempo.yaml`
        );
      }
      return await adoptOrSubmit(backend, intent, calls());
    },
    awaitJob: async (input) =>
      await waitForJob(
        { backend, store: options.store, seal: options.seal ?? sealFolder, calls: calls(), pollMs },
        input
      ),
    stopJob: async ({ key }) => ({ ended: await stopKey(stopping(), key) }),
    collectOutput: async (input) => await beating(pollMs, collect(options, input, calls())),
    reapJobs: async (input) =>
      await reap(
        {
          ...stopping(),
          owner,
          store: options.store,
          describeRelease: options.describeRelease,
          graceMs: options.reapGraceMs ?? defaultReapGraceMs,
          transferKeepMs: options.transferKeepMs ?? defaultTransferKeepMs,
        },
        input
      ),
  });
}

/**
 * `findCheckpoint` over the stores of all sites: a run that moved to another site finds what the first one saved. The
 * newest wins. A store that cannot be read fails the first three attempts (an older checkpoint would repeat paid work);
 * then it is left out, so that the loss of a site does not stop the move to another.
 */
export function createCheckpointActivities(options: {
  readonly stores: readonly ArtifactStore[];
  /** Time after which a call of a port is given up, in milliseconds; default 30,000. */
  readonly callTimeoutMs?: number;
}): CheckpointActivities {
  const calls = () => portCalls(options.callTimeoutMs ?? defaultCallTimeoutMs);
  return withActivityFailures<CheckpointActivities>({
    findCheckpoint: async (input) => {
      const skipBroken = Context.current().info.attempt > patientAttempts;
      return await findNewestCheckpoint(options.stores, input, calls(), skipBroken);
    },
  });
}
