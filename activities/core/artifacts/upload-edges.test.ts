import fs from 'node:fs/promises';
import { link, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ArtifactStore, Call, Part, UploadRef } from '../ports/index.js';
import { createFileStore } from './file-store.js';
import { openFilesBelow } from './open-files.test.util.js';
import { partSizeBytes } from './part-size.js';

// What an upload is believed to hold, when a twin, a crash of the machine or the file system is in its way.

let root: string;
let store: ArtifactStore;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'retempo-upload-edges-'));
  store = createFileStore({ root });
});
afterEach(async () => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
  await rm(root, { recursive: true, force: true });
});

const call = (signal = new AbortController().signal): Call => ({ signal, deadlineMs: Date.now() + 60_000 });
const folderOf = ({ id }: UploadRef) => join(root, '.retempo-store', 'uploads', id);
const markersOf = async (upload: UploadRef) =>
  (await readdir(folderOf(upload))).filter((name) => name.startsWith('part-'));
const confirmed = async (upload: UploadRef) =>
  (await store.upload.confirmed(upload, call())).map(({ number, digest }) => [number, digest]);
const open = async (prefix = '', during = call()) => {
  const found: UploadRef[] = [];
  for await (const upload of store.upload.open(prefix, during)) found.push(upload);
  return found;
};
const bytesOf = (letter: string) => Buffer.alloc(partSizeBytes(1), letter);
/** The next calls of a function of the file system fail so. */
function failing(name: 'rename' | 'rm', code: string): void {
  vi.spyOn(fs, name).mockRejectedValue(Object.assign(new Error(`${code}: not now`), { code }));
  syncBuiltinESMExports();
}

describe('A1: a part', () => {
  it('that a crash of the machine has cut off is not believed, and not waited for', async () => {
    const upload = await store.upload.begin('a', 3, call());
    await store.upload.part(upload, 1, Buffer.from('one'), call());
    const [name = ''] = await markersOf(upload);
    await rename(join(folderOf(upload), name), join(folderOf(upload), name.replace(/-\w+$/, '-earlier')));
    await truncate(join(folderOf(upload), 'data'), 2);
    expect(await confirmed(upload)).toEqual([]);
  });

  it('of which twins say two things is what its bytes are', async () => {
    const upload = await store.upload.begin('a', 12 * partSizeBytes(1), call());
    const sent: Part[] = [];
    for (const number of [2, 11, 1]) sent.push(await store.upload.part(upload, number, bytesOf(`${number}`), call()));
    const other = await store.upload.part(await store.upload.begin('b', 5, call()), 1, Buffer.from('other'), call());
    for (const name of await markersOf(upload)) {
      const hex = other.digest.slice('sha256:'.length);
      for (const first of ['0', 'f'])
        await writeFile(join(folderOf(upload), name.replace(/[0-9a-f]{64}/, first + hex.slice(1))), '');
    }
    expect(await confirmed(upload)).toEqual(
      [1, 2, 11].map((n) => [n, sent.find(({ number }) => number === n)?.digest])
    );
  });

  it('sent again with the same bytes is not even touched: a twin may be completing the upload', async () => {
    const upload = await store.upload.begin('a', 3, call());
    const part = await store.upload.part(upload, 1, Buffer.from('one'), call());
    const before = await stat(join(folderOf(upload), 'data'), { bigint: true });
    expect(await store.upload.part(upload, 1, Buffer.from('one'), call())).toEqual(part);
    expect(await stat(join(folderOf(upload), 'data'), { bigint: true })).toEqual(before);
  });

  it('sent again with the bytes of another part is written', async () => {
    const upload = await store.upload.begin('a', 2 * partSizeBytes(1), call());
    const first = await store.upload.part(upload, 1, bytesOf('x'), call());
    await store.upload.part(upload, 2, bytesOf('y'), call());
    await store.upload.part(upload, 2, bytesOf('x'), call());
    await store.upload.complete(upload, [first, { ...first, number: 2 }], call());
    expect((await readFile(join(root, 'a'))).equals(Buffer.concat([bytesOf('x'), bytesOf('x')]))).toBe(true);
  });

  it('whose old bytes a twin has just taken back is sent', async () => {
    const upload = await store.upload.begin('a', 3, call());
    await store.upload.part(upload, 1, Buffer.from('one'), call());
    const { rm: remove } = fs;
    vi.spyOn(fs, 'rm').mockImplementationOnce(async (path, options) => {
      await remove(path);
      await remove(path, options);
    });
    syncBuiltinESMExports();
    const part = await store.upload.part(upload, 1, Buffer.from('two'), call());
    expect(await confirmed(upload)).toEqual([[1, part.digest]]);
  });

  it('whose old bytes are still said to be there is not sent', async () => {
    const upload = await store.upload.begin('a', 3, call());
    await store.upload.part(upload, 1, Buffer.from('one'), call());
    failing('rm', 'EIO');
    await expect(store.upload.part(upload, 1, Buffer.from('two'), call())).rejects.toThrow('EIO');
    expect(await readFile(join(folderOf(upload), 'data'), 'utf8')).toBe('one');
  });
});

