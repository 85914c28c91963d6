import { normalQuantile, studentTSf } from '../distributions/index.js';
import { auc } from '../model-quality/index.js';
import { sum } from '../sums.js';
import { clopperPearsonInterval, delong, pairedBootstrap } from '../two-arms/index.js';
import type { ResolvedGate } from './run-gate-input.js';
import { gateMetrics } from './run-gate-metrics.js';
import { unseenTail, type UnseenTail } from './run-gate-tail.js';
import type { GateLimits, GateMetricName, GateRow } from './run-gate-types.js';

/** Fewest clusters from which an interval is computed at all. */
export const fewestClusters = 5;

/** Fewest rows on which two versions disagree before a difference of error rates is decided. */
export const fewestErrors = 20;

/** An interval of level 1 - 2 alpha, and why it must not be decided on, if so. */
export interface GateInterval {
  readonly estimate: number;
  readonly lower: number;
  readonly upper: number;
  readonly n: number;
  readonly clusterCount: number;
  readonly doubt: 'fewClusters' | 'heavyTail' | 'fewErrors' | null;
  /** Of a difference of mean losses: what rows too rare for the sample could add to it. */
  readonly unseen?: UnseenTail;
}

/** Losses of one version on the rows, in the order of the rows. */
export function lossesOf(
  name: GateMetricName,
  rows: readonly GateRow[],
  arm: 'candidate' | 'champion' | 'anchor',
  threshold: number
): Float64Array {
  const { loss } = gateMetrics[name];
  return Float64Array.from(rows, (row) => loss!(row.label, row[arm]!, threshold));
}

/** Cluster of each row, or undefined when rows are independent. */
export function clustersOf(rows: readonly GateRow[]): (string | number)[] | undefined {
  return (rows[0]?.cluster ?? null) === null ? undefined : rows.map((row) => row.cluster!);
}

/**
 * Difference of mean losses on the same rows: percentile bootstrap over rows or whole clusters, widened about the
 * estimate by t / z sqrt(G / (G - 1)) for G clusters. The percentile interval alone is too narrow for few clusters: it
 * knows neither the t distribution nor the bias of the variance (Hesterberg 2015); from 100 clusters on it hardly matters.
 */
export function pairedInterval(
  name: GateMetricName,
  rows: readonly GateRow[],
  against: 'champion' | 'anchor',
  gate: ResolvedGate
): GateInterval {
  const candidate = lossesOf(name, rows, 'candidate', gate.threshold);
  const other = lossesOf(name, rows, against, gate.threshold);
  const clusters = clustersOf(rows);
  const result = pairedBootstrap({
    champion: other,
    candidate,
    ...(clusters === undefined ? {} : { clusters }),
    confidence: 1 - 2 * gate.alpha,
    iterations: gate.iterations,
    seed: gate.seed,
  });
  const { difference, clusterCount, n } = result;
  const widen = smallSampleFactor(clusterCount, gate.alpha);
  const heavyTail = hasHeavyTail(candidate, other, clusters, clusterCount);
  const differences = candidate.map((loss, i) => loss - other[i]!);
  const disagreements = differences.filter((loss) => loss !== 0).length;
  return {
    unseen: unseenTail(name, differences, gate.alpha, limitsOf(gate, name)?.worstRow),
    estimate: difference,
    lower: difference - (difference - result.lower) * widen,
    upper: difference + (result.upper - difference) * widen,
    n,
    clusterCount,
    // No disagreement at all is no matter of chance: the two versions say the same.
    doubt: doubtOf(name, clusterCount, heavyTail, disagreements === 0 ? fewestErrors : disagreements),
  };
}

function limitsOf(gate: ResolvedGate, name: GateMetricName): GateLimits | undefined {
  return gate.metrics.find((metric) => metric.name === name)?.limits;
}

