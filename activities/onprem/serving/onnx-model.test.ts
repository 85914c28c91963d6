import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import promises from 'node:fs/promises';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadOnnxModel } from './onnx-model.js';
import { readInferRequest } from './tensors.js';
import { echoModel, floatBytes, logisticModel, logisticRequest, unservedModel } from './tiny-model.test.support.js';
import { programPath } from './layout.js';
import { materializeVersion } from './materialize.js';

let versionsFolder: string;
beforeEach(() => {
  versionsFolder = mkdtempSync(join(tmpdir(), 'retempo-onnx-'));
});
afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
  rmSync(versionsFolder, { recursive: true, force: true });
});

const folder = () => join(versionsFolder, 'v1');
const pathOf = (name: string) => join(folder(), 'files', name);

/** A version as a deployment leaves it; what it must be loaded with. */
const deployed = (files: Readonly<Record<string, Uint8Array>>): Promise<string> =>
  materializeVersion({
    versionsFolder,
    version: 'v1',
    artifact: { v: 1, uri: 'test:/', digest: `sha256:${'1'.repeat(64)}`, bytes: 1 },
    context: {
      materialize: (_ref, into) => {
        mkdirSync(into, { recursive: true });
        for (const [name, bytes] of Object.entries(files)) writeFileSync(join(into, name), bytes);
        return Promise.resolve();
      },
    },
    call: { signal: new AbortController().signal, deadlineMs: Date.now() + 30_000 },
  });

/** What the model says of `x = 1` in the second category. */
async function answerOf(filesDigest: string): Promise<number> {
  const model = await loadOnnxModel(folder(), filesDigest);
  const [output] = await model.run(readInferRequest(JSON.parse(logisticRequest('a', [[1, 1]])), model));
  return output?.data[0] as number;
}
const sigmoid = (logit: number) => 1 / (1 + Math.exp(-logit));

const whole = logisticModel({ weight: 1, effects: [0, 1] });
const other = logisticModel({ weight: 1, effects: [0, -5] });
const parted = logisticModel({ weight: 1, effects: [0, 1], effectsFile: 'effects.bin' });
const parts = { 'model.onnx': parted, 'effects.bin': floatBytes([0, 1]) };

describe('A5: the bytes that serve are those that were deployed', () => {
  it('of a model in one file, and of one with weights beside it', async () => {
    expect(await answerOf(await deployed({ 'model.onnx': whole }))).toBeCloseTo(sigmoid(2), 5);
    rmSync(folder(), { recursive: true });
    expect(await answerOf(await deployed(parts))).toBeCloseTo(sigmoid(2), 5);
  });

  it('although the file is replaced by another good model after it was checked', async () => {
    const filesDigest = await deployed({ 'model.onnx': whole });
    const { readFile } = promises;
    vi.spyOn(promises, 'readFile').mockImplementation((path, options) => {
      if (path === pathOf('model.onnx')) writeFileSync(path, other);
      return readFile(path, options);
    });
    syncBuiltinESMExports();
    await expect(answerOf(filesDigest)).rejects.toThrow(/model\.onnx does not match its digest/);
    expect(promises.readFile).toHaveBeenCalledWith(pathOf('model.onnx'));
  });

  it.each([
    ['effects.bin', floatBytes([0, -5])],
    ['model.onnx', other],
  ])('although %s is replaced before the runtime reads it itself', async (name, bytes) => {
    const filesDigest = await deployed(parts);
    const create = InferenceSession.create.bind(InferenceSession) as (...input: unknown[]) => Promise<InferenceSession>;
    const creating = vi.spyOn(InferenceSession, 'create').mockImplementation((...input: unknown[]) => {
      writeFileSync(pathOf(name), bytes);
      return create(...input);
    });
    await expect(answerOf(filesDigest)).rejects.toThrow(new RegExp(`${name} does not match its digest`));
    expect(creating).toHaveBeenCalledOnce();
  });
});

