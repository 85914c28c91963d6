import { createRandom } from '../random.js';
import { runGate, type GateCheck, type GateResult, type GateRow, type GateSpec } from './index.js';

export const logit = (p: number): number => Math.log(p / (1 - p));
export const squash = (x: number): number => 1 / (1 + Math.exp(-x));

interface Shape {
  readonly seed?: number;
  /** Noise on the logit of each version: more is worse. */
  readonly champion?: number | null;
  readonly candidate?: number;
  readonly anchor?: number | null;
  readonly days?: number | null;
}

/** Rows whose labels follow a true probability; each version sees it through its own noise. */
export const rowsOf = (n: number, shape: Shape = {}): GateRow[] => {
  const { seed = 1, champion = 0.3, candidate = 0.3, anchor = null, days = null } = shape;
  const random = createRandom(seed);
  const seen = (truth: number, noise: number): number => squash(logit(truth) + noise * random.normal());
  return Array.from({ length: n }, (_, i) => {
    const truth = 0.05 + 0.9 * random.uniform();
    return {
      key: `row${i}`,
      label: random.uniform() < truth ? 1 : 0,
      candidate: seen(truth, candidate),
      slice: { origin: ['ORD', 'JFK', 'LAX', 'SEA'][random.integer(4)]!, day: i % 7 },
      ...(champion === null ? {} : { champion: seen(truth, champion) }),
      ...(anchor === null ? {} : { anchor: seen(truth, anchor) }),
      ...(days === null ? {} : { cluster: i % days }),
    };
  });
};

export const gate: GateSpec = { metrics: { logLoss: { notWorseBy: 0.02 } }, iterations: 500, seed: 7 };
export const check = (result: GateResult, name: string): GateCheck => result.checks.find((part) => part.name === name)!;
export const verdictOf = (spec: Partial<GateSpec>, rows: readonly GateRow[]) =>
  runGate({ gate: { ...gate, ...spec }, rows }).verdict;
