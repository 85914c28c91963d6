import { rampLooks, steadyLooks, swinging, type PlannedLook } from './canary-engine.js';

/** One setting of the error simulations. */
export interface Cell {
  readonly setting: string;
  readonly looks: readonly PlannedLook[];
}

const percent = (rate: number): string => `${Number((rate * 100).toPrecision(3))} %`;

/**
 * Error rates .1, 1, 5 % x splits 1/99, 5/95, 50/50 x 12 looks of 200 and 500 looks of 20 candidate requests; the same
 * with a moving base rate; ramps 1-5-10-25-50 % with a constant and a moving base rate.
 */
export const errorCells = (): readonly Cell[] => {
  const cells: Cell[] = [];
  for (const rate of [0.001, 0.01, 0.05]) {
    for (const share of [0.01, 0.05, 0.5]) {
      for (const [looks, units] of [
        [12, 200],
        [500, 20],
      ] as const) {
        const setting = `base ${percent(rate)}, split ${share * 100}/${100 - share * 100}, ${looks} looks x ${units} candidate requests`;
        cells.push({ setting, looks: steadyLooks(looks, units, share, () => rate) });
      }
    }
    const moving = `base around ${percent(rate)} moving by a factor of 3`;
    cells.push({
      setting: `${moving}, split 5/95, 60 looks x 100 candidate requests`,
      looks: steadyLooks(60, 100, 0.05, swinging(rate)),
    });
    const shares = [0.01, 0.05, 0.1, 0.25, 0.5];
    const ramp = 'ramp 1-5-10-25-50 %, 8 looks x 2000 requests of both arms each';
    cells.push({ setting: `base ${percent(rate)}, ${ramp}`, looks: rampLooks(shares, 8, 2_000, () => rate) });
    cells.push({ setting: `${moving}, ${ramp}`, looks: rampLooks(shares, 8, 2_000, swinging(rate)) });
  }
  return cells;
};
