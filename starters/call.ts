import { setTimeout as sleep } from 'node:timers/promises';
import {
  isGrpcServiceError,
  NamespaceNotFoundError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  type Client,
} from '@temporalio/client';
import { StarterError } from './errors.js';

/** gRPC status of a call that had no answer when its time was up. */
const deadlineExceeded = 4;
/** gRPC status of an address that cannot be reached, or of a server that is going away. */
const unavailable = 14;
/** gRPC status of a request that was turned away before anything was done, such as the eleventh update at a time. */
const resourceExhausted = 8;

/** gRPC status of an update to a workflow that makes no progress, because its worker fails or is far too slow. */
const failedPrecondition = 9;

/** gRPC statuses of a caller that the server does not let in. */
const lockedOut: { readonly [code: number]: string } = {
  7: 'refuses this client',
  16: 'does not know this client',
};

const shortestPauseMs = 50;
const longestPauseMs = 1_000;

/** How long a server may take to say that it is there, in milliseconds, after it has let a call run into its time-out. */
export const probeMs = 2_000;

export interface CallOptions {
  readonly client: Client;
  readonly model: string;
  /** How long an answer may take, in milliseconds. */
  readonly timeoutMs: number;
}

/**
 * Runs one call to Temporal and turns every way it can fail into a {@link StarterError}. Turned away because too many ask
 * at once or the governor makes no progress, it asks again until its time is up: requests are answered once, however often
 * they are sent. A call without an answer when its time is up looks the same whether the workers or the server are away; the
 * server is asked which it is, for at most {@link probeMs} more.
 */
export async function call<T>(options: CallOptions, what: string, run: () => Promise<T>): Promise<T> {
  const { client, model, timeoutMs } = options;
  const deadline = Date.now() + timeoutMs;
  for (let pauseMs = shortestPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
    try {
      return await client.withDeadline(deadline, run);
    } catch (error) {
      if (!turnedAway(error) || Date.now() + pauseMs >= deadline) {
        if (!ranOut(error)) throw explain(error, what, model, timeoutMs);
        throw (await serverAnswers(client))
          ? noWorker(error, what, model, timeoutMs)
          : serverAway(error, what, model, `within ${timeoutMs / 1000} s`);
      }
    }
    // Spread out, or all who were turned away come back together.
    await sleep(pauseMs * (0.5 + Math.random() / 2));
  }
}

/**
 * Turned away for now: too many at a time, the governor was just beginning anew, or its tasks fail. Where its answer was on its
 * way then, the governor remembers it and gives it again.
 */
function turnedAway(error: unknown): boolean {
  if (grpcCode(error) === resourceExhausted || isStuck(error)) return true;
  return /update was aborted|^update .* not found/.test(rootMessage(error));
}

/** Tasks of the governor failed or ran into their time-out again and again: the server takes no updates for it meanwhile. */
const isStuck = (error: unknown): boolean => grpcCode(error) === failedPrecondition;

function rootMessage(error: unknown): string {
  let current = error;
  while (current instanceof Error && current.cause instanceof Error) current = current.cause;
  return current instanceof Error ? current.message : String(current);
}

/** No answer in time: of the server, or of the workflow that it handed the question to. */
const ranOut = (error: unknown): boolean =>
  error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || grpcCode(error) === deadlineExceeded;

/** Asks the server itself, which needs no worker. A refusal is an answer too. */
async function serverAnswers(client: Client): Promise<boolean> {
  try {
    await client.withDeadline(Date.now() + probeMs, () => client.connection.workflowService.getSystemInfo({}));
    return true;
  } catch (error) {
    const code = grpcCode(error);
    return code !== undefined && code !== unavailable && code !== deadlineExceeded;
  }
}

const noWorker = (error: unknown, what: string, model: string, timeoutMs: number): StarterError =>
  new StarterError(
    'noWorker',
    `no worker answered within ${timeoutMs / 1000} s (${what} ${model}); it may still be carried out: start one with "retempo worker", then ask again with the same id`,
    error
  );

const serverAway = (error: unknown, what: string, model: string, when = ''): StarterError =>
  new StarterError(
    'unavailable',
    `the Temporal server does not answer${when === '' ? '' : ` ${when}`} (${what} ${model}); whether it took the request is not known: when it is back, ask again with the same id`,
    error
  );

const noAccess = (error: unknown, why: string, what: string, model: string): StarterError =>
  new StarterError('noAccess', `the Temporal server ${why} (${what} ${model}); nothing was started`, error);

function explain(error: unknown, what: string, model: string, timeoutMs: number): unknown {
  const locked = lockedOut[grpcCode(error) ?? 0];
  if (locked !== undefined)
    return noAccess(error, `${locked}; check its API key, certificate and namespace`, what, model);
  if (error instanceof NamespaceNotFoundError) {
    const next = 'correct the namespace of the client, or create it with: temporal operator namespace create';
    return noAccess(error, `has no namespace "${error.namespace}"; ${next}`, what, model);
  }
  if (error instanceof WorkflowNotFoundError || grpcCode(error) === 5) {
    return new StarterError('unknownModel', `there is no model "${model}"; create it with: retempo apply`, error);
  }
  if (error instanceof WorkflowUpdateFailedError) {
    const why = error.cause instanceof Error ? error.cause.message : error.message;
    return new StarterError('malformed', `${what} ${model}: ${why}`, error);
  }
  if (isStuck(error)) {
    return new StarterError(
      'noWorker',
      `the workers cannot carry on the governor (${what} ${model}, ${timeoutMs / 1000} s): its history in the Web UI and the log of "retempo worker" say why; mend that, then ask again with the same id`,
      error
    );
  }
  if (turnedAway(error)) {
    return new StarterError(
      'unavailable',
      `too many ask at once (${what} ${model}, ${timeoutMs / 1000} s); nothing was started: ask again with the same id, or report events that need no answer`,
      error
    );
  }
  return grpcCode(error) === unavailable ? serverAway(error, what, model) : error;
}

function grpcCode(error: unknown): number | undefined {
  for (let current: unknown = error; current instanceof Error; current = current.cause) {
    if (isGrpcServiceError(current)) return current.code;
  }
  return undefined;
}
