import type { ArtifactRef, VersionId } from '@retempo/workflows/contracts';

/** How a version scores rows: stored with it, so that a champion is always judged by the evaluator it was made with. */
export interface VersionEvaluator {
  /** Program and arguments; no shell. */
  readonly run: readonly string[];
  /** The program's code. */
  readonly code: ArtifactRef;
  /** Columns of the predictions that it writes. */
  readonly predictions: { readonly key: string; readonly probability?: string; readonly value?: string };
  /** Longest run, in milliseconds. */
  readonly timeoutMs?: number;
}

/** Where a version comes from: enough to make it again and to judge it again. */
export interface Lineage {
  readonly data: {
    /** `sha256:` + hex of the snapshot. */
    readonly digest: string;
    /** Event time `[from, to)`, ISO 8601 in UTC. */
    readonly window: { readonly from: string; readonly to: string };
    readonly rows: number;
    /** The snapshot itself, while it is kept. */
    readonly artifact?: ArtifactRef;
  };
  /** Digest of the code that trained it. */
  readonly code: string;
  /** Digest of the spec of the run. */
  readonly spec: string;
  /** Id of the release that made it. */
  readonly run: string;
  /** `<provider>.<name>` of the site where it was trained. */
  readonly site: string;
  readonly jobKey: string;
  readonly evaluator: VersionEvaluator;
  /** Versions it was compared with or continued from: the champion of its time. */
  readonly parents: readonly VersionId[];
}

/** A number by name; null where it could not be had, which is never a pass. */
export type VersionMetrics = Readonly<Record<string, number | null>>;

/** What is registered: all of it immutable but the metrics, which are measured later. */
export interface VersionInput {
  readonly model: string;
  readonly version: VersionId;
  readonly artifact: ArtifactRef;
  readonly lineage: Lineage;
  /** What is known already, such as metrics of an import; default none. See `Registry.setMetrics`. */
  readonly metrics?: VersionMetrics;
}

/** A registered version. */
export interface ModelVersion extends VersionInput {
  readonly v: 1;
  /** On the rows of its gate, by Retempo; what was given at registration until then. */
  readonly metrics: VersionMetrics;
  /** ISO 8601 in UTC. */
  readonly registeredAt: string;
  /** When its bytes were deleted by `collect`; the record stays. ISO 8601 in UTC. */
  readonly collectedAt?: string;
}

/** One change of an alias. */
export interface AliasChange {
  /** 1 for the first setting, one more for every change. */
  readonly generation: number;
  readonly version: VersionId;
  readonly actor: string;
  readonly reason: string;
  /** ISO 8601 in UTC. */
  readonly at: string;
}

/** What an alias names now. */
export interface Alias extends AliasChange {
  readonly alias: string;
}

/** Protects a version from `collect` until it is taken away. */
export interface Pin {
  readonly version: VersionId;
  readonly name: string;
  readonly reason: string;
  /** ISO 8601 in UTC. */
  readonly at: string;
}

/** What `collect` did. */
export interface CollectReport {
  readonly looked: number;
  /** Versions whose bytes are gone now; where another version shares the bytes they were left. */
  readonly collected: readonly VersionId[];
  readonly kept: readonly { readonly version: VersionId; readonly reason: string }[];
}
