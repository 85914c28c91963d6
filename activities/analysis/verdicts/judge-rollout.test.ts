import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnalysisInputError } from '../errors.js';
import { judgeRollout } from './judge-rollout.js';
import type { JudgeRolloutInput, RolloutJudgement, RolloutMetric } from './judge-rollout-types.js';
import type { Verdict } from './judge-metric-types.js';

const SEED = 20_261_121;
const errors = (verdict: Verdict, more: Partial<RolloutMetric> = {}): RolloutMetric => ({
  name: 'errors',
  role: 'guardrail',
  verdict,
  reasons: [`errors: ${verdict}`],
  ...more,
});
const base: JudgeRolloutInput = {
  strategy: {
    steps: [
      { weight: 5, holdSeconds: 600, minUnitsPerArm: 100 },
      { weight: 50, requireApproval: true },
      { weight: 100 },
    ],
  },
  metrics: [errors('pass')],
  exposures: null,
  step: { index: 0, elapsedSeconds: 3_600, units: { candidate: 500, champion: 9_500 } },
};
const at = (index: number, more: object = {}): JudgeRolloutInput['step'] => ({ ...base.step, index, ...more });
const judge = (more: Partial<JudgeRolloutInput> = {}): RolloutJudgement => judgeRollout({ ...base, ...more });
const rules = (more: object) => ({ strategy: { ...base.strategy, ...more } });
const skewed = { steps: [{ candidate: 700, champion: 9_300, expectedShare: 0.05 }] };

const CASES: Record<string, () => RolloutJudgement> = {
  advance: () => judge(),
  promote: () => judge({ step: at(2) }),
  'rollback for a guardrail': () => judge({ metrics: [errors('fail'), errors('noData', { name: 'slow' })] }),
  'hold for a guardrail': () => judge({ ...rules({ onGuardrailFailure: 'hold' }), metrics: [errors('fail')] }),
  'rollback for a hard bound of a signal': () =>
    judge({ metrics: [errors('pass'), { name: 'crashes', role: 'signal', verdict: 'fail', critical: true }] }),
  'hold for a wrong split': () => judge({ exposures: skewed }),
  'rollback for a wrong split': () => judge({ ...rules({ onSrm: 'rollback' }), exposures: skewed }),
  'hold for a wrong split of units that come again': () => judge({ exposures: { ...skewed, isSticky: true } }),
  'warn about a wrong split': () => judge({ ...rules({ onSrm: 'warn' }), exposures: skewed }),
  'hold for units in both arms': () =>
    judge({ exposures: { steps: [{ candidate: 500, champion: 9_500, expectedShare: 0.05 }], multiple: 3 } }),
  'hold for a failing signal': () =>
    judge({ metrics: [errors('pass'), { name: 'churn', role: 'signal', verdict: 'fail' }] }),
  'continue while a guardrail is open': () => judge({ metrics: [errors('inconclusive')] }),
  'continue while data are missing, not too long': () => judge({ metrics: [errors('noData')] }),
  'hold at the deadline': () => judge({ metrics: [errors('inconclusive')], step: at(0, { elapsedSeconds: 86_400 }) }),
  'rollback at the deadline': () =>
    judge({ ...rules({ onInconclusive: 'rollback', stepSeconds: 60 }), metrics: [errors('inconclusive')] }),
  'continue for the hold time': () => judge({ step: at(0, { elapsedSeconds: 599 }) }),
  'continue for units': () => judge({ step: at(0, { units: { candidate: 99, champion: 9_000 } }) }),
  'hold for an approval': () => judge({ step: at(1) }),
  'advance with an approval': () => judge({ step: at(1, { approved: true }) }),
  'continue for a goal': () =>
    judge({ step: at(2), metrics: [errors('pass'), { name: 'sales', role: 'goal', verdict: 'inconclusive' }] }),
  'promote with one goal of two': () =>
    judge({
      step: at(2),
      metrics: [
        errors('pass'),
        { name: 'a', role: 'goal', verdict: 'pass' },
        { name: 'b', role: 'goal', verdict: 'inconclusive' },
      ],
    }),
  'continue for labels': () => judge({ step: at(2, { labelsMature: false }) }),
  'advance an unmonitored step': () =>
    judge({ strategy: { steps: [{ weight: 1, monitored: false }, { weight: 5 }] }, metrics: [] }),
  'info only warns': () => judge({ metrics: [errors('pass'), { name: 'cost', role: 'info', verdict: 'fail' }] }),
  'stays rolled back': () => judge({ previous: judge({ metrics: [errors('fail')] }).state }),
};

