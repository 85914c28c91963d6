import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { versionId } from '@retempo/workflows/contracts';
import { call, createMonitorWorld, type MonitorWorld } from '../monitor/world.test.util.js';
import { PortError } from '../ports/index.js';
import type { Registry } from '../registry/index.js';
import { getChampion, getPreviousChampion, readVersion, registerVersion, setChampion } from './versions.js';

let world: MonitorWorld;
let registry: Registry;
beforeEach(() => {
  world = createMonitorWorld();
  registry = world.registry;
});
afterEach(() => world.remove());

const read = (anchor: string | null = null) => getChampion(registry, { model: 'm', anchor }, call());
const name = (version: string, expected: string | null) =>
  setChampion(registry, { model: 'm', version, expected, releaseId: 'retempo/m/run/9-0', reason: 'promoted' }, call());
/** Registered, and nothing else. */
async function registered(seq: number) {
  const record = await world.promote(seq);
  return record.version;
}

describe('registering a version', () => {
  it('gives the same version again for the same release and bytes, and writes it once', async () => {
    const { v, version, ...record } = await world.promote(1);
    expect([v, version]).toEqual([1, versionId(1, record.artifact.digest)]);
    const stored = () => registry.readDocument(`models/m/records/${version}`, call());
    const before = await stored();
    const again = await registerVersion(registry, { record, seq: 1 }, call());
    expect(again).toEqual({ v, version, ...record });
    expect(before).not.toBeNull();
    expect(await stored()).toEqual(before);
    expect(await registry.listVersions('m', call())).toHaveLength(1);
  });

  it('keeps where it came from: data, code, spec, run, site, job, evaluator and parent', async () => {
    const first = await world.promote(1);
    const second = await world.promote(2);
    const stored = await registry.getVersion({ model: 'm', version: second.version }, call());
    expect(stored?.lineage).toMatchObject({
      data: {
        digest: second.data.train.digest,
        window: { from: second.data.trainWindow.from, to: second.data.trainWindow.to },
        rows: second.data.trainWindow.rows,
        artifact: second.data.train,
      },
      code: second.code.digest,
      spec: second.specDigest,
      run: second.releaseId,
      site: 'onprem.east',
      jobKey: second.jobKey,
      evaluator: {
        run: ['node', 'predict.js'],
        code: second.code,
        predictions: second.evaluator.predictions,
        timeoutMs: second.evaluator.timeoutMs,
      },
      parents: [first.version],
    });
    expect(await readVersion(registry, 'm', second.version, call())).toEqual(second);
    const known = await registry.getVersion({ model: 'm', version: first.version }, call());
    expect(known?.lineage.parents).toEqual([]);
  });

  it('other content under the same name is a conflict: versions never change', async () => {
    const { v: _, version: __, ...record } = await world.promote(1);
    const other = { ...record, site: 'onprem.west' };
    await expect(registerVersion(registry, { record: other, seq: 1 }, call())).rejects.toMatchObject({
      class: 'Conflict',
    });
  });

  it('bytes that are not in the store cannot be registered', async () => {
    const { v: _, version: __, ...record } = await world.promote(1);
    const artifact = {
      ...record.artifact,
      uri: `${world.store.root}versions/none/`,
      digest: `sha256:${'e'.repeat(64)}`,
    };
    await expect(registerVersion(registry, { record: { ...record, artifact }, seq: 2 }, call())).rejects.toMatchObject({
      class: 'NotFound',
    });
  });
});

