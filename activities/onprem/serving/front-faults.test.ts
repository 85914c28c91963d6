import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { defaultFrontLimits, type Front, type FrontLimits, type Handler, openFront, type Respond } from './front.js';

// Callers that hold a connection, that go away, and handlers that answer more than once. Real sockets.

const opened: Front[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(opened.splice(0).map((front) => front.drain(0)));
});

const echo: Handler = (_head, body, respond) => respond(200, body);
async function open(handle: Handler = echo, limits: Partial<FrontLimits> = {}): Promise<Front> {
  const front = await openFront({
    port: 0,
    wantedHeader: undefined,
    limits: { ...defaultFrontLimits, ...limits },
    handle,
  });
  opened.push(front);
  return front;
}
const post = (body: string, extra = ''): string =>
  `POST /p HTTP/1.1\r\nHost: x\r\n${extra}Content-Length: ${body.length}\r\n\r\n${body}`;

interface Caller {
  readonly socket: Socket;
  readonly text: () => string;
  readonly closed: () => boolean;
}
function call(port: number, text = ''): Caller {
  const socket = connect(port, '127.0.0.1');
  sockets.push(socket);
  let received = '';
  let closed = false;
  socket.on('data', (chunk) => (received += chunk.toString()));
  socket.on('error', () => undefined);
  socket.on('close', () => (closed = true));
  if (text !== '') socket.write(text);
  return { socket, text: () => received, closed: () => closed };
}
async function until(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; !holds(); i++) {
    if (i > 3_000) throw new Error(`never came: ${what}`);
    await sleep(10);
  }
}
const answers = (caller: Caller): number => caller.text().match(/HTTP\/1\.1 \d/g)?.length ?? 0;

