import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { materialize } from '../artifacts/index.js';
import { readRows } from '../data/support.test.util.js';
import { freezeData, inTemporaryFolder } from './snapshot.js';
import { call, createMonitorWorld, perDay, type MonitorWorld } from './world.test.util.js';

// Training window 5 days, gap 1 day, evaluation window 3 days; labels are there two days later.

let world: MonitorWorld;
afterEach(() => world.remove());

async function begin(last: number): Promise<MonitorWorld> {
  world = createMonitorWorld();
  await world.advanceTo(last);
  return world;
}
const freeze = (change: Partial<Parameters<typeof freezeData>[1]> = {}) =>
  freezeData(
    world.store,
    { releaseId: 'r', data: world.spec().data, slices: [], evaluateOnlyAfter: null, ...change },
    call()
  );

describe('freezing the data of a run', () => {
  it('seals three artifacts with their windows; the label is in none of what a model is asked with', async () => {
    await begin(12);
    const frozen = await freeze({ slices: ['place'] });
    expect(frozen.result).toBe('ok');
    const { snapshot } = frozen;
    expect(snapshot).toMatchObject({
      trainWindow: { from: world.day(2), to: world.day(7), rows: 5 * perDay },
      evaluateWindow: { from: world.day(8), to: world.day(11), rows: 3 * perDay },
      watermark: world.day(13),
    });
    await inTemporaryFolder(async (folder) => {
      for (const [name, columns] of [
        ['train', ['id', 'at', 'x', 'place', 'late']],
        ['evaluate', ['id', 'at', 'x', 'place']],
        ['labels', ['key', 'time', 'label', 'unit', 'slice:place']],
      ] as const) {
        await materialize({ stores: world.stores, ref: snapshot[name], folder: `${folder}/${name}` }, call());
        const file = name === 'evaluate' ? 'features' : name;
        const rows = await readRows(`${folder}/${name}/${file}.parquet`);
        expect(Object.keys(rows[0]!)).toEqual(columns);
      }
    });
  });

  it('the same data give the same artifacts, whoever asks and how often', async () => {
    await begin(12);
    const first = await freeze();
    const second = await freeze({ releaseId: 'another' });
    expect(second).toEqual(first);
  });

  it('nothing that the champion was trained on is used to compare', async () => {
    await begin(12);
    const { snapshot } = await freeze({ evaluateOnlyAfter: world.day(9) });
    expect(snapshot.evaluateWindow).toMatchObject({ from: world.day(9), to: world.day(11), rows: 2 * perDay });
  });

  it('data that are not there yet are said to be missing, with what is needed and what is there', async () => {
    await begin(6);
    await expect(freeze()).rejects.toMatchObject({
      type: 'Retempo.DataMissing',
      nonRetryable: true,
      message: expect.stringMatching(/2026-01-0/),
    });
  });

  it('no source at all is missing data too', async () => {
    world = createMonitorWorld();
    await expect(freeze()).rejects.toMatchObject({ type: 'Retempo.DataMissing' });
  });

  it('a column that is not there is no missing data: nobody waits for it', async () => {
    await begin(12);
    const asked = freeze({ data: { ...world.spec().data, key: 'idd' } });
    await expect(asked).rejects.toMatchObject({
      class: 'InvalidSpec',
      message: expect.stringContaining('idd') as string,
    });
  });

  it('rows that break a rule of the model file are counted, and the snapshot is kept as evidence', async () => {
    await begin(12);
    const rule = { column: 'x', type: 'number', max: 0.5 } as const;
    const frozen = await freeze({ data: { ...world.spec().data, validate: [rule] } });
    if (frozen.result !== 'invalid') throw new Error('the rule was not applied');
    expect(frozen.breaches).toEqual([expect.stringContaining('x')]);
    expect(frozen.snapshot.trainWindow.rows).toBe(5 * perDay);
  });
});

describe('temporary folders', () => {
  it('are gone afterwards, also when the work failed', async () => {
    world = createMonitorWorld();
    let seen = '';
    await expect(
      inTemporaryFolder((folder) => {
        seen = folder;
        expect(existsSync(folder)).toBe(true);
        return Promise.reject(new Error('no'));
      })
    ).rejects.toThrow('no');
    expect(existsSync(seen)).toBe(false);
  });
});
