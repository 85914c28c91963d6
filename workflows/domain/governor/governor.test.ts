import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ReleaseResult, RetrainSpec, Trigger } from '../../contracts/index.js';
import { sentenceOf } from './status.js';
import { initialGovernor, rememberedAnswers, type GovernorState } from './state.js';
import {
  answerTrigger,
  loseRun,
  nextWake,
  pauseModel,
  resumeModel,
  takeReport,
  takeWindow,
  tick,
} from './transitions.js';

const minute = 60_000;
const policy: RetrainSpec = {
  on: { drift: true, everyMs: 500 * minute, events: [] },
  cooldownMs: 10 * minute,
  atMost: { runs: 4, cost: null, perMs: 200 * minute },
  breakerAfter: 3,
  minGain: 0,
};

type Command =
  | { readonly kind: 'trigger'; readonly source: Trigger['kind']; readonly id: number; readonly force: boolean }
  | { readonly kind: 'time'; readonly minutes: number }
  | { readonly kind: 'phase'; readonly phase: 'training' | 'gate' | 'canary' }
  | { readonly kind: 'end'; readonly result: ReleaseResult; readonly helped: boolean }
  | { readonly kind: 'lost' | 'pause' | 'resume' }
  | {
      readonly kind: 'window';
      readonly n: number;
      readonly verdict: 'pass' | 'fail' | 'noData';
      readonly confirmed: boolean;
    };

const commands: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('trigger' as const),
      source: fc.constantFrom('person' as const, 'event' as const),
      id: fc.nat(30),
      force: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('time' as const), minutes: fc.nat(60) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('phase' as const),
      phase: fc.constantFrom('training' as const, 'gate' as const, 'canary' as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('end' as const),
      result: fc.constantFrom<ReleaseResult>(
        'promoted',
        'refusedByGate',
        'rolledBack',
        'rejected',
        'noData',
        'error',
        'dataInvalid',
        'cancelled'
      ),
      helped: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('lost' as const, 'pause' as const, 'resume' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('window' as const),
      n: fc.nat(40),
      verdict: fc.constantFrom('pass' as const, 'fail' as const, 'noData' as const),
      confirmed: fc.boolean(),
    }),
  }
);

/** What must be true of any history, kept apart from the code under test: a ledger of what was promised and started. */
interface Ledger {
  readonly firstAnswers: Map<string, string>;
  readonly started: Map<string, number>;
  readonly promised: Set<string>;
  /** Whether a version serves, how much longer than usual the cooldown is, and when it is over. */
  readonly cooling: { serves: boolean; factor: number; until: number };
}

/** The cooldown, told another way: only a champion is protected, and only it is blamed for retrains that do not help. */
function cool(cooling: Ledger['cooling'], command: Command, now: number): void {
  if (command.kind === 'end') {
    if (command.result === 'promoted') cooling.serves = true;
    const helped = command.result === 'promoted' && command.helped;
    const judged = ['promoted', 'refusedByGate', 'rolledBack'].includes(command.result);
    if (helped) cooling.factor = 1;
    else if (judged && cooling.serves) cooling.factor = Math.min(8, 2 * cooling.factor);
  }
  cooling.until = cooling.serves ? now + policy.cooldownMs * cooling.factor : now;
}

