import type { ArmsReading, VersionId } from '@retempo/workflows/contracts';
import type { Call } from './call.js';

/** Counts of what versions did in production. Reading changes nothing; counters only grow. */
export interface MetricsSource {
  readonly capabilities: {
    /** How late counts may be, in milliseconds. */
    readonly lagMs: number;
    /** Finest period of counts, in milliseconds. */
    readonly periodMs: number;
    readonly slow: 'exact' | 'bucket' | 'none';
  };
  /** Cumulative counts per version, summed over the given traffic revisions (all revisions when absent). */
  readArms(
    query: {
      readonly endpoint: string;
      readonly versions: readonly VersionId[];
      readonly revisions?: readonly string[];
      readonly slowOverMs?: number;
    },
    call: Call
  ): Promise<ArmsReading>;
  /**
   * Where the request log lies, as a glob that DuckDB reads: newline-delimited JSON with the columns
   * `key` (request id), `version`, `revision`, `at` (ISO 8601), `status` (HTTP), `prediction` (number or null).
   * Null when the source keeps none.
   */
  requestLog(endpoint: string, call: Call): Promise<{ readonly glob: string } | null>;
}
