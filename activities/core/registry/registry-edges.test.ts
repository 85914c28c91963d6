import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFileStore } from '../artifacts/file-store.js';
import { registeredVersion } from '../conformance/artifacts-data.js';
import { PortError, type ArtifactStore, type Call } from '../ports/index.js';
import { createDocuments } from './documents.js';
import { emptyState, pageLength, type ModelState } from './model-state.js';
import { createRegistry } from './registry.js';

// Stores that fail at one step, and what must not follow from it.

let root: string;
let store: ArtifactStore;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'retempo-registry-'));
  store = createFileStore({ root });
});
afterEach(() => rm(root, { recursive: true, force: true }));

const call = (): Call => ({ signal: new AbortController().signal, deadlineMs: Date.now() + 30_000 });
const clock = () => '2026-01-01T00:00:00.000Z';
const later = '2027-01-01T00:00:00.000Z';
const model = 'm';
const stateKey = 'registry/models/m/state.json';
const champion = (version: string, ifVersion: number | null) => ({
  model,
  alias: 'champion',
  version,
  ifVersion,
  actor: 'ada',
  reason: 'canary succeeded',
});

/** A store that cannot write a key. */
const failingToWrite = (
  key: (name: string) => boolean,
  errorClass: 'ServiceFault' | 'UnknownOutcome'
): ArtifactStore => ({
  ...store,
  put: (name, ...input) =>
    key(name) ? Promise.reject(new PortError(errorClass, 'the disk is full')) : store.put(name, ...input),
});

describe('registering', () => {
  it.each(['ServiceFault', 'UnknownOutcome'] as const)(
    'a record that was not written (%s) is told so',
    async (errorClass) => {
      const input = await registeredVersion(store, 0);
      const isRecord = (key: string) => key.includes('/versions/v1-');
      const registry = createRegistry({ store: failingToWrite(isRecord, errorClass) });
      await expect(registry.register(input, call())).rejects.toMatchObject({ class: errorClass });
      await createRegistry({ store }).register(input, call());
      expect(await registry.listVersions(model, call())).toHaveLength(1);
    }
  );

  it('a version whose bytes lie in another store is taken by its word', async () => {
    const input = await registeredVersion(store, 0);
    const elsewhere = { ...input, artifact: { ...input.artifact, uri: 's3://bucket/versions/m/1/' } };
    const registry = createRegistry({ store });
    expect((await registry.register(elsewhere, call())).artifact.uri).toBe('s3://bucket/versions/m/1/');
    expect(await registry.listVersions(model, call())).toHaveLength(1);
  });

  it.each(['', 'a/b', '../v1', 'V1'])('refuses %j as the name of a version', async (version) => {
    const registry = createRegistry({ store });
    const input = { ...(await registeredVersion(store, 0)), version };
    const bad = { class: 'InvalidSpec', message: expect.stringContaining('is not a name of a version') as string };
    await expect(registry.register(input, call())).rejects.toMatchObject(bad);
    await expect(registry.getVersion({ model, version }, call())).rejects.toMatchObject(bad);
  });
});

describe('an alias', () => {
  it('refuses names that are none before it looks at anything', async () => {
    const registry = createRegistry({ store });
    const bad = { class: 'InvalidSpec', message: expect.stringContaining('is not a name of an alias') as string };
    const { version } = await registry.register(await registeredVersion(store, 0), call());
    await expect(registry.setAlias({ ...champion(version, null), alias: 'a/b' }, call())).rejects.toMatchObject(bad);
    await expect(registry.aliasHistory({ model, alias: 'a/b' }, call())).rejects.toMatchObject(bad);
  });

  it('says to whoever comes too late what it names now', async () => {
    const registry = createRegistry({ store });
    const { version } = await registry.register(await registeredVersion(store, 0), call());
    const message = async (seen: number | null): Promise<string> =>
      registry.setAlias({ ...champion(version, seen), actor: 'bob' }, call()).then(
        () => 'set',
        (error: PortError) => error.message
      );
    expect(await message(7)).toContain('is not set, not at generation 7; read it again');
    await registry.setAlias(champion(version, null), call());
    expect(await message(null)).toContain(`is ${version} at generation 1, not at generation none; read it again`);
  });

  it.each(['ServiceFault', 'UnknownOutcome'] as const)(
    'loses no change when the oldest ones could not be saved (%s): then they are not cut',
    async (errorClass) => {
      const registry = createRegistry({ store, now: clock });
      const { version } = await registry.register(await registeredVersion(store, 0), call());
      const change = { version, actor: 'ada', reason: 'again', at: clock() };
      const recent = Array.from({ length: 2 * pageLength }, (_, i) => ({ ...change, generation: i + 1 }));
      const documents = createDocuments({ store, prefix: 'registry/models' });
      await documents.updateDocument<ModelState>(
        'm/state',
        (state) => ({
          ...(state ?? emptyState),
          aliases: { champion: { ...change, generation: recent.length, recent, pages: [] } },
        }),
        call()
      );
      const isPage = (key: string) => key.includes('/aliases/');
      const failing = createRegistry({ store: failingToWrite(isPage, errorClass) });
      await expect(failing.setAlias(champion(version, 200), call())).rejects.toMatchObject({ class: errorClass });
      await registry.setAlias(champion(version, 200), call());
      const history = await registry.aliasHistory({ model, alias: 'champion' }, call());
      expect(history.map(({ generation }) => generation)).toEqual(Array.from({ length: 201 }, (_, i) => i + 1));
    }
  );
});

