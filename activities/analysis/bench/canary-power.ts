import { powerCount } from '../verdicts/power-count.js';
import {
  argoRule,
  retempoFails,
  retempoIgnores,
  retempoPasses,
  simulateCanaries,
  steadyLooks,
  zRule,
  type CanaryRule,
} from './canary-engine.js';
import { shareRow, type SimulationOptions, type SimulationRow } from './simulation.js';

const ALPHA = 0.05;

interface PowerCase {
  readonly ratio: number;
  readonly share: number;
  readonly limit: number;
}

/** Least shares to catch: champion control at 5/95, matched baseline at 50/50 (measured 60 %: 57 % must hold). */
const CASES: readonly PowerCase[] = [
  { ratio: 2, share: 0.05, limit: 0.9 },
  { ratio: 3, share: 0.05, limit: 0.999 },
  { ratio: 2, share: 0.5, limit: 0.57 },
];

const caught = ({ trials, seed }: SimulationOptions): SimulationRow[] =>
  CASES.flatMap(({ ratio, share, limit }, i) => {
    const rules = [retempoFails({ alpha: ALPHA, limit: 1 }), argoRule, zRule];
    const looks = steadyLooks(12, 200, share, () => 0.01);
    return simulateCanaries({ looks, ratio, rules, trials, seed: seed + i }).map(({ acted }, r) =>
      shareRow({
        simulation: 'power',
        setting: `${ratio}x errors, base 1 %, split ${share * 100}/${100 - share * 100}, 12 looks x 200 candidate requests, worseThan 1x, alpha ${ALPHA}`,
        rule: (rules[r] as (typeof rules)[number]).name,
        quantity: 'P(caught)',
        count: acted,
        limit: r === 0 ? { kind: 'atLeast', value: limit } : null,
        trials,
        seed: seed + i,
      })
    );
  });

/** A healthy candidate advances within the n that the planner printed for it (5/95, safeBelow 2x, worseThan 1x). */
const healthy = ({ trials, seed }: SimulationOptions): SimulationRow[] =>
  [
    { baseRate: 0.01, looks: 60, perLook: 100 },
    { baseRate: 0.005, looks: 60, perLook: 200 },
    { baseRate: 0.001, looks: 60, perLook: 1_000 },
  ].map(({ baseRate, looks, perLook }, i) => {
    const plan = powerCount({
      baseRate,
      ratio: 1,
      allowedRatio: 1,
      safeBelow: 2,
      share: 0.05,
      alpha: ALPHA,
      looks,
      perLook,
      seed: seed + 50 + i,
      trials: 10_000,
    });
    const planned = plan.passUnits95 ?? looks * perLook;
    const quantity = 'P(advanced, not rolled back, within the planned n)';
    const passes = retempoPasses({ alpha: ALPHA, limit: 2 });
    const outcomes = simulateCanaries({
      looks: steadyLooks(planned / perLook, perLook, 0.05, () => baseRate),
      ratio: 1,
      rules: [firstOf(passes, retempoFails({ alpha: ALPHA, limit: 1 }), quantity)],
      trials,
      seed: seed + 60 + i,
    });
    const setting = `base ${baseRate * 100} %, split 5/95, a look every ${perLook} candidate requests, planned n ${planned}, safeBelow 2x, worseThan 1x`;
    const limit = { kind: 'atLeast', value: 0.95 } as const;
    const count = outcomes[0]?.acted ?? 0;
    return shareRow({
      simulation: 'healthy candidate',
      setting,
      quantity,
      count,
      limit,
      trials,
      seed: seed + 60 + i,
    });
  });

/** Acts when `wanted` does before `unwanted` ever did in the trial; a fresh tally starts a new trial. */
const firstOf = (wanted: CanaryRule, unwanted: CanaryRule, quantity: string): CanaryRule => {
  const lost = new WeakSet<object>();
  return {
    name: 'retempo',
    quantity,
    acts: (tally) => {
      if (lost.has(tally)) return false;
      if (wanted.acts(tally)) return true;
      if (unwanted.acts(tally)) lost.add(tally);
      return false;
    },
  };
};

const small = ({ trials, seed }: SimulationOptions): SimulationRow[] => {
  const rows: SimulationRow[] = [];
  for (const [i, rate] of [0, 0.0001, 0.0005].entries()) {
    const looks = steadyLooks(66, 5, 0.05, () => rate);
    const rules = [retempoIgnores({ alpha: ALPHA, limit: 0.01 })];
    const [outcome] = simulateCanaries({ looks, ratio: 1, rules, trials, seed: seed + 80 + i });
    const setting = `error rate ${rate * 100} %, ignoreBelow 1 %, 66 looks x 5 candidate requests (330)`;
    // Without an error 330 requests suffice; at .05 % an error within them happens in 1 - .9995^330 = 15 % of trials.
    const limit = { kind: 'atLeast', value: (1 - rate) ** 330 } as const;
    const common = { simulation: 'almost no errors', trials, seed: seed + 80 + i };
    rows.push(
      shareRow({ ...common, setting, quantity: 'P(advanced within 330 requests)', count: outcome?.acted ?? 0, limit })
    );
  }
  for (const [i, [looks, units]] of (
    [
      [12, 200],
      [500, 20],
      [2_000, 5],
    ] as const
  ).entries()) {
    const rules = [retempoIgnores({ alpha: ALPHA, limit: 0.01 })];
    const plan = steadyLooks(looks, units, 0.05, () => 0.01);
    const [outcome] = simulateCanaries({ looks: plan, ratio: 1, rules, trials, seed: seed + 90 + i });
    const setting = `candidate truly at ignoreBelow 1 %, ${looks} looks x ${units} candidate requests`;
    const common = { simulation: 'own rate exactly at ignoreBelow', trials, seed: seed + 90 + i };
    const limit = { kind: 'atMost', value: ALPHA } as const;
    rows.push(shareRow({ ...common, setting, quantity: 'P(ever called small)', count: outcome?.acted ?? 0, limit }));
  }
  return rows;
};

/** What is caught, what advances, and what is too small to matter. */
export const run = (options: SimulationOptions): readonly SimulationRow[] => [
  ...caught(options),
  ...healthy(options),
  ...small(options),
];
