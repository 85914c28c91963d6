import { createDocuments, type Documents } from '../registry/documents.js';
import type { ArtifactStore, Call, UploadRef } from '../ports/index.js';
import { manifestName } from './manifest.js';
import { isClass } from './objects.js';
import { removalNote } from './publish.js';

/**
 * Where this installation seals artifacts: first segment of the prefix, and how many segments more it has. What lies
 * anywhere else is nobody's leftover: a model may be named like the folder of an artifact.
 */
const places: ReadonlyMap<string, number> = new Map([
  ['versions', 1],
  ['predictions', 1],
  ['code', 1],
  ['data', 2],
  ['checkpoints', 3],
]);

/** Longest time that one call removes, in milliseconds; the next one goes on, also when this one died. */
const busyMs = 15 * 60_000;
/** Nothing is deleted any more when this much of {@link busyMs} is over: another one may go on soon. */
const trustedMs = 10 * 60_000;

interface Seen {
  readonly v: 1;
  /** When the last look began, epoch milliseconds. */
  readonly lookedAt: number;
  /** Until when whoever looks may still be at it, epoch milliseconds; 0 when the look has ended. */
  readonly busyUntil: number;
  /** When each leftover was first seen in the state it is in, epoch milliseconds. */
  readonly since: Readonly<Record<string, number>>;
}

interface Leftover {
  /** Names the leftover and its state: one that still grows is another one at every look. */
  readonly state: string;
  /** Its removal has begun: it is finished whatever its age. */
  readonly hasBegun: boolean;
  /** False when it is none any more, or when there was no time for all of it. */
  remove(isInTime: () => boolean): Promise<boolean>;
}

/** Folder that a key of unfinished, unpublished or published work belongs to, with the `/` at its end. */
function groupOf(key: string, prefix: string | undefined): string | undefined {
  let start = (prefix?.length ?? -1) + 1;
  if (prefix === undefined) {
    const segments = key.split('/');
    const depth = places.get(segments[0] ?? '');
    if (depth === undefined) return undefined;
    start = segments.slice(0, depth + 1).join('/').length + 1;
  }
  const group = /^(?:\.sealing\/)?[0-9a-f]{32}\//.exec(key.slice(start))?.[0];
  return group === undefined ? undefined : key.slice(0, start) + group;
}

const isStaging = (group: string): boolean => group.split('/').at(-3) === '.sealing';

/**
 * Removes the files of an artifact that was never published. The key of its manifest is taken first, so that a transfer
 * that goes on after all either has published before, and is left alone, or publishes when everything is gone.
 */
async function removeUnpublished(
  store: ArtifactStore,
  group: string,
  keys: readonly string[],
  isInTime: () => boolean,
  call: Call
): Promise<boolean> {
  const manifest = group + manifestName;
  try {
    await store.put(manifest, removalNote, { ifAbsent: true }, call);
  } catch (error) {
    if (!isClass(error, 'Conflict') || (await store.head(manifest, call))?.size !== removalNote.length) {
      if (isClass(error, 'Conflict')) return false;
      throw error;
    }
  }
  for (const key of keys) {
    if (key === manifest) continue;
    if (!isInTime()) return false;
    await store.delete(key, call);
  }
  if (!isInTime()) return false;
  await store.delete(manifest, call);
  return true;
}

async function leftoversOf(store: ArtifactStore, prefix: string | undefined, call: Call): Promise<readonly Leftover[]> {
  const uploads: { readonly upload: UploadRef; readonly group: string; readonly parts: number }[] = [];
  for await (const upload of store.upload.open(prefix === undefined ? '' : `${prefix}/`, call)) {
    const group = groupOf(upload.key, prefix);
    if (group === undefined) continue;
    const confirmed = await store.upload.confirmed(upload, call).catch(() => []);
    uploads.push({ upload, group, parts: confirmed.length });
  }
  const groups = new Map<string, string[]>();
  for (const folder of prefix === undefined ? places.keys() : [prefix]) {
    for await (const key of store.list(`${folder}/`, call)) {
      const group = groupOf(key, prefix);
      if (group !== undefined) groups.set(group, [...(groups.get(group) ?? []), key]);
    }
  }
  const found: Leftover[] = [];
  for (const [group, keys] of groups) {
    const parts = uploads.reduce((sum, upload) => sum + (upload.group === group ? upload.parts : 0), 0);
    const state = `${group} ${keys.length} ${parts}`;
    if (isStaging(group)) {
      const remove = async () => {
        for (const key of keys) await store.delete(key, call);
        return true;
      };
      found.push({ state, hasBegun: false, remove });
      continue;
    }
    const manifest = keys.includes(group + manifestName) ? await store.head(group + manifestName, call) : null;
    if (manifest !== null && manifest.size !== removalNote.length) continue;
    const remove: Leftover['remove'] = (isInTime) => removeUnpublished(store, group, keys, isInTime, call);
    found.push({ state, hasBegun: manifest !== null, remove });
  }
  for (const { upload, parts } of uploads) {
    const remove = async () => {
      await store.upload.abort(upload, call);
      return true;
    };
    found.push({ state: `${upload.key} ${upload.id} ${parts}`, hasBegun: false, remove });
  }
  return found;
}

