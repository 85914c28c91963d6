import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ArtifactRef } from '@retempo/workflows/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withFaults } from '../conformance/lost-answers.js';
import type { ArtifactStore, Call } from '../ports/index.js';
import { copyArtifact } from './copy.js';
import { createFileStore } from './file-store.js';
import { artifactFolder, manifestName, type SealedManifest } from './manifest.js';
import { publishWhole, removalNote } from './publish.js';
import { readManifest, verifyArtifact } from './read.js';
import { sealFolder } from './seal.js';
import { createStores } from './stores.js';

let temporary: string;
let store: ArtifactStore;
let ref: ArtifactRef;
let sealed: SealedManifest;
beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'retempo-publish-'));
  for (const name of ['store', 'source']) await mkdir(join(temporary, name));
  for (const name of ['a', 'b']) await writeFile(join(temporary, 'source', name), name);
  store = createFileStore({ root: join(temporary, 'store') });
  ref = await sealFolder({ store, folder: join(temporary, 'source'), prefix: 'made' }, call());
  sealed = await readManifest({ stores: createStores([store]), ref }, call());
});
afterEach(() => rm(temporary, { recursive: true, force: true }));

const call = (): Call => ({ signal: new AbortController().signal, deadlineMs: Date.now() + 60_000 });
const folder = 'again/x/';
const manifestThere = async () => (await store.head(folder + manifestName, call())) !== null;
const put = (key: string, bytes: Uint8Array) => store.put(key, bytes, { ifAbsent: true }, call());
/** Writes the files of the artifact once more, each that is not there. */
async function writeFiles(): Promise<void> {
  for (const { path } of sealed.manifest.files) {
    if ((await store.head(folder + path, call())) === null) await put(folder + path, Buffer.from(path));
  }
}

describe('A1: publishing', () => {
  it.each([
    ['after', true],
    ['before', false],
  ] as const)('whose last answer is lost %s the work says whether it is there', async (when, isThere) => {
    const lossy = withFaults(store, [{ method: 'put', when, times: 1 }]);
    const publishing = publishWhole(lossy, folder, sealed, call(), writeFiles).then(
      () => 'published',
      (error: { readonly class?: string }) => error.class
    );
    expect(await publishing).toBe(isThere ? 'published' : 'UnknownOutcome');
    expect(await manifestThere()).toBe(isThere);
  });

  it('a twin that was faster is as good; somebody with another manifest is not', async () => {
    await put(folder + manifestName, sealed.text);
    await publishWhole(store, folder, sealed, call(), writeFiles);
    await store.delete(folder + manifestName, call());
    await put(folder + manifestName, Buffer.from(sealed.text).fill('x', 3, 4));
    const publishing = publishWhole(store, folder, sealed, call(), writeFiles);
    await expect(publishing).rejects.toMatchObject({ class: 'Integrity' });
  });

  it('is begun again, out of sight, when a file went away meanwhile', async () => {
    const visible: boolean[] = [];
    await publishWhole(store, folder, sealed, call(), async () => {
      visible.push(await manifestThere());
      await writeFiles();
      if (visible.length === 1) await store.delete(`${folder}b`, call());
    });
    expect(visible).toEqual([false, false]);
    const uri = `${store.root}${folder}`;
    await verifyArtifact({ stores: createStores([store]), ref: { ...ref, uri } }, call());
  });

  it('is given up when files go away again and again, and shows nothing', async () => {
    let rounds = 0;
    const publishing = publishWhole(store, folder, sealed, call(), async () => {
      rounds += 1;
      await writeFiles();
      await store.delete(`${folder}b`, call());
    });
    await expect(publishing).rejects.toMatchObject({
      class: 'Integrity',
      message: expect.stringContaining(`${folder}b went away`) as string,
    });
    expect([rounds, await manifestThere()]).toEqual([3, false]);
  });
});

it('A6: a copy does not take what is being removed for what is there', async () => {
  const target = artifactFolder('replicas', ref.digest) + manifestName;
  await put(target, removalNote);
  const copy = () =>
    copyArtifact({ from: { stores: createStores([store]), ref }, to: { store, prefix: 'replicas' } }, call());
  await expect(copy()).rejects.toMatchObject({ class: 'ServiceFault', retryAfterMs: 5_000 });
  await store.delete(target, call());
  await verifyArtifact({ stores: createStores([store]), ref: await copy() }, call());
});

it('a copy to another store that can copy within itself is sent there: it has nothing of the first one', async () => {
  await mkdir(join(temporary, 'other'));
  const other = createFileStore({ root: join(temporary, 'other') });
  const from = { stores: createStores([store]), ref };
  const copied = await copyArtifact({ from, to: { store: other, prefix: 'made' } }, call());
  expect(copied.uri.startsWith(other.root)).toBe(true);
  await verifyArtifact({ stores: createStores([other]), ref: copied }, call());
});
