import { afterEach, describe, expect, it } from 'vitest';
import type { ModelSpec, WindowReport } from '@retempo/workflows/contracts';
import { earlierSlots } from './season.js';
import { checkWindows } from './windows.js';
import { call, createMonitorWorld, type Days, type MonitorWorld } from './world.test.util.js';

// Versions are trained on days 0 to 9 and evaluated up to day 10; a test may give one day of the week a habit of its own.

describe('the same slot of earlier seasons', () => {
  const hour = (at: string) => ({
    from: `${at}:00:00.000Z`,
    to: new Date(Date.parse(`${at}:00:00Z`) + 3_600_000).toISOString(),
  });

  it('is the same hour of the same weekday for windows shorter than a week', () => {
    const slots = earlierSlots(hour('2026-03-12T17'), '2026-03-12T00:00:00.000Z');
    expect(slots).toHaveLength(10);
    expect(slots.slice(0, 2)).toEqual([hour('2026-03-05T17'), hour('2026-02-26T17')]);
  });

  it('is the same week, beginning on the same weekday, 52 weeks before for windows of a week or more', () => {
    const window = { from: '2026-03-09T00:00:00.000Z', to: '2026-03-16T00:00:00.000Z' };
    const [last, before] = earlierSlots(window, window.from);
    expect(last).toEqual({ from: '2025-03-10T00:00:00.000Z', to: '2025-03-17T00:00:00.000Z' });
    expect(before!.from).toBe('2024-03-11T00:00:00.000Z');
  });

  it.each([
    ['ends after the champion was evaluated', '2026-02-25T00:00:00.000Z', '2026-02-19T17'],
    ['ends at that very moment', '2026-02-26T18:00:00.000Z', '2026-02-26T17'],
  ])('leaves out what %s', (_what, before, first) => {
    expect(earlierSlots(hour('2026-03-12T17'), before)[0]).toEqual(hour(first));
  });
});

let world: MonitorWorld;

const check = async (compare: ModelSpec['watch']['compare'], change: Partial<ModelSpec['watch']> = {}) => {
  const { registry, stores, metrics } = world;
  const { watch } = world.spec();
  const spec = world.spec({ watch: { ...watch, compare, ...change } });
  const { reports } = await checkWindows({ registry, stores, metrics }, { model: 'm', spec }, call());
  return reports.filter(({ part }) => part === 'features');
};
const verdicts = (reports: readonly WindowReport[]) => reports.map(({ verdict }) => verdict);
const seasonal = (day: number) => (day % 7 === 5 ? 0.6 : 1 / 3);

async function begin(days: Days, lastDay: number) {
  world = createMonitorWorld(days);
  await world.promote(1);
  await world.advanceTo(lastDay);
}

describe('windows compared with the same slot', () => {
  afterEach(() => world.remove());

  it('a change that comes back every season is no drift; without the comparison it is one', async () => {
    await begin({ atOrd: seasonal }, 12);
    expect(verdicts(await check(['training', 'sameSlot']))).toEqual(['pass', 'pass', 'pass']);
    world.remove();
    await begin({ atOrd: seasonal }, 12);
    expect(verdicts(await check(['training']))).toEqual(['pass', 'pass', 'fail']);
  });

  it('a drift that lasts stays one a season later: it does not become its own reference', async () => {
    await begin({ atOrd: (day) => (day >= 12 ? 0.6 : 1 / 3) }, 19);
    const reports = await check(['training', 'sameSlot']);
    expect(verdicts(reports)).toEqual(['pass', 'pass', ...Array.from({ length: 8 }, () => 'fail')]);
    expect(reports.at(-1)).toMatchObject({ confirmed: true, reason: expect.stringContaining('same season') });
  });

  it('without rows of an earlier season the training data decide alone, and the report says so', async () => {
    await begin({ atOrd: (day) => (day >= 10 ? 0.6 : 1 / 3) }, 16);
    const [report] = await check(['training', 'sameSlot'], { everyMs: 7 * 86_400_000 });
    expect(report).toMatchObject({
      verdict: 'fail',
      reason: expect.stringMatching(
        /; compared with the training data alone: the same slot of earlier seasons has 0 rows before 2026-01-11 and watch\.minRows is 200$/
      ),
    });
  });

  it('values that go missing every season are no drift either', async () => {
    await begin({ missing: (day) => (day % 7 === 5 ? 0.3 : 0) }, 12);
    expect(verdicts(await check(['training', 'sameSlot']))).toEqual(['pass', 'pass', 'pass']);
  });
});
