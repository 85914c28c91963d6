import fs, {
  existsSync,
  fstatSync,
  fsyncSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { materializeVersion } from './materialize.js';

// What a machine that loses power would keep: what is brought to the disk, and what was to be seen at that moment.

let versionsFolder: string;
let synced: { readonly inode: number; readonly isThere: boolean; readonly names: readonly string[] }[];
const folder = () => join(versionsFolder, 'v1');
beforeEach(() => {
  versionsFolder = mkdtempSync(join(tmpdir(), 'retempo-versions-durable-'));
  synced = [];
  const sync = fsyncSync;
  vi.spyOn(fs, 'fsyncSync').mockImplementation((descriptor) => {
    sync(descriptor);
    const [temporary] = readdirSync(versionsFolder);
    const names = readdirSync(join(versionsFolder, temporary ?? '')).sort();
    synced.push({ inode: fstatSync(descriptor).ino, isThere: existsSync(folder()), names });
  });
  syncBuiltinESMExports();
});
afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
  rmSync(versionsFolder, { recursive: true, force: true });
});

const make = () =>
  materializeVersion({
    versionsFolder,
    version: 'v1',
    artifact: { v: 1, uri: 'test:/', digest: `sha256:${'1'.repeat(64)}`, bytes: 1 },
    context: {
      materialize: (_ref, into) => {
        writeFileSync(join(into, 'model.onnx'), 'model');
        return Promise.resolve();
      },
    },
    call: { signal: new AbortController().signal, deadlineMs: Date.now() + 30_000 },
  });

it('A3: a version’s record and names are on the disk before its folder has its name, that before it is confirmed', async () => {
  await make();
  const names = ['files', 'record.json'];
  const record = { inode: statSync(join(folder(), 'record.json')).ino, isThere: false, names };
  const inside = { inode: statSync(folder()).ino, isThere: false, names };
  const above = { inode: statSync(versionsFolder).ino, isThere: true, names };
  expect(synced).toEqual([record, inside, above]);

  // A killed worker may have given the name, and told nobody.
  synced = [];
  await make();
  expect(synced).toEqual([above]);
});
