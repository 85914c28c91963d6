import { describe, expect, it } from 'vitest';
import type { ReleaseOutcome, ReleaseResult, RetrainSpec, Trigger, WindowReport } from '../../contracts/index.js';
import { answeredBefore, initialGovernor, rememberedAnswers, rememberedWindows, type GovernorState } from './state.js';
import { phaseOf } from './status.js';
import {
  answerTrigger,
  loseRun,
  nextWake,
  noteRollback,
  pauseModel,
  resumeModel,
  takeReport,
  takeRestored,
  takeWindow,
  tick,
} from './transitions.js';

// What each rule of the governor is there for, one by one: drift, reserved runs, maximum age, the end of a run.

const hour = 3_600_000;
const day = 24 * hour;
const t0 = Date.parse('2026-01-01T00:00:00Z');
const policy: RetrainSpec = {
  on: { drift: true, everyMs: null, events: [] },
  cooldownMs: day,
  atMost: { runs: 2, cost: null, perMs: 30 * day },
  breakerAfter: 3,
  minGain: 0,
};
const at = (now: number, of: RetrainSpec = policy) => ({ model: 'm', policy: of, now });
/** Serves v1, and nothing stands in the way. */
const calm: GovernorState = { ...initialGovernor(t0), champion: 'v1', seq: 1 };
const trigger = (kind: Trigger['kind'], id: string, more: Partial<Trigger> = {}): Trigger => ({
  kind,
  source: 'fares',
  id,
  cause: `about ${id}`,
  at: '2026-01-01T00:00:00Z',
  actor: 'ann',
  ...more,
});
const ask = (state: GovernorState, asked: Trigger, now = t0, of = policy) => answerTrigger(state, asked, at(now, of));
const started = (state: GovernorState = calm, asked = trigger('person', 'first')) => ask(state, asked).state;
const frozen = (state: GovernorState = started()) =>
  takeReport(state, { runId: state.running!.runId, phase: 'training' }, at(t0));
const end = (state: GovernorState, result: ReleaseResult, more: Partial<ReleaseOutcome> = {}, now = t0) => {
  const outcome = { result, helped: false, reason: 'r', ...more };
  return takeReport(state, { runId: state.running!.runId, phase: 'done', outcome }, at(now));
};
const window = (n: number, more: Partial<WindowReport> = {}): WindowReport => ({
  windowId: `w${n}`,
  part: 'labels',
  revision: 1,
  verdict: 'fail',
  confirmed: true,
  reason: `loss of w${n} drifted`,
  champion: 'v1',
  ...more,
});
const seen = (state: GovernorState, report: WindowReport, now = t0) => takeWindow(state, report, at(now));
const last = (state: GovernorState) => state.decisions[0]!;

