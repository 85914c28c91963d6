import { describe, expect, it } from 'vitest';
import type { RequestHead } from './http-wire.js';
import type { RouterState } from './control.js';
import { createRoutes } from './routes.js';

// The Open Inference Protocol v2 as an endpoint answers it; model servers answer for one version, an endpoint for all that serve.

const stateOf = (versions: RouterState['versions']): RouterState => ({
  endpoint: 'e',
  revision: 'r1',
  epoch: 1,
  busy: false,
  versions,
  lease: null,
  changes: [],
  log: { glob: '', lostLines: 0 },
  problem: null,
});
const metadata = { inputs: [{ name: 'x' }], outputs: [{ name: 'y' }] };

function get(
  path: string,
  versions: RouterState['versions'],
  known: readonly string[] = Object.keys(versions),
  method = 'GET'
) {
  const routes = createRoutes({
    endpoint: 'e',
    describe: () => stateOf(versions),
    metadataOf: (version) => (known.includes(version) ? { ...metadata, inputs: [{ name: version }] } : undefined),
    infer: () => undefined,
  });
  const head: RequestHead = {
    method,
    path,
    length: 0,
    keepAlive: true,
    expectsContinue: false,
    wanted: undefined,
  };
  let told: readonly [number, unknown] | undefined;
  routes(head, Buffer.alloc(0), (status, body) => (told = [status, JSON.parse(body.toString())]));
  return told;
}

describe('health and metadata of an endpoint', () => {
  it.each(['/v2/health/ready', '/v2/models/e/ready'])('%s: ready when every version with traffic is', (path) => {
    expect(get(path, { v1: { weight: 90, ready: 1 }, v2: { weight: 10, ready: 1 } })).toEqual([200, { ready: true }]);
    expect(get(path, { v1: { weight: 90, ready: 1 }, v2: { weight: 10, ready: 0 } })).toEqual([503, { ready: false }]);
    // A candidate that is still starting takes nothing away from who serves.
    expect(get(path, { v1: { weight: 100, ready: 1 }, v2: { weight: 0, ready: 0 } })).toEqual([200, { ready: true }]);
    expect(get(path, { v1: { weight: 0, ready: 1 } })).toEqual([503, { ready: false }]);
    expect(get(path, {})).toEqual([503, { ready: false }]);
  });

  it.each(['/v2', '/v2/health/live', '/v2/health/ready', '/v2/models/e/ready', '/v2/models/e'])(
    '%s is only read',
    (path) => {
      const versions = { v1: { weight: 100, ready: 1 } };
      expect(get(path, versions, ['v1'], 'POST')).toEqual([405, { error: 'this path takes GET' }]);
    }
  );

  it('live says nothing of versions', () => {
    expect(get('/v2/health/live', {})).toEqual([200, { live: true }]);
    expect(get('/v2', {})).toEqual([200, { name: 'retempo-router', version: '1', extensions: [] }]);
  });

  it('metadata are those of the version with the most traffic, and name all that serve', () => {
    const versions = { v1: { weight: 10, ready: 1 }, v2: { weight: 90, ready: 1 }, v3: { weight: 0, ready: 1 } };
    expect(get('/v2/models/e', versions)).toEqual([
      200,
      {
        name: 'e',
        versions: ['v2', 'v1'],
        platform: 'onnxruntime_onnx',
        inputs: [{ name: 'v2' }],
        outputs: metadata.outputs,
      },
    ]);
    expect(get('/v2/models/e', versions, [])).toMatchObject([
      503,
      { error: expect.stringContaining('ready') as string },
    ]);
    expect(get('/v2/models/e', {})).toMatchObject([503, {}]);
  });
});
