import { judgeMetric } from './judge-metric.js';
import type { MetricArm, MetricJudgement, MetricSpec, MetricStep } from './judge-metric-types.js';

export const ALPHA = 0.05;

export const step = (candidate: MetricArm, champion: MetricArm, weight = 5): MetricStep => ({
  weight,
  candidate,
  champion,
});
export const counts = (events: number, trials: number) => ({ events, trials });
export const moments = (n: number, mean: number, sd: number) => ({
  n,
  sum: n * mean,
  sumSquares: (n - 1) * sd * sd + n * mean * mean,
});
export const judge = (steps: MetricStep[], spec: MetricSpec = {}, rest: object = {}): MetricJudgement =>
  judgeMetric({ spec: { name: 'errors', ...spec }, steps, alpha: ALPHA, ...rest });
