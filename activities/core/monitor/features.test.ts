import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { VersionRecord } from '@retempo/workflows/contracts';
import { judgeFeatures, trainingProfile } from './features.js';
import { call, createMonitorWorld, perDay, trainDays, type MonitorWorld } from './world.test.util.js';

let world: MonitorWorld;
afterEach(() => world.remove());

describe('the profile of the training data', () => {
  it('is made once from the snapshot of the version and then kept: the snapshot may go', async () => {
    world = createMonitorWorld();
    const version = await world.promote(1);
    const profile = () => trainingProfile(world, 'm', version, world.spec(), call());
    const first = await profile();
    expect(first).toMatchObject({ v: 'retempo.profile/v1', rows: trainDays * perDay, window: null });
    expect(first.features.map(({ name }) => name)).toEqual(['x', 'place']);
    rmSync(fileURLToPath(version.data.train.uri), { recursive: true });
    expect(await profile()).toEqual(first);
  });

  it('holds no rows: its size does not grow with them', async () => {
    world = createMonitorWorld();
    const version = await world.promote(1);
    const profile = await trainingProfile(world, 'm', version, world.spec(), call());
    expect(JSON.stringify(profile).length).toBeLessThan(20_000);
  });
});

describe('the features of one window', () => {
  let version: VersionRecord | null = null;
  afterEach(() => {
    version = null;
  });
  const judge = async (day: number, history: readonly unknown[] = []) => {
    version ??= await world.promote(1);
    await world.advanceTo(day);
    const reference = await trainingProfile(world, 'm', version, world.spec(), call());
    const window = { from: world.day(day), to: world.day(day + 1), labelled: false };
    return judgeFeatures({ spec: world.spec(), champion: version, window, reference, history }, call());
  };

  it('remembers what the last three windows found, and no more', async () => {
    world = createMonitorWorld();
    const old = [1, 2, 3].map(() => ({ verdict: 'pass', drifted: [] }));
    const { history, report } = await judge(10, old);
    expect(history).toHaveLength(3);
    expect(report).toMatchObject({ part: 'features', revision: 1, verdict: 'pass', champion: expect.any(String) });
    expect(report.reason.length).toBeGreaterThan(10);
  });

  it('does not call a calm window a pass while a drift before it is not over', async () => {
    world = createMonitorWorld();
    const drifted = { verdict: 'inconclusive', drifted: ['x'], unsettled: { x: 0 } };
    const first = await judge(10, [drifted]);
    expect(first.report).toMatchObject({ verdict: 'inconclusive', confirmed: false });
    expect(first.report.reason).toContain('not over yet: x has had 1 of 3 calm windows since it drifted');
    const second = await judge(11, first.history);
    expect(second.report.verdict).toBe('inconclusive');
    const third = await judge(13, second.history);
    expect(third.report).toMatchObject({ verdict: 'pass', reason: expect.not.stringContaining('not over yet') });
  });

  it('counts a missing value once, as a bin of its own: a row is a row, with a value or without', async () => {
    world = createMonitorWorld({ missing: (day) => (day === 10 ? 0.25 : 0) });
    const { report } = await judge(10);
    const missing = Number(/missing ([\d.]+) %/.exec(report.reason)![1]) / 100;
    expect(missing).toBeGreaterThan(0.2);
    expect(report.reason.replaceAll(/(?<=\d)\D(?=\d{3}\b)/gu, '')).toContain(
      `${perDay} rows against ${trainDays * perDay}`
    );
    // The bin of the missing is empty in training, where a share of nothing counts as 1e-4; the other bins have lost
    // as many rows as it has gained, spread evenly.
    const index = Number(/PSI ([\d.]+)/.exec(report.reason)![1]);
    const ofMissing = (missing - 1e-4) * Math.log(missing / 1e-4);
    const ofOthers = missing * -Math.log(1 - missing);
    expect(index).toBeGreaterThan(ofMissing);
    expect(index).toBeLessThan(1.2 * (ofMissing + ofOthers));
  });

  it('names the drifted feature with its numbers', async () => {
    world = createMonitorWorld({ shift: (day) => (day >= 10 ? 0.6 : 0) });
    const { report } = await judge(10);
    expect(report.verdict).toBe('fail');
    expect(report.reason).toMatch(/^x\b.*\d/);
  });
});
