import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ArmCounts, ReleaseSpec } from '@retempo/workflows/contracts';
import { asIncomplete, judgeLook, withStep, type Judged, type Judgement, type StepCounts } from './guardrails.js';
import { testRelease } from './release.test.util.js';

const limits = { worseThan: 1, safeBelow: 2, ignoreBelow: 0.01, overdispersion: 1 };
const release: ReleaseSpec = { ...testRelease, steps: [5, 25, 50], guardrails: { errors: limits, slow: null } };
const withSlow: ReleaseSpec = { ...release, guardrails: { errors: limits, slow: { ...limits, overMs: 100 } } };

const arm = (requests: number, errors = 0, more: Partial<ArmCounts> = {}): ArmCounts => ({
  requests,
  errors,
  callerErrors: 0,
  slow: 0,
  sums: {},
  ...more,
});
const step = (
  weight: number,
  candidate: ArmCounts | null,
  champion: ArmCounts | null,
  revision = `r${weight}`
): StepCounts => ({
  weight,
  revision,
  candidate,
  champion,
});

/** Looks one after another, as the activity takes them: each gets what the one before returned, as JSON. */
function looks(spec: ReleaseSpec, list: readonly StepCounts[]): readonly Judgement[] {
  let before: Judged | null = null;
  return list.map((counts) => {
    const index = Math.max(0, [...spec.steps, 100].indexOf(counts.weight));
    const judgement = judgeLook(spec, { index, elapsedMs: 0 }, withStep(before, counts), before);
    before = JSON.parse(JSON.stringify(judgement.judged)) as Judged;
    return judgement;
  });
}
const last = (spec: ReleaseSpec, list: readonly StepCounts[]): Judgement => looks(spec, list).at(-1)!;
const verdicts = ({ checks }: Judgement) => Object.fromEntries(checks.map(({ name, verdict }) => [name, verdict]));

describe('steps of a canary', () => {
  it('counts of the same revision replace the earlier ones; another revision begins a step and pools nothing', () => {
    const first = last(release, [step(5, arm(10), arm(190)), step(5, arm(50), arm(950))]);
    expect(first.judged.steps).toEqual([step(5, arm(50), arm(950))]);
    const second = last(release, [step(5, arm(50), arm(950)), step(25, arm(5), arm(15))]);
    expect(second.judged.steps.map(({ weight }) => weight)).toEqual([5, 25]);
    expect(second.judged.steps[0]).toEqual(step(5, arm(50), arm(950)));
  });
});

