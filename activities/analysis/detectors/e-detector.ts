import { AnalysisInputError } from '../errors.js';
import { requireRange } from '../drift/checks.js';
import { reject, requireArray, requireCount, requireObject, requirePositive, type Sample } from '../input.js';

const defaultLambdas = [0.05, 0.1, 0.2, 0.35] as const;

/** Options of {@link eDetector}. */
export interface EDetectorOptions {
  /**
   * Mean loss that is still accepted: the loss at release plus a tolerance, in [0, 1); in the unit of the loss when
   * `clip` is given. A baseline estimated from few labels must be raised by its own uncertainty first: an estimate
   * that is too low by chance is an alarm that is certain to come.
   */
  readonly tolerated: number;
  /** Windows between false alarms that are accepted on average, at least 1: the alarm line is an e-value of this. */
  readonly alarmEvery: number;
  /** Bets that are mixed with equal weight, each in (0, 1 / tolerated). Default .05, .1, .2, .35. */
  readonly lambdas?: readonly number[];
  /** Labels that make one step of evidence; fewer are carried over to the next window. Default 100. */
  readonly minCount?: number;
  /** Variance of a window's mean loss over its variance for independent rows, at least 1. Default 1. */
  readonly overdispersion?: number;
  /** Upper limit B for losses without a bound: x = min(loss, B) / B, the tolerance likewise. */
  readonly clip?: number;
  /** State of an earlier detector with the same options; it continues bit by bit where that one stopped. */
  readonly state?: EDetectorState;
}

/** What {@link eDetector} remembers. Safe for JSON: `JSON.parse(JSON.stringify(state))` resumes bit-identically. */
export interface EDetectorState {
  readonly tolerated: number;
  readonly lambdas: readonly number[];
  /** ln M per lambda after the last judged window; null before the first one (M = 0). */
  readonly logEvidence: readonly (number | null)[];
  /** Labels that wait for `minCount`. */
  readonly pendingCount: number;
  /** Per lambda, sum of ln(1 + lambda (x - q)) of the waiting labels, and the error of that sum. */
  readonly pendingSums: readonly number[];
  readonly pendingErrors: readonly number[];
  /** Windows judged so far. */
  readonly windows: number;
  readonly alarm: boolean;
}

/** Result of one window. */
export interface EDetectorUpdate {
  /** `noData`: still fewer than `minCount` labels, nothing was judged. */
  readonly status: 'ok' | 'noData';
  /** ln of the mean of M over the lambdas; null before the first judged window. The alarm line is ln(alarmEvery). */
  readonly logEValue: number | null;
  /** True once the line was reached, until `reset()`. */
  readonly alarm: boolean;
}

/** A sequential alarm on labelled loss; made by {@link eDetector}. */
export interface EDetector {
  /** Takes the losses of one window, in any order. A bad value throws and changes nothing. */
  update(losses: Sample): EDetectorUpdate;
  /** A copy of the memory, safe for JSON. */
  readonly state: EDetectorState;
  /** Forgets everything, the alarm and the labels that wait included: for a newly promoted champion. */
  reset(): void;
}

/**
 * Shiryaev-Roberts e-detector on labelled loss: says when the mean loss is above `tolerated`, and gives false alarms
 * on average at most once in `alarmEvery` judged windows, however often it is looked at.
 *
 * Per lambda, after each window: ln M = ln(1 + M) + sum over its losses of ln(1 + lambda (x - q)) / overdispersion;
 * alarm when the mean of M over the lambdas reaches `alarmEvery`. Everything is kept as a logarithm. Fewer than
 * `minCount` labels are carried over, an empty window changes nothing, the alarm latches.
 *
 * The promise holds for losses whose mean, given the past, is at most `tolerated`. With an overdispersion factor f
 * each window's factor is raised to 1/f, which keeps it an e-value when rows of a window hang together.
 * Source: Shin, Ramdas & Rinaldo, E-detectors, arXiv 2203.03532; risk tolerance as in Podkopaev & Ramdas, ICLR 2022.
 *
 * @throws AnalysisInputError for options out of range, a state of other options, and losses that are NaN or out of
 * [0, 1] (with `clip`: negative).
 *
 * @example
 * const detector = eDetector({ tolerated: 0.22, alarmEvery: 365 });
 * const { alarm } = detector.update(lossesOfToday);
 */
