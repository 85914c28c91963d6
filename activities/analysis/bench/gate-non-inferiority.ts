import { createRandom } from '../random.js';
import { runGate } from '../verdicts/index.js';
import { gateCells } from './gate-cells.js';
import { shareRow, type Simulation, type SimulationRow } from './simulation.js';

/**
 * How often the gate accepts a candidate that is worse than the champion by exactly the margin, and an equal one; beside
 * it a bootstrap interval alone, and the rule "estimate within the margin" of threshold gates. Alpha .05, 1,000 resamples;
 * the limit has half a point of room for the bootstrap, and 3 Monte-Carlo errors.
 */
export const run: Simulation = ({ trials, seed }) =>
  gateCells.flatMap((cell): SimulationRow[] => {
    const random = createRandom(seed);
    const cellTrials = Math.max(30, Math.round(trials * cell.share));
    const counts = { accepted: 0, undecided: 0, byInterval: 0, byEstimate: 0 };
    for (let trial = 0; trial < cellTrials; trial++) {
      const { verdict, checks } = runGate({ gate: { ...cell.gate, seed: trial }, rows: cell.rows(random) });
      if (verdict === 'pass') counts.accepted++;
      if (verdict === 'inconclusive') counts.undecided++;
      const compared = checks.find(({ kind }) => kind === 'notWorse')!;
      // Accuracy: higher is better, and the threshold is the negative margin.
      const sign = compared.metric === 'accuracy' ? -1 : 1;
      const worseEnd = sign === 1 ? compared.upper! : compared.lower!;
      if (sign * worseEnd <= sign * compared.threshold!) counts.byInterval++;
      if (sign * compared.estimate! <= sign * compared.threshold!) counts.byEstimate++;
    }
    const { simulation, setting } = cell;
    const base = { simulation, setting, trials: cellTrials, seed, rule: cell.rule ?? 'retempo' };
    const quantity = 'P(accepted)';
    return [
      shareRow({ ...base, quantity, count: counts.accepted, limit: cell.accepts }),
      shareRow({ ...base, quantity: 'P(inconclusive)', count: counts.undecided }),
      shareRow({ ...base, rule: 'bootstrap interval alone', quantity, count: counts.byInterval }),
      shareRow({ ...base, rule: 'estimate within the margin', quantity, count: counts.byEstimate }),
    ];
  });
