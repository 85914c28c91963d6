import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { parseArgs } from 'node:util';
import { loadOnnxModel, type OnnxModel } from './onnx-model.js';
import { BadRequest, readInferRequest, type TensorSpec } from './tensors.js';

// One version behind the Open Inference Protocol v2 (REST): health, metadata, infer. It belongs to the router that started it and
// ends when that router is gone, so a crash leaves no server behind.

/** Told to the router over the process channel: where the server listens, or why it cannot. */
export type ModelServerMessage = { readonly port: number } | { readonly problem: string };

const { values: options } = parseArgs({
  options: {
    folder: { type: 'string' },
    'files-digest': { type: 'string' },
    model: { type: 'string' },
    version: { type: 'string' },
    'max-body-bytes': { type: 'string', default: String(8 * 1024 * 1024) },
  },
});
const { folder, model: modelName, version } = options;
const filesDigest = options['files-digest'];
const maxBodyBytes = Number(options['max-body-bytes']);
if (folder === undefined || modelName === undefined || version === undefined || filesDigest === undefined) {
  throw new Error(
    'usage: model-server-main --folder <version folder> --files-digest <hex> --model <name> --version <id>'
  );
}

const tell = (message: ModelServerMessage): void => {
  if (process.send !== undefined) process.send(message);
  else process.stdout.write(`${JSON.stringify(message)}\n`);
};

function answer(response: ServerResponse, status: number, body: unknown): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.length });
  response.end(bytes);
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes) throw new BadRequest(`the body is above the limit of ${maxBodyBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseBody(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch {
    throw new BadRequest('the body is not JSON');
  }
}

const described = ({ name, datatype, shape }: TensorSpec) => ({
  name,
  datatype,
  shape: shape.map((size) => size ?? -1),
});

async function infer(model: OnnxModel, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const inferRequest = readInferRequest(parseBody(await readBody(request)), model);
    const outputs = await model.run(inferRequest);
    const id = inferRequest.id === undefined ? {} : { id: inferRequest.id };
    answer(response, 200, { model_name: modelName, model_version: version, ...id, outputs });
  } catch (error) {
    if (error instanceof BadRequest) answer(response, 400, { error: error.message });
    else answer(response, 500, { error: `the model failed: ${(error as Error).message}` });
  }
}

function route(model: OnnxModel, request: IncomingMessage, response: ServerResponse): Promise<void> | void {
  const path = request.url ?? '/';
  const base = `/v2/models/${modelName}`;
  const isInfer = path === `${base}/infer` || path === `${base}/versions/${version}/infer`;
  if (request.method === 'POST' && isInfer) return infer(model, request, response);
  if (request.method !== 'GET') return answer(response, 405, { error: `${request.method} is not allowed here` });
  switch (path) {
    case '/v2/health/live':
      return answer(response, 200, { live: true });
    case '/v2/health/ready':
    case `${base}/ready`:
    case `${base}/versions/${version}/ready`:
      return answer(response, 200, { ready: true });
    case '/v2':
      return answer(response, 200, { name: 'retempo-model-server', version: '1', extensions: [] });
    case base:
    case `${base}/versions/${version}`:
      return answer(response, 200, {
        name: modelName,
        versions: [version],
        platform: 'onnxruntime_onnx',
        inputs: model.inputs.map(described),
        outputs: model.outputs.map(described),
      });
    default:
      return answer(response, 404, {
        error: `there is nothing at this path; this server has model ${modelName}, version ${version}`,
      });
  }
}

// The router's end of the channel closes when it exits, however it exits.
process.on('disconnect', () => process.exit(0));
process.on('SIGINT', () => undefined);

try {
  const model = await loadOnnxModel(folder, filesDigest);
  // The router, the only client, decides how many connections there are, how long they live and a request may take.
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    void route(model, request, response);
  });
  server.listen({ port: 0, host: '127.0.0.1' }, () => {
    const address = server.address();
    if (typeof address === 'object' && address !== null) tell({ port: address.port });
  });
} catch (error) {
  tell({ problem: (error as Error).message });
  process.exitCode = 1;
  if (process.connected) process.disconnect();
}
