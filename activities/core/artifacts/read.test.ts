import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ArtifactRef } from '@retempo/workflows/contracts';
import type { ArtifactStore, Call } from '../ports/index.js';
import { createFileStore } from './file-store.js';
import { partSizeBytes } from './part-size.js';
import { checkListing, checkSizes, openArtifact, readVerified, verifyArtifact } from './read.js';
import { sealFolder } from './seal.js';
import { createStores } from './stores.js';

let temporary: string;
let store: ArtifactStore;
beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'retempo-read-'));
  for (const folder of ['store', 'source']) await mkdir(join(temporary, folder));
  store = createFileStore({ root: join(temporary, 'store') });
});
afterEach(() => rm(temporary, { recursive: true, force: true }));

const call = (signal = new AbortController().signal): Call => ({ signal, deadlineMs: Date.now() + 60_000 });
const seal = () => sealFolder({ store, folder: join(temporary, 'source'), prefix: 'm' }, call());

it('A3: what is no reference to an artifact is refused before anything is read', async () => {
  await writeFile(join(temporary, 'source', 'model'), 'bytes');
  const ref = await seal();
  const untouched: ArtifactStore = {
    ...store,
    read: () => {
      throw new Error('read');
    },
  };
  for (const wrong of [{ v: 2 }, { digest: 'sha256:1' }, { uri: ref.uri.slice(0, -1) }]) {
    const opening = openArtifact(
      { stores: createStores([untouched]), ref: { ...ref, ...wrong } as ArtifactRef },
      call()
    );
    await expect(opening, JSON.stringify(wrong)).rejects.toMatchObject({ class: 'InvalidSpec' });
  }
});

it('whatever chunks a store gives, pieces of a mebibyte come in order; so many parts at once as was said', async () => {
  const size = 3 * partSizeBytes(1) + 5;
  const bytes = Buffer.from(Uint32Array.from({ length: Math.ceil(size / 4) }, (_, index) => index).buffer).subarray(
    0,
    size
  );
  await writeFile(join(temporary, 'source', 'model'), bytes);
  const ref = await seal();
  let inFlight = 0;
  let most = 0;
  const uneven: ArtifactStore = {
    ...store,
    async *read(key, options, during) {
      most = Math.max(most, (inFlight += 1));
      const whole: Uint8Array[] = [];
      for await (const chunk of store.read(key, options, during)) whole.push(Buffer.from(chunk));
      const all = Buffer.concat(whole);
      for (let at = 0, step = 1; at < all.length; at += step, step = step * 3 + 1) yield all.subarray(at, at + step);
      inFlight -= 1;
    },
  };
  const artifact = await openArtifact({ stores: createStores([uneven]), ref }, call());
  const got = Buffer.alloc(size);
  const sizes: number[] = [];
  most = 0;
  const take = async ({ from, bytes: piece }: { readonly from: number; readonly bytes: Uint8Array }) => {
    sizes.push(piece.length);
    got.set(piece, from);
    await Promise.resolve();
  };
  await readVerified(artifact, call(), take, 2);
  expect([got.equals(bytes), most]).toEqual([true, 2]);
  expect(sizes.toSorted((a, b) => a - b)).toEqual([5, ...Array.from({ length: 24 }, () => 1024 * 1024)]);
});

it('nobody waits for it any more: it ends between two parts', async () => {
  for (const name of ['a', 'b', 'c']) await writeFile(join(temporary, 'source', name), name);
  const ref = await seal();
  const controller = new AbortController();
  const asked: string[] = [];
  // A store that does not look whether anybody waits.
  const deaf: ArtifactStore = {
    ...store,
    read(key, options) {
      asked.push(key);
      return store.read(key, options, call());
    },
  };
  const artifact = await openArtifact({ stores: createStores([deaf]), ref }, call());
  asked.length = 0;
  const take = () => Promise.resolve(controller.abort());
  await expect(readVerified(artifact, call(controller.signal), take, 1)).rejects.toMatchObject({ class: 'Cancelled' });
  expect(asked.length).toBe(1);
});

it('A3: an artifact that is not there, or not the one of the reference, is told as what it is', async () => {
  await writeFile(join(temporary, 'source', 'model'), 'bytes');
  const ref = await seal();
  const open = (change: Partial<ArtifactRef>) =>
    openArtifact({ stores: createStores([store]), ref: { ...ref, ...change } }, call());
  await expect(open({ uri: `${store.root}m/none/` })).rejects.toMatchObject({
    class: 'NotFound',
    message: `there is no artifact at ${store.root}m/none/: it was never completed, or was deleted; make it again or restore it`,
  });
  await expect(open({ bytes: 6 })).rejects.toMatchObject({
    class: 'Integrity',
    message: `${ref.uri} holds 5 bytes by its manifest, the reference says 6; use the reference as it was returned`,
  });
});

