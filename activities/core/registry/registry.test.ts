import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFileStore } from '../artifacts/file-store.js';
import { registeredVersion } from '../conformance/artifacts-data.js';
import { PortError, type ArtifactStore, type Call } from '../ports/index.js';
import { createDocuments, maxDocumentBytes } from './documents.js';
import { emptyState, pageLength, type ModelState } from './model-state.js';
import { createRegistry } from './registry.js';

// The registry on a real store is tested by the conformance suite of artifact stores; here are the cases that need a store
// that loses answers, or an instant between two steps.

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

/** The same store; every write is made, and the answer to every other one is lost. */
function losingAnswers(): ArtifactStore {
  let writes = 0;
  return {
    ...store,
    async put(...input) {
      const result = await store.put(...input);
      writes += 1;
      if (writes % 2 === 1) throw new PortError('UnknownOutcome', 'the answer was lost');
      return result;
    },
  };
}

const champion = (version: string, ifVersion: number | null) => ({
  model: 'm',
  alias: 'champion',
  version,
  ifVersion,
  actor: 'ada',
  reason: 'canary succeeded',
});

describe('metrics', () => {
  it('come after the version, are kept although answers are lost, and outlive its bytes and a second registration', async () => {
    const input = { ...(await registeredVersion(store, 0)), metrics: { imported: 1 } };
    const { model, version } = input;
    const registry = createRegistry({ store: losingAnswers(), now: clock });
    const metrics = { logLoss: 0.4, auc: null };
    await expect(registry.setMetrics({ model, version, metrics }, call())).rejects.toMatchObject({ class: 'NotFound' });
    expect((await registry.register(input, call())).metrics).toEqual({ imported: 1 });
    await registry.setMetrics({ model, version, metrics }, call());
    await registry.setMetrics({ model, version, metrics }, call());
    await registry.register(input, call());
    await registry.collect({ model, olderThan: later }, call());
    const found = await registry.getVersion({ model, version }, call());
    expect(found).toMatchObject({ metrics, collectedAt: clock(), registeredAt: clock() });
    expect(await registry.listVersions(model, call())).toEqual([found]);
  });
});

