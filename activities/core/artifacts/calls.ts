import { PortError, type Call } from '../ports/index.js';

/** Stops work that nobody waits for: class `Cancelled` when aborted, `DeadlineExceeded` when the time is up. */
export function checkCall(call: Call, what: string): void {
  if (call.signal.aborted) throw new PortError('Cancelled', `${what} was cancelled; repeat it if it is still wanted`);
  if (Date.now() >= call.deadlineMs) {
    throw new PortError(
      'DeadlineExceeded',
      `${what} was not finished at its deadline; give it more time and repeat it`
    );
  }
}

/** Runs `work` for every item, at most `limit` at once; on the first error starts no more, waits for the rest, throws. */
export async function forEachLimited<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<void>
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const failures: unknown[] = [];
  const lane = async () => {
    while (failures.length === 0) {
      const next = iterator.next();
      if (next.done === true) return;
      try {
        await work(next.value);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: limit }, lane));
  if (failures.length > 0) throw failures[0];
}

/** A fixed number of byte buffers that are lent and given back: the bound on memory of a transfer. */
export interface BufferPool {
  take(): Promise<Uint8Array>;
  give(buffer: Uint8Array): void;
}

/** Makes a pool of `count` buffers of `sizeBytes`, allocated when first needed. */
export function createBufferPool(count: number, sizeBytes: number): BufferPool {
  const free: Uint8Array[] = [];
  const waiting: ((buffer: Uint8Array) => void)[] = [];
  let made = 0;
  return {
    take() {
      const buffer = free.pop();
      if (buffer !== undefined) return Promise.resolve(buffer);
      if (made < count) {
        made += 1;
        return Promise.resolve(new Uint8Array(sizeBytes));
      }
      return new Promise((resolve) => waiting.push(resolve));
    },
    give(buffer) {
      const next = waiting.shift();
      if (next === undefined) free.push(buffer);
      else next(buffer);
    },
  };
}
