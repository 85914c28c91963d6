import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ArtifactRef } from '@retempo/workflows/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PortError, type ArtifactStore, type Call } from '../ports/index.js';
import { metered } from '../conformance/metered.js';
import { copyArtifact } from './copy.js';
import { deleteArtifact } from './delete.js';
import { digestBytes } from './digest.js';
import { createFileStore } from './file-store.js';
import { removeLeftovers } from './leftovers.js';
import { manifestName, maxArtifactFiles } from './manifest.js';
import { isClass, uploadObject } from './objects.js';
import { partSizeBytes } from './part-size.js';
import { openArtifact, readVerified, verifyArtifact } from './read.js';
import { sealFolder } from './seal.js';
import { createStores } from './stores.js';

// What no well-behaved store does, and what a death at one instant leaves; the rest is in the conformance suite.

let temporary: string;
let store: ArtifactStore;
beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'retempo-transfers-'));
  await mkdir(join(temporary, 'store'));
  await mkdir(join(temporary, 'source'));
  store = createFileStore({ root: join(temporary, 'store') });
});
afterEach(() => rm(temporary, { recursive: true, force: true }));

const call = (): Call => ({ signal: new AbortController().signal, deadlineMs: Date.now() + 60_000 });

async function sealed(files: Readonly<Record<string, string | Uint8Array>>): Promise<ArtifactRef> {
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(temporary, 'source', name), bytes);
  return sealFolder({ store, folder: join(temporary, 'source'), prefix: 'versions/m' }, call());
}
const stores = () => createStores([store]);

