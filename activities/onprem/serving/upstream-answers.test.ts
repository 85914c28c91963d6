import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { openUpstream, type Upstream } from './upstream.js';

// Answers that end a connection, and what becomes of the requests that were to use it. Real sockets.

let server: Server | undefined;
let upstream: Upstream | undefined;
const sockets: Socket[] = [];
afterEach(() => {
  upstream?.close();
  for (const socket of sockets.splice(0)) socket.destroy();
  server?.close();
});

async function open(answer: (request: number, socket: Socket) => void): Promise<Upstream> {
  let requests = 0;
  const listening = (server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => answer((requests += 1), socket));
  }));
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const address = listening.address();
  upstream = openUpstream({ port: typeof address === 'object' ? (address?.port ?? 0) : 0, maxBodyBytes: 1_000 });
  return upstream;
}
const ask = (to: Upstream, deadlineMs = Date.now() + 3_600_000) =>
  new Promise<string>((resolve) => {
    to.send(Buffer.from('POST / HTTP/1.1\r\n\r\n'), deadlineMs, (outcome) =>
      resolve(
        outcome.kind === 'response'
          ? `${outcome.status} ${outcome.body.toString()}`
          : `${outcome.kind}: ${outcome.message}`
      )
    );
  });

it('a request that waits is not sent on a connection that is to be closed', async () => {
  const busy = new Set<Socket>();
  const to = await open((request, socket) => {
    busy.add(socket);
    if (request === 32) socket.write('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlast');
    if (request === 33) socket.write('HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nnext');
  });
  const first = Array.from({ length: 32 }, () => ask(to));
  // All connections are taken.
  const waiting = ask(to);
  expect(await Promise.race(first)).toBe('200 last');
  expect(await waiting).toBe('503 next');
  expect([busy.size, to.inFlight()]).toEqual([33, 31]);
});

describe('a request without an answer', () => {
  it('is told as one that had no connection, or whose connection was closed', async () => {
    const to = await open((request, socket) => {
      if (request === 1) socket.end();
      else socket.resetAndDestroy();
    });
    expect(await ask(to)).toBe('broken: the model server closed the connection');
    expect(await ask(to)).toMatch(/^broken: the model server closed the connection: .*ECONNRESET/);
    const closed = new Promise((resolve) => server?.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
    expect(await ask(to)).toMatch(/^refused: the model server refused: .*ECONNREFUSED/);
  });

  it('is told as one whose time was over, or that met a server that was stopped', async () => {
    const to = await open(() => undefined);
    expect(await ask(to, Date.now() - 1)).toBe('timeout: the model server did not answer in time');
    const waiting = ask(to);
    to.close();
    expect(await waiting).toBe('broken: the model server was stopped');
    expect(await ask(to)).toBe('refused: the model server is stopped');
    expect(to.inFlight()).toBe(0);
  });
});

describe('an answer that is none', () => {
  it.each([
    ['has no end of its head', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(17_000)}`, 'the response head is too large'],
    ['has no length', 'HTTP/1.1 200 OK\r\n\r\n', 'the response is not HTTP/1.1 with a length'],
    ['says that it is too large', 'HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n', 'larger than 1000 bytes'],
    [
      'is too large',
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n${'x'.repeat(1_500)}`,
      'larger than 1000 bytes',
    ],
    ['has bad chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 'malformed chunks'],
  ])('is told as what is wrong with it, and ends its connection: it %s', async (_what, answer, message) => {
    const to = await open((_request, socket) => void socket.write(answer));
    expect(await ask(to)).toMatch(new RegExp(`^broken: .*${message}$`));
    expect(await ask(to)).toMatch(new RegExp(`^broken: .*${message}$`));
    expect([sockets.length, to.inFlight(), to.answered()]).toEqual([2, 0, 0]);
  });
});