describe('a model that is not served', () => {
  it.each<[string, Readonly<Record<string, Uint8Array>>, RegExp]>([
    ['without model.onnx', { 'weights.txt': whole }, /version v1 has no model\.onnx: let the training program/],
    ['that takes no plain tensors', { 'model.onnx': unservedModel('sequence') }, /input "odd" is not a tensor; export/],
    [
      'of a type that is not known',
      { 'model.onnx': unservedModel('half') },
      /input "odd" has type float16, .* cast it/,
    ],
  ])('says what to do: %s', async (_what, files, says) => {
    await expect(answerOf(await deployed(files))).rejects.toThrow(says);
  });

  it('of a model, only what is fixed in its shapes is asked of requests', async () => {
    const { inputs, outputs } = await loadOnnxModel(folder(), await deployed({ 'model.onnx': whole }));
    expect(inputs).toEqual([
      { name: 'x', datatype: 'FP32', shape: [null, 1] },
      { name: 'category', datatype: 'INT64', shape: [null] },
    ]);
    expect(outputs).toEqual([{ name: 'probability', datatype: 'FP32', shape: [null, 1] }]);
  });

  it('of a model, only the outputs that were asked for are given', async () => {
    const model = await loadOnnxModel(folder(), await deployed({ 'model.onnx': echoModel() }));
    const inputs = model.inputs.map(({ name, datatype }) => ({ name, datatype, shape: [0], data: [] }));
    const ask = async (body: object) => {
      const outputs = await model.run(readInferRequest({ inputs, ...body }, model));
      return outputs.map(({ name }) => name);
    };
    expect(await ask({ outputs: [{ name: 'bool_out' }, { name: 'float_out' }] })).toEqual(['float_out', 'bool_out']);
    expect(await ask({})).toEqual(model.outputs.map(({ name }) => name));
  });
});

it('a runtime that cannot be loaded is told with what to do, by the model server itself', async () => {
  const filesDigest = await deployed({ 'model.onnx': whole });
  const resolve = `export async function resolve(specifier, context, next) {
    if (specifier === 'onnxruntime-node') throw new Error("Cannot find package 'onnxruntime-node'\\nmore lines");
    return next(specifier, context);
  }`;
  const hook = `import { register } from 'node:module';
    register('data:text/javascript,' + ${JSON.stringify(encodeURIComponent(resolve))});`;
  const { status, stdout } = spawnSync(
    process.execPath,
    [
      `--import=data:text/javascript,${encodeURIComponent(hook)}`,
      programPath('model-server-main'),
      `--folder=${folder()}`,
      `--files-digest=${filesDigest}`,
      '--model=flights',
      '--version=v1',
    ],
    { encoding: 'utf8', timeout: 50_000 }
  );
  expect(status).toBe(1);
  const { problem } = JSON.parse(stdout) as { readonly problem: string };
  expect(problem).toMatch(
    /^serving needs the optional package onnxruntime-node, .*npm install onnxruntime-node@.*deploy again \(Cannot find package 'onnxruntime-node'\)$/
  );
});

it('a model server that is started by hand says which words it needs', () => {
  const words = ['--folder=x', '--files-digest=x', '--model=x', '--version=x'];
  for (const word of words) {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [programPath('model-server-main'), ...words.filter((one) => one !== word)],
      { encoding: 'utf8', timeout: 50_000 }
    );
    expect([status, stdout, stderr]).toEqual([1, '', expect.stringContaining('usage: model-server-main --folder')]);
  }
});

it('the runtime gathers nothing about the models that it serves, unless somebody allows it', async () => {
  const filesDigest = await deployed({ 'model.onnx': whole });
  const home = join(versionsFolder, 'home');
  mkdirSync(home);
  const server = spawn(
    process.execPath,
    [
      programPath('model-server-main'),
      `--folder=${folder()}`,
      `--files-digest=${filesDigest}`,
      '--model=m',
      '--version=v1',
    ],
    // Without the variables of a CI, where the runtime holds its tongue by itself.
    { env: { PATH: process.env['PATH'], HOME: home, TMPDIR: home }, stdio: ['ignore', 'pipe', 'inherit'] }
  );
  try {
    const [line] = (await once(server.stdout, 'data')) as [Buffer];
    const { port } = JSON.parse(line.toString()) as { readonly port: number };
    const body = logisticRequest('a', [[1, 1]]);
    expect((await fetch(`http://127.0.0.1:${port}/v2/models/m/infer`, { method: 'POST', body })).status).toBe(200);
    // Its device id and what it has not sent yet would lie here.
    expect(readdirSync(home, { recursive: true })).toEqual([]);
  } finally {
    server.kill('SIGKILL');
    if (server.exitCode === null && server.signalCode === null) await once(server, 'exit');
  }
});