describe('transfers', () => {
  it.each<[string, string, (key: string) => Promise<unknown>]>([
    [
      'with a file that does not belong to it',
      'stray',
      (key) => store.put(`${key}/stray`, Buffer.from('x'), { ifAbsent: true }, call()),
    ],
    ['of which a file is gone', 'b', (key) => store.delete(`${key}/b`, call())],
  ])('A3: an artifact %s is not copied', async (_what, named, damage) => {
    const ref = await sealed({ a: 'one', b: 'two' });
    await damage(stores().resolve(ref.uri).key);
    const copying = copyArtifact({ from: { stores: stores(), ref }, to: { store, prefix: 'replicas' } }, call());
    await expect(copying).rejects.toMatchObject({
      class: 'Integrity',
      message: expect.stringContaining(`/${named} `) as string,
    });
    const copied: string[] = [];
    for await (const one of store.list('replicas/', call())) copied.push(one);
    expect(copied).toEqual([]);
  });

  it('A4: a copy goes nowhere outside the store, and one that nobody waits for goes no further', async () => {
    const ref = await sealed({ a: 'one', b: 'two' });
    const from = { stores: stores(), ref };
    const outside = ['', '/', '..', 'replicas/../..', 'replicas/', '.retempo-store', 'a\\b'];
    for (const prefix of outside)
      await expect(copyArtifact({ from, to: { store, prefix } }, call()), prefix).rejects.toMatchObject({
        class: 'InvalidSpec',
      });
    const controller = new AbortController();
    const cancelling: ArtifactStore = {
      ...store,
      async copy(source, target, options) {
        await store.copy?.(source, target, options);
        controller.abort();
      },
    };
    const cancelled = copyArtifact(
      { from, to: { store: cancelling, prefix: 'replicas' }, concurrency: 1 },
      { ...call(), signal: controller.signal }
    );
    await expect(cancelled).rejects.toMatchObject({ class: 'Cancelled' });
    const copied: string[] = [];
    for await (const key of store.list('replicas/', call())) copied.push(key);
    expect(copied).toEqual([expect.stringMatching(/\/a$/)]);
  });

  it.each<[string, number, RegExp]>([
    ['more', 1, /gave more bytes than were asked for/],
    ['fewer', -1, /ends after 2 bytes, expected 3 or more/],
  ])(
    'A3: a store that gives %s bytes than are there is found out, and nothing beyond the end is given on',
    async (_what, by, says) => {
      const ref = await sealed({ a: 'one' });
      const wrong: ArtifactStore = {
        ...store,
        async *read(key, ...input) {
          const whole: Uint8Array[] = [];
          for await (const chunk of store.read(key, ...input)) whole.push(chunk);
          const bytes = Buffer.concat(whole);
          yield key.endsWith('/a') ? Buffer.concat([bytes, Buffer.from('x')]).subarray(0, bytes.length + by) : bytes;
        },
      };
      const artifact = await openArtifact({ stores: createStores([wrong]), ref }, call());
      const given: number[] = [];
      const reading = readVerified(artifact, call(), ({ from, bytes }) => {
        given.push(from + bytes.length);
        return Promise.resolve();
      });
      await expect(reading).rejects.toMatchObject({
        class: 'Integrity',
        message: expect.stringMatching(says) as string,
      });
      expect(Math.max(0, ...given)).toBeLessThanOrEqual(3);
    }
  );

  it('A3: a store that received other bytes than were sent is found out, and the upload is aborted', async () => {
    const size = 2 * partSizeBytes(1);
    const bytes = Buffer.alloc(size, 'w');
    const wrong: ArtifactStore = {
      ...store,
      upload: {
        ...store.upload,
        part: (upload, number, given, options) =>
          store.upload.part(upload, number, number === 2 ? Buffer.alloc(given.length, 'x') : given, options),
      },
    };
    const known = () => digestBytes(bytes.subarray(0, partSizeBytes(1)));
    const fill = (_number: number, target: Uint8Array) => {
      target.set(bytes.subarray(0, target.length));
      return Promise.resolve();
    };
    await expect(uploadObject({ store: wrong, key: 'k', size, known, fill }, call())).rejects.toMatchObject({
      class: 'Integrity',
    });
    expect(await store.head('k', call())).toBeNull();
    for await (const upload of store.upload.open('', call())) expect.unreachable(upload.key);
  });

  it('A1: an upload is not completed with parts that it does not have', async () => {
    const size = partSizeBytes(1);
    const upload = await store.upload.begin('k', size, call());
    const part = await store.upload.part(upload, 1, Buffer.alloc(size, 'w'), call());
    for (const parts of [[], [part, { ...part, number: 2 }], [part, part]]) {
      await expect(store.upload.complete(upload, parts, call())).rejects.toMatchObject({ class: 'Conflict' });
    }
    expect(await store.head('k', call())).toBeNull();
    await store.upload.complete(upload, [part], call());
  });

  it('A6: an upload is aborted although parts of it are being sent, which say that it is gone', async () => {
    const size = 64 * partSizeBytes(1);
    const bytes = Buffer.alloc(partSizeBytes(1), 'w');
    for (let round = 0; round < 10; round++) {
      const upload = await store.upload.begin('k', size, call());
      const sending = Array.from({ length: 16 }, async (_, index) => {
        for (let number = index * 4 + 1; number <= index * 4 + 4; number++)
          await store.upload.part(upload, number, bytes.subarray(), call());
      });
      const settled = Promise.allSettled(sending);
      await new Promise((resolve) => setTimeout(resolve, round));
      await store.upload.abort(upload, call());
      for (const part of await settled) {
        if (part.status === 'rejected') expect(part.reason).toMatchObject({ class: 'NotFound' });
      }
      await expect(store.upload.confirmed(upload, call())).rejects.toMatchObject({ class: 'NotFound' });
    }
    expect(await readdir(join(temporary, 'store', '.retempo-store', 'uploads'))).toEqual([]);
    expect(await readdir(join(temporary, 'store', '.retempo-store', 'tmp'))).toEqual([]);
  });

  it('A6: a seal before any call of a remover publishes all and keeps it, or is told to come back', async () => {
    const folder = join(temporary, 'source');
    for (const name of ['a', 'b', 'c']) await writeFile(join(folder, name), name);
    const told: string[] = [];
    for (let at = 1; ; at++) {
      const prefix = `versions/m${at}`;
      const { uri } = await sealFolder({ store, folder, prefix }, call());
      await store.delete(`${stores().resolve(uri).key}/${manifestName}`, call());
      let published: ArtifactRef | null = null;
      const { store: watched, meter } = metered(store, undefined, async (operation) => {
        if (operation !== at) return;
        published = await sealFolder({ store, folder, prefix }, call()).catch((error: unknown) => {
          if (!isClass(error, 'ServiceFault')) throw error;
          told.push((error as Error).message);
          return null;
        });
      });
      await removeLeftovers({ store: watched, prefix, olderThanMs: 0 }, call());
      if (published !== null) await verifyArtifact({ stores: stores(), ref: published }, call());
      const ref = await sealFolder({ store, folder, prefix }, call());
      await verifyArtifact({ stores: stores(), ref }, call());
      if (meter.operations < at) break;
    }
    expect(told.length).toBeGreaterThan(2);
  });

  it('A1: of an artifact that is being deleted no reader sees a part', async () => {
    const ref = await sealed({ a: 'one', b: 'two', c: 'three' });
    let deletions = 0;
    const dying: ArtifactStore = {
      ...store,
      async delete(...input) {
        deletions += 1;
        if (deletions === 3) throw new PortError('ServiceFault', 'gone');
        await store.delete(...input);
      },
    };
    await expect(deleteArtifact({ stores: createStores([dying]), ref }, call())).rejects.toThrow('gone');
    await expect(verifyArtifact({ stores: stores(), ref }, call())).rejects.toMatchObject({ class: 'NotFound' });
    await deleteArtifact({ stores: stores(), ref }, call());
    for await (const key of store.list('versions/', call())) expect.unreachable(key);
  });

  it('an artifact has at most so many files, and says so before anything is sent', async () => {
    for (let i = 0; i <= maxArtifactFiles; i++) await writeFile(join(temporary, 'source', String(i)), '');
    // Larger than one part: it would be sent while it is hashed, long before the manifest is made.
    await writeFile(join(temporary, 'source', '0'), Buffer.alloc(2 * partSizeBytes(0)));
    await expect(sealed({})).rejects.toMatchObject({
      class: 'InvalidSpec',
      message: expect.stringContaining('pack them') as string,
    });
    for await (const key of store.list('', call())) expect.unreachable(key);
  });
});