/** Mean of one loss per row, or of one difference of losses per row: t interval with the cluster-robust variance of a ratio of totals. */
export function meanInterval(
  name: GateMetricName,
  losses: Float64Array,
  clusters: readonly (string | number)[] | undefined,
  alpha: number,
  what: 'loss' | 'difference' = 'loss'
): GateInterval & { readonly standardError: number } {
  const totals = new Map<string | number, { loss: number; size: number }>();
  losses.forEach((loss, i) => {
    const key = clusters?.[i] ?? i;
    const entry = totals.get(key);
    if (entry === undefined) totals.set(key, { loss, size: 1 });
    else {
      entry.loss += loss;
      entry.size++;
    }
  });
  const n = losses.length;
  const estimate = sum(losses) / n;
  const groups = totals.size;
  const residuals = Float64Array.from(totals.values(), ({ loss, size }) => (loss - estimate * size) ** 2);
  const standardError = groups < 2 ? Infinity : Math.sqrt((groups / (groups - 1)) * sum(residuals)) / n;
  const heavyTail = hasHeavyTail(losses, new Float64Array(n), clusters, groups);
  const half = groups < 2 ? Infinity : studentTQuantile(alpha, groups - 1) * standardError;
  if (gateMetrics[name].countsErrors && clusters === undefined && what === 'loss') {
    // Exact at any number of errors, none included.
    const exact = clopperPearsonInterval({ events: sum(losses), trials: n, confidence: 1 - 2 * alpha });
    return { estimate, ...exact, n, clusterCount: n, doubt: null, standardError };
  }
  const errors = losses.filter((loss) => loss !== 0).length;
  return {
    estimate,
    lower: estimate - half,
    upper: estimate + half,
    n,
    clusterCount: groups,
    // Of a difference, what counts is how many rows differ; of an error rate, how many are wrong and how many right.
    doubt: doubtOf(name, groups, heavyTail, what === 'loss' ? Math.min(errors, n - errors) : errors),
    standardError,
  };
}

/**
 * Whether the interval of a mean cannot be trusted because few rows carry the variance. Totals of clusters are asked
 * only from 100 clusters on: of fewer, the largest single one carries half of the variance by chance.
 */
function hasHeavyTail(
  candidate: Float64Array,
  champion: Float64Array,
  clusters: readonly (string | number)[] | undefined,
  clusterCount: number
): boolean {
  // One resample: only the tail is wanted here.
  const tailOnly = { champion, candidate, confidence: 0.9, iterations: 1, seed: 0 };
  if (pairedBootstrap(tailOnly).heavyTail) return true;
  return clusters !== undefined && clusterCount >= 100 && pairedBootstrap({ ...tailOnly, clusters }).heavyTail;
}

function doubtOf(name: GateMetricName, clusters: number, heavyTail: boolean, errors: number): GateInterval['doubt'] {
  if (clusters < fewestClusters) return 'fewClusters';
  // Rare errors look heavy-tailed, but each weighs the same: what counts is how many there are.
  if (gateMetrics[name].countsErrors) return errors < fewestErrors ? 'fewErrors' : null;
  return heavyTail ? 'heavyTail' : null;
}

/** t / z sqrt(G / (G - 1)). */
function smallSampleFactor(groups: number, alpha: number): number {
  if (groups < 2) return 1;
  return (studentTQuantile(alpha, groups - 1) / normalQuantile(1 - alpha)) * Math.sqrt(groups / (groups - 1));
}

/** The t whose upper tail is alpha < .5: secant steps on ln tail against ln t, which is nearly a straight line. */
function studentTQuantile(alpha: number, df: number): number {
  const excess = (u: number): number => Math.log(studentTSf({ t: Math.exp(u), df }) / alpha);
  const z = normalQuantile(1 - alpha);
  let before = Math.log(z);
  let now = Math.log(z + (z ** 3 + z) / (4 * df));
  let excessBefore = excess(before);
  for (let i = 0; i < 60; i++) {
    const excessNow = excess(now);
    if (excessNow === excessBefore || Math.abs(now - before) < 1e-15) break;
    const next = now - (excessNow * (now - before)) / (excessNow - excessBefore);
    before = now;
    excessBefore = excessNow;
    now = next;
  }
  return Math.exp(now);
}

/**
 * AUC of the candidate (against: null), or candidate minus another version. Independent rows: DeLong. Clustered rows:
 * bootstrap of whole clusters, widened as {@link pairedInterval}. null when all labels are of one class.
 */
