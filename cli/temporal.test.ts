import { createServer, type AddressInfo, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { checkedAddress, connectTemporal, temporalAccess } from './temporal.js';

/** A server that takes connections and says nothing until it is asked to greet: what is connected then was never let go. */
async function startLateServer() {
  const sockets = new Set<Socket>();
  let isLate = false;
  const greet = (socket: Socket) => void (socket.writable && socket.write(Buffer.from('000000040000000000', 'hex')));
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined).resume());
    if (isLate) greet(socket);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Greets everybody as a server of HTTP/2 does; returns when nobody is connected any more. */
    async greet(): Promise<void> {
      isLate = true;
      for (const socket of sockets) greet(socket);
      await new Promise((done) => server.close(done));
    },
  };
}

const place = (address: string) => ({ address, namespace: 'n', uiUrl: null, from: 'option' }) as const;

describe('what a server asks for', () => {
  const secret = (name: string) => Promise.resolve(`<${name}>`);
  const noTls = { serverName: null, serverCa: null, clientCert: null, clientKey: null };
  const pem = (name: string) => Buffer.from(`<${name}>`);

  it.each([
    [{ apiKey: null, tls: null }, {}],
    [{ apiKey: 'secret:key', tls: null }, { apiKey: '<key>' }],
    // TLS without any part of one's own is TLS all the same.
    [{ apiKey: null, tls: noTls }, { tls: {} }],
    [{ apiKey: null, tls: { ...noTls, serverName: 'a.b' } }, { tls: { serverNameOverride: 'a.b' } }],
    [{ apiKey: null, tls: { ...noTls, serverCa: 'secret:ca' } }, { tls: { serverRootCACertificate: pem('ca') } }],
    [
      { apiKey: null, tls: { ...noTls, clientCert: 'secret:cert', clientKey: 'secret:key' } },
      { tls: { clientCertPair: { crt: pem('cert'), key: pem('key') } } },
    ],
  ])('%j is resolved', async (asked, given) => {
    expect(await temporalAccess(asked, secret)).toStrictEqual(given);
  });

  it('is not answered where a secret is unknown', async () => {
    const unknown = (name: string) => Promise.reject(new Error(`${name} is unknown`));
    await expect(temporalAccess({ apiKey: 'secret:key', tls: null }, unknown)).rejects.toThrow('key is unknown');
  });
});

describe('an address', () => {
  it('with a scheme is told to come without one, and what is long is cut', () => {
    expect(() => checkedAddress('http://a:1', '--address')).toThrow(', without http:// and the like, got "http://a:1"');
    expect(() => checkedAddress('a', '--address')).toThrow('such as 127.0.0.1:7233, got "a"');
    expect(() => checkedAddress('x'.repeat(100_000), '--address')).toThrow(/got "x{80}"$/);
  });

  it('where nothing listens is told at once: gRPC is not asked, which would try until its time is up', async () => {
    await expect(connectTemporal(place('127.0.0.1:1'), {})).rejects.toMatchObject({
      code: 'unavailable',
      message:
        'no Temporal server answers at 127.0.0.1:1 (named by --address); start one with: retempo dev, or name another with --address',
      cause: { message: expect.stringContaining('ECONNREFUSED') as string },
    });
  });

  it('where nobody answers is given up, and a late answer finds nobody', async () => {
    const server = await startLateServer();
    await expect(connectTemporal(place(server.address), {})).rejects.toMatchObject({ code: 'unavailable' });
    await server.greet();
  });
});
