// Exports a model as an ONNX graph: one lookup per categorical feature, a product for the distance, a sum, a sigmoid.
// Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
import { bytesField, floatBytes, floatField, messageField, varintField, varints } from './protobuf.js';

/** @typedef {import('./fit.js').Model} Model */

const elementType = { float: 1, int64: 7, string: 8 };
const attributeType = { float: 1, int: 2, floats: 6, ints: 7, strings: 8 };

/**
 * Inputs of the graph, each `[batch, 1]`; its output is `probability`, float `[batch, 1]`.
 * @type {Readonly<Record<string, 'string' | 'int64' | 'float'>>}
 */
const graphInputs = {
  origin: 'string',
  destination: 'string',
  hour: 'int64',
  dayOfWeek: 'int64',
  distance: 'float',
};

/**
 * The bytes of `model.onnx`. Equal models give equal bytes.
 * @param {Model} model
 * @param {{ airports?: ReadonlySet<string> }} [options] `airports`: a closed vocabulary. The graph then looks airports up
 *   by number and fails at run time for any other one; without it, an unknown airport contributes nothing.
 * @returns {Buffer}
 */
export function encodeOnnx(model, { airports } = {}) {
  const lookups = [
    airportLookup('origin', model.origin, airports),
    airportLookup('destination', model.destination, airports),
  ].flat();
  const nodes = [
    ...lookups.map((part) => part.node),
    numberLookup('hour', model.hour),
    numberLookup('dayOfWeek', model.dayOfWeek),
    node('Mul', ['distance', 'perMile'], 'distance.logit'),
    node('Sum', [...Object.keys(graphInputs).map((name) => `${name}.logit`), 'bias'], 'logit'),
    node('Sigmoid', ['logit'], 'probability'),
  ];
  const initializers = [
    tensor('bias', [model.bias]),
    tensor('perMile', [model.perMile]),
    ...lookups.flatMap(({ initializer }) => (initializer === undefined ? [] : [initializer])),
  ];
  const graph = [
    ...nodes.map((part) => messageField(1, part)),
    bytesField(2, 'flight-delay'),
    ...initializers.map((part) => messageField(5, part)),
    ...Object.entries(graphInputs).map(([name, type]) => messageField(11, value(name, elementType[type]))),
    messageField(12, value('probability', elementType.float)),
  ];
  return Buffer.concat([
    varintField(1, 8), // ir_version of ONNX 1.10 to 1.12, read by every later release
    bytesField(2, 'flight-delay'),
    messageField(7, graph),
    messageField(8, [bytesField(1, ''), varintField(2, 13)]),
    messageField(8, [bytesField(1, 'ai.onnx.ml'), varintField(2, 2)]),
  ]);
}

/**
 * The busiest airports: the smallest set that leaves out at most `share` of the flights, counting a flight as left out
 * when its origin or its destination is.
 * @param {import('./table.js').Flights} flights
 * @param {number} share
 * @returns {Set<string>}
 */
export function busiestAirports(flights, share) {
  /** @type {Map<string, number>} */
  const visits = new Map();
  for (const airport of [...flights.origin, ...flights.destination])
    visits.set(airport, (visits.get(airport) ?? 0) + 1);
  const ranked = [...visits].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).map(([airport]) => airport);
  const rank = new Map(ranked.map((airport, index) => [airport, index]));
  // A flight needs the vocabulary to reach down to the rarer one of its two airports.
  const needed = flights.origin
    .map((origin, row) => Math.max(rank.get(origin) ?? 0, rank.get(flights.destination[row]) ?? 0))
    .sort((a, b) => a - b);
  const last = needed[Math.ceil(needed.length * (1 - share)) - 1] ?? 0;
  return new Set(ranked.slice(0, last + 1));
}

/**
 * @param {string} name
 * @param {Record<string, number>} table
 * @param {ReadonlySet<string> | undefined} airports
 * @returns {{ node: Buffer[], initializer?: Buffer[] }[]}
 */
function airportLookup(name, table, airports) {
  const keys = Object.keys(table).filter((airport) => airports === undefined || airports.has(airport));
  const values = keys.map((airport) => table[airport] ?? 0);
  if (airports === undefined) {
    return [
      {
        node: node('LabelEncoder', [name], `${name}.logit`, [
          attribute(
            'keys_strings',
            'strings',
            keys.map((key) => bytesField(9, key))
          ),
          attribute('values_floats', 'floats', [bytesField(7, floatBytes(values))]),
          attribute('default_float', 'float', [floatField(2, 0)]),
        ]),
      },
    ];
  }
  return [
    {
      node: node('LabelEncoder', [name], `${name}.number`, [
        attribute(
          'keys_strings',
          'strings',
          keys.map((key) => bytesField(9, key))
        ),
        attribute('values_int64s', 'ints', [bytesField(8, varints(keys.map((_, index) => index)))]),
        // One past the end of the table: Gather refuses it when the request is served.
        attribute('default_int64', 'int', [varintField(3, keys.length)]),
      ]),
    },
    {
      node: node('Gather', [`${name}.table`, `${name}.number`], `${name}.logit`),
      initializer: tensor(`${name}.table`, values),
    },
  ];
}

/**
 * @param {string} name
 * @param {Record<string, number>} table
 */
function numberLookup(name, table) {
  return node('LabelEncoder', [name], `${name}.logit`, [
    attribute('keys_int64s', 'ints', [bytesField(8, varints(Object.keys(table).map(Number)))]),
    attribute('values_floats', 'floats', [bytesField(7, floatBytes(Object.values(table)))]),
    attribute('default_float', 'float', [floatField(2, 0)]),
  ]);
}

/**
 * @param {string} operator
 * @param {readonly string[]} inputs
 * @param {string} output
 * @param {readonly Buffer[]} [attributes]
 */
function node(operator, inputs, output, attributes = []) {
  const domain = operator === 'LabelEncoder' ? [bytesField(7, 'ai.onnx.ml')] : [];
  return [
    ...inputs.map((name) => bytesField(1, name)),
    bytesField(2, output),
    bytesField(3, output),
    bytesField(4, operator),
    ...attributes,
    ...domain,
  ];
}

/**
 * @param {string} name
 * @param {keyof typeof attributeType} type
 * @param {readonly Buffer[]} values
 */
function attribute(name, type, values) {
  return messageField(5, [bytesField(1, name), ...values, varintField(20, attributeType[type])]);
}

/**
 * @param {string} name
 * @param {readonly number[]} values
 */
function tensor(name, values) {
  return [
    bytesField(1, varints([values.length])),
    varintField(2, elementType.float),
    bytesField(8, name),
    bytesField(9, floatBytes(values)),
  ];
}

/**
 * @param {string} name
 * @param {number} type
 */
function value(name, type) {
  const shape = messageField(2, [messageField(1, [bytesField(2, 'batch')]), messageField(1, [varintField(1, 1)])]);
  return [bytesField(1, name), messageField(2, [messageField(1, [varintField(1, type), shape])])];
}
