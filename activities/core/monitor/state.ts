import type { EDetectorState } from '@retempo/analysis';
import type { VersionId, WindowReport } from '@retempo/workflows/contracts';

/** What monitoring one model remembers: one registry document, changed by compare-and-set. */
export interface MonitorState {
  readonly v: 1;
  /** Version whose live quality is watched; a new champion begins anew. */
  readonly champion: VersionId;
  /** End of the last window whose features, and whose labels, were judged (ISO 8601). */
  readonly featuresTo: string | null;
  readonly labelsTo: string | null;
  readonly detector: EDetectorState | null;
  /** Findings of the last windows, as `judgeDrift` wants them. */
  readonly history: readonly unknown[];
  /** Reports that no governor has confirmed yet. */
  readonly undelivered: readonly WindowReport[];
  /** Last run whose end has started the detector again. */
  readonly resetBy: string | null;
}

export const monitorPath = (model: string): string => `models/${model}/monitor`;

/** A new champion begins with nothing but its name; what was not delivered stays to be delivered. */
export const freshMonitor = (champion: VersionId, before: MonitorState | null): MonitorState => ({
  v: 1,
  champion,
  // Windows go on where the previous champion's ended: none is judged twice, none is left out.
  featuresTo: before?.featuresTo ?? null,
  labelsTo: before?.labelsTo ?? null,
  detector: null,
  history: [],
  undelivered: before?.undelivered ?? [],
  resetBy: before?.resetBy ?? null,
});
