import { describe, expect, it } from 'vitest';
import { kolmogorovSf, normalQuantile } from '../distributions/index.js';
import { chiSquareContingency, kolmogorovSmirnov, normedWasserstein, psi } from '../drift/index.js';
import { createRandom } from '../random.js';
import { judgeDrift, type DriftFeature, type DriftPolicy, type FeatureWindow } from './index.js';

// Every number of a comparison, computed a second time from its definition.
const compare = (kind: DriftFeature['kind'], train: FeatureWindow, current: FeatureWindow) =>
  judgeDrift({ features: [{ name: 'x', kind, train, current }], policy: { minRows: 1 } }).features[0]!;
const feature = (name: string, more: Partial<DriftFeature> = {}): DriftFeature => ({
  name,
  kind: 'categorical',
  train: { counts: [5000, 5000] },
  current: { counts: [500, 500] },
  ...more,
});
const left = (n: number): FeatureWindow => ({ counts: [500 + n, 500 - n] });

describe('numbers of a comparison', () => {
  it('of values: deciles of the reference, KS, shift', () => {
    const random = createRandom(11);
    // Delivered unsorted; deciles 1 to 9, each edge within the bin below it.
    const train = Array.from({ length: 1001 }, (_, i) => ((i * 617) % 1001) / 100);
    const current = Array.from({ length: 400 }, () => 3 + 4 * random.uniform());
    const judged = compare('numeric', { values: train }, { values: current });
    const edges = Array.from({ length: 9 }, (_, i) => train.toSorted((a, b) => a - b)[100 * (i + 1)]!);
    const bin = (values: number[]) =>
      Array.from(
        { length: 10 },
        (_, k) => values.filter((v) => v > (edges[k - 1] ?? -Infinity) && v <= (edges[k] ?? Infinity)).length
      );
    expect(judged.train!.psi).toBeCloseTo(psi({ reference: bin(train), current: bin(current) }).value, 10);
    expect(judged.train!.psiNullQuantile99).toBeCloseTo(
      psi({ reference: bin(train), current: bin(current) }).nullQuantile99,
      12
    );
    expect(judged.pValue).toBe(kolmogorovSmirnov({ x: train, y: current, method: 'asymptotic' }).pValue);
    expect(judged.train!.shift).toBe(normedWasserstein({ reference: train, current }));
    expect(judged.effect).toBe(Math.max(judged.train!.psi, judged.train!.shift!));
  });

  it('of values with a point mass: it has a bin of its own from a tenth of the reference on', () => {
    // 40 % zeros, then 1 to 600: the edges are 0 (four deciles), and six more.
    const train = [...Array.from({ length: 400 }, () => 0), ...Array.from({ length: 600 }, (_, i) => i + 1)];
    const current = [
      ...Array.from({ length: 100 }, () => -1),
      ...Array.from({ length: 300 }, () => 0),
      ...Array.from({ length: 600 }, (_, i) => i + 1),
    ];
    const judged = compare('numeric', { values: train }, { values: current });
    const rest = [100, 100, 100, 100, 100, 100];
    expect(judged.train!.psi).toBeCloseTo(psi({ reference: [0, 400, ...rest], current: [100, 300, ...rest] }).value, 6);
    // 99 of 1,000 at one edge are no point mass: what is just below counts with them.
    const sparse = Array.from({ length: 1000 }, (_, i) => (i >= 450 && i < 549 ? 500 : i));
    const moved = sparse.map((v) => (v === 500 ? 499.5 : v));
    expect(compare('numeric', { values: sparse }, { values: moved }).train!.psi).toBe(0);
    const dense = Array.from({ length: 1000 }, (_, i) => (i >= 450 && i < 550 ? 500 : i));
    expect(
      compare('numeric', { values: dense }, { values: dense.map((v) => (v === 500 ? 499.5 : v)) }).train!.psi
    ).toBeGreaterThan(0.3);
  });

  it('of counts: KS at the edges, shift of normal scores', () => {
    const train = [1000, 2000, 4000, 3000];
    const current = [150, 250, 300, 300];
    const judged = compare('numeric', { counts: train }, { counts: current });
    expect(judged.pValue! / kolmogorovSf({ d: 0.1, n: 10_000, m: 1000 })).toBeCloseTo(1, 9);
    const middles = [500, 2000, 5000, 8500].map((m) => normalQuantile((m + 0.5) / 10_001));
    const shares = train.map((n) => n / 10_000);
    const mean = middles.reduce((sum, s, i) => sum + s * shares[i]!, 0);
    const sd = Math.sqrt(middles.reduce((sum, s, i) => sum + (s - mean) ** 2 * shares[i]!, 0));
    const gaps = [0.05, 0.1, 0];
    const distance = gaps.reduce((sum, gap, i) => sum + gap * (middles[i + 1]! - middles[i]!), 0);
    expect(judged.train!.shift).toBeCloseTo(distance / sd, 10);
    expect(compare('numeric', { counts: [0, 100] }, { counts: [50, 50] }).train!.shift).toBe(0);
  });

  it('of categories: chi-square with rare ones pooled below 5 expected, no shift', () => {
    const train = [5000, 4000, 49, 50, 51];
    const current = [500, 400, 4, 9, 6];
    const judged = compare('categorical', { counts: train }, { counts: current });
    // Expected in the window: (49 + 4) s = 4.85 is pooled, (50 + 9) s = 5.4 and (51 + 6) s = 5.2 are not.
    const table = [
      [49, 5000, 4000, 50, 51],
      [4, 500, 400, 9, 6],
    ];
    expect(judged.pValue).toBeCloseTo(chiSquareContingency({ table }).pValue, 12);
    expect(judged.train!.shift).toBeNull();
    expect(judged.effect).toBe(judged.train!.psi);
    // The window may be the larger side: then the reference is the one that runs short.
    const swapped = compare('categorical', { counts: current }, { counts: train });
    expect(swapped.pValue).toBeCloseTo(judged.pValue!, 10);
    // Exactly 5 expected is enough.
    const edge = compare('categorical', { counts: [95, 5, 100] }, { counts: [95, 5, 100] });
    expect(edge.pValue).toBe(1);
    const five = { train: [90, 8, 102], current: [98, 2, 100] };
    expect(compare('categorical', { counts: five.train }, { counts: five.current }).pValue).toBeCloseTo(
      chiSquareContingency({ table: [five.train, five.current] }).pValue,
      12
    );
  });

  it('of missing values: twice the smaller p-value, or that of missingness alone', () => {
    const same = { counts: [5000, 5000] };
    const judged = compare('categorical', { ...same, missing: 100 }, { counts: [500, 500], missing: 30 });
    expect(judged.pValue!).toBeLessThan(0.001);
    expect(judged.pValue!).toBeGreaterThan(1e-9);
    const fewer = compare('categorical', { ...same, missing: 1000 }, { counts: [500, 500], missing: 40 });
    expect(fewer.pValue!).toBeLessThan(1e-6);
    const equal = compare('categorical', { ...same, missing: 1000 }, { counts: [500, 500], missing: 100 });
    expect(equal.pValue).toBe(1);
    const gone = compare('numeric', { values: [], missing: 1000 }, { values: [1, 2, 3], missing: 97 });
    expect(gone.train!.shift).toBe(0);
    expect(gone.pValue!).toBeLessThan(1);
    expect(gone.train!.psi).toBeGreaterThan(0.1);
    const lost = compare('numeric', { values: Array.from({ length: 90 }, (_, i) => i) }, { values: [], missing: 30 });
    expect(lost.pValue!).toBeLessThan(0.01);
    expect(lost.train!.shift).toBe(0);
    expect(compare('categorical', { counts: [0, 0], missing: 0 }, { counts: [5, 5] }).verdict).toBe('noData');
  });
});