describe('lost answers', () => {
  it('an update whose answer was lost is made once', async () => {
    const registry = createRegistry({ store: losingAnswers() });
    for (let index = 0; index < 10; index++) {
      await registry.updateDocument<readonly number[]>('log', (log) => [...(log ?? []), index], call());
    }
    expect((await registry.readDocument('log', call()))?.value).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('G6: a version is registered and an alias set once although answers are lost', async () => {
    const inputs = [await registeredVersion(store, 0), await registeredVersion(store, 1)];
    const registry = createRegistry({ store: losingAnswers(), now: clock });
    for (const input of inputs) await registry.register(input, call());
    await registry.setAlias(champion(inputs[0]!.version, null), call());
    await registry.setAlias(champion(inputs[1]!.version, 1), call());
    const history = await registry.aliasHistory({ model: 'm', alias: 'champion' }, call());
    expect(history.map(({ generation, version }) => [generation, version])).toEqual([
      [1, inputs[0]!.version],
      [2, inputs[1]!.version],
    ]);
  });
});

describe('collection against everything else', () => {
  /** A store that runs `interfere` just before the first deletion. */
  const beforeDeleting = (interfere: () => Promise<unknown>): ArtifactStore => {
    let done = false;
    return {
      ...store,
      async delete(...input) {
        if (!done) {
          done = true;
          await interfere();
        }
        return store.delete(...input);
      },
    };
  };

  it('a version that is being deleted cannot be aliased, pinned, or registered under another name', async () => {
    const input = await registeredVersion(store, 0);
    const registry = createRegistry({ store, now: clock });
    await registry.register(input, call());
    const refused: string[] = [];
    const attempt = (work: Promise<unknown>) =>
      work.then(
        () => refused.push('accepted'),
        (error: PortError) => refused.push(error.class)
      );
    const collecting = createRegistry({
      store: beforeDeleting(async () => {
        await attempt(registry.setAlias(champion(input.version, null), call()));
        await attempt(registry.pin({ model: 'm', version: input.version, name: 'p', reason: 'x' }, call()));
        await attempt(registry.register({ ...input, version: 'v9-00000000' }, call()));
      }),
      now: clock,
    });
    const report = await collecting.collect({ model: 'm', olderThan: later }, call());
    expect(refused).toEqual(['Conflict', 'Conflict', 'Conflict']);
    expect(report.collected).toEqual([input.version]);
    const gone = registry.register({ ...input, version: 'v9-00000000' }, call());
    await expect(gone).rejects.toMatchObject({ class: 'NotFound' });
  });

  it('a version that was collected stays known, also when it is registered again', async () => {
    const input = await registeredVersion(store, 0);
    const registry = createRegistry({ store, now: clock });
    await registry.register(input, call());
    await registry.collect({ model: 'm', olderThan: later }, call());
    await registry.register(input, call());
    expect((await registry.listVersions('m', call())).map(({ collectedAt }) => collectedAt)).toEqual([clock()]);
  });

  it('a version that got a name before its bytes were missed keeps its entry: the name must lead somewhere', async () => {
    const input = await registeredVersion(store, 0);
    const missing = { ...input, artifact: { ...input.artifact, uri: `${store.root}versions/none/` } };
    const registry = createRegistry({ store, now: clock });
    const registering = createRegistry({
      store: {
        ...store,
        async head(...given) {
          if (given[0].includes('versions/none'))
            await registry.pin({ model: 'm', version: input.version, name: 'p', reason: 'x' }, call());
          return store.head(...given);
        },
      },
      now: clock,
    });
    await expect(registering.register(missing, call())).rejects.toMatchObject({ class: 'NotFound' });
    expect(await registry.listVersions('m', call())).toHaveLength(1);
  });

  it('a time that is none collects nothing', async () => {
    const registry = createRegistry({ store, now: clock });
    await registry.register(await registeredVersion(store, 0), call());
    const collecting = registry.collect({ model: 'm', olderThan: 'yesterday' }, call());
    await expect(collecting).rejects.toMatchObject({ class: 'InvalidSpec' });
  });

  it('a collection that was interrupted is finished by the next one', async () => {
    const input = await registeredVersion(store, 0);
    const interrupted = createRegistry({
      store: beforeDeleting(() => Promise.reject(new PortError('ServiceFault', 'the worker died'))),
      now: clock,
    });
    await interrupted.register(input, call());
    const first = interrupted.collect({ model: 'm', olderThan: later }, call());
    await expect(first).rejects.toMatchObject({ class: 'ServiceFault' });
    const registry = createRegistry({ store, now: clock });
    expect((await registry.collect({ model: 'm', olderThan: later }, call())).collected).toEqual([input.version]);
    expect((await registry.collect({ model: 'm', olderThan: later }, call())).looked).toBe(0);
  });
});

describe('many at once', () => {
  it('no change of a document is lost', async () => {
    const registry = createRegistry({ store });
    const numbers = Array.from({ length: 20 }, (_, i) => i);
    await Promise.all(
      numbers.map((i) => registry.updateDocument<readonly number[]>('log', (log) => [...(log ?? []), i], call()))
    );
    const log = (await registry.readDocument<number[]>('log', call()))?.value ?? [];
    expect(log.toSorted((a, b) => a - b)).toEqual(numbers);
  });

  it('G6: of those who saw the same generation exactly one names the champion', async () => {
    const registry = createRegistry({ store });
    const versions = await Promise.all(
      [0, 1, 2, 3].map(async (index) => registry.register(await registeredVersion(store, index), call()))
    );
    await registry.setAlias(champion(versions[0]!.version, null), call());
    const attempts = Array.from({ length: 12 }, (_, i) =>
      registry.setAlias({ ...champion(versions[i % 4]!.version, 1), actor: `actor-${i}` }, call())
    );
    const results = await Promise.allSettled(attempts);
    const [won, ...more] = results.filter((result) => result.status === 'fulfilled');
    expect(more).toEqual([]);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ class: 'Conflict' });
    }
    expect(await registry.getAlias({ model: 'm', alias: 'champion' }, call())).toEqual(won?.value);
  });
});

