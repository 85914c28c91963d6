/** What went wrong while a Temporal server was found, fetched or started. */
export type DevServerProblem =
  | 'unsupportedPlatform'
  | 'notExecutable'
  | 'tooOld'
  | 'noSource'
  | 'wrongHash'
  | 'corruptArchive'
  | 'portInUse'
  | 'alreadyRunning'
  | 'stateFolder'
  | 'cacheFolder'
  | 'diedAtStart'
  | 'noAnswer'
  | 'notReachable';

/** The one error of the dev server. The message says what is wrong, where, and what to do next. */
export class DevServerError extends Error {
  override readonly name = 'DevServerError';
  readonly problem: DevServerProblem;

  constructor(problem: DevServerProblem, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.problem = problem;
  }
}

/** Text of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
