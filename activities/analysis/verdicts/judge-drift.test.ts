import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.js';
import { calm, deciles, moved } from './drift-features.test.support.js';
import { judgeDrift, type DriftFeature, type DriftPolicy, type DriftWindow, type JudgeDriftInput } from './index.js';

const normals = (seed: number, n: number, shift = 0, scale = 1): Float64Array => {
  const random = createRandom(seed);
  return Float64Array.from({ length: n }, () => random.normal() * scale + shift);
};
const bad = (field: string): Error => expect.objectContaining({ name: 'AnalysisInputError', field }) as Error;

const before: DriftWindow = { verdict: 'inconclusive', drifted: ['origin'] };
const quiet: DriftWindow = { verdict: 'pass', drifted: [] };

describe('judgeDrift', () => {
  it('passes a stable window and suspects, then confirms, a drifted one', () => {
    expect(judgeDrift({ features: [calm] })).toMatchObject({ verdict: 'pass', drifted: [], confirmed: [] });
    const first = judgeDrift({ features: [calm, moved] });
    expect(first).toMatchObject({ verdict: 'inconclusive', drifted: ['origin'], confirmed: [] });
    expect(first.features[1]).toMatchObject({ verdict: 'inconclusive', severity: 'minor' });
    const second = judgeDrift({ features: [calm, moved], history: [first.window] });
    expect(second).toMatchObject({ verdict: 'fail', drifted: ['origin'], confirmed: ['origin'] });
  });

  it('confirms the same feature in 2 of the last 3 windows with data, and no other', () => {
    const verdict = (history: DriftWindow[]) => judgeDrift({ features: [calm, moved], history }).verdict;
    expect(verdict([before, quiet])).toBe('fail');
    expect(verdict([before, quiet, quiet])).toBe('inconclusive');
    expect(verdict([{ ...before, drifted: ['distance'] }])).toBe('inconclusive');
    expect(verdict([before, quiet, { verdict: 'noData', drifted: [] }])).toBe('fail');
    expect(verdict([before, { verdict: 'error', drifted: [] }, { verdict: 'noData', drifted: [] }, quiet])).toBe(
      'fail'
    );
    // A window in which nothing drifts is calm, whatever came before.
    expect(judgeDrift({ features: [calm], history: [before, before] }).verdict).toBe('pass');
  });

  it('confirms a major drift of an important feature at once, and never one of importance 0', () => {
    const gone = { ...moved, current: { counts: [100, 100, 800] } };
    const of = (importance: number, history: DriftWindow[] = []) =>
      judgeDrift({ features: [calm, { ...gone, importance }], history });
    expect(of(0.2)).toMatchObject({ verdict: 'fail', confirmed: ['origin'] });
    expect(of(0.19)).toMatchObject({ verdict: 'inconclusive', confirmed: [] });
    expect(judgeDrift({ features: [calm, { ...moved, importance: 0.9 }] }).verdict).toBe('inconclusive');
    const unused = of(0, [before, before]);
    expect(unused).toMatchObject({ verdict: 'pass', drifted: [], confirmed: [] });
    expect(unused.features[1]).toMatchObject({ drifted: true, severity: 'major', verdict: 'pass', confirmed: false });
  });

  it('needs both: a small effect on many rows and a large one on few are no drift', () => {
    const many = { ...moved, train: { counts: [5e6, 3e6, 2e6] }, current: { counts: [510_000, 295_000, 195_000] } };
    const small = judgeDrift({ features: [many] });
    expect(small.features[0]!.adjustedPValue).toBeLessThan(1e-80);
    expect(small.verdict).toBe('pass');
    const sparse = Array.from({ length: 300 }, () => 20);
    const few = {
      ...moved,
      train: { counts: sparse },
      current: { counts: sparse.map((_, i) => (i % 2 === 0 ? 1 : 3)) },
    };
    const large = judgeDrift({ features: [few] });
    expect(large.features[0]!.effect).toBeGreaterThan(0.1);
    expect(large.features[0]!.pValue).toBeGreaterThan(0.05);
    expect(large.verdict).toBe('pass');
  });

  it('corrects over the features of the window', () => {
    // p = .02 alone; among 20 features it does not survive.
    const rows = [50, 500];
    const edge: DriftFeature = {
      name: 'edge',
      kind: 'categorical',
      train: { counts: [1000, 9000] },
      current: { counts: [rows[0]! + 22, rows[1]! - 22] },
    };
    const alone = judgeDrift({ features: [edge], policy: { effectAtLeast: 0.001, majorAtLeast: 1 } });
    expect(alone.features[0]!.pValue).toBeGreaterThan(0.01);
    expect(alone.features[0]!.pValue).toBeLessThan(0.05);
    expect(alone.drifted).toEqual(['edge']);
    const others = Array.from({ length: 19 }, (_, i) => ({ ...calm, name: `calm${i}` }));
    const among = judgeDrift({ features: [edge, ...others], policy: { effectAtLeast: 0.001, majorAtLeast: 1 } });
    expect(among.drifted).toEqual([]);
  });

  it('asks the season as well: what comes back every year is no drift', () => {
    const seasonal = { ...moved, seasonal: { counts: [3000, 3000, 4000] } };
    const judged = judgeDrift({ features: [calm, seasonal], history: [before] });
    expect(judged.verdict).toBe('pass');
    expect(judged.features[1]!.train!.effect).toBeGreaterThan(0.1);
    expect(judged.features[1]!.seasonal!.effect).toBeLessThan(0.01);
    const both = judgeDrift({ features: [calm, { ...moved, seasonal: moved.train }], history: [before] });
    expect(both.verdict).toBe('fail');
  });

  it('counts missing values as a bin of their own', () => {
    const some = { ...calm, current: { counts: deciles(900), missing: 100 } };
    const judged = judgeDrift({ features: [some] });
    expect(judged.features[0]).toMatchObject({ drifted: true, missingShare: { train: 0, current: 0.1 } });
    expect(judged.features[0]!.reason).toContain('missing 10 % instead of 0 %');
    const all = judgeDrift({ features: [{ ...calm, current: { counts: deciles(0), missing: 1000 } }] });
    expect(all.features[0]).toMatchObject({ drifted: true, severity: 'major' });
    const same = {
      ...calm,
      train: { counts: deciles(9000), missing: 1000 },
      current: { counts: deciles(900), missing: 100 },
    };
    expect(judgeDrift({ features: [same] }).verdict).toBe('pass');
  });

  it('is noData below minRows, for the window and for the reference, and never passes then', () => {
    const few = { ...calm, current: { counts: [499, 0, 0, 0, 0, 0, 0, 0, 0, 0] } };
    expect(judgeDrift({ features: [few] })).toMatchObject({ verdict: 'noData', drifted: [] });
    expect(judgeDrift({ features: [few] }).features[0]!.reason).toContain(
      '499 rows in this window, at least 500 are needed'
    );
    expect(
      judgeDrift({ features: [{ ...calm, current: { counts: [500, 0, 0, 0, 0, 0, 0, 0, 0, 0] } }] }).verdict
    ).not.toBe('noData');
    const other = { ...few, name: 'other' };
    expect(judgeDrift({ features: [calm, other] }).verdict).toBe('inconclusive');
    expect(judgeDrift({ features: [calm, moved, other], history: [before] }).verdict).toBe('fail');
    expect(judgeDrift({ features: [{ ...calm, train: { counts: deciles(100) } }] }).verdict).toBe('noData');
    expect(judgeDrift({ features: [{ ...calm, seasonal: { counts: deciles(100) } }] }).verdict).toBe('noData');
    expect(judgeDrift({ features: [few], policy: { minRows: 400 } }).verdict).not.toBe('noData');
  });

  it('says when the reference is small', () => {
    const small = judgeDrift({ features: [{ ...calm, train: { counts: deciles(9990) } }] });
    expect(small.features[0]!.train!.smallReference).toBe(true);
    expect(small.reasons.join()).toContain('fewer than 10 times the rows of the window (distance)');
    expect(judgeDrift({ features: [calm] }).reasons.join()).not.toContain('fewer than');
    const season = judgeDrift({ features: [{ ...calm, seasonal: { counts: deciles(5000) } }] });
    expect(season.reasons.join()).toContain('fewer than 10 times');
  });

  it('finds a shift of .2 standard deviations from values and from decile counts', () => {
    const train = normals(1, 10_000);
    const current = normals(2, 1000, 0.2);
    const fromValues = judgeDrift({
      features: [{ name: 'x', kind: 'numeric', train: { values: train }, current: { values: current } }],
    });
    expect(fromValues.features[0]!.drifted).toBe(true);
    expect(fromValues.features[0]!.train!.shift).toBeGreaterThan(0.12);
    const edges = Array.from({ length: 9 }, (_, i) => train.toSorted()[1000 * (i + 1)]!);
    const bins = (values: Float64Array): number[] =>
      deciles(0).map(
        (_, k) => values.filter((v) => v > (edges[k - 1] ?? -Infinity) && v <= (edges[k] ?? Infinity)).length
      );
    const fromCounts = judgeDrift({
      features: [{ name: 'x', kind: 'numeric', train: { counts: bins(train) }, current: { counts: bins(current) } }],
    });
    expect(fromCounts.features[0]!.drifted).toBe(true);
    expect(fromCounts.features[0]!.train!.shift! / fromValues.features[0]!.train!.shift!).toBeCloseTo(1, 0);
    expect(
      judgeDrift({
        features: [{ name: 'x', kind: 'numeric', train: { values: train }, current: { values: normals(3, 1000) } }],
      }).verdict
    ).toBe('pass');
  });

  it('is not moved by one outlier of 1e8, and sees a column that leaves a constant', () => {
    const train = normals(4, 10_000);
    const current = normals(5, 1000);
    const judge = (a: Float64Array, b: Float64Array) =>
      judgeDrift({ features: [{ name: 'x', kind: 'numeric', train: { values: a }, current: { values: b } }] });
    const dirty = Float64Array.of(...current.subarray(1), 1e8);
    expect(judge(train, dirty).verdict).toBe('pass');
    const shifted = normals(6, 1000, 0.3);
    expect(
      judge(Float64Array.of(...train, 1e8), Float64Array.of(...shifted.subarray(1), 1e8)).features[0]!.drifted
    ).toBe(true);
    const constant = new Float64Array(10_000).fill(3);
    expect(judge(constant, new Float64Array(1000).fill(3)).verdict).toBe('pass');
    for (const value of [2, 4]) {
      const left = new Float64Array(1000).fill(3).fill(value, 0, 150);
      expect(judge(constant, left).features[0]!.drifted).toBe(true);
    }
    const oneBin: DriftFeature = { ...calm, train: { counts: [10_000, 0] }, current: { counts: [700, 300] } };
    expect(judgeDrift({ features: [oneBin] }).features[0]).toMatchObject({ drifted: true });
  });

  it('says every kind of reason', () => {
    const gone = { ...moved, importance: 0.4, current: { counts: [100, 100, 800] } };
    const cases: Record<string, JudgeDriftInput> = {
      stable: { features: [calm] },
      suspect: { features: [calm, moved] },
      confirmed: { features: [calm, moved], history: [quiet, before] },
      'confirmed at once': { features: [calm, gone] },
      'information only': { features: [calm, { ...gone, importance: 0 }] },
      'against the season': { features: [{ ...moved, seasonal: { counts: [4800, 3200, 2000] } }], history: [before] },
      'missing values': { features: [{ ...calm, current: { counts: deciles(900), missing: 100 } }] },
      'not enough data': {
        features: [{ ...calm, current: { counts: deciles(100) }, seasonal: { counts: deciles(10) } }],
      },
      'partly not enough data': { features: [calm, { ...moved, current: { counts: [1, 2, 3] } }] },
      'small reference': {
        features: [
          { ...calm, train: { counts: deciles(5000) } },
          { ...moved, train: { counts: [500, 300, 200] } },
        ],
      },
    };
    const spoken = Object.fromEntries(Object.entries(cases).map(([name, input]) => [name, judgeDrift(input).reasons]));
    expect(spoken).toMatchSnapshot();
    expect(judgeDrift(cases['stable']!).features[0]!.reason).toMatchSnapshot();
    const chance = {
      ...moved,
      train: { counts: deciles(10_000) },
      current: { counts: deciles(1000).map((n, i) => n + (i % 2 === 0 ? 9 : -9)) },
    };
    expect(
      judgeDrift({ features: [chance], policy: { effectAtLeast: 0.001, majorAtLeast: 1 } }).features[0]!.reason
    ).toMatchSnapshot();
  });

  it.each([
    ['features', { features: [] }],
    ['features[0].name', { features: [{ ...calm, name: '' }] }],
    ['features[1].name', { features: [calm, calm] }],
    ['features[0].kind', { features: [{ ...calm, kind: 'text' }] }],
    ['features[0].importance', { features: [{ ...calm, importance: 1.2 }] }],
    ['features[0].current', { features: [{ ...calm, current: {} }] }],
    ['features[0].current', { features: [{ ...calm, current: undefined }] }],
    ['features[0].train', { features: [{ ...calm, train: { counts: [1], values: [1] } }] }],
    ['features[0].current', { features: [{ ...calm, current: { values: [1, 2] } }] }],
    ['features[0].seasonal.counts', { features: [{ ...calm, seasonal: { counts: [1] } }] }],
    ['features[0].current.counts', { features: [{ ...calm, current: { counts: [] } }] }],
    ['features[0].current.counts[1]', { features: [{ ...calm, current: { counts: [1, -1] } }] }],
    ['features[0].current.counts[0]', { features: [{ ...calm, current: { counts: [1.5, 1] } }] }],
    ['features[0].current.missing', { features: [{ ...calm, current: { counts: deciles(10), missing: -1 } }] }],
    ['features[0].train.values', { features: [{ ...moved, train: { values: [1] } }] }],
    ['features[0].train.values[1]', { features: [{ ...calm, train: { values: [1, Number.NaN] } }] }],
    ['history', { features: [calm], history: 'no' }],
    ['history[0].drifted', { features: [calm], history: [{ verdict: 'pass' }] }],
    ['policy.falseDiscoveryRate', { features: [calm], policy: { falseDiscoveryRate: 1 } }],
    ['policy.effectAtLeast', { features: [calm], policy: { effectAtLeast: 0 } }],
    ['policy.majorAtLeast', { features: [calm], policy: { majorAtLeast: 0.05 } }],
    ['policy.minRows', { features: [calm], policy: { minRows: 0 } }],
    ['policy.referenceTimes', { features: [calm], policy: { referenceTimes: Infinity } }],
    ['policy.confirmAtOnceImportance', { features: [calm], policy: { confirmAtOnceImportance: -1 } }],
  ])('names %s when it is wrong', (field, input) => {
    expect(() => judgeDrift(input as never)).toThrow(bad(field));
  });
});

