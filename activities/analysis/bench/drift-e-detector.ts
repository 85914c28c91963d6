import { eDetector, toleratedLoss, type EDetectorOptions } from '../detectors/index.js';
import { createRandom, type Random } from '../random.js';
import { shareRow, type Simulation, type SimulationRow } from './simulation.js';

const atRelease = 0.2;
const tolerance = 0.02;
const windowsPerYear = 365;

/** Losses of one window of n rows with error rate p: ones first, their order does not matter. */
function losses(random: Random, n: number, p: number): Float64Array {
  return new Float64Array(n).fill(1, 0, random.binomial(n, Math.min(1, Math.max(0, p))));
}

const options: EDetectorOptions = { tolerated: atRelease + tolerance, alarmEvery: windowsPerYear };

/**
 * The e-detector with loss .20 at release, tolerance .02 and one false alarm per 365 windows asked for: false alarms at
 * the edge of the tolerance, delay of a real rise, overdispersed windows, empty windows, and a loss at release that was
 * itself estimated.
 */
export const run: Simulation = ({ trials, seed }) => {
  const streams = Math.max(40, Math.min(1000, Math.round(trials * 0.1)));
  return [
    falseAlarms({ streams, seed, n: 500, spread: 0, factor: 1, limit: 1 }),
    falseAlarms({ streams, seed, n: 500, spread: 0.03, factor: 1, limit: null }),
    falseAlarms({ streams, seed, n: 500, spread: 0.03, factor: 1 + (499 * 0.03 ** 2) / (0.22 * 0.78), limit: 1 }),
    ...[
      { n: 500, limit: 15 },
      { n: 200, limit: 19 },
      { n: 100, limit: 26 },
    ].map((cell) => delay(streams * 2, seed, cell.n, cell.limit)),
    emptyWindows(seed),
    ...[500, 2000, 10_000].flatMap((labels) => [
      estimated(streams, seed, labels, 'estimate + tolerance'),
      estimated(streams, seed, labels, 'toleratedLoss'),
    ]),
  ];
};

function falseAlarms(cell: {
  readonly streams: number;
  readonly seed: number;
  readonly n: number;
  /** Standard deviation of the error rate between windows. */
  readonly spread: number;
  readonly factor: number;
  readonly limit: number | null;
}): SimulationRow {
  const random = createRandom(cell.seed);
  const perStream: number[] = [];
  for (let stream = 0; stream < cell.streams; stream++) {
    const detector = eDetector({ ...options, overdispersion: cell.factor });
    let alarms = 0;
    for (let window = 0; window < windowsPerYear; window++) {
      const p = atRelease + tolerance + cell.spread * random.normal();
      if (detector.update(losses(random, cell.n, p)).alarm) {
        alarms++;
        detector.reset();
      }
    }
    perStream.push(alarms);
  }
  const { mean, error } = meanOf(perStream);
  return {
    simulation: 'e-detector at its tolerance',
    setting: `loss .22 = .20 + tolerance .02, ${cell.n} labels a window, 365 windows, rate between windows +- ${cell.spread}, overdispersion ${cell.factor.toFixed(2)}`,
    rule: cell.spread > 0 && cell.factor === 1 ? 'retempo without the factor' : 'retempo',
    quantity: 'alarms per 365 windows, started again after each',
    measured: mean,
    monteCarloError: error,
    limit: cell.limit === null ? null : { kind: 'atMost', value: cell.limit },
    pass: cell.limit === null || mean <= cell.limit + 3 * error,
    trials: cell.streams,
    seed: cell.seed,
  };
}

function delay(trials: number, seed: number, n: number, limit: number): SimulationRow {
  const random = createRandom(seed);
  const delays: number[] = [];
  for (let trial = 0; trial < trials; trial++) {
    const detector = eDetector(options);
    for (let window = 0; window < 30; window++) detector.update(losses(random, n, atRelease));
    // Counted from the first changed window, as drift.md 2.3 does: an alarm in that very window is a delay of 0.
    let windows = 0;
    while (windows < 1000 && !detector.update(losses(random, n, atRelease + 0.04)).alarm) windows++;
    delays.push(windows);
  }
  delays.sort((a, b) => a - b);
  const median = delays[Math.floor(trials / 2)]!;
  // Standard error of the median of a bell-shaped sample.
  const error = 1.2533 * meanOf(delays).error;
  return {
    simulation: 'e-detector delay',
    setting: `loss .20 for 30 windows, then .24 (+4 points), ${n} labels a window`,
    rule: 'retempo',
    quantity: 'median windows from the first changed one to the alarm (0: in that very window)',
    measured: median,
    monteCarloError: error,
    limit: { kind: 'atMost', value: limit },
    pass: median <= limit + 3 * error,
    trials,
    seed,
  };
}

function emptyWindows(seed: number): SimulationRow {
  const trials = 100;
  let changed = 0;
  for (let trial = 0; trial < trials; trial++) {
    const random = createRandom(seed + trial);
    const [plain, holed] = [eDetector(options), eDetector(options)];
    for (let window = 0; window < 60; window++) {
      const values = losses(random, 500, 0.21);
      plain.update(values);
      for (let hole = random.integer(4); hole > 0; hole--) holed.update([]);
      holed.update(values);
    }
    if (JSON.stringify(plain.state) !== JSON.stringify(holed.state)) changed++;
  }
  return shareRow({
    simulation: 'e-detector and empty windows',
    setting: '60 windows of 500 labels with up to 3 empty windows before each',
    quantity: 'P(the state differs from that without empty windows)',
    count: changed,
    limit: { kind: 'atMost', value: 0 },
    trials,
    seed,
  });
}

function estimated(
  trials: number,
  seed: number,
  labels: number,
  rule: 'toleratedLoss' | 'estimate + tolerance'
): SimulationRow {
  const random = createRandom(seed);
  let alarmed = 0;
  for (let trial = 0; trial < trials; trial++) {
    const mean = random.binomial(labels, atRelease) / labels;
    const standardDeviation = Math.sqrt(mean * (1 - mean));
    const tolerated =
      rule === 'toleratedLoss' ? toleratedLoss({ mean, standardDeviation, n: labels, tolerance }) : mean + tolerance;
    const detector = eDetector({ ...options, tolerated });
    for (let window = 0; window < windowsPerYear && !detector.state.alarm; window++) {
      detector.update(losses(random, 500, atRelease));
    }
    if (detector.state.alarm) alarmed++;
  }
  return shareRow({
    simulation: 'e-detector with an estimated loss at release',
    setting: `loss .20 throughout, estimated from ${labels} labels, 500 labels a window, 365 windows`,
    rule: rule === 'toleratedLoss' ? 'retempo' : 'estimate + tolerance',
    quantity: 'P(false alarm within 365 windows)',
    count: alarmed,
    limit: rule === 'toleratedLoss' ? { kind: 'atMost', value: 0.05 } : null,
    trials,
    seed,
  });
}

function meanOf(values: readonly number[]): { mean: number; error: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1);
  return { mean, error: Math.sqrt(variance / values.length) };
}
