// Of the packages that are loaded anyway: importing @temporalio/common by name costs a worker's start 13 ms more.
import { ApplicationFailure, CompleteAsyncError } from '@temporalio/activity';
import { TemporalFailure } from '@temporalio/client';
import { failureType, nonRetryableClasses, type ErrorClass } from '@retempo/workflows/contracts';
import { isPortError } from '../ports/index.js';

/** Most bytes of a failure message; the server cuts whole failures at 4 KiB. */
export const maxFailureMessageBytes = 2048;

// A port error says all there is to say; only a fault that nobody foresaw is worth the bytes of a stack.
const maxStackBytes = 1024;

function firstBytes(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= maxBytes) return text;
  const mark = Buffer.from(' ...');
  let end = maxBytes - mark.length;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return Buffer.concat([bytes.subarray(0, end), mark]).toString('utf8');
}

function applicationFailure(
  errorClass: ErrorClass,
  message: string,
  retryAfterMs: number | undefined,
  stack: string
): ApplicationFailure {
  const failure = ApplicationFailure.create({
    message: firstBytes(message, maxFailureMessageBytes),
    type: failureType.port(errorClass),
    nonRetryable: nonRetryableClasses.includes(errorClass),
    ...(retryAfterMs === undefined ? {} : { nextRetryDelay: retryAfterMs }),
  });
  failure.stack = firstBytes(stack, maxStackBytes);
  return failure;
}

/**
 * What an activity throws for any error: a {@link PortError} becomes an `ApplicationFailure` of type
 * `Retempo.<class>`, not retried for {@link nonRetryableClasses}, retried after `retryAfterMs` when the provider named a
 * time. Temporal's own failures and aborts pass unchanged. Anything else is a fault of ours or of a library:
 * `Retempo.ServiceFault`, retried. Messages are cut at 2 KiB.
 */
export function asActivityFailure(error: unknown): Error {
  if (error instanceof TemporalFailure || error instanceof CompleteAsyncError) return error;
  if (isPortError(error)) return applicationFailure(error.class, error.message, error.retryAfterMs, '');
  if (error instanceof Error && error.name === 'AbortError') return error;
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return applicationFailure('ServiceFault', text, undefined, error instanceof Error ? (error.stack ?? '') : '');
}

type Activity = (...args: never[]) => Promise<unknown>;

/** The same activities, throwing only what {@link asActivityFailure} makes of their errors. */
export function withActivityFailures<T extends { readonly [K in keyof T]: Activity }>(activities: T): T {
  const wrap =
    (activity: Activity): Activity =>
    async (...args) => {
      try {
        return await activity(...args);
      } catch (error) {
        throw asActivityFailure(error);
      }
    };
  const entries = Object.entries<Activity>(activities).map(([name, activity]) => [name, wrap(activity)] as const);
  return Object.fromEntries(entries) as unknown as T;
}
