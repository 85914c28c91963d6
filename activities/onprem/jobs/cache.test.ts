import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import fsPromises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { relative } from 'node:path';
import type { ArtifactRef } from '@retempo/workflows/contracts';
import { afterAll, describe, expect, it } from 'vitest';
import { openArtifactCache } from './cache.js';

const base = mkdtempSync(`${tmpdir()}/retempo-cache-`);
afterAll(() => rmSync(base, { recursive: true, force: true }));

const call = { signal: new AbortController().signal, deadlineMs: Date.now() + 60_000 };
const refOf = (digit: string): ArtifactRef => ({
  v: 1,
  uri: `file:///store/${digit}/`,
  digest: `sha256:${digit.repeat(64)}`,
  bytes: 1,
});
const dayMs = 86_400_000;
/** When the files of an artifact were made, in seconds. */
const longAgo = 1_000_000;

function newCache() {
  const root = mkdtempSync(`${base}/c-`);
  let downloads = 0;
  const cache = openArtifactCache(root, (ref, folder) => {
    downloads += 1;
    mkdirSync(`${folder}/inside`, { recursive: true });
    for (const name of ['content', 'inside/more']) {
      writeFileSync(`${folder}/${name}`, ref.digest);
      utimesSync(`${folder}/${name}`, longAgo, longAgo);
    }
    return Promise.resolve();
  });
  const makeOld = (digit: string, ms: number) => {
    const then = new Date(Date.now() - ms);
    utimesSync(`${root}/${digit.repeat(64)}/listing.json`, then, then);
  };
  const sweep = (keepMs: number, inUse: readonly string[] = []) =>
    cache.removeUnused({ keepMs, abandonedAfterMs: 2 * dayMs, inUse: new Set(inUse) });
  return { root, cache, makeOld, sweep, downloads: () => downloads };
}

describe('copies of artifacts', () => {
  it('are for reading only: a program that writes to its input is refused, and the next job has what was verified', async () => {
    const { cache } = newCache();
    const folder = await cache.folderOf(refOf('a'), call);
    expect(['content', 'inside/more'].map((name) => statSync(`${folder}/${name}`).mode & 0o777)).toEqual([
      0o444, 0o444,
    ]);
  });

  it.each<readonly [what: string, change: (folder: string) => void]>([
    [
      'was changed, with its size and time put back',
      (folder) => {
        const path = `${folder}/content`;
        const { ctimeMs } = statSync(path);
        writeFileSync(path, readFileSync(path, 'utf8').replaceAll('a', 'b'));
        // The clock of a file system moves in steps.
        do utimesSync(path, longAgo, longAgo);
        while (statSync(path).ctimeMs === ctimeMs);
      },
    ],
    ['was changed below', (folder) => writeFileSync(`${folder}/inside/more`, 'x')],
    ['is gone', (folder) => rmSync(`${folder}/content`)],
    ['was added', (folder) => writeFileSync(`${folder}/inside/added`, '')],
    ['is gone with all others', (folder) => rmSync(folder, { recursive: true })],
  ])('are not handed out when a file in them %s', async (_what, change) => {
    const { root, cache, downloads } = newCache();
    const folder = await cache.folderOf(refOf('a'), call);
    expect(await cache.folderOf(refOf('a'), call)).toBe(folder);
    expect(downloads()).toBe(1);
    change(folder);
    const { rm } = fsPromises;
    const removed: string[] = [];
    fsPromises.rm = (path, options) => {
      removed.push(relative(root, String(path)));
      return rm(path, options);
    };
    syncBuiltinESMExports();
    expect(await cache.folderOf(refOf('a'), call)).toBe(folder);
    fsPromises.rm = rm;
    syncBuiltinESMExports();
    expect(downloads()).toBe(2);
    // What is removed was moved aside before: under its name it is there whole or not at all.
    expect(removed.filter((path) => !path.startsWith('.'))).toEqual([]);
    expect(removed.some((path) => path.endsWith('.changed'))).toBe(true);
    expect(readFileSync(`${folder}/content`, 'utf8')).toBe(refOf('a').digest);
    expect(readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()).toEqual([
      'content',
      'inside',
      'inside/more',
    ]);
    expect(readdirSync(root).filter((name) => name.startsWith('.new-'))).toEqual([]);
  });

  it('go when nobody asked for them for as long as they are kept, except those in use', async () => {
    const { root, cache, makeOld, sweep, downloads } = newCache();
    for (const digit of ['a', 'b', 'c']) await cache.folderOf(refOf(digit), call);
    for (const digit of ['a', 'b', 'c']) makeOld(digit, 8 * dayMs);
    await cache.folderOf(refOf('c'), call);
    await sweep(9 * dayMs);
    expect(readdirSync(root).filter((name) => !name.startsWith('.'))).toHaveLength(3);
    await sweep(7 * dayMs, [refOf('b').digest]);
    expect(readdirSync(root).filter((name) => !name.startsWith('.'))).toEqual(['b'.repeat(64), 'c'.repeat(64)]);
    expect(downloads()).toBe(3);
    expect(existsSync(`${await cache.folderOf(refOf('a'), call)}/content`)).toBe(true);
    expect(downloads()).toBe(4);
  });

  it('that somebody asks for while they are being removed are there when the answer comes', async () => {
    const { root, cache, makeOld, sweep } = newCache();
    await cache.folderOf(refOf('a'), call);
    for (let round = 0; round < 300; round += 1) {
      makeOld('a', 8 * dayMs);
      const asking = async () => {
        for (let turn = 0; turn < round % 7; turn += 1) await new Promise(setImmediate);
        return await cache.folderOf(refOf('a'), call);
      };
      const [folder] = await Promise.all([asking(), sweep(7 * dayMs)]);
      expect(existsSync(`${folder}/content`), `round ${round}`).toBe(true);
    }
    expect(readdirSync(root).filter((name) => name.startsWith('.new-'))).toEqual([]);
  });

  it('half-made ones of dead workers go after two days', async () => {
    const { root, sweep } = newCache();
    for (const name of ['.new-1-old', '.new-2-young']) mkdirSync(`${root}/${name}/files`, { recursive: true });
    const then = new Date(Date.now() - 3 * dayMs);
    utimesSync(`${root}/.new-1-old`, then, then);
    await sweep(7 * dayMs);
    expect(readdirSync(root)).toEqual(['.new-2-young']);
  });
});
