import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { EndpointState } from '@retempo/workflows/contracts';
import { isAlive } from '@retempo/activities/processes';
import { alreadyRunningExitCode, type EndpointOptions, programPath, routerFiles } from './layout.js';
import { createOnpremServing } from './onprem-serving.js';
import { endpoint, good, narrow, newCall, openSite, same } from './serving-site.test.support.js';
import { echoModel, logisticRequest } from './tiny-model.test.support.js';

describe('model server', () => {
  it('answers the Open Inference Protocol with every datatype it knows', async () => {
    const site = openSite();
    await site.deployReady('v1', echoModel());
    await site.weights({ v1: 100 });
    const inputs = [
      { name: 'float', datatype: 'FP32', shape: [2], data: [0.5, -1] },
      { name: 'double', datatype: 'FP64', shape: [2], data: [0.1, 1e300] },
      { name: 'int64', datatype: 'INT64', shape: [2], data: [1, -(2 ** 53) + 1] },
      { name: 'string', datatype: 'BYTES', shape: [2], data: ['', 'Zürich 😀'] },
      { name: 'bool', datatype: 'BOOL', shape: [2], data: [true, false] },
    ];
    const answer = await site.infer(JSON.stringify({ id: 'r1', inputs }));
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-retempo-version')).toBe('v1');
    expect(await answer.json()).toEqual({
      model_name: endpoint,
      model_version: 'v1',
      id: 'r1',
      outputs: inputs.map((input) => ({ ...input, name: `${input.name}_out` })),
    });
    const url = await site.endpointUrl(endpoint, newCall());
    const metadata = (await (await fetch(`${url}/v2/models/${endpoint}`)).json()) as {
      inputs: unknown;
      outputs: unknown;
      versions: unknown;
    };
    expect(metadata.versions).toEqual(['v1']);
    const specs = inputs.map(({ name, datatype }) => ({ name, datatype, shape: [-1] }));
    expect(metadata.inputs).toEqual(specs);
    expect(metadata.outputs).toEqual(specs.map((spec) => ({ ...spec, name: `${spec.name}_out` })));
    expect((await fetch(`${url}/v2/health/ready`)).status).toBe(200);
    expect((await fetch(`${url}/v2/models/other/infer`, { method: 'POST', body: '{}' })).status).toBe(404);
    expect((await fetch(`${url}/v2/models/${endpoint}/infer`)).status).toBe(405);
  });

  it('may answer more than it may be asked, within a bound', async () => {
    const site = openSite({ requestTimeoutMs: 120_000 });
    await site.deployReady('v1', echoModel());
    await site.weights({ v1: 100 });
    // As a 32-bit float, 0.1 is written with 19 digits where it came with two.
    const ask = (count: number) => {
      const one = { double: [1], int64: [1], string: ['a'], bool: [true] };
      const types = { float: 'FP32', double: 'FP64', int64: 'INT64', string: 'BYTES', bool: 'BOOL' };
      const inputs = Object.entries({ float: Array.from({ length: count }, () => 0.1), ...one }).map(
        ([name, data]) => ({
          name,
          datatype: types[name as keyof typeof types],
          shape: [data.length],
          data,
        })
      );
      return site.infer(JSON.stringify({ inputs }));
    };
    const large = await ask(600_000);
    expect([large.status, (await large.text()).length > 9 * 1024 ** 2]).toEqual([200, true]);
    const tooLarge = await ask(1_700_000);
    expect([tooLarge.status, await tooLarge.text()]).toEqual([502, expect.stringContaining('larger than 33554432')]);
  }, 120_000);

  it('tells the fault of a caller (400) from the fault of a version (500)', async () => {
    const site = openSite();
    await site.deployReady('v1', narrow);
    await site.weights({ v1: 100 });
    const wrong = await site.infer('{"id":"a","inputs":[]}');
    expect([wrong.status, await wrong.json()]).toEqual([400, { error: 'input "x" is missing' }]);
    expect((await site.infer('not json')).status).toBe(400);
    const failed = await site.infer(logisticRequest('b', [[1, 1]]));
    expect(failed.status).toBe(500);
    expect(((await failed.json()) as { error: string }).error).toContain('the model failed');
    const { arms } = await site.metrics.readArms({ endpoint, versions: ['v1'] }, newCall());
    expect(arms['v1']).toMatchObject({ requests: 3, errors: 1, callerErrors: 2 });
  });

  it('never serves what it cannot vouch for, and says why', async () => {
    const site = openSite();
    await site.deploy('v1', { 'weights.txt': Buffer.from('no model') });
    await site.deploy('v2', { 'model.onnx': Buffer.from('not a model') });
    const broken = (version: string) => (state: EndpointState) =>
      state.versions[version]?.problem?.includes('starting') === false;
    const state = await site.until((now) => broken('v1')(now) && broken('v2')(now));
    expect(state.versions['v1']).toMatchObject({ weight: 0, ready: 0 });
    expect(state.versions['v1']?.problem).toContain('has no model.onnx');
    expect(state.versions['v2']).toMatchObject({ weight: 0, ready: 0 });
  });

  it('refuses bytes that were changed after the deployment (G10)', async () => {
    const site = openSite();
    await site.deployReady('v1', good);
    await site.weights({ v1: 100 });
    await site.deploy('v2', { 'model.onnx': same, 'cities.json': Buffer.from('{}') });
    await site.until((now) => now.versions['v2']?.ready === 1);
    await site.stop(endpoint);
    appendFileSync(join(site.root, endpoint, 'versions', 'v1', 'files', 'model.onnx'), ' ');
    appendFileSync(join(site.root, endpoint, 'versions', 'v2', 'files', 'cities.json'), ' ');
    const isFound = (version: string) => (now: EndpointState) =>
      now.versions[version]?.problem?.includes('does not match its digest') === true;
    const state = await site.until((now) => isFound('v1')(now) && isFound('v2')(now));
    expect(state.versions['v1']).toMatchObject({ weight: 100, ready: 0 });
    expect(state.versions['v2']).toMatchObject({ weight: 0, ready: 0 });
    expect((await site.infer(logisticRequest('a', [[1, 0]]))).status).toBe(503);
  });

  it('is ended and started again when it hangs; what waited is an error of its version', async () => {
    const site = openSite({ requestTimeoutMs: 500 });
    await site.deployReady('v1', good);
    await site.weights({ v1: 100 });
    const [server] = site.process().servers;
    if (server === undefined) throw new Error('no server');
    process.kill(server.pid, 'SIGSTOP');
    expect((await site.infer(logisticRequest('hangs', [[1, 0]]))).status).toBe(504);
    await site.until(() => !isAlive(server));
    await site.until((state) => state.versions['v1']?.ready === 1);
    expect((await site.infer(logisticRequest('again', [[1, 0]]))).status).toBe(200);
  });
});

