import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { ErrorClass } from '@retempo/workflows/contracts';
import { PortError } from '../ports/index.js';
import type { Call } from '../ports/index.js';

interface Bounds {
  readonly timeoutMs: number;
  /** Class thrown when no answer came in time: `UnknownOutcome` for a call that changes something. */
  readonly onTimeout: ErrorClass;
  /** Ends the call with this activity's cancellation. */
  readonly cancelledBy?: Context;
  /** Heartbeats while the call takes long, so that the death of this worker is noticed after one heartbeat time-out. */
  readonly beating: { readonly everyMs: number; readonly beat: () => void } | null;
}

// A wait of days makes hundreds of thousands of calls and pauses. Racing each against the one `cancelled` promise would
// keep a reaction of every one of them; listeners of the signal are removed again.

/** One call of a port that surely returns: also a port that ignores its signal cannot hold an activity for ever. */
async function bounded<T>(what: string, work: (call: Call) => Promise<T>, bounds: Bounds): Promise<T> {
  const controller = new AbortController();
  const { timeoutMs, onTimeout, cancelledBy, beating } = bounds;
  const beats = beating === null ? undefined : setInterval(beating.beat, beating.everyMs);
  let stopListening = (): void => undefined;
  const interruption = new Promise<never>((_resolve, reject) => {
    const timer = setTimeout(() => {
      reject(
        new PortError(
          onTimeout,
          `${what}: no answer within ${timeoutMs / 1000} s; look whether the other side is reachable and not overloaded`
        )
      );
    }, timeoutMs);
    const onCancel = (): void => void cancelledBy?.cancelled.catch(reject);
    const signal = cancelledBy?.cancellationSignal;
    if (signal?.aborted === true) onCancel();
    signal?.addEventListener('abort', onCancel);
    stopListening = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onCancel);
    };
  });
  // A port that throws before it returns a promise has answered too.
  const answer = (async () => await work({ signal: controller.signal, deadlineMs: Date.now() + timeoutMs }))();
  try {
    // Whichever comes too late has nobody to report to: the race has heard of it.
    return await Promise.race([answer, interruption]);
  } finally {
    clearInterval(beats);
    stopListening();
    controller.abort();
  }
}

/** Sleeps; throws the activity's `CancelledFailure` as soon as it is cancelled. */
export async function pause(context: Context, ms: number): Promise<void> {
  try {
    await sleep(ms, undefined, { signal: context.cancellationSignal });
  } catch {
    await context.cancelled;
  }
}

/** Calls of a backend, each with the right behaviour when it hangs or when the activity is cancelled. */
export interface PortCalls {
  /** Ends with the activity's cancellation. */
  readonly read: <T>(what: string, work: (call: Call) => Promise<T>) => Promise<T>;
  /** Goes on through a cancellation: a call that changes something is seen through to its answer. */
  readonly change: <T>(what: string, work: (call: Call) => Promise<T>) => Promise<T>;
  /** Moves bytes for as long as it takes; ends with the activity's cancellation. */
  readonly transfer: <T>(what: string, work: (call: Call) => Promise<T>) => Promise<T>;
  /** Heartbeats with these details; a call that takes long repeats them. */
  readonly beat: (details: unknown) => void;
}

const transferMs = 24 * 3_600_000;

/**
 * Calls bounded by `timeoutMs` each, transfers by a day. Must be used inside an activity. A call that takes longer than a
 * third of the activity's heartbeat time-out heartbeats; quicker ones cost no heartbeat.
 */
export function portCalls(timeoutMs: number): PortCalls {
  const cancelledBy = Context.current();
  const { heartbeatTimeoutMs } = cancelledBy.info;
  let last: unknown;
  const beating =
    heartbeatTimeoutMs === undefined || heartbeatTimeoutMs === 0
      ? null
      : { everyMs: Math.max(50, heartbeatTimeoutMs / 3), beat: () => cancelledBy.heartbeat(last) };
  return {
    read: (what, work) => bounded(what, work, { timeoutMs, onTimeout: 'ServiceFault', cancelledBy, beating }),
    transfer: (what, work) =>
      bounded(what, work, { timeoutMs: transferMs, onTimeout: 'ServiceFault', cancelledBy, beating }),
    change: (what, work) => bounded(what, work, { timeoutMs, onTimeout: 'UnknownOutcome', beating }),
    beat: (details) => {
      last = details;
      cancelledBy.heartbeat(details);
    },
  };
}
