import assert from 'node:assert/strict';
import type { ArtifactStore } from '../ports/index.js';
import { createRegistry } from '../registry/registry.js';
import { registeredVersion } from './artifacts-data.js';
import { call, contentOf, refuses, text, type ConformanceCase } from './suite.js';

const writers = 16;

const race = async <T>(work: (index: number) => Promise<T>) =>
  Promise.allSettled(Array.from({ length: writers }, (_, index) => work(index)));

async function oneWinner(results: readonly PromiseSettledResult<unknown>[], what: string): Promise<number> {
  const winners = results.flatMap(({ status }, index) => (status === 'fulfilled' ? [index] : []));
  for (const result of results) {
    if (result.status === 'rejected') await refuses(Promise.reject(result.reason as Error), 'Conflict', what);
  }
  assert.equal(winners.length, 1, `${what}: ${winners.length} winners`);
  return winners[0] ?? -1;
}

/** Cases in which several writers of one process want the same thing. */
export const raceCases: readonly ConformanceCase[] = [
  {
    title: `A2: of ${writers} writers of one absent key exactly one wins, 10 rounds`,
    async run(store) {
      for (let round = 0; round < 10; round++) {
        const key = `race/${round}`;
        const results = await race((index) => store.put(key, text(`writer ${index}`), { ifAbsent: true }, call()));
        const winner = await oneWinner(results, key);
        assert.equal(Buffer.from(await contentOf(store, key)).toString(), `writer ${winner}`);
      }
    },
  },
  {
    title: `G6: of ${writers} writers that have seen the same version exactly one replaces it, 10 rounds`,
    async run(store) {
      let { version } = await store.put('doc', text('start'), { ifAbsent: true }, call());
      for (let round = 0; round < 10; round++) {
        const results = await race((index) =>
          store.put('doc', text(`${round} ${index}`), { ifVersion: version }, call())
        );
        const winner = await oneWinner(results, `round ${round}`);
        assert.equal(Buffer.from(await contentOf(store, 'doc')).toString(), `${round} ${winner}`);
        const result = results[winner];
        assert.ok(result?.status === 'fulfilled');
        version = result.value.version;
        assert.equal((await store.head('doc', call()))?.version, version);
      }
    },
  },
  {
    title: `G6: ${writers} updaters of one document lose no update`,
    async run(store) {
      const registry = createRegistry({ store });
      await race(async (index) => {
        for (let round = 0; round < 5; round++) {
          await registry.updateDocument<readonly string[]>(
            'log',
            (log) => [...(log ?? []), `${index}.${round}`],
            call()
          );
        }
      });
      const log = (await registry.readDocument<readonly string[]>('log', call()))?.value ?? [];
      assert.equal(log.length, writers * 5);
      assert.equal(new Set(log).size, writers * 5);
    },
  },
  {
    title: `G6: of ${writers} promotions exactly one wins per generation, and history shows every one in order`,
    async run(store) {
      const registry = createRegistry({ store });
      const versions: string[] = [];
      for (let index = 0; index < writers; index++) {
        const input = await registeredVersion(store, index);
        versions.push((await registry.register(input, call())).version);
      }
      const winners: string[] = [];
      for (let generation = 0; generation < 5; generation++) {
        const results = await race((index) =>
          registry.setAlias(
            {
              model: 'm',
              alias: 'champion',
              version: versions[index] ?? '',
              ifVersion: generation === 0 ? null : generation,
              actor: `canary ${index}`,
              reason: `generation ${generation + 1}`,
            },
            call()
          )
        );
        const winner = versions[await oneWinner(results, `generation ${generation + 1}`)] ?? '';
        const alias = await registry.getAlias({ model: 'm', alias: 'champion' }, call());
        assert.deepEqual([alias?.version, alias?.generation], [winner, generation + 1]);
        winners.push(winner);
      }
      const history = await registry.aliasHistory({ model: 'm', alias: 'champion' }, call());
      assert.deepEqual(
        history.map(({ generation, version }) => [generation, version]),
        winners.map((version, index) => [index + 1, version])
      );
    },
  },
  {
    title:
      'a writer that deletes and one that replaces leave the old, the new, or nothing; never a resurrected version',
    async run(store: ArtifactStore) {
      for (let round = 0; round < 20; round++) {
        const { version } = await store.put('x', text('old'), { ifAbsent: true }, call());
        const [replaced] = await Promise.allSettled([
          store.put('x', text('new'), { ifVersion: version }, call()),
          store.delete('x', call()),
        ]);
        // Deleted first: the replacement is refused. Replaced first: the deletion removes the new bytes.
        if (replaced.status === 'rejected') {
          await refuses(Promise.reject(replaced.reason as Error), 'Conflict', 'replacing what was deleted');
        }
        assert.equal(await store.head('x', call()), null, `round ${round}`);
      }
    },
  },
];