describe('one look', () => {
  it('8: without data of an arm there is neither an advance nor a rollback', () => {
    for (const [candidate, champion] of [
      [null, arm(1_000)],
      [arm(1_000), null],
      [null, null],
      [arm(0), arm(0)],
    ] as const) {
      const judgement = last(release, [step(5, candidate, champion)]);
      expect(['continue', 'hold']).toContain(judgement.action);
      expect(verdicts(judgement)).toEqual({ errors: 'noData' });
    }
  });

  it('advances when the candidate is proven harmless, and says with which numbers', () => {
    const judgement = last(release, [step(5, arm(400), arm(7_600, 8))]);
    expect([judgement.action, verdicts(judgement)]).toEqual(['advance', { errors: 'pass' }]);
    expect(judgement.reasons[0]).toMatch(/400/);
  });

  it('advances at the last step too: to promote is the workflow’s word', () => {
    const judgement = last(release, [step(50, arm(4_000), arm(4_000))]);
    expect(judgement.action).toBe('advance');
  });

  it('rolls back when the errors are proven, and the failure stays although later counts look good', () => {
    const bad = step(5, arm(400, 40), arm(7_600, 8));
    const judged = looks(release, [bad, step(5, arm(100_000, 40), arm(1_900_000, 2_000))]);
    expect(judged.map(({ action }) => action)).toEqual(['rollback', 'rollback']);
    expect(verdicts(judged[1]!)).toEqual({ errors: 'fail' });
    expect(judged[1]!.reasons.join(' ')).toContain('earlier look');
  });

  it('1: a failing guardrail decides before missing data of another, a wrong split and everything else', () => {
    const bad = step(5, arm(400, 40, { slow: null }), arm(7_600, 8));
    expect(last(withSlow, [bad]).action).toBe('rollback');
    // Half of the requests at a weight of 5 %: the split is wrong as well.
    const both = last(withSlow, [step(5, arm(4_000, 400), arm(4_000, 4))]);
    expect([both.action, both.reasons[0]]).toEqual(['rollback', expect.stringContaining('errors')]);
  });

  it('2: a split that is not the one that was set holds, although every guardrail passes', () => {
    const judgement = last(release, [step(5, arm(4_000), arm(4_000))]);
    expect([judgement.action, verdicts(judgement)]).toEqual(['hold', { errors: 'pass' }]);
    expect(judgement.reasons[0]).toContain('traffic split');
  });

  it('5: a guardrail that is not decided continues', () => {
    const judgement = last(release, [step(5, arm(20), arm(380, 1))]);
    expect([judgement.action, verdicts(judgement)]).toEqual(['continue', { errors: 'inconclusive' }]);
  });

  it('never holds a caller’s own mistakes against a version', () => {
    // 4xx answers of the candidate only: neither errors nor trials.
    const judgement = last(release, [step(5, arm(2_000, 0, { callerErrors: 1_600 }), arm(38_000))]);
    const plain = last(release, [step(5, arm(400), arm(38_000))]);
    expect(verdicts(judgement)).toEqual({ errors: 'pass' });
    expect(judgement.checks[0]).toMatchObject({ n: plain.checks[0]!.n, upper: plain.checks[0]!.upper });
    const onlyCallers = last(release, [step(5, arm(500, 0, { callerErrors: 500 }), arm(9_500))]);
    expect(onlyCallers.action).not.toBe('advance');
    expect(verdicts(onlyCallers)).toEqual({ errors: 'noData' });
  });

  it('a provider that cannot count slow answers gives no data for them, which never advances', () => {
    const judgement = last(withSlow, [step(5, arm(4_000, 0, { slow: null }), arm(76_000, 0, { slow: null }))]);
    expect(verdicts(judgement)).toEqual({ errors: 'pass', slow: 'noData' });
    expect(judgement.action).not.toBe('advance');
    const slow = last(withSlow, [step(5, arm(4_000, 0, { slow: 400 }), arm(76_000, 0, { slow: 76 }))]);
    expect([slow.action, verdicts(slow)]).toEqual(['rollback', { errors: 'pass', slow: 'fail' }]);
  });

  it('more slow answers than answers of its own are not more than all', () => {
    const judgement = last(withSlow, [step(5, arm(100, 0, { slow: 100, callerErrors: 40 }), arm(1_900))]);
    expect(judgement.checks.find(({ name }) => name === 'slow')?.n).toBe(60 + 1_900);
  });

  it('a split that was wrong once is not right because later counts even it out', () => {
    const uneven = step(5, arm(4_000), arm(4_000));
    // As many more of the champion as it takes to make the share of all of them 5 %.
    const evened = step(5, arm(4_000), arm(76_000));
    expect(last(release, [evened]).action).toBe('advance');
    expect(looks(release, [uneven, evened]).map(({ action }) => action)).toEqual(['hold', 'hold']);
  });

  it('where units stay together their split is tested, and a few busy ones are no wrong split', () => {
    const split = (candidate: number | null, champion: number | null, mixedUnits?: number) =>
      last(release, [
        {
          ...step(5, arm(4_000, 0, { units: candidate }), arm(4_000, 0, { units: champion })),
          ...(mixedUnits === undefined ? {} : { mixedUnits }),
        },
      ]);
    expect(last(release, [step(5, arm(4_000), arm(4_000))]).action).toBe('hold');
    const fair = split(50, 950);
    expect(fair.action).toBe('advance');
    expect(fair.reasons.join('; ')).not.toContain('not tested');
    const wrong = split(950, 950);
    expect([wrong.action, wrong.reasons[0]]).toEqual([
      'hold',
      expect.stringMatching(/^the traffic split is not the one that was set .*: 950 of 1 900 units, 5 % were meant$/),
    ]);
    expect(split(50, 950, 1).reasons[0]).toContain('1 units were served by both arms');
    for (const uncounted of [split(null, 950), split(50, null)]) {
      expect(uncounted.action).toBe('advance');
      expect(uncounted.reasons).toContain(
        'the split is not tested: the endpoint keeps the requests of one unit together and does not count units'
      );
    }
  });

  it('where units stay together a busy start is not held against every later step again', () => {
    const steps = (kept: boolean) =>
      (
        [
          [5, 75, 925],
          [25, 300, 700],
          [50, 557, 443],
        ] as const
      ).map(([weight, candidate, champion]) =>
        kept
          ? step(weight, arm(4_000, 0, { units: candidate }), arm(4_000, 0, { units: champion }))
          : step(weight, arm(candidate), arm(champion))
      );
    expect(last(release, steps(false)).reasons[0]).toContain('traffic split');
    expect(last(release, steps(true)).reasons.join('; ')).not.toContain('traffic split');
  });

  it('8: an arm without counts has no slow answers either: no data, not none', () => {
    for (const [candidate, champion] of [
      [null, arm(1_000)],
      [arm(1_000), null],
    ] as const)
      expect(verdicts(last(withSlow, [step(5, candidate, champion)]))).toEqual({ errors: 'noData', slow: 'noData' });
  });

  it('an arm that nobody could count is no wrong split either: it is without data', () => {
    const blind = step(5, null, arm(76_000));
    const [first, then] = looks(release, [blind, step(5, arm(4_000), arm(76_000))]);
    expect(first!.action).not.toBe('advance');
    expect(first!.reasons.join('; ')).not.toContain('split');
    expect(then!.action).toBe('advance');
  });

  it('a step without a split has no ratio to check', () => {
    for (const weight of [0, 100]) expect(last(release, [step(weight, arm(400), arm(400))]).action).toBe('advance');
  });

  it('data that have been missing for longer than is borne hold, and say for how long', () => {
    const none = step(5, null, null);
    const at = (elapsedMs: number, before: Judged | null) =>
      judgeLook(release, { index: 0, elapsedMs }, withStep(before, none), before);
    const first = at(0, null);
    expect(first.action).toBe('continue');
    const later = at(3_660_000, first.judged);
    expect([later.action, later.reasons[0]]).toEqual(['hold', expect.stringMatching(/^errors: no data for 3.?660 s/)]);
  });

  it('a rollback needs the certainty that the release asks for', () => {
    const counts = step(5, arm(400, 12), arm(7_600, 90));
    const at = (alpha: number) => last({ ...release, alpha }, [counts]).checks[0]!;
    expect(at(0.5).lower).toBeGreaterThan(at(0.001).lower!);
    expect([at(0.5).verdict, at(0.001).verdict]).toEqual(['fail', 'inconclusive']);
  });

  it.each<readonly [keyof typeof limits, StepCounts, readonly [number, string], readonly [number, string]]>([
    // Three times the errors of the champion.
    ['worseThan', step(5, arm(2_000, 120), arm(38_000, 760)), [1, 'fail'], [2.9, 'inconclusive']],
    // As many as the champion, and too many to be ignored.
    ['safeBelow', step(5, arm(4_000, 80), arm(76_000, 1_520)), [2, 'pass'], [1.05, 'inconclusive']],
    // As above, in bursts that count as one.
    ['overdispersion', step(5, arm(4_000, 80), arm(76_000, 1_520)), [1, 'pass'], [10, 'inconclusive']],
    // None at all, on either side.
    ['ignoreBelow', step(5, arm(400), arm(7_600)), [0.01, 'pass'], [0.0001, 'inconclusive']],
  ])('each guardrail is judged by its own limits: %s', (limit, counts, ...expected) => {
    for (const [value, verdict] of expected) {
      const own = { ...limits, safeBelow: limit === 'worseThan' ? 3 : limits.safeBelow, [limit]: value };
      const of = (errors: typeof limits, slow: typeof limits) => {
        const asSlow = (arms: ArmCounts | null) => arms && { ...arms, slow: arms.errors };
        const both = { ...counts, candidate: asSlow(counts.candidate), champion: asSlow(counts.champion) };
        return verdicts(last({ ...release, guardrails: { errors, slow: { ...slow, overMs: 100 } } }, [both]));
      };
      const lax = { worseThan: 50, safeBelow: 100, ignoreBelow: 0.01, overdispersion: 1 };
      expect(of(own, lax)['errors'], `${limit} ${value}`).toBe(verdict);
      expect(of(lax, own)['slow'], `${limit} ${value}`).toBe(verdict);
    }
  });

  it('says what comes next: the weight that the holdback leaves, then the end', () => {
    const baked: ReleaseSpec = { ...release, holdbackPercent: 10 };
    expect(last(baked, [step(50, arm(4_000), arm(4_000))]).reasons.at(-1)).toContain('advance to 90 %');
    expect(last(baked, [step(25, arm(4_000), arm(12_000))]).reasons.at(-1)).toContain('advance to 50 %');
    // The numbers first, at the end too.
    const { reasons } = last(release, [step(100, arm(8_000, 8), arm(8_000, 8))]);
    expect([reasons[0], reasons.at(-1)]).toEqual([
      expect.stringMatching(/^errors: /),
      expect.stringContaining('promote'),
    ]);
  });

  it('unbounded ends are null, so that what is stored is JSON', () => {
    const judgement = last(release, [step(5, arm(3), arm(57))]);
    expect(judgement.checks[0]).toMatchObject({ upper: null });
    expect(JSON.parse(JSON.stringify(judgement))).toEqual(judgement);
  });
});

