/**
 * A set of files under one URI, named by the digest of its manifest. The reference is enough for any process that can
 * reach the store: bytes are believed only after they match the manifest, and the manifest only after it matches `digest`.
 */
export interface ArtifactRef {
  readonly v: 1;
  /** Folder of the artifact, ending in `/`; `manifest.json` lies directly under it. Example: `file:///srv/store/versions/ab12/`. */
  readonly uri: string;
  /** `sha256:` + 64 hex digits of the canonical manifest. */
  readonly digest: string;
  /** Sum of the sizes of all files, in bytes. */
  readonly bytes: number;
}

/** Identifies one immutable model version: `v<run sequence>-<first 8 hex digits of the manifest digest>`. */
export type VersionId = string;
