import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { isAlive } from '@retempo/activities/processes';
import { alreadyRunningExitCode, lifeOf, programPath, routerFiles } from './layout.js';
import { endpoint, good, newCall, openSite, same, type Site } from './serving-site.test.support.js';
import { logisticRequest } from './tiny-model.test.support.js';

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; i < 3_000; i++) {
    if (holds()) return;
    await sleep(20);
  }
  throw new Error(`never came: ${what}`);
}

/** What a caller gets who repeats a call that says so. */
async function answered<T>(ask: () => Promise<T>): Promise<T> {
  for (let i = 0; i < 500; i++) {
    const answer = await ask().catch((error: unknown) => {
      expect(error).toMatchObject({ class: 'ServiceFault' });
      return null;
    });
    if (answer !== null) return answer;
    await sleep(20);
  }
  throw new Error('never answered');
}

/** v1 serves, v2 is ready beside it. */
async function withTwo(site: Site): Promise<void> {
  await site.deployReady('v1', good);
  await site.weights({ v1: 100 });
  await site.deployReady('v2', same);
}

const body = logisticRequest('a', [[1, 0]]);
const rawRequest = `POST /v2/models/${endpoint}/infer HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

/** Sends one request on a connection that stays open, and reads its answer. */
function exchange(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const onData = (chunk: Buffer): void => {
      text += chunk.toString();
      if (!text.includes('\r\n\r\n{')) return;
      socket.off('data', onData);
      resolve(text);
    };
    socket.on('data', onData);
    socket.write(rawRequest);
  });
}

describe('router: trouble', () => {
  it('one that was suspended beyond its lease gives the very next request to the champion', async () => {
    const site = openSite();
    await withTwo(site);
    const { revision } = await site.serving.describe(endpoint, newCall());
    const lease = { seconds: 2, fallback: 'v1' };
    const weights = { v1: 1, v2: 99 };
    await site.serving.setTraffic({ endpoint, weights, ifRevision: revision, epoch: 1, lease }, newCall());
    const leaseOver = performance.now() + 2_200;
    const { dataPort, process: router } = site.process();
    const socket = connect(dataPort, '127.0.0.1');
    expect(await exchange(socket)).toContain('x-retempo-version: v2');
    process.kill(router.pid, 'SIGSTOP');
    const answer = exchange(socket);
    while (performance.now() < leaseOver) await sleep(50);
    process.kill(router.pid, 'SIGCONT');
    expect(await answer).toContain('x-retempo-version: v1');
    socket.destroy();
  });

  it('a model server that hangs when its router dies is ended by the next router', async () => {
    const site = openSite();
    await site.deployReady('v1', good);
    const before = site.process();
    const [server] = before.servers;
    if (server === undefined) throw new Error('no server');
    process.kill(server.pid, 'SIGSTOP');
    process.kill(before.process.pid, 'SIGKILL');
    await until('another router', () => site.process().process.pid !== before.process.pid);
    await until('the old server is gone', () => !isAlive(server));
  });

  it('model servers end with their router, also when nobody starts another one', async () => {
    const site = openSite();
    await site.deployReady('v1', good);
    const { process: router, servers } = site.process();
    site.close();
    process.kill(router.pid, 'SIGKILL');
    await until('servers are gone', () => !servers.some(isAlive));
    expect(servers).toHaveLength(1);
    expect(isAlive(site.process().process)).toBe(false);
  });

  it('one that waited while another ran and was stopped in order does not come up after it', async () => {
    const site = openSite();
    await site.ensureRouter(endpoint, newCall());
    await site.stop(endpoint);
    const files = routerFiles(join(site.root, endpoint));
    // Right before it takes its claim: as if another router had run from start to end at this moment.
    const meanwhile = `
      import fs from 'node:fs';
      import { syncBuiltinESMExports } from 'node:module';
      const link = fs.linkSync;
      fs.linkSync = (from, to) => {
        if (to.startsWith(${JSON.stringify(files.claim)})) {
          const last = JSON.parse(fs.readFileSync(${JSON.stringify(files.process)}, 'utf8'));
          last.process.started += '1';
          fs.writeFileSync(${JSON.stringify(files.process)}, JSON.stringify(last));
        }
        return link(from, to);
      };
      syncBuiltinESMExports();`;
    const late = spawn(process.execPath, [
      `--import=data:text/javascript,${encodeURIComponent(meanwhile)}`,
      programPath('router-main'),
      `--state=${files.folder}`,
      `--after=${lifeOf(site.process())}`,
    ]);
    const [code] = await once(late, 'exit');
    expect(code).toBe(alreadyRunningExitCode);
    expect(site.process().stopped).toBe(true);
  });

  it('its admin port holds 64 connections, whoever opens them, and works again when they are gone', async () => {
    const site = openSite();
    await site.deployReady('v1', good);
    await site.weights({ v1: 100 });
    const { adminPort } = site.process();
    let closed = 0;
    const sockets = Array.from({ length: 80 }, () => {
      const socket = connect(adminPort, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.on('close', () => (closed += 1));
      return socket;
    });
    await until('the ones too many are closed', () => closed >= 16);
    expect((await site.infer(body)).status).toBe(200);
    for (const socket of sockets) socket.destroy();
    // The router sees them go one by one: until then a call may be refused, which says to repeat it.
    const state = await answered(() => site.serving.describe(endpoint, newCall()));
    expect(state.versions['v1']?.weight).toBe(100);
  });
});

describe('router: requests on the way', () => {
  /** A request that `version` holds back until `letGo` is called. */
  async function heldBack(site: Site, version: string) {
    const index = (await site.serving.describe(endpoint, newCall())).versions;
    const server = site.process().servers[Object.keys(index).indexOf(version)];
    if (server === undefined) throw new Error(`no server of ${version}`);
    process.kill(server.pid, 'SIGSTOP');
    const answer = site.infer(logisticRequest('held back', [[1, 0]]));
    await until('the request is on its way', () => readFileSync(`/proc/${server.pid}/stat`, 'utf8').includes(' T '));
    // The router has handed the request over as soon as it has answered a later call.
    await site.serving.describe(endpoint, newCall());
    await sleep(100);
    return { answer, letGo: () => process.kill(server.pid, 'SIGCONT') };
  }

  it('are answered before a router that is told to stop ends', async () => {
    const site = openSite();
    await site.deployReady('v1', good);
    await site.weights({ v1: 100 });
    const { answer, letGo } = await heldBack(site, 'v1');
    const stopping = site.stop(endpoint);
    await sleep(300);
    letGo();
    expect((await answer).status).toBe(200);
    await stopping;
    expect(site.process().stopped).toBe(true);
  });

  it('are answered before a retired version ends, which cannot be deployed again until then', async () => {
    const site = openSite();
    await withTwo(site);
    await site.weights({ v2: 100 });
    const { answer, letGo } = await heldBack(site, 'v2');
    await site.weights({ v1: 100 });
    await site.serving.retire({ key: 'k', endpoint, version: 'v2', epoch: 1 }, newCall());
    await expect(site.deploy('v2', { 'model.onnx': same })).rejects.toMatchObject({ class: 'Throttled' });
    letGo();
    expect((await answer).status).toBe(200);
    await site.until((state) => !state.busy);
    await site.deployReady('v2', same);
  });
});
