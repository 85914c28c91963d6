import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { defaultFrontLimits, type Front, type FrontLimits, type Handler, openFront } from './front.js';

const echo: Handler = (head, body, respond) => {
  respond(200, Buffer.from(JSON.stringify({ path: head.path, body: body.toString(), wanted: head.wanted ?? null })));
};
const post = (body: string, extra = ''): string =>
  `POST /p HTTP/1.1\r\nHost: x\r\n${extra}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

const opened: Front[] = [];
const sockets: Socket[] = [];
async function open(handle: Handler = echo, limits: Partial<FrontLimits> = {}): Promise<Front> {
  const front = await openFront({
    port: 0,
    wantedHeader: 'x-unit',
    limits: { ...defaultFrontLimits, ...limits },
    handle,
  });
  opened.push(front);
  return front;
}

/** Sends pieces one after the other and reads until the other side closes or `until` appears. */
function talk(port: number, pieces: readonly string[], until?: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
      if (until !== undefined && text.includes(until)) resolve(text);
    });
    socket.on('error', () => resolve(text));
    socket.on('close', () => resolve(text));
    socket.on('connect', () => {
      void (async () => {
        for (const piece of pieces) {
          socket.write(piece);
          await new Promise((next) => {
            setTimeout(next, 2);
          });
        }
      })();
    });
  });
}

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(opened.splice(0).map((front) => front.drain(0)));
});

describe('data port', () => {
  it('answers requests however they are cut into pieces, in order, also when sent ahead', async () => {
    const { port } = await open();
    const text = post('first') + post('second', 'X-Unit: u1\r\n') + post('third', 'Connection: close\r\n');
    const whole = await talk(port, [text]);
    const single = await talk(port, text.split(''));
    for (const answer of [whole, single]) {
      // Only the last one is told to be the last one.
      expect(answer.split('connection: close').map((part) => part.includes('third'))).toEqual([false, true]);
      expect(
        [...answer.matchAll(/"body":"(\w+)","wanted":("\w+"|null)/g)].map(([, body, wanted]) => [body, wanted])
      ).toEqual([
        ['first', 'null'],
        ['second', '"u1"'],
        ['third', 'null'],
      ]);
    }
  });

  it.each([
    ['X-Unit: u1\r\nx-unit: u2\r\n', '"u1"'],
    ['X-Unit:\r\n', 'null'],
    ['X-Unit:   \r\nX-Unit: u2\r\n', '"u2"'],
  ])(
    'of the header by which units are kept together the first that says something counts: %j',
    async (lines, wanted) => {
      const { port } = await open();
      const answer = await talk(port, [post('b', `${lines}Connection: close\r\n`)]);
      expect(answer).toContain(`"wanted":${wanted}`);
    }
  );

  it('keeps the order of requests sent ahead while answers come late', async () => {
    const { port } = await open((head, body, respond) => {
      setTimeout(() => echo(head, body, respond), 10 - Number(body.toString()) * 5);
    });
    const answer = await talk(port, [post('0') + post('1') + post('2', 'Connection: close\r\n')]);
    expect([...answer.matchAll(/"body":"(\d)"/g)].map(([, body]) => body)).toEqual(['0', '1', '2']);
  });

  const malformed: readonly (readonly [name: string, text: string, status: number])[] = [
    ['no HTTP', 'hello\r\n\r\n', 400],
    ['lower-case method', 'get / HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['absolute target', 'GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['no host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['two hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400],
    ['folded header', 'GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n', 400],
    ['space before colon', 'GET / HTTP/1.1\r\nHost : x\r\n\r\n', 400],
    ['bare line feed', 'GET / HTTP/1.1\nHost: x\r\nA: b\r\n\r\n', 400],
    ['control character', 'GET / HTTP/1.1\r\nHost: x\r\nA: \u0001\r\n\r\n', 400],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', 400],
    ['signed length', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na', 400],
    ['list of lengths', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\na', 400],
    ['chunks', 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 411],
    [
      'length and chunks',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      411,
    ],
    ['compressed body', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\na', 415],
    ['unknown expectation', 'POST / HTTP/1.1\r\nHost: x\r\nExpect: magic\r\nContent-Length: 1\r\n\r\na', 417],
    ['large headers', `GET / HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
    ['large body', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n', 413],
  ];
  it.each(malformed)('refuses and closes: %s', async (_name, text, status) => {
    let handled = 0;
    const { port } = await open((head, body, respond) => {
      handled += 1;
      echo(head, body, respond);
    });
    const answer = await talk(port, [text + post('smuggled')]);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(handled).toBe(0);
  });

  it('invites a body that waits for it', async () => {
    const { port } = await open();
    const answer = await talk(port, [post('waited', 'Expect: 100-continue\r\nConnection: close\r\n')]);
    expect(answer).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
  });

  it('does not wait for slow senders: headers and bodies that do not arrive are answered with 408', async () => {
    const { port } = await open(echo, { headersTimeoutMs: 100, requestTimeoutMs: 200, idleTimeoutMs: 100 });
    const drip = Array.from({ length: 2_000 }, () => 'a');
    const slowHead = talk(port, ['GET / HTTP/1.1\r\nHost: x\r\nA: ', ...drip]);
    const slowBody = talk(port, ['POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n', ...drip]);
    expect(await slowHead).toContain('408');
    expect(await slowBody).toContain('408');
    expect(await talk(port, [])).toBe('');
  });

  it('holds only so many connections', async () => {
    const { port } = await open(echo, { maxConnections: 2 });
    await Promise.all([talk(port, [post('a')], '"a"'), talk(port, [post('b')], '"b"')]);
    expect(await talk(port, [post('c')])).toBe('');
  });

  it('does not pile up what a caller sends ahead while its request is answered', async () => {
    const { port } = await open(() => undefined, { maxBodyBytes: 100_000 });
    const flood = Array.from({ length: 40 }, () => 'x'.repeat(10_000));
    expect(await talk(port, [post('a'), ...flood])).toBe('');
  });

  it('drains: running requests are answered, idle connections closed, new ones refused', async () => {
    const waiting: (() => void)[] = [];
    const front = await open((head, body, respond) => {
      if (body.toString() === 'slow') waiting.push(() => echo(head, body, respond));
      else echo(head, body, respond);
    });
    const idle = talk(front.port, [post('idle')]);
    const slow = talk(front.port, [post('slow')]);
    while (waiting.length === 0) {
      await new Promise((resolve) => {
        setTimeout(resolve, 1);
      });
    }
    const drained = front.drain(5_000);
    expect(await idle).toContain('"idle"');
    expect(await talk(front.port, [post('new')])).toBe('');
    waiting[0]?.();
    expect(await slow).toMatch(/connection: close\r\n[\s\S]*"slow"/);
    await drained;
  });
});