describe('router', () => {
  it('gives no traffic to a version that takes other inputs than the one that serves', async () => {
    const site = openSite();
    await site.deployReady('v1', good);
    await site.weights({ v1: 100 });
    await site.deploy('v2', { 'model.onnx': echoModel() });
    const state = await site.until((now) => now.versions['v2']?.problem?.includes('takes') === true);
    expect(state.versions['v2']?.ready).toBe(0);
    await expect(site.weights({ v1: 95, v2: 5 })).rejects.toMatchObject({ class: 'Conflict' });
    await site.deployReady('v3', same);
    await site.weights({ v1: 10, v3: 90 });
    // The one that serves most is the one that counts.
    expect((await site.until(() => true)).versions['v2']?.problem).toContain('but v3, which serves, takes');
    expect((await site.infer(logisticRequest('a', [[1, 0]]))).status).toBe(200);
  });

  it('runs once per endpoint, however many start it', async () => {
    const first = openSite();
    const second = openSite({}, first.root);
    const started = await Promise.all(
      Array.from({ length: 6 }, (_, i) => (i % 2 ? first : second).ensureRouter(endpoint, newCall()))
    );
    expect(new Set(started.map(({ pid }) => pid)).size).toBe(1);
    expect(new Set(started.map(({ url }) => url)).size).toBe(1);
  });

  it('stays stopped when one that was slow to start comes after it', async () => {
    const site = openSite();
    await site.ensureRouter(endpoint, newCall());
    await site.stop(endpoint);
    const { folder, claim } = routerFiles(join(site.root, endpoint));
    const claims = readdirSync(claim);
    const late = spawn(process.execPath, [programPath('router-main'), `--state=${folder}`, '--after=none']);
    const [code] = await once(late, 'exit');
    expect(code).toBe(alreadyRunningExitCode);
    expect(readdirSync(claim)).toEqual(claims);
    expect(site.process().stopped).toBe(true);
  });

  it('keeps its ports and its counts when it is stopped and started', async () => {
    const site = openSite();
    await site.deployReady('v1', good);
    await site.weights({ v1: 100 });
    const before = await site.ensureRouter(endpoint, newCall());
    const load = Promise.all(Array.from({ length: 50 }, (_, i) => site.infer(logisticRequest(`l${i}`, [[1, 0]]))));
    const answers = await load;
    await site.stop(endpoint);
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(site.process().stopped).toBe(true);
    expect(isAlive(site.process().process)).toBe(false);
    const after = await site.ensureRouter(endpoint, newCall());
    expect(after.url).toBe(before.url);
    expect(after.pid).not.toBe(before.pid);
    const { arms } = await site.metrics.readArms({ endpoint, versions: ['v1'] }, newCall());
    expect(arms['v1']?.requests).toBe(50);
  });

  it('comes back by itself after it was killed, without a call', async () => {
    const site = openSite();
    await site.deployReady('v1', good);
    await site.weights({ v1: 100 });
    const before = site.process();
    process.kill(before.process.pid, 'SIGKILL');
    while (site.process().process.pid === before.process.pid) {
      await new Promise((resolve) => {
        setTimeout(resolve, 50);
      });
    }
    await site.until((state) => state.versions['v1']?.ready === 1);
    expect(before.servers.some(isAlive)).toBe(false);
    expect((await site.infer(logisticRequest('a', [[1, 0]]))).status).toBe(200);
  });

  it('keeps a unit on its version by header, by id, and moves nobody back while the weight grows', async () => {
    for (const [stickiness, request] of [
      [{ header: 'X-User' }, (unit: string) => [logisticRequest(undefined, [[1, 0]]), { 'x-user': unit }]],
      [{ by: 'id' }, (unit: string) => [logisticRequest(unit, [[1, 0]]), {}]],
    ] as const) {
      const site = openSite({ stickiness });
      await site.deployReady('v1', good);
      await site.weights({ v1: 100 });
      await site.deployReady('v2', same);
      let inCandidate: readonly string[] = [];
      for (const weight of [5, 25, 50]) {
        await site.weights({ v1: 100 - weight, v2: weight });
        const chosen = await Promise.all(
          Array.from({ length: 100 }, async (_, i) => {
            const [body, headers] = request(`unit-${i}`);
            const answers = [await site.infer(body as string, headers), await site.infer(body as string, headers)];
            const versions = new Set(answers.map((answer) => answer.headers.get('x-retempo-version')));
            expect(versions.size).toBe(1);
            return versions.has('v2') ? [`unit-${i}`] : [];
          })
        );
        const now = chosen.flat();
        expect(now).toEqual(expect.arrayContaining([...inCandidate]));
        inCandidate = now;
        // Every unit came twice.
        const { revision } = await site.serving.describe(endpoint, newCall());
        const query = { endpoint, versions: ['v1', 'v2'], revisions: [revision] };
        expect(await site.metrics.readArms(query, newCall())).toMatchObject({
          arms: {
            v1: { requests: 2 * (100 - now.length), units: 100 - now.length },
            v2: { requests: 2 * now.length, units: now.length },
          },
          mixedUnits: 0,
        });
      }
      expect(inCandidate.length).toBeGreaterThan(20);
      await site.stop(endpoint);
    }
  });

  it('ends the server of a retired version at once, removes its files and keeps its id taken', async () => {
    // Nothing is on the way, so nothing is waited for, however long a request may take.
    const site = openSite({ requestTimeoutMs: 600_000 });
    await site.deployReady('v1', good);
    await site.weights({ v1: 100 });
    await site.deployReady('v2', same);
    const [server1, server2] = site.process().servers;
    const folder = join(site.root, endpoint, 'versions', 'v2');
    expect(existsSync(folder)).toBe(true);
    await site.serving.retire({ key: 'k', endpoint, version: 'v2', epoch: 1 }, newCall());
    await site.until((state) => !state.busy);
    expect(existsSync(folder)).toBe(false);
    expect(server2 === undefined || isAlive(server2)).toBe(false);
    expect(site.process().servers).toEqual([server1]);
    await expect(site.deploy('v2', { 'model.onnx': good })).rejects.toMatchObject({ class: 'Conflict' });
  });

  it('answers on its admin port only who has its token, on known routes with known keys', async () => {
    const site = openSite();
    await site.ensureRouter(endpoint, newCall());
    const { adminPort, token } = site.process();
    expect(token).toMatch(/^[0-9a-f]{48}$/);
    const ask = async (
      path: string,
      body?: string,
      headers: { readonly [name: string]: string } = { authorization: `Bearer ${token}` }
    ) => {
      const init = body === undefined ? { headers } : { method: 'POST', body, headers };
      const answer = await fetch(`http://127.0.0.1:${adminPort}${path}`, init);
      const { error } = (await answer.json()) as { error?: { class: string; message: string } };
      return [answer.status, error?.class, error?.message] as const;
    };
    expect((await ask('/endpoint'))[0]).toBe(200);
    expect((await ask('/endpoint', undefined, {}))[0]).toBe(401);
    expect((await ask('/endpoint', undefined, { authorization: `Bearer ${'0'.repeat(48)}` }))[0]).toBe(401);
    expect((await ask('/nowhere'))[0]).toBe(404);
    expect((await ask('/constructor', '{}'))[0]).toBe(404);
    expect((await ask('/endpoint', '{}'))[0]).toBe(405);
    expect((await ask('/traffic'))[0]).toBe(405);
    const deep = '['.repeat(30_000) + ']'.repeat(30_000);
    for (const [path, body, message] of [
      ['/traffic', 'no json', 'not JSON'],
      ['/traffic', 'null', 'must be an object'],
      ['/traffic', deep, 'must be an object'],
      ['/traffic', `{"weights":${deep}}`, 'weights must be'],
      ['/traffic', '{"wieghts":{}}', 'unknown key "wieghts"'],
      ['/traffic', '{"weights":{"v1":"100"},"ifRevision":"r0","epoch":1}', 'must be a number'],
      ['/traffic', '{"weights":{"../v1":100},"ifRevision":"r0","epoch":1}', 'must be a version id'],
      ['/traffic', '{"weights":{"v1":100},"ifRevision":"r0","epoch":-1}', 'epoch must be'],
      ['/traffic', '{"weights":{"v1":100},"ifRevision":"r0","epoch":1,"lease":{"seconds":"1"}}', 'lease.seconds'],
      ['/deploy', `{"key":"k","version":"../../x","digest":"","filesDigest":"","epoch":1}`, 'must be a version id'],
      ['/retire', '{"version":"..","epoch":1}', 'must be a version id'],
      ['/counts', '{"versions":["v1"],"revisions":["7"]}', 'names of revisions'],
      ['/counts', '{"versions":["v1"],"slowOverMs":-1}', 'slowOverMs'],
      ['/flush', `{"a":"${'x'.repeat(100_000)}"}`, 'above 65536 bytes'],
    ] as const) {
      const answer = await ask(path, body);
      expect([path, body.slice(0, 60), answer[0], answer[1]]).toEqual([path, body.slice(0, 60), 400, 'InvalidSpec']);
      expect(answer[2]).toContain(message);
    }
    expect((await site.serving.describe(endpoint, newCall())).revision).toBe('r0');
  });
});

