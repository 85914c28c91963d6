import { afterEach, describe, expect, it } from 'vitest';
import { writeFileSync } from 'node:fs';
import type { WindowReport } from '@retempo/workflows/contracts';
import { confirmReports, resetMonitor } from './reports.js';
import { monitorPath, type MonitorState } from './state.js';
import { checkWindows } from './windows.js';
import { call, createMonitorWorld, type Days, type MonitorWorld } from './world.test.util.js';

// Real Parquet data, a real registry in a folder, a real request log; only the router that would have written it is missing.
// Versions are trained on days 0 to 9; day 10 is the first window; labels of a day are known two days later.

let world: MonitorWorld;
const begin = (days: Days = {}, format?: 'csv'): MonitorWorld => (world = createMonitorWorld(days, format));
afterEach(() => world.remove());

const check = async (spec = world.spec()): Promise<readonly WindowReport[]> => {
  const { registry, stores, metrics } = world;
  return (await checkWindows({ registry, stores, metrics }, { model: 'm', spec }, call())).reports;
};
const confirm = (reports: readonly WindowReport[]) => confirmReports(world.registry, { model: 'm', reports }, call());
const windowOf = (n: number) => `${world.day(n)}/${world.day(n + 1)}`;
const told = (reports: readonly WindowReport[], part: WindowReport['part']) =>
  reports
    .filter((report) => report.part === part)
    .map(({ windowId, verdict, confirmed }) => [windowId, verdict, confirmed]);
const state = async () => (await world.registry.readDocument<MonitorState>(monitorPath('m'), call()))?.value ?? null;