describe('what is told of a check', () => {
  it('its estimate lies between its bounds; without data there is none', () => {
    const { estimate, lower, upper } = last(release, [step(5, arm(400, 40), arm(7_600, 76))]).checks[0]!;
    expect(estimate).toBeGreaterThan(lower!);
    expect(estimate).toBeLessThan(upper!);
    expect(last(release, [step(5, null, arm(7_600))]).checks[0]!.estimate).toBeNull();
  });

  it('8: of counts that are still to come nothing has passed; what has no data has none', () => {
    const counts = step(5, arm(400, 0, { slow: null }), arm(7_600, 8, { slow: null }));
    const complete = last(withSlow, [counts]);
    expect(verdicts(complete)).toEqual({ errors: 'pass', slow: 'noData' });
    const { action, checks, reasons } = asIncomplete(complete, '2026-01-01T00:00:00.000Z');
    const why = 'counts are complete until 2026-01-01T00:00:00.000Z only';
    const [errors, slow] = complete.checks;
    expect([action, reasons]).toEqual(['continue', [why, ...complete.reasons]]);
    expect(checks).toEqual([{ ...errors, verdict: 'inconclusive', reason: `${why}; so far ${errors!.reason}` }, slow]);
  });
});

describe('looks, any counts', () => {
  const counts = fc.record({
    weight: fc.constantFrom(5, 25, 50),
    requests: fc.integer({ min: 1, max: 3_000 }),
    candidateRate: fc.constantFrom(0, 0.002, 0.02, 0.2),
    championRate: fc.constantFrom(0, 0.002, 0.02),
  });
  const history = fc.array(counts, { minLength: 1, maxLength: 4 }).map((list) => {
    const ordered = list.toSorted((a, b) => a.weight - b.weight);
    return ordered.map(({ weight, requests, candidateRate, championRate }, i) => {
      const candidate = Math.max(1, Math.round((requests * weight) / 100));
      const champion = Math.max(1, requests - candidate);
      return step(
        weight,
        arm(candidate, Math.round(candidate * candidateRate)),
        arm(champion, Math.round(champion * championRate)),
        `r${i}`
      );
    });
  });

  it('8: taking data away from the last look never turns it into an advance', () => {
    fc.assert(
      fc.property(history, fc.constantFrom('candidate' as const, 'champion' as const), (list, missing) => {
        const blind = [...list.slice(0, -1), { ...list.at(-1)!, [missing]: null }];
        expect(last(release, blind).action).not.toBe('advance');
      }),
      { numRuns: 150, seed: 20010101 }
    );
  });

  it('10: a rollback is for good, whatever is counted afterwards', () => {
    fc.assert(
      fc.property(history, history, (first, second) => {
        const later = second.map((counted, i) => ({ ...counted, revision: `s${i}` }));
        const actions = looks(release, [...first, ...later]).map(({ action }) => action);
        const at = actions.indexOf('rollback');
        if (at !== -1) expect(new Set(actions.slice(at))).toEqual(new Set(['rollback']));
      }),
      { numRuns: 100, seed: 20010102 }
    );
  });

  it('what the judge remembers survives JSON: the next judgement is the same', () => {
    fc.assert(
      fc.property(history, (list) => {
        let plain: Judged | null = null;
        const direct = list.map((counted) => {
          const position = { index: 0, elapsedMs: 0 };
          const judgement: Judgement = judgeLook(release, position, withStep(plain, counted), plain);
          plain = judgement.judged;
          return judgement;
        });
        let stored: Judged | null = null;
        const through = list.map((counted) => {
          const position = { index: 0, elapsedMs: 0 };
          const judgement: Judgement = judgeLook(release, position, withStep(stored, counted), stored);
          stored = JSON.parse(JSON.stringify(judgement.judged)) as Judged;
          return judgement;
        });
        expect(through).toEqual(direct);
      }),
      { numRuns: 80, seed: 20010103 }
    );
  });
});