describe('A2: completing an upload', () => {
  const begun = async () => {
    const upload = await store.upload.begin('a', 3, call());
    return { upload, part: await store.upload.part(upload, 1, Buffer.from('one'), call()) };
  };

  it('that was published before its folder could be removed ends it', async () => {
    const { upload, part } = await begun();
    await link(join(folderOf(upload), 'data'), join(root, 'a'));
    await store.upload.complete(upload, [part], call());
    expect([await readFile(join(root, 'a'), 'utf8'), await open()]).toEqual(['one', []]);
  });

  it('does not take the same bytes of somebody else for its own', async () => {
    const { upload, part } = await begun();
    await store.put('a', Buffer.from('one'), { ifAbsent: true }, call());
    await expect(store.upload.complete(upload, [part], call())).rejects.toMatchObject({ class: 'Conflict' });
    expect(await open()).toEqual([upload]);
  });

  it('does not take a file of another disk for its own because it has the same number there', async () => {
    const { upload, part } = await begun();
    await store.put('a', Buffer.from('two'), { ifAbsent: true }, call());
    const { ino, dev } = await stat(join(folderOf(upload), 'data'));
    const { stat: look } = fs;
    // What the system says of a disk that is mounted below the root.
    vi.spyOn(fs, 'stat').mockImplementation((async (path: string) =>
      path === join(root, 'a') ? { ino, dev: dev + 1 } : look(path)) as typeof look);
    syncBuiltinESMExports();
    await expect(store.upload.complete(upload, [part], call())).rejects.toMatchObject({ class: 'Conflict' });
  });
});

describe('A6: an upload', () => {
  it('that cannot be removed is not said to be aborted', async () => {
    const upload = await store.upload.begin('a', 3, call());
    failing('rename', 'EIO');
    await expect(store.upload.abort(upload, call())).rejects.toThrow('EIO');
    expect(await open()).toEqual([upload]);
  });

  it('whose description cannot be read is told: neither gone nor skipped', async () => {
    const upload = await store.upload.begin('a', 3, call());
    await rm(join(folderOf(upload), 'about.json'));
    await mkdir(join(folderOf(upload), 'about.json'));
    const unreadable = { class: 'Conflict', message: expect.stringContaining('is a folder') as string };
    await expect(store.upload.confirmed(upload, call())).rejects.toMatchObject(unreadable);
    await expect(open()).rejects.toMatchObject(unreadable);
  });

  it('is one that this store has begun: what else lies beside it is not listed', async () => {
    const upload = await store.upload.begin('a', 3, call());
    await mkdir(join(folderOf(upload), '..', 'saved'));
    await writeFile(join(folderOf(upload), '..', 'saved', 'about.json'), '{"v":1,"key":"a","size":3}');
    await mkdir(join(folderOf(upload), '..', '0'.repeat(32)));
    expect(await open()).toEqual([upload]);
    await expect(open('../')).rejects.toMatchObject({ class: 'InvalidSpec' });
  });

  it('is found in the same order by everybody, so that twins go on with the same one', async () => {
    const begun: UploadRef[] = [];
    for (let index = 0; index < 20; index++) begun.push(await store.upload.begin(index % 2 ? 'a' : 'b', 3, call()));
    const place = ({ key, id }: UploadRef) => `${key} ${id}`;
    expect((await open()).map(place)).toEqual(begun.map(place).sort());
  });

  it('is left as it is by a call that nobody waits for', async () => {
    const upload = await store.upload.begin('a', 3, call());
    const part = await store.upload.part(upload, 1, Buffer.from('one'), call());
    const over = call(AbortSignal.abort());
    const state = async () => [await readFile(join(folderOf(upload), 'data'), 'utf8'), await markersOf(upload)];
    const before = await state();
    for (const use of [
      () => store.upload.confirmed(upload, over),
      () => store.upload.part(upload, 1, Buffer.from('two'), over),
      () => store.upload.complete(upload, [part], over),
      () => store.upload.abort(upload, over),
      () => open('', over),
    ])
      await expect(use()).rejects.toMatchObject({ class: 'Cancelled' });
    expect([await state(), await store.head('a', call())]).toEqual([before, null]);
  });

  it.runIf(process.platform === 'linux')('leaves no file open', async () => {
    const upload = await store.upload.begin('a', 3, call());
    await store.upload.part(upload, 1, Buffer.from('one'), call());
    expect(await openFilesBelow(root)).toEqual([]);
    const [name = ''] = await markersOf(upload);
    await rename(join(folderOf(upload), name), join(folderOf(upload), name.replace(/-\w+$/, '-earlier')));
    expect((await confirmed(upload)).length).toBe(1);
    expect(await openFilesBelow(root)).toEqual([]);
  });
});
