import type { ArtifactRef } from './artifacts.js';
import type { ErrorClass } from './failures.js';
import type { Json } from './json.js';

/** What to run: exactly one of an image by digest, a command, or a provider's own kind of job. */
export type Program =
  | { readonly image: string }
  | { readonly command: readonly string[] }
  | { readonly native: { readonly [key: string]: Json } };

/**
 * Everything a backend needs to create one job. The same intent always has the same `key`; a second job with the same
 * key is a twin and is stopped.
 */
export interface JobIntent {
  /** `jobKey(releaseId, step, attempt)`: 64 hex digits. Name, token or label of the job at the provider. */
  readonly key: string;
  readonly releaseId: string;
  readonly step: string;
  /** Chosen by the workflow, from 1; a new attempt is a new job. */
  readonly attempt: number;
  /** Digest of `spec`; an existing job with the same key and another digest is a conflict, never adopted. */
  readonly specDigest: string;
  /** Owner tag of this installation; the reaper touches nothing without it. */
  readonly owner: string;
  /** Name of the pool at the site, such as `cpu` or `h100`. */
  readonly pool?: string;
  readonly spec: JobSpec;
}

export interface JobSpec {
  readonly program: Program;
  /** Files of the program, made available as its working folder. */
  readonly code?: ArtifactRef;
  /** Artifacts made available as local folders; the program finds their paths in `RETEMPO_INPUT` under `inputs.<name>`. */
  readonly inputs: { readonly [name: string]: ArtifactRef };
  /** Handed to the program in `RETEMPO_INPUT` under `parameters`. */
  readonly parameters: { readonly [name: string]: Json };
  /** Extra environment of the program; a value `secret:<name>` is resolved by the provider and never recorded. */
  readonly env?: { readonly [name: string]: string };
  /** Checkpoint to resume from. The program finds its folder in `RETEMPO_CHECKPOINT`. */
  readonly checkpoint?: ArtifactRef;
  readonly accelerator?: { readonly kind: string; readonly count: number };
  readonly replicas?: number;
  readonly capacity: 'onDemand' | 'spot' | 'reserved' | 'flex';
  /** The program is stopped after this time of running. */
  readonly timeoutMs: number;
}

/** Points at one job; at most 1 KiB; enough for any other worker of the site. */
export interface JobRef {
  readonly v: 1;
  readonly site: string;
  /** The provider's own id. */
  readonly id: string;
  readonly key: string;
}

export type JobResult = 'succeeded' | 'failed' | 'stopped' | 'preempted' | 'lost' | 'unknown';

export interface JobOutcome {
  readonly result: JobResult;
  /** Why it did not succeed; absent on success. */
  readonly class?: ErrorClass;
  /** At most 2 KiB, ending in the tail of the program's log when the program failed. */
  readonly message: string;
  /** ISO 8601, as the provider reports it. */
  readonly startedAt?: string;
  readonly endedAt?: string;
  readonly billedSeconds?: number;
}

export type JobState =
  | {
      readonly phase: 'queued' | 'starting' | 'running' | 'stopping';
      /** Last progress line of the program, or what a queued job waits for. */
      readonly progress?: Json;
    }
  | { readonly phase: 'ended'; readonly outcome: JobOutcome };
