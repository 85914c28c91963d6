import { rowLogLoss } from '../model-quality/index.js';
import type { GateMetricName } from './run-gate-types.js';

/** What a gate knows about a metric. */
interface GateMetric {
  readonly higherIsBetter: boolean;
  /** What a label may be, and a prediction. */
  readonly values: 'class' | 'number';
  /** Loss of one row whose mean is the metric (1 minus the metric where higher is better); null for `auc`. */
  readonly loss: ((label: number, prediction: number, threshold: number) => number) | null;
  /** The loss is 0 or 1: no row can outweigh the others, however rare the errors. */
  readonly countsErrors: boolean;
  /** Most by which two versions can differ on one row. */
  readonly widestRow: number;
}

/** Every metric of a gate by name. */
export const gateMetrics: Readonly<Record<GateMetricName, GateMetric>> = {
  logLoss: { higherIsBetter: false, values: 'class', loss: rowLogLoss, countsErrors: false, widestRow: Infinity },
  brier: { higherIsBetter: false, values: 'class', loss: (y, p) => (p - y) ** 2, countsErrors: false, widestRow: 1 },
  accuracy: {
    higherIsBetter: true,
    values: 'class',
    loss: (y, p, threshold) => ((p >= threshold ? 1 : 0) === y ? 0 : 1),
    countsErrors: true,
    widestRow: 1,
  },
  auc: { higherIsBetter: true, values: 'class', loss: null, countsErrors: false, widestRow: 1 },
  mae: {
    higherIsBetter: false,
    values: 'number',
    loss: (y, p) => Math.abs(p - y),
    countsErrors: false,
    widestRow: Infinity,
  },
  mse: {
    higherIsBetter: false,
    values: 'number',
    loss: (y, p) => (p - y) ** 2,
    countsErrors: false,
    widestRow: Infinity,
  },
};

/** Whether a name is one of {@link gateMetrics}. */
export function isGateMetric(name: string): name is GateMetricName {
  return Object.hasOwn(gateMetrics, name);
}
