import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFileStore } from '../artifacts/file-store.js';
import { registeredVersion } from '../conformance/artifacts-data.js';
import { PortError, type ArtifactStore, type Call } from '../ports/index.js';
import { maxDocumentBytes } from './documents.js';
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
    const weak = { ...store, capabilities: { ...store.capabilities, compareAndSet: false } };
    expect(() => createRegistry({ store: weak })).toThrow(/cannot compare and set/);
  });
});