function apply(state: GovernorState, command: Command, now: number, ledger: Ledger): GovernorState {
  const context = { model: 'm', policy, now };
  switch (command.kind) {
    case 'trigger': {
      const forced = command.force && command.source === 'person';
      const trigger: Trigger = {
        kind: command.source,
        source: command.source,
        id: String(command.id),
        cause: `cause ${command.id}`,
        at: new Date(now).toISOString(),
        actor: 'ann',
        ...(forced ? { force: true } : {}),
      };
      const { state: after, answer } = answerTrigger(state, trigger, context);
      const key = `${command.source}/${command.id}`;
      const text = `${answer.answer} ${answer.runId ?? ''} ${answer.reason}`;
      const first = ledger.firstAnswers.get(key);
      // I2: the same source and id is answered once; the first answer is repeated and changes nothing.
      if (first === undefined) ledger.firstAnswers.set(key, text);
      else {
        expect(text).toBe(first);
        expect(answer.repeated).toBe(true);
        expect(after).toBe(state);
      }
      // While nothing serves and nothing else is in the way, nobody is told to wait for a cooldown.
      const free = [state.running, state.next, state.paused, state.hold].every((obstacle) => obstacle === null);
      if (!answer.repeated && !ledger.cooling.serves && free && answer.answer !== 'accepted') {
        expect(answer.reason).toContain('has used');
      }
      // I1: whoever is told of a run finds that run, now or later.
      if (answer.answer !== 'refused' && answer.runId !== undefined) ledger.promised.add(answer.runId);
      return after;
    }
    case 'phase':
      return state.running === null
        ? state
        : takeReport(state, { runId: state.running.runId, phase: command.phase }, context);
    case 'end':
      return state.running === null
        ? state
        : takeReport(
            state,
            {
              runId: state.running.runId,
              phase: 'done',
              outcome: {
                result: command.result,
                helped: command.helped && command.result === 'promoted',
                reason: 'it ended',
                ...(command.result === 'promoted' ? { version: `v${state.seq}` } : {}),
              },
            },
            context
          );
    case 'lost':
      return loseRun(state, context);
    case 'pause':
      return pauseModel(state, 'op', 'because', now);
    case 'resume':
      return resumeModel(state, 'op', 'because', now);
    case 'window':
      return takeWindow(
        state,
        {
          windowId: `w${command.n}`,
          part: 'labels',
          revision: 1,
          verdict: command.verdict,
          confirmed: command.confirmed && command.verdict === 'fail',
          reason: 'numbers',
          champion: state.champion,
        },
        context
      );
    case 'time':
      return state;
  }
}

