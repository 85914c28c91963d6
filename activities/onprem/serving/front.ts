import { createServer, type Socket } from 'node:net';
import { endSoon, writeSoon } from './write-batch.js';
import { ByteCollector, encodeResponse, requestHeadReader, type RequestHead } from './http-wire.js';

// The data port: HTTP/1.1 over plain sockets, because a router's work is mostly sockets and node:http alone costs more than the
// whole budget of a request. One request at a time per connection; a slow sender meets a deadline, not a thread.

const maxHeadBytes = 16 * 1024;
const sweepEveryMs = 250;

export interface FrontLimits {
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxBodyBytes: number;
  readonly maxConnections: number;
}

/** Limits of the data port: 5 s for the headers, 10 s for the whole request, 1 min idle, 8 MiB, 1,024 connections. */
export const defaultFrontLimits: FrontLimits = {
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
  maxBodyBytes: 8 * 1024 * 1024,
  maxConnections: 1_024,
};

/** Answers one request; `extra` is whole header lines, each ending in CRLF. Called exactly once per request. */
export type Respond = (status: number, body: Buffer, extra?: string) => void;
export type Handler = (head: RequestHead, body: Buffer, respond: Respond) => void;

export interface Front {
  readonly port: number;
  /** Refuses new connections, lets running requests finish, then closes what is left after `graceMs`. */
  drain(graceMs: number): Promise<void>;
}

interface Client {
  readonly socket: Socket;
  readonly received: ByteCollector;
  head: RequestHead | undefined;
  /** True while a request is being answered. */
  busy: boolean;
  /** When the current wait began, epoch milliseconds: for a request, for its rest, or for the client to read. */
  sinceMs: number;
  closing: boolean;
}

const continueLine = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n');
const problemBody = (message: string): Buffer => Buffer.from(JSON.stringify({ error: message }));

/** Opens the data port on 127.0.0.1. */
export function openFront(options: {
  readonly port: number;
  readonly wantedHeader: string | undefined;
  readonly limits: FrontLimits;
  readonly handle: Handler;
}): Promise<Front> {
  const { limits, handle } = options;
  const readRequestHead = requestHeadReader(options.wantedHeader);
  const clients = new Set<Client>();
  let draining = false;

  function answer(client: Client, status: number, body: Buffer, extra = ''): void {
    const keepAlive = !client.closing && !draining && (client.head?.keepAlive ?? false);
    client.head = undefined;
    client.busy = false;
    client.sinceMs = Date.now();
    const bytes = encodeResponse(status, body, { keepAlive, extra });
    if (keepAlive) writeSoon(client.socket, bytes);
    else {
      client.closing = true;
      endSoon(client.socket, bytes);
    }
  }

  // After a malformed request the place of the next one is unknown: answer and close.
  function reject(client: Client, status: number, message: string): void {
    client.closing = true;
    answer(client, status, problemBody(message));
  }

  /** Where the body begins; 0 when there is no head yet, or none that is served. */
  function readHead(client: Client, bytes: Buffer): number {
    const headEnd = bytes.indexOf('\r\n\r\n');
    if (headEnd > maxHeadBytes || (headEnd < 0 && bytes.length > maxHeadBytes)) {
      reject(client, 431, `headers above ${maxHeadBytes} bytes`);
      return 0;
    }
    if (headEnd < 0) {
      client.received.keep(bytes, bytes.length + 1);
      return 0;
    }
    const head = readRequestHead(bytes.toString('latin1', 0, headEnd));
    if ('message' in head) {
      reject(client, head.status, head.message);
      return 0;
    }
    if (head.length > limits.maxBodyBytes) {
      reject(client, 413, `a body of ${head.length} bytes is above the limit of ${limits.maxBodyBytes}`);
      return 0;
    }
    client.head = head;
    if (head.expectsContinue && head.length > 0) writeSoon(client.socket, continueLine);
    return headEnd + 4;
  }

  // Serves what has arrived, request by request, until bytes are missing or an answer is awaited.
  function pump(client: Client, received: Buffer): void {
    let bytes = received;
    while (bytes.length > 0 && !client.closing) {
      if (client.head === undefined) bytes = bytes.subarray(readHead(client, bytes));
      const { head } = client;
      if (head === undefined) return;
      if (bytes.length < head.length) return client.received.keep(bytes, head.length);
      const body = bytes.subarray(0, head.length);
      client.busy = true;
      client.received.keep(bytes.subarray(head.length), 1);
      let inHandler = true;
      let answered = false;
      handle(head, body, (status, responseBody, extra) => {
        if (answered) return;
        answered = true;
        answer(client, status, responseBody, extra);
        if (!inHandler) pump(client, client.received.take());
      });
      inHandler = false;
      if (client.busy) return;
      bytes = client.received.take();
    }
  }

  function onData(client: Client, chunk: Buffer): void {
    if (client.closing) return;
    if (client.busy) {
      // Requests sent ahead wait here; nobody may pile up more than one.
      client.received.push(chunk);
      if (client.received.held > limits.maxBodyBytes + maxHeadBytes) client.socket.destroy();
      return;
    }
    if (client.head === undefined && client.received.held === 0) client.sinceMs = Date.now();
    const bytes = client.received.add(chunk);
    if (bytes !== undefined) pump(client, bytes);
  }

  // One sweep over all connections instead of a timer per request.
  const sweep = setInterval(() => {
    const nowMs = Date.now();
    for (const client of clients) {
      if (client.busy) continue;
      const waitedMs = nowMs - client.sinceMs;
      const isInHead = client.head === undefined && client.received.held > 0;
      if (client.closing || client.socket.writableLength > 0) {
        if (waitedMs > limits.requestTimeoutMs) client.socket.destroy();
      } else if (client.head !== undefined) {
        if (waitedMs > limits.requestTimeoutMs) reject(client, 408, 'the body did not arrive in time');
      } else if (isInHead) {
        if (waitedMs > limits.headersTimeoutMs) reject(client, 408, 'the headers did not arrive in time');
      } else if (waitedMs > limits.idleTimeoutMs) client.socket.destroy();
    }
  }, sweepEveryMs);

  const server = createServer({ noDelay: true }, (socket) => {
    const client: Client = {
      socket,
      received: new ByteCollector(),
      head: undefined,
      busy: false,
      sinceMs: Date.now(),
      closing: false,
    };
    clients.add(client);
    socket.on('data', (chunk) => onData(client, chunk));
    // An error ends the socket: `close` follows.
    socket.on('error', () => undefined);
    socket.on('close', () => clients.delete(client));
  });
  server.maxConnections = limits.maxConnections;

  async function drain(graceMs: number): Promise<void> {
    draining = true;
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    const untilMs = Date.now() + graceMs;
    while (clients.size > 0 && Date.now() < untilMs) {
      for (const client of clients) {
        // A connection that is in the middle of a request may finish it; an idle one has nothing to lose.
        if (client.head === undefined && client.received.held === 0) {
          client.closing = true;
          endSoon(client.socket);
        }
      }
      await new Promise((resolve) => {
        setTimeout(resolve, 20);
      });
    }
    for (const client of clients) client.socket.destroy();
    clearInterval(sweep);
    await closed;
  }

  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port: options.port, host: '127.0.0.1' }, () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : options.port;
      resolve({ port, drain });
    });
  });
}
