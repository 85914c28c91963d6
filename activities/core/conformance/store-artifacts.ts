import assert from 'node:assert/strict';
import { appendFile, mkdir, open, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { ArtifactRef } from '@retempo/workflows/contracts';
import { copyArtifact } from '../artifacts/copy.js';
import { removeLeftovers } from '../artifacts/leftovers.js';
import { manifestName } from '../artifacts/manifest.js';
import { materialize } from '../artifacts/materialize.js';
import { readManifest, verifyArtifact } from '../artifacts/read.js';
import { sealFolder } from '../artifacts/seal.js';
import { createStores } from '../artifacts/stores.js';
import type { ArtifactStore } from '../ports/index.js';
import { writeFiles } from './artifacts-data.js';
import { big, damages, flipped } from './damages.js';
import { metered, type Meter } from './metered.js';
import {
  call,
  collectAll,
  contentOf,
  inTemporaryFolder,
  noise,
  overwrite,
  refuses,
  text,
  withoutCopy,
  type ConformanceCase,
} from './suite.js';

const prefix = 'versions';

interface Sealed {
  readonly ref: ArtifactRef;
  /** Key of the artifact's folder, with `/`. */
  readonly key: string;
  readonly source: string;
  readonly temporary: string;
}

/** Seals a folder with small, empty, nested and multi-part files and hands it to `work`. */
const withArtifact = (store: ArtifactStore, work: (sealed: Sealed) => Promise<void>): Promise<void> =>
  inTemporaryFolder(async (temporary) => {
    const source = await writeFiles(join(temporary, 'source'), {
      'model.onnx': noise(big),
      'labels.txt': 'late\non time\n',
      'deep/er/empty': '',
      'a b.json': '{}',
    });
    const ref = await sealFolder({ store, folder: source, prefix }, call());
    await work({ ref, key: `${createStores([store]).resolve(ref.uri).key}/`, source, temporary });
  });

async function sameFolders(a: string, b: string): Promise<void> {
  const [inA, inB] = await Promise.all(
    [a, b].map(async (folder) => (await readdir(folder, { recursive: true })).sort())
  );
  assert.deepEqual(inA, inB);
  for (const entry of await readdir(a, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    assert.ok((await readFile(path)).equals(await readFile(path.replace(a, b))), path);
  }
}

const noTransfer = (meter: Meter): void =>
  assert.deepEqual([meter.sent, meter.received], [0, 0], JSON.stringify(meter));

/** Cases about whole artifacts: sealing, reading, copying, verifying. */
export const artifactCases: readonly ConformanceCase[] = [
  {
    title: 'a sealed folder comes back byte for byte, twice into the same folder too',
    run: (store) =>
      withArtifact(store, async ({ ref, source, temporary, key }) => {
        const stores = createStores([store]);
        assert.equal(key, `${prefix}/${ref.digest.slice(7, 39)}/`);
        const { manifest } = await readManifest({ stores, ref }, call());
        assert.deepEqual(
          manifest.files.map(({ path, size }) => [path, size]),
          [
            ['a b.json', 2],
            ['deep/er/empty', 0],
            ['labels.txt', 13],
            ['model.onnx', big],
          ]
        );
        const folder = join(temporary, 'out');
        await mkdir(folder);
        await materialize({ stores, ref, folder }, call());
        await sameFolders(source, folder);
        await materialize({ stores, ref, folder }, call());
        await writeFile(join(folder, 'labels.txt'), 'changed');
        await refuses(materialize({ stores, ref, folder }, call()), 'Conflict', 'a folder with other content');
        assert.equal(await readFile(join(folder, 'labels.txt'), 'utf8'), 'changed');
        assert.deepEqual((await readdir(temporary)).sort(), ['out', 'source']);
      }),
  },
  {
    title: 'sealing the same folder twice gives the same reference and sends nothing; metadata is part of the name',
    run: (store) =>
      withArtifact(store, async ({ ref, source }) => {
        const { store: watched, meter } = metered(store);
        assert.deepEqual(await sealFolder({ store: watched, folder: source, prefix }, call()), ref);
        assert.equal(meter.sent, 0);
        const other = await sealFolder({ store, folder: source, prefix, metadata: { run: 1 } }, call());
        assert.notEqual(other.digest, ref.digest);
        await verifyArtifact({ stores: createStores([store]), ref: other }, call());
      }),
  },
  {
    title: 'only published artifacts and notes stay after sealing: no upload, no staged bytes',
    run: (store) =>
      withArtifact(store, async ({ key }) => {
        const keys = await collectAll(store.list('', call()));
        const staged = keys.filter((name) => !name.startsWith(key) && !name.endsWith('/sealed'));
        assert.deepEqual(staged, []);
        assert.deepEqual(await collectAll(store.upload.open('', call())), []);
      }),
  },
  {
    title: 'excluded files do not belong to the artifact',
    run: (store) =>
      inTemporaryFolder(async (folder) => {
        await writeFiles(folder, { keep: '1', 'tmp/drop': '2', 'log.txt': '3' });
        const exclude = (path: string) => path === 'tmp' || path.endsWith('.txt');
        const ref = await sealFolder({ store, folder, prefix, exclude }, call());
        const { manifest } = await readManifest({ stores: createStores([store]), ref }, call());
        assert.deepEqual(
          manifest.files.map(({ path }) => path),
          ['keep']
        );
      }),
  },
  {
    title: 'A4: links, sockets, names that do not travel and empty folders are refused, and nothing is published',
    run: (store) =>
      inTemporaryFolder(async (temporary) => {
        const bad = async (name: string, make: (folder: string) => Promise<unknown>) => {
          const folder = await writeFiles(join(temporary, name), { 'model.bin': 'x' });
          await make(folder);
          await refuses(sealFolder({ store, folder, prefix }, call()), 'InvalidSpec', name);
        };
        await bad('link-out', (folder) => symlink('/etc/passwd', join(folder, 'a')));
        await bad('link-in', (folder) => symlink('model.bin', join(folder, 'a')));
        await bad('link-folder', (folder) => symlink('/etc', join(folder, 'a')));
        await bad('link-nowhere', (folder) => symlink('nothing', join(folder, 'a')));
        await bad('backslash', (folder) => writeFile(join(folder, '..\\a'), ''));
        await bad('percent', (folder) => writeFile(join(folder, '%2e%2e'), ''));
        await bad('manifest', (folder) => writeFile(join(folder, manifestName), ''));
        await bad('manifest-case', (folder) => writeFile(join(folder, 'Manifest.JSON'), ''));
        await bad('twins', (folder) => writeFile(join(folder, 'Model.bin'), ''));
        await bad('socket', async (folder) => {
          const server = createServer();
          await new Promise<void>((resolve) => server.listen(join(folder, 's'), resolve));
          try {
            await refuses(sealFolder({ store, folder, prefix }, call()), 'InvalidSpec', 'socket');
          } finally {
            await new Promise((resolve) => server.close(resolve));
          }
          await symlink('gone', join(folder, 'also'));
        });
        await mkdir(join(temporary, 'empty', 'folder'), { recursive: true });
        await refuses(sealFolder({ store, folder: join(temporary, 'empty'), prefix }, call()), 'InvalidSpec', 'empty');
        await refuses(sealFolder({ store, folder: join(temporary, 'none'), prefix }, call()), 'NotFound', 'no folder');
        assert.deepEqual(await collectAll(store.list('', call())), []);
      }),
  },
  ...damages.map(({ what, apply }) => ({
    title: `A3: ${what} is found, and no folder appears`,
    run: (store: ArtifactStore) =>
      withArtifact(store, async ({ ref, key, temporary }) => {
        const stores = createStores([store]);
        await verifyArtifact({ stores, ref }, call());
        await apply(store, key);
        await refuses(verifyArtifact({ stores, ref }, call()), 'Integrity', `verify: ${what}`);
        const folder = join(temporary, 'out');
        await refuses(materialize({ stores, ref, folder }, call()), 'Integrity', `materialize: ${what}`);
        assert.deepEqual(await readdir(temporary), ['source']);
      }),
  })),
  {
    title: 'A3: a reference with another digest or size is not believed; one without artifact is NotFound',
    run: (store) =>
      withArtifact(store, async ({ ref }) => {
        const stores = createStores([store]);
        const wrong = { ...ref, digest: `sha256:${'0'.repeat(64)}` };
        await refuses(verifyArtifact({ stores, ref: wrong }, call()), 'Integrity', 'digest');
        await refuses(verifyArtifact({ stores, ref: { ...ref, bytes: 1 } }, call()), 'Integrity', 'size');
        const nowhere = { ...ref, uri: `${store.root}nowhere/` };
        await refuses(verifyArtifact({ stores, ref: nowhere }, call()), 'NotFound', 'no artifact');
      }),
  },
  {
    title: 'a copy inside the store moves no byte through the caller, and a repeated one is one look',
    run: (store) =>
      withArtifact(store, async ({ ref }) => {
        if (store.copy === undefined) return;
        const { store: watched, meter } = metered(store, (key) => !key.endsWith(manifestName));
        const from = { stores: createStores([watched]), ref };
        const copied = await copyArtifact({ from, to: { store: watched, prefix: 'prod' } }, call());
        noTransfer(meter);
        assert.equal(copied.digest, ref.digest);
        await verifyArtifact({ stores: createStores([store]), ref: copied }, call());
        const again = metered(store);
        const repeated = { stores: createStores([again.store]), ref };
        assert.deepEqual(
          await copyArtifact({ from: repeated, to: { store: again.store, prefix: 'prod' } }, call()),
          copied
        );
        assert.equal(again.meter.operations, 1);
      }),
  },
  {
    title: 'A1: a relay between stores is verified part by part, and is not published when the source is damaged',
    run: (store) =>
      withArtifact(store, async ({ ref, key }) => {
        // The same store under two names stands for two stores: no copy inside is possible between them.
        const other = withoutCopy(store);
        const stores = createStores([store]);
        const copied = await copyArtifact({ from: { stores, ref }, to: { store: other, prefix: 'relay' } }, call());
        await verifyArtifact({ stores, ref: copied }, call());
        for (const path of ['model.onnx', 'labels.txt']) {
          const whole = await contentOf(store, key + path);
          await overwrite(store, key + path, flipped(whole, whole.length - 1));
          const again = copyArtifact({ from: { stores, ref }, to: { store: other, prefix: `2/${path}` } }, call());
          await refuses(again, 'Integrity', `relay of a damaged ${path}`);
          assert.deepEqual(
            (await collectAll(store.list(`2/${path}/`, call()))).filter((name) => name.endsWith(manifestName)),
            []
          );
          await overwrite(store, key + path, whole);
        }
      }),
  },
  {
    title: 'A2: two processes that seal the same folder at once get the same reference, and it is whole',
    run: (store) =>
      inTemporaryFolder(async (temporary) => {
        const folder = await writeFiles(join(temporary, 'source'), { 'model.bin': noise(big), small: 'x' });
        const refs = await Promise.all([1, 2, 3].map(() => sealFolder({ store, folder, prefix }, call())));
        assert.deepEqual(refs, [refs[0], refs[0], refs[0]]);
        for (const ref of refs) await verifyArtifact({ stores: createStores([store]), ref }, call());
      }),
  },
  {
    title: 'a file that changes while it is sealed is noticed, and nothing is published',
    run: (store) =>
      inTemporaryFolder(async (temporary) => {
        const changes = {
          rewritten: (path: string) => writeFile(path, noise(big)),
          'changed in place': async (path: string) => {
            const handle = await open(path, 'r+');
            await handle.write(noise(1), 0, 1, 0);
            await handle.close();
          },
          longer: (path: string) => appendFile(path, 'x'),
        };
        for (const [what, change] of Object.entries(changes)) {
          const folder = await writeFiles(join(temporary, what), { 'model.bin': noise(big) });
          const changing: ArtifactStore = {
            ...store,
            upload: {
              ...store.upload,
              async part(upload, number, bytes, options) {
                await change(join(folder, 'model.bin'));
                return store.upload.part(upload, number, bytes, options);
              },
            },
          };
          await refuses(sealFolder({ store: changing, folder, prefix }, call()), 'Conflict', what);
        }
        const keys = await collectAll(store.list('', call()));
        assert.deepEqual(
          keys.filter((key) => key.endsWith(manifestName)),
          []
        );
      }),
  },
  {
    title: 'A6: a cancelled seal shows no artifact; what it left is removed after its time, and nothing else is',
    run: (store) =>
      withArtifact(store, async ({ ref, temporary }) => {
        const folder = await writeFiles(join(temporary, 'second'), { 'model.bin': noise(big), small: 'x' });
        const controller = new AbortController();
        const cancelling: ArtifactStore = {
          ...store,
          upload: {
            ...store.upload,
            async part(...input) {
              const part = await store.upload.part(...input);
              controller.abort();
              return part;
            },
          },
        };
        const before = await collectAll(store.list('', call()));
        const cancelled = sealFolder({ store: cancelling, folder, prefix }, call({ signal: controller.signal }));
        await refuses(cancelled, 'Cancelled', 'seal');
        assert.deepEqual(await collectAll(store.list('', call())), before);
        await store.put(`${prefix}/${'0'.repeat(32)}/half`, text('x'), { ifAbsent: true }, call());

        const at = (now: number) => removeLeftovers({ store, prefix, olderThanMs: 1000, now: () => now }, call());
        assert.equal((await at(0)).removed, 0);
        assert.equal((await at(999)).removed, 0);
        assert.ok((await at(1000)).removed >= 2);
        assert.deepEqual(await collectAll(store.upload.open('', call())), []);
        assert.deepEqual(await collectAll(store.list(`${prefix}/${'0'.repeat(32)}/`, call())), []);
        await verifyArtifact({ stores: createStores([store]), ref }, call());
      }),
  },
  {
    title: 'A6: leftovers are removed before any call of a seal that goes on after all: it ends whole',
    run: (store) =>
      inTemporaryFolder(async (temporary) => {
        const folder = await writeFiles(join(temporary, 'source'), { 'model.bin': noise(big), small: 'x', other: 'y' });
        const stores = createStores([store]);
        let removals = 0;
        for (let at = 1; ; at++) {
          const under = `tidied/${at}`;
          const first = await sealFolder({ store, folder, prefix: under }, call());
          const { key } = stores.resolve(first.uri);
          await store.delete(`${key}/${manifestName}`, call());
          let reached = false;
          const { store: disturbed } = metered(store, undefined, async (operation) => {
            if (operation !== at) return;
            reached = true;
            removals += (await removeLeftovers({ store, prefix: under, olderThanMs: 0 }, call())).removed;
          });
          const ref = await sealFolder({ store: disturbed, folder, prefix: under }, call());
          assert.equal(ref.digest, first.digest);
          await verifyArtifact({ stores, ref }, call());
          if (!reached) break;
        }
        assert.ok(removals > 10, `only ${removals} removals`);
      }),
  },
  {
    title: 'A6: everywhere that artifacts are sealed leftovers go, and nothing that only looks like one',
    run: (store) =>
      inTemporaryFolder(async (temporary) => {
        const hex = 'ab'.repeat(16);
        const folder = await writeFiles(join(temporary, 'second'), { [`${hex}/weights`]: 'x', small: 'y' });
        // A model may be named like the folder of an artifact, and an artifact may hold such folders.
        const kept = await sealFolder({ store, folder, prefix: `versions/${hex}` }, call());
        const other = [`registry/models/${hex}/state.json`, `elsewhere/m/${hex}/file`, `code/${hex}/notes`];
        const leftovers = [
          `versions/m/${hex}/a`,
          `predictions/${hex}/${hex}/a`,
          `code/m/${hex}/a`,
          `data/m/train/${hex}/a`,
          `checkpoints/m/${'c'.repeat(64)}/train/${hex}/a`,
          `versions/m/.sealing/${hex}/0`,
        ];
        for (const key of [...other, ...leftovers]) await store.put(key, text('x'), { ifAbsent: true }, call());
        const upload = await store.upload.begin(`data/m/train/.sealing/${hex}/1`, big, call());
        const foreign = await store.upload.begin(`elsewhere/${hex}/1`, big, call());
        const at = (now: number, most = 500) =>
          removeLeftovers({ store, olderThanMs: 1000, lookEveryMs: 250, most, now: () => now }, call());
        assert.deepEqual(await at(5000), { removed: 0, waiting: leftovers.length + 1 });
        assert.deepEqual(await at(5200), { removed: 0, waiting: 0 }, 'it was looked a moment ago');
        assert.equal((await at(6000, 2)).removed, 2);
        assert.equal((await at(6001)).removed, leftovers.length - 1);
        assert.deepEqual(await collectAll(store.upload.open('', call())), [foreign]);
        await refuses(store.upload.confirmed(upload, call()), 'NotFound', 'the upload that was removed');
        for (const key of leftovers) assert.equal(await store.head(key, call()), null, key);
        for (const key of other) assert.notEqual(await store.head(key, call()), null, key);
        await verifyArtifact({ stores: createStores([store]), ref: kept }, call());
        await store.upload.abort(foreign, call());
      }),
  },
];
