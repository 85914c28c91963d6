import { mkdir, mkdtemp, rename, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listFolder, readLocalFile, type LocalFile } from './folder.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retempo-folder-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const path = () => join(folder, 'model');
const wholeSecond = 1_700_000_000;
const mebibyte = 1024 * 1024;

/** Writes `model` with a time that can be set again exactly, and lists it. */
async function listed(bytes: string | Uint8Array): Promise<LocalFile> {
  await writeFile(path(), bytes);
  await utimes(path(), wholeSecond, wholeSecond);
  const [file] = await listFolder(folder);
  if (file === undefined) throw new Error('not listed');
  return file;
}

describe('the files of a folder', () => {
  it('come in the order of their paths, whatever order the file system has', async () => {
    const names = ['b', 'B', 'a-', 'a/x', 'a/deep/y', 'a!', ...Array.from({ length: 20 }, (_, index) => `n${index}`)];
    for (const name of names) {
      await mkdir(join(folder, name, '..'), { recursive: true });
      await writeFile(join(folder, name), '');
    }
    const found = (await listFolder(folder)).map((file) => file.path);
    expect(found).toEqual(names.toSorted((a, b) => (a < b ? -1 : 1)));
  });

  it.each(['..\\a', '%2e%2e', 'a:b', 'CON', 'nul.txt', 'ends.', 'line\nbreak'])(
    'A4: are refused with a name that does not travel: %j',
    async (name) => {
      await mkdir(join(folder, 'deep'));
      await writeFile(join(folder, 'deep', name), '');
      await expect(listFolder(folder)).rejects.toMatchObject({ class: 'InvalidSpec' });
      expect(await listFolder(folder, (excluded) => excluded === `deep/${name}`)).toEqual([]);
    }
  );
});

describe('A1: a file that is not any more what was listed', () => {
  it.each<[string, () => Promise<unknown>]>([
    ['of another size', () => truncate(path(), 4)],
    ['with other bytes', () => writeFile(path(), 'BYTES').then(() => utimes(path(), wholeSecond, wholeSecond + 1))],
    [
      'replaced by another one',
      async () => {
        await writeFile(`${path()}.new`, 'BYTES');
        await rename(`${path()}.new`, path());
      },
    ],
  ])('is not even begun: %s', async (what, change) => {
    const file = await listed('bytes');
    await change();
    // Each change is seen by itself: the time of writing tells nothing but in the case that is about it.
    if (what !== 'with other bytes') await utimes(path(), wholeSecond, wholeSecond);
    await expect(readLocalFile(folder, file)).rejects.toMatchObject({ class: 'Conflict' });
  });

  it('is noticed at its end when it was changed while it was read', async () => {
    const reader = await readLocalFile(folder, await listed('bytes'));
    await writeFile(path(), 'BYTES');
    await reader.readNext(new Uint8Array(5));
    await expect(reader.finish()).rejects.toMatchObject({ class: 'Conflict' });
    await reader.close();
  });

  it('is noticed where it ends too early, and not waited for', async () => {
    const reader = await readLocalFile(folder, await listed(Buffer.alloc(3 * mebibyte)));
    await truncate(path(), 2 * mebibyte - 1);
    await reader.readNext(new Uint8Array(mebibyte));
    await expect(reader.readNext(new Uint8Array(mebibyte))).rejects.toMatchObject({ class: 'Conflict' });
    await reader.close();
  });
});

it('whoever looks at what is read is given every byte of it once, in order', async () => {
  const bytes = Buffer.from(Array.from({ length: 3 * mebibyte + 5 }, (_, index) => index % 251));
  const reader = await readLocalFile(folder, await listed(bytes));
  const target = new Uint8Array(bytes.length);
  const pieces: Uint8Array[] = [];
  await reader.readNext(target, (piece) => pieces.push(Buffer.from(piece)));
  await reader.finish();
  expect(bytes.equals(target)).toBe(true);
  expect(bytes.equals(Buffer.concat(pieces))).toBe(true);
  expect((await stat(path())).size).toBe(bytes.length);
});