describe('judgeRollout', () => {
  it('says why in sentences', () => {
    const shown = Object.fromEntries(
      Object.entries(CASES).map(([name, run]) => {
        const { action, cause, reasons, warnings } = run();
        return [name, { action, cause, reasons, warnings }];
      })
    );
    expect(shown).toMatchSnapshot();
  });

  it('takes the expected action for the expected cause', () => {
    const got = Object.fromEntries(
      Object.entries(CASES).map(([name, run]) => [name, `${run().action}: ${run().cause}`])
    );
    expect(got).toEqual({
      advance: 'advance: passed',
      promote: 'promote: passed',
      'rollback for a guardrail': 'rollback: guardrailFailed',
      'hold for a guardrail': 'hold: guardrailFailed',
      'rollback for a hard bound of a signal': 'rollback: criticalBound',
      'hold for a wrong split': 'hold: sampleRatio',
      'hold for a wrong split of units that come again': 'hold: sampleRatio',
      'rollback for a wrong split': 'rollback: sampleRatio',
      'warn about a wrong split': 'advance: passed',
      'hold for units in both arms': 'hold: multipleExposure',
      'hold for a failing signal': 'hold: signalFailed',
      'continue while a guardrail is open': 'continue: guardrailsOpen',
      'continue while data are missing, not too long': 'continue: guardrailsOpen',
      'hold at the deadline': 'hold: deadline',
      'rollback at the deadline': 'rollback: deadline',
      'continue for the hold time': 'continue: holdTime',
      'continue for units': 'continue: minUnits',
      'hold for an approval': 'hold: approval',
      'advance with an approval': 'advance: passed',
      'continue for a goal': 'continue: goalsOpen',
      'promote with one goal of two': 'promote: passed',
      'continue for labels': 'continue: labels',
      'advance an unmonitored step': 'advance: passed',
      'info only warns': 'advance: passed',
      'stays rolled back': 'rollback: rolledBack',
    });
    expect(CASES['warn about a wrong split']?.().warnings).toHaveLength(1);
    expect(CASES['info only warns']?.().warnings).toHaveLength(1);
  });

  it('holds after more looks in error than are borne, and recovers', () => {
    let state = judge({ metrics: [errors('error')] }).state;
    for (let look = 2; look <= 4; look += 1) {
      const got = judge({ metrics: [errors('error')], previous: state });
      expect(got.action).toBe('continue');
      state = got.state;
    }
    const fifth = judge({ metrics: [errors('error')], previous: state });
    expect([fifth.action, fifth.cause]).toEqual(['hold', 'missingData']);
    const well = judge({ metrics: [errors('pass')], previous: fifth.state });
    expect(well.action).toBe('advance');
    expect(well.state.errorStreaks).toEqual({});
  });

  it('holds after more time without data than is borne; a new step starts the clock again', () => {
    const start = judge({ metrics: [errors('noData')], step: at(0, { elapsedSeconds: 100 }) });
    const borne = judge({ metrics: [errors('noData')], step: at(0, { elapsedSeconds: 3_700 }), previous: start.state });
    expect(borne.action).toBe('continue');
    const late = judge({ metrics: [errors('noData')], step: at(0, { elapsedSeconds: 3_701 }), previous: borne.state });
    expect([late.action, late.cause]).toEqual(['hold', 'missingData']);
    const next = judge({ metrics: [errors('noData')], step: at(1, { elapsedSeconds: 3_701 }), previous: late.state });
    expect(next.action).toBe('continue');
    const required = judge({
      metrics: [errors('pass'), { name: 'x', role: 'signal', verdict: 'noData' }],
      previous: late.state,
    });
    expect(required.action).toBe('advance');
  });

  it('remembers a wrong split of an earlier look', () => {
    const { state } = judge({ exposures: skewed });
    const even = { steps: [{ candidate: 50_000, champion: 950_000, expectedShare: 0.05 }] };
    expect(judge({ exposures: even }).action).toBe('advance');
    expect(judge({ exposures: even, previous: state }).cause).toBe('sampleRatio');
  });

  it('8: a guardrail of an earlier look that is left out, or called something else, does not open the way', () => {
    const slow = errors('pass', { name: 'slow', reasons: [] });
    const { state } = judge({ metrics: [errors('pass'), slow] });
    expect(state.guardrails).toEqual(['errors', 'slow']);
    const left = judge({ previous: state });
    expect(left).toMatchObject({
      action: 'continue',
      cause: 'guardrailsOpen',
      reasons: ['slow: was judged at an earlier look and is not given any more'],
      state: { guardrails: ['errors', 'slow'] },
    });
    const long = at(0, { elapsedSeconds: 3_600 + 3_601 });
    expect(judge({ previous: left.state, step: long })).toMatchObject({ action: 'hold', cause: 'missingData' });
    const renamed = { ...slow, role: 'info', verdict: 'inconclusive' } as const;
    expect(judge({ previous: state, metrics: [errors('pass'), renamed] }).cause).toBe('guardrailsOpen');
    expect(judge({ previous: state, metrics: [errors('pass'), slow] }).action).toBe('advance');
    // A state of before this was remembered.
    const { guardrails: _none, ...older } = state;
    expect(judge({ previous: older }).action).toBe('advance');
  });

  it('names what is wrong with bad input', () => {
    const bad: [string, () => unknown][] = [
      ['strategy.steps', () => judge(rules({ steps: [] }))],
      ['strategy.steps[1].weight', () => judge(rules({ steps: [{ weight: 5 }, { weight: 5 }] }))],
      ['strategy.steps[0].weight', () => judge(rules({ steps: [{ weight: 101 }] }))],
      ['strategy.steps[0].holdSeconds', () => judge(rules({ steps: [{ weight: 5, holdSeconds: -1 }] }))],
      ['strategy.steps[0].minUnitsPerArm', () => judge(rules({ steps: [{ weight: 5, minUnitsPerArm: 0.5 }] }))],
      ['strategy.onSrm', () => judge(rules({ onSrm: 'ignore' }))],
      ['strategy.onInconclusive', () => judge(rules({ onInconclusive: 'promote' }))],
      ['strategy.onGuardrailFailure', () => judge(rules({ onGuardrailFailure: 'warn' }))],
      ['strategy.srmAlpha', () => judge(rules({ srmAlpha: 0 }))],
      ['strategy.consecutiveErrorLimit', () => judge(rules({ consecutiveErrorLimit: -1 }))],
      ['strategy.noDataSeconds', () => judge(rules({ noDataSeconds: Number.NaN }))],
      ['strategy.stepSeconds', () => judge(rules({ stepSeconds: 0 }))],
      ['metrics', () => judge({ metrics: [] })],
      ['metrics[1].name', () => judge({ metrics: [errors('pass'), errors('pass')] })],
      ['metrics[0].name', () => judge({ metrics: [errors('pass', { name: '' })] })],
      ['metrics[0].role', () => judge({ metrics: [errors('pass', { role: 'x' as never })] })],
      ['metrics[0].verdict', () => judge({ metrics: [errors('ok' as never)] })],
      ['step.index', () => judge({ step: at(3) })],
      ['step.elapsedSeconds', () => judge({ step: at(0, { elapsedSeconds: -1 }) })],
      ['step.units.candidate', () => judge({ step: at(0, { units: { candidate: -1, champion: 1 } }) })],
      [
        'exposures.steps[0].expectedShare',
        () => judge({ exposures: { steps: [{ candidate: 1, champion: 1, expectedShare: 1 }] } }),
      ],
      [
        'exposures.steps[0].candidate',
        () => judge({ exposures: { steps: [{ candidate: 1.5, champion: 1, expectedShare: 0.5 }] } }),
      ],
      ['exposures.multiple', () => judge({ exposures: { steps: [], multiple: -1 } })],
      ['exposures.isSticky', () => judge({ exposures: { steps: [], isSticky: 1 as never } })],
      ['previous.v', () => judge({ previous: { v: 2 } as never })],
      ['previous.guardrails', () => judge({ previous: { ...judge().state, guardrails: 'errors' as never } })],
      ['previous.guardrails[0]', () => judge({ previous: { ...judge().state, guardrails: [5 as never] } })],
    ];
    for (const [field, run] of bad) {
      try {
        run();
        expect.fail(`${field} was accepted`);
      } catch (error) {
        expect(error).toBeInstanceOf(AnalysisInputError);
        expect((error as AnalysisInputError).field).toBe(field);
      }
    }
  });
});

