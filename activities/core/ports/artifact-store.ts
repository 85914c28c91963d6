import type { Call } from './call.js';

/** One part of an upload that the store has confirmed. Numbers start at 1. */
export interface Part {
  readonly number: number;
  readonly size: number;
  /** `sha256:` + 64 hex digits of the part's bytes. */
  readonly digest: string;
  /** The store's own tag of the part, when it has one. */
  readonly tag?: string;
}

export interface UploadRef {
  readonly key: string;
  readonly id: string;
}

/** A change is made only if the condition still holds; otherwise class `Conflict` is thrown and nothing changes. */
export type PutCondition = { readonly ifAbsent: true } | { readonly ifVersion: string };

/**
 * Files by key under one root: `file:`, `s3:`, `gs:`, `az:`. Keys are relative, `/`-separated, validated with
 * `assertKey`; nothing ever reaches outside the root. Every call may throw {@link PortError}.
 */
export interface ArtifactStore {
  readonly scheme: string;
  /** URI of the root, ending in `/`. */
  readonly root: string;
  readonly capabilities: {
    readonly ifAbsent: boolean;
    readonly compareAndSet: boolean;
    readonly copy: boolean;
    readonly resume: 'parts' | 'offset' | 'blocks' | 'none';
  };
  /** Size in bytes and the store's version tag, or null when there is no such key. */
  head(key: string, call: Call): Promise<{ readonly size: number; readonly version: string } | null>;
  /** Bytes `[from, to)`; throws class `NotFound`, or `Conflict` when `version` is given and is no longer current. */
  read(
    key: string,
    options: { readonly from?: number; readonly to?: number; readonly version?: string },
    call: Call
  ): AsyncIterable<Uint8Array>;
  /** Small values, whole and atomic. */
  put(key: string, bytes: Uint8Array, condition: PutCondition, call: Call): Promise<{ readonly version: string }>;
  /** Large files, part by part; nothing is visible before `complete`, which fails when the key exists. */
  readonly upload: {
    begin(key: string, size: number, call: Call): Promise<UploadRef>;
    confirmed(upload: UploadRef, call: Call): Promise<readonly Part[]>;
    part(upload: UploadRef, number: number, bytes: Uint8Array, call: Call): Promise<Part>;
    complete(upload: UploadRef, parts: readonly Part[], call: Call): Promise<void>;
    abort(upload: UploadRef, call: Call): Promise<void>;
    open(prefix: string, call: Call): AsyncIterable<UploadRef>;
  };
  /** Inside the store; no byte passes through the caller. */
  copy?(from: string, to: string, call: Call): Promise<void>;
  /** Keys with this prefix, in code unit order. */
  list(prefix: string, call: Call): AsyncIterable<string>;
  /** Deleting what is not there changes nothing. */
  delete(key: string, call: Call): Promise<void>;
}
