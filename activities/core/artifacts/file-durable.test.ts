import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ArtifactStore, Call } from '../ports/index.js';
import { createFileStore } from './file-store.js';
import { materialize } from './materialize.js';
import { partSizeBytes } from './part-size.js';
import { sealFolder } from './seal.js';
import { createStores } from './stores.js';

// What a machine that loses power would keep. No test can take the power away: what can be seen is what is brought to the disk
// (`fsync`), and what readers see at that moment. Each synchronisation is really made, and written down with its moment.

let root: string;
let store: ArtifactStore;
/** What lies under the watched key. */
let look: () => Promise<string | null>;
/** What was brought to the disk, in order: the inode, and what was seen right then. */
let synced: {
  readonly inode: bigint;
  readonly isFolder: boolean;
  readonly size: bigint;
  readonly seen: string | null;
}[];
const key = 'versions/m/model.bin';

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'retempo-durable-'));
  store = createFileStore({ root });
  synced = [];
  const probe = await open(root, 'r');
  const handles = Object.getPrototypeOf(probe) as FileHandle;
  await probe.close();
  look = () => readFile(join(root, key), 'utf8').catch(() => null);
  const sync: (this: FileHandle) => Promise<void> = Reflect.get(handles, 'sync');
  vi.spyOn(handles, 'sync').mockImplementation(async function (this: FileHandle) {
    const stats = await this.stat({ bigint: true });
    const seen = await look();
    await sync.call(this);
    synced.push({ inode: stats.ino, isFolder: stats.isDirectory(), size: stats.size, seen });
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(root, { recursive: true, force: true });
});

const call = (): Call => ({ signal: new AbortController().signal, deadlineMs: Date.now() + 30_000 });
const inodeOf = async (...path: string[]): Promise<bigint> => (await stat(join(root, ...path), { bigint: true })).ino;
/** Synchronised folders, from the moment on that readers saw `text`. */
const foldersAfter = (text: string | null) =>
  synced.filter(({ isFolder, seen }) => isFolder && seen === text).map(({ inode }) => inode);
const bytesBefore = (text: string | null) => synced.filter(({ isFolder, seen }) => !isFolder && seen === text);

describe('A1: on the disk before anybody sees it, and its name before it is confirmed', () => {
  it('a new object, in folders that are new too', async () => {
    await mkdir(join(root, 'versions'));
    await store.put(key, Buffer.from('bytes'), { ifAbsent: true }, call());
    const written = { inode: await inodeOf(key), isFolder: false, size: 5n, seen: null };
    expect(synced).toContainEqual(written);
    // `m` holds the name of the object, `versions` that of `m`; the root knew `versions` before.
    expect(foldersAfter('bytes')).toEqual([await inodeOf('versions', 'm'), await inodeOf('versions')]);
  });

  it('one more object in a folder that is there', async () => {
    await mkdir(join(root, 'versions', 'm'), { recursive: true });
    await store.put(key, Buffer.from('bytes'), { ifAbsent: true }, call());
    expect(foldersAfter('bytes')).toEqual([await inodeOf('versions', 'm')]);
  });

  it('an object that is replaced', async () => {
    const { version } = await store.put(key, Buffer.from('old'), { ifAbsent: true }, call());
    synced = [];
    await store.put(key, Buffer.from('newer'), { ifVersion: version }, call());
    const written = { inode: await inodeOf(key), isFolder: false, size: 5n, seen: 'old' };
    expect(bytesBefore('old')).toContainEqual(written);
    expect(foldersAfter('newer')).toEqual([await inodeOf('versions', 'm')]);
  });

  it('an object that came in parts', async () => {
    const size = partSizeBytes(1) + 1;
    const bytes = Buffer.alloc(size, 'w');
    const upload = await store.upload.begin(key, size, call());
    const parts = [
      await store.upload.part(upload, 1, bytes.subarray(0, partSizeBytes(1)), call()),
      await store.upload.part(upload, 2, bytes.subarray(partSizeBytes(1)), call()),
    ];
    synced = [];
    await store.upload.complete(upload, parts, call());
    expect(bytesBefore(null)).toEqual([{ inode: await inodeOf(key), isFolder: false, size: BigInt(size), seen: null }]);
    expect(foldersAfter(bytes.toString())).toContain(await inodeOf('versions', 'm'));
  });

  it('what an upload is of, before the upload can be found', async () => {
    const folder = join(root, '.retempo-store', 'uploads');
    look = async () => (await readdir(folder).catch(() => [])).join();
    const { id } = await store.upload.begin(key, 1, call());
    const about = await stat(join(folder, id, 'about.json'), { bigint: true });
    expect(synced).toEqual([{ inode: about.ino, isFolder: false, size: about.size, seen: '' }]);
  });

  it('a copy', async () => {
    await store.put('elsewhere', Buffer.from('bytes'), { ifAbsent: true }, call());
    synced = [];
    await store.copy?.('elsewhere', key, call());
    expect(bytesBefore(null)).toEqual([{ inode: await inodeOf(key), isFolder: false, size: 5n, seen: null }]);
    expect(foldersAfter('bytes')).toContain(await inodeOf('versions', 'm'));
  });
});

it('A1: a lock names its holder on the disk before it is one', async () => {
  const { version } = await store.put(key, Buffer.from('old'), { ifAbsent: true }, call());
  const locks = join(root, '.retempo-store', 'locks');
  look = async () => (await readdir(locks).catch(() => [])).map((name) => name.split('.')[0]).join();
  synced = [];
  await store.put(key, Buffer.from('newer'), { ifVersion: version }, call());
  const [ticket] = bytesBefore('new');
  expect(Number(ticket?.size)).toBeGreaterThan('{}'.length);
});

it('A1: what is deleted is gone from the disk before that is confirmed', async () => {
  await store.put(key, Buffer.from('bytes'), { ifAbsent: true }, call());
  const folder = await inodeOf('versions', 'm');
  synced = [];
  await store.delete(key, call());
  expect(foldersAfter(null)).toContain(folder);
});

it('A3: a folder that is fetched is on the disk before it has its name, and its name before it is confirmed', async () => {
  const files = { model: 'bytes', 'deep/er/names': 'names', 'deep/empty': '' };
  const source = join(root, 'source');
  await mkdir(join(source, 'deep', 'er'), { recursive: true });
  for (const [path, text] of Object.entries(files)) await writeFile(join(source, path), text);
  const ref = await sealFolder({ store, folder: source, prefix: 'versions' }, call());
  const target = ['new', 'too', 'target'];
  look = async () => (await readdir(join(root, ...target)).catch(() => null))?.sort().join() ?? null;
  const fetch = () => materialize({ stores: createStores([store]), ref, folder: join(root, ...target) }, call());

  synced = [];
  await fetch();
  const written = Object.entries(files).map(async ([path, { length }]) => [await inodeOf(...target, path), length]);
  const flushed = bytesBefore(null).map(({ inode, size }) => [inode, Number(size)]);
  expect(new Map(flushed as [])).toEqual(new Map((await Promise.all(written)) as []));
  const folders = await Promise.all(['', 'deep', 'deep/er'].map((path) => inodeOf(...target, path)));
  expect(new Set(foldersAfter(null))).toEqual(new Set(folders));
  const above = [await inodeOf('new', 'too'), await inodeOf('new'), await inodeOf()];
  expect(foldersAfter('deep,model')).toEqual(above);

  // A killed process may have given the name, and told nobody.
  synced = [];
  await fetch();
  expect(foldersAfter('deep,model')).toEqual(above.slice(0, 1));
});
