import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { adwin, cbpe, ddm, eDetector, eddm, pageHinkley, type DriftDetector } from '../detectors/index.js';
import {
  auc,
  brier,
  calibrationError,
  calibrationSlope,
  confusion,
  fairness,
  logLossDetails,
  multiclass,
  regressionErrors,
} from '../model-quality/index.js';
import {
  chiSquareContingency,
  energyDistance,
  hellinger,
  jensenShannonDistance,
  kolmogorovSmirnov,
  lInfinity,
  normedWasserstein,
  psi,
  totalVariation,
  wasserstein,
} from './index.js';

// Made by testdata/drift-oracle.py (SciPy, scikit-learn, river). For the full run of 10,000 inputs per function:
//   python testdata/drift-oracle.py --count 10000 --seed 7 --out /tmp/full.json
//   RETEMPO_DRIFT_VECTORS=/tmp/full.json npx vitest run --project unit activities/analysis/drift/oracle.test.ts
interface Runs {
  drifts: number[];
  warned: number[];
  widths: number[];
}
type Numbers = Record<string, number>;
interface Vectors {
  provenance: string;
  document: { values: string; adwin: Runs; pageHinkley: Runs };
  binned: (Numbers & { reference: never; current: never })[];
  contingency: { table: number[][]; statistic: number; pValue: number; df: number; cramersV: number }[];
  twoSamples: (Numbers & { x: never; y: never; xWeights: never; yWeights: never })[];
  normed: { reference: number[]; current: number[]; clip: number | null; value: number }[];
  quality: {
    labels: number[];
    probabilities: number[];
    bins: number;
    threshold: number;
    groups: number[];
    logLoss: number;
    clipped: number;
    brier: number;
    auc: number | null;
    equalWidth: number;
    equalMass: number;
    slope: [number, number] | null;
    confusion: number[];
    f1: number | null;
    parityDifference: number | null;
  }[];
  multiclass: { labels: number[]; probabilities: number[][]; accuracy: number; macroF1: number; logLoss: number }[];
  regression: { actual: number[]; predicted: number[]; mae: number; rmse: number; bias: number; r2: number | null }[];
  cbpe: {
    labels: number[];
    probabilities: number[];
    current: number[];
    threshold: number;
    accuracy: number;
    standardError: number;
    auc: number | null;
  }[];
  eValues: {
    tolerated: number;
    overdispersion: number;
    minCount: number;
    windows: number[][];
    logEValues: (number | null)[];
  }[];
  stream: ({ bits: string; values: number[] } & Record<string, Runs & Record<string, never>>)[];
}

const file = process.env['RETEMPO_DRIFT_VECTORS'] ?? new URL('../testdata/drift-vectors.json', import.meta.url);
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors;

/** Largest error of a value, relative to 1 or to the value, whichever is larger. */
function worst<T>(
  cases: readonly T[],
  error: (item: T) => readonly (readonly [number | null, number | null])[]
): number {
  let largest = 0;
  for (const item of cases) {
    for (const [actual, expected] of error(item)) {
      const wrong =
        actual === null || expected === null
          ? actual === expected
            ? 0
            : Infinity
          : Math.abs(actual - expected) / Math.max(1, Math.abs(expected));
      if (!(wrong <= largest)) largest = wrong;
    }
  }
  return largest;
}

