import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFileStore } from '../artifacts/file-store.js';
import { PortError, type ArtifactStore, type Call } from '../ports/index.js';
import { createDocuments } from './documents.js';

let root: string;
let store: ArtifactStore;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'retempo-documents-'));
  store = createFileStore({ root });
});
afterEach(() => rm(root, { recursive: true, force: true }));

const call = (ms = 30_000): Call => ({ signal: new AbortController().signal, deadlineMs: Date.now() + ms });
const documents = (on: ArtifactStore = store) => createDocuments({ store: on, prefix: 'd' });
const raced = new PortError('Conflict', 'somebody was faster');

describe('documents on a store that misbehaves', () => {
  it('a document that is replaced at every look is given up at the deadline', async () => {
    await documents().writeDocument('x', 1, { ifAbsent: true }, call());
    const head = await store.head('d/x.json', call());
    const racing: ArtifactStore = {
      ...store,
      head: () => Promise.resolve(head),
      // oxlint-disable-next-line require-yield -- fails before its first byte
      async *read(): AsyncGenerator<Uint8Array> {
        await new Promise(setImmediate);
        throw raced;
      },
    };
    await expect(documents(racing).readDocument('x', call(50))).rejects.toMatchObject({ class: 'DeadlineExceeded' });
  });

  it('a change that others are always faster with is given up at the deadline', async () => {
    // Looks at nothing but what it is asked: that the time is over is the business of the loop.
    const racing: ArtifactStore = { ...store, head: () => Promise.resolve(null), put: () => Promise.reject(raced) };
    const updating = documents(racing).updateDocument('x', () => 1, call(50));
    await expect(updating).rejects.toMatchObject({ class: 'DeadlineExceeded' });
    await expect(documents(racing).updateDocument('x', () => 1, call(-1))).rejects.toMatchObject({
      message: expect.stringContaining('changing the document "x"') as string,
    });
  });

  it('a change whose request was lost is made after all, and once', async () => {
    let lost = 0;
    const losing: ArtifactStore = {
      ...store,
      put(...input) {
        lost += 1;
        return lost % 2 === 1 ? Promise.reject(new PortError('UnknownOutcome', 'no answer')) : store.put(...input);
      },
    };
    for (const added of [1, 2]) {
      const change = (list: readonly number[] | null) => [...(list ?? []), added];
      await documents(losing).updateDocument<readonly number[]>('x', change, call());
    }
    expect((await documents().readDocument('x', call()))?.value).toEqual([1, 2]);
  });

  it('what is no race is told at once', async () => {
    let tried = 0;
    const refusing: ArtifactStore = {
      ...store,
      put() {
        tried += 1;
        return Promise.reject(new PortError('AuthDenied', 'not yours'));
      },
    };
    const updating = documents(refusing).updateDocument('x', () => 1, call());
    await expect(updating).rejects.toMatchObject({ class: 'AuthDenied' });
    expect(tried).toBe(1);
    await documents().writeDocument('x', 1, { ifAbsent: true }, call());
    // oxlint-disable-next-line require-yield -- fails before its first byte
    const read = async function* (): AsyncGenerator<Uint8Array> {
      await Promise.resolve();
      throw new PortError('AuthDenied', 'not yours');
    };
    await expect(documents({ ...store, read }).readDocument('x', call())).rejects.toMatchObject({
      class: 'AuthDenied',
    });
  });

  it('a document that is none is told with the place where it lies, never taken for an empty one', async () => {
    await store.put('d/x.json', Buffer.from('{"half":'), { ifAbsent: true }, call());
    const broken = { class: 'Integrity', message: expect.stringContaining(`${store.root}d/x.json`) as string };
    await expect(documents().readDocument('x', call())).rejects.toMatchObject(broken);
    await expect(documents().updateDocument('x', () => ({}), call())).rejects.toMatchObject(broken);
  });

  it('a change that leaves everything as it is writes nothing, also where there is nothing', async () => {
    const seen: unknown[] = [];
    const look = (current: unknown) => void seen.push(current);
    expect(await documents().updateDocument('x', look, call())).toEqual({ value: null, tag: '' });
    expect(seen).toEqual([null]);
    expect(await store.head('d/x.json', call())).toBeNull();
  });

  it('lists documents, not what else lies there', async () => {
    await documents().writeDocument('a/x', 1, { ifAbsent: true }, call());
    await store.put('d/a/x.json.old', Buffer.from('1'), { ifAbsent: true }, call());
    const found: string[] = [];
    for await (const path of documents().listDocuments('a/', call())) found.push(path);
    expect(found).toEqual(['a/x']);
  });

  it.each(['../x', 'a//b', 'a/', ''])('takes no path that is none: %j', async (path) => {
    await expect(documents().readDocument(path, call())).rejects.toMatchObject({ class: 'InvalidSpec' });
  });

  it.each(['../x', 'a//b', ''])('takes no prefix that leads elsewhere: %j', (prefix) => {
    expect(() => createDocuments({ store, prefix })).toThrow(expect.objectContaining({ class: 'InvalidSpec' }));
  });
});
