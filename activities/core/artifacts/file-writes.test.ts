import fs, { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ArtifactStore, Call } from '../ports/index.js';
import { ownedName, ownIdentity } from '../processes/index.js';
import { createFileStore } from './file-store.js';
import { openFilesBelow } from './open-files.test.util.js';

// What the file system answers now and then, and what writes of other machines leave.

let root: string;
let store: ArtifactStore;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'retempo-file-writes-'));
  store = createFileStore({ root });
});
afterEach(async () => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
  await rm(root, { recursive: true, force: true });
});

const call = (): Call => ({ signal: new AbortController().signal, deadlineMs: Date.now() + 30_000 });
const put = (key: string, bytes: string | Uint8Array) => store.put(key, Buffer.from(bytes), { ifAbsent: true }, call());
const unfinished = () => readdir(join(root, '.retempo-store', 'tmp'));
/** The next call of a function of the file system fails so. */
function failOnce(name: 'copyFile' | 'link' | 'readdir' | 'stat' | 'unlink', code: string): void {
  vi.spyOn(fs, name).mockRejectedValueOnce(Object.assign(new Error(`${code}: not now`), { code }));
  syncBuiltinESMExports();
}

describe('a copy inside the store, where blocks cannot be shared', () => {
  beforeEach(() => failOnce('copyFile', 'ENOTSUP'));

  it('of a file that has as many names as a file can have is one of its bytes', async () => {
    await put('a', 'bytes');
    failOnce('link', 'EMLINK');
    await store.copy?.('a', 'b', call());
    expect(await readFile(join(root, 'b'), 'utf8')).toBe('bytes');
    expect((await stat(join(root, 'b'))).ino).not.toBe((await stat(join(root, 'a'))).ino);
  });

  it('that cannot be made is told, and leaves nothing', async () => {
    await put('a', 'bytes');
    failOnce('link', 'EIO');
    await expect(store.copy?.('a', 'b', call())).rejects.toThrow('EIO');
    expect([await store.head('b', call()), await unfinished()]).toEqual([null, []]);
  });
});

it('what cannot be deleted is not said to be', async () => {
  await put('a', 'bytes');
  failOnce('unlink', 'EIO');
  await expect(store.delete('a', call())).rejects.toThrow('EIO');
  expect(await store.head('a', call())).not.toBeNull();
  await store.delete('a', call());
  expect(await store.head('a', call())).toBeNull();
});

it('A6: unfinished writes of another machine go when they are a day old', async () => {
  await put('a', 'bytes');
  const [, ...own] = ownedName().split('-');
  const [young, old] = ['00000000aa', '00000000bb'].map((place) => [place, ...own].join('-'));
  const folder = join(root, '.retempo-store', 'tmp');
  for (const name of [young, old]) {
    await mkdir(join(folder, name ?? ''));
    await writeFile(join(folder, name ?? '', 'half'), '');
  }
  const dayAgo = Date.now() / 1000 - 24 * 3600 - 60;
  await utimes(join(folder, old ?? ''), dayAgo, dayAgo);
  await createFileStore({ root }).put('b', Buffer.from('bytes'), { ifAbsent: true }, call());
  expect(await unfinished()).toEqual([young]);
});

it('A6: an unfinished write of a living process stays, however old it is', async () => {
  await put('a', 'bytes');
  const mine = ownedName();
  await writeFile(join(root, '.retempo-store', 'tmp', mine), 'half');
  await utimes(join(root, '.retempo-store', 'tmp', mine), 0, 0);
  await createFileStore({ root }).put('b', Buffer.from('bytes'), { ifAbsent: true }, call());
  expect(await unfinished()).toEqual([mine]);
});

it('A6: tickets of dead processes go with their unfinished writes', async () => {
  await put('a', 'bytes');
  const locks = join(root, '.retempo-store', 'locks');
  await mkdir(locks, { recursive: true });
  await writeFile(join(locks, 'new.1'), JSON.stringify({ ...ownIdentity(), started: 'never', nonce: '1' }));
  await createFileStore({ root }).put('b', Buffer.from('bytes'), { ifAbsent: true }, call());
  expect(await readdir(locks)).toEqual([]);
});

it('A6: what somebody else removes at the same time is no reason not to write', async () => {
  await put('a', 'bytes');
  const [, ...own] = ownedName().split('-');
  await writeFile(join(root, '.retempo-store', 'tmp', ['00000000aa', ...own].join('-')), '');
  const { rm: remove } = fs;
  vi.spyOn(fs, 'rm').mockImplementation(async (path, options) => {
    await remove(path, { recursive: true });
    await remove(path, options);
  });
  failOnce('stat', 'ENOENT');
  await createFileStore({ root }).put('b', Buffer.from('bytes'), { ifAbsent: true }, call());
  expect(await unfinished()).toEqual([]);
});

it('what cannot be given its name is told as that, not as a name that is taken', async () => {
  failOnce('link', 'EIO');
  await expect(put('a', 'bytes')).rejects.toMatchObject({ class: 'ServiceFault' });
  expect([await store.head('a', call()), await unfinished()]).toEqual([null, []]);
});

it('what cannot be listed is told as what it is', async () => {
  await put('a', 'bytes');
  failOnce('readdir', 'EACCES');
  await expect(store.list('', call())[Symbol.asyncIterator]().next()).rejects.toMatchObject({ class: 'AuthDenied' });
});

it('a name is free again when the last key below it is gone', async () => {
  await put('a/b/c', 'bytes');
  await store.delete('a/b/c', call());
  await put('a', 'bytes');
});

it('nobody waits for it any more: nothing is copied, and what is read or listed ends there', async () => {
  await put('a', Buffer.alloc(3 * 1024 * 1024));
  await put('b', 'bytes');
  const cancelled = { class: 'Cancelled' };
  await expect(store.copy?.('a', 'c', { ...call(), signal: AbortSignal.abort() })).rejects.toMatchObject(cancelled);
  expect(await store.head('c', call())).toBeNull();
  for (const begin of [(during: Call) => store.read('a', {}, during), (during: Call) => store.list('', during)]) {
    const controller = new AbortController();
    let given = 0;
    const going = async () => {
      for await (const _ of begin({ ...call(), signal: controller.signal })) {
        given += 1;
        controller.abort();
      }
    };
    await expect(going()).rejects.toMatchObject(cancelled);
    expect(given).toBe(1);
  }
});

it.runIf(process.platform === 'linux')('leaves no file open, however a call ends', async () => {
  const { version } = await put('a', Buffer.alloc(3 * 1024 * 1024));
  for await (const _ of store.read('a', {}, call())) break;
  const reading = async (from: string) => {
    for await (const _ of store.read('a', { version: from }, call())) await store.head('a', call());
  };
  await reading(version);
  await expect(reading('other')).rejects.toMatchObject({ class: 'Conflict' });
  await store.copy?.('a', 'b', call());
  await expect(put('a', 'other')).rejects.toMatchObject({ class: 'Conflict' });
  const small = await put('small', 'bytes');
  await store.put('small', Buffer.from('other'), { ifVersion: small.version }, call());
  await store.delete('a', call());
  expect(await openFilesBelow(root)).toEqual([]);
});
