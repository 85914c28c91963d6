// The part of HTTP/1.1 that a router of small JSON requests needs, read strictly: whatever two programs could understand
// differently (folded headers, two lengths, length and chunks together) is refused, never guessed.

export interface RequestHead {
  readonly method: string;
  readonly path: string;
  /** Declared length of the body in bytes; 0 when there is none. */
  readonly length: number;
  readonly keepAlive: boolean;
  readonly expectsContinue: boolean;
  /** Value of the header that was asked for, when it is there. */
  readonly wanted: string | undefined;
}

export interface WireProblem {
  readonly status: number;
  readonly message: string;
}

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
// eslint-disable-next-line no-control-regex -- control characters are exactly what is refused here
const forbidden = /[\u0000-\u0008\u000a-\u001f\u007f]/;
const requestLine = /^([A-Z]{1,16}) (\/[\u0021-\u007e]*) HTTP\/1\.([01])$/;

const rememberedHeads = 512;
const longestRememberedHead = 2_048;

const bad = (message: string): WireProblem => ({ status: 400, message });

// Clients and servers on kept connections send the same few heads again and again: a head that was read before is looked up.
function remembering<T>(read: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const before = known.get(text);
    if (before !== undefined) return before;
    const head = read(text);
    if (known.size >= rememberedHeads) known.clear();
    if (text.length <= longestRememberedHead) known.set(text, head);
    return head;
  };
}

/**
 * Reader of request heads (without the empty line at their end).
 *
 * @param wantedHeader Lower-case name of one header whose value is wanted.
 */
export const requestHeadReader = (wantedHeader?: string): ((text: string) => RequestHead | WireProblem) =>
  remembering((text) => parseRequestHead(text, wantedHeader));

function parseRequestHead(text: string, wantedHeader: string | undefined): RequestHead | WireProblem {
  const lines = text.split('\r\n');
  const first = requestLine.exec(lines[0] ?? '');
  if (first === null) return bad('malformed request line');
  const isVersion11 = first[3] === '1';
  let length: string | undefined;
  let connection = '';
  let hosts = 0;
  let expectsContinue = false;
  let wanted: string | undefined;
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i] ?? '';
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    if (colon <= 0 || !token.test(name) || forbidden.test(line)) return bad('malformed header');
    const value = line.slice(colon + 1).trim();
    const lower = name.toLowerCase();
    switch (lower) {
      case 'content-length':
        if (length !== undefined || !/^\d{1,15}$/.test(value)) return bad('malformed or repeated content-length');
        length = value;
        break;
      case 'transfer-encoding':
        return { status: 411, message: 'send the body with content-length; transfer-encoding is not accepted' };
      case 'content-encoding':
        if (value.toLowerCase() !== 'identity')
          return { status: 415, message: 'send the body without content-encoding' };
        break;
      case 'connection':
        connection = value.toLowerCase();
        break;
      case 'host':
        hosts += 1;
        break;
      case 'expect':
        if (value.toLowerCase() !== '100-continue') return { status: 417, message: 'unknown expectation' };
        expectsContinue = true;
        break;
      default:
    }
    if (lower === wantedHeader && value !== '') wanted ??= value;
  }
  if (hosts > 1 || (hosts === 0 && isVersion11)) return bad('exactly one host header is needed');
  return {
    method: first[1] ?? '',
    path: first[2] ?? '',
    length: length === undefined ? 0 : Number(length),
    keepAlive: isVersion11 ? !connection.includes('close') : connection.includes('keep-alive'),
    expectsContinue,
    wanted,
  };
}

export interface ResponseHead {
  readonly status: number;
  /** Bytes, or 'chunked'. */
  readonly length: number | 'chunked';
  readonly keepAlive: boolean;
}

/** Reads the head of a model server's response; null when it is not one that can be framed safely. */
export const readResponseHead: (text: string) => ResponseHead | null = remembering(parseResponseHead);