describe('site', () => {
  const open = (endpoints: unknown) => () =>
    createOnpremServing({
      id: 'onprem.test',
      root: join(tmpdir(), 'retempo-never-made'),
      endpoints: endpoints as { readonly [name: string]: EndpointOptions },
      context: { materialize: async () => undefined },
    });

  it.each([
    [{ Flights: {} }, 'endpoint "Flights"'],
    [{ '../x': {} }, 'endpoint "../x"'],
    [{ flights: [] }, 'endpoints.flights: expected a map'],
    [{ flights: { port: 1 } }, 'endpoints.flights.port: unknown key; known: dataPort'],
    [{ flights: { constructor: 1 } }, 'endpoints.flights.constructor: unknown key'],
    [{ flights: null }, 'endpoints.flights: expected a map'],
    [{ flights: 'x' }, 'endpoints.flights: expected a map'],
    [{ flights: { dataPort: -1 } }, 'endpoints.flights.dataPort: expected a port'],
    [{ flights: { dataPort: 1.5 } }, 'endpoints.flights.dataPort: expected a port'],
    [{ flights: { stickiness: 'id' } }, 'endpoints.flights.stickiness'],
    [{ flights: { stickiness: null } }, 'endpoints.flights.stickiness'],
    [{ flights: { stickiness: {} } }, 'endpoints.flights.stickiness'],
    [{ flights: { stickiness: { by: 'id', header: 'x' } } }, 'endpoints.flights.stickiness'],
    [{ flights: { stickiness: { cookie: 'x' } } }, 'endpoints.flights.stickiness'],
    [{ flights: { stickiness: { header: 7 } } }, 'endpoints.flights.stickiness'],
    [{ flights: { requestTimeoutMs: 600_001 } }, 'from 1 to 600000'],
    [{ flights: { requestTimeoutMs: 1.5 } }, 'from 1 to 600000'],
    [{ flights: { logRotateBytes: 'x'.repeat(1_000) } }, /got "x{79}$/],
    [{ flights: { dataPort: 70_000 } }, 'endpoints.flights.dataPort: expected a port'],
    [
      { flights: { adminPort: '1' } },
      'endpoints.flights.adminPort: expected a port from 0 to 65535 (0: any free one), got "1"',
    ],
    [{ flights: { stickiness: { header: 'a b' } } }, 'endpoints.flights.stickiness'],
    [{ flights: { stickiness: { by: 'ip' } } }, 'endpoints.flights.stickiness'],
    [{ flights: { requestTimeoutMs: 0 } }, 'endpoints.flights.requestTimeoutMs'],
  ])('says what is wrong with its options: %j', (endpoints, message) => {
    expect(open(endpoints)).toThrow(message);
  });

  it('says of a root that cannot be made why, at once', () => {
    const opening = () =>
      createOnpremServing({
        id: 'onprem.test',
        root: '/proc/retempo',
        context: { materialize: async () => undefined },
      });
    expect(opening).toThrow('/proc/retempo');
  });

  it('says which port is taken', async () => {
    const first = openSite();
    await first.ensureRouter(endpoint, newCall());
    const second = openSite({ dataPort: first.process().dataPort });
    await expect(second.ensureRouter(endpoint, newCall())).rejects.toMatchObject({
      class: 'ServiceFault',
      message: expect.stringContaining('EADDRINUSE') as string,
    });
  });

  it('refuses names that are not its own kind', async () => {
    const site = openSite();
    for (const name of ['', '..', 'a/b', 'A', 'x'.repeat(64), '__proto__']) {
      await expect(site.serving.describe(name, newCall())).rejects.toMatchObject({ class: 'InvalidSpec' });
    }
    const artifact = { v: 1, uri: 'test:/', digest: `sha256:${'0'.repeat(64)}`, bytes: 1 } as const;
    for (const version of ['', '..', 'a/b', '-x', 'x'.repeat(129)]) {
      const input = { key: 'k', endpoint, version, artifact, epoch: 1 };
      await expect(site.serving.deploy(input, newCall())).rejects.toMatchObject({ class: 'InvalidSpec' });
    }
    // Of a long one only the beginning is told.
    const version = 'x'.repeat(10_000);
    const input = { key: 'k', endpoint, version, artifact, epoch: 1 };
    await expect(site.serving.describe(version, newCall())).rejects.toThrow(/, got "x{79}$/);
    await expect(site.serving.deploy(input, newCall())).rejects.toThrow(/: "x{79} is not a version id/);
  });
});
