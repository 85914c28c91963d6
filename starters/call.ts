import { setTimeout as sleep } from 'node:timers/promises';
import {
  isGrpcDeadlineError,
  isGrpcServiceError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  type Client,
} from '@temporalio/client';
import { StarterError } from './errors.js';

/** gRPC status of an address that cannot be reached, or of a server that is going away. */
const unavailable = 14;
/** gRPC status of a request that was turned away before anything was done, such as the eleventh update at a time. */
const resourceExhausted = 8;

const shortestPauseMs = 50;
const longestPauseMs = 1_000;

export interface CallOptions {
  readonly client: Client;
  readonly model: string;
  /** How long an answer may take, in milliseconds. */
  readonly timeoutMs: number;
}

/**
 * Runs one call to Temporal and turns every way it can fail into a {@link StarterError}. Turned away because too many ask
 * at once, it asks again until its time is up: requests are answered once, however often they are sent.
 */
export async function call<T>(options: CallOptions, what: string, run: () => Promise<T>): Promise<T> {
  const { client, model, timeoutMs } = options;
  const deadline = Date.now() + timeoutMs;
  for (let pauseMs = shortestPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
    try {
      return await client.withDeadline(deadline, run);
    } catch (error) {
      if (!turnedAway(error) || Date.now() + pauseMs >= deadline) throw explain(error, what, model, timeoutMs);
    }
    // Spread out, or all who were turned away come back together.
    await sleep(pauseMs * (0.5 + Math.random() / 2));
  }
}

/**
 * Turned away for now: too many at a time, or the governor was just beginning anew. Where its answer was on its way then,
 * the governor remembers it and gives it again.
 */
function turnedAway(error: unknown): boolean {
  if (grpcCode(error) === resourceExhausted) return true;
  return /update was aborted|^update .* not found/.test(rootMessage(error));
}

function rootMessage(error: unknown): string {
  let current = error;
  while (current instanceof Error && current.cause instanceof Error) current = current.cause;
  return current instanceof Error ? current.message : String(current);
}

function explain(error: unknown, what: string, model: string, timeoutMs: number): unknown {
  if (error instanceof StarterError) return error;
  if (error instanceof WorkflowNotFoundError || grpcCode(error) === 5) {
    return new StarterError('unknownModel', `there is no model "${model}"; create it with: retempo apply`, error);
  }
  if (
    error instanceof WorkflowUpdateRPCTimeoutOrCancelledError ||
    isGrpcDeadlineError(error) ||
    isGrpcDeadlineError((error as { cause?: unknown }).cause)
  ) {
    return new StarterError(
      'noWorker',
      `no worker answered within ${timeoutMs / 1000} s (${what} ${model}); it may still be carried out: start one with "retempo worker", then ask again with the same id`,
      error
    );
  }
  if (error instanceof WorkflowUpdateFailedError) {
    const why = error.cause instanceof Error ? error.cause.message : error.message;
    return new StarterError('malformed', `${what} ${model}: ${why}`, error);
  }
  const code = grpcCode(error);
  if (turnedAway(error)) {
    return new StarterError(
      'unavailable',
      `too many ask at once (${what} ${model}, ${timeoutMs / 1000} s); nothing was started: ask again with the same id, or report events that need no answer`,
      error
    );
  }
  if (code === unavailable) {
    return new StarterError(
      'unavailable',
      `the Temporal server does not answer (${what} ${model}); nothing was started`,
      error
    );
  }
  return error;
}

function grpcCode(error: unknown): number | undefined {
  for (let current: unknown = error; current instanceof Error; current = current.cause) {
    if (isGrpcServiceError(current)) return current.code;
  }
  return undefined;
}