describe('limits of judgeDrift are inclusive', () => {
  const drifted = feature('x', { current: left(200) });
  const judge = (policy: DriftPolicy) => judgeDrift({ features: [drifted], policy }).features[0]!;
  const { effect, adjustedPValue } = judge({});

  it('effect, major effect and false discovery rate', () => {
    expect(judge({ effectAtLeast: effect!, majorAtLeast: 1 })).toMatchObject({ drifted: true, severity: 'minor' });
    expect(judge({ effectAtLeast: effect! + 1e-12, majorAtLeast: 1 }).drifted).toBe(false);
    expect(judge({ effectAtLeast: effect! + 1e-12, majorAtLeast: 1 }).reason).toContain('an effect below');
    expect(judge({ majorAtLeast: effect! }).severity).toBe('major');
    expect(judge({ majorAtLeast: effect! + 1e-12 }).severity).toBe('minor');
    expect(judge({ falseDiscoveryRate: adjustedPValue! }).drifted).toBe(true);
    expect(judge({ falseDiscoveryRate: adjustedPValue! / 2 }).drifted).toBe(false);
  });

  it('a feature without data has not drifted, whatever the limits', () => {
    const none = judgeDrift({ features: [feature('x', { current: left(0), train: { counts: [0, 0] } })] });
    expect(none.features[0]).toMatchObject({
      drifted: false,
      effect: null,
      severity: 'none',
      missingShare: { train: 0, current: 0 },
    });
  });

  it('a major drift of importance 0 is not confirmed even when any importance confirms', () => {
    const policy = { confirmAtOnceImportance: 0 };
    const of = (importance: number) =>
      judgeDrift({ features: [feature('x', { importance, current: left(450) })], policy });
    expect(of(0)).toMatchObject({ verdict: 'pass', confirmed: [] });
    expect(of(0.01)).toMatchObject({ verdict: 'fail', confirmed: ['x'] });
    // Without a stated importance nothing is confirmed at once.
    expect(judgeDrift({ features: [feature('x', { current: left(450) })] }).verdict).toBe('inconclusive');
  });
});

describe('reasons of judgeDrift', () => {
  it('speak of failures first, then of drifts by size, then of missing data', () => {
    const features = [
      feature('empty', { current: { counts: [1, 1] } }),
      feature('small', { current: left(170) }),
      feature('large', { current: left(300) }),
      feature('proven', { current: left(160) }),
      feature('calm'),
    ];
    const { reasons } = judgeDrift({ features, history: [{ verdict: 'inconclusive', drifted: ['proven'] }] });
    expect(reasons.map((reason) => reason.split(':')[0])).toEqual([
      'proven',
      'large',
      'small',
      'empty',
      'no drift in 1 of 5 features',
    ]);
  });

  it('name at most three features with a small reference', () => {
    const short = ['a', 'b', 'c', 'd'].map((name) => feature(name, { train: { counts: [500, 500] } }));
    const say = (n: number) => judgeDrift({ features: short.slice(0, n) }).reasons.at(-1);
    expect(say(3)).toContain('of 3 features has fewer than 10 times the rows of the window (a, b, c):');
    expect(say(4)).toContain('of 4 features has fewer than 10 times the rows of the window (a, b, c, …):');
  });

  it('say which side is short, and by how much', () => {
    const exact = feature('x', { current: { counts: [250, 249] }, train: { counts: [250, 250] } });
    expect(judgeDrift({ features: [exact] }).reasons[0]).toBe(
      'x: not enough data: 499 rows in this window, at least 500 are needed'
    );
  });

  it('reject a name that is no text', () => {
    expect(() => judgeDrift({ features: [feature(7 as never)] })).toThrow('features[0].name: must be a name, got 7');
  });
});
