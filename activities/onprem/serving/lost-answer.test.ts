import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { identityOf } from '@retempo/activities/processes';
import { routerFiles } from './layout.js';
import { endpoint, good, newCall, openSite, type Site } from './serving-site.test.support.js';

const epoch = 1;

it.each<[what: string, errorClass: string, call: (site: Site) => Promise<unknown>]>([
  ['a deployment', 'UnknownOutcome', (site) => site.deploy('v1', { 'model.onnx': good })],
  [
    'a change of weights',
    'UnknownOutcome',
    ({ serving }) => serving.setTraffic({ endpoint, weights: { v1: 100 }, ifRevision: 'r0', epoch }, newCall()),
  ],
  [
    'a retirement',
    'UnknownOutcome',
    ({ serving }) => serving.retire({ key: 'k', endpoint, version: 'v1', epoch }, newCall()),
  ],
  ['a description', 'ServiceFault', ({ serving }) => serving.describe(endpoint, newCall())],
  ['counts', 'ServiceFault', ({ metrics }) => metrics.readArms({ endpoint, versions: ['v1'] }, newCall())],
  ['the request log', 'ServiceFault', async ({ metrics }) => metrics.requestLog(endpoint, newCall())],
])('%s whose answer is lost ends with %s', async (_what, errorClass, call) => {
  const site = openSite();
  await site.ensureRouter(endpoint, newCall());
  await site.stop(endpoint);
  site.close();
  // A router that lives, and loses what it is asked.
  const sleeper = spawn('sleep', ['1000']);
  await once(sleeper, 'spawn');
  let asked = 0;
  const port = createServer((socket) => {
    socket.once('data', () => {
      asked += 1;
      socket.destroy();
    });
  }).listen(0, '127.0.0.1');
  try {
    await once(port, 'listening');
    const { port: adminPort } = port.address() as AddressInfo;
    const lives = { process: identityOf(Number(sleeper.pid)), adminPort, stopped: false };
    writeFileSync(routerFiles(join(site.root, endpoint)).process, JSON.stringify({ ...site.process(), ...lives }));
    await expect(call(site)).rejects.toMatchObject({ class: errorClass });
    expect(asked).toBe(1);
  } finally {
    port.close();
    sleeper.kill('SIGKILL');
  }
});