/** Thousands of cases each: on a busy machine they take minutes, and no time is asked of them. */
const PATIENT = { timeout: 1_200_000 };

// Equivalents of invariants 6, 8-11 and 20-22 of progressive-delivery 4.5 for drift. fast-check prints a failing seed.
describe('invariants of judgeDrift', PATIENT, () => {
  const counts = fc.array(fc.nat({ max: 400 }), { minLength: 3, maxLength: 3 });
  const window = fc.record({ counts, missing: fc.constantFrom(0, 0, 30, 200) });
  const feature = fc.record({
    kind: fc.constantFrom('numeric' as const, 'categorical' as const),
    importance: fc.constantFrom(0, 0.1, 0.3),
    train: window,
    seasonal: fc.option(window, { nil: undefined }),
    current: window,
  });
  const scene = fc.record({
    features: fc.array(feature, { minLength: 1, maxLength: 4 }).map((list) =>
      list.map(({ seasonal, ...rest }, i): DriftFeature => ({
        ...rest,
        name: `f${i}`,
        ...(seasonal === undefined ? {} : { seasonal }),
      }))
    ),
    history: fc.array(
      fc.record({
        verdict: fc.constantFrom('pass', 'inconclusive', 'fail', 'noData') as fc.Arbitrary<DriftWindow['verdict']>,
        drifted: fc.subarray(['f0', 'f1', 'f2']),
      }),
      { maxLength: 4 }
    ),
  });
  // Mutation testing asks for fewer: each mutant meets them all.
  const numRuns = Number(process.env['RETEMPO_PROPERTY_RUNS'] ?? 10_000);

  it('order of features and categories, and repeated calls, leave the verdict unchanged (6, 11)', () => {
    fc.assert(
      fc.property(scene, ({ features, history }) => {
        const result = judgeDrift({ features, history });
        const turned = judgeDrift({ features: features.toReversed(), history });
        expect(turned.verdict).toBe(result.verdict);
        expect(turned.drifted.toSorted()).toEqual(result.drifted.toSorted());
        expect(JSON.parse(JSON.stringify(result))).toEqual(judgeDrift({ features, history }));
      }),
      { numRuns }
    );
  });

  it('too little data never passes, and removing data never turns a finding into a pass (8)', () => {
    fc.assert(
      fc.property(scene, fc.nat(), ({ features, history }, pick) => {
        const full = judgeDrift({ features, history });
        for (const judged of full.features) {
          const enough = judged.rows >= 500 && judged.train !== null;
          expect(judged.verdict === 'noData').toBe(!enough);
        }
        const empty = features.map((f, i) =>
          i === pick % features.length ? { ...f, current: { counts: [0, 0, 0] } } : f
        );
        expect(judgeDrift({ features: empty, history }).verdict).not.toBe('pass');
      }),
      { numRuns }
    );
  });

  it('verdicts follow from the parts: exclusive, exhaustive, one rule (9)', () => {
    fc.assert(
      fc.property(scene, ({ features, history }) => {
        const { verdict, ...result } = judgeDrift({ features, history });
        const verdicts = result.features.map((f) => f.verdict);
        const expected = verdicts.includes('fail')
          ? 'fail'
          : verdicts.every((v) => v === 'noData')
            ? 'noData'
            : verdicts.some((v) => v !== 'pass')
              ? 'inconclusive'
              : 'pass';
        expect(verdict).toBe(expected);
        for (const f of result.features) {
          const drifted = f.adjustedPValue !== null && f.adjustedPValue <= 0.05 && f.effect! >= 0.1;
          expect(f.drifted).toBe(drifted);
          expect(f.confirmed).toBe(f.verdict === 'fail');
          if (f.importance === 0) expect(['pass', 'noData']).toContain(f.verdict);
        }
        expect(result.window).toMatchObject({ verdict, drifted: result.drifted });
        expect(result.unsettled).toEqual(Object.keys(result.window.unsettled!));
        expect(result.unsettled).toEqual(expect.arrayContaining([...result.drifted]));
      }),
      { numRuns }
    );
  });

  it('a stricter limit never finds more, a longer history of drift never confirms less (9, 10)', () => {
    fc.assert(
      fc.property(scene, fc.constantFrom(0.02, 0.05, 0.2, 0.4), ({ features, history }, effectAtLeast) => {
        const policy: DriftPolicy = { effectAtLeast, majorAtLeast: 0.5 };
        const loose = judgeDrift({ features, history, policy });
        const strict = judgeDrift({ features, history, policy: { ...policy, effectAtLeast: effectAtLeast + 0.1 } });
        for (const name of strict.drifted) expect(loose.drifted).toContain(name);
        const all = { verdict: 'inconclusive' as const, drifted: ['f0', 'f1', 'f2', 'f3'] };
        const later = judgeDrift({ features, history: [...history, all], policy });
        expect(later.confirmed).toEqual(later.drifted);
        for (const name of loose.confirmed) expect(later.confirmed).toContain(name);
      }),
      { numRuns }
    );
  });

  it('equal windows never drift, whatever the reference, the counts or the scale (20-22)', () => {
    fc.assert(
      fc.property(scene, fc.integer({ min: 1, max: 50 }), ({ features, history }, factor) => {
        const equal = features.map((f) => ({
          ...f,
          train: {
            counts: f.current.counts!.map((n: number) => n * factor),
            missing: (f.current.missing ?? 0) * factor,
          },
          seasonal: f.current,
        }));
        const result = judgeDrift({ features: equal, history });
        expect(result.drifted).toEqual([]);
        expect(result.verdict).not.toBe('fail');
        for (const judged of result.features) expect(judged.effect ?? 0).toBeLessThan(1e-9);
      }),
      { numRuns }
    );
  });
});
