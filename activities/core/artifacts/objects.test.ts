import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PortError, type ArtifactStore, type Call } from '../ports/index.js';
import { digestBytes } from './digest.js';
import { createFileStore } from './file-store.js';
import { inspectObject, readInto, readSmall, uploadObject, writeOnce } from './objects.js';
import { partSizeBytes } from './part-size.js';

// A real store, between whose calls something happens, or which answers as no good store does.

let root: string;
let store: ArtifactStore;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'retempo-objects-'));
  store = createFileStore({ root });
});
afterEach(() => rm(root, { recursive: true, force: true }));

const call = (signal = new AbortController().signal): Call => ({ signal, deadlineMs: Date.now() + 60_000 });
const put = (key: string, text: string) => store.put(key, Buffer.from(text), { ifAbsent: true }, call());
const digestOf = async (key: string) => (await inspectObject(store, key, call()))?.digest ?? null;
/** The store whose objects have the given content, whatever was asked for. */
const giving = (...chunks: readonly string[]): ArtifactStore => ({
  ...store,
  async *read() {
    for (const chunk of chunks) yield Buffer.from(chunk);
  },
});
const lost = new PortError('UnknownOutcome', 'the answer was lost');

describe('A3: reading', () => {
  const into = (from: ArtifactStore) => readInto(from, { key: 'k', from: 1, to: 5, target: new Uint8Array(4) }, call());

  it('a range is exactly what was asked for', async () => {
    const { bytes, digest } = await into(giving('ab', 'cd'));
    expect([Buffer.from(bytes).toString(), digest]).toEqual(['abcd', digestBytes(Buffer.from('abcd'))]);
    await expect(into(giving('ab', 'cde'))).rejects.toMatchObject({
      class: 'Integrity',
      message: expect.stringContaining('gave more bytes') as string,
    });
    await expect(into(giving('abc'))).rejects.toMatchObject({
      class: 'Integrity',
      message: expect.stringContaining('ends after 4 bytes, expected 5') as string,
    });
  });

  it('what should be small is not read beyond its limit', async () => {
    let given = 0;
    const endless: ArtifactStore = {
      ...store,
      async *read() {
        for (; given < 1_000; given++) yield Buffer.alloc(100);
      },
    };
    await expect(readSmall(endless, 'k', 250, call())).rejects.toMatchObject({ class: 'Integrity' });
    expect(given).toBe(2);
    expect(await readSmall(giving('abc'), 'k', 3, call())).toEqual(Buffer.from('abc'));
    expect(await readSmall(store, 'nothing', 3, call())).toBeNull();
  });
});

describe('A2: what is written once', () => {
  const expected = { digest: digestBytes(Buffer.from('ours')) };
  /** Writes `ours` to `k`; `before` and `after` each try something else happens. */
  async function write(before: (attempt: number) => Promise<unknown>, after = () => Promise.resolve()) {
    let attempts = 0;
    const writing = writeOnce(store, 'k', expected, call(), async () => {
      attempts += 1;
      await before(attempts);
      await put('k', 'ours');
      await after();
    });
    const failure = await writing.then(
      () => null,
      (error: unknown) => (error as PortError).class
    );
    return { attempts, failure, isOurs: (await digestOf('k')) === expected.digest };
  }

  it.each<[string, Parameters<typeof write>, Awaited<ReturnType<typeof write>>]>([
    ['nobody was there', [() => Promise.resolve()], { attempts: 1, failure: null, isOurs: true }],
    ['a twin was faster', [() => put('k', 'ours')], { attempts: 1, failure: null, isOurs: true }],
    [
      'other bytes were left there',
      [(attempt) => (attempt === 1 ? put('k', 'other') : Promise.resolve())],
      { attempts: 2, failure: null, isOurs: true },
    ],
    [
      'somebody goes on writing other bytes',
      [() => put('k', 'other')],
      { attempts: 2, failure: 'Conflict', isOurs: false },
    ],
    [
      'the answer was lost after the work',
      [() => Promise.resolve(), () => Promise.reject(lost)],
      { attempts: 1, failure: null, isOurs: true },
    ],
    [
      'the answer was lost before the work',
      [(attempt) => (attempt === 1 ? Promise.reject(lost) : Promise.resolve())],
      { attempts: 2, failure: null, isOurs: true },
    ],
    [
      'what was to be copied went away',
      [() => put('k', 'other').then(() => Promise.reject(new PortError('NotFound', 'gone')))],
      { attempts: 1, failure: 'NotFound', isOurs: false },
    ],
    [
      'what was to be copied went away, and a twin had copied it',
      [() => put('k', 'ours').then(() => Promise.reject(new PortError('NotFound', 'gone')))],
      { attempts: 1, failure: null, isOurs: true },
    ],
    [
      'the store fails',
      [() => Promise.reject(new PortError('ServiceFault', 'down'))],
      { attempts: 1, failure: 'ServiceFault', isOurs: false },
    ],
  ])('%s', async (_what, input, result) => {
    expect(await write(...input)).toEqual(result);
    // Bytes whose writer is not known are removed only by who can write its own.
    if (result.failure === 'NotFound') expect(await digestOf('k')).toBe(digestBytes(Buffer.from('other')));
  });
});

