import { describe, expect, it } from 'vitest';
import { ByteCollector, decodeChunked, encodeResponse, readResponseHead, requestHeadReader } from './http-wire.js';

const read = requestHeadReader('x-unit');
const withHeader = (line: string) => read(`GET / HTTP/1.1\r\nHost: x\r\n${line}`);

describe('request heads', () => {
  it.each([
    ['a header without a colon', 'Nothing', 400],
    ['a space before the colon', 'Content-Length : 5', 400],
    ['a folded line', ' folded: yes', 400],
    ['a header without a name', ': nothing', 400],
    ['a length without digits', 'Content-Length:', 400],
    ['a length beyond what a number holds', `Content-Length: ${'9'.repeat(16)}`, 400],
    ['the same length twice', 'Content-Length: 1\r\nContent-Length: 1', 400],
  ])('are refused with %s', (_what, line, status) => {
    expect(withHeader(line)).toMatchObject({ status, message: expect.any(String) as string });
  });

  it('without a length are of requests without a body', () => {
    expect(withHeader('Accept: */*')).toMatchObject({ length: 0 });
  });

  it('may say that a body is not compressed', () => {
    expect(withHeader('Content-Encoding: Identity\r\nContent-Length: 7')).toMatchObject({ length: 7 });
  });

  it.each([
    ['1.1', '', true],
    ['1.1', 'Connection: Close', false],
    ['1.1', 'Connection: keep-alive', true],
    ['1.0', '', false],
    ['1.0', 'Connection: Keep-Alive', true],
    ['1.0', 'Connection: close', false],
  ])('HTTP/%s with "%s": kept open %s', (version, line, keepAlive) => {
    expect(read(`GET / HTTP/${version}\r\nHost: x${line === '' ? '' : `\r\n${line}`}`)).toMatchObject({ keepAlive });
  });

  it('of HTTP/1.0 need no host, and may not have two', () => {
    expect(read('GET / HTTP/1.0')).toMatchObject({ path: '/' });
    expect(read('GET / HTTP/1.0\r\nHost: a\r\nHost: a')).toMatchObject({ status: 400 });
  });

  it('are remembered, only so many and none that is long: what callers send does not pile up', () => {
    const reader = requestHeadReader();
    const head = (path: string) => `GET /${path} HTTP/1.1\r\nHost: x`;
    const first = reader(head('first'));
    expect(reader(head('first'))).toBe(first);
    const long = head('l'.repeat(2_048 - head('').length));
    expect([long.length, reader(long)]).toEqual([2_048, expect.anything()]);
    expect(reader(long)).toBe(reader(long));
    expect(reader(`${long}y`)).not.toBe(reader(`${long}y`));
    for (let i = 0; i < 510; i++) reader(head(String(i)));
    expect(reader(head('first'))).toBe(first);
    reader(head('one more'));
    expect(reader(head('first'))).not.toBe(first);
  });
});

describe('response heads', () => {
  it.each([
    ['HTTP/1.1 200 OK\r\nContent-Length: 3', { status: 200, length: 3, keepAlive: true }],
    ['HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: Close', { status: 200, length: 3, keepAlive: false }],
    ['HTTP/1.1 500 No\r\nTransfer-Encoding: Chunked', { status: 500, length: 'chunked', keepAlive: true }],
    ['HTTP/1.0 200 OK\r\nContent-Length: 3', { status: 200, length: 3, keepAlive: false }],
    ['HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive', { status: 200, length: 3, keepAlive: true }],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked', null],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked', null],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3', null],
    ['HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked', null],
    ['HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3', null],
    ['HTTP/1.1 200 OK\r\nContent-Length:', null],
    [`HTTP/1.1 200 OK\r\nContent-Length: ${'1'.repeat(16)}`, null],
    ['HTTP/2 200\r\nContent-Length: 3', null],
    ['HTTP/1.1 200 OK', null],
    ['no HTTP/1.1 200 OK\r\nContent-Length: 3', null],
  ])('%j', (text, head) => {
    expect(readResponseHead(text)).toEqual(head);
  });
});

