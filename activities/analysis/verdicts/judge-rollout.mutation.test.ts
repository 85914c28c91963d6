import { describe, expect, it } from 'vitest';
import { judgeRollout } from './judge-rollout.js';
import type { JudgeRolloutInput } from './judge-rollout-types.js';

const input: JudgeRolloutInput = {
  strategy: { steps: [{ weight: 1, monitored: false, holdSeconds: 60 }, { weight: 5 }] },
  metrics: [{ name: 'errors', role: 'guardrail', verdict: 'inconclusive' }],
  exposures: null,
  step: { index: 0, elapsedSeconds: 60, units: { candidate: 10, champion: 990 } },
};

/** Edges that the properties leave open. */
describe('judgeRollout, edges', () => {
  it('waits for no guardrail in a step that is not monitored, and still rolls back when one fails', () => {
    const open = judgeRollout(input);
    expect([open.action, open.cause]).toEqual(['advance', 'passed']);
    expect(open.reasons.join()).toContain('not monitored');
    const failed = judgeRollout({ ...input, metrics: [{ name: 'errors', role: 'guardrail', verdict: 'fail' }] });
    expect(failed.action).toBe('rollback');
    const monitored = { steps: [{ weight: 1 }, { weight: 5 }] };
    expect(judgeRollout({ ...input, strategy: monitored }).cause).toBe('guardrailsOpen');
  });
});
