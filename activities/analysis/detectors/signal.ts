/** What a detector says after one value. */
export interface DriftSignal {
  /** A change was found at this value; the next one starts afresh. */
  readonly drift: boolean;
  /** The warning zone, for detectors that have one. */
  readonly warning?: boolean;
}

/** A detector that takes one value at a time. */
export interface DriftDetector {
  update(x: number): DriftSignal;
}
