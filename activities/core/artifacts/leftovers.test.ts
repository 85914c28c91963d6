import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PortError, type ArtifactStore, type Call } from '../ports/index.js';
import { createFileStore } from './file-store.js';
import { removeLeftovers } from './leftovers.js';
import { manifestName } from './manifest.js';
import { partSizeBytes } from './part-size.js';
import { removalNote } from './publish.js';

// Whose turn it is to look, and what counts as left; the rest is in the conformance suite.

let root: string;
let store: ArtifactStore;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'retempo-leftovers-'));
  store = createFileStore({ root });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(root, { recursive: true, force: true });
});

const prefix = 'versions';
const group = `${prefix}/${'ab'.repeat(16)}`;
const minute = 60_000;
const call = (): Call => ({ signal: new AbortController().signal, deadlineMs: Date.now() + minute });
const put = (key: string) => store.put(key, Buffer.from('x'), { ifAbsent: true }, call());
const at = (now: number, input: { readonly store?: ArtifactStore; readonly lookEveryMs?: number } = {}) =>
  removeLeftovers({ store, prefix, olderThanMs: 1000, now: () => now, ...input }, call());
async function left(): Promise<readonly string[]> {
  const keys: string[] = [];
  for await (const key of store.list(`${group}/`, call())) keys.push(key.slice(group.length + 1));
  return keys;
}
/** The store; right before it is listed for the first time something happens. */
function beforeListing(happens: () => Promise<unknown>): ArtifactStore {
  let isFirst = true;
  return {
    ...store,
    async *list(...input) {
      if (isFirst) {
        isFirst = false;
        await happens();
      }
      yield* store.list(...input);
    },
  };
}
const nothing = { removed: 0, waiting: 0 };

describe('A6: of those who look for leftovers', () => {
  it('one does it at a time, until it has had a quarter of an hour', async () => {
    await put(`${group}/a`);
    await at(0);
    const others: unknown[] = [];
    const slow = beforeListing(async () => {
      others.push(await at(5000), await at(5000 + 15 * minute - 1), await left());
      others.push(await at(5000 + 15 * minute), await left());
    });
    // It goes on, finds nothing any more, and leaves the notes of the one that followed it.
    expect(await at(5000, { store: slow })).toEqual(nothing);
    expect(others).toEqual([nothing, nothing, ['a'], { removed: 1, waiting: 0 }, []]);
    await put(`${group}/b`);
    expect(await at(5001 + 15 * minute)).toEqual({ removed: 0, waiting: 1 });
  });

  it('one begins when two have seen that it is time', async () => {
    await put(`${group}/a`);
    await at(0);
    let other: unknown;
    const late: ArtifactStore = {
      ...store,
      async put(key, ...input) {
        if (other === undefined && key.includes('leftovers')) other = await at(1000);
        return store.put(key, ...input);
      },
    };
    expect([await at(1000, { store: late }), other]).toEqual([nothing, { removed: 1, waiting: 0 }]);
  });

  it('each goes on when the clock was set back, and counts from then', async () => {
    await put(`${group}/a`);
    expect(await at(100_000, { lookEveryMs: 500 })).toEqual({ removed: 0, waiting: 1 });
    expect(await at(5000, { lookEveryMs: 500 })).toEqual({ removed: 0, waiting: 1 });
    expect(await at(5999, { lookEveryMs: 500 })).toEqual({ removed: 0, waiting: 1 });
    expect(await at(6000)).toEqual({ removed: 1, waiting: 0 });
  });

  it('one whose time is up deletes nothing more; the next one ends what was begun, whatever its age', async () => {
    for (const name of ['a', 'b', 'c']) await put(`${group}/${name}`);
    await at(10 * minute);
    const start = performance.now();
    const slow: ArtifactStore = {
      ...store,
      async delete(...input) {
        await store.delete(...input);
        if (input[0].endsWith('/b')) vi.spyOn(performance, 'now').mockReturnValue(start + 11 * minute);
      },
    };
    expect(await at(12 * minute, { store: slow, lookEveryMs: minute })).toEqual({ removed: 0, waiting: 1 });
    vi.restoreAllMocks();
    expect(await left()).toEqual(['c', manifestName]);
    // At once: what there was no time for does not wait until it is time to look, nor until it has aged as it is now.
    expect(await at(12 * minute + 1, { lookEveryMs: minute })).toEqual({ removed: 1, waiting: 0 });
    expect(await left()).toEqual([]);
  });

  it('one whose time is up before the last step leaves it to the next one', async () => {
    await put(`${group}/a`);
    await at(0);
    const start = performance.now();
    const slow: ArtifactStore = {
      ...store,
      async delete(key, ...input) {
        await store.delete(key, ...input);
        vi.spyOn(performance, 'now').mockReturnValue(start + 11 * minute);
      },
    };
    expect(await at(1000, { store: slow })).toEqual({ removed: 0, waiting: 1 });
    expect(await left()).toEqual([manifestName]);
  });

  it('one whose time is up leaves the next leftover too', async () => {
    for (const name of ['ab', 'cd']) await put(`${prefix}/.sealing/${name.repeat(16)}/0`);
    await at(0);
    const start = performance.now();
    const slow: ArtifactStore = {
      ...store,
      async delete(...input) {
        await store.delete(...input);
        vi.spyOn(performance, 'now').mockReturnValue(start + 11 * minute);
      },
    };
    expect(await at(1000, { store: slow })).toEqual({ removed: 1, waiting: 1 });
  });

  it('one that dies is followed after a quarter of an hour, also where it is looked less often', async () => {
    const dying = beforeListing(() => Promise.reject(new Error('died')));
    await expect(at(0, { store: dying })).rejects.toThrow('died');
    await put(`${group}/a`);
    const lookEveryMs = 60 * minute;
    expect(await at(15 * minute - 1, { lookEveryMs })).toEqual(nothing);
    expect(await at(15 * minute, { lookEveryMs })).toEqual({ removed: 0, waiting: 1 });
  });

  it('one that cannot note what it has seen says so', async () => {
    await put(`${group}/a`);
    let notes = 0;
    const failing: ArtifactStore = {
      ...store,
      put: (key, ...input) =>
        key.includes('leftovers') && ++notes === 2
          ? Promise.reject(new PortError('ServiceFault', 'no more'))
          : store.put(key, ...input),
    };
    await expect(at(0, { store: failing })).rejects.toMatchObject({ class: 'ServiceFault' });
  });

  it('one that is told no stops there', async () => {
    await put(`${group}/a`);
    await at(0);
    const refusing: ArtifactStore = {
      ...store,
      put: (key, ...input) =>
        key.endsWith(manifestName)
          ? Promise.reject(new PortError('AuthDenied', 'no right to write'))
          : store.put(key, ...input),
    };
    await expect(at(1000, { store: refusing })).rejects.toMatchObject({ class: 'AuthDenied' });
    expect(await left()).toEqual(['a']);
  });
});

