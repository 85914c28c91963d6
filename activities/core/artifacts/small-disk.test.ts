import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { mountSmallDisk } from './small-disk.test.util.js';

// Which machines may leave out the tests of a full disk, and which may not.

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retempo-small-disk-'));
  vi.stubEnv('PATH', folder);
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const mountThatSays = (words: string): void =>
  writeFileSync(join(folder, 'mount'), `#!/bin/sh\necho "mount: ${words}" >&2\nexit 32\n`, { mode: 0o755 });

it('a machine without `mount` is a failure where peers are required, else a reason to skip', () => {
  vi.stubEnv('RETEMPO_REQUIRE_PEERS', '1');
  expect(() => mountSmallDisk(folder, 4)).toThrow(/no small disk can be mounted here: .*mount ENOENT/);
  vi.stubEnv('RETEMPO_REQUIRE_PEERS', '');
  expect(mountSmallDisk(folder, 4)).toMatch(/mount ENOENT/);
});

it.each(['/x: must be superuser to use mount.', '/x: permission denied.', '/x: Operation not permitted.'])(
  'a right that is withheld is a reason to skip, also where peers are required: %s',
  (words) => {
    vi.stubEnv('RETEMPO_REQUIRE_PEERS', '1');
    mountThatSays(words);
    expect(mountSmallDisk(folder, 4)).toBe(`no small disk can be mounted here: mount: ${words}`);
  }
);

it('another refusal is a failure where peers are required', () => {
  vi.stubEnv('RETEMPO_REQUIRE_PEERS', '1');
  mountThatSays("/x: unknown filesystem type 'tmpfs'.");
  expect(() => mountSmallDisk(folder, 4)).toThrow('unknown filesystem type');
});
