import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ownIdentity } from '@retempo/activities/processes';
import { callRouter } from './admin-client.js';

// What is known of a change whose answer is not what it should be: the workflow decides by it whether to look or to repeat.

let server: Server | undefined;
afterEach(async () => {
  const open = server;
  server = undefined;
  if (open === undefined) return;
  open.closeAllConnections();
  await new Promise((resolve) => open.close(resolve));
});

async function portOf(answer: RequestListener): Promise<number> {
  const opened = (server = createServer(answer));
  await new Promise<void>((resolve) => {
    opened.listen(0, '127.0.0.1', resolve);
  });
  return (opened.address() as AddressInfo).port;
}

async function closedPort(): Promise<number> {
  const port = await portOf(() => undefined);
  await new Promise((resolve) => server?.close(resolve));
  server = undefined;
  return port;
}

function ask(adminPort: number, mutates: boolean, timeoutMs = 10_000): Promise<unknown> {
  const process = ownIdentity();
  const router = { v: 1, process, dataPort: 0, adminPort, token: 't', stopped: false, servers: [] } as const;
  const call = { signal: new AbortController().signal, deadlineMs: Date.now() + timeoutMs };
  return callRouter(router, { path: '/traffic', body: {}, mutates }, call);
}

const told =
  (status: number, body: string): RequestListener =>
  (_request, response) => {
    response.statusCode = status;
    response.end(body);
  };
const fault = JSON.stringify({ error: { class: 'ServiceFault', message: 'disk full' } });
const refusal = JSON.stringify({ error: { class: 'Conflict', message: 'another revision' } });

describe('the answer of a router', () => {
  it('a request that reached nobody has a known outcome: it may be repeated, a change too', async () => {
    const port = await closedPort();
    await expect(ask(port, true)).rejects.toMatchObject({ class: 'ServiceFault' });
    await expect(ask(port, false)).rejects.toMatchObject({ class: 'ServiceFault' });
  });

  it.each<[string, RequestListener, RegExp, RegExp]>([
    ['that is cut off', (request) => request.socket.destroy(), /read the state back/, /failed .*; repeat the call/],
    [
      'that is no JSON',
      told(200, 'hello'),
      /may or may not have worked .*not JSON.*; read the state back/,
      /failed .*not JSON.*; repeat the call/,
    ],
    ['of something else that listens there', told(404, '{"no":"route"}'), /read the state back/, /look what listens/],
    ['that tells a fault in the middle of it', told(500, fault), /disk full/, /disk full/],
  ])(
    'to a change, %s: nobody knows whether it worked; to a reading it is a fault; each is told with what to do',
    async (_what, answer, ofChange, ofReading) => {
      const port = await portOf(answer);
      const message = (told: RegExp) => ({ message: expect.stringMatching(told) as string });
      await expect(ask(port, true)).rejects.toMatchObject({ class: 'UnknownOutcome', ...message(ofChange) });
      await expect(ask(port, false)).rejects.toMatchObject({ class: 'ServiceFault', ...message(ofReading) });
    }
  );

  it('that does not come in time', async () => {
    const port = await portOf(() => undefined);
    await expect(ask(port, true, 200)).rejects.toMatchObject({ class: 'UnknownOutcome' });
    await expect(ask(port, false, 200)).rejects.toMatchObject({ class: 'DeadlineExceeded' });
  });

  it('that has no end is not read for ever', async () => {
    const mebibyte = Buffer.alloc(1024 * 1024, 'x');
    const port = await portOf((_request, response) => {
      const write = () => {
        while (!response.destroyed && response.write(mebibyte));
      };
      response.on('drain', write);
      write();
    });
    await expect(ask(port, false, 60_000)).rejects.toMatchObject({
      class: 'ServiceFault',
      message: expect.stringContaining('too large') as string,
    });
  });

  it('a refusal is told as the router named it', async () => {
    const port = await portOf(told(409, refusal));
    await expect(ask(port, true)).rejects.toMatchObject({ class: 'Conflict', message: 'another revision' });
  });
});
