const marker = Symbol.for('retempo.StarterError');

export type StarterProblem =
  /** No governor has this name: `retempo apply` has not been run for it. */
  | 'unknownModel'
  /**
   * No worker answered in time, or those that there are cannot carry on the governor. The request may still be carried out: ask
   * again with the same id.
   */
  | 'noWorker'
  /**
   * The Temporal server does not answer, or turns away because too many ask. Unless the message says that nothing was started,
   * the request may have reached it: ask again with the same id.
   */
  | 'unavailable'
  /**
   * The Temporal server does not let this client in, or does not have its namespace. Nothing was started: correct the client's
   * namespace, API key or certificate.
   */
  | 'noAccess'
  /** The request itself is wrong. Nothing was started. */
  | 'malformed'
  /** There is nothing that this button could act on. */
  | 'nothingToDo';

/** The one error starters throw. `problem` tells what to do; `message` says it in a sentence. */
export class StarterError extends Error {
  override readonly name = 'StarterError';
  readonly problem: StarterProblem;
  readonly [marker] = true;

  constructor(problem: StarterProblem, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.problem = problem;
  }
}

/** Holds across copies of this package, unlike `instanceof`. */
export function isStarterError(error: unknown): error is StarterError {
  return typeof error === 'object' && error !== null && marker in error;
}
