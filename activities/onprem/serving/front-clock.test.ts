import { connect, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { defaultFrontLimits, type Front, type Handler, openFront, type Respond } from './front.js';

// What a caller may take its time for. Real sockets; only the clock by which the port looks after them is the test's.

const second = 1_000;
let front: Front | undefined;
const sockets: Socket[] = [];
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] });
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  vi.useRealTimers();
  await front?.drain(0);
  front = undefined;
});

const echo: Handler = (_head, body, respond) => respond(200, body);
async function open(handle: Handler = echo): Promise<void> {
  front = await openFront({ port: 0, wantedHeader: undefined, limits: defaultFrontLimits, handle });
}
const post = (body: string, extra = ''): string =>
  `POST /p HTTP/1.1\r\nHost: x\r\n${extra}Content-Length: ${body.length}\r\n\r\n${body}`;

interface Caller {
  /** Sends, and waits until the port has read it: it reads in the order in which bytes come. */
  send(text: string): Promise<void>;
  /** Sends one byte, and waits for nothing. */
  poke(): void;
  readonly text: () => string;
  readonly closed: () => boolean;
  /** The port has ended its side. */
  readonly ended: () => boolean;
}
async function until(what: string, holds: () => boolean): Promise<void> {
  const since = performance.now();
  while (!holds()) {
    if (performance.now() - since > 50_000) throw new Error(`never came: ${what}`);
    await turn();
  }
}
function plain(): Omit<Caller, 'send' | 'poke'> & { readonly socket: Socket } {
  // It goes on sending although the other side has ended.
  const socket = connect({ port: front?.port ?? 0, host: '127.0.0.1', allowHalfOpen: true });
  sockets.push(socket);
  let received = '';
  let closed = false;
  let ended = false;
  socket.on('end', () => (ended = true));
  socket.on('data', (chunk) => (received += chunk.toString()));
  socket.on('error', () => undefined);
  socket.on('close', () => (closed = true));
  return { socket, text: () => received, closed: () => closed, ended: () => ended };
}
async function settled(): Promise<void> {
  for (let i = 0; i < 2; i++) {
    const other = plain();
    other.socket.write(post('other', 'Connection: close\r\n'));
    await until('another one is answered', () => other.text().includes('\r\n\r\nother'));
    other.socket.destroy();
  }
}
async function call(text = ''): Promise<Caller> {
  const { socket, text: read, closed, ended } = plain();
  const send = async (more: string): Promise<void> => {
    await new Promise((resolve) => socket.write(more, resolve));
    await settled();
  };
  await (text === '' ? settled() : send(text));
  return { send, poke: () => void socket.write('.'), text: read, closed, ended };
}
const answers = (caller: Caller): number => caller.text().match(/HTTP\/1\.1 \d/g)?.length ?? 0;
/** Time passes, and the port looks after its connections. */
async function pass(milliseconds: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(milliseconds);
  await settled();
}

describe('the time of a caller', () => {
  it('for its headers begins with their first byte, not before, and not again with every byte', async () => {
    await open();
    const caller = await call();
    await pass(50 * second);
    await caller.send('POST /p HTTP/1.1\r\n');
    await pass(4 * second);
    expect(answers(caller)).toBe(0);
    await caller.send('Host: x\r\n');
    await pass(2 * second);
    await until('it is refused', () => answers(caller) === 1);
    expect(caller.text()).toMatch(/^HTTP\/1\.1 408 [\s\S]*connection: close\r\n[\s\S]*headers did not arrive/);
  });

  it.each([
    ['has begun', 'a', 'b'],
    ['begins late', '', 'ab'],
  ])('for its body is that of the request, when it %s, and the refusal is the last', async (_what, begun, more) => {
    await open();
    const caller = await call(`POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n${begun}`);
    await pass(9 * second);
    await caller.send(more);
    expect(answers(caller)).toBe(0);
    await pass(2 * second);
    await until('it is refused', () => answers(caller) === 1);
    expect(caller.text()).toMatch(/^HTTP\/1\.1 408 [\s\S]*connection: close\r\n[\s\S]*body did not arrive/);
    await caller.send(`cd${post('smuggled')}`);
    expect(answers(caller)).toBe(1);
  });

  it('between two requests begins with the answer, however long that took', async () => {
    const responds: Respond[] = [];
    await open((_head, body, respond) => {
      if (body.toString() === 'slow') responds.push(respond);
      else respond(200, body);
    });
    const caller = await call(post('slow'));
    await pass(3_600 * second);
    responds[0]?.(200, Buffer.from('late'));
    await until('it is answered', () => answers(caller) === 1);
    await pass(59 * second);
    await caller.send(post('next'));
    await until('the next one is answered', () => answers(caller) === 2);
    expect(caller.ended()).toBe(false);
    await pass(61 * second);
    await until('it is closed', caller.ended);
  });

  it('after a refusal is that of a request, also when it goes on sending', async () => {
    await open();
    const caller = await call('hello\r\n\r\n');
    await until('it is refused', () => answers(caller) === 1);
    await pass(9 * second);
    await caller.send('more');
    expect(caller.closed()).toBe(false);
    await pass(2 * second);
    // What it sends meets nobody then.
    await until('it is closed', () => {
      caller.poke();
      return caller.closed();
    });
    expect(answers(caller)).toBe(1);
  });
});

it('the end of the port ends its looks after connections', async () => {
  await open();
  expect(vi.getTimerCount()).toBe(1);
  await front?.drain(0);
  expect(vi.getTimerCount()).toBe(0);
});

describe('requests sent ahead', () => {
  it('of one that is the last on its connection are not served, whether it is answered at once or later', async () => {
    const responds: Respond[] = [];
    const handled: string[] = [];
    await open((_head, body, respond) => {
      handled.push(body.toString());
      if (body.toString() === 'slow') responds.push(respond);
      else respond(200, body);
    });
    const atOnce = await call(post('quick', 'Connection: close\r\n') + post('smuggled'));
    const later = await call(post('slow', 'Connection: close\r\n') + post('smuggled'));
    responds[0]?.(200, Buffer.from('slow'));
    await until('both are answered', () => answers(atOnce) === 1 && answers(later) === 1);
    await settled();
    expect([answers(atOnce), answers(later)]).toEqual([1, 1]);
    expect(handled.filter((body) => body !== 'other')).toEqual(['quick', 'slow']);
  });

  it('are all served in their order, however many have come while one was answered', async () => {
    const many = 50_000;
    const responds: Respond[] = [];
    await open((_head, body, respond) => {
      if (body.toString() === 'slow') responds.push(respond);
      else respond(200, body);
    });
    const ahead = Array.from({ length: many }, (_, i) => post(String(i))).join('');
    const caller = await call(post('slow') + ahead);
    responds[0]?.(200, Buffer.from('slow'));
    await until('all are answered', () => caller.text().endsWith(`\r\n\r\n${many - 1}`));
    expect(answers(caller)).toBe(many + 1);
  });
});