describe('drift', () => {
  it('one bad window makes suspicious; confirmed drift starts a run, whose cause it is', () => {
    const suspect = seen(calm, window(1, { confirmed: false }));
    expect([phaseOf(suspect, policy, t0), suspect.drift]).toEqual(['suspect', null]);
    expect(tick(suspect, at(t0))).toBe(suspect);
    const confirmed = seen(suspect, window(2));
    expect([phaseOf(confirmed, policy, t0), confirmed.suspect]).toEqual(['confirmed', null]);
    const { running, drift } = tick(confirmed, at(t0));
    expect(running).toMatchObject({ byDrift: true, cause: 'loss of w2 drifted', seq: 2 });
    expect(drift).toBeNull();
  });

  it('is not what starts a run when retrain.on.drift is off: it is shown, and nothing wakes for it', () => {
    const off = { ...policy, on: { ...policy.on, drift: false } };
    const confirmed = seen(calm, window(1));
    expect(tick(confirmed, at(t0, off))).toBe(confirmed);
    expect([phaseOf(confirmed, off, t0), nextWake(confirmed, off, t0)]).toEqual(['confirmed', null]);
  });

  it('waits for the cooldown, the budget, a hold and a pause, and wakes when they are over', () => {
    const confirmed = seen(calm, window(1));
    for (const [obstacle, until] of [
      [{ cooldownUntil: t0 + day }, t0 + day],
      [{ starts: [t0 - day, t0 - hour] }, t0 + 29 * day],
      [{ hold: { reason: 'bad data', until: t0 + hour } }, t0 + hour],
    ] as const) {
      const waiting = { ...confirmed, ...obstacle };
      expect(tick(waiting, at(t0))).toBe(waiting);
      expect(nextWake(waiting, policy, t0)).toBe(until);
      expect(tick(waiting, at(until - 1))).toBe(waiting);
      expect(tick(waiting, at(until)).running?.byDrift).toBe(true);
    }
    const paused = pauseModel(confirmed, 'ann', 'r', t0);
    expect(tick(paused, at(t0 + 90 * day))).toBe(paused);
    expect(nextWake(paused, policy, t0)).toBeNull();
  });

  it('in the same window can come again after the run that it led to', () => {
    const first = end(tick(seen(calm, window(1)), at(t0)), 'refusedByGate');
    const again = seen(first, window(1, { revision: 2 }));
    const later = t0 + 3 * day;
    expect(tick(again, at(later)).running?.seq).toBe(3);
  });

  it('that is found while a run is on is recorded and dropped: the run looks at newer data itself', () => {
    const running = seen(frozen(), window(1));
    expect([running.drift, last(running).what]).toEqual([null, 'labels of w1: fail']);
    const after = end(running, 'refusedByGate');
    expect(tick(after, at(t0 + 90 * day))).toBe(after);
  });

  it('and suspicion end with the run that somebody else asked for', () => {
    const open = started({ ...calm, drift: { windowId: 'w', reason: 'r' }, suspect: { windowId: 'w', reason: 'r' } });
    expect([open.drift, open.suspect]).toEqual([null, null]);
  });

  it('of another version than the champion is ignored, visibly', () => {
    const ignored = seen(calm, window(1, { champion: 'v0' }));
    expect([ignored.drift, last(ignored).what, last(ignored).reason]).toEqual([
      null,
      'labels of w1: ignored',
      'judged v0, not v1',
    ]);
    // Nobody knows better: without a champion on either side it is taken as it is.
    expect(seen({ ...calm, champion: null }, window(1)).drift).not.toBeNull();
    expect(seen(calm, window(1, { champion: null })).drift).not.toBeNull();
  });

  it('a report that comes twice is heard once; a newer revision of the same window is another one', () => {
    const once = seen(calm, window(1, { confirmed: false }));
    expect(seen(once, window(1))).toBe(once);
    expect(seen(once, window(1, { revision: 2 })).drift).not.toBeNull();
    expect(seen(once, window(1, { part: 'features' })).drift).not.toBeNull();
  });

  it('remembers a bounded number of windows, the newest', () => {
    let state = calm;
    for (let n = 0; n < 3 * rememberedWindows; n++) state = seen(state, window(n, { verdict: 'pass' }));
    expect(state.windows).toHaveLength(rememberedWindows);
    expect(state.windows.at(-1)).toBe(`w${3 * rememberedWindows - 1} labels 1`);
  });

  it('calm features end a suspicion; calm labels and windows without data do not', () => {
    const suspect = seen(calm, window(1, { confirmed: false, part: 'features' }));
    for (const report of [
      window(2, { verdict: 'pass' }),
      window(2, { verdict: 'noData', part: 'features' }),
      window(2, { verdict: 'inconclusive', part: 'features' }),
    ]) {
      expect(seen(suspect, report).suspect).not.toBeNull();
    }
    expect(seen(suspect, window(2, { verdict: 'pass', part: 'features' })).suspect).toBeNull();
  });

  it('belongs to the version it was found with: a person’s way back to another one ends it', () => {
    const confirmed = { ...seen(calm, window(1)), suspect: { windowId: 'w', reason: 'r' } };
    const restored = takeRestored(confirmed, 'v0', 'ann', 'complaints', t0);
    expect(restored).toMatchObject({ champion: 'v0', drift: null, suspect: null });
    expect(last(restored)).toMatchObject({ by: 'ann', what: 'champion restored', version: 'v0' });
    expect(takeRestored(confirmed, 'v1', 'ann', 'again', t0)).toBe(confirmed);
  });
});

