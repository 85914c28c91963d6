import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
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

function newCache() {
  const root = mkdtempSync(`${base}/c-`);
  let downloads = 0;
  const cache = openArtifactCache(root, (ref, folder) => {
    downloads += 1;
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}/content`, ref.digest);
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
