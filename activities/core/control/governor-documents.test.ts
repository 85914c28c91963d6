import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Decision } from '@retempo/workflows/contracts';
import { createFileStore } from '../artifacts/index.js';
import { PortError, type ArtifactStore, type Call } from '../ports/index.js';
import { createRegistry, type Registry } from '../registry/index.js';
import { allDecisions, loadGovernor, saveGovernor } from './governor-documents.js';

let root: string;
let store: ArtifactStore;
let registry: Registry;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'retempo-governor-'));
  store = createFileStore({ root });
  registry = createRegistry({ store });
});
afterEach(() => rm(root, { recursive: true, force: true }));

const call = (): Call => ({ signal: new AbortController().signal, deadlineMs: Date.now() + 30_000 });
const decision = (n: number, at = '2026-01-05T00:00:00.000Z'): Decision => ({
  n,
  at,
  what: `decision ${n}`,
  by: 'ann',
  reason: 'because',
});
const save = (revision: number, decisions: readonly Decision[], on = registry) =>
  saveGovernor(
    on,
    { model: 'm', revision, snapshot: { v: 1, revision, text: `state ${revision}` }, decisions },
    call()
  );
const snapshot = async (model = 'm') => (await loadGovernor(registry, model, call())).snapshot;
const numbers = async () => (await allDecisions(registry, 'm', call())).map(({ n }) => n);

describe('what a governor keeps', () => {
  it('a model that was never saved has no snapshot and no decisions', async () => {
    expect(await loadGovernor(registry, 'm', call())).toEqual({ snapshot: null, recorded: 0 });
    expect(await numbers()).toEqual([]);
  });

  it('gives back the snapshot as it was saved', async () => {
    await save(1, [decision(1)]);
    expect(await snapshot()).toEqual({ v: 1, revision: 1, text: 'state 1' });
  });

  it('an older revision never replaces a newer one, and its decisions are kept all the same', async () => {
    await save(5, [decision(5)]);
    await save(4, [decision(4)]);
    expect(await snapshot()).toMatchObject({ revision: 5 });
    expect(new Set(await numbers())).toEqual(new Set([4, 5]));
  });

  it('the same revision again replaces it: a run that has started is not a decision', async () => {
    await save(5, [decision(5)]);
    await saveGovernor(registry, { model: 'm', revision: 5, snapshot: { v: 1, started: true }, decisions: [] }, call());
    expect(await snapshot()).toEqual({ v: 1, started: true });
  });

  it('the same decisions saved twice appear once', async () => {
    await save(2, [decision(1), decision(2)]);
    await save(2, [decision(1), decision(2)]);
    await save(3, [decision(2), decision(3)]);
    expect(await numbers()).toEqual([1, 2, 3]);
  });

  it('a number that is taken by another decision costs nobody a decision, and a retried save still adds nothing', async () => {
    const other = { ...decision(2), what: 'another decision' };
    await save(2, [decision(1), decision(2)]);
    for (let tried = 0; tried < 2; tried++) await save(3, [other, decision(3)]);
    const all = await allDecisions(registry, 'm', call());
    expect(all.map(({ what }) => what)).toEqual(['decision 1', 'decision 2', 'another decision', 'decision 3']);
  });

  it('a decision without a number is saved once too', async () => {
    const { n: _n, ...unnumbered } = decision(1);
    for (let tried = 0; tried < 2; tried++) await save(1, [unnumbered]);
    expect(await numbers()).toEqual([undefined]);
  });

  it('tells the highest recorded number, whatever month it is in and whatever the snapshot counts', async () => {
    await save(2, [decision(7, '2026-01-31T00:00:00.000Z'), decision(2, '2026-02-01T00:00:00.000Z')]);
    expect(await loadGovernor(registry, 'm', call())).toMatchObject({ snapshot: { revision: 2 }, recorded: 7 });
  });

  it('a document a month, read oldest first', async () => {
    await save(3, [
      decision(1, '2026-01-31T23:59:59.999Z'),
      decision(2, '2026-02-01T00:00:00.000Z'),
      decision(3, '2027-01-01T00:00:00.000Z'),
    ]);
    const paths: string[] = [];
    for await (const path of registry.listDocuments('models/m/decisions/', call())) paths.push(path);
    expect(paths).toEqual(['2026-01', '2026-02', '2027-01'].map((month) => `models/m/decisions/${month}`));
    expect(await numbers()).toEqual([1, 2, 3]);
  });

  it('models do not see each other', async () => {
    await save(1, [decision(1)]);
    expect(await snapshot('m2')).toBeNull();
    expect(await allDecisions(registry, 'm2', call())).toEqual([]);
  });

  it('two workers that save at once lose nothing', async () => {
    await Promise.all(Array.from({ length: 8 }, (_, i) => save(i + 1, [decision(i + 1)])));
    expect((await numbers()).toSorted((a, b) => a! - b!)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(await loadGovernor(registry, 'm', call())).toMatchObject({ snapshot: { revision: 8 }, recorded: 8 });
  });

  it('a snapshot never counts a decision that is not there: decisions are written first', async () => {
    let writes = 0;
    const failing = createRegistry({
      store: {
        ...store,
        put(...input) {
          writes++;
          return writes === 2 ? Promise.reject(new PortError('ServiceFault', 'down')) : store.put(...input);
        },
      },
    });
    await expect(save(1, [decision(1)], failing)).rejects.toMatchObject({ class: 'ServiceFault' });
    expect(await numbers()).toEqual([1]);
    expect(await loadGovernor(registry, 'm', call())).toEqual({ snapshot: null, recorded: 1 });
    await save(1, [decision(1)]);
    expect(await numbers()).toEqual([1]);
  });
});
