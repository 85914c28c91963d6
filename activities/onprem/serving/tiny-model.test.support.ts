// ONNX models of a few hundred bytes for tests, written by hand: just enough of the protobuf wire format and of onnx.proto (field
// numbers of ONNX 1.16, IR version 8) for a graph of a few nodes.

type Field = readonly [number, number | string | Uint8Array];

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return bytes;
}

/** One protobuf message from its fields in order; a field may repeat. */
function message(...fields: readonly Field[]): Uint8Array {
  const bytes = fields.flatMap(([number, value]) => {
    if (typeof value === 'number') return [...varint(number << 3), ...varint(value)];
    const content = typeof value === 'string' ? Buffer.from(value) : value;
    return [...varint((number << 3) | 2), ...varint(content.length), ...content];
  });
  return Uint8Array.from(bytes);
}

const elementTypes = { float: 1, int64: 7, string: 8, bool: 9, double: 11 } as const;
type ElementType = keyof typeof elementTypes;

/** A free dimension has a name instead of a size. */
type Dimension = number | string;

function valueInfo(name: string, type: ElementType, dimensions: readonly Dimension[]): Uint8Array {
  const shape = message(
    ...dimensions.map((size): Field => [1, typeof size === 'number' ? message([1, size]) : message([2, size])])
  );
  const tensor = message([1, elementTypes[type]], [2, shape]);
  return message([1, name], [2, message([1, tensor])]);
}

const floats = (name: string, dimensions: readonly number[], values: readonly number[]): Uint8Array =>
  message(...dimensions.map((size): Field => [1, size]), [2, elementTypes.float], [8, name], [9, floatBytes(values)]);

/** Values that lie in a file of their own, beside the model: `floatBytes` of them. */
const floatsElsewhere = (name: string, dimensions: readonly number[], file: string): Uint8Array =>
  message(
    ...dimensions.map((size): Field => [1, size]),
    [2, elementTypes.float],
    [8, name],
    [13, message([1, 'location'], [2, file])],
    [14, 1]
  );

/** Content of a file for {@link floatsElsewhere}. */
export const floatBytes = (values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

const node = (operator: string, inputs: readonly string[], output: string): Uint8Array =>
  message(...inputs.map((input): Field => [1, input]), [2, output], [3, output], [4, operator]);

function model(graph: {
  readonly nodes: readonly Uint8Array[];
  readonly initializers?: readonly Uint8Array[];
  readonly inputs: readonly Uint8Array[];
  readonly outputs: readonly Uint8Array[];
}): Uint8Array {
  const graphBytes = message(
    ...graph.nodes.map((bytes): Field => [1, bytes]),
    [2, 'tiny'],
    ...(graph.initializers ?? []).map((bytes): Field => [5, bytes]),
    ...graph.inputs.map((bytes): Field => [11, bytes]),
    ...graph.outputs.map((bytes): Field => [12, bytes])
  );
  return message([1, 8], [2, 'retempo-test'], [7, graphBytes], [8, message([2, 13])]);
}

/**
 * `probability[n,1] = sigmoid(x[n,1] * weight + effect[category[n]])`. A category without an effect makes the runtime fail, as
 * an encoder does that knows fewer categories than its callers.
 */
export function logisticModel(options: {
  readonly weight: number;
  readonly effects: readonly number[];
  /** File that the effects are read from; default the model itself. */
  readonly effectsFile?: string;
}): Uint8Array {
  const { effects, effectsFile } = options;
  return model({
    nodes: [
      node('Mul', ['x', 'weight'], 'slope'),
      node('Gather', ['effects', 'category'], 'effect'),
      node('Add', ['slope', 'effect'], 'logit'),
      node('Sigmoid', ['logit'], 'probability'),
    ],
    initializers: [
      floats('weight', [1], [options.weight]),
      effectsFile === undefined
        ? floats('effects', [effects.length, 1], effects)
        : floatsElsewhere('effects', [effects.length, 1], effectsFile),
    ],
    inputs: [valueInfo('x', 'float', ['n', 1]), valueInfo('category', 'int64', ['n'])],
    outputs: [valueInfo('probability', 'float', ['n', 1])],
  });
}

/** Gives back what it gets, one output `<name>_out` per input of every datatype that is served. */
export function echoModel(): Uint8Array {
  const types: readonly ElementType[] = ['float', 'double', 'int64', 'string', 'bool'];
  return model({
    nodes: types.map((type) => node('Identity', [type], `${type}_out`)),
    inputs: types.map((type) => valueInfo(type, type, ['n'])),
    outputs: types.map((type) => valueInfo(`${type}_out`, type, ['n'])),
  });
}

/** Takes a sequence of tensors, or a tensor of 16-bit floats: neither is served. */
export function unservedModel(kind: 'sequence' | 'half'): Uint8Array {
  const half = message([1, 10], [2, message([1, message([2, 'n'])])]);
  const floatTensor = message([1, message([1, elementTypes.float])]);
  const type = kind === 'half' ? message([1, half]) : message([4, message([1, floatTensor])]);
  return kind === 'half'
    ? model({
        nodes: [node('Identity', ['odd'], 'odd_out')],
        inputs: [message([1, 'odd'], [2, type])],
        outputs: [message([1, 'odd_out'], [2, type])],
      })
    : model({
        nodes: [node('SequenceLength', ['odd'], 'length')],
        inputs: [message([1, 'odd'], [2, type])],
        outputs: [valueInfo('length', 'int64', [])],
      });
}

/** Body of an inference request for {@link logisticModel}. */
export function logisticRequest(
  id: string | undefined,
  rows: readonly (readonly [x: number, category: number])[]
): string {
  return JSON.stringify({
    ...(id === undefined ? {} : { id }),
    inputs: [
      { name: 'x', shape: [rows.length, 1], datatype: 'FP32', data: rows.map(([x]) => x) },
      { name: 'category', shape: [rows.length], datatype: 'INT64', data: rows.map(([, category]) => category) },
    ],
  });
}
