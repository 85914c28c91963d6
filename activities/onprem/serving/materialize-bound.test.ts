import fs, { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { materializeVersion } from './materialize.js';

let versionsFolder: string;
let fetched: number;
const folder = () => join(versionsFolder, 'v1');
beforeEach(() => {
  versionsFolder = mkdtempSync(join(tmpdir(), 'retempo-versions-bound-'));
  fetched = 0;
});
afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
  rmSync(versionsFolder, { recursive: true, force: true });
});

/** Fetched more often than ever wanted, a fetch fails: no test runs without end. */
const make = () =>
  materializeVersion({
    versionsFolder,
    version: 'v1',
    artifact: { v: 1, uri: 'test:/', digest: `sha256:${'1'.repeat(64)}`, bytes: 1 },
    context: {
      materialize: (_ref, into) => {
        if ((fetched += 1) > 20) return Promise.reject(new Error('fetched without end'));
        writeFileSync(join(into, 'model.onnx'), 'model');
        return Promise.resolve();
      },
    },
    call: { signal: new AbortController().signal, deadlineMs: Date.now() + 30_000 },
  });

/** The folder of the version goes away as soon as it has its name, as often as `times` says. */
function removing(times: number): void {
  const rename = renameSync;
  let removed = 0;
  vi.spyOn(fs, 'renameSync').mockImplementation((from, to) => {
    rename(from, to);
    if (to === folder() && (removed += 1) <= times) rmSync(folder(), { recursive: true });
  });
  syncBuiltinESMExports();
}

describe('the folder of a version that does not stay', () => {
  it('is made again', async () => {
    removing(2);
    await make();
    expect([fetched, existsSync(join(folder(), 'files', 'model.onnx'))]).toEqual([3, true]);
  });

  it('is not made without end, and nothing of the tries stays', async () => {
    removing(Infinity);
    await expect(make()).rejects.toMatchObject({
      class: 'ServiceFault',
      message: expect.stringMatching(/version v1 were put at .*v1 3 times .* then deploy the version again/) as string,
    });
    expect([fetched, readdirSync(versionsFolder)]).toEqual([3, []]);
  });

  it('is not made without end beside what a removal has left, which is not touched', async () => {
    mkdirSync(join(folder(), 'files'), { recursive: true });
    writeFileSync(join(folder(), 'files', 'half'), '');
    await expect(make()).rejects.toMatchObject({ class: 'ServiceFault' });
    expect([fetched, readdirSync(versionsFolder), readdirSync(join(folder(), 'files'))]).toEqual([3, ['v1'], ['half']]);
  });
});