export function eDetector(options: EDetectorOptions): EDetector {
  requireObject('options', options);
  const { alarmEvery, minCount = 100, overdispersion = 1, clip, lambdas = defaultLambdas } = options;
  requireRange('alarmEvery', alarmEvery, { min: 1, max: Number.MAX_VALUE });
  requireCount('minCount', minCount, 1);
  requireRange('overdispersion', overdispersion, { min: 1, max: Number.MAX_VALUE });
  if (clip !== undefined) requirePositive('clip', clip);
  const scale = clip ?? 1;
  requireRange('tolerated', options.tolerated, { min: 0, max: scale, open: 'max' });
  const tolerated = options.tolerated / scale;
  requireLambdas(lambdas, tolerated);
  const alarmLine = Math.log(alarmEvery);

  const initial = (): EDetectorState => ({
    tolerated,
    lambdas: [...lambdas],
    logEvidence: lambdas.map(() => null),
    pendingCount: 0,
    pendingSums: lambdas.map(() => 0),
    pendingErrors: lambdas.map(() => 0),
    windows: 0,
    alarm: false,
  });
  let state = options.state === undefined ? initial() : checkedState(options.state, tolerated, lambdas);

  const update = (losses: Sample): EDetectorUpdate => {
    requireLosses(losses, clip);
    const bets = lambdas.map((lambda, k) =>
      addBets(losses, { lambda, tolerated, scale, sum: state.pendingSums[k]!, error: state.pendingErrors[k]! })
    );
    const pendingCount = state.pendingCount + losses.length;
    if (losses.length === 0 || pendingCount < minCount) {
      state = {
        ...state,
        pendingCount,
        pendingSums: bets.map((bet) => bet.sum),
        pendingErrors: bets.map((bet) => bet.error),
      };
      return { status: 'noData', logEValue: logMean(state.logEvidence), alarm: state.alarm };
    }
    const logEvidence = bets.map(
      (bet, k) => logOnePlusExp(state.logEvidence[k]!) + (bet.sum + bet.error) / overdispersion
    );
    const logEValue = logMean(logEvidence)!;
    const alarm = state.alarm || logEValue >= alarmLine;
    state = { ...initial(), logEvidence, windows: state.windows + 1, alarm };
    return { status: 'ok', logEValue, alarm };
  };

  return {
    update,
    get state() {
      return structuredClone(state);
    },
    reset() {
      state = initial();
    },
  };
}

/** Adds ln(1 + lambda (x - q)) of each loss to a compensated sum (Neumaier). */
function addBets(
  losses: Sample,
  bet: { lambda: number; tolerated: number; scale: number; sum: number; error: number }
): { sum: number; error: number } {
  let { sum, error } = bet;
  for (const loss of losses) {
    const x = Math.min(loss, bet.scale) / bet.scale;
    const term = Math.log1p(bet.lambda * (x - bet.tolerated));
    const next = sum + term;
    error += Math.abs(sum) >= Math.abs(term) ? sum - next + term : term - next + sum;
    sum = next;
  }
  // + 0 turns -0 into 0: JSON knows no -0, and a resumed state must equal the one that never stopped.
  return { sum: sum + 0, error: error + 0 };
}

/** ln(1 + e^x), with null for x = -Infinity. */
function logOnePlusExp(x: number | null): number {
  if (x === null) return 0;
  return x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x));
}

/** ln of the mean of e^x, null when there is no evidence yet. */
function logMean(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return null;
  const top = Math.max(...known);
  return top + Math.log(known.reduce((sum, value) => sum + Math.exp(value - top), 0) / values.length);
}

function requireLambdas(lambdas: readonly number[], tolerated: number): void {
  requireArray('lambdas', lambdas, 1);
  // At x = 0 the factor is 1 - lambda q: it must stay positive, or one good row would end all evidence for ever.
  const max = tolerated === 0 ? Number.MAX_VALUE : 1 / tolerated;
  for (const [k, lambda] of lambdas.entries()) requireRange(`lambdas[${k}]`, lambda, { min: 0, max, open: 'both' });
}

function requireLosses(losses: Sample, clip: number | undefined): void {
  requireArray('losses', losses);
  const max = clip === undefined ? 1 : Infinity;
  // By position, not forEach: that would pass over the holes of a sparse array.
  for (const [i, loss] of losses.entries()) {
    // Written so that NaN fails as well.
    if (typeof loss !== 'number' || !(loss >= 0 && loss <= max)) {
      const range = clip === undefined ? 'a number in [0, 1] (give `clip` for larger losses)' : 'a number >= 0';
      reject(`losses[${i}]`, range, loss);
    }
  }
}

function checkedState(state: EDetectorState, tolerated: number, lambdas: readonly number[]): EDetectorState {
  requireObject('state', state);
  for (const part of ['lambdas', 'logEvidence', 'pendingSums', 'pendingErrors'] as const) {
    requireArray(`state.${part}`, state[part]);
  }
  const same =
    state.tolerated === tolerated &&
    state.lambdas.length === lambdas.length &&
    state.lambdas.every((lambda, k) => lambda === lambdas[k]);
  if (!same) {
    throw new AnalysisInputError('state', 'belongs to another tolerance or other lambdas: start without a state');
  }
  for (const part of ['logEvidence', 'pendingSums', 'pendingErrors'] as const) {
    const values = state[part];
    const whole =
      values.length === lambdas.length &&
      values.every((v) => Number.isFinite(v) || (v === null && part === 'logEvidence'));
    if (!whole) throw new AnalysisInputError(`state.${part}`, 'must hold one finite number per lambda');
  }
  requireCount('state.pendingCount', state.pendingCount);
  requireCount('state.windows', state.windows);
  if (typeof state.alarm !== 'boolean') reject('state.alarm', 'true or false', state.alarm);
  return structuredClone(state);
}
