import { createServer, type Server, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openUpstream, type Upstream, type UpstreamOutcome } from './upstream.js';

// What becomes of a request when its connection goes away, and what one connection can do to another. Real sockets.

let server: Server | undefined;
let upstream: Upstream | undefined;
const sockets: Socket[] = [];
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  upstream?.close();
  for (const socket of sockets.splice(0)) socket.destroy();
  server?.close();
});

/** Connects to a server that hands every request to `answer`: the how many-th it is, and the socket it came from. */
async function open(answer: (request: number, socket: Socket, text: string) => void): Promise<Upstream> {
  let requests = 0;
  const listening = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => answer((requests += 1), socket, bytes.toString()));
  });
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const address = listening.address();
  upstream = openUpstream({ port: typeof address === 'object' ? (address?.port ?? 0) : 0, maxBodyBytes: 100_000 });
  return upstream;
}

const told = (body: string, header = ''): string =>
  `HTTP/1.1 200 OK\r\n${header}Content-Length: ${body.length}\r\n\r\n${body}`;
const inAnHour = () => Date.now() + 3_600_000;
/** Every outcome of one request: one is right, more are wrong. */
function ask(to: Upstream, name = 'x', deadlineMs = inAnHour()): { first: Promise<string>; all: string[] } {
  const all: string[] = [];
  const first = new Promise<string>((resolve) => {
    to.send(Buffer.from(`POST /${name} HTTP/1.1\r\n\r\n`), deadlineMs, (outcome: UpstreamOutcome) => {
      const text = outcome.kind === 'response' ? outcome.body.toString() : outcome.kind;
      all.push(text);
      resolve(text);
    });
  });
  return { first, all };
}
async function until(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; !holds(); i++) {
    if (i > 2_000) throw new Error(`never came: ${what}`);
    await sleep(10);
  }
}

describe('answers', () => {
  it('that come in pieces on many connections at once stay apart', async () => {
    const waiting: { readonly name: string; readonly socket: Socket }[] = [];
    const to = await open((_request, socket, text) => {
      waiting.push({ name: text.charAt(6), socket });
    });
    const names = ['a', 'b', 'c'];
    const asked = names.map((name) => ask(to, name));
    await until('all are asked', () => waiting.length === 3);
    const pieces = waiting.map(({ name }) => {
      const text = told(name.repeat(50_000));
      // The last piece is short: what was read before it is not to be found where it lies.
      return [text.slice(0, 10), text.slice(10, 60), text.slice(60, 20_000), text.slice(20_000, -5), text.slice(-5)];
    });
    for (let piece = 0; piece < 5; piece++) {
      for (const [index, { socket }] of waiting.entries()) {
        socket.write(pieces[index]?.[piece] ?? '');
        await sleep(15);
      }
    }
    expect(await Promise.all(asked.map(({ first }) => first))).toEqual(names.map((name) => name.repeat(50_000)));
    expect(sockets.length).toBe(3);
  });

  it('in chunks are whole when their last piece is there', async () => {
    const to = await open((_request, socket) => {
      const text = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n4\r\n two\r\n0\r\n\r\n';
      void (async () => {
        for (const byte of text) {
          socket.write(byte);
          await sleep(1);
        }
      })();
    });
    expect(await ask(to).first).toBe('one two');
    expect(await ask(to).first).toBe('one two');
    expect(sockets.length).toBe(1);
  });

  it('in chunks without end are given up at the limit', async () => {
    const to = await open((_request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      const chunk = `2710\r\n${'x'.repeat(10_000)}\r\n`;
      for (let i = 0; i < 12; i++) socket.write(chunk);
    });
    expect(await ask(to).first).toBe('broken');
  });

  it('after which the connection is to be closed are the last on it', async () => {
    const to = await open((request, socket) => void socket.write(told(`answer ${request}`, 'Connection: close\r\n')));
    expect(await ask(to).first).toBe('answer 1');
    expect(await ask(to).first).toBe('answer 2');
    expect(sockets.length).toBe(2);
    await until('both are closed', () => sockets.every((socket) => socket.destroyed));
  });
});

