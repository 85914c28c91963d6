import { realpathSync } from 'node:fs';
import type { JobIntent, JobOutcome } from '@retempo/workflows/contracts';
import { readJson } from './atomic-file.js';
import type { ProcessIdentity } from '@retempo/activities/processes';

/** Paths of everything that one job leaves on disk. */
export interface JobPaths {
  readonly folder: string;
  /** Written once, together with the folder: {@link JobRecord}. */
  readonly record: string;
  /** {@link StateRecord}, written only by the supervisor that holds {@link supervisor}. */
  readonly state: string;
  /** {@link StopRecord}, written once by whoever asks for a stop first. */
  readonly stop: string;
  /** Claim of the one supervisor. */
  readonly supervisor: string;
  readonly input: string;
  readonly work: string;
  readonly temporary: string;
  readonly output: string;
  readonly checkpoint: string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Keys are `jobKey(...)`: 64 hex digits. Anything else never becomes a path. */
export const isJobKey = (key: string): boolean => /^[0-9a-f]{64}$/.test(key);

export const jobsFolder = (root: string): string => `${root}/jobs`;
export const journalPath = (root: string): string => `${root}/journal.ndjson`;
export const poolFolder = (root: string, pool: string): string => `${root}/pools/${pool}`;
export const cacheFolder = (root: string): string => `${root}/cache`;

export function jobPaths(root: string, key: string): JobPaths {
  const folder = `${jobsFolder(root)}/${key}`;
  return {
    folder,
    record: `${folder}/job.json`,
    state: `${folder}/state.json`,
    stop: `${folder}/stop.json`,
    supervisor: `${folder}/supervisor`,
    input: `${folder}/input.json`,
    work: `${folder}/work`,
    temporary: `${folder}/tmp`,
    output: `${folder}/output`,
    checkpoint: `${folder}/checkpoint`,
    stdout: `${folder}/stdout.log`,
    stderr: `${folder}/stderr.log`,
  };
}

/** What `create` writes: the intent and when it was first seen here. */
export interface JobRecord {
  readonly v: 1;
  readonly intent: JobIntent;
  readonly pool: string;
  /** ISO 8601. */
  readonly createdAt: string;
}

export interface StopRecord {
  readonly v: 1;
  /** ISO 8601. */
  readonly at: string;
}

/**
 * Where a job is. A job without a state file waits for its inputs. `launching` is written before the program is started
 * and `running` after: a supervisor that dies in between leaves `launching`, and its successor looks for the program
 * instead of starting a second one.
 */
export type StateRecord =
  | { readonly v: 1; readonly phase: 'queued' | 'preparing' | 'launching' }
  | {
      readonly v: 1;
      readonly phase: 'running';
      /** Null when the supervisor died before it could write down which process it had started. */
      readonly program: ProcessIdentity | null;
      /** ISO 8601. */
      readonly startedAt: string;
    }
  | { readonly v: 1; readonly phase: 'ended'; readonly outcome: JobOutcome };

/** What the worker hands to the supervisor on stdin: the only way that secrets take. */
export interface SupervisorOrder {
  readonly v: 1;
  readonly root: string;
  readonly key: string;
  readonly slots: number;
  readonly stopGraceMs: number;
  /** Size at which a log file is rotated, in bytes; one older file is kept. */
  readonly logBytes: number;
  /** Environment from the intent with secrets resolved. */
  readonly env: { readonly [name: string]: string };
  /** Local folders with verified content. */
  readonly folders: {
    readonly code: string | null;
    readonly checkpoint: string | null;
    readonly inputs: { readonly [name: string]: string };
  };
  /** The job cannot be started, for good: the outcome to record. */
  readonly refusal: JobOutcome | null;
}

export const readRecord = (paths: JobPaths): JobRecord | null => readJson(paths.record) as JobRecord | null;
export const readState = (paths: JobPaths): StateRecord | null => readJson(paths.state) as StateRecord | null;

/**
 * Environment entry by which the processes of a job are recognised: the folder of the job. The key alone would not do:
 * two installations on one machine that train a model of the same name have jobs with the same keys.
 */
export const jobMarker = (root: string, key: string): string =>
  `RETEMPO_JOB_FOLDER=${jobPaths(realpathSync(root), key).folder}`;
