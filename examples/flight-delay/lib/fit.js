// Logistic regression by stochastic gradient descent: calendar, distance and smoothed late rates of the airports.
import { seededRandom, shuffle } from './random.js';

/** @typedef {import('./table.js').Flights} Flights */
/** @typedef {import('./parameters.js').Parameters} Parameters */

/** Places of the weights: hours 0-23, days of the week 1-7, then the numeric features and the intercept. */
const slot = { hour: 0, dayOfWeek: 24, distance: 31, origin: 32, destination: 33, bias: 34, count: 35 };

/** Airport rates for training rows come from the other folds, so that a row's own label is never among its features. */
const folds = 5;

/** Pull of every weight but the intercept towards 0, per row: keeps rare hours from extreme weights. */
const decay = 1e-5;

/**
 * @typedef {object} Training
 * @property {Float64Array} weights Changed by `runEpoch`.
 * @property {(epoch: number) => number} runEpoch One pass, counted from 0; returns the mean log loss met on the way.
 * @property {() => Model} model The model as it now stands.
 */

/**
 * @typedef {object} Model A flight's logit is the sum of its contributions; what is not listed contributes 0. All
 *   numbers are rounded to 32 bits, so that the ONNX graph and JavaScript compute the same.
 * @property {1} v
 * @property {number} bias
 * @property {number} perMile
 * @property {Record<string, number>} hour
 * @property {Record<string, number>} dayOfWeek
 * @property {Record<string, number>} origin
 * @property {Record<string, number>} destination
 * @property {number} rows Rows it was trained on.
 */

/**
 * Prepares a training: equal arguments and equal `weights` give equal results, epoch by epoch.
 * @param {Flights} flights
 * @param {Uint8Array} labels 1 = late.
 * @param {Pick<Parameters, 'rate' | 'epochs' | 'smoothing' | 'seed'>} parameters
 * @param {ArrayLike<number>} [resumeFrom] Weights of an earlier, interrupted training.
 * @returns {Training}
 */
export function createTraining(flights, labels, { rate, epochs, smoothing, seed }, resumeFrom) {
  const rows = labels.length;
  const late = labels.reduce((sum, label) => sum + label, 0);
  if (late === 0 || late === rows) throw new Error(`cannot learn from ${rows} rows of which ${late} are late`);

  const prior = late / rows;
  const airportRate = {
    origin: airportRates(flights.origin, labels),
    destination: airportRates(flights.destination, labels),
  };
  const encoded = {
    origin: encodeOutOfFold(flights.origin, labels, prior, smoothing),
    destination: encodeOutOfFold(flights.destination, labels, prior, smoothing),
  };
  const distance = standardised(flights.distance);

  const weights = new Float64Array(slot.count);
  weights[slot.bias] = logit(prior);
  if (resumeFrom !== undefined) weights.set(Array.from(resumeFrom));

  return {
    weights,
    runEpoch(epoch) {
      const random = seededRandom(seed + Math.imul(epoch + 1, 0x9e3779b9));
      const order = shuffle(
        Uint32Array.from({ length: rows }, (_, row) => row),
        random
      );
      // Falls linearly to a fiftieth, so that the last epochs settle instead of wandering.
      const step = rate * Math.max(0.02, 1 - epoch / Math.max(1, epochs - 1));
      let loss = 0;
      for (const row of order) {
        const hour = slot.hour + flights.hour[row];
        const day = slot.dayOfWeek + flights.dayOfWeek[row] - 1;
        const x = [distance.values[row], encoded.origin[row], encoded.destination[row]];
        const z =
          weights[slot.bias] +
          weights[hour] +
          weights[day] +
          weights[slot.distance] * x[0] +
          weights[slot.origin] * x[1] +
          weights[slot.destination] * x[2];
        const p = sigmoid(z);
        loss -= Math.log(labels[row] === 1 ? p : 1 - p);
        const gradient = p - labels[row];
        weights[slot.bias] -= step * gradient;
        weights[hour] -= step * (gradient + decay * weights[hour]);
        weights[day] -= step * (gradient + decay * weights[day]);
        for (let k = 0; k < 3; k += 1) {
          weights[slot.distance + k] -= step * (gradient * x[k] + decay * weights[slot.distance + k]);
        }
      }
      return loss / rows;
    },
    model() {
      const f = Math.fround;
      const perMile = weights[slot.distance] / distance.deviation;
      const airports = (/** @type {'origin' | 'destination'} */ side) =>
        Object.fromEntries(
          [...airportRate[side]]
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([airport, seen]) => [airport, f(weights[slot[side]] * encode(seen, prior, smoothing))])
        );
      return {
        v: 1,
        bias: f(weights[slot.bias] - perMile * distance.mean),
        perMile: f(perMile),
        hour: Object.fromEntries(Array.from({ length: 24 }, (_, hour) => [hour, f(weights[slot.hour + hour])])),
        dayOfWeek: Object.fromEntries(
          Array.from({ length: 7 }, (_, day) => [day + 1, f(weights[slot.dayOfWeek + day])])
        ),
        origin: airports('origin'),
        destination: airports('destination'),
        rows,
      };
    },
  };
}

