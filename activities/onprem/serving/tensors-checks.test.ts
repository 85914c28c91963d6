import { describe, expect, it } from 'vitest';
import { BadRequest, readInferRequest, type TensorSpec } from './tensors.js';

const tensor = (datatype: string, data: readonly unknown[]) => ({ name: 'n', datatype, shape: [data.length], data });
const model = (datatype: string) => ({
  inputs: [{ name: 'n', datatype, shape: [null] }] as readonly TensorSpec[],
  outputs: [
    { name: 'p', datatype: 'FP32', shape: [null] },
    { name: 'q', datatype: 'FP32', shape: [null] },
  ] as readonly TensorSpec[],
});
const read = (datatype: string, data: readonly unknown[], more: object = {}) =>
  readInferRequest({ inputs: [tensor(datatype, data)], ...more }, model(datatype));

describe('datatypes', () => {
  it('INT32 takes whole numbers of 32 bits and nothing else', () => {
    const ends = [-(2 ** 31), -1, 0, 2 ** 31 - 1];
    expect(read('INT32', ends).inputs.get('n')).toEqual({ runtime: 'int32', data: Int32Array.from(ends), shape: [4] });
    for (const value of [2 ** 31, -(2 ** 31) - 1, 0.5, 2 ** 32, '1', null, true]) {
      expect(() => read('INT32', [0, value])).toThrow(
        /INT32 data must be whole numbers of 32 bits, got .* at position 1/
      );
    }
  });

  it('BOOL takes true and false and nothing else', () => {
    expect(read('BOOL', [true, false]).inputs.get('n')?.data).toEqual(Uint8Array.of(1, 0));
    for (const value of [1, 0, 'true', null]) {
      expect(() => read('BOOL', [true, value])).toThrow(/BOOL data must be true or false, got .* at position 1/);
    }
  });

  it('that the server does not know are the fault of the model, not of the caller', () => {
    expect(() => read('FP16', [1])).toThrow('datatype FP16 of the model is not supported; cast it in the model');
    expect(() => read('FP16', [1])).not.toThrow(BadRequest);
  });
});

describe('requests', () => {
  it('whose shape has a dimension too many are refused by their shape', () => {
    const input = { ...tensor('FP32', [1]), shape: [1, 1] };
    expect(() => readInferRequest({ inputs: [input] }, model('FP32'))).toThrow('shape must be [-1], got [1, 1]');
  });

  it.each([
    ['a text', 'text'],
    ['a number', 7],
  ])('that are %s are refused', (_what, body) => {
    expect(() => readInferRequest(body, model('FP32'))).toThrow('the body must be a JSON object');
    expect(() => readInferRequest({ inputs: [body] }, model('FP32'))).toThrow('every input needs a name');
  });

  it('name the outputs that they want: none is all, and every one must be known', () => {
    expect(read('FP32', [1]).outputs).toBeUndefined();
    expect(read('FP32', [1], { outputs: [] }).outputs).toBeUndefined();
    expect(read('FP32', [1], { outputs: [{ name: 'q' }] }).outputs).toEqual(['q']);
    for (const outputs of [[{ name: 'q' }, { name: 'r' }], [{}], [null], ['q'], [{ name: 7 }]]) {
      expect(() => read('FP32', [1], { outputs })).toThrow('every wanted output must be named and one of p, q');
    }
    for (const outputs of [{ name: 'q' }, 'q', null]) {
      expect(() => read('FP32', [1], { outputs })).toThrow('outputs must be an array');
    }
  });

  it('that name nothing for a datatype are told so', () => {
    const input = { ...tensor('FP32', [1]), datatype: null };
    expect(() => readInferRequest({ inputs: [input] }, model('FP32'))).toThrow('datatype must be FP32, got null');
  });
});
