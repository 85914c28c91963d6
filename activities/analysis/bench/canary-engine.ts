import { countEvidence } from '../sequential/count-evidence.js';
import { DEFAULT_PRIOR_STRENGTH } from '../sequential/index.js';
import { isSmall } from '../verdicts/judge-metric-harm.js';
import { createRandom, type Random } from '../random.js';

/** What arrives between two looks. */
export interface PlannedLook {
  /** Traffic step that the look belongs to, from 0. */
  readonly step: number;
  readonly candidateUnits: number;
  readonly championUnits: number;
  /** Event rate of the champion during this look. */
  readonly baseRate: number;
}

/** Cumulative counts per step during one trial. */
export interface Tally {
  readonly candidateEvents: number[];
  readonly candidateUnits: number[];
  readonly championEvents: number[];
  readonly championUnits: number[];
}

/** A rule that looks at the counts so far and says whether it acts. */
export interface CanaryRule {
  readonly name: string;
  readonly quantity: string;
  acts(tally: Tally): boolean;
}

/** Number of events among units at a rate; replaced where events are not independent. */
export type Draw = (random: Random, units: number, rate: number) => number;

/** Independent units. */
export const independent: Draw = (random, units, rate) => random.binomial(units, rate);

const emptyTally = (): Tally => ({ candidateEvents: [], candidateUnits: [], championEvents: [], championUnits: [] });

const add = (column: number[], step: number, value: number): void => {
  column[step] = (column[step] ?? 0) + value;
};

/** Input of {@link simulateCanaries}. */
export interface CanarySimulation {
  readonly looks: readonly PlannedLook[];
  /** True ratio of the candidate's rate to the champion's. */
  readonly ratio: number;
  readonly rules: readonly CanaryRule[];
  readonly trials: number;
  readonly seed: number;
  readonly draw?: Draw;
}

/** Per rule: in how many trials it ever acted, and the looks (from 1) at which it first did. */
export interface CanaryOutcome {
  readonly acted: number;
  readonly firstLooks: readonly number[];
}

/** Runs canaries and records when each rule first acts; all rules see the same data. */
export const simulateCanaries = (simulation: CanarySimulation): readonly CanaryOutcome[] => {
  const { looks, ratio, rules, trials, seed, draw = independent } = simulation;
  const random = createRandom(seed);
  const firstLooks: number[][] = rules.map(() => []);
  for (let trial = 0; trial < trials; trial += 1) {
    const tally = emptyTally();
    const done = rules.map(() => false);
    let open = rules.length;
    for (const [i, look] of looks.entries()) {
      add(tally.candidateUnits, look.step, look.candidateUnits);
      add(tally.championUnits, look.step, look.championUnits);
      add(tally.candidateEvents, look.step, draw(random, look.candidateUnits, look.baseRate * ratio));
      add(tally.championEvents, look.step, draw(random, look.championUnits, look.baseRate));
      for (const [r, rule] of rules.entries()) {
        if (done[r] === true || !rule.acts(tally)) continue;
        done[r] = true;
        open -= 1;
        firstLooks[r]?.push(i + 1);
      }
      if (open === 0) break;
    }
  }
  return firstLooks.map((list) => ({ acted: list.length, firstLooks: list }));
};

const total = (column: readonly number[]): number => column.reduce((sum, value) => sum + value, 0);

/** Evidence over the steps of a tally at one ratio and side. */
const evidence = (tally: Tally, ratio: number, side: 'greater' | 'less', overdispersion: number): number => {
  let sum = 0;
  for (let step = 0; step < tally.candidateUnits.length; step += 1) {
    const units = (tally.candidateUnits[step] as number) + (tally.championUnits[step] as number);
    const split = {
      candidateEvents: (tally.candidateEvents[step] as number) / overdispersion,
      championEvents: (tally.championEvents[step] as number) / overdispersion,
      candidateShare: (tally.candidateUnits[step] as number) / units,
      championShare: (tally.championUnits[step] as number) / units,
    };
    sum += countEvidence(split, ratio, side, DEFAULT_PRIOR_STRENGTH);
  }
  return sum;
};

