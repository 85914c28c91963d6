import type { DataSpec } from '@retempo/workflows/contracts';

import { PortError } from '../ports/port-error.js';

/** A span of event time, `[from, to)`, ISO 8601 in UTC. */
export interface Window {
  readonly from: string;
  readonly to: string;
}

/** Windows of a run in epoch milliseconds. */
export interface SplitWindows {
  readonly train: { readonly fromMs: number; readonly toMs: number };
  readonly evaluate: { readonly fromMs: number; readonly toMs: number };
  /** Windows begin and end on whole multiples of this, counted from the epoch in UTC. */
  readonly stepMs: number;
}

const STEPS_MS = [86_400_000, 3_600_000, 60_000, 1_000, 1] as const;

/** ISO 8601 with milliseconds, in UTC. */
export function iso(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

/** Epoch milliseconds of an ISO 8601 time; throws PortError `InvalidSpec` that names the field. */
export function instantMs(time: string, field: string): number {
  const epochMs = Date.parse(time);
  if (Number.isNaN(epochMs)) throw new PortError('InvalidSpec', `${field}: \`${time}\` is not a time`);
  return epochMs;
}

/** `28 d`, `6 h`, `90 s`: a duration in the largest unit that is whole. */
export function durationText(durationMs: number): string {
  const units: readonly (readonly [number, string])[] = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1_000, 's'],
  ];
  const unit = units.find(([sizeMs]) => durationMs % sizeMs === 0);
  return unit === undefined ? `${durationMs} ms` : `${durationMs / unit[0]} ${unit[1]}`;
}

/**
 * The newest fully labelled evaluation window and the training window before it. The labelled horizon is
 * `watermark - arrivesAfter`, rounded down to whole days in UTC (to whole hours, minutes or seconds when the split
 * itself is not in whole days), so that a run started an hour later sees the same windows.
 */
export function splitWindows(watermarkMs: number, data: Pick<DataSpec, 'label' | 'split'>): SplitWindows {
  const { trainMs, gapMs, evaluateMs } = data.split;
  const stepMs = STEPS_MS.find((step) => [trainMs, gapMs, evaluateMs].every((span) => span % step === 0)) ?? 1;
  const evaluateToMs = Math.floor((watermarkMs - data.label.arrivesAfterMs) / stepMs) * stepMs;
  const evaluateFromMs = evaluateToMs - evaluateMs;
  const trainToMs = evaluateFromMs - gapMs;
  return {
    train: { fromMs: trainToMs - trainMs, toMs: trainToMs },
    evaluate: { fromMs: evaluateFromMs, toMs: evaluateToMs },
    stepMs,
  };
}
