import { describe, expect, it } from 'vitest';
import * as analysis from './index.js';
import { AnalysisInputError } from './index.js';

const arm = { events: 1, trials: 10 };
const arms = { candidate: arm, champion: { events: 2, trials: 20 } };
const scored = { labels: [0, 1, 0, 1], probabilities: [0.2, 0.7, 0.5, 0.3] };
const bins = { reference: [1, 2], current: [2, 1] };
const samples = { x: [1, 2], y: [2, 3], xWeights: [1, 2], yWeights: [1, 1] };
const window = { counts: [600, 3], missing: 0 };

/** An input of every function that is in order, with every option it knows. */
const GOOD: Readonly<Record<string, readonly unknown[]>> = {
  normalCdf: [1],
  normalSf: [1],
  normalQuantile: [0.5],
  logGamma: [3],
  regularizedBeta: [{ x: 0.3, a: 2, b: 3, upper: true }],
  regularizedGamma: [{ a: 2, x: 1, upper: true }],
  chiSquareSf: [{ x: 1, df: 2 }],
  studentTSf: [{ t: 1, df: 3 }],
  binomialCdf: [{ k: 1, n: 3, p: 0.5 }],
  kolmogorovSf: [{ d: 0.3, n: 10, m: 12 }],
  proportionTest: [{ ...arms, alternative: 'less' }],
  wilsonInterval: [{ ...arm, confidence: 0.9 }],
  clopperPearsonInterval: [{ ...arm, confidence: 0.9, side: 'both' }],
  newcombeInterval: [{ ...arms, confidence: 0.9 }],
  newcombePaired: [
    { bothCorrect: 3, onlyCandidateCorrect: 2, onlyChampionCorrect: 1, neitherCorrect: 1, confidence: 0.9 },
  ],
  nonInferiorityScore: [{ ...arms, margin: 0.1 }],
  mantelHaenszel: [{ strata: [arms], confidence: 0.9 }],
  mcnemar: [{ onlyChampionCorrect: 1, onlyCandidateCorrect: 4 }],
  delong: [{ labels: [0, 1, 0, 1], champion: [1, 2, 3, 4], candidate: [4, 3, 2, 1], confidence: 0.9 }],
  pairedBootstrap: [
    {
      champion: [1, 2, 3],
      candidate: [1, 3, 2],
      clusters: ['a', 'b', 'b'],
      statistic: 'mean',
      confidence: 0.9,
      iterations: 10,
      seed: 1,
    },
  ],
  mannWhitney: [
    { x: [1, 2, 3], y: [1.5, 2.5], alternative: 'greater', method: 'asymptotic', continuity: true, confidence: 0.9 },
  ],
  welch: [{ x: [1, 2, 4], y: [2, 3, 9], alternative: 'less' }],
  powerProportions: [{ p1: 0.1, p2: 0.2, alpha: 0.05, power: 0.8, ratio: 1, alternative: 'two-sided' }],
  sampleRatio: [{ observed: [3, 4], expectedShares: [0.5, 0.5] }],
  countTest: [{ ...arms, allowedRatio: 1, alternative: 'less', priorStrength: 20, prior: { a: 1, b: 1 } }],
  rateRatioSequence: [{ steps: [arms], alpha: 0.05, priorStrength: 20 }],
  sequentialCombine: [{ logBayesFactors: [1, 2] }],
  asymptoticCs: [{ estimate: 1, standardError: 1, n: 100, alpha: 0.05, tuning: 100, side: 'both' }],
  msprt: [{ difference: 1, variance: 1, tau2: 1, nullDifference: 0 }],
  normalMixture: [{ vOptimum: 1, alpha: 0.05, side: 'one' }],
  bernoulliConfidenceSequence: [{ successes: 1, trials: 4, alpha: 0.05, tOptimum: 10 }],
  groupSequentialBoundaries: [
    { informationFractions: [0.5, 1], alpha: 0.05, sides: 2, spending: { kind: 'power', phi: 1 } },
  ],
  powerCount: [
    {
      baseRate: 0.01,
      ratio: 1,
      allowedRatio: 1,
      safeBelow: 2,
      ignoreBelow: 0.01,
      share: 0.5,
      alpha: 0.05,
      looks: 1,
      perLook: 10,
      priorStrength: 20,
      seed: 1,
      trials: 3,
    },
  ],
  holm: [[0.1, 0.2]],
  benjaminiHochberg: [[0.1, 0.2]],
  bonferroni: [[0.1, 0.2]],
  logLoss: [scored],
  logLossDetails: [scored],
  brier: [scored],
  auc: [scored],
  calibrationError: [{ ...scored, bins: 2, binning: 'equalMass' }],
  calibrationSlope: [scored],
  confusion: [{ ...scored, threshold: 0.5 }],
  multiclass: [
    {
      labels: [0, 1],
      probabilities: [
        [0.2, 0.8],
        [0.7, 0.3],
      ],
    },
  ],
  regressionErrors: [{ actual: [1, 2], predicted: [2, 1] }],
  fairness: [{ ...scored, threshold: 0.5, groups: ['a', 'b', 'a', 'b'] }],
  psi: [{ ...bins, epsilon: 1e-4 }],
  jensenShannonDistance: [{ ...bins, base: 2 }],
  hellinger: [bins],
  totalVariation: [bins],
  lInfinity: [bins],
  chiSquareContingency: [
    {
      table: [
        [1, 2],
        [3, 4],
      ],
    },
  ],
  kolmogorovSmirnov: [{ x: [1, 2], y: [2, 3], method: 'auto' }],
  wasserstein: [samples],
  energyDistance: [samples],
  normedWasserstein: [{ reference: [1, 2], current: [2, 3], clip: 0.1 }],
  binValues: [{ values: [1, 2], edges: [1.5] }],
  decileEdges: [[1, 2, 3]],
  adwin: [{ delta: 0.1, clock: 2, maxBuckets: 5, minWindowLength: 5, gracePeriod: 10 }],
  pageHinkley: [{ minInstances: 3, delta: 0.1, threshold: 3, alpha: 0.9, mode: 'up' }],
  ddm: [{ warmStart: 3, warningThreshold: 2, driftThreshold: 3 }],
  eddm: [{ warmStart: 3, alpha: 0.9, beta: 0.8 }],
  eDetector: [
    {
      tolerated: 0.2,
      alarmEvery: 10,
      lambdas: [0.1],
      minCount: 1,
      overdispersion: 1,
      clip: 1,
      state: analysis.eDetector({ tolerated: 0.2, alarmEvery: 10, lambdas: [0.1] }).state,
    },
  ],
  cbpe: [
    {
      reference: { labels: [0, 1], probabilities: [0.2, 0.7] },
      current: { probabilities: [0.3] },
      threshold: 0.5,
    },
  ],
  toleratedLoss: [{ mean: 0.2, standardDeviation: 0.1, n: 10, tolerance: 0.01, confidence: 0.9 }],
  judgeMetric: [
    {
      spec: {
        name: 'errors',
        unit: 'request',
        valueUnit: 'ms',
        direction: 'lowerIsBetter',
        scale: 'ratio',
        worseThan: 1,
        safeBelow: 2,
        ignoreBelow: 0.01,
        priorStrength: 20,
        overdispersion: 1,
        minUnits: 1,
      },
      steps: [{ weight: 5, ...arms }],
      alpha: 0.05,
      previous: { v: 1, n: 3, failed: null, lower: null, upper: null },
    },
  ],
  judgeThreshold: [
    {
      spec: { name: 'p99', min: 0, max: 1, failureLimit: 0, valueUnit: 'ms' },
      value: 1,
      previous: { v: 1, failures: 0, failed: null },
    },
  ],
  judgeRollout: [
    {
      strategy: {
        steps: [{ weight: 5, holdSeconds: 0, minUnitsPerArm: 0, requireApproval: false, monitored: true }],
        onGuardrailFailure: 'hold',
        onSrm: 'hold',
        onInconclusive: 'hold',
        srmAlpha: 0.001,
        consecutiveErrorLimit: 1,
        noDataSeconds: 1,
        stepSeconds: 10,
      },
      metrics: [{ name: 'errors', role: 'guardrail', verdict: 'pass', reasons: ['errors: fine'], critical: false }],
      exposures: { steps: [{ candidate: 1, champion: 2, expectedShare: 0.5 }], multiple: 0 },
      step: { index: 0, elapsedSeconds: 1, units: { candidate: 1, champion: 1 }, approved: true, labelsMature: true },
      previous: {
        v: 1,
        rolledBack: null,
        srmLogBayesFactor: 0,
        errorStreaks: {},
        guardrails: ['errors'],
        missingSince: {},
      },
    },
  ],
  runGate: [
    {
      gate: {
        metrics: { logLoss: { atMost: 0.5, notWorseBy: 0.1, betterBy: 0.1, worstRow: 3 } },
        slices: { by: ['origin'], minRows: 2 },
        minRows: 2,
        anchor: { notWorseBy: 0.1, metric: 'logLoss' },
        confidence: 0.95,
        iterations: 100,
        threshold: 0.5,
        seed: 1,
      },
      rows: [0, 1, 2, 3].map((i) => ({
        key: `k${i}`,
        cluster: i,
        slice: { origin: 'a' },
        label: i % 2,
        champion: 0.4,
        candidate: 0.5,
        anchor: 0.3,
        trainedOn: false,
      })),
    },
  ],
  judgeDrift: [
    {
      features: [{ name: 'age', kind: 'numeric', importance: 0.1, train: window, seasonal: window, current: window }],
      history: [{ verdict: 'pass', drifted: [] }],
      policy: {
        falseDiscoveryRate: 0.05,
        effectAtLeast: 0.1,
        majorAtLeast: 0.2,
        minRows: 5,
        referenceTimes: 1,
        confirmAtOnceImportance: 0.2,
      },
    },
  ],
};

