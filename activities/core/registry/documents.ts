import { setTimeout as sleep } from 'node:timers/promises';
import type { Json } from '@retempo/workflows/contracts';
import { canonicalJson } from '@retempo/workflows/domain';
import { checkCall } from '../artifacts/calls.js';
import { assertKey } from '../artifacts/key.js';
import { isClass } from '../artifacts/objects.js';
import { PortError, type ArtifactStore, type Call, type PutCondition } from '../ports/index.js';

/** Largest document, in bytes; what grows without end belongs into an artifact. */
export const maxDocumentBytes = 8 * 1024 * 1024;

/** A document and what names this state of it. */
export interface StoredDocument<T> {
  readonly value: T;
  readonly tag: string;
}

/** Condition of a write: still the state that was read, or nothing there yet. */
export type DocumentCondition = { readonly ifTag: string } | { readonly ifAbsent: true };

/** JSON documents on an artifact store that can compare and set. Paths obey the rules of keys. */
export interface Documents {
  /** Null when there is none; class `Integrity` when it is not JSON. */
  readDocument<T = Json>(path: string, call: Call): Promise<StoredDocument<T> | null>;
  /** Class `Conflict` when the condition does not hold; then nothing was changed. */
  writeDocument(
    path: string,
    value: unknown,
    condition: DocumentCondition,
    call: Call
  ): Promise<{ readonly tag: string }>;
  /**
   * Reads, lets `change` make the next value of the current one (null when there is none), and writes it, again and again
   * until nobody was faster or the deadline has come. `change` may run many times; what it throws ends the loop;
   * undefined leaves the document as it is.
   */
  updateDocument<T = Json>(
    path: string,
    change: (current: T | null) => T | undefined,
    call: Call
  ): Promise<StoredDocument<T | null>>;
  /** Paths of documents that start with `prefix`, in code unit order. */
  listDocuments(prefix: string, call: Call): AsyncIterable<string>;
  deleteDocument(path: string, call: Call): Promise<void>;
}

/** Makes documents of the objects `<prefix>/<path>.json` of a store. */
export function createDocuments({
  store,
  prefix,
}: {
  readonly store: ArtifactStore;
  readonly prefix: string;
}): Documents {
  assertKey(prefix);
  if (!store.capabilities.compareAndSet || !store.capabilities.ifAbsent) {
    throw new PortError(
      'InvalidSpec',
      `the store ${store.root} cannot compare and set; keep the registry in another one`
    );
  }
  const keyOf = (path: string): string => {
    assertKey(path);
    return `${prefix}/${path}.json`;
  };

  async function read<T>(path: string, call: Call): Promise<StoredDocument<T> | null> {
    const key = keyOf(path);
    for (;;) {
      checkCall(call, `reading the document "${path}"`);
      const head = await store.head(key, call);
      if (head === null) return null;
      if (head.size > maxDocumentBytes)
        throw new PortError(
          'Integrity',
          `the document "${path}" is too large (${head.size} bytes, the most is ${maxDocumentBytes}); restore an earlier one`
        );
      const chunks: Uint8Array[] = [];
      try {
        for await (const chunk of store.read(key, { version: head.version }, call)) chunks.push(chunk);
      } catch (error) {
        // Replaced or deleted between the two calls: look again.
        if (isClass(error, 'Conflict') || isClass(error, 'NotFound')) continue;
        throw error;
      }
      try {
        return { value: JSON.parse(Buffer.concat(chunks).toString()) as T, tag: head.version };
      } catch (error) {
        throw new PortError('Integrity', `the document ${store.root}${key} is not JSON; restore it`, { cause: error });
      }
    }
  }

  async function write(path: string, value: unknown, condition: DocumentCondition, call: Call) {
    const bytes = Buffer.from(canonicalJson(value));
    if (bytes.length > maxDocumentBytes) {
      throw new PortError(
        'InvalidSpec',
        `the document "${path}" would have ${bytes.length} bytes; the most is ${maxDocumentBytes}; keep what grows in an artifact`
      );
    }
    const put: PutCondition = 'ifTag' in condition ? { ifVersion: condition.ifTag } : { ifAbsent: true };
    const { version } = await store.put(keyOf(path), bytes, put, call);
    return { tag: version };
  }

  return {
    readDocument: read,
    writeDocument: write,
    async updateDocument<T>(path: string, change: (current: T | null) => T | undefined, call: Call) {
      for (let round = 0; ; round++) {
        checkCall(call, `changing the document "${path}"`);
        const current = await read<T>(path, call);
        const value = change(current?.value ?? null);
        if (value === undefined) return current ?? { value: null, tag: '' };
        try {
          const condition = current === null ? { ifAbsent: true as const } : { ifTag: current.tag };
          return { value, ...(await write(path, value, condition, call)) };
        } catch (error) {
          if (isClass(error, 'UnknownOutcome')) {
            const now = await read<T>(path, call);
            if (now !== null && canonicalJson(now.value) === canonicalJson(value)) return now;
          } else if (!isClass(error, 'Conflict')) throw error;
        }
        await sleep(Math.random() * Math.min(100, 2 ** Math.min(round, 7)));
      }
    },
    async *listDocuments(start, call) {
      for await (const key of store.list(`${prefix}/${start}`, call)) {
        if (key.endsWith('.json')) yield key.slice(prefix.length + 1, -'.json'.length);
      }
    },
    deleteDocument: (path, call) => store.delete(keyOf(path), call),
  };
}
