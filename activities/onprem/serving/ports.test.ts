import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Call } from '@retempo/activities/ports';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adminKeys } from './admin.js';
import { routerFiles, type RouterProcess } from './layout.js';
import { createOnpremServing } from './onprem-serving.js';
import { logisticModel, logisticRequest } from './tiny-model.test.support.js';

const endpoint = 'flights';
const newCall = (): Call => ({ signal: new AbortController().signal, deadlineMs: Date.now() + 60_000 });
const root = mkdtempSync(join(tmpdir(), 'retempo-ports-'));
const model = logisticModel({ weight: 1, effects: [0, 1] });
const site = createOnpremServing({
  id: 'onprem.test',
  root,
  endpoints: { [endpoint]: {} },
  context: {
    materialize: (_ref, folder) => {
      writeFileSync(join(folder, 'model.onnx'), model);
      return Promise.resolve();
    },
  },
});
const router = () => JSON.parse(readFileSync(routerFiles(join(root, endpoint)).process, 'utf8')) as RouterProcess;

beforeAll(async () => {
  await site.ensureRouter(endpoint, newCall());
  const artifact = { v: 1, uri: 'test:/', digest: `sha256:${'1'.repeat(64)}`, bytes: 1 } as const;
  await site.serving.deploy({ key: 'k', endpoint, version: 'v1', artifact, epoch: 1 }, newCall());
  let state = await site.serving.describe(endpoint, newCall());
  while (state.versions['v1']?.ready !== 1) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    state = await site.serving.describe(endpoint, newCall());
  }
  await site.serving.setTraffic({ endpoint, weights: { v1: 100 }, ifRevision: state.revision, epoch: 1 }, newCall());
});
afterAll(async () => {
  await site.stop(endpoint);
  site.close();
  rmSync(root, { recursive: true, force: true });
});

/** Where a process listens, as the kernel tells: `address:port` in hex, as in `/proc/net/tcp`. */
function listeners(pid: number): readonly string[] {
  const sockets = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    })
  );
  return ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === '0A' && sockets.has(fields[9] ?? ''))
      .map((fields) => fields[1] ?? '')
  );
}

/** One request exactly as written; the whole answer as text. */
function raw(port: number, text: string | Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('error', () => resolve(answer));
    socket.on('close', () => resolve(answer));
    socket.end(text);
  });
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;

