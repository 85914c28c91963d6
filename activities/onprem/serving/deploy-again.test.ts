import fs, { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createOnpremServing } from './onprem-serving.js';
import { endpoint, good, newCall, openSite, type Site } from './serving-site.test.support.js';

afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

/**
 * The folder of `v1` goes away as soon as the deployment has found it complete, as often as `times` says: as by the end of a
 * retirement that was begun before. Gives how often it was found.
 */
function retiring(site: Site, times: number): () => number {
  const folder = join(site.root, endpoint, 'versions', 'v1');
  const { readFileSync } = fs;
  let found = 0;
  vi.spyOn(fs, 'readFileSync').mockImplementation((path, options) => {
    const text = readFileSync(path, options);
    if (path === join(folder, 'record.json')) {
      found += 1;
      if (found <= times) fs.rmSync(folder, { recursive: true });
    }
    return text;
  });
  syncBuiltinESMExports();
  return () => found;
}

describe('G4: a deployment whose files a retirement takes away', () => {
  it('brings them back, and is served', async () => {
    const site = openSite();
    const found = retiring(site, 1);
    const state = await site.deployReady('v1', good);
    expect(state.versions['v1']).toEqual({ weight: 0, ready: 1 });
    expect(found()).toBe(2);
  });

  it('is none that was refused for another reason: that is told at once', async () => {
    const site = openSite();
    await site.deploy('v0', { 'model.onnx': good });
    const found = retiring(site, 0);
    const artifact = { v: 1, uri: 'test:/', digest: `sha256:${'1'.repeat(64)}`, bytes: 1 } as const;
    const late = { key: 'k', endpoint, version: 'v1', artifact, epoch: 0 };
    await expect(site.serving.deploy(late, newCall())).rejects.toMatchObject({ class: 'Conflict' });
    expect(found()).toBe(1);
  });

  it('gives up when they are taken away again, and leaves nothing of itself', async () => {
    const site = openSite();
    const found = retiring(site, 2);
    await expect(site.deploy('v1', { 'model.onnx': good })).rejects.toMatchObject({
      class: 'NotFound',
      message: expect.stringContaining('materialize the version first') as string,
    });
    expect(found()).toBe(2);
    expect((await site.serving.describe(endpoint, newCall())).versions).toEqual({});
    expect(readdirSync(join(site.root, endpoint, 'versions'))).toEqual([]);
    expect(existsSync(join(site.root, endpoint, 'logs', 'v1.log'))).toBe(false);
  });
});

it('a deployment that nobody waits for any more stops fetching, and leaves nothing of what it had fetched', async () => {
  const root = mkdtempSync(join(tmpdir(), 'retempo-fetching-'));
  const site = createOnpremServing({
    id: 'onprem.test',
    root,
    context: {
      // As a download does: it ends with its call, of which there is more time than the test has.
      materialize: (_ref, folder, { signal, deadlineMs }) =>
        new Promise((_resolve, reject) => {
          fs.writeFileSync(join(folder, 'half'), '');
          signal.addEventListener('abort', () => reject(new Error(`given up, due at ${deadlineMs}`)));
          waiting.abort();
        }),
    },
  });
  const waiting = new AbortController();
  const artifact = { v: 1, uri: 'test:/', digest: `sha256:${'1'.repeat(64)}`, bytes: 1 } as const;
  const deadlineMs = Date.now() + 600_000;
  try {
    await expect(
      site.serving.deploy(
        { key: 'k', endpoint, version: 'v1', artifact, epoch: 1 },
        { signal: waiting.signal, deadlineMs }
      )
    ).rejects.toThrow(`given up, due at ${deadlineMs}`);
    expect(readdirSync(join(root, endpoint, 'versions'))).toEqual([]);
    expect(site.leftOf(endpoint)).toBe('files');
  } finally {
    site.close();
    rmSync(root, { recursive: true });
  }
});
