import { createDocuments } from '../registry/documents.js';
import type { ArtifactStore, Call } from '../ports/index.js';
import { assertKey } from './key.js';
import { manifestName } from './manifest.js';

interface Seen {
  readonly v: 1;
  /** When each leftover was first seen in the state it is in, epoch milliseconds. */
  readonly since: Readonly<Record<string, number>>;
}

interface Leftover {
  /** Names the leftover and its state: one that still grows is another one at every look. */
  readonly state: string;
  remove(): Promise<void>;
}

/** Folder of unfinished or unpublished work that a key under `prefix/` belongs to, or undefined for published ones. */
function groupOf(path: string): string | undefined {
  const sealing = /^\.sealing\/[0-9a-f]{32}\//.exec(path);
  return (sealing ?? /^[0-9a-f]{32}\//.exec(path))?.[0];
}

async function leftoversUnder(store: ArtifactStore, prefix: string, call: Call): Promise<readonly Leftover[]> {
  const groups = new Map<string, string[]>();
  for await (const key of store.list(`${prefix}/`, call)) {
    const group = groupOf(key.slice(prefix.length + 1));
    if (group !== undefined) groups.set(group, [...(groups.get(group) ?? []), key]);
  }
  const found: Leftover[] = [];
  for (const [group, keys] of groups) {
    if (!group.startsWith('.') && keys.includes(`${prefix}/${group}${manifestName}`)) continue;
    found.push({
      state: `${group} ${keys.length}`,
      async remove() {
        for (const key of keys) await store.delete(key, call);
      },
    });
  }
  for await (const upload of store.upload.open(`${prefix}/`, call)) {
    const confirmed = await store.upload.confirmed(upload, call).catch(() => []);
    found.push({
      state: `${upload.key} ${upload.id} ${confirmed.length}`,
      remove: () => store.upload.abort(upload, call),
    });
  }
  return found;
}

/**
 * Removes what failed or cancelled transfers have left under a prefix: open uploads, staged files, and files of artifacts
 * that were never published. A leftover is removed when it was seen in the same state for at least `olderThanMs`, which
 * must be longer than the longest pause that a transfer may make before it is repeated. Call it regularly; the first call
 * only looks.
 *
 * @returns How many leftovers were removed, and how many still wait.
 */
export async function removeLeftovers(
  input: {
    readonly store: ArtifactStore;
    readonly prefix: string;
    readonly olderThanMs: number;
    /** Clock in epoch milliseconds; default the machine's. */
    readonly now?: () => number;
  },
  call: Call
): Promise<{ readonly removed: number; readonly waiting: number }> {
  const { store, prefix, olderThanMs, now = Date.now } = input;
  assertKey(prefix);
  const documents = createDocuments({ store, prefix });
  const path = '.leftovers';
  const before = (await documents.readDocument<Seen>(path, call))?.value.since ?? {};
  const since: [string, number][] = [];
  let removed = 0;
  for (const leftover of await leftoversUnder(store, prefix, call)) {
    const first = Object.hasOwn(before, leftover.state) ? (before[leftover.state] ?? now()) : now();
    if (now() - first >= olderThanMs) {
      await leftover.remove();
      removed += 1;
    } else {
      since.push([leftover.state, first]);
    }
  }
  await documents.updateDocument<Seen>(
    path,
    (seen) => (seen === null && since.length === 0 ? undefined : { v: 1, since: Object.fromEntries(since) }),
    call
  );
  return { removed, waiting: since.length };
}