/** Notes that a look begins; null when another one is under way or it is too early. */
async function claimLook(
  documents: Documents,
  path: string,
  input: { readonly lookEveryMs: number; readonly nowMs: number },
  call: Call
): Promise<{ readonly before: Seen | null; readonly tag: string } | null> {
  const { lookEveryMs, nowMs } = input;
  const found = await documents.readDocument<Seen>(path, call);
  const before = found?.value ?? null;
  // A clock that was set back must not end the looking.
  if (before !== null && nowMs >= before.lookedAt) {
    const isBusy = nowMs < before.busyUntil;
    const hasEnded = before.busyUntil === 0;
    if (isBusy || (hasEnded && nowMs - before.lookedAt < lookEveryMs)) return null;
  }
  const mine: Seen = { v: 1, lookedAt: nowMs, busyUntil: nowMs + busyMs, since: before?.since ?? {} };
  try {
    const condition = found === null ? { ifAbsent: true as const } : { ifTag: found.tag };
    return { before, tag: (await documents.writeDocument(path, mine, condition, call)).tag };
  } catch (error) {
    if (isClass(error, 'Conflict')) return null;
    throw error;
  }
}

/** Input of {@link removeLeftovers}. */
interface LeftoversInput {
  readonly store: ArtifactStore;
  /** Looks below this prefix only; default everywhere this installation seals artifacts. */
  readonly prefix?: string;
  /** How long a leftover must have stayed as it is, in milliseconds: longer than any pause of a transfer. */
  readonly olderThanMs: number;
  /** A call does nothing when the last look is younger than this, in milliseconds; default 0. */
  readonly lookEveryMs?: number;
  /** Most leftovers that one call removes; default 500. */
  readonly most?: number;
  /** Clock in epoch milliseconds; default the machine's. */
  readonly now?: () => number;
}

/**
 * Removes what failed or cancelled transfers have left: open uploads, staged files, and files of artifacts that were never
 * published. A leftover is removed when it was seen in the same state for at least `olderThanMs`. Call it regularly; the
 * first call only looks. Of callers at the same time one does it, and one that dies is followed after a quarter of an hour.
 * A transfer that is repeated at the very moment of the removal is told to come back, or sends again what is gone.
 *
 * @returns How many leftovers were removed, and how many still wait; zeros when it was not this caller's turn.
 */
export async function removeLeftovers(
  input: LeftoversInput,
  call: Call
): Promise<{ readonly removed: number; readonly waiting: number }> {
  const { store, prefix, olderThanMs, lookEveryMs = 0, most = 500, now = Date.now } = input;
  const documents = createDocuments({ store, prefix: prefix ?? 'housekeeping' });
  const path = prefix === undefined ? 'leftovers' : '.leftovers';
  const nowMs = now();
  const trustedUntil = performance.now() + trustedMs;
  const isInTime = (): boolean => performance.now() < trustedUntil;
  const claim = await claimLook(documents, path, { lookEveryMs, nowMs }, call);
  if (claim === null) return { removed: 0, waiting: 0 };
  const before = claim.before?.since ?? {};
  const since: [string, number][] = [];
  let removed = 0;
  for (const leftover of await leftoversOf(store, prefix, call)) {
    const first = Math.min(before[leftover.state] ?? nowMs, nowMs);
    const isDue = leftover.hasBegun || nowMs - first >= olderThanMs;
    const hasRoom = removed < most && isInTime();
    if (isDue && hasRoom && (await leftover.remove(isInTime))) removed += 1;
    else since.push([leftover.state, first]);
  }
  // What there was no room for is not left until the next look is due.
  const lookedAt = removed < most && isInTime() ? nowMs : 0;
  const after: Seen = { v: 1, lookedAt, busyUntil: 0, since: Object.fromEntries(since) };
  try {
    await documents.writeDocument(path, after, { ifTag: claim.tag }, call);
  } catch (error) {
    // Somebody else goes on: this one took too long.
    if (!isClass(error, 'Conflict')) throw error;
  }
  return { removed, waiting: since.length };
}
