import { ActivityFailure, ApplicationFailure, ChildWorkflowFailure, TimeoutFailure } from '@temporalio/workflow';

/** Failure type of the deepest cause, such as `Retempo.CapacityUnavailable`; undefined when it has none. */
export function failureTypeOf(error: unknown): string | undefined {
  const cause = error instanceof ActivityFailure || error instanceof ChildWorkflowFailure ? error.cause : error;
  if (cause !== error && cause instanceof ActivityFailure) return failureTypeOf(cause);
  return cause instanceof ApplicationFailure ? (cause.type ?? undefined) : undefined;
}

/** True when no worker took the task in time. It is never retried by Temporal: the caller decides where else to go. */
export const noWorkerTook = (error: unknown): boolean =>
  error instanceof ActivityFailure &&
  error.cause instanceof TimeoutFailure &&
  (error.cause as { timeoutType?: string }).timeoutType === 'SCHEDULE_TO_START';

/** True when the time was over, and no attempt before had said what was wrong. */
export const timedOut = (error: unknown): boolean =>
  error instanceof ActivityFailure && error.cause instanceof TimeoutFailure && error.cause.cause === undefined;

/** The innermost message: what a person wants to read. */
export function rootMessage(error: unknown): string {
  let current: unknown = error;
  while (current instanceof Error && current.cause instanceof Error) current = current.cause;
  return current instanceof Error ? current.message : String(current);
}
