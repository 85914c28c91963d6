import assert from 'node:assert/strict';
import { createStores } from '../artifacts/stores.js';
import { verifyArtifact } from '../artifacts/read.js';
import type { ArtifactStore } from '../ports/index.js';
import { createRegistry } from '../registry/registry.js';
import { registeredVersion } from './artifacts-data.js';
import { call, collectAll, refuses, type ConformanceCase } from './suite.js';

const day = 24 * 3600 * 1000;

/** A registry whose clock advances by one day with every look. */
function dailyRegistry(store: ArtifactStore) {
  let days = 0;
  return createRegistry({ store, now: () => new Date(day * days++).toISOString() });
}

const championOf = (version: string, ifVersion: number | null) => ({
  model: 'm',
  alias: 'champion',
  version,
  ifVersion,
  actor: 'ada',
  reason: 'canary succeeded',
});

/** Cases about versions, aliases, pins, collection and documents. */
export const registryCases: readonly ConformanceCase[] = [
  {
    title: 'A2: a version never changes: the same content again is the first record, other content is Conflict',
    async run(store) {
      const registry = dailyRegistry(store);
      const input = await registeredVersion(store, 0);
      const first = await registry.register(input, call());
      assert.deepEqual(await registry.register(input, call()), first);
      await refuses(registry.register({ ...input, metrics: { logLoss: 0.1 } }, call()), 'Conflict', 'other metrics');
      assert.deepEqual(await registry.getVersion(input, call()), first);
      assert.equal(await registry.getVersion({ model: 'm', version: 'v9-00000000' }, call()), null);
      const other = await registry.register(await registeredVersion(store, 1), call());
      assert.deepEqual(await registry.listVersions('m', call()), [first, other]);
      assert.deepEqual(await registry.listVersions('nobody', call()), []);
    },
  },
  {
    title: 'A1: a version without its artifact is not registered as usable',
    async run(store) {
      const registry = dailyRegistry(store);
      const input = await registeredVersion(store, 0);
      const missing = { ...input, artifact: { ...input.artifact, uri: `${store.root}versions/none/` } };
      await refuses(registry.register(missing, call()), 'NotFound', 'no artifact');
      assert.equal(await registry.getVersion(missing, call()), null);
      assert.deepEqual(await registry.listVersions('m', call()), []);
      await refuses(registry.setAlias(championOf(missing.version, null), call()), 'NotFound', 'alias without artifact');
    },
  },
  {
    title: 'G6: an alias moves only from the generation that was seen, to a known version, with a reason',
    async run(store) {
      const registry = dailyRegistry(store);
      const one = await registry.register(await registeredVersion(store, 0), call());
      const two = await registry.register(await registeredVersion(store, 1), call());
      assert.equal(await registry.getAlias({ model: 'm', alias: 'champion' }, call()), null);
      await refuses(registry.setAlias(championOf(one.version, 1), call()), 'Conflict', 'not set yet');
      const first = await registry.setAlias(championOf(one.version, null), call());
      assert.equal(first.generation, 1);
      assert.deepEqual(await registry.setAlias(championOf(one.version, null), call()), first, 'a repeated request');
      await refuses(registry.setAlias(championOf(two.version, null), call()), 'Conflict', 'set already');
      await refuses(registry.setAlias(championOf('v9-00000000', 1), call()), 'NotFound', 'unknown version');
      await refuses(
        registry.setAlias({ ...championOf(two.version, 1), actor: ' ' }, call()),
        'InvalidSpec',
        'no actor'
      );
      const second = await registry.setAlias(championOf(two.version, 1), call());
      await refuses(registry.setAlias(championOf(one.version, 1), call()), 'Conflict', 'a late loser');
      assert.deepEqual(await registry.getAlias({ model: 'm', alias: 'champion' }, call()), second);
      const history = await registry.aliasHistory({ model: 'm', alias: 'champion' }, call());
      assert.deepEqual(
        history.map(({ version, actor }) => [version, actor]),
        [
          [one.version, 'ada'],
          [two.version, 'ada'],
        ]
      );
    },
  },
  {
    title: 'the whole history of an alias stays readable while its document stays small',
    async run(store) {
      const registry = dailyRegistry(store);
      const versions = [
        await registry.register(await registeredVersion(store, 0), call()),
        await registry.register(await registeredVersion(store, 1), call()),
      ];
      const changes = 450;
      for (let generation = 0; generation < changes; generation++) {
        const { version } = versions[generation % 2] ?? versions[0]!;
        await registry.setAlias(championOf(version, generation === 0 ? null : generation), call());
      }
      const history = await registry.aliasHistory({ model: 'm', alias: 'champion' }, call());
      assert.deepEqual(
        history.map(({ generation }) => generation),
        Array.from({ length: changes }, (_, index) => index + 1)
      );
      const state = await store.head('registry/models/m/state.json', call());
      assert.ok((state?.size ?? Infinity) < 64 * 1024, `${state?.size} bytes`);
    },
  },
  {
    title: 'collect deletes bytes of old versions only, never of pinned or aliased ones, nor bytes that others share',
    async run(store) {
      const registry = dailyRegistry(store);
      const stores = createStores([store]);
      const inputs = await Promise.all([0, 1, 2, 3, 4].map((index) => registeredVersion(store, index)));
      for (const input of inputs) await registry.register(input, call());
      const [old, champion, pinned, shared, young] = inputs as [
        (typeof inputs)[0],
        (typeof inputs)[0],
        (typeof inputs)[0],
        (typeof inputs)[0],
        (typeof inputs)[0],
      ];
      const twin = { ...shared, version: 'v6-00000000' };
      await registry.register(twin, call());
      await registry.setAlias(championOf(champion.version, null), call());
      await registry.pin({ model: 'm', version: pinned.version, name: 'anchor', reason: 'audit' }, call());
      assert.deepEqual(
        (await registry.pinsOf('m', call())).map(({ version, name, reason }) => [version, name, reason]),
        [[pinned.version, 'anchor', 'audit']]
      );

      const olderThan = new Date(4 * day).toISOString();
      const report = await registry.collect({ model: 'm', olderThan }, call());
      assert.deepEqual(report.collected, [old.version, shared.version]);
      assert.deepEqual(
        report.kept.map(({ version }) => version).sort(),
        [champion.version, pinned.version, twin.version, young.version].sort()
      );
      for (const { artifact } of [champion, pinned, shared, young])
        await verifyArtifact({ stores, ref: artifact }, call());
      await refuses(verifyArtifact({ stores, ref: old.artifact }, call()), 'NotFound', 'collected bytes');
      const prefix = stores.resolve(old.artifact.uri).key;
      assert.deepEqual(await collectAll(store.list(`${prefix}/`, call())), []);
      const record = await registry.getVersion(old, call());
      assert.ok(record?.collectedAt !== undefined && record.lineage.run === old.lineage.run);

      await refuses(registry.setAlias(championOf(old.version, 1), call()), 'Conflict', 'alias of a collected version');
      const pin = { model: 'm', version: old.version, name: 'late', reason: 'x' };
      await refuses(registry.pin(pin, call()), 'Conflict', 'pin of a collected version');

      await registry.unpin({ model: 'm', version: pinned.version, name: 'anchor' }, call());
      const again = await registry.collect({ model: 'm', olderThan: new Date(100 * day).toISOString() }, call());
      assert.deepEqual([...again.collected].sort(), [pinned.version, twin.version, young.version].sort());
      await refuses(verifyArtifact({ stores, ref: shared.artifact }, call()), 'NotFound', 'the last user is gone');
      await verifyArtifact({ stores, ref: champion.artifact }, call());
    },
  },
  {
    title: 'documents: written only on the state that was read; names cannot leave the registry',
    async run(store) {
      const registry = createRegistry({ store });
      assert.equal(await registry.readDocument('governor/m', call()), null);
      const first = await registry.writeDocument('governor/m', { v: 1, n: 1 }, { ifAbsent: true }, call());
      await refuses(registry.writeDocument('governor/m', {}, { ifAbsent: true }, call()), 'Conflict', 'exists');
      assert.deepEqual(await registry.readDocument('governor/m', call()), { value: { v: 1, n: 1 }, tag: first.tag });
      const second = await registry.writeDocument('governor/m', { v: 1, n: 2 }, { ifTag: first.tag }, call());
      await refuses(registry.writeDocument('governor/m', {}, { ifTag: first.tag }, call()), 'Conflict', 'old tag');
      const unchanged = await registry.updateDocument('governor/m', () => undefined, call());
      assert.equal(unchanged.tag, second.tag);
      await registry.writeDocument('governor/n', { v: 1 }, { ifAbsent: true }, call());
      assert.deepEqual(await collectAll(registry.listDocuments('governor/', call())), ['governor/m', 'governor/n']);
      await registry.deleteDocument('governor/n', call());
      assert.equal(await registry.readDocument('governor/n', call()), null);
      for (const path of ['../models/m/state', 'a//b', '/a', '']) {
        await refuses(registry.readDocument(path, call()), 'InvalidSpec', `path ${path}`);
      }
      await refuses(registry.getVersion({ model: '../m', version: 'v1' }, call()), 'InvalidSpec', 'model name');
    },
  },
];