describe('an upload in parts', () => {
  const part = partSizeBytes(1);
  const size = 3 * part;
  const bytes = Buffer.concat([1, 2, 3].map((value) => Buffer.alloc(part, value)));
  const ours = (number: number) => bytes.subarray((number - 1) * part, number * part);
  let filled: number[];
  beforeEach(() => {
    filled = [];
  });
  const fill = (number: number, target: Uint8Array) => {
    filled.push(number);
    target.set(ours(number));
    return Promise.resolve();
  };
  const openUploads = async () => {
    const found: string[] = [];
    for await (const { key } of store.upload.open('', call())) found.push(key);
    return found;
  };
  const withUpload = (upload: Partial<ArtifactStore['upload']>): ArtifactStore => ({
    ...store,
    upload: { ...store.upload, ...upload },
  });

  it('goes on with its own, not with one whose key begins like its own', async () => {
    await store.upload.begin('k10', size, call());
    await uploadObject({ store, key: 'k1', size, fill }, call());
    const begun = await store.upload.begin('k2', size, call());
    await store.upload.part(begun, 2, ours(2), call());
    const sent: number[] = [];
    const watched = withUpload({
      part: (upload, number, ...rest) => {
        sent.push(number);
        return store.upload.part(upload, number, ...rest);
      },
    });
    await uploadObject({ store: watched, key: 'k2', size, fill }, call());
    expect([await digestOf('k1'), await digestOf('k2')]).toEqual([digestBytes(bytes), digestBytes(bytes)]);
    expect(new Set(sent)).toEqual(new Set([1, 3]));
    expect(await openUploads()).toEqual(['k10']);
  });

  it('A1: sends a part again that an earlier try had sent with other bytes', async () => {
    const begun = await store.upload.begin('k', size, call());
    await store.upload.part(begun, 2, ours(1), call());
    await uploadObject({ store, key: 'k', size, fill }, call());
    expect(await digestOf('k')).toBe(digestBytes(bytes));
  });

  it('hands its parts over in order, whichever was there first', async () => {
    let first: (() => void) | undefined;
    const others = new Promise<void>((resolve) => (first = resolve));
    let handed: readonly number[] = [];
    const uneven = withUpload({
      part: async (upload, number, ...rest) => {
        if (number === 1) await others;
        const sent = await store.upload.part(upload, number, ...rest);
        if (number === 2) first?.();
        return sent;
      },
      complete: (upload, parts, ...rest) => {
        handed = parts.map(({ number }) => number);
        return store.upload.complete(upload, parts, ...rest);
      },
    });
    const parts = await uploadObject({ store: uneven, key: 'k', size, fill, concurrency: 2 }, call());
    expect([handed, parts.map(({ number }) => number)]).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
  });

  it('A3: of which a part is not what it should be is not completed, and says that, not how its removal went', async () => {
    const changing = withUpload({
      part: async (...input) => ({ ...(await store.upload.part(...input)), digest: digestBytes(ours(1)) }),
      abort: () => Promise.reject(new PortError('ServiceFault', 'not now')),
    });
    const known = (number: number) => digestBytes(ours(number));
    const uploading = uploadObject({ store: changing, key: 'k', size, fill, known }, call());
    await expect(uploading).rejects.toMatchObject({ class: 'Integrity' });
    expect(await store.head('k', call())).toBeNull();
  });

  it('does not even read a part that is known and confirmed', async () => {
    const begun = await store.upload.begin('k', size, call());
    await store.upload.part(begun, 2, ours(2), call());
    await uploadObject({ store, key: 'k', size, fill, known: (number) => digestBytes(ours(number)) }, call());
    expect(filled).toEqual([1, 3]);
    expect(await digestOf('k')).toBe(digestBytes(bytes));
  });

  it('looks for no earlier try where the store keeps none', async () => {
    const without: ArtifactStore = {
      ...withUpload({
        open: () => {
          throw new Error('asked');
        },
      }),
      capabilities: { ...store.capabilities, resume: 'none' },
    };
    await uploadObject({ store: without, key: 'k', size, fill }, call());
    expect(await digestOf('k')).toBe(digestBytes(bytes));
  });

  it.each([
    ['stays open when a repetition can mend it', 'ServiceFault', ['k']],
    ['A6: is aborted when none can', 'QuotaExceeded', []],
  ] as const)('that fails %s, with nothing in flight and nothing more sent', async (_what, errorClass, left) => {
    let inFlight = 0;
    let atAbort = 0;
    const failing = withUpload({
      part: async (upload, number, ...rest) => {
        if (number === 1) throw new PortError(errorClass, 'no');
        inFlight += 1;
        const sent = await store.upload.part(upload, number, ...rest);
        await new Promise((resolve) => setTimeout(resolve, 20));
        inFlight -= 1;
        return sent;
      },
      abort: (...input) => {
        atAbort = inFlight;
        return store.upload.abort(...input);
      },
    });
    const many = { store: failing, key: 'k', size: 8 * part, concurrency: 2 };
    const uploading = uploadObject({ ...many, fill: (number, target) => fill(1 + (number % 3), target) }, call());
    await expect(uploading).rejects.toMatchObject({ class: errorClass });
    expect([inFlight, atAbort]).toEqual([0, 0]);
    // One is sent while the first one fails, and one may wait with its bytes.
    expect(filled.length).toBeLessThanOrEqual(3);
    expect(await openUploads()).toEqual(left);
    expect(await store.head('k', call())).toBeNull();
  });

  it('whose source fails is aborted when nothing is in flight any more', async () => {
    let inFlight = 0;
    let atAbort: number | undefined;
    const slow = withUpload({
      part: async (...input) => {
        inFlight += 1;
        const sent = await store.upload.part(...input);
        inFlight -= 1;
        return sent;
      },
      abort: (...input) => {
        atAbort = inFlight;
        return store.upload.abort(...input);
      },
    });
    const changed = (number: number, target: Uint8Array) =>
      number === 2 ? Promise.reject(new PortError('Conflict', 'changed')) : fill(number, target);
    const uploading = uploadObject({ store: slow, key: 'k', size, fill: changed, concurrency: 2 }, call());
    await expect(uploading).rejects.toMatchObject({ class: 'Conflict' });
    expect([atAbort, inFlight]).toEqual([0, 0]);
    expect(await openUploads()).toEqual([]);
  });

  it('ends between two parts when nobody waits for it any more', async () => {
    const controller = new AbortController();
    const cancelling = (number: number, target: Uint8Array) => {
      if (number === 2) controller.abort();
      return fill(number, target);
    };
    const slow = withUpload({ part: (upload, ...rest) => store.upload.part(upload, rest[0], rest[1], call()) });
    const uploading = uploadObject({ store: slow, key: 'k', size, fill: cancelling }, call(controller.signal));
    await expect(uploading).rejects.toMatchObject({ class: 'Cancelled' });
    expect(filled).toEqual([1, 2]);
  });
});
