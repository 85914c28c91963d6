import { spawn, type ChildProcess } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
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
import { identityOf } from '@retempo/activities/processes';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { takeClaim } from './claim.js';
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

function newCache(whileItComes: () => void = () => undefined) {
  const root = mkdtempSync(`${base}/c-`);
  let downloads = 0;
  const cache = openArtifactCache(root, (ref, folder) => {
    downloads += 1;
    whileItComes();
    mkdirSync(`${folder}/inside`);
    for (const name of ['content', 'inside/more']) {
      writeFileSync(`${folder}/${name}`, ref.digest);
      utimesSync(`${folder}/${name}`, longAgo, longAgo);
    }
    return Promise.resolve();
  });
  const makeOld = (digit: string, ms: number) => {
    const then = new Date(Date.now() - ms);
    for (const path of ['', '/listing.json']) utimesSync(`${root}/${digit.repeat(64)}${path}`, then, then);
  };
  const sweep = (keepMs: number, inUse: readonly string[] = []) =>
    cache.removeUnused({ keepMs, abandonedAfterMs: 2 * dayMs, inUse: new Set(inUse) });
  return { root, cache, makeOld, sweep, downloads: () => downloads };
}

/** Puts a copy in place that another worker has made. */
async function otherWorkerMakes(digit: string, root: string): Promise<void> {
  const other = newCache();
  await other.cache.folderOf(refOf(digit), call);
  renameSync(`${other.root}/${digit.repeat(64)}`, `${root}/${digit.repeat(64)}`);
}

/** Another worker that has begun to download a copy. */
function otherWorkerBegins(digit: string, root: string): ChildProcess {
  const worker = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 600000)'], { stdio: 'ignore' });
  takeClaim(`${root}/.claims/${digit.repeat(64)}`, { process: identityOf(worker.pid ?? 0) }, () => true);
  return worker;
}

describe('downloads', () => {
  it('are made once for all who ask at once; nothing of them is left beside the copy', async () => {
    const { root, cache, downloads } = newCache();
    await Promise.all(Array.from({ length: 5 }, () => cache.folderOf(refOf('a'), call)));
    expect(downloads()).toBe(1);
    expect(readdirSync(root).sort()).toEqual(['.claims', 'a'.repeat(64)]);
    expect(readdirSync(`${root}/.claims`)).toEqual([]);
    for (const path of ['', '/files']) expect(statSync(`${root}/${'a'.repeat(64)}${path}`).mode & 0o777).toBe(0o700);
  });

  it('of another worker are waited for', async () => {
    const { root, cache, downloads } = newCache();
    const worker = otherWorkerBegins('a', root);
    const asking = cache.folderOf(refOf('a'), call);
    await otherWorkerMakes('a', root);
    expect(existsSync(`${await asking}/content`)).toBe(true);
    expect(downloads()).toBe(0);
    worker.kill('SIGKILL');
  });

  it('of another worker are not waited for once it is dead, after a minute, or when nobody waits any more', async () => {
    const { root, cache, downloads } = newCache();
    const workers = ['a', 'b', 'c'].map((digit) => otherWorkerBegins(digit, root));
    const asking = cache.folderOf(refOf('a'), call);
    workers[0]?.kill('SIGKILL');
    expect(existsSync(`${await asking}/content`)).toBe(true);
    expect(downloads()).toBe(1);
    const impatient = cache.folderOf(refOf('b'), { ...call, signal: AbortSignal.abort(new Error('nobody waits')) });
    await expect(impatient).rejects.toThrow('nobody waits');
    expect(downloads()).toBe(1);
    const patient = cache.folderOf(refOf('c'), call);
    const now = Date.now();
    const clock = vi.spyOn(Date, 'now').mockReturnValue(now + 61_000);
    expect(existsSync(`${await patient}/content`)).toBe(true);
    clock.mockRestore();
    expect(downloads()).toBe(2);
    for (const worker of workers) worker.kill('SIGKILL');
  });

  it('of which another worker that came late has taken the claim back are good all the same', async () => {
    const { root, cache, downloads } = newCache(() => rmSync(`${root}/.claims/${'a'.repeat(64)}`, { recursive: true }));
    expect(existsSync(`${await cache.folderOf(refOf('a'), call)}/content`)).toBe(true);
    expect(downloads()).toBe(1);
  });

  // File systems tell in one of two ways that there is something in the place.
  it.each(['ENOTEMPTY', 'EEXIST'])('that come second leave the copy of the first alone: %s', async (code) => {
    const made = newCache();
    await made.cache.folderOf(refOf('a'), call);
    const late = newCache(() => renameSync(`${made.root}/${'a'.repeat(64)}`, `${late.root}/${'a'.repeat(64)}`));
    const first = statSync(`${made.root}/${'a'.repeat(64)}/files/content`).ino;
    const { rename } = fsPromises;
    const telling = (from: string, to: string) =>
      rename(from, to).catch((error: unknown) => Promise.reject(Object.assign(error as Error, { code })));
    Object.assign(fsPromises, { rename: telling });
    syncBuiltinESMExports();
    const folder = await late.cache.folderOf(refOf('a'), call).finally(() => {
      Object.assign(fsPromises, { rename });
      syncBuiltinESMExports();
    });
    expect(late.downloads()).toBe(1);
    expect(statSync(`${folder}/content`).ino).toBe(first);
    expect(readdirSync(late.root).filter((name) => name.startsWith('.new-'))).toEqual([]);
  });

  it('that fail leave nothing, and are made again', async () => {
    let isAway = true;
    const { root, cache, downloads } = newCache(() => {
      if (isAway) throw new Error('the store is away');
    });
    await expect(cache.folderOf(refOf('a'), call)).rejects.toThrow('the store is away');
    expect(readdirSync(root)).toEqual(['.claims']);
    isAway = false;
    expect(existsSync(`${await cache.folderOf(refOf('a'), call)}/content`)).toBe(true);
    expect(downloads()).toBe(2);
  });

  it('that cannot be put in their place say why, and leave nothing', async () => {
    const { root, cache } = newCache();
    const { rename } = fsPromises;
    const refused = (from: string, to: string) =>
      to.endsWith('a'.repeat(64))
        ? Promise.reject(Object.assign(new Error('refused'), { code: 'EACCES' }))
        : rename(from, to);
    Object.assign(fsPromises, { rename: refused });
    syncBuiltinESMExports();
    const asking = cache.folderOf(refOf('a'), call).finally(() => {
      Object.assign(fsPromises, { rename });
      syncBuiltinESMExports();
    });
    await expect(asking).rejects.toMatchObject({ code: 'EACCES' });
    expect(readdirSync(root)).toEqual(['.claims']);
  });

  it.each(['sha256:../../x', `sha256:${'A'.repeat(64)}`, '0'.repeat(64), ''])(
    'A4 %j is no digest and no path',
    async (digest) => {
      const { root, cache } = newCache();
      await expect(cache.folderOf({ ...refOf('a'), digest }, call)).rejects.toMatchObject({ class: 'InvalidSpec' });
      expect(readdirSync(root)).toEqual([]);
    }
  );
});

