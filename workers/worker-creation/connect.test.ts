import { createServer, type Server } from 'node:net';
import { expect, it } from 'vitest';
import { connectWorkers, installRuntime } from './connect.js';

async function listening(): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { server, port: (server.address() as { port: number }).port };
}

const closed = (server: Server): Promise<void> => new Promise((done) => server.close(() => done()));

// One test: the runtime is one per process, and what was installed stays.
it('the runtime: refused on a port that is taken, kept out of what fails before, and then never another', async () => {
  const { server, port } = await listening();
  expect(() => installRuntime({ metricsPort: port })).toThrow(
    new RegExp(`^worker metrics cannot be served at 127\\.0\\.0\\.1:${port} \\(.+\\); choose another metrics\\.port`)
  );
  await closed(server);

  const address = `127.0.0.1:${port}`;
  const plain = { address, namespace: 'default', apiKey: null, tls: null };
  const withKey = { temporal: { ...plain, apiKey: 'secret:key' }, metricsPort: port };
  await expect(connectWorkers({ config: withKey })).rejects.toThrow('no secrets are available to resolve secret:key');
  const asked: string[] = [];
  const secret = (name: string) => {
    asked.push(name);
    return Promise.reject(new Error(`${name} is unknown`));
  };
  await expect(connectWorkers({ config: withKey, secret })).rejects.toThrow('key is unknown');
  expect(asked).toEqual(['key']);
  // No runtime has been installed for them: its port is free, and another one can still be chosen.
  await expect(connectWorkers({ config: { temporal: plain, metricsPort: null } })).rejects.toThrow(
    new RegExp(`^nothing usable answers at ${address} \\(.+\\); start one with "retempo dev"`)
  );
  installRuntime({ metricsPort: null });
  expect(() => installRuntime({ metricsPort: port })).toThrow(
    `worker metrics were set up for port none and cannot change to ${port} in a running process; restart it`
  );
});
