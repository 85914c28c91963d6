import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pinnedServerVersion } from '@retempo/workers';
import { repositoryRoot } from '../support/repository.js';
import { composeProblems, isPinned, parseCompose } from './compose-rules.js';
import { composeSchema } from './compose-schema.js';
import { contextSources, dockerfileProblems, parseDockerfile } from './dockerfile.js';

const read = (path: string): string => readFileSync(new URL(path, repositoryRoot), 'utf8');
const composeText = read('docker-compose.yml');
const compose = parseCompose(composeText);
const dockerfileText = read('Dockerfile');
const stages = parseDockerfile(dockerfileText);

describe('docker-compose.yml', () => {
  it('is valid by the schema of the compose specification', async ({ skip }) => {
    const schema = await composeSchema();
    if (schema === null) return skip('the schema cannot be fetched here');
    const ajv = new Ajv2019({ strict: false, validateFormats: false, allErrors: true });
    // The schema carries names under the keyword `id` of an older draft.
    ajv.removeKeyword('id');
    const validate = ajv.compile({ ...schema, $schema: 'https://json-schema.org/draft/2019-09/schema' });
    expect(validate(compose), JSON.stringify(validate.errors, null, 2)).toBe(true);
    const misspelt = { ...compose, services: { ...compose.services, extra: { image: 'a:1.2', port: ['1:1'] } } };
    expect(validate(misspelt)).toBe(false);
  });

  it('breaks none of our rules: pinned images, loopback ports, no root, named volumes, health checks', () => {
    expect(composeProblems(compose)).toEqual([]);
  });

  it.each([
    ['127.0.0.1:${RETEMPO_UI_PORT:-8233}:8080', '${RETEMPO_UI_PORT:-8233}:8080', /ui: port .* not bound to 127/],
    ['127.0.0.1:${RETEMPO_UI_PORT:-8233}:8080', '0.0.0.0:8233:8080', /ui: port .* not bound to 127/],
    ['image: temporalio/ui:2.54.1', 'image: temporalio/ui:latest', /ui: image .* not pinned/],
    ['image: temporalio/ui:2.54.1', 'image: temporalio/ui', /ui: image .* not pinned/],
    ['  user: node\n', '  user: root\n', /worker: .* not root/],
    ['  user: node\n', '', /worker: .* not root/],
    ['temporal-local-only\n    volumes', 'hunter2\n    volumes', /POSTGRES_PASSWORD must be a local default/],
    ['postgres-data:/var', './data:/var', /postgres: .* no named volume/],
    ['healthcheck:\n      test: [CMD, nc,', 'x-check:\n      test: [CMD, nc,', /temporal: has no health check/],
    ['      namespace:\n', '      nobody:\n', /worker: waits for nobody/],
  ])('would be told of: %s → %s', (from, to, told) => {
    const changed = composeText.replace(from, to);
    expect(changed).not.toBe(composeText);
    expect(composeProblems(parseCompose(changed)).join('\n')).toMatch(told);
  });

  it('runs the versions of the dev server', () => {
    expect(pinnedServerVersion).toBe('1.9.1');
    expect(compose.services['temporal']?.image).toMatch(/^temporalio\/server:1\.32\.0@/);
    expect(compose.services['schema']?.image).toMatch(/^temporalio\/admin-tools:1\.32\.0@/);
    expect(compose.services['namespace']?.image).toBe(compose.services['schema']?.image);
    expect(compose.services['ui']?.image).toBe('temporalio/ui:2.54.1');
  });

  it('names its own image by the version of the packages', () => {
    const { version } = JSON.parse(read('cli/package.json')) as { version: string };
    expect(compose.services['worker']?.image).toBe(`retempo:${version}`);
    expect(compose.services['apply']?.image).toBe(`retempo:${version}`);
  });

  it('keeps the state where the image has its folder, and forwards to the port of the example', () => {
    const folder = '/app/examples/flight-delay/.retempo';
    expect(compose.services['worker']?.volumes).toEqual([`retempo-state:${folder}`]);
    expect(compose.services['apply']?.volumes).toEqual([`retempo-state:${folder}`]);
    expect(dockerfileText).toContain(`-o node -g node -m 0700 ${folder}`);
    const port = compose.services['worker']?.environment?.['FORWARD_TO'];
    expect(read('examples/flight-delay/retempo.yaml')).toContain(`dataPort: ${port}`);
  });

  it('says that it was not run', () => {
    expect(composeText).toContain('NOT RUN HERE');
    expect(dockerfileText).toContain('NOT RUN HERE');
  });
});