describe('the one next run', () => {
  const reserved = (...triggers: readonly Trigger[]) => triggers.reduce((state, t) => ask(state, t).state, frozen());

  it('carries everybody who asked: how many, who, and the first cause', () => {
    const { next } = reserved(trigger('event', 'a'), trigger('event', 'b', { actor: 'bob' }), trigger('person', 'c'));
    expect(next).toMatchObject({ causes: 3, cause: 'about a', requestedBy: ['ann', 'bob'], forced: false });
  });

  it('starts as soon as the run before has ended and nothing is in the way; its requesters cannot approve it', () => {
    const waiting = end(reserved(trigger('event', 'a'), trigger('person', 'b', { actor: 'bob' })), 'promoted', {
      version: 'v2',
      helped: true,
    });
    expect(tick(waiting, at(t0 + day - 1))).toBe(waiting);
    expect(nextWake(waiting, policy, t0)).toBe(t0 + day);
    const { running, next, decisions } = tick(waiting, at(t0 + day));
    expect(running).toMatchObject({ runId: waiting.next!.runId, seq: 3, causes: 2, requestedBy: ['ann', 'bob'] });
    expect([next, decisions[0]!.reason]).toEqual([null, 'about a; 2 causes']);
  });

  it('never starts beside another one, however much time goes by', () => {
    const waiting = reserved(trigger('event', 'a'));
    expect(tick(waiting, at(t0 + 90 * day))).toBe(waiting);
  });

  it('waits for the budget as well', () => {
    const full = end({ ...reserved(trigger('event', 'a')), starts: [t0 - day, t0] }, 'promoted', { version: 'v2' });
    expect(tick(full, at(t0 + 29 * day - 1))).toBe(full);
    expect(nextWake(full, policy, t0)).toBe(t0 + 29 * day);
    expect(tick(full, at(t0 + 29 * day)).running?.seq).toBe(3);
  });

  it('waits for a hold to be over, and for a person when it is the breaker', () => {
    const held = end(reserved(trigger('event', 'a')), 'noData');
    expect(tick(held, at(t0 + day - 1))).toBe(held);
    expect(tick(held, at(t0 + day)).running?.seq).toBe(3);
    const impatient = at(t0, { ...policy, breakerAfter: 1 });
    const outcome = { result: 'error', helped: false, reason: 'r' } as const;
    const once = takeReport(started(), { runId: started().running!.runId, phase: 'done', outcome }, impatient);
    expect(once.hold).toEqual({ reason: '1 run without a usable result; the last: r', until: null });
    const broken = end({ ...reserved(trigger('event', 'a')), failures: 2 }, 'error');
    expect(tick(broken, at(t0 + 900 * day))).toBe(broken);
    expect(tick(resumeModel(broken, 'ann', 'mended', t0), at(t0 + day)).running?.seq).toBe(3);
  });

  it('of a person who forces it waits for the run before only, whoever else asked for it', () => {
    const asked = [trigger('event', 'a'), trigger('person', 'b', { force: true })];
    for (const triggers of [asked, asked.toReversed()]) {
      const forced = end(reserved(...triggers), 'promoted', { version: 'v2' });
      expect(forced.cooldownUntil).toBeGreaterThan(t0);
      expect(tick({ ...forced, starts: [t0, t0] }, at(t0)).running?.seq).toBe(3);
    }
  });

  it('of anything but a person is never forced', () => {
    const waiting = end(reserved(trigger('event', 'a', { force: true })), 'promoted', { version: 'v2' });
    expect(waiting.next?.forced).toBe(false);
    expect(tick(waiting, at(t0))).toBe(waiting);
    const overBudget = { ...calm, starts: [t0, t0] };
    expect(ask(overBudget, trigger('event', 'b', { force: true })).answer.answer).toBe('refused');
  });

  it('is due to drift only when nobody else asked', () => {
    const cooling = { ...calm, cooldownUntil: t0 + day };
    const next = { runId: 'r', causes: 1, cause: 'c', byDrift: true, requestedBy: [], forced: false };
    expect(ask({ ...cooling, next }, trigger('event', 'a')).state.next?.byDrift).toBe(false);
  });
});

