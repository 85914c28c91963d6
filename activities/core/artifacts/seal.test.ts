import fs, { mkdir, mkdtemp, open, readlink, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ArtifactRef } from '@retempo/workflows/contracts';
import { metered } from '../conformance/metered.js';
import { withoutCopy } from '../conformance/suite.js';
import { PortError, type ArtifactStore, type Call } from '../ports/index.js';
import { createFileStore } from './file-store.js';
import { listFolder } from './folder.js';
import { openFilesBelow } from './open-files.test.util.js';
import { partSizeBytes } from './part-size.js';
import { verifyArtifact } from './read.js';
import { hashLocal, sealFolder, type SealInput } from './seal.js';
import { createStores } from './stores.js';

// What a seal finds that an earlier try or a twin has left, and what is in its way; the rest is in the conformance suite.

let temporary: string;
let store: ArtifactStore;
let source: string;
const large = Buffer.alloc(partSizeBytes(1) + 1, 'l');
beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'retempo-seal-'));
  source = join(temporary, 'source');
  for (const folder of ['store', 'source']) await mkdir(join(temporary, folder));
  store = createFileStore({ root: join(temporary, 'store') });
});
afterEach(async () => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
  await rm(temporary, { recursive: true, force: true });
});

const call = (signal = new AbortController().signal): Call => ({ signal, deadlineMs: Date.now() + 60_000 });
const write = (name: string, bytes: string | Uint8Array) => writeFile(join(source, name), bytes);
const seal = (input: Partial<SealInput> = {}, during = call()) =>
  sealFolder({ store, folder: source, prefix: 'versions/m', ...input }, during);
const isWhole = (ref: ArtifactRef) => verifyArtifact({ stores: createStores([store]), ref }, call());
const withUpload = (upload: Partial<ArtifactStore['upload']>): ArtifactStore => ({
  ...store,
  upload: { ...store.upload, ...upload },
});
async function keys(part = ''): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const key of store.list('', call())) if (key.includes(part)) found.push(key);
  return found;
}
async function openUploads(): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { key } of store.upload.open('', call())) found.push(key);
  return found;
}
/** Key of a large file that was sent by a try which was broken off right then. */
async function staged(): Promise<string> {
  await write('model', large);
  const broken: ArtifactStore = { ...store, copy: () => Promise.reject(new PortError('ServiceFault', 'not now')) };
  await expect(seal({ store: broken })).rejects.toThrow('not now');
  const [key = ''] = await keys('/.sealing/');
  return key;
}
/** Names of the files of the source that are opened from now on. */
function watchOpened(): readonly string[] {
  const opened: string[] = [];
  const { open } = fs;
  vi.spyOn(fs, 'open').mockImplementation((path, ...input) => {
    if (String(path).startsWith(source)) opened.push(String(path).slice(source.length + 1));
    return open(path, ...input);
  });
  syncBuiltinESMExports();
  return opened;
}

describe('A1: what an earlier try has staged', () => {
  it('is not sent again', async () => {
    await staged();
    const { store: watched, meter } = metered(store, (key) => /\/\.sealing\/.*\/0$/.test(key));
    await isWhole(await seal({ store: watched }));
    expect(meter.sent).toBe(0);
  });

  it('is sent again when it is something else', async () => {
    const key = await staged();
    await store.delete(key, call());
    await store.put(key, Buffer.alloc(large.length, 'x'), { ifAbsent: true }, call());
    await isWhole(await seal());
  });
});

describe('A2: a twin', () => {
  it('that has staged the same file first is as good', async () => {
    await write('model', large);
    const late = withUpload({
      async complete(upload, ...input) {
        await store.put(upload.key, large, { ifAbsent: true }, call());
        return store.upload.complete(upload, ...input);
      },
    });
    await isWhole(await seal({ store: late }));
    expect(await openUploads()).toEqual([]);
  });

  it('that has finished and removed what was staged is as good, and nothing is sent again', async () => {
    await write('model', large);
    let twin: ArtifactRef | undefined;
    const late = withUpload({
      async part(...input) {
        twin ??= await seal();
        return store.upload.part(...input);
      },
    });
    const { store: watched, meter } = metered(late);
    const ref = await seal({ store: watched, concurrency: 1 });
    expect(ref).toEqual(twin);
    expect(meter.sent).toBeLessThanOrEqual(large.length);
    await isWhole(ref);
    expect([await openUploads(), (await keys('/.sealing/')).length]).toEqual([[], 1]);
  });

  it.each([
    ['NotFound', 3],
    ['Conflict', 1],
    ['ServiceFault', 1],
  ] as const)('is not to blame without end: %s', async (errorClass, tries) => {
    await write('model', large);
    let begun = 0;
    const failing = withUpload({
      confirmed(...input) {
        begun += 1;
        return store.upload.confirmed(...input);
      },
      complete: () => Promise.reject(new PortError(errorClass, 'no')),
    });
    await expect(seal({ store: failing })).rejects.toMatchObject({ class: errorClass });
    expect(begun).toBe(tries);
  });
});