describe('chunked bodies', () => {
  const decoded = (text: string, from = 0) => {
    const result = decodeChunked(Buffer.from(text), from);
    return result ? { body: result.body.toString(), end: result.end } : result;
  };
  const whole = '4\r\nWiki\r\nB;name=value\r\npedia in \r\n\r\n2\r\nb.\r\n0\r\n\r\n';

  it('are joined, in capital and small digits, with what follows left alone', () => {
    expect(decoded(`head${whole}next`, 4)).toEqual({ body: 'Wikipedia in \r\nb.', end: 4 + whole.length });
    expect(decoded(`a\r\n${'x'.repeat(10)}\r\n0\r\n\r\n`)).toMatchObject({ body: 'x'.repeat(10) });
    expect(decoded('0\r\n\r\n')).toEqual({ body: '', end: 5 });
  });

  it('are waited for as long as any byte of them is missing', () => {
    for (let end = 0; end < whole.length; end++) expect([end, decoded(whole.slice(0, end))]).toEqual([end, undefined]);
  });

  it.each([
    ['a length that is none', 'x\r\n'],
    ['no length', '\r\n'],
    ['a signed length', '+1\r\na\r\n0\r\n\r\n'],
    ['a length beyond 32 bits', '100000000\r\n'],
    ['a chunk that is longer than it says', '1\r\nab\r\n0\r\n\r\n'],
    ['trailers', '0\r\nA: b\r\n\r\n'],
    ['a length without end', '1'.repeat(1_025)],
  ])('are refused with %s', (_what, text) => {
    expect(decoded(text)).toBeNull();
  });
});

describe('bytes of a connection', () => {
  const bytes = (text: string) => Buffer.from(text);

  it('come on at once, as they are, when nothing is held and nothing more is needed', () => {
    const received = new ByteCollector();
    const chunk = bytes('whole');
    expect(received.add(chunk)).toBe(chunk);
    expect(received.held).toBe(0);
  });

  it('are held until as many are there as are needed, and joined once', () => {
    const received = new ByteCollector();
    received.keep(bytes('ab'), 6);
    expect([received.add(bytes('cd')), received.add(bytes('e')), received.held]).toEqual([undefined, undefined, 5]);
    expect(received.add(bytes('fg'))?.toString()).toBe('abcdefg');
    // Of what was handed over nothing is left, neither bytes nor how many were needed.
    expect(received.held).toBe(0);
    expect(received.add(bytes('h'))?.toString()).toBe('h');
    received.push(bytes('i'));
    expect(received.add(bytes('j'))?.toString()).toBe('ij');
    expect([received.take().toString(), received.held]).toEqual(['', 0]);
  });

  it('are waited for also when none of them is there yet', () => {
    const received = new ByteCollector();
    received.keep(bytes(''), 3);
    expect([received.held, received.add(bytes('a')), received.held]).toEqual([0, undefined, 1]);
    expect(received.add(bytes('bc'))?.toString()).toBe('abc');
    received.keep(bytes(''), 2);
    expect(received.add(bytes('abc'))?.toString()).toBe('abc');
    expect(received.add(bytes('d'))?.toString()).toBe('d');
  });

  it('that stay when others are taken out are the next ones', () => {
    const received = new ByteCollector();
    received.push(bytes('first'));
    received.push(bytes('second'));
    const all = received.take();
    received.keep(all.subarray(5), 1);
    received.push(bytes('third'));
    expect([received.held, received.take().toString()]).toEqual([11, 'secondthird']);
  });
});

describe('responses', () => {
  it.each([
    [200, true, '', 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}'],
    [
      299,
      false,
      'x-a: b\r\n',
      'HTTP/1.1 299 Status\r\ncontent-type: application/json\r\ncontent-length: 2\r\nx-a: b\r\nconnection: close\r\n\r\n{}',
    ],
  ] as const)('%s, kept: %s', (status, keepAlive, extra, text) => {
    expect(encodeResponse(status, Buffer.from('{}'), { keepAlive, extra }).toString()).toBe(text);
  });
});