describe('a run that has not frozen its data', () => {
  it('takes everybody who asks: how many and who', () => {
    const open = [trigger('event', 'a'), trigger('event', 'b', { actor: 'bob' })].reduce(
      (state, t) => ask(state, t).state,
      started()
    );
    expect(open.running).toMatchObject({ causes: 3, requestedBy: ['ann', 'bob'] });
    expect(open.next).toBeNull();
  });

  it('lists a requester once, and twenty at most', () => {
    let open = started();
    for (let n = 0; n < 30; n++) open = ask(open, trigger('event', `e${n}`, { actor: `p${n % 25}` })).state;
    expect(open.running?.causes).toBe(31);
    expect(open.running?.requestedBy).toHaveLength(20);
    expect(new Set(open.running?.requestedBy).size).toBe(20);
  });

  it('ends a hold that was overridden', () => {
    const held = { ...calm, hold: { reason: 'bad data', until: null } };
    expect(started(held, trigger('person', 'first', { force: true })).hold).toBeNull();
  });

  it('is counted in the budget for as long as the period lasts', () => {
    const later = ask({ ...calm, starts: [t0 - 31 * day, t0 - day] }, trigger('person', 'x')).state;
    expect(later.starts).toEqual([t0 - day, t0]);
  });
});

describe('the maximum age', () => {
  const yearly = { ...policy, on: { ...policy.on, everyMs: 10 * day } };

  it('starts a run by itself, and is counted from the end of the last one', () => {
    expect(nextWake(calm, yearly, t0)).toBe(t0 + 10 * day);
    expect(tick(calm, at(t0 + 10 * day - 1, yearly))).toBe(calm);
    const old = tick(calm, at(t0 + 10 * day, yearly));
    expect(old.running).toMatchObject({ byDrift: false, cause: 'no retrain for 10.0 days', requestedBy: ['governor'] });
    const ended = end(old, 'refusedByGate', {}, t0 + 11 * day);
    expect(nextWake(ended, yearly, t0 + 11 * day)).toBe(t0 + 21 * day);
    expect(tick(ended, at(t0 + 21 * day, yearly)).running?.seq).toBe(3);
  });

  it('waits for the cooldown and the budget', () => {
    const cooling = { ...calm, cooldownUntil: t0 + 15 * day };
    expect(nextWake(cooling, yearly, t0)).toBe(t0 + 15 * day);
    expect(tick(cooling, at(t0 + 12 * day, yearly))).toBe(cooling);
    const spent = { ...calm, starts: [t0, t0] };
    expect(nextWake(spent, yearly, t0)).toBe(t0 + 30 * day);
    expect(tick(spent, at(t0 + 12 * day, yearly))).toBe(spent);
  });
});

describe('the end of a run', () => {
  const results: readonly (readonly [
    ReleaseResult,
    helped: boolean,
    factor: number,
    failures: number,
    held: boolean,
  ])[] = [
    ['promoted', true, 1, 0, false],
    ['promoted', false, 4, 0, false],
    ['refusedByGate', false, 4, 0, false],
    ['rolledBack', false, 4, 0, false],
    ['rejected', false, 2, 0, false],
    ['cancelled', false, 2, 1, false],
    ['noData', false, 2, 2, true],
    ['dataInvalid', false, 2, 2, true],
    ['error', false, 2, 2, true],
  ];
  it.each(results)(
    '%s, helped %s: cooldown factor %i, %i failures in a row, held %s',
    (result, helped, factor, failures, held) => {
      const before = { ...frozen(), cooldownFactor: 2, failures: 1 };
      const state = end(before, result, { helped, version: 'v2' });
      expect([state.cooldownFactor, state.failures, state.hold !== null]).toEqual([factor, failures, held]);
      expect(state.cooldownUntil).toBe(t0 + factor * day);
      // Only what was promoted serves; the record names the version in any case.
      expect(state.champion).toBe(result === 'promoted' ? 'v2' : 'v1');
      expect(last(state)).toMatchObject({ by: 'release', what: result, version: 'v2', reason: 'r' });
      expect([state.running, state.ageFrom]).toEqual([null, t0]);
    }
  );

  it('news of another run change nothing', () => {
    const state = frozen();
    const outcome = { result: 'promoted', helped: true, version: 'v9', reason: 'late' } as const;
    expect(takeReport(state, { runId: 'another', phase: 'done', outcome }, at(t0))).toBe(state);
    expect(takeReport(calm, { runId: 'another', phase: 'gate' }, at(t0))).toBe(calm);
  });

  it('without a word: an unusable run, and the sentence says what became of its jobs and the traffic', () => {
    const lost = loseRun(frozen(), at(t0));
    expect(lost).toMatchObject({ running: null, champion: 'v1', failures: 1 });
    expect(last(lost).reason).toMatch(
      /ended without a report \(terminated\); its jobs are stopped and the champion is/
    );
    expect(loseRun(calm, at(t0))).toBe(calm);
  });

  it('what a run waits for stays until it says otherwise; it was certainly started', () => {
    const waitingFor = { workflowId: 'gate', what: '1 approval', until: null };
    const state = started();
    const { runId } = state.running!;
    const waits = takeReport(state, { runId, phase: 'awaitingApproval', waitingFor }, at(t0));
    expect(waits.running).toMatchObject({ waitingFor, started: true });
    const still = takeReport(waits, { runId, phase: 'canary' }, at(t0 + 1));
    expect(still.running).toMatchObject({ waitingFor, phase: 'canary', heardAt: t0 + 1 });
    expect(takeReport(still, { runId, phase: 'canary', waitingFor: null }, at(t0)).running?.waitingFor).toBeNull();
  });
});

