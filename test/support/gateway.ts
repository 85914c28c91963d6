import {
  connect,
  constants,
  createSecureServer,
  type ClientHttp2Session,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { selfSigned } from './certificate.js';

/** Name that the gateway's certificate is for; it listens on 127.0.0.1, so callers have to be told to expect it. */
export const gatewayName = 'temporal.test';

const gateway = selfSigned(gatewayName);
const client = selfSigned('client.test');

/** What a caller has to bring, as PEM texts: whom to trust, and who it is. */
export const gatewayPems = { serverCa: gateway.cert, clientCert: client.cert, clientKey: client.key };

/** What every stream tells of itself and the other side must not be told again. */
const own = [':authority', ':scheme', 'host'];

const withoutOwn = (headers: object) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !own.includes(name)));

/**
 * A gateway as it stands before a Temporal server in earnest: TLS, only for those whose certificate it knows, and only with the
 * right API key. With a key of null it is there for everybody: TLS alone. What it lets through is answered by the real server at
 * `to`.
 */
export async function startGateway(options: { readonly to: string; readonly apiKey: string | null }) {
  const known = { ca: gatewayPems.clientCert, requestCert: true, rejectUnauthorized: true };
  const server = createSecureServer({ ...gateway, ...(options.apiKey === null ? {} : known) });
  const sessions = new Set<ServerHttp2Session>();
  // Each caller has a connection of its own behind the gateway: the server ends such that have grown old.
  const upstreams = new Map<object, ClientHttp2Session>();
  const upstreamOf = (session: ServerHttp2Stream['session']): ClientHttp2Session => {
    const known = session === undefined ? undefined : upstreams.get(session);
    if (known !== undefined && !known.closed && !known.destroyed) return known;
    const upstream = connect(`http://${options.to}`);
    upstream.on('error', () => session?.destroy());
    if (session !== undefined) upstreams.set(session, upstream);
    return upstream;
  };
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => {
      upstreams.get(session)?.destroy();
      upstreams.delete(session);
      sessions.delete(session);
    });
  });
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => undefined);
    if (options.apiKey !== null && headers.authorization !== `Bearer ${options.apiKey}`) {
      const refusal = { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '16', 'grpc-message': 'no' };
      return stream.respond(refusal, { endStream: true });
    }
    const asked = upstreamOf(stream.session).request(withoutOwn(headers));
    let trailers: object = {};
    asked.on('error', () => stream.close());
    asked.on('trailers', (told) => (trailers = told));
    asked.on('response', (told, flags) => {
      const isAll = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
      stream.respond(withoutOwn(told), isAll ? { endStream: true } : { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers(withoutOwn(trailers)));
      if (!isAll) asked.pipe(stream);
    });
    stream.on('close', () => asked.close());
    return stream.pipe(asked);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      for (const session of sessions) session.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}
