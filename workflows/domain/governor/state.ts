import type { Decision, ReleasePhase, Trigger, VersionId, WaitingFor } from '../../contracts/index.js';

/** What a governor remembers. JSON-safe; saved to the registry at every decision and carried over continue-as-new. */
export interface GovernorState {
  readonly v: 1;
  /** Counts decisions; a saved snapshot with a lower number never replaces a newer one. */
  readonly revision: number;
  /** Number of runs accepted so far; the next run is `seq + 1`. */
  readonly seq: number;
  readonly champion: VersionId | null;
  readonly running: RunningRelease | null;
  /** Causes of exactly one next run; its id is reserved by the first of them. */
  readonly next: NextRun | null;
  /** Drift that has been confirmed and not yet led to a run. */
  readonly drift: { readonly windowId: string; readonly reason: string } | null;
  /** Bad windows that are not enough yet. */
  readonly suspect: { readonly windowId: string; readonly reason: string } | null;
  /** Holds while a champion serves: see `coolUntil`. */
  readonly cooldownUntil: number;
  /** 1, 2, 4 or 8: doubled by a retrain that did not help. */
  readonly cooldownFactor: number;
  /** Start times of accepted runs inside the budget's period, oldest first. */
  readonly starts: readonly number[];
  readonly hold: { readonly reason: string; readonly until: number | null } | null;
  readonly paused: { readonly by: string; readonly reason: string; readonly since: number } | null;
  /** Consecutive runs without a usable result. */
  readonly failures: number;
  /** When the last run ended or, before the first, when the governor was created: start of the maximum age. */
  readonly ageFrom: number;
  /** First answers: trigger key and index into `outcomes`, oldest first; forgotten beyond {@link rememberedAnswers}. */
  readonly answered: readonly (readonly [key: string, outcome: number])[];
  /** The distinct answers that were given: a storm of triggers gets few of them. */
  readonly outcomes: readonly GivenAnswer[];
  /** Newest first; the registry keeps all. */
  readonly decisions: readonly Decision[];
  /** Windows already reported, as `windowId part revision`, newest last. */
  readonly windows: readonly string[];
}

export interface RunningRelease {
  readonly runId: string;
  readonly seq: number;
  readonly phase: ReleasePhase;
  readonly since: number;
  readonly causes: number;
  readonly byDrift: boolean;
  readonly requestedBy: readonly string[];
  readonly cause: string;
  /** When the release last reported or was last described. */
  readonly heardAt: number;
  readonly waitingFor: WaitingFor | null;
  /** False until the release was started for certain. */
  readonly started: boolean;
}

export interface NextRun {
  readonly runId: string;
  readonly causes: number;
  readonly cause: string;
  readonly byDrift: boolean;
  readonly requestedBy: readonly string[];
  readonly forced: boolean;
}

export type GivenAnswer = readonly [answer: 'accepted' | 'coalesced' | 'refused', runId: string | null, reason: string];

/** About 25 bytes each: far beyond what redelivery spreads over, and small enough to be saved with every decision. */
export const rememberedAnswers = 1_000;
const rememberedDecisions = 20;
export const rememberedWindows = 40;
export const longestCooldownFactor = 8;
/** Longest hold after a run without a usable result while no version serves yet. */
export const longestFirstHoldMs = 3_600_000;

export function initialGovernor(now: number): GovernorState {
  return {
    v: 1,
    revision: 0,
    seq: 0,
    champion: null,
    running: null,
    next: null,
    drift: null,
    suspect: null,
    cooldownUntil: 0,
    cooldownFactor: 1,
    starts: [],
    hold: null,
    paused: null,
    failures: 0,
    ageFrom: now,
    answered: [],
    outcomes: [],
    decisions: [],
    windows: [],
  };
}

/** Adds a decision and counts the revision: whatever calls this is saved before it is answered. */
export function decided(state: GovernorState, decision: Decision): GovernorState {
  return {
    ...state,
    revision: state.revision + 1,
    decisions: [{ n: state.revision + 1, ...decision }, ...state.decisions].slice(0, rememberedDecisions),
  };
}

export function remember(state: GovernorState, key: string, given: GivenAnswer): GovernorState {
  const known = state.outcomes.findIndex((other) => other.every((part, i) => part === given[i]));
  const outcomes = known === -1 ? [...state.outcomes, given] : state.outcomes;
  const answered = [...state.answered, [key, known === -1 ? outcomes.length - 1 : known] as const].slice(
    -rememberedAnswers
  );
  return { ...state, ...compact(answered, outcomes) };
}

/** Drops answers that no remembered key points to any more. */
function compact(answered: GovernorState['answered'], outcomes: GovernorState['outcomes']) {
  const used = [...new Set(answered.map(([, index]) => index))].sort((a, b) => a - b);
  if (used.length === outcomes.length) return { answered, outcomes };
  const renumbered = new Map(used.map((index, i) => [index, i]));
  return {
    answered: answered.map(([key, index]) => [key, renumbered.get(index)!] as const),
    outcomes: used.map((index) => outcomes[index]!),
  };
}

/** The first answer to a trigger, or undefined when it is new. */
export function answeredBefore(state: GovernorState, key: string): GivenAnswer | undefined {
  const index = state.answered.find(([known]) => known === key)?.[1];
  return index === undefined ? undefined : state.outcomes[index];
}

/** One person or source never fills the list of requesters. */
export function addRequester(list: readonly string[], trigger: Trigger): readonly string[] {
  return list.includes(trigger.actor) || list.length >= 20 ? list : [...list, trigger.actor];
}
