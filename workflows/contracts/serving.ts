import type { VersionId } from './artifacts.js';

/** What an endpoint serves, as read back from the provider. This, and nothing else, is the truth about traffic. */
export interface EndpointState {
  /** Changes with every change of weights. */
  readonly revision: string;
  /** Highest epoch that has written; a write with a lower one is refused. */
  readonly epoch: number;
  /** True while the provider is still applying an earlier change. */
  readonly busy: boolean;
  readonly versions: {
    readonly [version: VersionId]: {
      /** Whole percent of traffic, 0 to 100. */
      readonly weight: number;
      /** Share of the wanted capacity that answers, 0 to 1. */
      readonly ready: number;
      /** Why it is not ready, when the provider knows. */
      readonly problem?: string;
    };
  };
}

/** Cumulative counts of one version. `null` where the provider cannot tell; never 0 for "unknown". */
export interface ArmCounts {
  readonly requests: number;
  /** Failed because of the version or its server (5xx, time-out, refused connection). */
  readonly errors: number;
  /** Refused because the caller's request was wrong (4xx); counted in `requests`, never held against a version. */
  readonly callerErrors: number;
  /** Requests slower than the asked limit. */
  readonly slow: number | null;
  /**
   * Units (users, say) where requests of one unit stay together, each counted once, of the asked revisions or of the first of
   * them that came; null where they are not counted: then the split is not tested. Left out where every request is assigned on
   * its own.
   */
  readonly units?: number | null;
  readonly sums: { readonly [name: string]: { readonly n: number; readonly sum: number; readonly sumSquares: number } };
}

export interface ArmsReading {
  /** False while counts of the asked time may still arrive. */
  readonly complete: boolean;
  /** Counts are final up to this time (ISO 8601). */
  readonly watermark: string;
  /** Units that more than one of the versions served within the asked revisions, which must not be. Default 0. */
  readonly mixedUnits?: number;
  readonly arms: { readonly [version: VersionId]: ArmCounts | null };
}