/** Options of the rules of `judgeMetric`. */
export interface RetempoOptions {
  readonly alpha: number;
  readonly limit: number;
  readonly overdispersion?: number;
}

/** Rolls back: the lower end of the ratio is above `worseThan`, without regard to the other limits. */
export const retempoFails = ({ alpha, limit, overdispersion = 1 }: RetempoOptions): CanaryRule => ({
  name: 'retempo',
  quantity: 'P(ever rolled back)',
  acts: (tally) => evidence(tally, limit, 'greater', overdispersion) >= -Math.log(alpha),
});

/** Advances: the upper end of the ratio is below `safeBelow`. */
export const retempoPasses = ({ alpha, limit, overdispersion = 1 }: RetempoOptions): CanaryRule => ({
  name: 'retempo',
  quantity: 'P(ever advanced)',
  acts: (tally) => evidence(tally, limit, 'less', overdispersion) >= -Math.log(alpha),
});

/** Advances: the candidate's own rate is proven below `ignoreBelow`. */
export const retempoIgnores = ({ alpha, limit, overdispersion = 1 }: RetempoOptions): CanaryRule => ({
  name: 'retempo',
  quantity: 'P(ever called small)',
  acts: (tally) =>
    isSmall(total(tally.candidateEvents), total(tally.candidateUnits), alpha, {
      ignoreBelow: limit,
      priorStrength: DEFAULT_PRIOR_STRENGTH,
      overdispersion,
    }),
});

/** One rule that acts when any of several does. */
export const anyOf = (quantity: string, rules: readonly CanaryRule[]): CanaryRule => ({
  name: 'retempo',
  quantity,
  acts: (tally) => rules.some((rule) => rule.acts(tally)),
});

/** Argo Rollouts' usual query: the candidate's pooled rate exceeds a multiple of the champion's at any look. */
export const argoRule: CanaryRule = {
  name: 'Argo: rate > 1.5x at any look',
  quantity: 'P(ever rolled back)',
  acts: (tally) => {
    const candidate = total(tally.candidateEvents) / total(tally.candidateUnits);
    return candidate > 1.5 * (total(tally.championEvents) / total(tally.championUnits));
  },
};

/** An uncorrected one-sided z-test of the pooled counts at 5 % at every look. */
export const zRule: CanaryRule = {
  name: 'z-test at every look, uncorrected',
  quantity: 'P(ever rolled back)',
  acts: (tally) => {
    const [x1, n1] = [total(tally.candidateEvents), total(tally.candidateUnits)];
    const [x2, n2] = [total(tally.championEvents), total(tally.championUnits)];
    const rate = (x1 + x2) / (n1 + n2);
    const variance = rate * (1 - rate) * (1 / n1 + 1 / n2);
    return variance > 0 && (x1 / n1 - x2 / n2) / Math.sqrt(variance) > 1.644_853_626_951_472;
  },
};

/** Looks of one size at one share and one base rate, in a single step. */
export const steadyLooks = (
  looks: number,
  candidateUnits: number,
  share: number,
  baseRate: (look: number) => number
): PlannedLook[] =>
  Array.from({ length: looks }, (_, i) => ({
    step: 0,
    candidateUnits,
    championUnits: Math.round((candidateUnits * (1 - share)) / share),
    baseRate: baseRate(i),
  }));

/** A ramp over several shares: `looksPerStep` looks of `units` units of both arms in each. */
export const rampLooks = (
  shares: readonly number[],
  looksPerStep: number,
  units: number,
  baseRate: (look: number) => number
): PlannedLook[] =>
  shares.flatMap((share, step) =>
    Array.from({ length: looksPerStep }, (_, i) => {
      const candidateUnits = Math.max(1, Math.round(units * share));
      const championUnits = units - candidateUnits;
      return { step, candidateUnits, championUnits, baseRate: baseRate(step * looksPerStep + i) };
    })
  );

/** A rate that swings by a factor of 3 around its middle, over 10 looks. */
export const swinging =
  (middle: number) =>
  (look: number): number =>
    middle * Math.sqrt(3) ** Math.sin((2 * Math.PI * look) / 10);
