import { normalCdf, normalQuantile } from '@retempo/analysis';
import type { GateEvidence, Registry } from '@retempo/activities';
import type { Call } from '@retempo/activities/ports';
import type { ModelSpec } from '@retempo/workflows/contracts';
import { count, percent } from '../text/quantities.js';

/** A margin that an equal model passes less often than this is worth a hint. */
const enoughPower = 0.8;
/** The chance that the margin which the hint names gives. */
const goodPower = 0.93;

/** Interval of one comparison of the last gate. */
export interface Comparison {
  readonly metric: string;
  readonly lower: number;
  readonly upper: number;
  readonly n: number;
}

/**
 * How often a model that is exactly as good as the champion would pass a margin of non-inferiority. `half` is the half-width
 * of the one-sided interval at `confidence`, so its standard error is `half / z` (normal approximation).
 */
export function chanceToPass(margin: number, half: number, confidence: number): number {
  return normalCdf(normalQuantile(confidence) * (margin / half - 1));
}

/** To two digits, never below: rounded down, the margin that is named would not have the chance that it is named for. */
function roundedUp(value: number): number {
  const unit = 10 ** (Math.floor(Math.log10(value)) - 1);
  return Number((Math.ceil(Number((value / unit).toPrecision(12))) * unit).toPrecision(2));
}

/** Says when a margin of the gate is narrower than its rows can prove. */
export function gateHint(gate: ModelSpec['gate'], comparisons: readonly Comparison[]): string | null {
  for (const { metric, lower, upper, n } of comparisons) {
    const margin = gate.metrics[metric]?.notWorseBy;
    const half = (upper - lower) / 2;
    if (margin === undefined || !(half > 0)) continue;
    const chance = chanceToPass(margin, half, gate.confidence);
    if (chance >= enoughPower) continue;
    const z = normalQuantile(gate.confidence);
    const wider = roundedUp(half * (1 + normalQuantile(goodPower) / z));
    const then = chanceToPass(wider, half, gate.confidence);
    return (
      `gate: with ${count(n)} rows an equal model passes ${metric} notWorseBy ${margin} only ${percent(chance)} of the time; ` +
      `${wider} gives ${percent(then)}`
    );
  }
  return null;
}

/** Comparisons with the champion that the last gate of a model made; none before the second version. */
export async function lastComparisons(registry: Registry, model: string, call: Call): Promise<readonly Comparison[]> {
  const paths: string[] = [];
  for await (const path of registry.listDocuments(`models/${model}/gates/`, call)) paths.push(path);
  const sequence = (path: string): number => Number(/(\d+)-[^/]*$/.exec(path)?.[1] ?? 0);
  for (const path of paths.toSorted((a, b) => sequence(b) - sequence(a))) {
    const evidence = (await registry.readDocument<GateEvidence>(path, call))?.value;
    const found = (evidence?.result?.checks ?? []).flatMap(({ name, metric, slice, lower, upper, n }): Comparison[] =>
      metric === null || slice !== null || lower === null || upper === null || name !== `${metric} notWorseBy`
        ? []
        : [{ metric, lower, upper, n }]
    );
    if (found.length > 0) return found;
  }
  return [];
}