/**
 * Probabilities of being late, one per flight.
 * @param {Model} model
 * @param {Flights} flights
 * @returns {Float64Array}
 */
export function predict(model, flights) {
  return Float64Array.from(flights.flightId, (_, row) =>
    sigmoid(
      model.bias +
        model.perMile * flights.distance[row] +
        (model.hour[flights.hour[row]] ?? 0) +
        (model.dayOfWeek[flights.dayOfWeek[row]] ?? 0) +
        (model.origin[flights.origin[row]] ?? 0) +
        (model.destination[flights.destination[row]] ?? 0)
    )
  );
}

/** @param {number} p */
const logit = (p) => Math.log(p / (1 - p));

/** @param {number} z */
const sigmoid = (z) => 1 / (1 + Math.exp(-z));

/**
 * How often flights of each airport were late.
 * @param {readonly string[]} airports
 * @param {Uint8Array} labels
 * @returns {Map<string, { rows: number, late: number }>}
 */
function airportRates(airports, labels) {
  /** @type {Map<string, { rows: number, late: number }>} */
  const rates = new Map();
  for (const [row, airport] of airports.entries()) {
    const seen = rates.get(airport) ?? { rows: 0, late: 0 };
    rates.set(airport, { rows: seen.rows + 1, late: seen.late + labels[row] });
  }
  return rates;
}

/**
 * An airport's smoothed late rate, as distance from the overall one on the logit scale: 0 for an airport never seen.
 * @param {{ rows: number, late: number }} seen
 * @param {number} prior
 * @param {number} smoothing
 */
function encode({ rows, late }, prior, smoothing) {
  return rows === 0 ? 0 : logit((late + smoothing * prior) / (rows + smoothing)) - logit(prior);
}

/**
 * @param {readonly string[]} airports
 * @param {Uint8Array} labels
 * @param {number} prior
 * @param {number} smoothing
 */
function encodeOutOfFold(airports, labels, prior, smoothing) {
  const all = airportRates(airports, labels);
  const inFold = Array.from({ length: folds }, (_, fold) => {
    const rows = airports.map((_, row) => row).filter((row) => row % folds === fold);
    return airportRates(
      rows.map((row) => airports[row]),
      Uint8Array.from(rows, (row) => labels[row])
    );
  });
  return Float64Array.from(airports, (airport, row) => {
    const total = all.get(airport) ?? { rows: 0, late: 0 };
    const own = inFold[row % folds].get(airport) ?? { rows: 0, late: 0 };
    return encode({ rows: total.rows - own.rows, late: total.late - own.late }, prior, smoothing);
  });
}

/** @param {Float64Array} values */
function standardised(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const deviation = Math.sqrt(variance) || 1;
  return { values: values.map((value) => (value - mean) / deviation), mean, deviation };
}
