import { mkdtemp, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { ArtifactStore } from '../ports/index.js';
import { createFileStore } from './file-store.js';

// The start of the machine, as the system tells it.
const machine = vi.hoisted(() => ({ boot: '' }));
vi.mock(import('../processes/index.js'), async (original) => {
  const real = await original();
  return { ...real, ownIdentity: () => ({ ...real.ownIdentity(), boot: machine.boot }) };
});

let root: string;
let upload: ArtifactStore['upload'];
const call = { signal: new AbortController().signal, deadlineMs: Date.now() + 60_000 };
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'retempo-upload-boot-'));
  ({ upload } = createFileStore({ root }));
});
afterEach(() => rm(root, { recursive: true, force: true }));

it('an upload goes on and ends where the system does not tell when the machine was started', async () => {
  machine.boot = '';
  const begun = await upload.begin('a', 3, call);
  const part = await upload.part(begun, 1, Buffer.from('one'), call);
  expect(await upload.confirmed(begun, call)).toEqual([part]);
  await upload.complete(begun, [part], call);
  expect(await readFile(join(root, 'a'), 'utf8')).toBe('one');
});

it('A1: a part is believed without a look at its bytes until the machine is started again', async () => {
  machine.boot = '6f1c7a52-0000-4000-8000-000000000000';
  const begun = await upload.begin('a', 3, call);
  const part = await upload.part(begun, 1, Buffer.from('one'), call);
  await truncate(join(root, '.retempo-store', 'uploads', begun.id, 'data'));
  expect(await upload.confirmed(begun, call)).toEqual([part]);
  machine.boot = 'd03b92e1-0000-4000-8000-000000000000';
  expect(await upload.confirmed(begun, call)).toEqual([]);
});
