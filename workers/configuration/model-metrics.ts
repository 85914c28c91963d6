import type { ModelSpec } from '@retempo/workflows/contracts';

/** What a gate metric is: which way is better, and which values it can have. */
export interface MetricKind {
  readonly better: 'lower' | 'higher';
  readonly min: number;
  readonly max: number;
}

const loss: MetricKind = { better: 'lower', min: 0, max: Infinity };
const share: MetricKind = { better: 'higher', min: 0, max: 1 };

/** Tasks that this version can judge, and the metrics its gate knows; direction is known by name. Formulas: `runGate`. */
export type JudgedTask = 'binary' | 'regression';
export const taskMetrics: { readonly [task in JudgedTask]: { readonly [metric: string]: MetricKind } } = {
  binary: { logLoss: loss, brier: { ...loss, max: 1 }, auc: share, accuracy: share },
  regression: { mae: loss, mse: loss },
};

/** Metrics with a loss per row: slices and anchors compare row by row. */
export const rowLossMetrics: readonly string[] = ['logLoss', 'brier', 'accuracy', 'mae', 'mse'];

/** The gate of a model file that has none: not worse than the champion, by the usual metric of the task. */
export const defaultGateMetrics: { readonly [task in JudgedTask]: ModelSpec['gate']['metrics'] } = {
  binary: { logLoss: { notWorseBy: 0.005 } },
  regression: { mae: { notWorseBy: 0 } },
};