describe('governor, random commands against the ledger', () => {
  it('never loses a promise, never starts a run twice, never exceeds the budget, never sleeps through its work', () => {
    fc.assert(
      fc.property(fc.array(commands, { maxLength: 60 }), (list) => {
        let now = Date.parse('2026-01-01T00:00:00Z');
        let state = initialGovernor(now);
        const ledger: Ledger = {
          firstAnswers: new Map(),
          started: new Map(),
          promised: new Set(),
          cooling: { serves: false, factor: 1, until: 0 },
        };
        const unforced: number[] = [];
        for (const command of list) {
          if (command.kind === 'time') now += command.minutes * minute;
          const before = state;
          state = apply(state, command, now, ledger);
          if (before.running !== null && state.running === null) cool(ledger.cooling, command, now);
          const forced = state.seq > before.seq && command.kind === 'trigger' && command.force;
          const ticked = tick(state, { model: 'm', policy, now });
          // A run that is on stays the one that is on, until it has ended or is lost.
          if (before.running !== null && state.running !== null) expect(state.running.runId).toBe(before.running.runId);
          if (state.running !== null) expect(ticked.running?.runId).toBe(state.running.runId);
          const forcedNext = state.next?.forced === true;
          state = ticked;
          for (const s of [before, state])
            if (s.running !== null && !ledger.started.has(s.running.runId)) {
              ledger.started.set(s.running.runId, s.running.seq);
              if (!forced && !forcedNext) {
                unforced.push(now);
                expect(now).toBeGreaterThanOrEqual(ledger.cooling.until);
              }
            }
          // At most one run at a time, numbered without gaps, each id once.
          expect(new Set(ledger.started.values()).size).toBe(ledger.started.size);
          expect(Math.max(0, ...ledger.started.values())).toBe(state.seq);
          // A paused or holding governor starts nothing by itself.
          if (before.paused !== null && before.running === null && command.kind !== 'resume')
            expect(state.running).toBeNull();
          // Every recorded cause belongs to a run that has started or to the one next run.
          for (const runId of ledger.promised) {
            expect(ledger.started.has(runId) || state.next?.runId === runId).toBe(true);
          }
          // After a tick there is nothing left to do now: either the wake lies ahead or only an event can help.
          const wake = nextWake(state, policy, now);
          if (wake !== null && wake <= now) {
            expect(tick(state, { model: 'm', policy, now }).seq).toBe(state.seq);
            expect(state.paused !== null || state.running !== null).toBe(true);
          }
          expect(sentenceOf(state, policy, now).length).toBeGreaterThan(5);
          expect(JSON.parse(JSON.stringify(state))).toEqual(state);
        }
        // Budget: no period holds more unforced starts than allowed.
        for (const at of unforced) {
          const inPeriod = unforced.filter((other) => other > at - policy.atMost.perMs && other <= at).length;
          expect(inPeriod).toBeLessThanOrEqual(policy.atMost.runs);
        }
      }),
      { numRuns: 3_000 }
    );
  });

  it('doubles the cooldown after a retrain that did not help, up to eightfold, and forgives after one that did', () => {
    const now = 1_000_000;
    let state: GovernorState = { ...initialGovernor(now), champion: 'v1' };
    const end = (result: ReleaseResult, helped: boolean) => {
      const context = { model: 'm', policy, now };
      const forced: Trigger = {
        kind: 'person',
        source: 's',
        id: String(Math.random()),
        cause: 'c',
        at: 'now',
        actor: 'a',
        force: true,
      };
      state = answerTrigger(state, forced, context).state;
      state = takeReport(
        state,
        { runId: state.running!.runId, phase: 'done', outcome: { result, helped, reason: 'r' } },
        context
      );
      return [state.cooldownFactor, (state.cooldownUntil - now) / minute];
    };
    expect(end('refusedByGate', false)).toEqual([2, 20]);
    expect(end('rolledBack', false)).toEqual([4, 40]);
    expect(end('refusedByGate', false)).toEqual([8, 80]);
    expect(end('refusedByGate', false)).toEqual([8, 80]);
    expect(end('cancelled', false)).toEqual([8, 80]);
    expect(end('error', false)).toEqual([8, 80]);
    expect(end('promoted', true)).toEqual([1, 10]);
  });

  it('opens the breaker after runs without a usable result; only resume or force goes on', () => {
    const now = 1_000_000;
    let state = initialGovernor(now);
    for (let i = 0; i < policy.breakerAfter; i++) {
      const context = { model: 'm', policy, now };
      const forced: Trigger = {
        kind: 'person',
        source: 's',
        id: `f${i}`,
        cause: 'c',
        at: 'now',
        actor: 'a',
        force: true,
      };
      state = answerTrigger(state, forced, context).state;
      state = takeReport(
        state,
        { runId: state.running!.runId, phase: 'done', outcome: { result: 'error', helped: false, reason: 'boom' } },
        context
      );
    }
    expect(state.hold).toEqual({ reason: '3 runs in a row without a usable result; the last: boom', until: null });
    expect(nextWake(state, policy, now)).toBeNull();
    const years = { model: 'm', policy, now: now + 1e11 };
    expect(tick(state, years)).toBe(state);
    expect(resumeModel(state, 'op', 'mended', now).hold).toBeNull();
  });

  it('remembers a bounded number of answers in little space', () => {
    let state = initialGovernor(0);
    for (let i = 0; i < 3 * rememberedAnswers; i++) {
      const trigger: Trigger = { kind: 'event', source: 's', id: String(i), cause: `c${i}`, at: 'now', actor: 'a' };
      state = answerTrigger(state, trigger, { model: 'm', policy, now: i }).state;
    }
    expect(state.answered).toHaveLength(rememberedAnswers);
    expect(JSON.stringify(state).length).toBeLessThan(60_000);
  });
});
