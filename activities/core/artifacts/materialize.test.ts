import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ArtifactRef } from '@retempo/workflows/contracts';
import type { ArtifactStore, Call } from '../ports/index.js';
import { ownedName } from '../processes/index.js';
import { createFileStore } from './file-store.js';
import { materialize } from './materialize.js';
import { verifyArtifact } from './read.js';
import { sealFolder } from './seal.js';
import { createStores } from './stores.js';

let temporary: string;
let store: ArtifactStore;
let ref: ArtifactRef;
const source = () => join(temporary, 'source');
const target = () => join(temporary, 'target');
const call = (): Call => ({ signal: new AbortController().signal, deadlineMs: Date.now() + 60_000 });
const seal = () => sealFolder({ store, folder: source(), prefix: 'versions/m' }, call());
const fetch = (from: ArtifactStore = store) =>
  materialize({ stores: createStores([from]), ref, folder: target() }, call());

beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'retempo-materialize-'));
  await mkdir(join(temporary, 'store'));
  await mkdir(join(source(), 'deep'), { recursive: true });
  await writeFile(join(source(), 'model'), 'bytes');
  await writeFile(join(source(), 'deep', 'names'), '');
  store = createFileStore({ root: join(temporary, 'store') });
  ref = await seal();
});
afterEach(() => rm(temporary, { recursive: true, force: true }));

describe('A3: a folder that is there already', () => {
  it('is taken as it is when it holds the artifact', async () => {
    await fetch();
    await fetch();
    expect(await readFile(join(target(), 'model'), 'utf8')).toBe('bytes');
  });

  it.each<[string, () => Promise<unknown>]>([
    ['other bytes of the same length', () => writeFile(join(target(), 'model'), 'Bytes')],
    ['a file missing', () => rm(join(target(), 'deep'), { recursive: true })],
    ['a file too many', () => writeFile(join(target(), 'more'), '')],
  ])('is refused with %s, and left as it is', async (_what, change) => {
    await fetch();
    await change();
    const before = await readdir(target(), { recursive: true });
    await expect(fetch()).rejects.toMatchObject({ class: 'Conflict' });
    expect(await readdir(target(), { recursive: true })).toEqual(before);
  });

  it('is refused when somebody else fills it while the artifact comes', async () => {
    let isFirst = true;
    const meanwhile: ArtifactStore = {
      ...store,
      async *read(key, ...input) {
        if (key.endsWith('/model') && isFirst) {
          isFirst = false;
          await mkdir(target());
          await writeFile(join(target(), 'theirs'), '');
        }
        yield* store.read(key, ...input);
      },
    };
    await expect(fetch(meanwhile)).rejects.toMatchObject({ class: 'Conflict' });
    expect(await readdir(target())).toEqual(['theirs']);
  });

  it('is as good when somebody else fetches the same meanwhile', async () => {
    let isFirst = true;
    const meanwhile: ArtifactStore = {
      ...store,
      async *read(key, ...input) {
        if (key.endsWith('/model') && isFirst) {
          isFirst = false;
          await fetch();
        }
        yield* store.read(key, ...input);
      },
    };
    await fetch(meanwhile);
    expect(await readFile(join(target(), 'model'), 'utf8')).toBe('bytes');
    expect((await readdir(temporary)).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});

describe('A6: what was begun', () => {
  it('by processes that are dead goes, by living ones stays', async () => {
    const [host = '', pid = '', , random = ''] = ownedName().split('-');
    const dead = `.target.partial.${[host, pid, 'ffffffffff', random].join('-')}`;
    const living = `.target.partial.${ownedName()}`;
    for (const name of [dead, living]) await mkdir(join(temporary, name));
    await fetch();
    expect((await readdir(temporary)).filter((name) => name.startsWith('.'))).toEqual([living]);
  });
});

describe('A1: an artifact of which a file is gone', () => {
  it('is made whole when the folder is sealed again', async () => {
    const stores = createStores([store]);
    await store.delete(`${stores.resolve(ref.uri).key}/model`, call());
    await expect(verifyArtifact({ stores, ref }, call())).rejects.toMatchObject({ class: 'Integrity' });
    expect(await seal()).toEqual(ref);
    await verifyArtifact({ stores, ref }, call());
  });
});