describe('copies of artifacts', () => {
  it('that nobody has ever asked for need no removal', async () => {
    const { root, sweep } = newCache();
    rmSync(root, { recursive: true });
    await sweep(0);
    expect(existsSync(root)).toBe(false);
  });

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
    ['is not in the list of them, which was damaged', (folder) => writeFileSync(`${folder}/../listing.json`, '["con')],
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

  it('are the same in whatever order the file system lists them', async () => {
    const { cache, downloads } = newCache();
    const folder = await cache.folderOf(refOf('a'), call);
    const { readdir } = fsPromises;
    const reversed = async (path: string, options: { readonly withFileTypes: true }) =>
      (await readdir(path, options)).toReversed();
    Object.assign(fsPromises, { readdir: reversed });
    syncBuiltinESMExports();
    expect(await cache.folderOf(refOf('a'), call)).toBe(folder);
    Object.assign(fsPromises, { readdir });
    syncBuiltinESMExports();
    expect(downloads()).toBe(1);
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

  it('that go between the look at them and the note of their use are downloaded again', async () => {
    const { root, cache, downloads } = newCache();
    await cache.folderOf(refOf('a'), call);
    const { utimes } = fsPromises;
    const late = (path: string, ...times: [Date, Date]) => {
      rmSync(`${root}/${'a'.repeat(64)}`, { recursive: true, force: true });
      return utimes(path, ...times);
    };
    Object.assign(fsPromises, { utimes: late });
    syncBuiltinESMExports();
    const folder = await cache.folderOf(refOf('a'), call).finally(() => {
      Object.assign(fsPromises, { utimes });
      syncBuiltinESMExports();
    });
    expect(existsSync(`${folder}/content`)).toBe(true);
    expect(downloads()).toBe(2);
  });

  it.each(['readdir', 'stat'] as const)(
    'that another worker removes after a sweep did its %s are gone',
    async (look) => {
      const { root, cache, makeOld, sweep } = newCache();
      await cache.folderOf(refOf('a'), call);
      makeOld('a', 8 * dayMs);
      mkdirSync(`${root}/.new-1-old`);
      utimesSync(`${root}/.new-1-old`, longAgo, longAgo);
      const asIs = fsPromises[look] as (...input: unknown[]) => Promise<unknown>;
      const looking = async (...input: unknown[]) => {
        const seen = await asIs(...input);
        for (const name of ['a'.repeat(64), '.new-1-old'])
          if (look === 'readdir' || String(input[0]).includes(name))
            rmSync(`${root}/${name}`, { recursive: true, force: true });
        return seen;
      };
      Object.assign(fsPromises, { [look]: looking });
      syncBuiltinESMExports();
      const swept = await sweep(7 * dayMs).finally(() => {
        Object.assign(fsPromises, { [look]: asIs });
        syncBuiltinESMExports();
      });
      expect(swept).toBeUndefined();
      expect(readdirSync(root)).toEqual(['.claims']);
    }
  );

  it('that are kept stay where they are: jobs may be reading them', async () => {
    const { cache, makeOld, sweep } = newCache();
    const folder = await cache.folderOf(refOf('a'), call);
    makeOld('a', 6 * dayMs);
    const { rename } = fsPromises;
    const moved: unknown[] = [];
    Object.assign(fsPromises, { rename: (...paths: unknown[]) => Promise.resolve(moved.push(paths)) });
    syncBuiltinESMExports();
    await sweep(7 * dayMs).finally(() => {
      Object.assign(fsPromises, { rename });
      syncBuiltinESMExports();
    });
    expect(moved).toEqual([]);
    expect(existsSync(`${folder}/content`)).toBe(true);
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
    // What is none of the cache's own is left alone, whatever it looks like inside.
    mkdirSync(`${root}/notes`);
    writeFileSync(`${root}/notes/listing.json`, '[]');
    for (const path of ['notes/listing.json', 'notes']) utimesSync(`${root}/${path}`, longAgo, longAgo);
    await sweep(7 * dayMs);
    expect(readdirSync(root).sort()).toEqual(['.new-2-young', 'notes']);
  });
});
