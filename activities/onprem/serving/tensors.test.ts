import { describe, expect, it } from 'vitest';
import { BadRequest, outputData, readInferRequest, type TensorSpec } from './tensors.js';

const model: { inputs: readonly TensorSpec[]; outputs: readonly TensorSpec[] } = {
  inputs: [
    { name: 'x', datatype: 'FP32', shape: [null, 2] },
    { name: 'city', datatype: 'BYTES', shape: [null] },
  ],
  outputs: [{ name: 'probability', datatype: 'FP32', shape: [null, 1] }],
};
const x = { name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] };
const city = { name: 'city', datatype: 'BYTES', shape: [1], data: ['Zürich'] };

describe('inference requests', () => {
  it('takes data nested or flat', () => {
    for (const data of [[1, 2], [[1, 2]]]) {
      const request = readInferRequest({ id: 'a', inputs: [city, { ...x, data }] }, model);
      expect(request.id).toBe('a');
      expect(request.inputs.get('x')).toEqual({ runtime: 'float32', data: Float32Array.of(1, 2), shape: [1, 2] });
      expect(request.inputs.get('city')?.data).toEqual(['Zürich']);
    }
  });

  const wrong: readonly (readonly [string, unknown, string])[] = [
    ['not an object', [], 'JSON object'],
    ['null', null, 'JSON object'],
    ['id that is a number', { id: 1, inputs: [x, city] }, 'id must be a string'],
    ['no inputs', {}, 'inputs must be an array'],
    ['input without name', { inputs: [{}] }, 'needs a name'],
    ['missing input', { inputs: [x] }, 'input "city" is missing'],
    ['input given twice', { inputs: [x, x, city] }, 'given twice'],
    ['unknown input', { inputs: [x, city, { ...x, name: 'y' }] }, 'no input "y"; the model takes x, city'],
    ['inherited name', { inputs: [x, city, { ...x, name: '__proto__' }] }, 'no input "__proto__"'],
    ['wrong datatype', { inputs: [{ ...x, datatype: 'FP64' }, city] }, 'datatype must be FP32, got "FP64"'],
    ['missing datatype', { inputs: [{ ...x, datatype: undefined }, city] }, 'datatype must be FP32'],
    ['wrong rank', { inputs: [{ ...x, shape: [2] }, city] }, 'shape must be [-1, 2], got [2]'],
    ['wrong size', { inputs: [{ ...x, shape: [1, 3] }, city] }, 'shape must be [-1, 2], got [1, 3]'],
    ['negative size', { inputs: [{ ...x, shape: [-1, 2] }, city] }, 'array of whole numbers'],
    ['half a size', { inputs: [{ ...x, shape: [0.5, 2] }, city] }, 'array of whole numbers'],
    ['a text for a size', { inputs: [{ ...x, shape: ['1', 2] }, city] }, 'array of whole numbers'],
    ['no shape', { inputs: [{ ...x, shape: undefined }, city] }, 'array of whole numbers'],
    ['a text for a shape', { inputs: [{ ...x, shape: '12' }, city] }, 'array of whole numbers'],
    ['null for an input', { inputs: [null] }, 'needs a name'],
    ['too few values', { inputs: [{ ...x, data: [1] }, city] }, 'needs 2 values, got 1'],
    ['huge shape', { inputs: [{ ...x, shape: [1e9, 2] }, city] }, 'needs 2000000000 values, got 2'],
    ['no data', { inputs: [{ ...x, data: undefined }, city] }, 'data must be an array'],
    ['data too deep', { inputs: [{ ...x, data: [[[1, 2]]] }, city] }, 'nested deeper'],
    ['mixed depth', { inputs: [{ ...x, data: [[1], 2] }, city] }, 'must be an array'],
    [
      'text for a number',
      { inputs: [{ ...x, data: ['1', 2] }, city] },
      'FP32 data must be numbers, got "1" at position 0',
    ],
    ['number for a text', { inputs: [x, { ...city, data: [1] }] }, 'BYTES data must be strings, got 1'],
    ['unknown output', { inputs: [x, city], outputs: [{ name: 'y' }] }, 'one of probability'],
  ];
  it.each(wrong)('says what is wrong: %s', (_name, body, message) => {
    expect(() => readInferRequest(body, model)).toThrow(BadRequest);
    expect(() => readInferRequest(body, model)).toThrow(message);
  });

  it('says only the beginning of what a caller sent', () => {
    const long = 'x'.repeat(10_000);
    for (const inputs of [
      [{ ...x, datatype: long }, city],
      [x, city, { ...x, name: long }],
    ]) {
      expect(() => readInferRequest({ inputs }, model)).toThrow(/"x{60,80}".{0,40}$/);
    }
  });

  it('is not brought down by deep nesting', () => {
    const deep = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`) as unknown;
    for (const body of [deep, { inputs: [{ ...x, data: deep }, city] }, { inputs: [{ ...x, datatype: deep }, city] }]) {
      expect(() => readInferRequest(body, model)).toThrow(BadRequest);
    }
  });

  it('refuses whole numbers that a double cannot hold', () => {
    const spec = { inputs: [{ name: 'n', datatype: 'INT64', shape: [null] }], outputs: [] };
    const body = (data: readonly unknown[]) => ({
      inputs: [{ name: 'n', datatype: 'INT64', shape: [data.length], data }],
    });
    expect(readInferRequest(body([-5, 2 ** 53 - 1]), spec).inputs.get('n')?.data).toEqual(
      BigInt64Array.of(-5n, 9007199254740991n)
    );
    for (const value of [1.5, 2 ** 53, null, '1', true]) {
      expect(() => readInferRequest(body([value]), spec)).toThrow('whole numbers within 2^53');
    }
  });
});

it('writes outputs as JSON carries them', () => {
  expect(outputData(BigInt64Array.of(3n), 'int64')).toEqual([3]);
  expect(outputData(Uint8Array.of(0, 1), 'bool')).toEqual([false, true]);
  expect(outputData(['a'], 'string')).toEqual(['a']);
});
