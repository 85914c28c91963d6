/** Options of every simulation of this folder. */
export interface SimulationOptions {
  /** Independent trials per row; a simulation may print fewer where a trial is long, and says so in `setting`. */
  readonly trials: number;
  /** Whole number; the same seed gives the same rows. */
  readonly seed: number;
}

/** One measured row. */
export interface SimulationRow {
  /** Which simulation, such as `A/A canary`. */
  readonly simulation: string;
  /** Everything that the number depends on, in words. */
  readonly setting: string;
  /** Which rule decided: `retempo`, or the name of a peer's rule. */
  readonly rule: string;
  /** What was counted, such as `P(ever rolled back)`. */
  readonly quantity: string;
  /** The measured value: a share of trials, or a median. */
  readonly measured: number;
  /** Monte-Carlo standard error of `measured`. */
  readonly monteCarloError: number;
  /** What must hold; null for rows that are printed for comparison only. */
  readonly limit: { readonly kind: 'atMost' | 'atLeast'; readonly value: number } | null;
  /** Whether the limit holds (with 3 Monte-Carlo errors of room where `limit` is about a probability); true without one. */
  readonly pass: boolean;
  readonly trials: number;
  readonly seed: number;
}

/** A simulation module exports `run` of this type. */
export type Simulation = (options: SimulationOptions) => readonly SimulationRow[];

/** Standard error of a share measured over independent trials; at least that of one trial in the count. */
export const shareError = (share: number, trials: number): number =>
  Math.sqrt(Math.max(share * (1 - share), 1 / trials) / trials);

/** What {@link shareRow} needs to know about a row. */
export interface ShareRowInput extends SimulationOptions {
  readonly simulation: string;
  readonly setting: string;
  readonly rule?: string;
  readonly quantity: string;
  /** Trials in which it happened. */
  readonly count: number;
  readonly limit?: { readonly kind: 'atMost' | 'atLeast'; readonly value: number } | null;
}

/**
 * A row for a share of trials. The limit holds within 3 Monte-Carlo errors taken at the limit itself, so that a short
 * run neither passes by luck of a small variance nor fails a rule that is exactly at its limit.
 */
export const shareRow = (input: ShareRowInput): SimulationRow => {
  const { simulation, setting, quantity, trials, seed, count, rule = 'retempo', limit = null } = input;
  const measured = count / trials;
  const room = limit === null ? 0 : 3 * shareError(limit.value, trials);
  const pass =
    limit === null || (limit.kind === 'atMost' ? measured <= limit.value + room : measured >= limit.value - room);
  const monteCarloError = shareError(measured, trials);
  return { simulation, setting, rule, quantity, measured, monteCarloError, limit, pass, trials, seed };
};
