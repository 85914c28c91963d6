import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { workflowBundle } from './workflow-bundle.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retempo-bundle-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const filesIn = async (path: string) => (await readdir(path)).filter((name) => name.endsWith('.json'));

it('keeps one bundle, believes it only as it was written, and forgets those of other versions', async () => {
  const inner = join(folder, 'cache');
  const first = await workflowBundle(inner);
  expect(first.code).toContain('continuousTraining');
  const [name = ''] = await filesIn(inner);
  const file = join(inner, name);
  const stored = await readFile(file, 'utf8');

  const marked = JSON.parse(stored) as { digest: string; code: string };
  await writeFile(file, JSON.stringify({ ...marked, code: `${marked.code}\n// changed by somebody` }));
  await writeFile(join(inner, 'workflows-0123456789abcdef.json'), '{}');
  expect((await workflowBundle(inner)).code).not.toContain('changed by somebody');
  expect(await filesIn(inner)).toEqual([name]);

  // Found again: the file stays the one that was written.
  const { mtimeMs } = await stat(file);
  await workflowBundle(inner);
  expect((await stat(file)).mtimeMs).toBe(mtimeMs);
});

it('needs no folder that can be written', async () => {
  const blocked = join(folder, 'file');
  await writeFile(blocked, 'not a folder');
  expect((await workflowBundle(join(blocked, 'cache'))).code).toContain('modelRelease');
});