const verdict = fc.constantFrom<Verdict>('pass', 'fail', 'inconclusive', 'noData', 'error');
const metrics = fc
  .array(fc.tuple(fc.constantFrom('guardrail', 'goal', 'signal', 'info'), verdict, fc.boolean()), { maxLength: 5 })
  .map((rows): RolloutMetric[] => [
    { name: 'm', role: 'guardrail', verdict: 'pass' },
    ...rows.map(([role, v, critical], i): RolloutMetric => ({
      name: `m${i}`,
      role: role as never,
      verdict: v,
      critical: critical && role !== 'info',
    })),
  ]);
const stepOf = fc.record({
  index: fc.nat(2),
  elapsedSeconds: fc.constantFrom(0, 599, 600, 5_000, 86_399, 86_400, 200_000),
  units: fc.record({ candidate: fc.constantFrom(0, 99, 100, 500), champion: fc.constantFrom(0, 99, 9_500) }),
  approved: fc.boolean(),
  labelsMature: fc.boolean(),
});
const exposuresOf = fc.option(
  fc.record({
    steps: fc.array(
      fc.record({ candidate: fc.nat(600), champion: fc.nat(10_000), expectedShare: fc.constantFrom(0.01, 0.05, 0.5) }),
      { maxLength: 2 }
    ),
    multiple: fc.constantFrom(0, 0, 0, 2),
  })
);
const check = <T extends unknown[]>(runs: number, property: fc.IProperty<T>): void => {
  // Mutation testing asks for fewer: each mutant meets them all.
  fc.assert(property, { numRuns: Number(process.env['RETEMPO_PROPERTY_RUNS'] ?? runs), seed: SEED });
};

