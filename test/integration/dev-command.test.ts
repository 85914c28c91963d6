import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { onprem, type OnpremSite } from '@retempo/onprem';
import { loadProject, openInstallation, startDevServer, type DevServer, type OpenInstallation } from '@retempo/workers';
import { main } from 'retempo';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingServer } from '../support/server-peer.js';
import { createTinyProject, type TinyProject } from '../support/tiny-project.js';

// What dev does with a server that it did not start: which namespace it works in, and what it leaves behind.

const missing = await missingServer();
const namespaces = ['filed', 'named', 'told'] as const;

describe.skipIf(missing !== null)('retempo dev', () => {
  let project: TinyProject;
  let state: string;
  let server: DevServer;
  let connection: Connection;
  let opened: OpenInstallation;
  let local: OnpremSite;

  beforeAll(async () => {
    project = await createTinyProject();
    state = await mkdtemp(join(tmpdir(), 'retempo-dev-'));
    server = await startDevServer({ stateFolder: state, uiPort: null });
    connection = await Connection.connect({ address: server.address });
    for (const namespace of namespaces) {
      await connection.workflowService.registerNamespace({
        namespace,
        workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
      });
    }
    const file = join(project.folder, 'retempo.yaml');
    await writeFile(file, `${await readFile(file, 'utf8')}temporal: { namespace: filed }\n`);
    const providers = [onprem()];
    opened = await openInstallation({ project: await loadProject({ folder: project.folder, providers }), providers });
    local = opened.sites[0] as OnpremSite;
  });

  afterAll(async () => {
    await local?.routers.remove('tiny');
    await opened?.close();
    await connection?.close();
    await server?.stop();
    await project?.remove();
    await rm(state, { recursive: true, force: true });
  });

  interface Around {
    /** When Ctrl-C comes: before it is ready, with its last word of that, or a moment later, when it waits. */
    readonly at?: 'before' | 'ready' | 'later';
    readonly env?: { readonly TEMPORAL_NAMESPACE?: string };
    /** Looked at as soon as it is ready. */
    readonly meanwhile?: () => unknown;
  }

  async function dev(args: readonly string[], { at = 'ready', env = {}, meanwhile }: Around = {}) {
    const written = { out: '', err: '' };
    const interrupted = new AbortController();
    let seen: unknown;
    if (at === 'before') interrupted.abort();
    const code = await main(['dev', '--json', ...args], {
      stdout: {
        write(text: string) {
          written.out += text;
          seen = meanwhile?.();
          if (at === 'ready') interrupted.abort();
          else setImmediate(() => interrupted.abort());
        },
      },
      stderr: { write: (text: string) => (written.err += text) },
      cwd: project.folder,
      env: { TEMPORAL_ADDRESS: server.address, ...env },
      terminal: { stdin: false, stdout: false, stderr: false },
      columns: undefined,
      interrupted: interrupted.signal,
      ask: () => Promise.resolve(null),
    });
    return { code, err: written.err, said: JSON.parse(written.out || 'null') as unknown, seen };
  }

  it('starts workers and endpoints, and at Ctrl-C ends what it has started and nothing else', async () => {
    const { code, said, seen, err } = await dev(['--verbose'], {
      at: 'later',
      meanwhile: () => local.routers.leftOf('tiny'),
    });
    expect(code, err).toBe(0);
    expect(said).toMatchObject({
      address: server.address,
      namespace: 'filed',
      endpoints: [{ endpoint: 'tiny', site: 'onprem.local', model: 'tiny' }],
      queues: expect.arrayContaining(['retempo.control', 'retempo.onprem.local.jobs']) as unknown,
    });
    expect(seen).toBe('running');
    // All five workers have drained by then: what they still do needs endpoints and server.
    expect(err.match(/STOPPED/g), err).toHaveLength(5);
    expect(local.routers.leftOf('tiny')).toBe('files');
    await connection.workflowService.getSystemInfo({});
  });

  it('ends when it was told to before it was ready, and leaves no endpoint running', async () => {
    const { code, err, said } = await dev(['--no-workers'], { at: 'before' });
    expect([code, err]).toEqual([0, expect.stringContaining('ending workers, endpoints and server')]);
    expect(said).toBeNull();
    expect(local.routers.leftOf('tiny')).toBe('files');
  });

  it.each<[namespace: string, args: readonly string[], env: Around['env']]>([
    ['filed', [], {}],
    ['filed', [], { TEMPORAL_NAMESPACE: '' }],
    ['named', [], { TEMPORAL_NAMESPACE: 'named' }],
    ['told', ['--namespace', 'told'], { TEMPORAL_NAMESPACE: 'named' }],
  ])('works in the namespace %s, as every other command has it', async (namespace, args, env) => {
    const { code, said, err } = await dev(['--no-workers', ...args], { env: env ?? {} });
    expect(code, err).toBe(0);
    expect(said).toMatchObject({ namespace, queues: [] });
  });
});
