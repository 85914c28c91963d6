import fs, {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Call } from '@retempo/activities/ports';
import { materializeVersion } from './materialize.js';
import { verifyVersionFolder } from './version-folder.js';

let versionsFolder: string;
beforeEach(() => {
  versionsFolder = mkdtempSync(join(tmpdir(), 'retempo-versions-'));
});
afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
  rmSync(versionsFolder, { recursive: true, force: true });
});

const call = (): Call => ({ signal: new AbortController().signal, deadlineMs: Date.now() + 30_000 });
const artifactOf = (digit: string) =>
  ({ v: 1, uri: 'test:/', digest: `sha256:${digit.repeat(64)}`, bytes: 1 }) as const;
const writeModel = (_ref: unknown, folder: string) => {
  mkdirSync(join(folder, 'deep'));
  writeFileSync(join(folder, 'model.onnx'), 'model');
  writeFileSync(join(folder, 'deep', 'names.json'), '{}');
  return Promise.resolve();
};
const make = (materialize: typeof writeModel = writeModel, digit = '1') =>
  materializeVersion({
    versionsFolder,
    version: 'v1',
    artifact: artifactOf(digit),
    context: { materialize },
    call: call(),
  });

describe('folder of a version: A3', () => {
  const files = () => join(versionsFolder, 'v1', 'files');

  it('is believed when it is as it was made', async () => {
    const filesDigest = await make();
    const { files: found } = await verifyVersionFolder(join(versionsFolder, 'v1'), filesDigest);
    expect(found.map(({ path, size }) => [path, size])).toEqual(
      ['deep/names.json', 'model.onnx'].map((path) => [path, fs.statSync(join(files(), path)).size])
    );
  });

  it('has one record, in whatever order its files came', async () => {
    const names = 'qwertyuiopasdfghjklzxcvbnm'.split('');
    const written = (order: readonly string[]) => async (_ref: unknown, folder: string) => {
      for (const name of order) writeFileSync(join(folder, name), name);
    };
    const filesDigest = await make(written(names));
    const folder = join(versionsFolder, 'v1');
    const { files: found } = await verifyVersionFolder(folder, filesDigest);
    expect(found.map(({ path }) => path)).toEqual(names.toSorted());
    rmSync(folder, { recursive: true });
    expect(await make(written(names.toReversed()))).toBe(filesDigest);
  });

  it.each<[string, () => void, RegExp]>([
    ['a changed file', () => appendFileSync(join(files(), 'deep', 'names.json'), ' '), /names\.json does not match/],
    ['a missing file', () => rmSync(join(files(), 'deep', 'names.json')), /names\.json is missing/],
    ['a file too many', () => writeFileSync(join(files(), 'deep', 'more'), ''), /more does not belong/],
    ['a link', () => symlinkSync('model.onnx', join(files(), 'link')), /link is neither a file nor a folder/],
    [
      'a record that was made to fit',
      () => appendFileSync(join(versionsFolder, 'v1', 'record.json'), ' '),
      /record\.json was changed/,
    ],
  ])('is refused with %s', async (_what, change, says) => {
    const filesDigest = await make();
    change();
    await expect(verifyVersionFolder(join(versionsFolder, 'v1'), filesDigest)).rejects.toThrow(says);
  });
});

describe('making the folder of a version', () => {
  it('A5: an id whose files are there is never taken for other bytes', async () => {
    await make();
    await expect(make(writeModel, '2')).rejects.toMatchObject({ class: 'Conflict' });
  });

  it('stops at a record that cannot be read, and leaves it to be looked at', async () => {
    mkdirSync(join(versionsFolder, 'v1'));
    writeFileSync(join(versionsFolder, 'v1', 'record.json'), '{"v":1,');
    await expect(make()).rejects.toMatchObject({
      class: 'Integrity',
      message: expect.stringMatching(/v1.record\.json cannot be read .*; .* deploy/) as string,
    });
    expect(readdirSync(versionsFolder)).toEqual(['v1']);
  });

  it('leaves nothing of a download that failed, and is made by the next try', async () => {
    const failing = (ref: unknown, folder: string) =>
      writeModel(ref, folder).then(() => Promise.reject(new Error('cut')));
    await expect(make(failing)).rejects.toThrow('cut');
    expect(readdirSync(versionsFolder)).toEqual([]);
    await make();
    expect(readdirSync(versionsFolder)).toEqual(['v1']);
  });

  it('brings its record to the disk before the folder can be found', async () => {
    const folder = join(versionsFolder, 'v1');
    const synced: { readonly inode: number; readonly isFound: boolean }[] = [];
    const { fsyncSync } = fs;
    vi.spyOn(fs, 'fsyncSync').mockImplementation((descriptor) => {
      synced.push({ inode: fs.fstatSync(descriptor).ino, isFound: fs.existsSync(folder) });
      fsyncSync(descriptor);
    });
    syncBuiltinESMExports();
    await make();
    expect(synced).toContainEqual({ inode: fs.statSync(join(folder, 'record.json')).ino, isFound: false });
  });

  it('two at the same time end with one folder', async () => {
    const digests = await Promise.all([make(), make(), make()]);
    expect(new Set(digests).size).toBe(1);
    expect(readdirSync(versionsFolder)).toEqual(['v1']);
  });

  it('fails for the reason of the download, also when there is nothing left to remove', async () => {
    const failing = (_ref: unknown, folder: string) => {
      rmSync(join(folder, '..'), { recursive: true });
      return Promise.reject(new Error('no space'));
    };
    await expect(make(failing)).rejects.toThrow('no space');
  });

  it('does not mind a download that goes while it is looked at', async () => {
    symlinkSync('gone', join(versionsFolder, '.new-gone'));
    await make();
    expect(readdirSync(versionsFolder).sort()).toEqual(['.new-gone', 'v1']);
  });

  it('removes downloads that a crash has cut off a day ago, no younger ones, and no versions', async () => {
    const dayAgo = new Date(Date.now() - 25 * 3_600_000);
    for (const name of ['.new-old', '.new-young', 'v0']) mkdirSync(join(versionsFolder, name));
    for (const name of ['.new-old', 'v0']) utimesSync(join(versionsFolder, name), dayAgo, dayAgo);
    await make();
    expect(readdirSync(versionsFolder).sort()).toEqual(['.new-young', 'v0', 'v1']);
  });
});
