// Tensors between the JSON of the Open Inference Protocol v2 and ONNX Runtime. Everything a caller can get wrong is found here and
// said in one sentence that names the input.

/** A request that the caller has to change: answered with 400. */
export class BadRequest extends Error {
  override readonly name = 'BadRequest';
}

type TypedArray = Float32Array | Float64Array | BigInt64Array | Int32Array | Uint8Array | string[];

interface DataType {
  /** Name of the type in ONNX Runtime. */
  readonly runtime: 'string' | 'int64' | 'int32' | 'float32' | 'float64' | 'bool';
  readonly expected: string;
  readonly accepts: (value: unknown) => boolean;
  readonly pack: (values: readonly unknown[]) => TypedArray;
}

const isNumber = (value: unknown) => typeof value === 'number';
const isInteger = (value: unknown) => Number.isSafeInteger(value);
const isInt32 = (value: unknown) => Number.isInteger(value) && (value as number) === ((value as number) | 0);

/** Datatypes of the protocol that the model server takes; its name to how it is checked and packed. */
const dataTypes: ReadonlyMap<string, DataType> = new Map<string, DataType>([
  [
    'BYTES',
    {
      runtime: 'string',
      expected: 'strings',
      accepts: (value) => typeof value === 'string',
      pack: (values) => values as string[],
    },
  ],
  [
    'INT64',
    {
      runtime: 'int64',
      expected: 'whole numbers within 2^53',
      accepts: isInteger,
      pack: (values) => BigInt64Array.from(values as number[], BigInt),
    },
  ],
  [
    'INT32',
    {
      runtime: 'int32',
      expected: 'whole numbers of 32 bits',
      accepts: isInt32,
      pack: (values) => Int32Array.from(values as number[]),
    },
  ],
  [
    'FP32',
    {
      runtime: 'float32',
      expected: 'numbers',
      accepts: isNumber,
      pack: (values) => Float32Array.from(values as number[]),
    },
  ],
  [
    'FP64',
    {
      runtime: 'float64',
      expected: 'numbers',
      accepts: isNumber,
      pack: (values) => Float64Array.from(values as number[]),
    },
  ],
  [
    'BOOL',
    {
      runtime: 'bool',
      expected: 'true or false',
      accepts: (value) => typeof value === 'boolean',
      pack: (values) => Uint8Array.from(values as boolean[], Number),
    },
  ],
]);

const dataTypeOfRuntime = new Map([...dataTypes].map(([name, { runtime }]) => [runtime as string, name]));

/** Protocol name of a type of ONNX Runtime, or undefined when the server does not take it. */
export const dataTypeName = (runtime: string): string | undefined => dataTypeOfRuntime.get(runtime);