describe('a connection that goes away', () => {
  it('while nothing is asked is not used again', async () => {
    const to = await open((request, socket) => {
      if (request === 1) socket.end(told('one'));
      else socket.write(told('two'));
    });
    expect(await ask(to).first).toBe('one');
    await until('it is closed', () => sockets[0]?.destroyed === true);
    expect(await ask(to).first).toBe('two');
  });

  it('leaves the others in use', async () => {
    const held: Socket[] = [];
    const to = await open((request, socket) => {
      if (request <= 2) held.push(socket);
      else socket.write(told('third'));
    });
    const asked = [ask(to), ask(to)];
    await until('both are asked', () => held.length === 2);
    held[0]?.write(told('fine'));
    await until('one is answered', () => to.answered() === 1);
    held[1]?.destroy();
    expect((await Promise.all(asked.map(({ first }) => first))).sort()).toEqual(['broken', 'fine']);
    expect(await ask(to).first).toBe('third');
    expect(sockets.length).toBe(2);
  });

  it('half is one that is gone, at once', async () => {
    const listening = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.push(socket);
      socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\n'));
    });
    server = listening;
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
    const address = listening.address();
    upstream = openUpstream({ port: typeof address === 'object' ? (address?.port ?? 0) : 0, maxBodyBytes: 1_000 });
    expect(await ask(upstream).first).toBe('broken');
  });

  it('makes room for one that waits, not for all', async () => {
    const held: Socket[] = [];
    const to = await open((request, socket) => {
      if (request <= 32) held.push(socket);
      else if (request === 33) socket.write(told('late', 'X: 1\r\n'));
    });
    const asked = Array.from({ length: 40 }, () => ask(to));
    await until('32 are asked', () => held.length === 32);
    held[0]?.destroy();
    expect(await asked[32]?.first).toBe('late');
    expect(asked.flatMap(({ all }) => all).sort()).toEqual(['broken', 'late']);
    // The others went on with the connection that had become free.
    expect([to.inFlight(), sockets.length]).toEqual([38, 33]);
  });

  it('before it was there has sent nothing: refused, which may be repeated', async () => {
    const to = await open(() => undefined);
    await new Promise((resolve) => server?.close(resolve));
    expect(await ask(to).first).toBe('refused');
    expect([to.inFlight(), to.answered()]).toEqual([0, 0]);
  });

  it('is one outcome, however many ways it tells that it is gone', async () => {
    const to = await open((_request, socket) => {
      socket.resetAndDestroy();
    });
    const { first, all } = ask(to);
    expect(await first).toBe('broken');
    await until('the socket is gone', () => sockets[0]?.destroyed === true);
    const after = ask(to);
    expect(await after.first).toBe('broken');
    expect([all, after.all, to.inFlight()]).toEqual([['broken'], ['broken'], 0]);
  });
});

describe('a request that waits for a connection', () => {
  it('is given up at its deadline, the others are not', async () => {
    let asked = 0;
    const to = await open(() => (asked += 1));
    const held = Array.from({ length: 32 }, () => ask(to));
    await until('32 are asked', () => asked === 32);
    const late = ask(to, 'late', Date.now() - 1);
    const patient = ask(to, 'patient');
    expect(await late.first).toBe('timeout');
    expect([held.flatMap(({ all }) => all), patient.all, to.inFlight()]).toEqual([[], [], 33]);
  });
});

describe('connections that are closed', () => {
  it('are not looked after any more', () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const to = openUpstream({ port: 1, maxBodyBytes: 1 });
    expect(vi.getTimerCount()).toBe(1);
    to.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('break off what was asked and what waited, once, and take nothing more', async () => {
    let asked = 0;
    const to = await open(() => (asked += 1));
    const requests = Array.from({ length: 40 }, () => ask(to));
    await until('32 are asked', () => asked === 32);
    const connecting = vi.spyOn(Socket.prototype, 'connect');
    to.close();
    expect(connecting).not.toHaveBeenCalled();
    expect(requests.flatMap(({ all }) => all)).toEqual(requests.map(() => 'broken'));
    expect(ask(to).all).toEqual(['refused']);
    await until('all are gone', () => sockets.every((socket) => socket.destroyed));
    expect([requests.flatMap(({ all }) => all).length, to.inFlight(), sockets.length]).toEqual([40, 0, 32]);
  });
});
