import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { createFileStore } from './file-store.js';

// Systems other than Linux do not tell when the machine was started.
vi.mock(import('../processes/index.js'), async (original) => {
  const real = await original();
  return { ...real, ownIdentity: () => ({ ...real.ownIdentity(), boot: '' }) };
});

it('an upload goes on and ends where the system does not tell when the machine was started', async () => {
  const root = await mkdtemp(join(tmpdir(), 'retempo-upload-no-boot-'));
  const call = { signal: new AbortController().signal, deadlineMs: Date.now() + 60_000 };
  try {
    const { upload } = createFileStore({ root });
    const begun = await upload.begin('a', 3, call);
    const part = await upload.part(begun, 1, Buffer.from('one'), call);
    expect(await upload.confirmed(begun, call)).toEqual([part]);
    await upload.complete(begun, [part], call);
    expect(await readFile(join(root, 'a'), 'utf8')).toBe('one');
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
