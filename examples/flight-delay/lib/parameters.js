// What the model file may set under `train.parameters`.

/**
 * @typedef {object} Parameters
 * @property {number} rate Step size of the first epoch; later epochs take smaller steps.
 * @property {number} epochs Passes over the training rows.
 * @property {number} smoothing Rows of the overall late rate that are added to every airport's own.
 * @property {number} seed Order of the rows in each epoch, and of shuffled labels.
 * @property {number} secondsPerEpoch Pacing: an epoch that ends earlier waits. Lets a demonstration interrupt a training
 *   that would otherwise take a second; changes nothing about the result.
 * @property {boolean} shuffleLabels For drills: learns from labels dealt to the wrong rows. The result is a bad model.
 * @property {boolean} strictAirports For drills: exports an ONNX graph that knows only the busiest airports and fails
 *   for the rest, about 5 % of flights. `predict.js` knows them all, so an evaluation shows nothing.
 */

/** @type {Readonly<Parameters>} */
export const defaults = {
  rate: 0.05,
  epochs: 20,
  smoothing: 200,
  seed: 1,
  secondsPerEpoch: 0,
  shuffleLabels: false,
  strictAirports: false,
};

/** @type {Readonly<Record<string, { integer?: boolean, above?: number, min?: number, max: number }>>} */
const ranges = {
  rate: { above: 0, max: 1 },
  epochs: { integer: true, min: 1, max: 10_000 },
  smoothing: { min: 1, max: 1e6 },
  seed: { integer: true, min: 0, max: 2 ** 32 - 1 },
  secondsPerEpoch: { min: 0, max: 3_600 },
};

/**
 * Checks parameters and fills in the defaults. Throws on an unknown name or a value out of range.
 * @param {Record<string, unknown>} given
 * @returns {Parameters}
 */
export function parseParameters(given) {
  for (const [name, value] of Object.entries(given)) {
    const wanted = /** @type {Record<string, unknown>} */ (defaults)[name];
    if (wanted === undefined) {
      throw new Error(`unknown parameter "${name}"; known are: ${Object.keys(defaults).join(', ')}`);
    }
    if (typeof value !== typeof wanted) {
      throw new Error(`parameter ${name}: expected a ${typeof wanted}, got ${JSON.stringify(value)}`);
    }
    const range = ranges[name];
    if (range !== undefined && !inside(Number(value), range)) {
      throw new Error(`parameter ${name}: ${String(value)} is out of range (${describe(range)})`);
    }
  }
  return { ...defaults, ...given };
}

/**
 * @param {number} value
 * @param {{ integer?: boolean, above?: number, min?: number, max: number }} range
 */
function inside(value, { integer = false, above = -Infinity, min = -Infinity, max }) {
  return value > above && value >= min && value <= max && (!integer || Number.isInteger(value));
}

/** @param {{ integer?: boolean, above?: number, min?: number, max: number }} range */
function describe({ integer = false, above, min, max }) {
  const from = above === undefined ? `from ${min}` : `above ${above}`;
  return `${integer ? 'a whole number ' : ''}${from} up to ${max}`;
}
