import type { JobIntent, JobRef, JobState } from '@retempo/workflows/contracts';
import type { Call } from './call.js';

/**
 * Runs programs somewhere. One try per call: retries, adoption of existing jobs, twins and heartbeats are made of these
 * five calls once, in `jobs/`, for every provider. Every call may throw {@link PortError}.
 */
export interface JobBackend {
  readonly capabilities: {
    /** What makes a second `create` of one key harmless: a unique name, a token, or nothing (then twins are stopped). */
    readonly create: 'name' | 'token' | 'none';
    /** Whether `find` sees a job as soon as `create` has worked. */
    readonly find: 'strong' | 'eventual';
    /** Time until an eventual `find` is believed, in milliseconds. */
    readonly consistencyMs: number;
    /** Whether a stop is visible in `describe` as ended, or only hoped for. */
    readonly stop: 'confirmed' | 'bestEffort';
  };
  /** All jobs with this key, twins included, oldest first. */
  find(key: string, call: Call): Promise<readonly FoundJob[]>;
  /** One try. Throws class `AlreadyExists` when the key exists, `UnknownOutcome` when it may have worked. */
  create(intent: JobIntent, call: Call): Promise<JobRef>;
  /** Throws class `NotFound` when there is no such job. */
  describe(ref: JobRef, call: Call): Promise<JobState>;
  /** Asks for a stop; `describe` tells when it has happened. Stopping an ended job changes nothing. */
  requestStop(ref: JobRef, call: Call): Promise<void>;
  /** Jobs with our owner tag created since `since` (ISO 8601), running or not; never anybody else's. */
  listOwned(owner: string, since: string, call: Call): AsyncIterable<OwnedJob>;
  /** Folder or prefix where the job of this key leaves its results; readable after it ended. */
  outputOf(ref: JobRef, call: Call): Promise<JobOutput>;
  /** What jobs leave behind; absent where nothing is left or the provider removes it by itself. */
  readonly leftovers?: JobLeftovers;
}

/** How the provider is rid of what jobs leave behind, after a time that is its own configuration. */
export interface JobLeftovers {
  /** Jobs with our owner tag that ended longer ago than they are kept; never a live one, never anybody else's. */
  listExpired(owner: string, call: Call): AsyncIterable<OwnedJob>;
  /**
   * Removes everything that an expired job left. Throws class `Conflict` for a job that has not expired or does not carry
   * this owner tag. Removing what is gone changes nothing.
   */
  remove(ref: JobRef, owner: string, call: Call): Promise<void>;
  /** Removes what belongs to no job and was not used for as long: copies of artifacts, half-made files of dead workers. */
  removeUnused(call: Call): Promise<void>;
}

export interface FoundJob extends JobRef {
  readonly specDigest: string;
}

export interface OwnedJob extends JobRef {
  readonly releaseId: string;
  readonly ended: boolean;
}

/** Local folders of a finished or interrupted job. Providers with remote results download or hand out their own URIs. */
export interface JobOutput {
  /** Folder whose content becomes the version or the predictions. */
  readonly outputFolder: string;
  /** Folder of checkpoints, or null when the program wrote none. A checkpoint is complete when its manifest is. */
  readonly checkpointFolder: string | null;
}
