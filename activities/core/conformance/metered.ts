import type { ArtifactStore } from '../ports/index.js';

/** What went through a store: an oracle beside the code that uses it. */
export interface Meter {
  /** Calls of any method. */
  operations: number;
  /** Bytes given to the store. */
  sent: number;
  /** Bytes taken from the store. */
  received: number;
}

/**
 * The same store, with a meter of the bytes that pass through the caller, and a hook before every call.
 *
 * @param counts Keys whose bytes are counted; default all.
 */
export function metered(
  store: ArtifactStore,
  counts: (key: string) => boolean = () => true,
  before: (operation: number) => void | Promise<void> = () => undefined
): { readonly store: ArtifactStore; readonly meter: Meter } {
  const meter: Meter = { operations: 0, sent: 0, received: 0 };
  const around = async <T>(work: () => Promise<T>): Promise<T> => {
    await before((meter.operations += 1));
    return work();
  };
  const send = (key: string, bytes: Uint8Array): void => {
    if (counts(key)) meter.sent += bytes.length;
  };
  const { upload } = store;
  const copy = store.copy?.bind(store);
  return {
    meter,
    store: {
      ...store,
      head: (...input) => around(() => store.head(...input)),
      async *read(key, options, call) {
        await before((meter.operations += 1));
        for await (const chunk of store.read(key, options, call)) {
          if (counts(key)) meter.received += chunk.length;
          yield chunk;
        }
      },
      put: (key, bytes, condition, call) =>
        around(() => {
          send(key, bytes);
          return store.put(key, bytes, condition, call);
        }),
      upload: {
        begin: (...input) => around(() => upload.begin(...input)),
        confirmed: (...input) => around(() => upload.confirmed(...input)),
        part: (ref, number, bytes, call) =>
          around(() => {
            send(ref.key, bytes);
            return upload.part(ref, number, bytes, call);
          }),
        complete: (...input) => around(() => upload.complete(...input)),
        abort: (...input) => around(() => upload.abort(...input)),
        open: (...input) => upload.open(...input),
      },
      ...(copy !== undefined && { copy: (...input: Parameters<typeof copy>) => around(() => copy(...input)) }),
      list: (...input) => store.list(...input),
      delete: (...input) => around(() => store.delete(...input)),
    },
  };
}
