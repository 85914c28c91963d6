import { afterEach, describe, expect, it } from 'vitest';
import type { WindowReport } from '@retempo/workflows/contracts';
import { confirmReports } from './reports.js';
import { checkWindows } from './windows.js';
import { call, createMonitorWorld, type Days, type MonitorWorld } from './world.test.util.js';

// What a check makes of what earlier ones have left. Versions are trained on days 0 to 9, labels come two days late.

let world: MonitorWorld;
const begin = (days: Days = {}): MonitorWorld => (world = createMonitorWorld(days));
afterEach(() => world.remove());

const check = async (spec = world.spec()): Promise<readonly WindowReport[]> => {
  const { registry, stores, metrics } = world;
  return (await checkWindows({ registry, stores, metrics }, { model: 'm', spec }, call())).reports;
};
const confirm = (reports: readonly WindowReport[]) => confirmReports(world.registry, { model: 'm', reports }, call());

describe('evidence of windows', () => {
  it('is not asked of a loss that is not watched, whatever the gate had measured', async () => {
    begin();
    const champion = await world.promote(1);
    world.answer(10, 14, champion.version);
    await world.advanceTo(13);
    const unwatched = world.spec({ watch: { ...world.spec().watch, loss: null } });
    expect((await check(unwatched)).filter(({ part }) => part === 'labels')).toEqual([]);
  });

  it('is gathered over checks: daily ones tell word for word what a single one tells', async () => {
    const drifting = { late: (day: number) => (day >= 10 ? 0.4 : 0.3), shift: (day: number) => (day >= 10 ? 0.3 : 0) };
    const seen = async (days: readonly number[]) => {
      begin(drifting);
      const champion = await world.promote(1);
      world.answer(10, 16, champion.version);
      const reports: WindowReport[] = [];
      for (const day of days) {
        await world.advanceTo(day);
        const some = await check();
        reports.push(...some);
        await confirm(some);
      }
      return (['features', 'labels'] as const).map((part) =>
        reports
          .filter((report) => report.part === part)
          .map(({ windowId, verdict, reason }) => [windowId, verdict, reason])
      );
    };
    const daily = await seen([10, 11, 12, 13, 14, 15]);
    world.remove();
    expect(daily).toEqual(await seen([15]));
  });
});
