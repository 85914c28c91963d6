import { execFileSync } from 'node:child_process';
import fs from 'node:fs/promises';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ArtifactRef } from '@retempo/workflows/contracts';
import type { ArtifactStore } from '../ports/index.js';
import { ownedName } from '../processes/index.js';
import { createFileStore } from './file-store.js';
import { materialize } from './materialize.js';
import { openFilesBelow } from './open-files.test.util.js';
import { sealFolder } from './seal.js';
import { createStores } from './stores.js';

// How a copy into a folder ends when something is in its way; whatever happens, nothing unfinished stays beside it.

let temporary: string;
let store: ArtifactStore;
let ref: ArtifactRef;
let reads: string[];
let abort: AbortController;
const target = () => join(temporary, 'target');
const fetch = () =>
  materialize(
    { stores: createStores([store]), ref, folder: target() },
    { signal: abort.signal, deadlineMs: Date.now() + 60_000 }
  );
const beside = async () => (await readdir(temporary)).filter((name) => name.startsWith('.'));

beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'retempo-materialize-ends-'));
  abort = new AbortController();
  reads = [];
  const source = join(temporary, 'source');
  for (const folder of ['store', 'source']) await mkdir(join(temporary, folder));
  await writeFile(join(source, 'model'), 'bytes');
  const files = createFileStore({ root: join(temporary, 'store') });
  const call = { signal: abort.signal, deadlineMs: Date.now() + 60_000 };
  ref = await sealFolder({ store: files, folder: source, prefix: 'versions/m' }, call);
  store = {
    ...files,
    read(key, ...input) {
      reads.push(key);
      return files.read(key, ...input);
    },
  };
});
afterEach(async () => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
  await rm(temporary, { recursive: true, force: true });
});

describe('A3: a folder', () => {
  it('that holds the artifact is not fetched again', async () => {
    await fetch();
    reads = [];
    await fetch();
    expect(reads.filter((key) => key.endsWith('/model'))).toEqual([]);
  });

  it('that is a file is refused, and left as it is', async () => {
    await writeFile(target(), 'theirs');
    await expect(fetch()).rejects.toThrow(target());
    expect(await readFile(target(), 'utf8')).toBe('theirs');
    expect([reads.filter((key) => key.endsWith('/model')), await beside()]).toEqual([[], []]);
  });

  it('with a link in it is somebody else’s', async () => {
    await mkdir(target());
    await symlink('nowhere', join(target(), 'link'));
    await expect(fetch()).rejects.toMatchObject({ class: 'Conflict' });
  });

  it('that nobody waits for any more while it is looked at is no conflict', async () => {
    await fetch();
    const { readdir: list } = fs;
    vi.spyOn(fs, 'readdir').mockImplementation((...input) => {
      if (input[0] === target()) abort.abort();
      return list(...input);
    });
    syncBuiltinESMExports();
    await expect(fetch()).rejects.toMatchObject({ class: 'Cancelled' });
  });

  it('that nobody waits for any more when its last byte has come does not appear', async () => {
    const whole = store;
    store = {
      ...store,
      async *read(key, ...input) {
        yield* whole.read(key, ...input);
        if (key.endsWith('/model')) abort.abort();
      },
    };
    await expect(fetch()).rejects.toMatchObject({ class: 'Cancelled' });
    expect([await beside(), (await readdir(temporary)).includes('target')]).toEqual([[], false]);
  });

  it.each([
    ['EIO', /put the artifact at/],
    ['ENOTEMPTY', /put the artifact at/],
  ])('that cannot be put in its place (%s) was not fetched, and nothing stays beside it', async (code, says) => {
    vi.spyOn(fs, 'rename').mockRejectedValue(Object.assign(new Error(`${code}: not now`), { code }));
    syncBuiltinESMExports();
    await expect(fetch()).rejects.toThrow(says);
    expect([await beside(), (await readdir(temporary)).includes('target')]).toEqual([[], false]);
  });
});

describe.runIf(process.platform === 'linux')('fetching', () => {
  it('leaves no file open', async () => {
    await fetch();
    expect(await openFilesBelow(temporary)).toEqual([]);
  });

  it('to where no folder can be made is an error at once: Node’s own way to make folders never returns there', () => {
    const compiled = new URL('../dist/artifacts/index.js', import.meta.url).href;
    const script = `
      import { createFileStore, createStores, materialize } from ${JSON.stringify(compiled)};
      const stores = createStores([createFileStore({ root: ${JSON.stringify(join(temporary, 'store'))} })]);
      const call = { signal: new AbortController().signal, deadlineMs: Date.now() + 30_000 };
      for (const folder of ['/proc/target', '/proc/new/target'])
        await materialize({ stores, ref: ${JSON.stringify(ref)}, folder }, call).catch((error) => console.log(error.message));`;
    // In a process of its own, which is ended when it hangs.
    const options = { timeout: 60_000, killSignal: 'SIGKILL', encoding: 'utf8' } as const;
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], options);
    expect(said.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^cannot write to \/proc\/\.target\.partial\..*: there is no such file; check the path$/),
      'cannot write to /proc/new: there is no such file; check the path',
    ]);
  });
});

it('A6: what a dead process has begun goes with all that is in it, whoever removes it', async () => {
  const [host = '', pid = '', , random = ''] = ownedName().split('-');
  const dead = `.target.partial.${[host, pid, 'ffffffffff', random].join('-')}`;
  await mkdir(join(temporary, dead, 'deep'), { recursive: true });
  await writeFile(join(temporary, dead, 'deep', 'half'), 'x');
  // Somebody else who has seen it too is faster.
  const { rm: remove } = fs;
  vi.spyOn(fs, 'rm').mockImplementationOnce(async (path, options) => {
    await remove(path, { recursive: true });
    await remove(path, options);
  });
  syncBuiltinESMExports();
  await fetch();
  expect(await beside()).toEqual([]);
});
