import { connect, type Socket } from 'node:net';
import { writeSoon } from './write-batch.js';
import { ByteCollector, decodeChunked, readResponseHead } from './http-wire.js';

// Persistent connections to one model server, one request at a time on each. Nothing is ever sent twice: what happened to a
// request is told as it is, and the caller counts it against the version.

const maxConnections = 32;
const maxQueued = 2048;
const maxHeadBytes = 16 * 1024;
const sweepEveryMs = 100;

// Every read of every connection goes through this one buffer: nothing is allocated for an answer that arrives in one piece. What
// has to outlive the read is copied.
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);

/** What came of a request. `body` is valid only during the call that hands it over. */
export type UpstreamOutcome =
  | { readonly kind: 'response'; readonly status: number; readonly body: Buffer }
  | { readonly kind: 'refused' | 'broken' | 'timeout'; readonly message: string };

export interface Upstream {
  /** Sends one request as bytes; `done` is called exactly once. */
  send(request: Buffer, deadlineMs: number, done: (outcome: UpstreamOutcome) => void): void;
  /** Requests that have no outcome yet. */
  inFlight(): number;
  /** Answers that have arrived since it was opened, whatever they say. */
  answered(): number;
  /** Ends every connection; requests without an outcome become `broken`. */
  close(): void;
}

interface Exchange {
  readonly request: Buffer;
  readonly deadlineMs: number;
  readonly done: (outcome: UpstreamOutcome) => void;
}

interface Connection {
  readonly socket: Socket;
  exchange: Exchange | undefined;
  readonly received: ByteCollector;
  connected: boolean;
}

type Framed = { readonly status: number; readonly body: Buffer; readonly reusable: boolean };

/** The response in `bytes` once it is whole; before, how many bytes are needed at least; a message when it cannot be one. */
function frame(bytes: Buffer, maxBodyBytes: number): Framed | number | string {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return bytes.length > maxHeadBytes ? 'the response head is too large' : bytes.length + 1;
  const head = readResponseHead(bytes.toString('latin1', 0, headEnd));
  if (head === null) return 'the response is not HTTP/1.1 with a length';
  const start = headEnd + 4;
  if (bytes.length - start > maxBodyBytes) return `the response is larger than ${maxBodyBytes} bytes`;
  let end: number;
  let body: Buffer;
  if (head.length === 'chunked') {
    const decoded = decodeChunked(bytes, start);
    if (decoded === null) return 'the response has malformed chunks';
    if (decoded === undefined) return bytes.length + 1;
    ({ body, end } = decoded);
  } else {
    if (head.length > maxBodyBytes) return `the response is larger than ${maxBodyBytes} bytes`;
    end = start + head.length;
    if (bytes.length < end) return end;
    body = bytes.subarray(start, end);
  }
  return { status: head.status, body, reusable: head.keepAlive && end === bytes.length };
}

/** Connections to `127.0.0.1:<port>`, opened as they are needed. */
export function openUpstream(options: { readonly port: number; readonly maxBodyBytes: number }): Upstream {
  const connections = new Set<Connection>();
  const idle: Connection[] = [];
  const queue: Exchange[] = [];
  let closed = false;
  let inFlight = 0;
  let answered = 0;

  function settle(exchange: Exchange, outcome: UpstreamOutcome): void {
    inFlight -= 1;
    exchange.done(outcome);
  }

  function drop(connection: Connection, outcome: UpstreamOutcome): void {
    connections.delete(connection);
    const at = idle.indexOf(connection);
    if (at >= 0) idle.splice(at, 1);
    connection.socket.destroy();
    const { exchange } = connection;
    connection.exchange = undefined;
    if (exchange !== undefined) settle(exchange, outcome);
    next();
  }

  function start(connection: Connection, exchange: Exchange): void {
    connection.exchange = exchange;
    writeSoon(connection.socket, exchange.request);
  }

  function onData(connection: Connection, view: Buffer): void {
    const { exchange, received } = connection;
    if (exchange === undefined) return drop(connection, { kind: 'broken', message: 'bytes without a request' });
    const isView = received.held === 0;
    const bytes = isView ? view : received.add(Buffer.from(view));
    if (bytes === undefined) return;
    const framed = frame(bytes, options.maxBodyBytes);
    if (typeof framed === 'number') return received.keep(isView ? Buffer.from(bytes) : bytes, framed);
    if (typeof framed === 'string') return drop(connection, { kind: 'broken', message: framed });
    answered += 1;
    connection.exchange = undefined;
    const waiting = framed.reusable ? queue.shift() : undefined;
    if (waiting !== undefined) start(connection, waiting);
    else if (framed.reusable) idle.push(connection);
    settle(exchange, { kind: 'response', status: framed.status, body: framed.body });
    if (!framed.reusable) drop(connection, { kind: 'broken', message: 'closed' });
  }

  function openConnection(): Connection {
    const onread = {
      buffer: readBuffer,
      callback: (size: number) => {
        onData(connection, readBuffer.subarray(0, size));
        return true;
      },
    };
    const socket = connect({ port: options.port, host: '127.0.0.1', noDelay: true, onread });
    const connection: Connection = { socket, exchange: undefined, received: new ByteCollector(), connected: false };
    connections.add(connection);
    socket.on('connect', () => (connection.connected = true));
    const lost = (reason: string) => {
      const kind = connection.connected ? 'broken' : 'refused';
      drop(connection, {
        kind,
        message: `the model server ${connection.connected ? 'closed the connection' : 'refused'}${reason}`,
      });
    };
    socket.on('error', (error) => lost(`: ${error.message}`));
    socket.on('end', () => lost(''));
    return connection;
  }

  function next(): void {
    while (queue.length > 0 && connections.size < maxConnections) {
      const exchange = queue.shift();
      if (exchange !== undefined) start(openConnection(), exchange);
    }
  }

  const sweep = setInterval(() => {
    if (inFlight === 0) return;
    const nowMs = Date.now();
    const late: UpstreamOutcome = { kind: 'timeout', message: 'the model server did not answer in time' };
    while (queue[0] !== undefined && queue[0].deadlineMs <= nowMs) settle(queue.shift() as Exchange, late);
    for (const connection of connections) {
      if ((connection.exchange?.deadlineMs ?? Infinity) <= nowMs) drop(connection, late);
    }
  }, sweepEveryMs);

  return {
    send: (request, deadlineMs, done) => {
      const exchange = { request, deadlineMs, done };
      inFlight += 1;
      if (closed) return settle(exchange, { kind: 'refused', message: 'the model server is stopped' });
      const free = idle.pop();
      if (free !== undefined) return start(free, exchange);
      if (connections.size < maxConnections) return start(openConnection(), exchange);
      if (queue.length >= maxQueued)
        return settle(exchange, { kind: 'refused', message: 'too many requests are waiting' });
      queue.push(exchange);
    },
    inFlight: () => inFlight,
    answered: () => answered,
    close: () => {
      closed = true;
      clearInterval(sweep);
      const gone: UpstreamOutcome = { kind: 'broken', message: 'the model server was stopped' };
      for (const exchange of queue.splice(0)) settle(exchange, gone);
      for (const connection of connections) drop(connection, gone);
    },
  };
}
