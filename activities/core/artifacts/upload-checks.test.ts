import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ArtifactStore, Call } from '../ports/index.js';
import { createFileStore } from './file-store.js';
import { partSizeBytes } from './part-size.js';

let root: string;
let upload: ArtifactStore['upload'];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'retempo-upload-checks-'));
  ({ upload } = createFileStore({ root }));
});
afterEach(() => rm(root, { recursive: true, force: true }));
const call = (): Call => ({ signal: new AbortController().signal, deadlineMs: Date.now() + 60_000 });

describe('A1: an upload to a file store', () => {
  it.each([-1, 0.5, Number.NaN, 2 ** 53])('of %d bytes is not begun', async (size) => {
    await expect(upload.begin('a', size, call())).rejects.toMatchObject({ class: 'InvalidSpec' });
  });

  it('goes on under its own key only', async () => {
    const { id } = await upload.begin('a', 3, call());
    const other = { key: 'b', id };
    for (const use of [
      () => upload.confirmed(other, call()),
      () => upload.part(other, 1, Buffer.from('one'), call()),
      () => upload.complete(other, [], call()),
    ]) {
      await expect(use()).rejects.toMatchObject({ class: 'InvalidSpec' });
    }
  });

  it('takes parts of their own size and number only', async () => {
    const begun = await upload.begin('a', 3, call());
    for (const [number, text] of [
      [1, 'on'],
      [1, 'four'],
      [2, 'one'],
      [2, ''],
      [0, 'one'],
      [1.5, 'one'],
    ] as const) {
      const sent = upload.part(begun, number, Buffer.from(text), call());
      await expect(sent, `${number} ${text}`).rejects.toMatchObject({ class: 'InvalidSpec' });
    }
  });

  it('takes no bytes beside its parts, however well they would fit', async () => {
    const part = partSizeBytes(1);
    const begun = await upload.begin('a', 2 * part, call());
    for (const [number, size] of [
      [0, part],
      [1.5, part],
      [3, 0],
    ] as const) {
      const sent = upload.part(begun, number, Buffer.alloc(size, 'x'), call());
      await expect(sent, `${number}`).rejects.toMatchObject({ class: 'InvalidSpec' });
    }
    expect(await readdir(join(root, '.retempo-store', 'uploads', begun.id))).toHaveLength(2);
  });

  it('is not completed with parts beyond its size', async () => {
    const begun = await upload.begin('a', 3, call());
    const part = await upload.part(begun, 1, Buffer.from('one'), call());
    const beyond = upload.complete(begun, [part, { ...part, number: 2 }], call());
    await expect(beyond).rejects.toMatchObject({
      class: 'Conflict',
      message: expect.stringContaining('there are parts beyond its size; send the parts again') as string,
    });
    await expect(upload.complete(begun, [], call())).rejects.toMatchObject({
      class: 'Conflict',
      message: expect.stringContaining('part 1 is missing or was replaced; send the parts again') as string,
    });
    await upload.complete(begun, [part], call());
  });
});
