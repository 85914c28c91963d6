import type { ErrorClass } from '@retempo/workflows/contracts';

const marker = Symbol.for('retempo.PortError');

/**
 * The one error a port throws. `class` decides what the caller does; `message` is one sentence that says what is wrong,
 * where, and what to do.
 */
export class PortError extends Error {
  override readonly name = 'PortError';
  readonly class: ErrorClass;
  /** The provider's own wish when to come back, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  readonly [marker] = true;

  constructor(errorClass: ErrorClass, message: string, options: { retryAfterMs?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.class = errorClass;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Holds across copies of this package, unlike `instanceof`. */
export function isPortError(error: unknown): error is PortError {
  return typeof error === 'object' && error !== null && marker in error;
}
