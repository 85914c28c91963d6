import type { VersionId } from '@retempo/workflows/contracts';
import type { Handler } from './front.js';
import type { RouterState } from './control.js';
import type { ModelServerMetadata } from './supervisor.js';
import { errorBody } from './traffic.js';

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

/** The data port's routes: the Open Inference Protocol v2 for one model, the endpoint. Everything else is 404 or 405. */
export function createRoutes(options: {
  readonly endpoint: string;
  readonly describe: () => RouterState;
  readonly metadataOf: (version: VersionId) => ModelServerMetadata | undefined;
  readonly infer: Handler;
}): Handler {
  const { endpoint, describe } = options;
  const base = `/v2/models/${endpoint}`;
  const inferPath = `${base}/infer`;

  const isReady = (): boolean => {
    const weighted = Object.values(describe().versions).filter(({ weight }) => weight > 0);
    return weighted.length > 0 && weighted.every(({ ready }) => ready > 0);
  };
  const readyAnswer = (): [number, Buffer] =>
    isReady() ? [200, json({ ready: true })] : [503, json({ ready: false })];
  const metadata = (): [number, Buffer] => {
    const weighted = Object.entries(describe().versions).filter(([, { weight }]) => weight > 0);
    const [heaviest] = weighted.sort(([, a], [, b]) => b.weight - a.weight);
    const known = heaviest === undefined ? undefined : options.metadataOf(heaviest[0]);
    if (known === undefined) return [503, errorBody(`endpoint ${endpoint} has no version that is ready`)];
    const versions = weighted.map(([version]) => version);
    return [
      200,
      json({ name: endpoint, versions, platform: 'onnxruntime_onnx', inputs: known.inputs, outputs: known.outputs }),
    ];
  };
  const reads: ReadonlyMap<string, () => [number, Buffer]> = new Map([
    ['/v2', () => [200, json({ name: 'retempo-router', version: '1', extensions: [] })] as [number, Buffer]],
    ['/v2/health/live', () => [200, json({ live: true })] as [number, Buffer]],
    ['/v2/health/ready', readyAnswer],
    [`${base}/ready`, readyAnswer],
    [base, metadata],
  ]);

  return (head, body, respond) => {
    if (head.path === inferPath) {
      if (head.method === 'POST') return options.infer(head, body, respond);
      return respond(405, errorBody(`${inferPath} takes POST`), 'allow: POST\r\n');
    }
    const read = reads.get(head.path);
    if (read === undefined) return respond(404, errorBody(`there is nothing at this path; this endpoint is ${base}`));
    if (head.method !== 'GET') return respond(405, errorBody('this path takes GET'), 'allow: GET\r\n');
    return respond(...read());
  };
}
