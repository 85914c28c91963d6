import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { superviseModelServer, type SupervisedServer } from './supervisor.js';
import type { Upstream, UpstreamOutcome } from './upstream.js';

// To whom requests go over the lives of a real program, and what becomes of the connections to one that has ended.

/** Well at every look; answers with the number of looks, except a request that is to be left waiting. */
const program = `
import { createServer } from 'node:http';
let looks = 0;
const server = createServer((request, response) => {
  if (request.url === '/metadata') return response.end('{"inputs":[],"outputs":[]}');
  if (request.url === '/v2/health/ready') looks += 1;
  if (request.url !== '/waits') response.end(String(looks));
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.on('disconnect', () => process.exit(0));
`;

let folder: string;
let server: SupervisedServer;
afterEach(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

async function start(): Promise<Upstream> {
  folder = mkdtempSync(join(tmpdir(), 'retempo-connections-'));
  writeFileSync(join(folder, 'server.mjs'), program);
  server = superviseModelServer({
    program: join(folder, 'server.mjs'),
    arguments: [],
    metadataPath: '/metadata',
    logFile: join(folder, 'server.log'),
    maxBodyBytes: 1_000,
    onChange: () => undefined,
    log: () => undefined,
  });
  return ready();
}
async function ready(): Promise<Upstream> {
  for (let upstream = server.upstream(); ; upstream = server.upstream()) {
    if (upstream !== undefined) return upstream;
    await sleep(20);
  }
}
const send = (upstream: Upstream, path: string) =>
  new Promise<string>((resolve) => {
    const request = Buffer.from(`POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n`);
    upstream.send(request, Date.now() + 60_000, (outcome: UpstreamOutcome) =>
      resolve(outcome.kind === 'response' ? outcome.body.toString() : `${outcome.kind}: ${outcome.message}`)
    );
  });

it('the connections to a server that stays well are the same at every look', async () => {
  const upstream = await start();
  while (Number(await send(upstream, '/infer')) < 2) await sleep(50);
  expect(server.upstream()).toBe(upstream);
  expect(server.metadata()).toEqual({ inputs: [], outputs: [] });
});

it('those to a server that has ended take nothing more; the next one has its own', async () => {
  const before = await start();
  const { pid } = server.identity() ?? {};
  if (pid === undefined) throw new Error('nothing was started');
  process.kill(pid, 'SIGKILL');
  while (server.upstream() === before) await sleep(20);
  expect(await send(before, '/infer')).toBe('refused: the model server is stopped');
  const next = await ready();
  expect(next).not.toBe(before);
  expect(await send(next, '/infer')).toMatch(/^\d+$/);
});

it('those to a server that is stopped break off what waits on them, and take nothing more', async () => {
  const upstream = await start();
  const waiting = send(upstream, '/waits');
  await send(upstream, '/infer');
  const stopping = server.stop();
  expect(server.upstream()).toBeUndefined();
  expect(await waiting).toBe('broken: the model server was stopped');
  expect(await send(upstream, '/infer')).toBe('refused: the model server is stopped');
  await stopping;
});