/** One input or output of a model: `null` in the shape is a free dimension, `-1` in the protocol. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly (number | null)[];
}

interface PackedTensor {
  readonly runtime: DataType['runtime'];
  readonly data: TypedArray;
  readonly shape: readonly number[];
}

const isObject = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

// Never the whole of what a caller sent, and never a walk into it.
function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 60)) : String(value);
}

const protocolShape = (shape: TensorSpec['shape']) => `[${shape.map((size) => size ?? -1).join(', ')}]`;

// Data may be nested like the shape or flat in row-major order; depth is bounded by the number of dimensions.
function flatten(data: unknown, depth: number): readonly unknown[] {
  if (!Array.isArray(data)) throw new BadRequest('must be an array');
  if (!data.some(Array.isArray)) return data;
  if (depth <= 1) throw new BadRequest('is nested deeper than its shape');
  return data.flatMap((row) => flatten(row, depth - 1));
}

function packTensor(spec: TensorSpec, given: { readonly [key: string]: unknown }): PackedTensor {
  const where = `input "${spec.name}"`;
  const type = dataTypes.get(spec.datatype);
  if (type === undefined)
    throw new Error(`${where}: datatype ${spec.datatype} of the model is not supported; cast it in the model`);
  if (given['datatype'] !== spec.datatype) {
    throw new BadRequest(`${where}: datatype must be ${spec.datatype}, got ${shown(given['datatype'])}`);
  }
  const { shape } = given;
  if (!Array.isArray(shape) || !shape.every((size) => Number.isInteger(size) && size >= 0)) {
    throw new BadRequest(`${where}: shape must be an array of whole numbers`);
  }
  const sizes = shape as number[];
  const fits = sizes.length === spec.shape.length && spec.shape.every((size, i) => size === null || size === sizes[i]);
  if (!fits) throw new BadRequest(`${where}: shape must be ${protocolShape(spec.shape)}, got [${sizes.join(', ')}]`);
  let values: readonly unknown[];
  try {
    values = flatten(given['data'], sizes.length);
  } catch (error) {
    if (error instanceof BadRequest) throw new BadRequest(`${where}: data ${error.message}`);
    throw error;
  }
  const count = sizes.reduce((product, size) => product * size, 1);
  if (values.length !== count) {
    throw new BadRequest(`${where}: shape [${sizes.join(', ')}] needs ${count} values, got ${values.length}`);
  }
  const wrong = values.findIndex((value) => !type.accepts(value));
  if (wrong >= 0) {
    throw new BadRequest(
      `${where}: ${spec.datatype} data must be ${type.expected}, got ${shown(values[wrong])} at position ${wrong}`
    );
  }
  return { runtime: type.runtime, data: type.pack(values), shape: sizes };
}

/** A checked inference request. */
export interface InferRequest {
  readonly id: string | undefined;
  readonly inputs: ReadonlyMap<string, PackedTensor>;
  /** Names of the outputs that are wanted; all when absent. */
  readonly outputs: readonly string[] | undefined;
}

/** Checks an inference request against what the model takes. Throws {@link BadRequest}. */
export function readInferRequest(
  body: unknown,
  model: { inputs: readonly TensorSpec[]; outputs: readonly TensorSpec[] }
): InferRequest {
  if (!isObject(body)) throw new BadRequest('the body must be a JSON object');
  const { id, inputs, outputs } = body;
  if (id !== undefined && typeof id !== 'string') throw new BadRequest('id must be a string');
  if (!Array.isArray(inputs)) throw new BadRequest('inputs must be an array');
  const given = new Map<string, { readonly [key: string]: unknown }>();
  for (const input of inputs as unknown[]) {
    if (!isObject(input) || typeof input['name'] !== 'string') throw new BadRequest('every input needs a name');
    if (given.has(input['name'])) throw new BadRequest(`input "${input['name']}" is given twice`);
    given.set(input['name'], input);
  }
  const names = model.inputs.map(({ name }) => name);
  const unknown = [...given.keys()].find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new BadRequest(`there is no input "${unknown.slice(0, 80)}"; the model takes ${names.join(', ')}`);
  const packed = model.inputs.map((spec): [string, PackedTensor] => {
    const input = given.get(spec.name);
    if (input === undefined) throw new BadRequest(`input "${spec.name}" is missing`);
    return [spec.name, packTensor(spec, input)];
  });
  return { id, inputs: new Map(packed), outputs: readWantedOutputs(outputs, model.outputs) };
}

function readWantedOutputs(outputs: unknown, known: readonly TensorSpec[]): readonly string[] | undefined {
  if (outputs === undefined) return undefined;
  if (!Array.isArray(outputs)) throw new BadRequest('outputs must be an array');
  if (outputs.length === 0) return undefined;
  const names = known.map(({ name }) => name);
  return (outputs as unknown[]).map((output) => {
    const name = isObject(output) ? output['name'] : undefined;
    if (typeof name !== 'string' || !names.includes(name)) {
      throw new BadRequest(`every wanted output must be named and one of ${names.join(', ')}`);
    }
    return name;
  });
}

/** Values of an output as JSON carries them; numbers that JSON cannot carry become null. */
export function outputData(data: unknown, runtime: string): readonly unknown[] {
  const values = Array.from(data as ArrayLike<unknown>);
  if (runtime === 'bool') return values.map(Boolean);
  return values.map((value) => (typeof value === 'bigint' ? Number(value) : value));
}
