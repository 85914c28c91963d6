import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import { dataTypeName, outputData, type InferRequest, type TensorSpec } from './tensors.js';
import { filesFolder, verifyVersionFolder } from './version-folder.js';

/** The file of a version that is served. */
const modelFile = 'model.onnx';

export interface OnnxModel {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  run(request: InferRequest): Promise<readonly OutputTensor[]>;
}

/** One output as the Open Inference Protocol v2 writes it. */
interface OutputTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: readonly unknown[];
}

type Runtime = typeof import('onnxruntime-node');

async function loadRuntime(): Promise<Runtime> {
  // Otherwise it tells Microsoft about every model: names, hashes, a device id. It reads this once, when it is loaded.
  process.env['ORT_DISABLE_TELEMETRY'] ??= '1';
  try {
    return await import('onnxruntime-node');
  } catch (error) {
    throw new Error(
      'serving needs the optional package onnxruntime-node, which cannot be loaded: install it with ' +
        '"ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node@1.30.0" (the CPU library is inside the package), then ' +
        `deploy again (${(error as Error).message.split('\n')[0]})`,
      { cause: error }
    );
  }
}

function specsOf(kind: 'input' | 'output', metadata: readonly InferenceSession.ValueMetadata[]): readonly TensorSpec[] {
  return metadata.map((value) => {
    if (!value.isTensor) {
      throw new Error(
        `${modelFile}: ${kind} "${value.name}" is not a tensor; export the model with plain tensors (for scikit-learn: zipmap=False)`
      );
    }
    const datatype = dataTypeName(value.type);
    if (datatype === undefined) {
      throw new Error(
        `${modelFile}: ${kind} "${value.name}" has type ${value.type}, which is not served; cast it in the model`
      );
    }
    const shape = value.shape.map((size) => (typeof size === 'number' && size >= 0 ? size : null));
    return { name: value.name, datatype, shape };
  });
}

/**
 * Loads `files/model.onnx` of a version folder on the CPU with one thread, after every file of the version was found to be the
 * one that was deployed. The model is created from the very bytes that were hashed; one that
 * keeps weights in other files is read by the runtime, and everything is hashed once more behind it.
 *
 * @param filesDigest SHA-256 of the version's record, as the router keeps it.
 * @throws Error with one sentence that says what to do.
 */
export async function loadOnnxModel(folder: string, filesDigest: string): Promise<OnnxModel> {
  const record = await verifyVersionFolder(folder, filesDigest);
  const path = join(folder, filesFolder, modelFile);
  const recorded = record.files.find((file) => file.path === modelFile);
  if (recorded === undefined) {
    throw new Error(
      `version ${record.version} has no ${modelFile}: let the training program write its model under that name into its output folder`
    );
  }
  const ort = await loadRuntime();
  const options: InferenceSession.SessionOptions = { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 };
  // Weights kept outside the model file are found by its path only.
  const hasExternalData = record.files.some((file) => /\.(data|bin|weights)$/.test(file.path));
  let session: InferenceSession;
  if (hasExternalData) {
    session = await ort.InferenceSession.create(path, options);
    // The runtime has read them itself, after they were hashed: they must be the same still.
    await verifyVersionFolder(folder, filesDigest);
  } else {
    const bytes = await readFile(path);
    if (createHash('sha256').update(bytes).digest('hex') !== recorded.sha256) {
      throw new Error(`${path} does not match its digest; retire the version and release it again`);
    }
    session = await ort.InferenceSession.create(bytes, options);
  }
  const inputs = specsOf('input', session.inputMetadata);
  const outputs = specsOf('output', session.outputMetadata);

  return {
    inputs,
    outputs,
    run: async (request) => {
      const feeds = Object.fromEntries(
        [...request.inputs].map(([name, { runtime, data, shape }]) => [
          name,
          new ort.Tensor(runtime, data as never, shape),
        ])
      );
      const wanted = outputs.filter(({ name }) => request.outputs?.includes(name) ?? true);
      const results = await session.run(
        feeds,
        wanted.map(({ name }) => name)
      );
      return wanted.map(({ name, datatype }) => {
        const tensor = results[name];
        if (tensor === undefined)
          throw new Error(`the model gave no output "${name}"; export it again and release the new version`);
        return { name, datatype, shape: tensor.dims, data: outputData(tensor.data, tensor.type) };
      });
    },
  };
}
