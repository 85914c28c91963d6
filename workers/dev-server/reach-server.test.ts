import { createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { serverProblem } from './reach-server.js';

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

it('a server that does not answer is told as such, and a late answer finds nobody', async () => {
  const server = await startLateServer();
  expect(await serverProblem(server.address, 'default', true)).toMatch(/^Failed to connect before the deadline/);
  await server.greet();
  expect(await serverProblem('127.0.0.1:1', 'default', true)).toBe('nothing listens there');
});