describe('metrics', () => {
  it('are replaced by other ones; the same ones again change nothing', async () => {
    const registry = createRegistry({ store });
    const { version } = await registry.register(await registeredVersion(store, 0), call());
    for (const logLoss of [0.4, 0.3]) await registry.setMetrics({ model, version, metrics: { logLoss } }, call());
    expect((await registry.getVersion({ model, version }, call()))?.metrics).toEqual({ logLoss: 0.3 });
    const before = await store.head(stateKey, call());
    await registry.setMetrics({ model, version, metrics: { logLoss: 0.3 } }, call());
    expect(await store.head(stateKey, call())).toEqual(before);
  });

  it('take nothing from what protects the bytes: age, and other versions of the same', async () => {
    const input = await registeredVersion(store, 0);
    const young = createRegistry({ store, now: () => later });
    const old = createRegistry({ store, now: clock });
    const twin = { ...input, version: 'v9-00000000' };
    await young.register(input, call());
    await old.register(twin, call());
    for (const { version } of [input, twin]) await old.setMetrics({ model, version, metrics: { auc: 1 } }, call());
    const report = await old.collect({ model, olderThan: later }, call());
    expect(report).toMatchObject({ collected: [twin.version], kept: [{ version: input.version }] });
    expect(await store.head('versions/m/0/model.bin', call())).not.toBeNull();
  });
});

describe('collecting', () => {
  it('the bytes of one version keeps nobody from registering others', async () => {
    const [one, two] = [await registeredVersion(store, 0), await registeredVersion(store, 1)];
    const registry = createRegistry({ store, now: clock });
    await registry.register(one, call());
    const collecting = createRegistry({
      store: {
        ...store,
        async delete(...input) {
          await registry.register(two, call());
          await store.delete(...input);
        },
      },
      now: clock,
    });
    expect((await collecting.collect({ model, olderThan: later }, call())).collected).toEqual([one.version]);
    expect(await registry.listVersions(model, call())).toHaveLength(2);
  });

  it('what somebody else has collected meanwhile is not collected again', async () => {
    const { version } = await createRegistry({ store, now: clock }).register(await registeredVersion(store, 0), call());
    let looks = 0;
    const racing: ArtifactStore = {
      ...store,
      async head(...input) {
        // The first look finds what there is to collect; the second one decides about the version.
        if (input[0] === stateKey && (looks += 1) === 2)
          await createRegistry({ store, now: clock }).collect({ model, olderThan: later }, call());
        return await store.head(...input);
      },
    };
    const report = await createRegistry({ store: racing }).collect({ model, olderThan: later }, call());
    expect(report).toEqual({ looked: 1, collected: [], kept: [{ version, reason: 'collected meanwhile' }] });
    expect((await createRegistry({ store }).getVersion({ model, version }, call()))?.collectedAt).toBe(clock());
  });

  it('goes on past a version whose record is gone: what its bytes are is not known any more', async () => {
    const [one, two] = [await registeredVersion(store, 0), await registeredVersion(store, 1)];
    const registry = createRegistry({ store, now: clock });
    for (const input of [one, two]) await registry.register(input, call());
    await store.delete(`registry/models/m/versions/${one.version}.json`, call());
    const report = await registry.collect({ model, olderThan: later }, call());
    expect(report).toEqual({ looked: 2, collected: [one.version, two.version], kept: [] });
    expect(await store.head('versions/m/0/model.bin', call())).not.toBeNull();
    expect(await store.head('versions/m/1/model.bin', call())).toBeNull();
  });

  it('goes on past a version that was registered again without its bytes, and so is not known any more', async () => {
    const [one, two] = [await registeredVersion(store, 0), await registeredVersion(store, 1)];
    const registry = createRegistry({ store, now: clock });
    for (const input of [one, two]) await registry.register(input, call());
    let again: unknown;
    const racing: ArtifactStore = {
      ...store,
      async delete(...input) {
        await store.delete(...input);
        if (again === undefined && input[0].startsWith('versions/m/0/'))
          again = await registry.register(one, call()).catch((error: unknown) => error);
      },
    };
    const report = await createRegistry({ store: racing, now: clock }).collect({ model, olderThan: later }, call());
    expect(again).toMatchObject({ class: 'NotFound' });
    expect(report.collected).toEqual([one.version, two.version]);
    expect((await registry.listVersions(model, call())).map(({ version }) => version)).toEqual([two.version]);
    expect(await registry.getVersion({ model, version: one.version }, call())).toBeNull();
  });
});

describe('the versions of a model', () => {
  it('are listed by age, not by name', async () => {
    const days = ['03', '01', '02'];
    const registry = createRegistry({ store, now: () => `2026-01-${days.shift()}T00:00:00.000Z` });
    const inputs = [0, 1, 2].map((index) => registeredVersion(store, index));
    for (const input of await Promise.all(inputs)) await registry.register(input, call());
    const listed = await registry.listVersions(model, call());
    expect(listed.map(({ registeredAt }) => registeredAt.slice(8, 10))).toEqual(['01', '02', '03']);
  });
});
