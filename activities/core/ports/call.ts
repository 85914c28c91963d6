/** Goes with every call to the outside world. */
export interface Call {
  /** Aborted when the caller no longer waits. A port stops waiting; it never undoes what the outside has done. */
  readonly signal: AbortSignal;
  /** Epoch milliseconds after which an answer is of no use. */
  readonly deadlineMs: number;
}