function parseResponseHead(text: string): ResponseHead | null {
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1];
  if (status === undefined) return null;
  let length: number | 'chunked' | undefined;
  let keepAlive = text.startsWith('HTTP/1.1');
  for (const line of text.split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line
      .slice(colon + 1)
      .trim()
      .toLowerCase();
    if (name === 'content-length') {
      if (length !== undefined || !/^\d{1,15}$/.test(value)) return null;
      length = Number(value);
    } else if (name === 'transfer-encoding') {
      if (length !== undefined || value !== 'chunked') return null;
      length = 'chunked';
    } else if (name === 'connection') keepAlive = value !== 'close';
  }
  return length === undefined ? null : { status: Number(status), length, keepAlive };
}

/**
 * Decodes a chunked body that starts at `from`: the body and where it ends, undefined while bytes are missing, null when it
 * is malformed.
 */
export function decodeChunked(
  bytes: Buffer,
  from: number
): { readonly body: Buffer; readonly end: number } | undefined | null {
  const parts: Buffer[] = [];
  let at = from;
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return bytes.length - at > 1024 ? null : undefined;
    const size = /^([0-9a-fA-F]{1,8})(?:;.*)?$/.exec(bytes.toString('latin1', at, lineEnd))?.[1];
    if (size === undefined) return null;
    const start = lineEnd + 2;
    const length = Number.parseInt(size, 16);
    if (bytes.length < start + length + 2) return undefined;
    if (bytes.toString('latin1', start + length, start + length + 2) !== '\r\n') return null;
    if (length === 0) return { body: Buffer.concat(parts), end: start + 2 };
    parts.push(bytes.subarray(start, start + length));
    at = start + length + 2;
  }
}

/**
 * Chunks of a connection until enough are there to try again, so that a large body is joined once and not at every chunk.
 */
export class ByteCollector {
  private parts: Buffer[] = [];
  private size = 0;
  private needed = 1;

  /** Bytes held back at the moment. */
  get held(): number {
    return this.size;
  }

  /** Everything received so far, handed over once it is at least what was needed; undefined before. */
  add(chunk: Buffer): Buffer | undefined {
    if (this.size === 0 && chunk.length >= this.needed) {
      this.needed = 1;
      return chunk;
    }
    this.push(chunk);
    return this.size < this.needed ? undefined : this.take();
  }

  /** Holds bytes back for a later {@link take}. */
  push(chunk: Buffer): void {
    this.parts.push(chunk);
    this.size += chunk.length;
  }

  /** Everything held back, joined; nothing is held afterwards. */
  take(): Buffer {
    const bytes = this.parts.length === 1 && this.parts[0] !== undefined ? this.parts[0] : Buffer.concat(this.parts);
    this.parts = [];
    this.size = 0;
    this.needed = 1;
    return bytes;
  }

  /** Puts bytes back until at least `needed` are there. */
  keep(bytes: Buffer, needed: number): void {
    this.parts = bytes.length === 0 ? [] : [bytes];
    this.size = bytes.length;
    this.needed = needed;
  }
}

const reasons: { readonly [status: number]: string } = {
  200: 'OK',
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  411: 'Length Required',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  417: 'Expectation Failed',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

/** One response with a JSON body as bytes, ready for a single write. `extra` is whole header lines, each ending in CRLF. */
export function encodeResponse(status: number, body: Buffer, options: { keepAlive: boolean; extra: string }): Buffer {
  const head =
    `HTTP/1.1 ${status} ${reasons[status] ?? 'Status'}\r\ncontent-type: application/json\r\n` +
    `content-length: ${body.length}\r\n${options.extra}${options.keepAlive ? '' : 'connection: close\r\n'}\r\n`;
  const bytes = Buffer.allocUnsafe(head.length + body.length);
  bytes.write(head, 0, 'latin1');
  body.copy(bytes, head.length);
  return bytes;
}