/** Thousands of cases each: on a busy machine they take minutes, and no time is asked of them. */
const PATIENT = { timeout: 1_200_000 };

describe('judgeRollout, properties (progressive-delivery 4.3, 4.5)', PATIENT, () => {
  it('rolls back for every failing guardrail or hard bound, in every situation', () => {
    check(
      12_000,
      fc.property(metrics, stepOf, exposuresOf, (list, step, exposures) => {
        const got = judge({ metrics: list, step, exposures });
        const harmful = list.some(
          ({ role, verdict, critical }) => verdict === 'fail' && (role === 'guardrail' || critical === true)
        );
        expect(got.action === 'rollback').toBe(harmful);
      })
    );
  });

  it('advances only when every guardrail passes and every condition is met', () => {
    check(
      12_000,
      fc.property(metrics, stepOf, exposuresOf, (list, step, exposures) => {
        const got = judge({ metrics: list, step, exposures });
        if (got.action !== 'advance' && got.action !== 'promote') return;
        expect(list.every(({ role, verdict }) => role !== 'guardrail' || verdict === 'pass')).toBe(true);
        expect(list.every(({ role, verdict }) => role !== 'signal' || verdict !== 'fail')).toBe(true);
        expect(exposures?.multiple ?? 0).toBe(0);
        if (step.index === 0) {
          expect(step.elapsedSeconds).toBeGreaterThanOrEqual(600);
          expect(Math.min(step.units.candidate, step.units.champion)).toBeGreaterThanOrEqual(100);
        }
        if (step.index === 1) expect(step.approved).toBe(true);
        expect(got.action).toBe(step.index === 2 ? 'promote' : 'advance');
        const goals = list.filter(({ role }) => role === 'goal');
        if (step.index === 2 && goals.length > 0) expect(goals.some(({ verdict }) => verdict === 'pass')).toBe(true);
      })
    );
  });

  it('8: a metric that turns into no data or an error never advances the rollout', () => {
    check(
      12_000,
      fc.property(
        metrics,
        stepOf,
        fc.constantFrom<Verdict>('noData', 'error', 'inconclusive'),
        fc.nat(5),
        (list, step, nothing, at) => {
          const guardrails = list.filter(({ role }) => role === 'guardrail');
          const target = guardrails[at % guardrails.length] as RolloutMetric;
          const cut = list.map((metric) => (metric === target ? { ...metric, verdict: nothing } : metric));
          expect(['advance', 'promote']).not.toContain(judge({ metrics: cut, step }).action);
        }
      )
    );
  });

  it('8: leaving metrics out at a later look never advances what they would have held', () => {
    check(
      8_000,
      fc.property(metrics, fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }), stepOf, (list, keep, step) => {
        const { state } = judge({ metrics: list, step });
        const guardrails = list.filter(({ role }) => role === 'guardrail').map(({ name }) => name);
        const later = list.filter(({ name }, i) => name === 'm' || keep[i] === true);
        const { action } = judge({ metrics: later, step, previous: state });
        const isWhole = guardrails.every((name) => later.some((metric) => metric.name === name));
        if (!isWhole) expect(['advance', 'promote']).not.toContain(action);
      })
    );
  });

  it('10: a rollback is absorbing, through JSON as well', () => {
    check(
      8_000,
      fc.property(metrics, metrics, stepOf, exposuresOf, (list, later, step, exposures) => {
        const first = judge({ metrics: list, step, exposures });
        const state = JSON.parse(JSON.stringify(first.state));
        expect(state).toEqual(first.state);
        const second = judge({ metrics: later, step, previous: state });
        if (first.action === 'rollback') expect([second.action, second.cause]).toEqual(['rollback', 'rolledBack']);
      })
    );
  });

  it('11: the order of the metrics changes nothing', () => {
    check(
      8_000,
      fc.property(metrics, stepOf, exposuresOf, (list, step, exposures) => {
        expect(judge({ metrics: list.toReversed(), step, exposures })).toEqual(
          judge({ metrics: list, step, exposures })
        );
      })
    );
  });
});