describe('the champion', () => {
  it('a model without one has none, nor an anchor', async () => {
    expect(await read('pinned')).toEqual({ champion: null, anchor: null });
    expect(await getPreviousChampion(registry, 'm', call())).toBeNull();
  });

  it('the first champion is pinned as the anchor, and stays it', async () => {
    const first = await registered(1);
    const second = await registered(2);
    const known = await read('pinned');
    expect([known.champion?.version, known.anchor?.version]).toEqual([second, first]);
    expect(await registry.pinsOf('m', call())).toMatchObject([
      { name: 'anchor', version: first, reason: 'first champion' },
    ]);
  });

  it('the anchor is read only when a policy asks for it: the pinned one or a version by name', async () => {
    const first = await registered(1);
    const second = await registered(2);
    expect((await read(null)).anchor).toBeNull();
    expect((await read('pinned')).anchor?.version).toBe(first);
    expect((await read(second)).anchor?.version).toBe(second);
    expect((await read('v9-00000000')).anchor).toBeNull();
  });

  it('G6: changes only from the expected one; a wrong expectation says who is there', async () => {
    const first = await registered(1);
    const second = await registered(2);
    for (const expected of [first, null]) {
      await expect(name(first, expected)).rejects.toMatchObject({
        type: 'Retempo.ChampionMismatch',
        nonRetryable: true,
        message: `the champion of m should be ${expected ?? 'none'} but the registry names ${second}; look at who changed it, then start the release again`,
      });
    }
    expect((await read()).champion?.version).toBe(second);
  });

  it('a store that is down says nothing about who is champion: it is tried again; one that was faster does', async () => {
    const first = await registered(1);
    const second = await registered(2);
    const down = new PortError('ServiceFault', 'down');
    const failing: Registry = { ...registry, setAlias: () => Promise.reject(down) };
    const input = { model: 'm', version: first, expected: second, releaseId: 'r', reason: 'promoted' };
    await expect(setChampion(failing, input, call())).rejects.toBe(down);
    // Somebody was faster, between the look and the change: who it is has not been seen.
    const raced: Registry = { ...registry, setAlias: () => Promise.reject(new PortError('Conflict', 'changed')) };
    await expect(setChampion(raced, input, call())).rejects.toMatchObject({
      type: 'Retempo.ChampionMismatch',
      message: expect.stringContaining(`should be ${second} but the registry names another one;`) as string,
    });
  });

  it('repeating a change is harmless, whatever was expected', async () => {
    await registered(1);
    const second = await registered(2);
    const before = await registry.getAlias({ model: 'm', alias: 'champion' }, call());
    await name(second, 'v1-00000000');
    await name(second, second);
    expect(await registry.getAlias({ model: 'm', alias: 'champion' }, call())).toEqual(before);
  });

  it('a crash between alias and pin is repaired by the repetition', async () => {
    let pins = 0;
    const first = await registered(1);
    await registry.unpin({ model: 'm', version: first, name: 'anchor' }, call());
    const failing: Registry = {
      ...registry,
      pin: (input, other) => {
        pins++;
        return pins === 1 ? Promise.reject(new PortError('ServiceFault', 'down')) : registry.pin(input, other);
      },
    };
    const set = () =>
      setChampion(failing, { model: 'm', version: first, expected: null, releaseId: 'r', reason: 'promoted' }, call());
    await expect(set()).rejects.toMatchObject({ class: 'ServiceFault' });
    await set();
    expect((await read('pinned')).anchor?.version).toBe(first);
  });

  it('of two that expect the same champion exactly one wins', async () => {
    const first = await registered(1);
    const second = await registered(2);
    const third = await registered(3);
    await name(first, third);
    const results = await Promise.allSettled([name(second, first), name(third, first)]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const lost = results.find((result) => result.status === 'rejected');
    expect(lost?.reason).toMatchObject({ type: 'Retempo.ChampionMismatch' });
  });

  it('the one before is the version that served before the present one', async () => {
    const first = await registered(1);
    expect(await getPreviousChampion(registry, 'm', call())).toBeNull();
    const second = await registered(2);
    expect((await getPreviousChampion(registry, 'm', call()))?.version).toBe(first);
    // Gone back: pressing once more must not go forward to what was rolled back.
    await name(first, second);
    expect(await getPreviousChampion(registry, 'm', call())).toBeNull();
  });
});
