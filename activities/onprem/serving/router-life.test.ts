import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { isAlive, processStat } from '@retempo/activities/processes';
import type { EndpointRecord } from './endpoint-record.js';
import { lifeOf, programPath, routerFiles } from './layout.js';
import { endpoint, good, newCall, openSite, same, type Site } from './serving-site.test.support.js';
import { logisticRequest } from './tiny-model.test.support.js';

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; i < 3_000; i++) {
    if (holds()) return;
    await sleep(20);
  }
  throw new Error(`never came: ${what}`);
}

describe('life of a router', () => {
  it('is its own: it outlives whoever started it, who is not held up by it', async () => {
    const site = openSite();
    const module = fileURLToPath(new URL('../dist/serving/onprem-serving.js', import.meta.url));
    const starter = `
      import { createOnpremServing } from ${JSON.stringify(module)};
      const site = createOnpremServing({ id: 'onprem.other', root: ${JSON.stringify(site.root)}, context: {} });
      const call = { signal: new AbortController().signal, deadlineMs: Date.now() + 20_000 };
      // It is not closed: that it looks for routers that have died does not hold its process up either.
      console.log((await site.ensureRouter(${JSON.stringify(endpoint)}, call)).pid);`;
    const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', starter], {
      encoding: 'utf8',
      timeout: 40_000,
    });
    const { process: router } = site.process();
    expect([status, Number(stdout)]).toEqual([0, router.pid]);
    expect(isAlive(router)).toBe(true);
    // In a session of its own: a key that interrupts the terminal of its starter does not reach it.
    expect(processStat(router.pid)).toMatchObject({ session: router.pid, group: router.pid });
    expect((await site.ensureRouter(endpoint, newCall())).pid).toBe(router.pid);
  });

  it('ends by force when it hangs, and its model servers with it', async () => {
    const site = openSite({ requestTimeoutMs: 1 });
    await site.deployReady('v1', good);
    site.close();
    const { process: router, servers } = site.process();
    for (const { pid } of [router, ...servers]) process.kill(pid, 'SIGSTOP');
    await site.stop(endpoint);
    await until('router and server are gone', () => ![router, ...servers].some(isAlive));
    expect(servers).toHaveLength(1);
    expect(site.leftOf(endpoint)).toBe('files');
  });

  it('cannot be found before it can be called', async () => {
    const site = openSite();
    await site.deployReady('v1', good);
    await site.stop(endpoint);
    const files = routerFiles(join(site.root, endpoint));
    const last = site.process();
    const seen = join(site.root, 'seen.json');
    // What others could read when it opened its first port; its model server is started by then.
    const look = `
      import { copyFileSync, constants } from 'node:fs';
      import { Server } from 'node:net';
      const { listen } = Server.prototype;
      Server.prototype.listen = function (...how) {
        copyFileSync(${JSON.stringify(files.process)}, ${JSON.stringify(seen)});
        Server.prototype.listen = listen;
        return listen.apply(this, how);
      };`;
    const router = spawn(process.execPath, [
      `--import=data:text/javascript,${encodeURIComponent(look)}`,
      programPath('router-main'),
      `--state=${files.folder}`,
      `--after=${lifeOf(last)}`,
    ]);
    await until('the router', () => site.process().process.pid === router.pid);
    expect(JSON.parse(readFileSync(seen, 'utf8'))).toEqual(last);
    await site.stop(endpoint);
  });

  it('leaves no model server behind, also none that hangs', async () => {
    const site = openSite();
    await site.deployReady('v1', good);
    const { servers } = site.process();
    for (const { pid } of servers) process.kill(pid, 'SIGSTOP');
    await site.stop(endpoint);
    expect(servers).toHaveLength(1);
    expect(servers.some(isAlive)).toBe(false);
    expect(site.process()).toMatchObject({ stopped: true, servers: [] });
  });

  it('is the only end of its model servers: an interrupt from a terminal leaves them to it', async () => {
    const site = openSite();
    await site.deployReady('v1', good);
    await site.weights({ v1: 100 });
    const { servers } = site.process();
    for (const { pid } of servers) process.kill(pid, 'SIGINT');
    expect((await site.infer(logisticRequest('a', [[1, 0]]))).status).toBe(200);
    expect(servers.map(isAlive)).toEqual([true]);
  });

  it('takes the ports that it is given now, whatever it had before', async () => {
    const site = openSite();
    await site.ensureRouter(endpoint, newCall());
    await site.stop(endpoint);
    const { dataPort, adminPort } = site.process();
    const other = openSite({ dataPort: adminPort, adminPort: dataPort }, site.root);
    const { url } = await other.ensureRouter(endpoint, newCall());
    expect(url).toBe(`http://127.0.0.1:${adminPort}`);
    expect(other.process()).toMatchObject({ dataPort: adminPort, adminPort: dataPort });
  });

  it.each<[string, (site: Site) => Promise<unknown>]>([
    ['it is asked for its state', (site) => site.serving.describe(endpoint, newCall())],
    ['it is started', (site) => site.ensureRouter(endpoint, newCall())],
  ])('is watched over again, after it was stopped, as soon as %s', async (_what, ask) => {
    const site = openSite();
    await site.ensureRouter(endpoint, newCall());
    await site.stop(endpoint);
    await ask(site);
    const { process: router } = site.process();
    process.kill(router.pid, 'SIGKILL');
    await until('another router, for which nobody asks', () => site.process().process.pid !== router.pid);
  });

  it('goes on at another port when its own was taken while nobody ran', async () => {
    const site = openSite();
    await site.ensureRouter(endpoint, newCall());
    await site.stop(endpoint);
    const before = site.process();
    const other = createServer().listen(before.dataPort, '127.0.0.1');
    await once(other, 'listening');
    await site.ensureRouter(endpoint, newCall());
    expect(site.process().dataPort).not.toBe(before.dataPort);
    expect(site.process().adminPort).toBe(before.adminPort);
    other.close();
  });
});