export function aucInterval(
  rows: readonly GateRow[],
  against: 'champion' | null,
  gate: ResolvedGate
): GateInterval | null {
  const labels = rows.map((row) => row.label);
  const candidate = rows.map((row) => row.candidate);
  // A constant score has an AUC of exactly .5 and no variance: the difference to it is the AUC itself.
  const other = rows.map((row) => (against === null ? 0 : row.champion!));
  const offset = against === null ? 0.5 : 0;
  if (auc({ labels, probabilities: candidate }) === null) return null;
  const clusters = clustersOf(rows);
  if (clusters !== undefined) return clusteredAuc({ labels, candidate, other, clusters, offset }, gate);
  const result = delong({ labels, champion: other, candidate, confidence: 1 - 2 * gate.alpha });
  const estimate = result.aucCandidate! - result.aucChampion! + offset;
  return {
    estimate,
    lower: result.lower + offset,
    upper: result.upper + offset,
    n: rows.length,
    clusterCount: rows.length,
    doubt: null,
  };
}

interface ClusteredScores {
  readonly labels: readonly number[];
  readonly candidate: readonly number[];
  readonly other: readonly number[];
  readonly clusters: readonly (string | number)[];
  readonly offset: number;
}

function clusteredAuc(scores: ClusteredScores, gate: ResolvedGate): GateInterval {
  const { labels, candidate, other, clusters, offset } = scores;
  const first = weightedAuc(labels, candidate);
  const second = weightedAuc(labels, other);
  const none = new Float64Array(labels.length);
  let degenerate = 0;
  const result = pairedBootstrap({
    champion: none,
    candidate: none,
    clusters,
    // A resample without one of the classes has no AUC; it counts as no difference, and too many of them as a doubt.
    statistic: (weights) => {
      const [a, b] = [first(weights), second(weights)];
      if (a !== null && b !== null) return a - b;
      degenerate++;
      return 0;
    },
    confidence: 1 - 2 * gate.alpha,
    iterations: Math.min(gate.iterations, 2000),
    seed: gate.seed,
  });
  const widen = smallSampleFactor(result.clusterCount, gate.alpha);
  const few = result.clusterCount < fewestClusters || degenerate > 0;
  return {
    estimate: result.difference + offset,
    lower: result.difference - (result.difference - result.lower) * widen + offset,
    upper: result.difference + (result.upper - result.difference) * widen + offset,
    n: labels.length,
    clusterCount: result.clusterCount,
    doubt: few ? 'fewClusters' : null,
  };
}

/** AUC as a function of row weights; sorted once. null without weight on one of the classes. */
function weightedAuc(labels: readonly number[], scores: readonly number[]): (weights: Float64Array) => number | null {
  const order = Uint32Array.from(scores, (_, i) => i).sort((a, b) => scores[a]! - scores[b]!);
  return (weights) => {
    let wins = 0;
    let below = 0;
    let positives = 0;
    for (let from = 0; from < order.length;) {
      const score = scores[order[from]!];
      let tiedPositives = 0;
      let tiedNegatives = 0;
      for (; from < order.length && scores[order[from]!] === score; from++) {
        const row = order[from]!;
        if (labels[row] === 1) tiedPositives += weights[row]!;
        else tiedNegatives += weights[row]!;
      }
      wins += tiedPositives * (below + tiedNegatives / 2);
      below += tiedNegatives;
      positives += tiedPositives;
    }
    return positives === 0 || below === 0 ? null : wins / positives / below;
  };
}

/** The metric itself on the rows, for the report; null for `auc` with one class. */
export function metricOf(
  name: GateMetricName,
  rows: readonly GateRow[],
  arm: 'candidate' | 'champion',
  threshold: number
): number | null {
  if (gateMetrics[name].loss === null) {
    return auc({ labels: rows.map((row) => row.label), probabilities: rows.map((row) => row[arm]!) });
  }
  const mean = sum(lossesOf(name, rows, arm, threshold)) / rows.length;
  return gateMetrics[name].higherIsBetter ? 1 - mean : mean;
}
