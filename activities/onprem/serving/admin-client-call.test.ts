import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ownIdentity } from '@retempo/activities/processes';
import { callRouter } from './admin-client.js';

// A caller that no longer waits, and answers that only look like those of a router.

let server: Server | undefined;
let asked: number;
afterEach(async () => {
  const open = server;
  server = undefined;
  open?.closeAllConnections();
  await new Promise((resolve) => (open === undefined ? resolve(undefined) : open.close(resolve)));
});

async function portOf(answer: RequestListener): Promise<number> {
  asked = 0;
  const opened = (server = createServer((request, response) => {
    asked += 1;
    answer(request, response);
  }));
  await new Promise<void>((resolve) => {
    opened.listen(0, '127.0.0.1', resolve);
  });
  return (opened.address() as AddressInfo).port;
}

const controller = () => new AbortController();
function ask(adminPort: number, mutates: boolean, signal = controller().signal, deadlineMs = Date.now() + 60_000) {
  const router = {
    v: 1,
    process: ownIdentity(),
    dataPort: 0,
    adminPort,
    token: 't',
    stopped: false,
    servers: [],
  } as const;
  return callRouter(router, { path: '/traffic', body: {}, mutates }, { signal, deadlineMs });
}
const told =
  (status: number, body: unknown): RequestListener =>
  (_request, response) => {
    response.statusCode = status;
    response.end(JSON.stringify(body));
  };

describe('a caller that no longer waits', () => {
  it('before anything was sent sends nothing', async () => {
    const port = await portOf(told(200, {}));
    const over = controller();
    over.abort();
    const notSent = { message: expect.stringContaining('was not sent') as string };
    await expect(ask(port, true, over.signal)).rejects.toMatchObject({ class: 'Cancelled', ...notSent });
    await expect(ask(port, true, controller().signal, Date.now() - 1)).rejects.toMatchObject({
      class: 'DeadlineExceeded',
      ...notSent,
    });
    expect(asked).toBe(0);
  });

  it('does not know what became of a change that was sent', async () => {
    for (const [mutates, errorClass] of [
      [true, 'UnknownOutcome'],
      [false, 'Cancelled'],
    ] as const) {
      const waiting = controller();
      const port = await portOf(() => waiting.abort());
      await expect(ask(port, mutates, waiting.signal)).rejects.toMatchObject({
        class: errorClass,
        message: expect.stringContaining('the caller no longer waits') as string,
      });
      const open = server;
      open?.closeAllConnections();
      await new Promise((resolve) => open?.close(resolve));
    }
  });

  it('hangs up, also when its time is over: the router is not kept busy for nobody', async () => {
    for (const how of ['abort', 'deadline'] as const) {
      const waiting = controller();
      let hungUp = false;
      const port = await portOf((request) => {
        request.socket.on('close', () => (hungUp = true));
        if (how === 'abort') waiting.abort();
      });
      const deadlineMs = Date.now() + (how === 'abort' ? 60_000 : 500);
      await expect(ask(port, true, waiting.signal, deadlineMs)).rejects.toThrow();
      // One that was not even connected in that time has nothing to hang up.
      await vi.waitUntil(() => hungUp || asked === 0, 50_000);
      const open = server;
      await new Promise((resolve) => open?.close(resolve));
    }
  });

  it('and one that was answered leaves no listener behind', async () => {
    const port = await portOf(told(200, { ok: true }));
    const { signal } = controller();
    const adding = vi.spyOn(signal, 'addEventListener');
    const removing = vi.spyOn(signal, 'removeEventListener');
    expect(await ask(port, true, signal)).toEqual({ ok: true });
    await vi.waitUntil(() => removing.mock.calls.length > 0, 50_000);
    expect(adding.mock.calls.map(([, listener]) => listener)).toEqual(removing.mock.calls.map(([, gone]) => gone));
  });
});

describe('what is sent', () => {
  it.each([
    [{ path: '/traffic', body: { weights: { v1: 100 } }, mutates: true }, 'POST', '{"weights":{"v1":100}}'],
    [{ path: '/endpoint', mutates: false }, 'GET', ''],
  ])('%j is a %s', async (what, method, body) => {
    let seen: { readonly [key: string]: unknown } = {};
    const port = await portOf((request, response) => {
      const { authorization } = request.headers;
      const type = request.headers['content-type'];
      const length = request.headers['content-length'];
      let text = '';
      request.on('data', (chunk: Buffer) => (text += chunk.toString()));
      request.on('end', () => {
        seen = { method: request.method, url: request.url, authorization, type, length, text };
        response.end('{}');
      });
    });
    const known = { v: 1, process: ownIdentity(), dataPort: 0, token: 't', stopped: false, servers: [] } as const;
    const call = { signal: controller().signal, deadlineMs: Date.now() + 60_000 };
    await callRouter({ ...known, adminPort: port }, what, call);
    const headers = body === '' ? {} : { type: 'application/json', length: String(body.length) };
    expect(seen).toEqual({ method, url: what.path, authorization: 'Bearer t', text: body, ...headers });
  });
});

describe('an answer', () => {
  it.each<[string, unknown]>([
    ['nothing', null],
    ['a text', 'no'],
    ['an error without a class', { error: { message: 'no' } }],
    ['an error whose class is no text', { error: { class: 7, message: 'no' } }],
    ['an error that is nothing', { error: null }],
  ])('of 409 with %s is not from a router', async (_what, body) => {
    const port = await portOf(told(409, body));
    await expect(ask(port, true)).rejects.toMatchObject({
      class: 'UnknownOutcome',
      message: expect.stringContaining('unexpected status 409') as string,
    });
  });

  it('that says when to come again is told so', async () => {
    const error = { class: 'Throttled', message: 'later', retryAfterMs: 1_234 };
    const port = await portOf(told(429, { error }));
    await expect(ask(port, true)).rejects.toMatchObject({ class: 'Throttled', retryAfterMs: 1_234 });
  });
});
