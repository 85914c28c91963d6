// A trainer whose model answers the same as train.js, many times slower: it lets train.js make model.onnx and puts a long
// computation between its last node and its output. Lies beside train.js in the project of a test.
import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Numbers in the computation, and how often each goes through a sine: some hundred milliseconds on one core. */
const size = 1_000;
const times = 120;

const { status, signal } = spawnSync(process.execPath, ['train.js'], { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? (signal === 'SIGTERM' ? 143 : 1));

const path = join(process.env.RETEMPO_OUTPUT, 'model.onnx');
const model = await readFile(path);
// The first place that names the output is the node that makes it, the second the declaration of the graph's output: with
// another name of the same length the node leaves the output to what is added here.
const [output, inner] = ['probability', 'probabilit_'];
model.write(inner, model.indexOf(output));

/** @param {number} value @returns {number[]} */
const varint = (value) => (value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))]);
/** @param {number} number @param {string | Uint8Array | number} value */
const field = (number, value) => {
  if (typeof value === 'number') return Buffer.from([...varint(number * 8), ...varint(value)]);
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([...varint(number * 8 + 2), ...varint(bytes.length)]), bytes]);
};
/** @param {string} operator @param {string[]} inputs @param {string} result */
const node = (operator, inputs, result) =>
  field(1, Buffer.concat([...inputs.map((name) => field(1, name)), field(2, result), field(4, operator)]));
/** @param {string} name @param {number} type @param {number[]} dims @param {ArrayBufferView} data */
const tensor = (name, type, dims, data) => {
  const bytes = Buffer.from(data.buffer);
  return field(
    5,
    Buffer.concat([...dims.map((dim) => field(1, dim)), field(2, type), field(8, name), field(9, bytes)])
  );
};

const waves = Array.from({ length: times }, (_, time) => node('Sin', [`wave${time}`], `wave${time + 1}`));
const added = [
  // Depends on what is asked, so that it cannot be computed once for all requests.
  node('ReduceSum', ['distance'], 'sum'),
  node('Expand', ['sum', 'shape'], 'wave0'),
  ...waves,
  node('ReduceMean', [`wave${times}`], 'mean'),
  node('Mul', ['mean', 'zero'], 'nothing'),
  node('Add', [inner, 'nothing'], output),
  tensor('shape', 7, [2], BigInt64Array.of(BigInt(size), BigInt(size))),
  tensor('zero', 1, [1], Float32Array.of(0)),
];
// Two messages one after the other are one message with the fields of both (Protocol Buffers): 7 is the graph.
await writeFile(path, Buffer.concat([model, field(7, Buffer.concat(added))]));