describe('what a router keeps', () => {
  it('is of its user alone, whatever its root allows and whether a router or a version comes first', async () => {
    for (const begin of [
      (site: Site) => site.ensureRouter(endpoint, newCall()),
      (site: Site) => site.deploy('v1', {}),
    ]) {
      const site = openSite();
      chmodSync(site.root, 0o755);
      await begin(site);
      expect(statSync(join(site.root, endpoint)).mode & 0o777).toBe(0o700);
      expect(statSync(routerFiles(join(site.root, endpoint)).process).mode & 0o777).toBe(0o600);
    }
  });

  it('counts are on disk soon after their requests, although nobody asks for them', async () => {
    const site = openSite({ stickiness: { by: 'id' } });
    await site.deployReady('v1', good);
    await site.weights({ v1: 100 });
    expect((await site.infer(logisticRequest('a', [[1, 0]]))).status).toBe(200);
    const { counters, units } = routerFiles(join(site.root, endpoint));
    await until('counts on disk', () => readdirSync(counters).includes('r1.json'));
    await until('units on disk', () => readdirSync(units).includes('r1-v1'));
  });

  it('units are not told, not even as none, where callers do not stay on a version', async () => {
    const site = openSite();
    await site.deployReady('v1', good);
    const revision = await site.weights({ v1: 100 });
    expect((await site.infer(logisticRequest('a', [[1, 0]]))).status).toBe(200);
    const { arms } = await site.metrics.readArms({ endpoint, versions: ['v1'], revisions: [revision] }, newCall());
    expect(arms['v1']?.requests).toBe(1);
    expect(arms['v1']).not.toHaveProperty('units');
  });

  it('a lease that runs out is written down although there is neither a request nor a call', async () => {
    const site = openSite();
    await site.deployReady('v1', good);
    await site.weights({ v1: 100 });
    await site.deployReady('v2', same);
    const { revision } = await site.serving.describe(endpoint, newCall());
    const lease = { seconds: 0.5, fallback: 'v1' };
    const weights = { v1: 0, v2: 100 };
    await site.serving.setTraffic({ endpoint, weights, ifRevision: revision, epoch: 1, lease }, newCall());
    const { record } = routerFiles(join(site.root, endpoint));
    const stored = () => JSON.parse(readFileSync(record, 'utf8')) as EndpointRecord;
    await until('the fallback', () => stored().lease === null);
    expect(stored().versions.map(({ id, weight }) => [id, weight])).toEqual([
      ['v1', 100],
      ['v2', 0],
    ]);
  });

  it('A5: other bytes for the id of a retired version are refused before they come, and leave its own bytes a way back', async () => {
    const site = openSite();
    await site.deployReady('v1', good);
    await site.weights({ v1: 100 });
    await site.deployReady('v2', same);
    await site.serving.retire({ key: 'k', endpoint, version: 'v2', epoch: 1 }, newCall());
    await site.until((state) => !state.busy);
    await expect(site.deploy('v2', { 'model.onnx': good })).rejects.toMatchObject({ class: 'Conflict' });
    expect(existsSync(join(site.root, endpoint, 'versions', 'v2'))).toBe(false);
    await site.deployReady('v2', same);
  });
});