describe('a caller', () => {
  it('whose headers have no end is refused at the limit', async () => {
    const { port } = await open();
    const caller = call(port, `GET / HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(17_000)}`);
    await until('it is refused', caller.closed);
    expect(caller.text()).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('is not invited to send a body that it does not have', async () => {
    const { port } = await open();
    const caller = call(port, post('', 'Expect: 100-continue\r\nConnection: close\r\n'));
    await until('it is answered', caller.closed);
    expect(caller.text()).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('gets one answer to one request, however often the handler gives it', async () => {
    const responds: Respond[] = [];
    const { port } = await open((_head, body, respond) => {
      responds.push(respond);
      if (responds.length === 1) return;
      respond(200, body);
      respond(500, Buffer.from('again'));
    });
    const caller = call(port, post('one') + post('two') + post('three', 'Connection: close\r\n'));
    await until('it is asked', () => responds.length === 1);
    responds[0]?.(200, Buffer.from('one'));
    responds[0]?.(500, Buffer.from('again'));
    await until('it is answered', caller.closed);
    expect([...caller.text().matchAll(/\r\n\r\n(one|two|three|again)/g)].map(([, body]) => body)).toEqual([
      'one',
      'two',
      'three',
    ]);
  });

  it('that has gone while its request was answered takes nobody with it', async () => {
    const responds: Respond[] = [];
    const { port } = await open((_head, body, respond) => {
      if (body.toString() === 'gone') responds.push(respond);
      else respond(200, body);
    });
    const gone = call(port, post('gone') + post('next'));
    await until('it is asked', () => responds.length === 1);
    gone.socket.resetAndDestroy();
    await sleep(50);
    responds[0]?.(200, Buffer.from('late'));
    const other = call(port, post('other'));
    await until('the other is answered', () => answers(other) === 1);
  });

  it('that does not read its answer keeps its connection only for the time of a request', async () => {
    const answer = Buffer.alloc(64 * 1024 * 1024, 'x');
    const { port } = await open((_head, body, respond) => respond(200, body.length === 0 ? answer : body), {
      maxConnections: 1,
      requestTimeoutMs: 200,
      idleTimeoutMs: 3_600_000,
    });
    const deaf = call(port);
    deaf.socket.pause();
    deaf.socket.write(post(''));
    await sleep(50);
    // Its place is free for others then, and not for ever taken.
    let others = call(port, post('b'));
    for (let i = 0; answers(others) === 0; i++) {
      if (i > 500) throw new Error('its place was never free');
      if (others.closed()) others = call(port, post('b'));
      await sleep(20);
    }
    expect(others.text()).toContain('\r\n\r\nb');
  });

  it('that goes on sending after it was refused is not read any more', async () => {
    let handled = 0;
    const { port } = await open((_head, body, respond) => {
      handled += 1;
      respond(200, body);
    });
    const caller = call(port, 'hello\r\n\r\n');
    await until('it is refused', () => answers(caller) === 1);
    caller.socket.write(post('smuggled'));
    await until('it is closed', caller.closed);
    expect([answers(caller), handled]).toEqual([1, 0]);
  });

  it('may take its time between two requests, and for an answer that takes long', async () => {
    const responds: Respond[] = [];
    const { port } = await open(
      (_head, body, respond) => {
        if (body.toString() === 'slow') responds.push(respond);
        else respond(200, body);
      },
      { headersTimeoutMs: 1, requestTimeoutMs: 1, idleTimeoutMs: 3_600_000 }
    );
    const caller = call(port, post('first'));
    await until('the first is answered', () => answers(caller) === 1);
    await sleep(600);
    caller.socket.write(post('slow'));
    await until('it is asked', () => responds.length === 1);
    await sleep(600);
    responds[0]?.(200, Buffer.from('slow'));
    await until('the second is answered', () => answers(caller) === 2);
    expect(caller.text()).toContain('\r\n\r\nslow');
    expect(caller.closed()).toBe(false);
  });
});

describe('the end of the data port', () => {
  it('waits for a request that is only half there, and answers it', async () => {
    const front = await open();
    // What follows a whole request in the same bytes is there when that one is answered.
    const half = call(front.port, `${post('a')}POST /p HTTP/1.1\r\nHost: x\r\nContent-Le`);
    const rest = call(front.port, `${post('b')}POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n`);
    const idle = call(front.port, post('idle'));
    await until('the first requests are answered', () => [half, rest, idle].every((one) => answers(one) === 1));
    // As soon as nobody is there any more: never after the whole grace.
    const drained = front.drain(3_600_000);
    await until('the idle one is closed', idle.closed);
    expect([half.closed(), rest.closed()]).toEqual([false, false]);
    half.socket.write('ngth: 4\r\n\r\nhalf');
    rest.socket.write('rest');
    await drained;
    await until('both are answered', () => half.closed() && rest.closed());
    for (const [caller, body] of [
      [half, 'half'],
      [rest, 'rest'],
    ] as const) {
      expect(caller.text()).toContain(`connection: close\r\n\r\n${body}`);
    }
  });

  it('takes no request any more on a connection that it has ended', async () => {
    let handled = 0;
    const front = await open((_head, body, respond) => {
      handled += 1;
      respond(200, body);
    });
    const socket = connect({ port: front.port, host: '127.0.0.1', allowHalfOpen: true });
    sockets.push(socket);
    let text = '';
    let ended = false;
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('error', () => undefined);
    socket.on('end', () => (ended = true));
    socket.write(post('first'));
    await until('the first is answered', () => text.includes('first'));
    const held = call(front.port, `${post('a')}POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n`);
    await until('the other is answered', () => answers(held) === 1);
    const drained = front.drain(3_600_000);
    await until('it is ended', () => ended);
    await new Promise((resolve) => socket.write(post('late'), resolve));
    // Whatever comes after it has been read when this one is answered.
    held.socket.write('rest');
    await until('the other is answered again', () => answers(held) === 2);
    expect(handled).toBe(3);
    socket.end();
    await drained;
  });

  it('comes after its grace, whatever is still on the way', async () => {
    let asked = 0;
    const front = await open(() => (asked += 1));
    const caller = call(front.port, post('never'));
    await until('it is asked', () => asked === 1);
    await front.drain(100);
    await until('it is closed', caller.closed);
    expect(answers(caller)).toBe(0);
  });
});

it('a port that is taken is told, not waited for', async () => {
  const { port } = await open();
  const again = openFront({ port, wantedHeader: undefined, limits: defaultFrontLimits, handle: echo });
  await expect(again).rejects.toMatchObject({ code: 'EADDRINUSE' });
});