describe('windows of a model', () => {
  it('without a champion there is nothing to compare with, and nothing is written', async () => {
    begin();
    await world.advanceTo(12);
    expect(await check()).toEqual([]);
    expect(await state()).toBeNull();
  });

  it('calm windows pass and are reported, features at once, labels when they are there', async () => {
    begin();
    const champion = await world.promote(1);
    world.answer(10, 14, champion.version);
    await world.advanceTo(13);
    const reports = await check();
    expect(told(reports, 'features')).toEqual([10, 11, 12, 13].map((n) => [windowOf(n), 'pass', false]));
    // 13 days are over: the labels of days 10 and 11 have arrived.
    expect(told(reports, 'labels')).toEqual([10, 11].map((n) => [windowOf(n), 'pass', false]));
    expect(reports.every((report) => report.champion === champion.version && report.reason !== '')).toBe(true);
    expect(reports.find(({ part }) => part === 'labels')?.reason).toMatch(/brier 0\.2\d+ on 300 labelled answers/);
  });

  it('goes on where it stopped, never from now: every window once, in order, whenever it is asked', async () => {
    begin();
    const champion = await world.promote(1);
    world.answer(10, 17, champion.version);
    const seen: WindowReport[] = [];
    for (const day of [9, 10, 13, 13, 16]) {
      await world.advanceTo(day);
      const reports = await check();
      seen.push(...reports);
      await confirm(reports);
    }
    expect(told(seen, 'features').map(([id]) => id)).toEqual([10, 11, 12, 13, 14, 15, 16].map(windowOf));
    expect(told(seen, 'labels').map(([id]) => id)).toEqual([10, 11, 12, 13, 14].map(windowOf));
  });

  it('reports are given again, word for word, until somebody has them', async () => {
    begin();
    const champion = await world.promote(1);
    world.answer(10, 14, champion.version);
    await world.advanceTo(12);
    const first = await check();
    expect(await check()).toEqual(first);
    await confirm([first[0]!]);
    expect(await check()).toEqual(first.slice(1));
    await confirm([...first, { ...first[0]!, windowId: 'other' }]);
    expect(await check()).toEqual([]);
  });

  it('one feature that drifts a little is suspected in its first bad window and confirmed in the second', async () => {
    begin({ atOrd: (day) => (day >= 11 ? 0.55 : 1 / 3) });
    await world.promote(1);
    await world.advanceTo(12);
    const features = (await check()).filter(({ part }) => part === 'features');
    expect(features.map(({ verdict, confirmed }) => [verdict, confirmed])).toEqual([
      ['pass', false],
      ['fail', false],
      ['fail', true],
    ]);
    expect(features[2]!.reason).toContain('place');
    expect(features[2]!.reason).not.toContain('x');
  });

  it('values that go missing are drift of their own: those that are there have not moved', async () => {
    begin({ missing: (day) => (day >= 11 ? 0.25 : 0) });
    await world.promote(1);
    await world.advanceTo(12);
    const features = (await check()).filter(({ part }) => part === 'features');
    expect(features.map(({ verdict }) => verdict)).toEqual(['pass', 'fail', 'fail']);
    expect(features[2]).toMatchObject({ confirmed: true, reason: expect.stringMatching(/^x\b.*missing/) });
  });

  it('files of either format give the same reports', async () => {
    const days: Days = { atOrd: (day) => (day >= 11 ? 0.55 : 1 / 3), missing: (day) => (day === 12 ? 0.1 : 0) };
    const reports: (readonly WindowReport[])[] = [];
    for (const format of [undefined, 'csv'] as const) {
      begin(days, format);
      const champion = await world.promote(1);
      world.answer(10, 14, champion.version);
      await world.advanceTo(14);
      reports.push(await check());
      if (format === undefined) world.remove();
    }
    expect(reports[1]).toEqual(reports[0]);
    expect(told(reports[1]!, 'features').map(([, verdict]) => verdict)).toContain('fail');
    expect(told(reports[1]!, 'labels')).toHaveLength(3);
  });

  it('a major drift of an important feature is confirmed at once; that of an unimportant one is only reported', async () => {
    begin({ shift: (day) => (day >= 10 ? 0.6 : 0) });
    await world.promote(1);
    await world.advanceTo(10);
    expect(told(await check(), 'features')).toEqual([[windowOf(10), 'fail', true]]);
    world.remove();
    begin({ shift: (day) => (day >= 10 ? 0.6 : 0) });
    await world.promote(1);
    await world.advanceTo(11);
    const { data } = world.spec();
    const others = world.spec({ data: { ...data, features: { ...data.features, important: ['place'] } } });
    expect(told(await check(others), 'features').map(([, verdict]) => verdict)).toEqual(['pass', 'pass']);
  });

  it('a single bad window is forgotten when three calm ones have followed', async () => {
    begin({ atOrd: (day) => (day === 10 || day === 14 ? 0.55 : 1 / 3) });
    await world.promote(1);
    await world.advanceTo(14);
    const features = told(await check(), 'features');
    expect(features.map(([, verdict, confirmed]) => [verdict, confirmed])).toEqual([
      ['fail', false],
      // Calm, but one calm window does not clear a suspicion.
      ['inconclusive', false],
      ['inconclusive', false],
      ['pass', false],
      ['fail', false],
    ]);
  });

  it('few rows are no data: neither calm nor drifted', async () => {
    begin({ shift: () => 5 });
    await world.promote(1);
    await world.advanceTo(10);
    const watch = { ...world.spec().watch, minRows: 1_000 };
    expect(told(await check(world.spec({ watch })), 'features')).toEqual([[windowOf(10), 'noData', false]]);
  });

  it('the loss alarm rises in the window in which the quality falls, and stays', async () => {
    begin({ late: (day) => (day >= 13 ? 0.8 : 0.3) });
    const champion = await world.promote(1);
    world.answer(10, 17, champion.version);
    await world.advanceTo(17);
    const labels = (await check()).filter(({ part }) => part === 'labels');
    expect(labels.map(({ verdict }) => verdict)).toEqual(['pass', 'pass', 'pass', 'fail', 'fail', 'fail']);
    expect(labels.map(({ confirmed }) => confirmed)).toEqual([false, false, false, true, true, true]);
    expect(labels[2]!.reason).toMatch(/^brier 0\.[1-3]\d+ on 300 labelled answers/);
    expect(labels[3]!.reason).toMatch(/^loss drifted: brier 0\.[4-9]\d+ on 300 labelled answers/);
    expect(labels[4]!.reason).toMatch(/^loss still drifted/);
  });

  it('answers of other versions say nothing about the champion', async () => {
    begin();
    const champion = await world.promote(1);
    world.answer(10, 11, champion.version, 0.3);
    // A candidate in its canary answers badly, and later for the same rows.
    world.answer(12, 15, 'v9-00000000', 0.99);
    await world.advanceTo(15);
    const labels = (await check()).filter(({ part }) => part === 'labels');
    expect(labels.map(({ verdict }) => verdict)).toEqual(['pass', 'pass', 'noData', 'noData']);
  });

  it('an empty log is no data, and few labels are carried over to the next window', async () => {
    begin({ late: () => 0.9 });
    const champion = await world.promote(1);
    await world.advanceTo(12);
    const empty = (await check()).filter(({ part }) => part === 'labels');
    expect(empty.map(({ verdict, reason }) => [verdict, reason])).toEqual([
      ['noData', expect.stringContaining('not enough data: 0 labelled answers')],
    ]);
    // 60 answers a day: below the 100 of one step of evidence.
    const lines = [11, 12].flatMap((day) =>
      world
        .rowsOf(day)
        .slice(0, 60)
        .map(({ id, at }) => ({ key: id, version: champion.version, revision: '1', at, status: 200, prediction: 0.1 }))
    );
    writeFileSync(world.log, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
    await world.advanceTo(14);
    const labels = (await check()).filter(({ part }) => part === 'labels').slice(1);
    expect(labels.map(({ verdict }) => verdict)).toEqual(['noData', 'fail']);
  });

  it('labels are judged in order and only when they are mature', async () => {
    begin();
    const champion = await world.promote(1);
    world.answer(10, 20, champion.version);
    await world.advanceTo(11);
    expect(told(await check(), 'labels')).toEqual([]);
    await world.advanceTo(12);
    expect(told(await check(), 'labels').map(([id]) => id)).toEqual([windowOf(10)]);
    expect(await state()).toMatchObject({ featuresTo: world.day(13), labelsTo: world.day(11) });
  });

  it('without a watched loss, a request log or a loss at the gate only features are judged', async () => {
    begin();
    const champion = await world.promote(1, { loss: null });
    world.answer(10, 14, champion.version);
    await world.advanceTo(13);
    expect(told(await check(), 'labels')).toEqual([]);
    expect(told(await check(), 'features')).toHaveLength(4);
    const { registry, stores } = world;
    const spec = world.spec();
    const silent = await checkWindows({ registry, stores, metrics: null }, { model: 'm', spec }, call());
    expect(told(silent.reports, 'labels')).toEqual([]);
    const unwatched = world.spec({ watch: { ...spec.watch, loss: null } });
    expect(told(await check(unwatched), 'labels')).toEqual([]);
  });

  it('two checks at once judge every window once', async () => {
    begin();
    const champion = await world.promote(1);
    world.answer(10, 14, champion.version);
    await world.advanceTo(13);
    const both = await Promise.all([check(), check(), check()]);
    const { undelivered } = (await state())!;
    expect(undelivered).toHaveLength(6);
    expect(new Set(undelivered.map(({ windowId, part }) => `${windowId} ${part}`)).size).toBe(6);
    for (const reports of both) expect(reports).toEqual(undelivered);
  });

  it('a check that overlaps with a reset and a confirmation loses neither', async () => {
    begin({ late: (day) => (day >= 10 ? 0.8 : 0.3) });
    const champion = await world.promote(1);
    world.answer(10, 16, champion.version);
    await world.advanceTo(12);
    const first = await check();
    await world.advanceTo(14);
    await Promise.all([check(), confirm(first), resetMonitor(world.registry, { model: 'm', runId: 'run/1' }, call())]);
    const after = (await state())!;
    expect(after.resetBy).toBe('run/1');
    expect(after.undelivered.some(({ windowId }) => windowId === windowOf(10))).toBe(false);
    expect(after.featuresTo).toBe(world.day(15));
  });

  it('a run that has ended resets the alarm once: the same run again resets nothing', async () => {
    begin({ late: (day) => (day >= 10 && day <= 12 ? 0.8 : 0.3) });
    const champion = await world.promote(1);
    world.answer(10, 20, champion.version);
    await world.advanceTo(14);
    expect(told(await check(), 'labels').at(-1)).toEqual([windowOf(12), 'fail', true]);
    await resetMonitor(world.registry, { model: 'm', runId: 'run/1' }, call());
    expect(await state()).toMatchObject({ detector: null, history: [], resetBy: 'run/1' });
    await world.advanceTo(15);
    expect(told(await check(), 'labels').at(-1)).toEqual([windowOf(13), 'pass', false]);
    const before = await state();
    await resetMonitor(world.registry, { model: 'm', runId: 'run/1' }, call());
    expect(await state()).toEqual(before);
  });

  it('a reset of a model that was never watched, and a confirmation of it, change nothing', async () => {
    begin();
    await resetMonitor(world.registry, { model: 'm', runId: 'run/1' }, call());
    await confirm([]);
    expect(await state()).toBeNull();
  });

  it('a new champion begins a new detector on the windows that follow; what was not delivered stays', async () => {
    begin({ late: (day) => (day >= 10 ? 0.8 : 0.3) });
    const old = await world.promote(1);
    world.answer(10, 12, old.version);
    await world.advanceTo(13);
    const first = await check();
    expect(told(first, 'labels').at(-1)).toEqual([windowOf(11), 'fail', true]);
    // The new version is used to many late rows: its answers fit what happens.
    const fresh = await world.promote(2, { loss: { metric: 'brier', clip: 1, mean: 0.16, n: 3_000 } });
    world.answer(12, 16, fresh.version, 0.8);
    await world.advanceTo(15);
    const second = await check();
    expect(second.slice(0, first.length)).toEqual(first);
    const later = second.slice(first.length);
    expect(later.every((report) => report.champion === fresh.version)).toBe(true);
    expect(told(later, 'features').map(([id]) => id)).toEqual([14, 15].map(windowOf));
    expect(told(later, 'labels')).toEqual([12, 13].map((n) => [windowOf(n), 'pass', false]));
  });

  it('another tolerance begins the evidence anew instead of failing for ever', async () => {
    begin();
    const champion = await world.promote(1);
    world.answer(10, 16, champion.version);
    await world.advanceTo(12);
    await check();
    await world.advanceTo(13);
    const { watch } = world.spec();
    const wider = world.spec({ watch: { ...watch, loss: { ...watch.loss!, tolerate: 0.05 } } });
    expect(told(await check(wider), 'labels').at(-1)).toEqual([windowOf(11), 'pass', false]);
  });

  it('a feature the champion was trained on is watched until another version serves', async () => {
    begin({ shift: (day) => (day >= 10 ? 0.6 : 0) });
    await world.promote(1);
    await world.advanceTo(10);
    const { data } = world.spec();
    await check();
    const only = world.spec({ data: { ...data, features: { include: ['place'], except: [], important: [] } } });
    await world.advanceTo(11);
    expect(told(await check(only), 'features').at(-1)).toEqual([windowOf(11), 'fail', true]);
    await world.promote(2);
    await world.advanceTo(12);
    expect(told(await check(only), 'features').at(-1)).toEqual([windowOf(12), 'pass', false]);
  });

  it('the windows of a first champion begin where the rows end that its gate has seen', async () => {
    begin();
    const champion = await world.promote(1, { from: 12 });
    world.answer(10, 15, champion.version);
    await world.advanceTo(15);
    const reports = await check();
    expect(told(reports, 'features').map(([id]) => id)).toEqual([12, 13, 14, 15].map(windowOf));
    expect(told(reports, 'labels').map(([id]) => id)).toEqual([12, 13].map(windowOf));
  });

  it('the alarm is as seldom false as the model file asks: who tolerates more of them hears it sooner', async () => {
    const firstAlarm = async (falseAlarmEveryWindows: number) => {
      begin({ late: (day) => (day >= 10 ? 0.42 : 0.3) });
      const champion = await world.promote(1);
      world.answer(10, 19, champion.version);
      await world.advanceTo(19);
      const { watch } = world.spec();
      const spec = world.spec({ watch: { ...watch, loss: { ...watch.loss!, falseAlarmEveryWindows } } });
      const labels = (await check(spec)).filter(({ part }) => part === 'labels');
      expect(labels.every(({ reason }) => reason.endsWith(`alarm at ${falseAlarmEveryWindows}`))).toBe(true);
      return labels.findIndex(({ confirmed }) => confirmed);
    };
    const soon = await firstAlarm(2);
    world.remove();
    const late = await firstAlarm(100_000);
    expect(soon).toBeGreaterThanOrEqual(0);
    expect(late === -1 || late > soon).toBe(true);
  });

  it('the loss that is told is the one that is judged: one certain mistake counts as much as the clip', async () => {
    begin({ late: () => 0 });
    const champion = await world.promote(1, { loss: { metric: 'logLoss', clip: 2, mean: 0.5, n: 3_000 } });
    // Certain, and wrong every time: a loss of 13.8 each, which the clip makes 2.
    world.answer(10, 10, champion.version, 1 - 1e-6);
    await world.advanceTo(12);
    const { watch } = world.spec();
    const spec = world.spec({ watch: { ...watch, loss: { ...watch.loss!, metric: 'logLoss', clip: 2 } } });
    const labels = (await check(spec)).filter(({ part }) => part === 'labels');
    expect(labels[0]!.reason).toMatch(/^loss drifted: logLoss 2\.0000 on 300 labelled answers/);
  });

  it('evidence of other bets, as another release of the detector may make, is begun anew', async () => {
    begin();
    const champion = await world.promote(1);
    world.answer(10, 16, champion.version);
    await world.advanceTo(12);
    await check();
    await world.registry.updateDocument<MonitorState>(
      monitorPath('m'),
      (known) => ({
        ...known!,
        detector: { ...known!.detector!, lambdas: known!.detector!.lambdas.map((l) => l / 2) },
      }),
      call()
    );
    await world.advanceTo(13);
    expect(told(await check(), 'labels').at(-1)).toEqual([windowOf(11), 'pass', false]);
  });

  it('a source that is missing fails the check at once, whoever waits for it', async () => {
    begin();
    await world.promote(1);
    const { registry, stores, metrics } = world;
    const soon = { signal: new AbortController().signal, deadlineMs: Date.now() + 10_000 };
    const found = checkWindows({ registry, stores, metrics }, { model: 'm', spec: world.spec() }, soon);
    await expect(found).rejects.toMatchObject({ class: 'NotFound' });
    expect(await state()).toBeNull();
  });

  it('judges at most 20 windows a call, and the next call goes on', async () => {
    begin();
    await world.promote(1);
    await world.advanceTo(33);
    const first = await check();
    expect(told(first, 'features')).toHaveLength(20);
    await confirm(first);
    expect(told(await check(), 'features')).toEqual([30, 31, 32, 33].map((n) => [windowOf(n), 'pass', false]));
  });
});
