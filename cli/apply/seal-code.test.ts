import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createFileStore, createRegistry, createStores } from '@retempo/activities';
import { loadProject, type LoadedModel } from '@retempo/workers';
import type { ModelSpec } from '@retempo/workflows/contracts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { filesOf, previewCode, sealCode } from './seal-code.js';
import { keepSpec, keptSpecs, readSpec } from './spec-documents.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retempo-seal-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

const call = () => ({ signal: AbortSignal.timeout(60_000), deadlineMs: Date.now() + 60_000 });
const model = `model: late
data: { source: data/rows.csv, time: at, label: late }
train: { run: node train.js }
evaluate: { run: node train.js }
code: { include: [train.js, lib], exclude: [lib/old] }
`;

async function project(): Promise<LoadedModel> {
  const files = {
    'retempo.yaml': '',
    'models/late.yaml': model,
    'train.js': 'one',
    'lib/deep/er.js': 'two',
    'lib/old/er.js': 'left out',
    'lib/.env': 'KEY=secret',
    '.env': 'KEY=secret',
    'data/rows.csv': 'id',
    'other.js': 'not included',
  };
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  const checker = { name: 'onprem', checkConfig: () => [] };
  return (await loadProject({ folder, providers: [checker] })).models[0]!;
}

const newStore = async (name: string) => {
  const root = join(folder, '.stores', name);
  await mkdir(root, { recursive: true });
  return createFileStore({ root });
};

describe('the program of a model', () => {
  it('is what its file says, and nothing that lies beside it', async () => {
    const store = await newStore('a');
    const sealed = await sealCode(await project(), store, call());
    expect(sealed.files.map(({ path }) => path)).toEqual(['lib/deep/er.js', 'train.js']);
    expect(sealed.ref.uri.startsWith(`${store.root}code/late/`)).toBe(true);
    expect(await filesOf(createStores([store]), sealed.ref, call())).toEqual(sealed.files);
  });

  it('is known before it is sealed, without a trace', async () => {
    const loaded = await project();
    const temporary = join(folder, '.tmp');
    await mkdir(temporary);
    vi.stubEnv('TMPDIR', temporary);
    const store = await newStore('a');
    const before = await previewCode(loaded, store, call());
    expect(await readdir(temporary)).toEqual([]);
    expect(await readdir(join(folder, '.stores', 'a'))).toEqual([]);
    expect(await sealCode(loaded, store, call())).toEqual(before);
    // Also where it cannot be sealed.
    await rm(join(folder, 'train.js'));
    await writeFile(join(folder, 'lib', 'deep', 'er.js'), 'three');
    const after = await previewCode(loaded, store, call()).catch(() => null);
    expect(after?.ref).not.toEqual(before.ref);
    expect(await readdir(temporary)).toEqual([]);
  });
});

describe('specs that are kept', () => {
  const spec = (name: string) => ({ v: 1, model: name }) as unknown as ModelSpec;
  const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
  const of = (name: string, letter: string, actor = 'ann') => ({ spec: spec(name), specDigest: digest(letter), actor });

  it('are found by their digest and by their model, and stay as they were first applied', async () => {
    const registry = createRegistry({ store: await newStore('a') });
    expect(await readSpec(registry, 'late', digest('a'), call())).toBeNull();
    await keepSpec(registry, of('late', 'a'), call());
    await keepSpec(registry, of('late', 'b'), call());
    await keepSpec(registry, of('late-two', 'c'), call());
    await keepSpec(registry, of('late', 'a', 'mia'), call());
    expect(await readSpec(registry, 'late', digest('a'), call())).toEqual(spec('late'));
    expect(await keptSpecs(registry, 'late', call())).toEqual([spec('late'), spec('late')]);
    const kept = await registry.readDocument(`models/late/specs/${'a'.repeat(32)}`, call());
    expect(kept?.value).toMatchObject({ v: 1, specDigest: digest('a'), actor: 'ann' });
  });

  it('are not taken for kept where they could not be written', async () => {
    const registry = createRegistry({ store: await newStore('a') });
    const over = { signal: AbortSignal.abort(), deadlineMs: Date.now() };
    await expect(keepSpec(registry, of('late', 'a'), over)).rejects.toThrow();
    expect(await keptSpecs(registry, 'late', call())).toEqual([]);
  });
});