describe('A1: an artifact that is published at the moment of its removal', () => {
  it('stays whole', async () => {
    await put(`${group}/a`);
    await at(0);
    const late: ArtifactStore = {
      ...store,
      async put(key, ...input) {
        if (key.endsWith(manifestName)) await put(key);
        return store.put(key, ...input);
      },
    };
    expect(await at(1000, { store: late })).toEqual({ removed: 0, waiting: 1 });
    expect(await left()).toEqual(['a', manifestName]);
  });

  it('cannot be while a file is still to go: the note that keeps its manifest away goes last', async () => {
    for (const name of ['a', 'z']) await put(`${group}/${name}`);
    await store.put(`${group}/${manifestName}`, removalNote, { ifAbsent: true }, call());
    const deleted: string[] = [];
    const watched: ArtifactStore = {
      ...store,
      delete(key, ...input) {
        deleted.push(key.slice(group.length + 1));
        return store.delete(key, ...input);
      },
    };
    expect(await at(0, { store: watched })).toEqual({ removed: 1, waiting: 0 });
    expect(deleted).toEqual(['a', 'z', manifestName]);
  });
});

describe('A6: what still grows is left alone', () => {
  it.each<[string, (name: string) => Promise<unknown>]>([
    ['files without a manifest', (name) => put(`${group}/${name}`)],
    ['staged files', (name) => put(`${prefix}/.sealing/${'ab'.repeat(16)}/${name}`)],
  ])('%s', async (_what, grow) => {
    await grow('a');
    await at(0);
    await grow('b');
    expect(await at(1000)).toEqual({ removed: 0, waiting: 1 });
    expect(await at(1999)).toEqual({ removed: 0, waiting: 1 });
    expect(await at(2000)).toEqual({ removed: 1, waiting: 0 });
  });

  it('an upload, and the files it belongs to', async () => {
    await put(`${group}/a`);
    const upload = await store.upload.begin(`${group}/b`, 2 * partSizeBytes(1), call());
    await at(0);
    await store.upload.part(upload, 1, Buffer.alloc(partSizeBytes(1)), call());
    expect(await at(1000)).toEqual({ removed: 0, waiting: 2 });
    // Gone while it was looked at: no reason to leave the others.
    const without: ArtifactStore = {
      ...store,
      upload: { ...store.upload, confirmed: () => Promise.reject(new PortError('NotFound', 'gone')) },
    };
    expect(await at(2000, { store: without })).toEqual({ removed: 0, waiting: 2 });
    expect(await at(3000, { store: without })).toEqual({ removed: 2, waiting: 0 });
    expect(await left()).toEqual([]);
  });

  it('but not what has nothing to do with it', async () => {
    await put(`${group}/a`);
    const upload = await store.upload.begin(`${prefix}/${'cd'.repeat(16)}/b`, 2 * partSizeBytes(1), call());
    await at(0);
    await store.upload.part(upload, 1, Buffer.alloc(partSizeBytes(1)), call());
    expect(await at(1000)).toEqual({ removed: 1, waiting: 1 });
    expect(await left()).toEqual([]);
  });
});