describe('ports of an endpoint', () => {
  it('are two of the router and one of each model server, on 127.0.0.1 and nowhere else', () => {
    const { process: own, servers, adminPort, dataPort } = router();
    const loopback = (port: number) => `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
    expect(listeners(own.pid).toSorted()).toEqual([loopback(adminPort), loopback(dataPort)].toSorted());
    expect(servers).toHaveLength(1);
    for (const { pid } of servers) expect(listeners(pid)).toEqual([expect.stringMatching(/^0100007F:/)]);
  });

  it('each does its own only: the data port changes nothing, the admin port infers nothing', async () => {
    const { adminPort, dataPort, token } = router();
    const authorization = `Bearer ${token}`;
    for (const path of ['/endpoint', ...Object.keys(adminKeys)]) {
      const init = path === '/endpoint' ? {} : { method: 'POST', body: '{}' };
      const answer = await fetch(`http://127.0.0.1:${dataPort}${path}`, { ...init, headers: { authorization } });
      expect([path, answer.status]).toEqual([path, 404]);
    }
    const infer = await fetch(`http://127.0.0.1:${adminPort}/v2/models/${endpoint}/infer`, {
      method: 'POST',
      body: logisticRequest('a', [[1, 0]]),
      headers: { authorization },
    });
    expect(infer.status).toBe(404);
  });

  it('those of model servers speak the protocol for their one version, within the bounds of the data port', async () => {
    const [server] = router().servers;
    const address = listeners(server?.pid ?? 0)[0] ?? '';
    const ask = async (path: string, init: RequestInit = {}) => {
      const answer = await fetch(`http://127.0.0.1:${Number(`0x${address.split(':')[1]}`)}${path}`, init);
      // How long a connection lives is the router's to say: a server that closes one breaks a request that is on its way.
      expect(answer.headers.get('keep-alive')).toBeNull();
      return [answer.status, await answer.json()] as const;
    };
    const model = `/v2/models/${endpoint}`;
    const metadata = { name: endpoint, versions: ['v1'], platform: 'onnxruntime_onnx' };
    for (const path of [model, `${model}/versions/v1`]) expect(await ask(path)).toMatchObject([200, metadata]);
    for (const path of ['/v2/health/ready', `${model}/ready`, `${model}/versions/v1/ready`])
      expect(await ask(path)).toEqual([200, { ready: true }]);
    expect(await ask('/v2/health/live')).toEqual([200, { live: true }]);
    expect(await ask('/v2')).toEqual([200, { name: 'retempo-model-server', version: '1', extensions: [] }]);
    for (const path of ['/', '/v2/models/other', `${model}/versions/v2`, `${model}/infer`])
      expect(await ask(path)).toMatchObject([404, { error: expect.stringContaining(`model ${endpoint}, version v1`) }]);
    const post = (body: string | Buffer) => ({ method: 'POST', body });
    const request = logisticRequest('a', [[1, 0]]);
    for (const path of [`${model}/infer`, `${model}/versions/v1/infer`])
      expect(await ask(path, post(request))).toMatchObject([
        200,
        { model_name: endpoint, model_version: 'v1', id: 'a' },
      ]);
    expect(await ask(`${model}/versions/v2/infer`, post(request))).toEqual([
      405,
      { error: 'POST is not allowed here' },
    ]);
    expect(await ask(`${model}/infer`, post(Buffer.alloc(8 * 1024 * 1024 + 1, ' ')))).toEqual([
      400,
      { error: 'the body is above the limit of 8388608 bytes' },
    ]);
  });

  it('those of model servers are there until their router ends them: who interrupts all programs at once means it', async () => {
    const [server] = router().servers;
    if (server === undefined) throw new Error('no server');
    const port = Number(`0x${listeners(server.pid)[0]?.split(':')[1]}`);
    process.kill(server.pid, 'SIGINT');
    // It has the signal before it can answer.
    expect((await fetch(`http://127.0.0.1:${port}/v2/health/live`)).status).toBe(200);
    expect(router().servers).toEqual([server]);
  });

  it.each([
    '/v2/models/../../etc/passwd',
    '/v2/models/%2e%2e/infer',
    `/v2/models/${endpoint}/../${endpoint}/infer`,
    `/v2/models/${endpoint}%2finfer`,
    `/v2/models/${endpoint}/infer/`,
    `/v2/models/${endpoint}\\infer`,
    '//v2/health/live',
    '/v2/models/__proto__',
    '/v2/models/constructor/ready',
    `/v2/${'x'.repeat(10_000)}`,
  ])('a path that is not served leads nowhere: %s', async (path) => {
    expect(await raw(router().dataPort, get(path))).toMatch(/^HTTP\/1\.1 (404|405) [\s\S]*"error":/);
  });

  it('bad bodies are the fault of their callers: said clearly, counted as such, and the next one is served', async () => {
    const url = await site.endpointUrl(endpoint, newCall());
    const infer = (body: string | Buffer) => fetch(`${url}/v2/models/${endpoint}/infer`, { method: 'POST', body });
    const known = JSON.parse(logisticRequest('a', [[1, 0]])) as { inputs: { data: unknown }[] };
    const deep = '['.repeat(200_000) + ']'.repeat(200_000);
    const bad: readonly (string | Buffer)[] = [
      '',
      'null',
      '7',
      '[]',
      '{"inputs":{}}',
      '{"inputs":null}',
      '{"__proto__":{"inputs":[]}}',
      deep,
      `{"inputs":${deep}}`,
      JSON.stringify({ ...known, inputs: [{ ...known.inputs[0], name: '../../x' }] }),
      JSON.stringify({ ...known, inputs: [{ ...known.inputs[0], name: 'größe\u0000' }] }),
      JSON.stringify({ ...known, inputs: [{ ...known.inputs[0], datatype: 'FP1' }] }),
      JSON.stringify({ ...known, inputs: [{ ...known.inputs[0], shape: [1e15, 1e15] }] }),
      JSON.stringify({ ...known, inputs: [{ ...known.inputs[0], shape: [-1] }] }),
      Buffer.from([0xff, 0xfe, 0x7b, 0x00]),
      Buffer.alloc(1_000_000, 'x'),
    ];
    const before = (await site.metrics.readArms({ endpoint, versions: ['v1'] }, newCall())).arms['v1'];
    for (const [index, body] of bad.entries()) {
      const answer = await infer(body);
      expect([index, answer.status]).toEqual([index, 400]);
      const { error } = (await answer.json()) as { readonly error: string };
      expect(error.length).toBeGreaterThan(10);
      expect(error.length).toBeLessThan(1_000);
    }
    expect((await infer(Buffer.alloc(9 * 1024 * 1024, 'x'))).status).toBe(413);
    expect((await infer(logisticRequest('😀'.repeat(100), [[1, 0]]))).status).toBe(200);
    const after = (await site.metrics.readArms({ endpoint, versions: ['v1'] }, newCall())).arms['v1'];
    expect({
      requests: (after?.requests ?? 0) - (before?.requests ?? 0),
      errors: (after?.errors ?? 0) - (before?.errors ?? 0),
      callerErrors: (after?.callerErrors ?? 0) - (before?.callerErrors ?? 0),
    }).toEqual({ requests: bad.length + 1, errors: 0, callerErrors: bad.length });
  });

  it('an id that is too long for the request log is left out of it; its request is served all the same', async () => {
    const url = await site.endpointUrl(endpoint, newCall());
    const keysInLog = async () => {
      const log = await site.metrics.requestLog(endpoint, newCall());
      const folder = join(log?.glob ?? '', '..');
      const lines = readdirSync(folder).flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'));
      return lines.filter((line) => line !== '').map((line) => (JSON.parse(line) as { key: string | null }).key);
    };
    const before = (await keysInLog()).length;
    for (const id of ['i'.repeat(1_024), 'i'.repeat(1_025)]) {
      const answer = await fetch(`${url}/v2/models/${endpoint}/infer`, {
        method: 'POST',
        body: logisticRequest(id, [[1, 0]]),
      });
      expect(answer.status).toBe(200);
      await answer.text();
    }
    expect((await keysInLog()).slice(before)).toEqual(['i'.repeat(1_024), null]);
  });

  it.each([
    ['/traffic', '{"weights":{"v1":1e400},"ifRevision":"r1","epoch":1}', 'whole number from 0 to 100'],
    ['/traffic', '{"weights":{"v1":99.5},"ifRevision":"r1","epoch":1}', 'whole number from 0 to 100'],
    ['/traffic', '{"weights":{"größe":100},"ifRevision":"r1","epoch":1}', 'must be a version id'],
    ['/traffic', '{"weights":{"__proto__":100},"ifRevision":"r1","epoch":1}', 'must be a version id'],
    ['/traffic', '{"weights":{"v1":100},"ifRevision":"r1","epoch":1e300}', 'epoch must be a whole number'],
    ['/traffic', '{"weights":{"v1":100},"ifRevision":7,"epoch":1}', 'ifRevision is missing or malformed'],
    ['/traffic', `{"weights":{"v1":100},"ifRevision":"${'r'.repeat(600)}","epoch":1}`, 'ifRevision is missing'],
    [
      '/traffic',
      '{"weights":{"v1":100},"ifRevision":"r1","epoch":1,"lease":{"seconds":1e400,"fallback":"v1"}}',
      'lease.seconds must be above 0',
    ],
    [
      '/traffic',
      '{"weights":{"v1":100},"ifRevision":"r1","epoch":1,"lease":{"seconds":9,"fallback":"v1","x":1}}',
      'lease: unknown key "x"',
    ],
    ['/counts', '{"versions":"v1"}', 'versions must be an array'],
    ['/counts', `{"versions":[${'"v",'.repeat(10_001)}"v"]}`, 'at most 10,000'],
    ['/flush', '[]', 'must be an object'],
    ['/flush', `{"${'x'.repeat(1_000)}":1}`, `unknown key "${'x'.repeat(80)}"; known`],
  ])('the admin port refuses %s %j, and nothing changes', async (path, body, message) => {
    const { adminPort, token } = router();
    const before = readFileSync(routerFiles(join(root, endpoint)).record, 'utf8');
    const answer = await fetch(`http://127.0.0.1:${adminPort}${path}`, {
      method: 'POST',
      body,
      headers: { authorization: `Bearer ${token}` },
    });
    const { error } = (await answer.json()) as { readonly error: { readonly class: string; readonly message: string } };
    expect([answer.status, error.class]).toEqual([400, 'InvalidSpec']);
    expect(error.message).toContain(message);
    expect(readFileSync(routerFiles(join(root, endpoint)).record, 'utf8')).toBe(before);
  });

  describe('every key of the admin port', () => {
    const long = 'x'.repeat(1_000);
    const notText = [undefined, null, 7, true, '', ['x'], { x: 1 }, long];
    const notVersion = [...notText, 'größe', '🛫', '../v1', 'a/b', '..', 'nul\0', '__proto__ x'];
    const notWhole = [undefined, null, '1', true, -1, 0.5, 1e300, [1], { x: 1 }];
    const notList = [undefined, null, 'v1', 7, true, { v1: 1 }];
    const good = {
      '/deploy': {
        key: 'k9',
        version: 'v9',
        digest: `sha256:${'1'.repeat(64)}`,
        filesDigest: '1'.repeat(64),
        epoch: 1,
      },
      '/traffic': { weights: { v1: 100 }, ifRevision: 'r1', epoch: 1, lease: { seconds: 60, fallback: 'v1' } },
      '/retire': { version: 'v9', epoch: 1 },
      '/counts': { versions: ['v1'], revisions: ['r1'], slowOverMs: 5 },
      '/flush': {},
    };
    /** A key that is added to the admin port without a line here does not compile. */
    const bad: {
      readonly [path in keyof typeof adminKeys]: {
        readonly [key in (typeof adminKeys)[path][number]]: readonly unknown[];
      };
    } = {
      '/deploy': {
        key: notText,
        version: notVersion,
        digest: [...notVersion, `sha256:${'g'.repeat(64)}`, '1'.repeat(64)],
        filesDigest: [...notVersion, 'G'.repeat(64), `sha256:${'1'.repeat(64)}`],
        epoch: notWhole,
      },
      '/traffic': {
        weights: [
          ...notList.slice(0, -1),
          [],
          { v1: '100' },
          { v1: null },
          { '../v1': 100 },
          { [long]: 100 },
          { [long]: 'x' },
          { v1: 101 },
          {},
        ],
        ifRevision: notText,
        epoch: notWhole,
        lease: [
          null,
          7,
          'x',
          true,
          [],
          ...[undefined, null, '60', 0, -1, true, [60]].map((seconds) => ({ seconds, fallback: 'v1' })),
          ...notVersion.map((fallback) => ({ seconds: 60, fallback })),
          { seconds: 60, fallback: 'v1', x: 1 },
        ],
      },
      '/retire': { version: notVersion, epoch: notWhole },
      '/counts': {
        versions: [...notList, ...notVersion.map((version) => [version])],
        revisions: [
          ...notList.slice(1),
          ...[null, 7, '7', ['r1'], 'r', 'r-1', 'r1.5', 'größe', long].map((one) => [one]),
        ],
        slowOverMs: [null, '5', true, -1, [5], { x: 1 }],
      },
      '/flush': {},
    };
    const cases = Object.entries(bad).flatMap(([path, keys]) =>
      [...Object.entries<readonly unknown[]>(keys), ['unknown', [1]] as const].map(([key, values]) => ({
        path,
        key,
        values,
      }))
    );

    it.each(cases)('$path $key: refused in one short sentence, and nothing changes', async ({ path, key, values }) => {
      const { adminPort, token } = router();
      const record = () => readFileSync(routerFiles(join(root, endpoint)).record, 'utf8');
      const before = record();
      for (const value of values) {
        const body = JSON.stringify({ ...good[path as keyof typeof good], [key]: value });
        const answer = await fetch(`http://127.0.0.1:${adminPort}${path}`, {
          method: 'POST',
          body,
          headers: { authorization: `Bearer ${token}` },
        });
        const { error } = (await answer.json()) as {
          readonly error?: { readonly class: string; readonly message: string };
        };
        expect([body.slice(0, 300), answer.status, error?.class]).toEqual([body.slice(0, 300), 400, 'InvalidSpec']);
        expect(error?.message.length).toBeLessThan(300);
        expect(error?.message).not.toMatch(/undefined|\[object/);
      }
      expect(record()).toBe(before);
    });
  });
});