describe(`oracle vectors: ${vectors.provenance}`, () => {
  it('distances of binned counts', () => {
    const error = worst(vectors.binned, (v) => {
      const result = psi(v);
      return [
        [result.value, v['psi']!],
        [result.nullQuantile99, v['nullQuantile99']!],
        [hellinger(v), v['hellinger']!],
        [totalVariation(v), v['totalVariation']!],
        [lInfinity(v), v['lInfinity']!],
      ];
    });
    expect(error).toBeLessThan(1e-9);
    // SciPy loses half its digits where the distributions are equal: sqrt(1e-16).
    const js = worst(vectors.binned, (v) => [
      [jensenShannonDistance({ ...v, base: 'e' }), v['jsE'] ?? 0],
      [jensenShannonDistance({ ...v, base: 2 }), v['js2'] ?? 0],
    ]);
    expect(js).toBeLessThan(3e-8);
  });

  it('chi-square of a table', () => {
    const error = worst(vectors.contingency, (v) => {
      const result = chiSquareContingency(v);
      return [
        [result.statistic, v.statistic],
        [result.df, v.df],
        [result.cramersV, v.cramersV],
        [result.pValue, v.pValue],
      ];
    });
    expect(error).toBeLessThan(1e-9);
  });

  it('distances of two samples', () => {
    const error = worst(vectors.twoSamples, (v) => [
      [kolmogorovSmirnov({ ...v, method: 'exact' }).statistic, v['ks']!],
      [kolmogorovSmirnov({ ...v, method: 'exact' }).pValue, v['exact']!],
      [kolmogorovSmirnov({ ...v, method: 'auto' }).pValue, v['exact']!],
      [wasserstein({ x: v.x, y: v.y }), v['wasserstein']!],
      [wasserstein(v), v['wassersteinWeighted']!],
      [energyDistance({ x: v.x, y: v.y }) ** 2, v['energy']! ** 2],
      [energyDistance(v) ** 2, v['energyWeighted']! ** 2],
    ]);
    expect(error).toBeLessThan(1e-9);
    const p = worst(vectors.twoSamples, (v) => {
      // SciPy's kstwo at an effective size of 0 (n = m = 1) has no value.
      const tooSmall = v.x['length'] === 1 && v.y['length'] === 1;
      return [
        [tooSmall ? 1 : kolmogorovSmirnov({ ...v, method: 'asymptotic' }).pValue, tooSmall ? 1 : v['asymptotic']!],
      ];
    });
    expect(p).toBeLessThan(1e-6);
  });

  it('normed Wasserstein', () => {
    const error = worst(vectors.normed, ({ reference, current, clip, value }) => [
      [normedWasserstein({ reference, current, ...(clip === null ? {} : { clip }) }), value],
    ]);
    expect(error).toBeLessThan(1e-9);
  });

  it('model quality', () => {
    const error = worst(vectors.quality, (v) => {
      const loss = logLossDetails(v);
      const c = confusion(v);
      const line = calibrationSlope(v);
      return [
        [loss.value, v.logLoss],
        [loss.clipped, v.clipped],
        [brier(v), v.brier],
        [auc(v), v.auc],
        [calibrationError({ ...v, binning: 'equalWidth' }), v.equalWidth],
        [calibrationError({ ...v, binning: 'equalMass' }), v.equalMass],
        [c.trueNegatives, v.confusion[0]!],
        [c.falsePositives, v.confusion[1]!],
        [c.falseNegatives, v.confusion[2]!],
        [c.truePositives, v.confusion[3]!],
        [c.f1, v.f1],
        [fairness(v).demographicParityDifference, v.parityDifference],
        [line.converged ? 1 : 0, v.slope === null ? 0 : 1],
      ];
    });
    expect(error).toBeLessThan(1e-9);
    // The optimiser behind these stops at a gradient of 1e-11.
    const slopes = worst(
      vectors.quality.filter((v) => v.slope !== null),
      (v) => {
        const { slope, intercept } = calibrationSlope(v);
        return [
          [slope, v.slope![0]],
          [intercept, v.slope![1]],
        ];
      }
    );
    expect(slopes).toBeLessThan(1e-6);
  });

  it('multiclass, regression, performance without labels', () => {
    expect(
      worst(vectors.multiclass, (v) => {
        const result = multiclass(v);
        return (['accuracy', 'macroF1', 'logLoss'] as const).map((name) => [result[name], v[name]]);
      })
    ).toBeLessThan(1e-9);
    expect(
      worst(vectors.regression, (v) => {
        const result = regressionErrors(v);
        return (['mae', 'rmse', 'bias', 'r2'] as const).map((name) => [result[name], v[name]]);
      })
    ).toBeLessThan(1e-9);
    expect(
      worst(vectors.cbpe, (v) => {
        const reference = { labels: v.labels, probabilities: v.probabilities };
        const result = cbpe({ reference, current: { probabilities: v.current }, threshold: v.threshold });
        return [
          [result.accuracy.estimate, v.accuracy],
          [result.accuracy.standardError, v.standardError],
          [result.auc?.estimate ?? null, v.auc],
        ];
      })
    ).toBeLessThan(1e-9);
  });

  it('e-detector', () => {
    const error = worst(vectors.eValues, (v) => {
      const detector = eDetector({ ...v, alarmEvery: 365 });
      return v.windows.map((losses, i) => [detector.update(losses).logEValue, v.logEValues[i]!]);
    });
    expect(error).toBeLessThan(1e-9);
  });

  it('detectors of river, value by value', () => {
    const camel = (options: Record<string, unknown>): object =>
      Object.fromEntries(
        Object.entries(options).map(([name, value]) => [
          name.replace(/_(.)/g, (_, c: string) => c.toUpperCase()),
          value,
        ])
      );
    for (const v of vectors.stream) {
      const bits = Array.from(v.bits, Number);
      const values = v.values.map((value) => value / 100);
      expect(runs(adwin(), bits, true)).toEqual(v['adwinBits']);
      expect(runs(adwin(camel(v['adwinOptions']!)), values, true)).toEqual(v['adwin']);
      expect(runs(pageHinkley(), bits)).toEqual(v['pageHinkleyBits']);
      expect(runs(pageHinkley(camel(v['pageHinkleyOptions']!)), values)).toEqual(v['pageHinkley']);
      expect(runs(ddm(), bits)).toEqual(v['ddmDefault']);
      expect(runs(ddm(camel(v['ddmOptions']!)), bits)).toEqual(v['ddm']);
      expect(runs(eddm(), bits)).toEqual(v['eddmDefault']);
      expect(runs(eddm(camel(v['eddmOptions']!)), bits)).toEqual(v['eddm']);
    }
  });

  it("finds river's documented change at 1023", () => {
    const data = Array.from(vectors.document.values, Number);
    expect(runs(adwin(), data)).toEqual(vectors.document.adwin);
    expect(vectors.document.adwin.drifts).toEqual([1023]);
    expect(runs(pageHinkley(), data)).toEqual(vectors.document.pageHinkley);
    expect(vectors.document.pageHinkley.drifts).toEqual([1006]);
  });
});

function runs(detector: DriftDetector & { readonly width?: number }, values: readonly number[], width = false): Runs {
  const result: Runs = { drifts: [], warned: [], widths: [] };
  values.forEach((x, i) => {
    const signal = detector.update(x);
    if (signal.drift) result.drifts.push(i);
    if (signal.warning === true) result.warned.push(i);
    if (width && i % 50 === 0) result.widths.push(detector.width!);
  });
  return result;
}
