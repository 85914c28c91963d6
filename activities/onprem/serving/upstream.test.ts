import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { openUpstream, type Upstream, type UpstreamOutcome } from './upstream.js';

// A model server that does not keep to the protocol, on a real socket.

let server: Server | undefined;
let upstream: Upstream | undefined;
const sockets = new Set<Socket>();
afterEach(() => {
  upstream?.close();
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  server?.close();
});

/** Connects to a server that answers the n-th request of all its connections with `answers[n]`. */
async function open(answer: (request: number, socket: Socket) => void): Promise<Upstream> {
  let requests = 0;
  const listening = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => answer((requests += 1), socket));
  });
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const address = listening.address();
  upstream = openUpstream({ port: typeof address === 'object' ? (address?.port ?? 0) : 0, maxBodyBytes: 1_000 });
  return upstream;
}

const told = (body: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const ask = (to: Upstream, deadlineMs = Date.now() + 30_000): Promise<{ kind: string; body?: string }> =>
  new Promise((resolve) => {
    to.send(Buffer.from('POST / HTTP/1.1\r\n\r\n'), deadlineMs, (outcome: UpstreamOutcome) => {
      resolve(
        outcome.kind === 'response' ? { kind: 'response', body: outcome.body.toString() } : { kind: outcome.kind }
      );
    });
  });

describe('connections to a model server', () => {
  it('a second answer to one request is nobody’s: the next request gets its own', async () => {
    const to = await open((request, socket) => {
      socket.write(request === 1 ? told('one') + told('stray') : told(`answer ${request}`));
    });
    expect(await ask(to)).toEqual({ kind: 'response', body: 'one' });
    expect(await ask(to)).toEqual({ kind: 'response', body: 'answer 2' });
    expect(sockets.size).toBe(2);
  });

  it('bytes that come without a request end the connection', async () => {
    const to = await open((request, socket) => {
      socket.write(told(`answer ${request}`));
      if (request === 1) setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n'), 20);
    });
    expect(await ask(to)).toEqual({ kind: 'response', body: 'answer 1' });
    const [first] = sockets;
    await new Promise<void>((resolve) => {
      if (first?.destroyed === true) resolve();
      else first?.once('close', () => resolve());
    });
    expect(await ask(to)).toEqual({ kind: 'response', body: 'answer 2' });
  });

  it.each([
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    ['length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['no length', 'HTTP/1.1 200 OK\r\n\r\nabc'],
    ['a bad length', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'],
    ['a length above the limit', 'HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n'],
    ['malformed chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n'],
    ['no HTTP', 'hello\r\n\r\n'],
    ['a head without end', `HTTP/1.1 200 OK\r\nA: ${'a'.repeat(20_000)}`],
  ])('an answer with %s is broken, and the connection is not used again', async (_what, text) => {
    const to = await open((request, socket) => void socket.write(request === 1 ? text : told('fine')));
    expect(await ask(to)).toEqual({ kind: 'broken' });
    expect(await ask(to)).toEqual({ kind: 'response', body: 'fine' });
    expect(sockets.size).toBe(2);
  });

  it('what was sent once is never sent again: a lost answer is told as lost', async () => {
    let requests = 0;
    const to = await open((_request, socket) => {
      requests += 1;
      socket.destroy();
    });
    expect(await ask(to)).toEqual({ kind: 'broken' });
    await sleep(100);
    expect(requests).toBe(1);
  });

  it('an answer that does not come in time is told as late, and one that comes after it is nobody’s', async () => {
    const to = await open((request, socket) => {
      if (request === 1) setTimeout(() => socket.write(told('late')), 600);
      else socket.write(told('fine'));
    });
    expect(await ask(to, Date.now() + 200)).toEqual({ kind: 'timeout' });
    expect(await ask(to)).toEqual({ kind: 'response', body: 'fine' });
    expect(to.inFlight()).toBe(0);
  });

  it('opens at most 32 connections; what comes meanwhile waits for its turn, and beyond 2,048 is refused at once', async () => {
    const waiting: Socket[] = [];
    let isHeld = true;
    const to = await open((_request, socket) => {
      if (isHeld) waiting.push(socket);
      else socket.write(told('late'));
    });
    const asked = Array.from({ length: 32 + 2_048 }, () => ask(to));
    expect(await ask(to)).toEqual({ kind: 'refused' });
    while (waiting.length < 32) await sleep(5);
    isHeld = false;
    for (const socket of waiting) socket.write(told('first'));
    const answers = await Promise.all(asked);
    expect(answers.filter(({ body }) => body === 'first')).toHaveLength(32);
    expect(answers.filter(({ body }) => body === 'late')).toHaveLength(2_048);
    expect(sockets.size).toBe(32);
  });
});