describe('the forwarder of the worker service', () => {
  let router: Server;
  let program: ReturnType<typeof spawn>;
  let port = 0;

  const listen = (server: Server): Promise<number> =>
    new Promise((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
    });

  beforeAll(async () => {
    router = createServer((socket) => socket.on('data', (data) => socket.end(`got ${data.toString()}`)));
    const free = createServer();
    port = await listen(free);
    await new Promise((resolve) => {
      free.close(resolve);
    });
    const script = (compose.services['worker']?.environment?.['FORWARD'] ?? '').replace('0.0.0.0', '127.0.0.1');
    program = spawn(process.execPath, ['-e', `${script}\nserver.on('listening', () => console.log('up'));`], {
      env: { FORWARD_FROM: String(port), FORWARD_TO: String(await listen(router)) },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => {
      program.stdout?.once('data', resolve);
    });
  });
  afterAll(() => {
    program.kill('SIGKILL');
    router.close();
  });

  const ask = (text: string): Promise<string> =>
    new Promise((resolve) => {
      let answer = '';
      const socket = connect(port, '127.0.0.1', () => socket.write(text));
      socket.on('data', (data: Buffer) => (answer += data.toString()));
      socket.on('error', () => resolve('error'));
      socket.on('close', () => resolve(answer));
    });

  it('hands bytes to the router and back, and outlives a router that is away', async () => {
    expect(await ask('one')).toBe('got one');
    const address = router.address() as AddressInfo;
    await new Promise((resolve) => {
      router.close(resolve);
    });
    expect(['', 'error']).toContain(await ask('two'));
    await new Promise<void>((resolve) => {
      router.listen(address.port, '127.0.0.1', () => resolve());
    });
    expect(await ask('three')).toBe('got three');
    expect(program.exitCode).toBeNull();
  });
});

describe('Dockerfile', () => {
  it('breaks none of our rules', () => {
    expect(stages).toHaveLength(2);
    expect(dockerfileProblems(stages)).toEqual([]);
  });

  it('copies only what exists, and the .dockerignore lets all of it through', () => {
    const ignore = read('.dockerignore').split('\n');
    const sources = stages.flat().flatMap(contextSources);
    expect(sources.length).toBeGreaterThan(12);
    for (const source of sources) {
      expect(existsSync(new URL(source, repositoryRoot)), source).toBe(true);
      expect(ignore, source).toContain(`!${source.split('/')[0]}`);
    }
  });

  it('installs and builds every package that the command needs', () => {
    const { workspaces } = JSON.parse(read('package.json')) as { workspaces: string[] };
    const sources = stages.flat().flatMap(contextSources);
    for (const workspace of workspaces) expect(sources).toContain(`${workspace}/package.json`);
    const final = (stages.at(-1) ?? []).map(({ text }) => text).join('\n');
    for (const workspace of workspaces) expect(final).toContain(`--from=build /app/${workspace.split('/')[0]} `);
  });

  it('starts the same Node everywhere, by digest', () => {
    const images = stages.map(([from]) => from?.text.split(' ')[0]);
    expect(new Set(images).size).toBe(1);
    expect(images[0]).toMatch(/^node:20\.\d+\.\d+-bookworm-slim@sha256:[0-9a-f]{64}$/);
  });

  it.each([
    ['USER node\n', '', /runs as root/],
    ['USER node\n', 'USER 0\n', /runs as root/],
    ['["tini", "--", "retempo"]', '["retempo"]', /no init/],
    ['install -y --no-install-recommends tini', 'install -y build-essential tini', /compiler/],
    ['ENV NODE_ENV=production', 'ENV API_TOKEN=abc', /secret/],
    ['npm ci --ignore-scripts', 'npm install --ignore-scripts', /past the lockfile/],
    ['STOPSIGNAL SIGTERM', 'STOPSIGNAL SIGKILL', /SIGTERM/],
    ['COPY examples examples', 'ADD examples examples', /use COPY/],
  ])('would be told of: %s → %s', (from, to, told) => {
    const changed = dockerfileText.replace(from, to);
    expect(changed).not.toBe(dockerfileText);
    expect(dockerfileProblems(parseDockerfile(changed)).join('\n')).toMatch(told);
  });
});

describe('a pinned image', () => {
  it.each([
    ['postgres:16.14-bookworm', true],
    [`node:20.20.2-bookworm-slim@sha256:${'a'.repeat(64)}`, true],
    ['postgres:16', false],
    ['postgres:latest', false],
    ['postgres', false],
    [`postgres@sha256:${'a'.repeat(64)}`, false],
    ['localhost:5000/postgres', false],
  ])('%s: %s', (image, pinned) => {
    expect(isPinned(image)).toBe(pinned);
  });
});
