import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectWorkers, startDevServer, type DevServer } from '@retempo/workers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { gatewayName, gatewayPems, startGateway } from '../support/gateway.js';
import { repositoryRoot } from '../support/repository.js';
import { missingServer } from '../support/server-peer.js';
import { createTinyProject, type TinyProject } from '../support/tiny-project.js';

// A server that lets nobody in without TLS, a certificate and an API key; and what becomes of a command that lacks one.

const bin = fileURLToPath(new URL('cli/dist/bin.js', repositoryRoot));
const missing = await missingServer();
const apiKey = 'key-that-nobody-prints';

const inherited = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(?:TEMPORAL_|RETEMPO_|FORCE_COLOR|NO_COLOR)/.test(name))
);
const secrets: Readonly<Record<string, string>> = {
  RETEMPO_SECRET_KEY: apiKey,
  RETEMPO_SECRET_SERVER_CA: gatewayPems.serverCa,
  RETEMPO_SECRET_CLIENT_CERT: gatewayPems.clientCert,
  RETEMPO_SECRET_CLIENT_KEY: gatewayPems.clientKey,
};
const without = (name: string) => Object.fromEntries(Object.entries(secrets).filter(([one]) => one !== name));

describe.skipIf(missing !== null)('a Temporal server that asks for credentials', () => {
  let state: string;
  let server: DevServer;
  let gateway: Awaited<ReturnType<typeof startGateway>>;
  let project: TinyProject;
  const running = new Set<Running>();

  beforeAll(async () => {
    state = await mkdtemp(join(tmpdir(), 'retempo-credentials-'));
    server = await startDevServer({ stateFolder: state, uiPort: null });
    gateway = await startGateway({ to: server.address, apiKey });
  });

  afterAll(async () => {
    await gateway?.close();
    await server?.stop();
    await rm(state, { recursive: true, force: true });
  });

  beforeEach(async () => {
    project = await createTinyProject();
    await configure();
  });

  afterEach(async () => {
    for (const one of running) one.end('SIGKILL');
    await Promise.all([...running].map(({ ended }) => ended));
    running.clear();
    await project.remove();
  });

  const configure = (more = '') =>
    writeFile(
      join(project.folder, 'retempo.yaml'),
      `temporal:
  address: ${gateway.address}
  apiKey: secret:key
  tls: { serverName: ${gatewayName}, serverCa: "secret:server-ca", clientCert: "secret:client-cert", clientKey: "secret:client-key" }
sites: { onprem.local: { pools: { cpu: { slots: 2 } }${more} } }
`
    );

  interface Running {
    /** Its first line of JSON, or what it has ended with. */
    readonly said: Promise<string>;
    readonly ended: Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>;
    end(signal: NodeJS.Signals): void;
  }

  /** A command as a process of its own: whether it ends is part of what is asked here. */
  function retempo(env: object, ...args: readonly string[]): Running {
    const child = spawn(process.execPath, [bin, ...args], {
      cwd: project.folder,
      env: { ...inherited, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const told = { out: '', err: '' };
    child.stderr.on('data', (chunk: Buffer) => (told.err += chunk.toString()));
    const ended = new Promise<{ code: number | null; out: string; err: string }>((done) =>
      child.once('close', (code) => done({ code, ...told }))
    );
    const said = new Promise<string>((done) => {
      child.stdout.on('data', (chunk: Buffer) => {
        told.out += chunk.toString();
        if (told.out.includes('\n')) done(told.out);
      });
      child.once('close', () => done(`${told.out}${told.err}`));
    });
    const one = { said, ended, end: (signal: NodeJS.Signals) => void child.kill(signal) };
    running.add(one);
    return one;
  }

  it('lets commands and workers in that bring them, and a worker answers a command', async () => {
    expect(await retempo(secrets, 'apply').ended).toMatchObject({ code: 0 });
    const worker = retempo(secrets, 'worker', '--control', '--json');
    expect(await worker.said).toContain('"queues":["retempo.control"]');
    expect(await retempo(secrets, 'status', 'tiny', '--json').ended).toMatchObject({
      code: 0,
      out: expect.stringContaining('"model":"tiny"') as string,
    });
    worker.end('SIGTERM');
    expect(await worker.ended).toMatchObject({ code: 0 });
  });

  it('without one of them a command ends and names it', async () => {
    for (const [variable] of Object.entries(secrets))
      expect(await retempo(without(variable), 'status').ended).toMatchObject({
        code: 1,
        err: expect.stringContaining(`is unknown; set the environment variable ${variable}`) as string,
      });
  });

  it('one that asks for no certificate and no key is given none, and believed only by whom it was named to', async () => {
    const open = await startGateway({ to: server.address, apiKey: null });
    const pems = new Map(Object.entries({ 'server-ca': gatewayPems.serverCa, other: gatewayPems.clientCert }));
    const asked: string[] = [];
    const secret = (name: string) => {
      asked.push(name);
      return Promise.resolve(pems.get(name) ?? '');
    };
    const connecting = (serverName: string | null, serverCa: string | null) => {
      const tls = { serverName, serverCa, clientCert: null, clientKey: null };
      const temporal = { address: open.address, namespace: server.namespace, apiKey: null, tls };
      return connectWorkers({ config: { temporal, metricsPort: null }, secret });
    };
    try {
      const connection = await connecting(gatewayName, 'secret:server-ca');
      await connection.workflowService.describeNamespace({ namespace: server.namespace });
      await connection.close();
      for (const [serverName, serverCa] of [
        [gatewayName, null],
        [gatewayName, 'secret:other'],
        ['other.test', 'secret:server-ca'],
        [null, 'secret:server-ca'],
      ] as const)
        await expect(connecting(serverName, serverCa)).rejects.toThrow(`nothing usable answers at ${open.address}`);
      expect(asked).toEqual(['server-ca', 'other', 'server-ca', 'server-ca']);
    } finally {
      await open.close();
    }
  });

  it('a wrong key is told as one, not as a server that is away, and never shown', async () => {
    const wrong = 'wrong-key-that-nobody-prints';
    const { code, out, err } = await retempo({ ...secrets, RETEMPO_SECRET_KEY: wrong }, 'worker', '--verbose').ended;
    expect(code).toBe(3);
    expect(err).toContain('the Temporal server does not know this caller; check temporal.apiKey');
    for (const secret of [wrong, ...Object.values(secrets)]) expect(out + err).not.toContain(secret);
  });

  it('a dev server beside it is given none of them and needs none; dev ends with it', async () => {
    const dev = retempo({}, 'dev', '--port', '0', '--ui-port', '0', '--json');
    expect(await dev.said).toContain('"queues":["retempo.control"');
    expect(await retempo({}, 'apply').ended).toMatchObject({ code: 0 });
    expect(await retempo({}, 'status', 'tiny').ended).toMatchObject({ code: 0 });
    // Where the server ends by itself, dev does not go on as if it were there.
    const record = await readFile(join(project.folder, '.retempo', 'temporal', 'server.json'), 'utf8');
    process.kill((JSON.parse(record) as { readonly pid: number }).pid, 'SIGKILL');
    expect(await dev.ended).toMatchObject({
      code: 1,
      err: expect.stringContaining('the Temporal server ended (SIGKILL); see temporal/server.log') as string,
    });
  });

  it('workers that cannot begin end: where a site cannot be used, or a secret is missing', async () => {
    const named = { TEMPORAL_ADDRESS: server.address };
    const dev = await retempo(named, 'dev').ended;
    expect(dev).toMatchObject({ code: 1, err: expect.stringContaining('secret:key is unknown') as string });
    await configure(', root: /proc/retempo');
    const worker = await retempo(secrets, 'worker').ended;
    expect(worker).toMatchObject({ code: 2, err: expect.stringContaining('/proc/retempo') as string });
  });
});
