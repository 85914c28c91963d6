import type { ArtifactRef, EndpointState, VersionId } from '@retempo/workflows/contracts';
import type { Call } from './call.js';

/** Serves versions on endpoints and splits traffic between them by whole percents. */
export interface ServingBackend {
  readonly capabilities: {
    readonly fence: 'revision' | 'epoch' | 'none';
    /** Weights cannot change while a version is being deployed. */
    readonly deployBlocksTraffic: boolean;
    readonly maxVersions: number;
    readonly mirror: boolean;
    /** Falls back to the champion by itself when the lease of a split runs out. */
    readonly lease: boolean;
  };
  /** Throws class `NotFound` when the endpoint does not exist. */
  describe(endpoint: string, call: Call): Promise<EndpointState>;
  /** Starts a version at weight 0; idempotent by `key`; poll `describe` until it is ready. Creates the endpoint if needed. */
  deploy(
    input: {
      readonly key: string;
      readonly endpoint: string;
      readonly version: VersionId;
      readonly artifact: ArtifactRef;
      readonly epoch: number;
    },
    call: Call
  ): Promise<void>;
  /**
   * Sets the full map of weights (whole, 0 to 100, sum exactly 100, known versions only). Same weights as now: the revision
   * stays, the lease is renewed. Throws class `Conflict` when `ifRevision` is not current or `epoch` is older than the
   * endpoint's; `UnknownOutcome` when it may have worked.
   */
  setTraffic(
    input: {
      readonly endpoint: string;
      readonly weights: { readonly [version: VersionId]: number };
      readonly ifRevision: string;
      readonly epoch: number;
      /** Lease of this split; when it runs out unrenewed, `fallback` gets 100 %. */
      readonly lease?: { readonly seconds: number; readonly fallback: VersionId };
    },
    call: Call
  ): Promise<{ readonly revision: string }>;
  /** Ends a version; refuses with class `Conflict` while its read-back weight is above 0; idempotent. */
  retire(
    input: { readonly key: string; readonly endpoint: string; readonly version: VersionId; readonly epoch: number },
    call: Call
  ): Promise<void>;
}
