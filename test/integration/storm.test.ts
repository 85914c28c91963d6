import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allDecisions } from '@retempo/activities';
import { createStarters, type Answer } from '@retempo/starters';
import { governorId, type Trigger } from '@retempo/workflows/contracts';
import { triggersReported } from '@retempo/workflows/messages';
import { countHistory, measured, runsOf, type HistoryCount } from '../support/histories.js';
import { startInstallation, type TestInstallation } from '../support/installation.js';
import { missingServer } from '../support/server-peer.js';

const missing = await missingServer();

// A storm on a real server: 1,000 requests and 25,000 reported events about 750 occurrences, while the governor begins
// anew again and again. The cooldown outlasts the storm, so one run may start and one may be reserved.

const model = 'flight-delay';
const call = () => ({ signal: AbortSignal.timeout(60_000), deadlineMs: Date.now() + 60_000 });
const requested = 250;
const reported = 500;

describe.skipIf(missing !== null)('an event storm', () => {
  let test: TestInstallation;
  beforeAll(async () => {
    test = await startInstallation({
      name: 'storm',
      sections: { retrain: { on: { drift: true }, cooldown: '1h', atMost: { runs: 50, per: '30d' } } },
    });
    await test.apply();
  });
  afterAll(() => test?.close());

  const answers = new Map<string, Answer[]>();

  /** Callers take their turns at the same list: each id comes four times, spread over the whole storm. */
  async function requests(): Promise<void> {
    const starters = createStarters({ client: test.client, timeoutMs: 180_000 });
    let turn = 0;
    const caller = async () => {
      while (turn < requested * 4) {
        const id = `r${(turn++ * 7) % requested}`;
        const answer = await starters.requestRetrain({ model, source: 'fares', id, cause: `about ${id}.` });
        answers.set(id, [...(answers.get(id) ?? []), answer]);
      }
    };
    await Promise.all(Array.from({ length: 50 }, caller));
  }

  async function signals(): Promise<void> {
    const handle = test.client.workflow.getHandle(governorId(model));
    let turn = 0;
    const at = new Date().toISOString();
    const sender = async () => {
      while (turn < 500) {
        const first = (turn++ * 50) % reported;
        const triggers = Array.from({ length: 50 }, (_, i): Trigger => {
          const id = `s${(first + i * 3) % reported}`;
          return { kind: 'event', source: 'fares', id, cause: `about ${id}.`, at, actor: 'fares' };
        });
        await handle.signal(triggersReported, { triggers });
      }
    };
    await Promise.all(Array.from({ length: 5 }, sender));
  }

  it('I1, I3: every occurrence is answered and recorded once, and one run comes of all of them', async () => {
    await Promise.all([requests(), signals()]);
    expect(answers.size).toBe(requested);
    for (const list of answers.values()) {
      expect(list).toHaveLength(4);
      // The first answer again and again, whoever asked.
      expect(new Set(list.map(({ answer, reason, runId }) => `${answer} ${reason} ${runId}`)).size).toBe(1);
    }
    const decisions = await test.until(
      'all decisions',
      () => allDecisions(test.opened.registry, model, call()),
      (list) => list.filter(({ by }) => by === 'fares').length >= requested + reported
    );
    const about = new Map<string, number>();
    for (const { by, what } of decisions) {
      if (by !== 'fares') continue;
      const id = what.slice(what.indexOf('about '));
      about.set(id, (about.get(id) ?? 0) + 1);
    }
    expect(about.size).toBe(requested + reported);
    expect([...about.values()].every((n) => n === 1)).toBe(true);
    const runs = new Set(decisions.map(({ runId }) => runId).filter((runId) => runId !== undefined));
    const status = await test.until('end of the run', test.status, ({ running }) => running === null);
    expect(status.budget.used).toBe(1);
    expect(runs.size).toBeLessThanOrEqual(2);
    // What the run and the one after it carry is everything, and nothing twice.
    expect(decisions.filter(({ what }) => what.startsWith('accepted:'))).toHaveLength(1);
    expect(decisions.filter(({ what }) => what.startsWith('refused:'))).toEqual([]);
  });

  it('costs a known number of actions, and the governor began anew on the way', async () => {
    const id = governorId(model);
    const runs = await test.until(
      'list of runs',
      () => runsOf(test.client, id),
      (list) => list.length > 3
    );
    const histories: HistoryCount[] = [];
    for (const runId of runs) histories.push(await countHistory(test.client.workflow.getHandle(id, runId)));
    const sum = (kind: string) => histories.reduce((total, { kinds }) => total + (kinds[kind] ?? 0), 0);
    const parts = {
      updates: sum('workflowExecutionUpdateAccepted'),
      signals: sum('workflowExecutionSignaled'),
      activities: sum('activityTaskScheduled'),
      timers: sum('timerStarted'),
      upserts: sum('upsertWorkflowSearchAttributes'),
      starts: sum('startChildWorkflowExecutionInitiated'),
      continued: sum('workflowExecutionContinuedAsNew'),
    };
    const actions = Object.values(parts).reduce((total, n) => total + n, 0);
    const events = histories.reduce((total, history) => total + history.events, 0);
    measured('a storm of 1,000 requests and 500 signals with 25,000 events about 750 occurrences', {
      ...parts,
      actions,
      actionsPerOccurrence: Number((actions / (requested + reported)).toFixed(2)),
      events,
      runs: runs.length,
      longestHistory: Math.max(...histories.map((history) => history.events)),
    });
    // Nothing but the messages themselves, and group commits of what they decided.
    expect(parts.signals).toBeLessThanOrEqual(500 + 20);
    expect(parts.updates).toBeLessThanOrEqual(requested * 4 + 50);
    expect(parts.activities).toBeLessThanOrEqual(requested + reported + 30);
    expect(parts.starts).toBe(1);
    expect(parts.continued).toBeGreaterThan(0);
  });
});