describe('pins', () => {
  it('are as many as there are names and versions; each is replaced and taken away by itself', async () => {
    const registry = createRegistry({ store });
    const [one, two] = [await registeredVersion(store, 0), await registeredVersion(store, 1)];
    for (const input of [one, two]) await registry.register(input, call());
    const pins = async () =>
      (await registry.pinsOf('m', call())).map(({ version, name, reason }) => `${version} ${name} ${reason}`).sort();
    const pin = ({ version }: { version: string }, name: string, reason: string) =>
      registry.pin({ model: 'm', version, name, reason }, call());
    await pin(one, 'anchor', 'a');
    await pin(one, 'audit', 'b');
    await pin(two, 'anchor', 'c');
    await pin(one, 'anchor', 'again');
    const [first, second] = [one.version, two.version];
    expect(await pins()).toEqual([`${first} anchor again`, `${first} audit b`, `${second} anchor c`].sort());
    await registry.unpin({ model: 'm', version: first, name: 'anchor' }, call());
    const before = await store.head('registry/models/m/state.json', call());
    await registry.unpin({ model: 'm', version: first, name: 'never' }, call());
    expect(await store.head('registry/models/m/state.json', call())).toEqual(before);
    expect(await pins()).toEqual([`${first} audit b`, `${second} anchor c`].sort());
  });
});

describe('versions', () => {
  it('are listed oldest first, whatever their names', async () => {
    let day = 9;
    const registry = createRegistry({ store, now: () => `2026-01-0${day--}T00:00:00.000Z` });
    const inputs = [await registeredVersion(store, 0), await registeredVersion(store, 1)];
    for (const input of inputs) await registry.register(input, call());
    const listed = await registry.listVersions('m', call());
    expect(listed.map(({ version }) => version)).toEqual([inputs[1]!.version, inputs[0]!.version]);
  });
});

describe('a document that is replaced while it is read', () => {
  it.each(['replaced', 'deleted'] as const)('%s: it is read again, and its tag is that of its value', async (how) => {
    const registry = createRegistry({ store });
    const { tag } = await registry.writeDocument('d', { n: 1 }, { ifAbsent: true }, call());
    let done = false;
    const racing = createRegistry({
      store: {
        ...store,
        async *read(...input) {
          if (!done) {
            done = true;
            await (how === 'deleted'
              ? registry.deleteDocument('d', call())
              : registry.writeDocument('d', { n: 2 }, { ifTag: tag }, call()));
          }
          yield* store.read(...input);
        },
      },
    });
    const found = await racing.readDocument('d', call());
    expect(found).toEqual(how === 'deleted' ? null : await registry.readDocument('d', call()));
    expect(done).toBe(true);
  });
});