it('A3: a file that is missing is noticed by the list of files, and so is one too many', async () => {
  for (const name of ['model', 'vocabulary']) await writeFile(join(temporary, 'source', name), name);
  const artifact = await openArtifact({ stores: createStores([store]), ref: await seal() }, call());
  await checkListing(artifact, call());
  const key = `${artifact.folder}vocabulary`;
  await store.delete(key, call());
  await expect(checkListing(artifact, call())).rejects.toMatchObject({
    class: 'Integrity',
    message: `${store.root}${key} is in the manifest but not in the store; restore it or make the artifact again`,
  });
  await store.put(`${artifact.folder}words`, Buffer.from('words'), { ifAbsent: true }, call());
  await expect(checkListing(artifact, call())).rejects.toMatchObject({
    class: 'Integrity',
    message: `${store.root}${artifact.folder}words is not in the manifest of the artifact; it is not used, look who put it there and remove it`,
  });
});

it('A3: a store that gives more than was asked for is not listened to, and nothing of that is given on', async () => {
  await writeFile(join(temporary, 'source', 'model'), 'bytes');
  const ref = await seal();
  let isOver = false;
  const generous: ArtifactStore = {
    ...store,
    async *read(key, options, during) {
      yield* store.read(key, options, during);
      // The manifest is asked for whole.
      if (!key.endsWith('/model')) return;
      yield Buffer.from('and');
      isOver = true;
      yield Buffer.from('more');
    },
  };
  const artifact = await openArtifact({ stores: createStores([generous]), ref }, call());
  let given = 0;
  const take = ({ bytes }: { readonly bytes: Uint8Array }) => Promise.resolve(void (given += bytes.length));
  await expect(readVerified(artifact, call(), take)).rejects.toMatchObject({
    class: 'Integrity',
    message: expect.stringMatching(/\/model gave more bytes than were asked for; the artifact is not used/) as string,
  });
  expect([given, isOver]).toEqual([0, false]);
});

it.each([
  ['fewer', 'byt', /\/model ends after 3 bytes, expected 5 or more; the artifact is not used, restore it/],
  [
    'other',
    'Bytes',
    /\/model has digest sha256:[0-9a-f]{64} in bytes 0 to 5, the manifest says sha256:[0-9a-f]{64}; the/,
  ],
])('A3: a store that gives %s bytes than were sealed is not believed', async (_, given, message) => {
  await writeFile(join(temporary, 'source', 'model'), 'bytes');
  const ref = await seal();
  const wrong: ArtifactStore = {
    ...store,
    async *read(key, options, during) {
      if (key.endsWith('/model')) yield Buffer.from(given);
      else yield* store.read(key, options, during);
    },
  };
  const artifact = await openArtifact({ stores: createStores([wrong]), ref }, call());
  await expect(readVerified(artifact, call(), () => Promise.resolve())).rejects.toMatchObject({
    class: 'Integrity',
    message: expect.stringMatching(message) as string,
  });
});

it.each([
  ['another file', 'words', 'words', /words is not in the manifest of the artifact; it is not used/],
  ['bytes after the end', 'model', 'bytes and more', /model has 14 bytes, the manifest says 5; restore it or make/],
  ['other bytes', 'model', 'Bytes', /model has digest sha256:\w+ in bytes 0 to 5, the manifest says sha256:\w+; the/],
])('A3: an artifact with %s is not the one that was sealed', async (_, name, text, message) => {
  await writeFile(join(temporary, 'source', 'model'), 'bytes');
  const input = { stores: createStores([store]), ref: await seal() };
  const { folder, sealed } = await openArtifact(input, call());
  expect(await verifyArtifact(input, call())).toEqual(sealed);
  await store.delete(folder + name, call());
  await store.put(folder + name, Buffer.from(text), { ifAbsent: true }, call());
  await expect(verifyArtifact(input, call())).rejects.toMatchObject({
    class: 'Integrity',
    message: expect.stringMatching(message) as string,
  });
});

it('A3: a file that was deleted after it was listed has no bytes', async () => {
  await writeFile(join(temporary, 'source', 'model'), 'bytes');
  const artifact = await openArtifact({ stores: createStores([store]), ref: await seal() }, call());
  await store.delete(`${artifact.folder}model`, call());
  await expect(checkSizes(artifact, call())).rejects.toMatchObject({
    class: 'Integrity',
    message: expect.stringContaining('model has no bytes, the manifest says 5; restore it') as string,
  });
});
