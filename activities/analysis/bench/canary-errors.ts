import { errorCells } from './canary-cells.js';
import {
  anyOf,
  argoRule,
  retempoFails,
  retempoIgnores,
  retempoPasses,
  simulateCanaries,
  zRule,
} from './canary-engine.js';
import { shareRow, type SimulationOptions, type SimulationRow } from './simulation.js';

const ALPHA = 0.05;
const SAFE_BELOW = 2;
const IGNORE_BELOW = 0.01;

/** A/A canaries: P(ever rolled back) of this package, of Argo's usual query and of an uncorrected z-test. */
const sameRates = ({ trials, seed }: SimulationOptions): SimulationRow[] =>
  errorCells().flatMap(({ setting, looks }, i) => {
    const rules = [retempoFails({ alpha: ALPHA, limit: 1 }), argoRule, zRule];
    const outcomes = simulateCanaries({ looks, ratio: 1, rules, trials, seed: seed + i });
    return outcomes.map(({ acted }, r) =>
      shareRow({
        simulation: 'A/A canary',
        setting: `${setting}, worseThan 1x, alpha ${ALPHA}`,
        rule: (rules[r] as (typeof rules)[number]).name,
        quantity: 'P(ever rolled back)',
        count: acted,
        limit: r === 0 ? { kind: 'atMost', value: ALPHA } : null,
        trials,
        seed: seed + i,
      })
    );
  });

/** Candidates exactly at `safeBelow`: P(ever advanced). The peers' rules advance whenever they do not roll back. */
const atSafeBelow = ({ trials, seed }: SimulationOptions): SimulationRow[] =>
  errorCells().flatMap(({ setting, looks }, i) => {
    const ratio = retempoPasses({ alpha: ALPHA, limit: SAFE_BELOW });
    const small = retempoIgnores({ alpha: ALPHA, limit: IGNORE_BELOW });
    const rules = [ratio, anyOf('P(ever advanced)', [ratio, small]), argoRule, zRule];
    const outcomes = simulateCanaries({ looks, ratio: SAFE_BELOW, rules, trials, seed: seed + 100 + i });
    // A rate below ignoreBelow is meant to pass: that row is about rates at or above it.
    const matters = looks.every(({ baseRate }) => baseRate * SAFE_BELOW >= IGNORE_BELOW);
    const limit = { kind: 'atMost', value: ALPHA } as const;
    const common = { simulation: 'candidate exactly at safeBelow 2x', trials, seed: seed + 100 + i };
    const rows = [
      shareRow({
        ...common,
        setting: `${setting}, ratio only`,
        quantity: 'P(ever advanced)',
        count: outcomes[0]?.acted ?? 0,
        limit,
      }),
    ];
    if (matters) {
      const withSmall = `${setting}, ratio or ignoreBelow 1 %`;
      rows.push(
        shareRow({ ...common, setting: withSmall, quantity: 'P(ever advanced)', count: outcomes[1]?.acted ?? 0, limit })
      );
    }
    for (const r of [2, 3]) {
      const missed = trials - (outcomes[r]?.acted ?? 0);
      const rule = (rules[r] as (typeof rules)[number]).name;
      rows.push(shareRow({ ...common, setting, rule, quantity: 'P(never rolled back, so promoted)', count: missed }));
    }
    return rows;
  });

/** A base rate at which the candidate is exactly at both limits, where either could pass it wrongly. */
const atBothLimits = ({ trials, seed }: SimulationOptions): SimulationRow[] => {
  const rate = IGNORE_BELOW / SAFE_BELOW;
  const looks = Array.from({ length: 100 }, () => ({
    step: 0,
    candidateUnits: 60,
    championUnits: 1_140,
    baseRate: rate,
  }));
  const rules = [
    anyOf('P(ever advanced)', [
      retempoPasses({ alpha: ALPHA, limit: SAFE_BELOW }),
      retempoIgnores({ alpha: ALPHA, limit: IGNORE_BELOW }),
    ]),
  ];
  const [outcome] = simulateCanaries({ looks, ratio: SAFE_BELOW, rules, trials, seed: seed + 200 });
  const setting = 'base 0.5 %, candidate exactly at safeBelow 2x and at ignoreBelow 1 %, split 5/95, 100 looks x 60';
  const limit = { kind: 'atMost', value: ALPHA } as const;
  const common = { simulation: 'candidate exactly at both limits', setting, quantity: 'P(ever advanced)' };
  return [shareRow({ ...common, count: outcome?.acted ?? 0, limit, trials, seed: seed + 200 })];
};

/** False rollbacks and false advances, in every cell. */
export const run = (options: SimulationOptions): readonly SimulationRow[] => [
  ...sameRates(options),
  ...atSafeBelow(options),
  ...atBothLimits(options),
];
