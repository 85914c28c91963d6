import { describe, expect, it } from 'vitest';
import type { RetrainSpec, Trigger } from '../../contracts/index.js';
import { answerTable, standingOf, standings, type Standing, type Treatment } from './answers.js';
import { initialGovernor, type GovernorState } from './state.js';
import { answerTrigger } from './transitions.js';

const now = Date.parse('2026-11-21T12:00:00Z');
const hour = 3_600_000;
const policy: RetrainSpec = {
  on: { drift: true, everyMs: null, events: [] },
  cooldownMs: 24 * hour,
  atMost: { runs: 2, cost: null, perMs: 30 * 24 * hour },
  breakerAfter: 3,
  minGain: 0,
};
const context = { model: 'm', policy, now };
const trigger = (kind: Trigger['kind'], force = false): Trigger => ({
  kind,
  source: 'test',
  id: `${kind}-${force}`,
  cause: 'because',
  at: new Date(now).toISOString(),
  actor: 'ann',
  ...(force ? { force } : {}),
});

const running: NonNullable<GovernorState['running']> = {
  runId: 'retempo/m/run/1-aaaaaaaa',
  seq: 1,
  phase: 'open',
  since: now - hour,
  causes: 1,
  byDrift: false,
  requestedBy: ['ann'],
  cause: 'first',
  heardAt: now,
  waitingFor: null,
  started: true,
};
const base = { ...initialGovernor(now - 100 * hour), seq: 1 };
const next = {
  runId: 'retempo/m/run/2-bbbbbbbb',
  causes: 1,
  cause: 'x',
  byDrift: false,
  requestedBy: ['bob'],
  forced: false,
};

/** One state per standing, each reached by the one thing that makes it so. */
const states: { readonly [standing in Standing]: GovernorState } = {
  paused: { ...base, paused: { by: 'op', reason: 'holidays', since: now - hour } },
  holding: { ...base, hold: { reason: 'bad data', until: now + hour } },
  runOpen: { ...base, running },
  runFrozen: { ...base, running: { ...running, phase: 'training' } },
  nextReserved: { ...base, next, cooldownUntil: now + hour },
  overBudget: { ...base, starts: [now - 2 * hour, now - hour] },
  coolingDown: { ...base, cooldownUntil: now + hour },
  idle: base,
};

const expected: {
  readonly [standing in Standing]: readonly [
    person: Treatment,
    event: Treatment,
    schedule: Treatment,
    drift: Treatment,
    forced: Treatment,
  ];
} = {
  paused: ['refuse', 'reserve', 'note', 'note', 'refuse'],
  holding: ['refuse', 'reserve', 'note', 'note', 'start'],
  runOpen: ['join', 'join', 'join', 'join', 'join'],
  runFrozen: ['reserve', 'reserve', 'note', 'note', 'reserve'],
  nextReserved: ['reserve', 'reserve', 'note', 'note', 'start'],
  overBudget: ['refuse', 'refuse', 'note', 'note', 'start'],
  coolingDown: ['reserve', 'reserve', 'note', 'note', 'start'],
  idle: ['start', 'start', 'start', 'start', 'start'],
};
const sources = ['person', 'event', 'schedule', 'drift', 'forced'] as const;

describe('answer table: state x source', () => {
  it.each(standings)('%s is recognised', (standing) => {
    expect(standingOf(states[standing], policy, now)).toBe(standing);
  });

  const rows = standings.flatMap((standing) =>
    sources.map((source, column) => ({ standing, source, treatment: expected[standing][column]! }))
  );
  it.each(rows)('$standing x $source -> $treatment', ({ standing, source, treatment }) => {
    expect(answerTable[standing][source]).toBe(treatment);
    const before = states[standing];
    const asked = source === 'forced' ? trigger('person', true) : trigger(source);
    const { state, answer } = answerTrigger(before, asked, context);
    const wanted = { start: 'accepted', join: 'coalesced', reserve: 'coalesced', note: 'coalesced', refuse: 'refused' };
    expect(answer.answer).toBe(wanted[treatment]);
    expect(answer.reason.length).toBeGreaterThan(10);
    // A start begins exactly one run, and only where none was; nothing else begins any.
    expect(state.seq - before.seq).toBe(treatment === 'start' ? 1 : 0);
    expect(state.running?.runId ?? null).toBe(treatment === 'start' ? answer.runId : (before.running?.runId ?? null));
    if (treatment === 'reserve') expect(answer.runId).toBe(state.next?.runId);
    if (treatment === 'join') expect(answer.runId).toBe(before.running?.runId);
    if (treatment === 'refuse' || treatment === 'note') expect(answer.runId).toBeUndefined();
    // The same trigger again: the first answer, and nothing changes.
    const again = answerTrigger(state, asked, { ...context, now: now + 100 * hour });
    expect(again.state).toBe(state);
    expect(again.answer).toEqual({
      answer: answer.answer,
      repeated: true,
      reason: answer.reason,
      ...(answer.runId === undefined ? {} : { runId: answer.runId }),
    });
  });

  it('says when the budget is free again, and how to override it', () => {
    const { answer } = answerTrigger(states.overBudget, trigger('event'), context);
    expect(answer.reason).toContain('2 of 2 retrains in 30 days');
    expect(answer.reason).toContain('force');
    expect(answer.retryAt).toBe(new Date(now - 2 * hour + 30 * 24 * hour).toISOString());
  });

  it('refuses events of sources that are not listed', () => {
    const listed = { ...policy, on: { ...policy.on, events: ['fares-loaded'] } };
    const { answer } = answerTrigger(base, trigger('event'), { ...context, policy: listed });
    expect(answer.answer).toBe('refused');
    expect(answer.reason).toContain('retrain.on.events');
  });
});