describe('buttons', () => {
  it('a second pause and a resume of nothing change nothing', () => {
    const paused = pauseModel(calm, 'ann', 'lunch', t0);
    expect(pauseModel(paused, 'bob', 'coffee', t0)).toBe(paused);
    expect(resumeModel(calm, 'ann', 'r', t0)).toBe(calm);
    expect(phaseOf({ ...paused, hold: { reason: 'r', until: null } }, policy, t0)).toBe('paused');
  });

  it('a resume ends pause, hold and the count towards the breaker', () => {
    const stuck = { ...pauseModel(calm, 'ann', 'r', t0), hold: { reason: 'r', until: null }, failures: 3 };
    expect(resumeModel(stuck, 'ann', 'mended', t0)).toMatchObject({ paused: null, hold: null, failures: 0 });
  });

  it('a rollback is on record whether or not it was done', () => {
    expect(last(noteRollback(calm, 'ann', 'complaints', true, t0)).what).toBe('rollback asked for');
    expect(last(noteRollback(calm, 'ann', 'nothing before', false, t0)).what).toBe('rollback refused');
  });

  it('a hold is what people see of it, until its time is over', () => {
    const held = { ...calm, next: null, suspect: { windowId: 'w', reason: 'r' }, hold: { reason: 'r', until: t0 + 1 } };
    expect([phaseOf(held, policy, t0), phaseOf(held, policy, t0 + 1)]).toEqual(['hold', 'suspect']);
  });

  it('nothing wakes a governor while its run is on: the run reports', () => {
    const busy = ask(frozen({ ...started(), drift: { windowId: 'w', reason: 'r' } }), trigger('event', 'a')).state;
    expect(busy.next).not.toBeNull();
    expect(nextWake(busy, { ...policy, on: { ...policy.on, everyMs: hour } }, t0)).toBeNull();
  });

  it('answers that nobody can ask for again are forgotten with their triggers', () => {
    let state = calm;
    // Every answer is another one: each names the time at which the budget is free.
    for (let n = 0; n < rememberedAnswers + 200; n++) {
      const now = t0 + n * hour;
      state = ask({ ...state, starts: [now, now] }, trigger('event', `e${n}`), now).state;
    }
    expect([state.answered.length, state.outcomes.length]).toEqual([rememberedAnswers, rememberedAnswers]);
    const [key] = state.answered[0]!;
    expect(answeredBefore(state, key)?.[2]).toContain(new Date(t0 + 200 * hour + 30 * day).toISOString().slice(0, 10));
  });

  it('a refusal during a hold says until when', () => {
    const until = t0 + hour;
    const { answer } = ask({ ...calm, hold: { reason: 'bad data', until } }, trigger('person', 'x'));
    expect([answer.answer, answer.retryAt]).toEqual(['refused', new Date(until).toISOString()]);
  });
});
