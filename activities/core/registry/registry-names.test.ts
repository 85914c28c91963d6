import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createFileStore } from '../artifacts/file-store.js';
import { registeredVersion } from '../conformance/artifacts-data.js';
import type { ArtifactStore, Call } from '../ports/index.js';
import { createRegistry } from './registry.js';

// What has a name is there and stays there.

let root: string;
let store: ArtifactStore;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'retempo-registry-'));
  store = createFileStore({ root });
});
afterEach(() => rm(root, { recursive: true, force: true }));

const call = (): Call => ({ signal: new AbortController().signal, deadlineMs: Date.now() + 30_000 });
const model = 'm';
const early = '2026-01-01T00:00:00.000Z';
const later = '2027-01-01T00:00:00.000Z';
const at = (time: string) => createRegistry({ store, now: () => time });
const champion = (version: string, ifVersion: number | null) => ({
  model,
  alias: 'champion',
  version,
  ifVersion,
  actor: 'ada',
  reason: 'canary succeeded',
});

it('collecting takes the bytes of what nobody names, the last of those that share them; nothing else, and nobody’s name', async () => {
  const registry = at(early);
  const [aliased, pinned, free, young] = await Promise.all(
    [0, 1, 2, 3].map((index) => registeredVersion(store, index))
  );
  const twin = { ...free!, version: 'v9-00000000' };
  for (const input of [aliased!, pinned!, free!, twin]) await registry.register(input, call());
  await at(later).register(young!, call());
  await registry.setAlias(champion(aliased!.version, null), call());
  await registry.pin({ model, version: pinned!.version, name: 'audit', reason: 'asked for' }, call());
  const report = await registry.collect({ model, olderThan: later }, call());
  expect(report.looked).toBe(5);
  expect(report.collected).toEqual([free!.version, twin.version]);
  expect(report.kept).toEqual([
    { version: aliased!.version, reason: 'alias champion' },
    { version: pinned!.version, reason: 'pin audit: asked for' },
    { version: young!.version, reason: `not older than ${later}` },
  ]);
  const has = await Promise.all([0, 1, 2, 3].map((index) => store.head(`versions/m/${index}/model.bin`, call())));
  expect(has.map((head) => head !== null)).toEqual([true, true, false, true]);
  // What was kept can be named, what was collected cannot.
  let generation = 1;
  for (const { version } of [pinned!, young!, aliased!])
    expect((await registry.setAlias(champion(version, generation++), call())).version).toBe(version);
  const taken = { class: 'Conflict', message: expect.stringContaining('have been deleted') as string };
  await expect(registry.setAlias(champion(twin.version, generation), call())).rejects.toMatchObject(taken);
  expect((await registry.collect({ model, olderThan: later }, call())).looked).toBe(3);
});

it('the same version again is the first record, however much later; with other content it is refused', async () => {
  const input = await registeredVersion(store, 0);
  const first = await at(early).register(input, call());
  expect(await at(later).register(input, call())).toEqual(first);
  const other = at(later).register({ ...input, metrics: { logLoss: 0.1 } }, call());
  await expect(other).rejects.toMatchObject({ class: 'Conflict' });
  expect(await at(later).listVersions(model, call())).toEqual([first]);
});

it('a version without its bytes is not one that is known', async () => {
  const input = await registeredVersion(store, 0);
  const registry = at(early);
  const missing = { ...input, artifact: { ...input.artifact, uri: `${store.root}versions/none/` } };
  await expect(registry.register(missing, call())).rejects.toMatchObject({ class: 'NotFound' });
  expect(await registry.getVersion(missing, call())).toBeNull();
  expect(await registry.listVersions(model, call())).toEqual([]);
  expect(await registry.getVersion({ model, version: 'v9-00000000' }, call())).toBeNull();
  await expect(registry.setAlias(champion(input.version, null), call())).rejects.toMatchObject({ class: 'NotFound' });
});

it('G6: a change of an alias that is made again gives its result; the same for another version comes too late', async () => {
  const registry = at(early);
  const one = await registry.register(await registeredVersion(store, 0), call());
  const two = await registry.register(await registeredVersion(store, 1), call());
  expect(await registry.aliasHistory({ model, alias: 'champion' }, call())).toEqual([]);
  const set = await registry.setAlias(champion(one.version, null), call());
  expect(await at(later).setAlias(champion(one.version, null), call())).toEqual(set);
  await expect(registry.setAlias(champion(two.version, null), call())).rejects.toMatchObject({ class: 'Conflict' });
  expect(await registry.aliasHistory({ model, alias: 'champion' }, call())).toHaveLength(1);
  expect(await registry.getAlias({ model, alias: 'champion' }, call())).toEqual(set);
});
