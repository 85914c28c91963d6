import { describe, expect, it } from 'vitest';
import type { ModelSpec, RetrainSpec, Trigger } from '../../contracts/index.js';
import { answerTable, standingOf, standings, type Standing, type Treatment } from './answers.js';
import { initialGovernor, type GovernorState } from './state.js';
import { statusOf } from './status.js';
import { answerTrigger, nextWake, resumeModel, takeReport, tick } from './transitions.js';

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
const spec = { model: 'm', retrain: policy } as ModelSpec;
const digests = { specDigest: 's', installationDigest: 'i' };
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
  nextReserved: { ...base, champion: 'v1', next, cooldownUntil: now + hour },
  overBudget: { ...base, starts: [now - 2 * hour, now - hour] },
  coolingDown: { ...base, champion: 'v1', cooldownUntil: now + hour },
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

  it('without a champion nothing cools down: there is nothing to protect, and somebody waits for a first version', () => {
    const first = { ...states.coolingDown, champion: null };
    expect(standingOf(first, policy, now)).toBe('idle');
    expect(answerTrigger(first, trigger('event'), context).answer.answer).toBe('accepted');
    expect(statusOf(first, spec, digests, now).cooldownUntil).toBeNull();
    // What else stands in the way still does.
    for (const standing of ['paused', 'holding', 'runFrozen', 'overBudget'] as const) {
      expect(states[standing].champion).toBeNull();
      expect(standingOf(states[standing], policy, now)).toBe(standing);
    }
  });

  it.each(['refusedByGate', 'rejected', 'rolledBack', 'cancelled'] as const)(
    'a first run that ends %s: the next one starts at once, and a reserved one too',
    (result) => {
      const frozen = { ...states.runFrozen, next };
      const outcome = { result, helped: false, reason: 'r' };
      const ended = takeReport(frozen, { runId: running.runId, phase: 'done', outcome }, context);
      expect([ended.cooldownFactor, nextWake(ended, policy, now)]).toEqual([1, now]);
      expect(tick(ended, context).running?.runId).toBe(next.runId);
      expect(answerTrigger({ ...ended, next: null }, trigger('person'), context).answer.answer).toBe('accepted');
    }
  );

  it('a first run without a usable result: held for an hour at most, not for the cooldown; with a champion for that', () => {
    const outcome = { result: 'error', helped: false, reason: 'boom' } as const;
    const end = (champion: string | null) =>
      takeReport({ ...states.runFrozen, champion }, { runId: running.runId, phase: 'done', outcome }, context);
    expect(end(null).hold).toEqual({ reason: 'boom', until: now + hour });
    expect(end('v1').hold).toEqual({ reason: 'boom', until: now + policy.cooldownMs });
    const { answer } = answerTrigger(end(null), trigger('person'), context);
    expect(answer).toMatchObject({ answer: 'refused', retryAt: new Date(now + hour).toISOString() });
    expect(answer.reason).toBe(
      'm is on hold until 2026-11-21 13:00 UTC: boom; mend the cause and resume, or force with a reason'
    );
    const mended = resumeModel(end(null), 'ann', 'mended', now);
    expect(answerTrigger(mended, trigger('event'), context).answer.answer).toBe('accepted');
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
    // Whoever reads the record finds the run.
    const record = state.decisions.find(({ what }) => what === `${answer.answer}: ${asked.cause}`);
    expect([record?.by, record?.reason, record?.runId]).toEqual([asked.actor, answer.reason, answer.runId]);
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

  it('says what stands in the way, and what to do', () => {
    const told = (kind: 'person' | 'event', state: GovernorState, of = policy) =>
      answerTrigger(state, trigger(kind), { ...context, policy: of }).answer.reason;
    const seconds = { ...policy, atMost: { ...policy.atMost, perMs: 90_000 } };
    const starts = [now - 2_000, now - 1_000];
    expect(told('person', states.paused)).toBe('m is paused by op (holidays); resume it first');
    expect(told('person', states.holding)).toBe(
      'm is on hold until 2026-11-21 13:00 UTC: bad data; mend the cause and resume, or force with a reason'
    );
    expect(told('person', { ...base, starts }, seconds)).toBe(
      'm has used 2 of 2 retrains in 90 s; next possible 2026-11-21 12:01:28 UTC; force with a reason'
    );
    for (const [standing, when] of [
      ['paused', 'after op resumes the model'],
      ['holding', 'after the hold: bad data'],
      ['runFrozen', 'after run retempo/m/run/1-aaaaaaaa, whose data is frozen already'],
      ['nextReserved', 'when the reserved run starts'],
      ['coolingDown', 'when the cooldown ends at 2026-11-21 13:00 UTC'],
    ] as const) {
      const reserved = `^recorded on run retempo/m/run/2-[0-9a-f]{8}, which starts ${when}$`;
      expect(told('event', states[standing])).toMatch(new RegExp(reserved));
    }
  });

  it('says when the budget is free again, and how to override it', () => {
    const { answer } = answerTrigger(states.overBudget, trigger('event'), context);
    expect(answer.reason).toContain('2 of 2 retrains in 30 days');
    expect(answer.reason).toContain('force');
    expect(answer.reason).toContain('next possible 2026-12-21 10:00 UTC');
    expect(answer.retryAt).toBe(new Date(now - 2 * hour + 30 * 24 * hour).toISOString());
  });

  it('refuses events of sources that are not listed', () => {
    const listed = { ...policy, on: { ...policy.on, events: ['fares-loaded'] } };
    const { answer } = answerTrigger(base, trigger('event'), { ...context, policy: listed });
    expect(answer.answer).toBe('refused');
    expect(answer.reason).toContain('retrain.on.events');
    const known = { ...trigger('event'), source: 'fares-loaded' };
    expect(answerTrigger(base, known, { ...context, policy: listed }).answer.answer).toBe('accepted');
    // The list is about events: people, drift and age are not on it.
    for (const kind of ['person', 'drift', 'schedule'] as const)
      expect(answerTrigger(base, trigger(kind), { ...context, policy: listed }).answer.answer).toBe('accepted');
  });
});
