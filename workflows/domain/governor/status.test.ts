import { describe, expect, it } from 'vitest';
import type { ModelSpec, RetrainSpec } from '../../contracts/index.js';
import { initialGovernor, type GovernorState } from './state.js';
import { statusOf } from './status.js';
import { pauseModel, resumeModel } from './transitions.js';

// What an operator reads of a governor: the phase, and one sentence.

const now = Date.parse('2026-11-21T12:00:00Z');
const hour = 3_600_000;
const day = 24 * hour;
const policy: RetrainSpec = {
  on: { drift: true, everyMs: null, events: [] },
  cooldownMs: day,
  atMost: { runs: 2, cost: null, perMs: 30 * day },
  breakerAfter: 3,
  minGain: 0,
};
const digests = { specDigest: 's', installationDigest: 'i' };
const calm: GovernorState = { ...initialGovernor(now - 100 * day), seq: 1, champion: 'v1' };
const running: NonNullable<GovernorState['running']> = {
  runId: 'r1',
  seq: 1,
  phase: 'training',
  since: now - hour,
  causes: 1,
  byDrift: false,
  requestedBy: ['ann'],
  cause: 'prices changed',
  heardAt: now,
  waitingFor: null,
  started: true,
};
const next = { runId: 'r2', causes: 3, cause: 'a new season', byDrift: false, requestedBy: ['bob'], forced: false };
const drift = { windowId: 'w', reason: 'loss of w drifted' };
const spent = { starts: [now - 2 * day, now - day] };
const vote = { kind: 'approval', workflowId: 'w', what: 'approval of v2' } as const;

const told = (more: Partial<GovernorState>, on: Partial<RetrainSpec['on']> = {}) =>
  statusOf(
    { ...calm, ...more },
    { model: 'm', retrain: { ...policy, on: { ...policy.on, ...on } } } as ModelSpec,
    digests,
    now
  );

describe('what is told of a governor', () => {
  it.each<[string, Partial<GovernorState>, string]>([
    ['healthy', {}, 'v1 serves; nothing asks for a retrain'],
    ['healthy', { champion: null }, 'no version serves yet; ask for a first retrain'],
    ['running', { running }, 'run r1 is in phase training: prices changed (1 cause)'],
    [
      'running',
      { running: { ...running, phase: 'open', causes: 2 }, next, drift, hold: { reason: 'r', until: null } },
      'run r1 is starting: prices changed (2 causes)',
    ],
    [
      'running',
      { running: { ...running, waitingFor: { ...vote, until: '2026-11-21T13:00:00.000Z' } } },
      'run r1 is in phase training: prices changed (1 cause); waits for approval of v2 until 2026-11-21 13:00 UTC',
    ],
    [
      'running',
      { running: { ...running, waitingFor: { ...vote, until: null } } },
      'run r1 is in phase training: prices changed (1 cause); waits for approval of v2',
    ],
    [
      'paused',
      { paused: { by: 'ann', reason: 'holidays', since: now }, next, drift },
      'paused by ann: holidays; nothing starts before it is resumed',
    ],
    [
      'hold',
      { hold: { reason: 'boom', until: null }, next, drift },
      'on hold: boom; nothing starts before it is resumed',
    ],
    ['hold', { hold: { reason: 'boom', until: now + hour } }, 'on hold until 2026-11-21 13:00 UTC: boom'],
    ['waiting', { next, drift }, 'about to start: a new season (3 causes recorded)'],
    [
      'waiting',
      { next, cooldownUntil: now + hour },
      'cooldown ends 2026-11-21 13:00 UTC: a new season (3 causes recorded)',
    ],
    [
      'waiting',
      { next: { ...next, causes: 1 }, ...spent },
      'the budget of runs is used up until 2026-12-19 12:00 UTC: a new season (1 cause recorded)',
    ],
    ['waiting', { drift, cooldownUntil: now + hour }, 'cooldown ends 2026-11-21 13:00 UTC: loss of w drifted'],
    ['waiting', { drift, ...spent }, 'the budget of runs is used up until 2026-12-19 12:00 UTC: loss of w drifted'],
    ['confirmed', { drift, suspect: drift }, 'drift confirmed: loss of w drifted'],
    ['suspect', { suspect: drift }, 'one bad window: loss of w drifted'],
  ])('%s: %#', (phase, state, sentence) => {
    expect(told(state)).toMatchObject({ phase, sentence });
  });

  it('drift that starts nothing says so', () => {
    expect(told({ drift }, { drift: false }).sentence).toBe(
      'drift confirmed, but retrain.on.drift is off: loss of w drifted'
    );
  });

  it('what runs, what comes next, what it waits for, and what is used up', () => {
    expect(told({})).toEqual({
      v: 1,
      model: 'm',
      phase: 'healthy',
      sentence: 'v1 serves; nothing asks for a retrain',
      champion: 'v1',
      running: null,
      next: null,
      waitingFor: null,
      cooldownUntil: null,
      cooldownFactor: 1,
      budget: { used: 0, of: 2, perMs: 30 * day },
      ...digests,
    });
    const waitingFor = { ...vote, until: null };
    const busy = { running: { ...running, waitingFor }, next, cooldownUntil: now + hour, cooldownFactor: 4, ...spent };
    expect(told(busy)).toMatchObject({
      running: { runId: 'r1', phase: 'training', since: '2026-11-21T11:00:00.000Z' },
      next: { runId: 'r2', causes: 3 },
      waitingFor,
      cooldownUntil: '2026-11-21T13:00:00.000Z',
      cooldownFactor: 4,
      budget: { used: 2 },
    });
  });
});

describe('a resume', () => {
  it('ends a pause without a hold, and a hold without a pause', () => {
    const paused = pauseModel(calm, 'ann', 'lunch', now);
    const held = { ...calm, hold: { reason: 'boom', until: null }, failures: 3 };
    for (const state of [paused, held])
      expect(resumeModel(state, 'bob', 'mended', now)).toMatchObject({ paused: null, hold: null, failures: 0 });
  });
});
