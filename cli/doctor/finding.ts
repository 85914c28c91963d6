import { failureOf } from '../failure.js';

/** One thing that was looked at. */
export interface Finding {
  readonly level: 'ok' | 'warning' | 'error';
  /** What was looked at: `queue retempo.control`, `disk`. */
  readonly what: string;
  /** What is so, and for a problem what to do. */
  readonly message: string;
}

/** Runs one check; what it throws is a finding of its own. */
export async function finding(what: string, look: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await look();
  } catch (error) {
    return [{ level: 'error', what, message: failureOf(error).message }];
  }
}