/** Checks nothing and says so. */
const UNCHECKED = ['AnalysisInputError', 'rowLogLoss'];

const MISSING = Symbol('left out');
// prettier-ignore
const JUNK: readonly unknown[] = [
  undefined, null, MISSING, Number.NaN, Infinity, -Infinity, -1, 0, 0.5, 2, 1e308, 5e-324, 1n,
  '', 'x', '1', true, () => 1, {}, [], [Number.NaN], [undefined], [null], ['1'], [[]], Array(3),
  new Date(0), new Map(), new DataView(new ArrayBuffer(8)), new BigInt64Array(2),
];

type Path = readonly string[];
const isNested = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const pathsOf = (value: unknown, at: Path = []): Path[] =>
  isNested(value) ? Object.keys(value).flatMap((key) => [[...at, key], ...pathsOf(value[key], [...at, key])]) : [];
const withJunk = (args: readonly unknown[], path: Path, junk: unknown): unknown[] => {
  const copy = structuredClone(args) as unknown[];
  let at = copy as unknown as Record<string, unknown>;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>;
  const last = path.at(-1) as string;
  if (junk === MISSING && Array.isArray(at)) at.splice(Number(last), 1);
  else if (junk === MISSING) delete at[last];
  else at[last] = junk;
  return copy;
};
const holdsNaN = (value: unknown): boolean =>
  Number.isNaN(value) || (isNested(value) && Object.values(value).some(holdsNaN));

describe('junk in any place of any input is named or does no harm', () => {
  const functions = Object.entries(analysis).filter(
    ([name, value]) => typeof value === 'function' && !UNCHECKED.includes(name)
  );

  it('knows every function', () => {
    expect(functions.map(([name]) => name).toSorted()).toEqual(Object.keys(GOOD).toSorted());
  });

  it.each(functions)('%s', (name, run) => {
    const call = run as unknown as (...args: readonly unknown[]) => unknown;
    const good = GOOD[name] as readonly unknown[];
    expect(holdsNaN(call(...structuredClone(good)))).toBe(false);
    for (const path of pathsOf(good)) {
      for (const junk of JUNK) {
        try {
          const got = call(...withJunk(good, path, junk));
          if (holdsNaN(got)) expect.fail(`NaN for ${path.join('.')} ${String(junk)}: ${JSON.stringify(got)}`);
        } catch (error) {
          if (!(error instanceof AnalysisInputError)) throw error;
          expect(error.field).not.toBe('');
          expect(error.message).toBe(`${error.field}: ${error.reason}`);
        }
      }
    }
  });
});