describe('what is refused before anything is read or sent', () => {
  it('a folder without files, with what to do', async () => {
    await mkdir(join(source, 'empty'));
    await expect(seal()).rejects.toMatchObject({
      class: 'InvalidSpec',
      message: expect.stringMatching(/source holds no files; write at least one/) as string,
    });
  });

  it.each(['', '/a', '../a', 'a//b'])('A4: the prefix %j', async (prefix) => {
    await write('model', 'bytes');
    const opened = watchOpened();
    await expect(seal({ prefix })).rejects.toMatchObject({ class: 'InvalidSpec' });
    expect(opened).toEqual([]);
  });

  it('a large file for a store that cannot copy inside itself; small ones need no copy', async () => {
    const without = withoutCopy(store);
    await write('names', 'small');
    await isWhole(await seal({ store: without }));
    await write('model', large);
    const before = await keys();
    const opened = watchOpened();
    await expect(seal({ store: without })).rejects.toMatchObject({
      class: 'InvalidSpec',
      message: expect.stringContaining('cannot copy inside itself') as string,
    });
    expect([opened, await keys(), await openUploads()]).toEqual([[], before, []]);
  });

  it('whatever nobody waits for any more, also between two files', async () => {
    await write('model', large);
    await write('names', 'small');
    await seal();
    const opened = watchOpened();
    const controller = new AbortController();
    const over = { ...call(), signal: controller.signal };
    const noted: ArtifactStore = {
      ...store,
      async *read(key, ...input) {
        yield* store.read(key, ...input);
        if (key.endsWith('/sealed')) controller.abort();
      },
    };
    await expect(seal({ store: noted }, over)).rejects.toMatchObject({ class: 'Cancelled' });
    await expect(seal({ folder: source, exclude: (path) => path === 'model' }, over)).rejects.toMatchObject({
      class: 'Cancelled',
    });
    expect(opened).toEqual([]);
  });

  it('and within a file: the rest of it is not read', async () => {
    await write('model', large);
    const [file] = await listFolder(source);
    let looks = 0;
    const over: Call = {
      ...call(),
      get signal() {
        return looks++ === 0 ? AbortSignal.any([]) : AbortSignal.abort();
      },
    };
    await expect(hashLocal(source, file!, over)).rejects.toMatchObject({ class: 'Cancelled' });
    expect(looks).toBe(2);
  });
});

it('A1: a folder that is named by a link is the one the link led to when it began', async () => {
  const [link, other] = [join(temporary, 'link'), join(temporary, 'other')];
  await write('model', large);
  await write('names', 'small');
  await mkdir(other);
  await symlink(source, link);
  const switching: ArtifactStore = {
    ...store,
    async *read(key, ...input) {
      if (key.endsWith('/sealed')) {
        await rm(link);
        await symlink(other, link);
      }
      yield* store.read(key, ...input);
    },
  };
  const ref = await seal({ store: switching, folder: link });
  expect(await readlink(link)).toBe(other);
  expect(await seal()).toEqual(ref);
});

it('small files wait in memory up to 16 MiB, and replace nothing', async () => {
  const begun: string[] = [];
  const conditions: unknown[] = [];
  const watched: ArtifactStore = {
    ...withUpload({
      begin(key, ...input) {
        begun.push(key.replace(/.*\//, ''));
        return store.upload.begin(key, ...input);
      },
    }),
    put(key, bytes, condition, during) {
      conditions.push(condition);
      return store.put(key, bytes, condition, during);
    },
  };
  for (const name of ['a', 'b', 'c']) await write(name, Buffer.alloc(7 * 1024 * 1024, name));
  await write('d', '');
  await isWhole(await seal({ store: watched }));
  expect(begun).toEqual(['2']);
  expect(conditions).toEqual(conditions.map(() => ({ ifAbsent: true })));
});

it.each([1, 3])('of a large file so many parts are under way at once as was said: %i', async (concurrency) => {
  await write('model', Buffer.alloc(4 * partSizeBytes(1), 'l'));
  let underWay = 0;
  let most = 0;
  const full = new AbortController();
  const slow = withUpload({
    async part(...input) {
      most = Math.max(most, (underWay += 1));
      const part = await store.upload.part(...input);
      if (underWay === concurrency) full.abort();
      while (!full.signal.aborted) await sleep(5);
      underWay -= 1;
      return part;
    },
  });
  await isWhole(await seal({ store: slow, concurrency }));
  expect(most).toBe(concurrency);
});

/** Does something to a file of the source right after the first piece of it was read. */
async function whileRead(change: () => Promise<unknown>): Promise<void> {
  const probe = await open(source, 'r');
  const handles = Object.getPrototypeOf(probe) as typeof probe;
  await probe.close();
  const read = Reflect.get(handles, 'read') as (this: unknown, ...input: unknown[]) => Promise<unknown>;
  vi.spyOn(handles, 'read').mockImplementationOnce(async function (this: unknown, ...input: unknown[]) {
    const result = await read.call(this, ...input);
    await change();
    return result;
  } as typeof handles.read);
}

it('A1: a small file that changes while it is read is noticed', async () => {
  await write('names', 'small');
  await whileRead(() => write('names', 'other'));
  await expect(seal()).rejects.toMatchObject({ class: 'Conflict' });
  expect(await keys()).toEqual([]);
});

describe.runIf(process.platform === 'linux')('no file stays open', () => {
  it('when all went well, nor when it is sealed again', async () => {
    await write('model', large);
    await write('names', 'small');
    expect(await seal()).toEqual(await seal());
    expect(await openFilesBelow(source)).toEqual([]);
  });

  it('when the store fails', async () => {
    await write('model', large);
    const failing = withUpload({ part: () => Promise.reject(new PortError('ServiceFault', 'no')) });
    await expect(seal({ store: failing })).rejects.toThrow('no');
    expect(await openFilesBelow(source)).toEqual([]);
  });

  it.each([
    ['small', () => write('model', Buffer.alloc(2 * 1024 * 1024))],
    ['staged', staged],
  ] as const)('when a %s file is cut short', async (_what, make) => {
    await make();
    await whileRead(() => truncate(join(source, 'model'), 1));
    await expect(seal()).rejects.toMatchObject({ class: 'Conflict' });
    expect(await openFilesBelow(source)).toEqual([]);
  });
});
