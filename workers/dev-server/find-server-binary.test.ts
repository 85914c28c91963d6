import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cacheFolder, findServerBinary } from './find-server-binary.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retempo-find-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A program in a folder of its own that says it is this version of the Temporal CLI. */
async function cli(where: string, version: string, says = `temporal version ${version} (Server 1.0.0)`) {
  const path = join(folder, where, 'temporal');
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\necho "${says}"\n`);
  await chmod(path, 0o755);
  return path;
}

const pathOf = (...where: readonly string[]): string => where.map((name) => join(folder, name)).join(delimiter);

/** Where nothing can be fetched: what is found was there. */
const search = (environment: NodeJS.ProcessEnv, told: string[] = []) =>
  findServerBinary({
    environment: { RETEMPO_CACHE: join(folder, 'cache'), ...environment },
    platform: 'linux-x64',
    sources: { vendorUrl: 'http://127.0.0.1:9', pip: [] },
    onProgress: (message) => told.push(message),
  });

describe('PATH', () => {
  it('gives the first Temporal CLI that is new enough, past everything else of that name', async () => {
    await mkdir(join(folder, 'a-folder', 'temporal'), { recursive: true });
    await chmod(await cli('not-executable', '1.9.1'), 0o644);
    await cli('something-else', '', 'temporal is what passes');
    await cli('old', '1.3.9');
    const path = await cli('good', '1.4.0');
    await cli('later', '1.9.1');
    const PATH = pathOf('nowhere', 'a-folder', 'not-executable', 'something-else', 'old', 'good', 'later');
    expect(await search({ PATH, TEMPORAL_CLI: '' })).toEqual({ path, from: 'PATH', version: '1.4.0' });
  });

  it.each(['1.4.1', '1.10.0', '2.0.0'])('%s is later than 1.4.0', async (version) => {
    await cli('bin', version);
    expect(await search({ PATH: pathOf('bin') })).toMatchObject({ from: 'PATH', version });
  });

  it.each(['1.3.10', '0.14.0'])('%s is not', async (version) => {
    await cli('bin', version);
    await expect(search({ PATH: pathOf('bin') })).rejects.toMatchObject({ problem: 'noSource' });
  });

  it('with an empty part does not mean the folder that happens to be the present one', async () => {
    const here = process.cwd();
    const before = process.env['PATH'];
    await cli('bin', '1.9.1');
    process.chdir(join(folder, 'bin'));
    process.env['PATH'] = pathOf('bin');
    try {
      await expect(search({ PATH: '' })).rejects.toMatchObject({ problem: 'noSource' });
    } finally {
      process.chdir(here);
      process.env['PATH'] = before;
    }
  });
});

describe('TEMPORAL_CLI', () => {
  it.each([
    ['nothing', () => join(folder, 'nothing'), 'notExecutable', 'cannot be run'],
    ['something else', () => cli('bin', '', 'hello'), 'notExecutable', 'does not answer --version'],
    ['an old one', () => cli('bin', '1.3.10'), 'tooOld', 'version 1.3.10; 1.4.0 or later is needed'],
  ])('that names %s is told, whatever PATH has', async (_title, path, problem, says) => {
    await cli('path', '1.9.1');
    const environment = { TEMPORAL_CLI: await path(), PATH: pathOf('path') };
    await expect(search(environment)).rejects.toMatchObject({ problem, message: expect.stringContaining(says) });
  });
});

describe('the cache', () => {
  const cached = () => cli(join('cache', 'temporal-cli', '1.9.1-linux-x64'), '1.9.1');

  it('is believed with the digest beside it', async () => {
    const path = await cached();
    const sha256 = createHash('sha256')
      .update('#!/bin/sh\necho "temporal version 1.9.1 (Server 1.0.0)"\n')
      .digest('hex');
    await writeFile(`${path}.json`, JSON.stringify({ sha256 }));
    const told: string[] = [];
    expect(await search({}, told)).toEqual({ path, from: 'cache', version: '1.9.1' });
    expect(told).toEqual([]);
  });

  it.each([
    ['no record', null],
    ['a record that is none', 'half of a rec'],
    ['a record without digest', '{}'],
    ['the digest of something else', JSON.stringify({ sha256: '0'.repeat(64) })],
  ])('is not believed with %s', async (_title, record) => {
    const path = await cached();
    if (record !== null) await writeFile(`${path}.json`, record);
    const told: string[] = [];
    await expect(search({}, told)).rejects.toMatchObject({ problem: 'noSource' });
    expect(told).toEqual([`the copy of the Temporal CLI at ${path} is damaged: fetching it again`]);
  });

  it('says what it fetches where there was none', async () => {
    const told: string[] = [];
    await expect(search({}, told)).rejects.toMatchObject({ problem: 'noSource' });
    const path = join(folder, 'cache', 'temporal-cli', '1.9.1-linux-x64', 'temporal');
    expect(told).toEqual([`fetching Temporal CLI 1.9.1 into ${path}`]);
  });

  it('lies where it is named, or where the system keeps caches', () => {
    const usual =
      process.platform === 'darwin'
        ? join(homedir(), 'Library', 'Caches', 'retempo')
        : join(homedir(), '.cache', 'retempo');
    expect(cacheFolder({ RETEMPO_CACHE: '/named', XDG_CACHE_HOME: '/xdg' })).toBe('/named');
    expect(cacheFolder({})).toBe(usual);
    expect(cacheFolder({ RETEMPO_CACHE: '', XDG_CACHE_HOME: '' })).toBe(usual);
    if (process.platform === 'linux') expect(cacheFolder({ XDG_CACHE_HOME: '/xdg' })).toBe('/xdg/retempo');
  });
});