describe('an alias', () => {
  it('a change by somebody else is no repetition, and each needs a reason', async () => {
    const registry = createRegistry({ store });
    const { version } = await registry.register(await registeredVersion(store, 0), call());
    await registry.setAlias(champion(version, null), call());
    for (const other of [{ actor: 'bob' }, { reason: 'because' }]) {
      const again = registry.setAlias({ ...champion(version, null), ...other }, call());
      await expect(again).rejects.toMatchObject({ class: 'Conflict' });
    }
    for (const missing of [{ actor: ' ' }, { reason: '\n' }]) {
      const set = registry.setAlias({ ...champion(version, 1), ...missing }, call());
      await expect(set).rejects.toMatchObject({ class: 'InvalidSpec' });
    }
  });

  const stateKey = 'registry/models/m/state.json';
  const pageKey = 'registry/models/m/aliases/champion/0000000001.json';
  const everyGeneration = async (count: number) => {
    const history = await createRegistry({ store }).aliasHistory({ model: 'm', alias: 'champion' }, call());
    expect(history.map(({ generation }) => generation)).toEqual(Array.from({ length: count }, (_, i) => i + 1));
  };
  /** One version, and so many changes of the champion that the next one saves the oldest as a page. */
  async function longHistory(): Promise<string> {
    const { version } = await createRegistry({ store, now: clock }).register(await registeredVersion(store, 0), call());
    const before = await store.head(stateKey, call());
    const change = { version, actor: 'ada', reason: 'again', at: clock() };
    const recent = Array.from({ length: 2 * pageLength }, (_, i) => ({ ...change, generation: i + 1 }));
    const { versions } = (await createDocuments({ store, prefix: 'registry/models' }).readDocument<ModelState>(
      'm/state',
      call()
    ))!.value;
    const state: ModelState = {
      ...emptyState,
      versions,
      aliases: { champion: { ...change, generation: recent.length, recent, pages: [] } },
    };
    await store.put(stateKey, Buffer.from(JSON.stringify(state)), { ifVersion: before!.version }, call());
    return version;
  }
  /** A store that runs `interfere` before its first write of a key. */
  function beforeWriting(key: string, interfere: () => Promise<unknown>): ArtifactStore {
    let done = false;
    return {
      ...store,
      async put(...input) {
        if (!done && input[0] === key) {
          done = true;
          await interfere();
        }
        return store.put(...input);
      },
    };
  }

  it('of which the oldest changes were saved, but not cut, because a worker died in between, goes on', async () => {
    const version = await longHistory();
    const dying = beforeWriting(stateKey, () => Promise.reject(new PortError('ServiceFault', 'the worker died')));
    const set = createRegistry({ store: dying }).setAlias(champion(version, 200), call());
    await expect(set).rejects.toMatchObject({ class: 'ServiceFault' });
    expect(await store.head(pageKey, call())).not.toBeNull();
    await createRegistry({ store }).setAlias(champion(version, 200), call());
    await everyGeneration(201);
  });

  it('of which two save the oldest changes at once keeps all of them', async () => {
    const version = await longHistory();
    const racing = beforeWriting(pageKey, () => createRegistry({ store }).setAlias(champion(version, 200), call()));
    await createRegistry({ store: racing }).setAlias({ ...champion(version, 201), reason: 'second' }, call());
    await everyGeneration(202);
  });

  it('a part of its history that is gone is told, never left out', async () => {
    const version = await longHistory();
    const registry = createRegistry({ store });
    await registry.setAlias(champion(version, 200), call());
    await store.delete(pageKey, call());
    const history = registry.aliasHistory({ model: 'm', alias: 'champion' }, call());
    await expect(history).rejects.toMatchObject({ class: 'Integrity' });
  });
});

describe('names', () => {
  it.each(['', 'A', '../x', 'a/b', '__proto__', 'x'.repeat(64)])('refuses %j as model, alias and pin', async (name) => {
    const registry = createRegistry({ store });
    const bad = { class: 'InvalidSpec' };
    await expect(registry.listVersions(name, call())).rejects.toMatchObject(bad);
    await expect(registry.getAlias({ model: 'm', alias: name }, call())).rejects.toMatchObject(bad);
    const pin = { model: 'm', version: 'v1', name, reason: 'x' };
    await expect(registry.pin(pin, call())).rejects.toMatchObject(bad);
  });

  it('does not take inherited names for entries', async () => {
    const registry = createRegistry({ store });
    expect(await registry.getAlias({ model: 'm', alias: 'constructor' }, call())).toBeNull();
    const alias = registry.setAlias(champion('constructor', null), call());
    await expect(alias).rejects.toMatchObject({ class: 'NotFound' });
  });

  it('takes and reads documents of at most 8 MiB, and says which one is larger', async () => {
    const registry = createRegistry({ store });
    const large = 'x'.repeat(maxDocumentBytes);
    await expect(registry.writeDocument('large', large, { ifAbsent: true }, call())).rejects.toMatchObject({
      class: 'InvalidSpec',
      message: expect.stringContaining('"large"') as string,
    });
    expect(await registry.readDocument('large', call())).toBeNull();
    const key = 'registry/documents/large.json';
    await store.put(key, Buffer.from(JSON.stringify(large)), { ifAbsent: true }, call());
    await expect(registry.readDocument('large', call())).rejects.toMatchObject({
      class: 'Integrity',
      message: expect.stringContaining('"large"') as string,
    });
    const most = large.slice(2);
    await registry.writeDocument('most', most, { ifAbsent: true }, call());
    expect((await registry.readDocument('most', call()))?.value).toBe(most);
  });

  it('needs a store that can compare and set', () => {
    for (const lacking of [{ compareAndSet: false }, { ifAbsent: false }]) {
      const weak = { ...store, capabilities: { ...store.capabilities, ...lacking } };
      expect(() => createRegistry({ store: weak })).toThrow(/cannot compare and set/);
    }
  });
});
