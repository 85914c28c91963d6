import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commands } from './commands/index.js';
import { main } from './main.js';
import { recordedIo } from './recorded-io.test.util.js';

const minimal = `model: tiny
data: { source: data/rows.csv, time: at, label: late }
train: { run: node train.js }
evaluate: { run: node predict.js }
`;

let empty: string;
let project: string;
/** `host:port` where nothing listens. */
let nowhere: string;

beforeAll(async () => {
  empty = await mkdtemp(join(tmpdir(), 'retempo-empty-'));
  project = await mkdtemp(join(tmpdir(), 'retempo-cli-'));
  await mkdir(join(project, 'models'));
  await writeFile(join(project, 'retempo.yaml'), 'sites: { onprem.local: { pools: { cpu: { slots: 2 } } } }\n');
  await writeFile(join(project, 'models', 'tiny.yaml'), minimal);
  await writeFile(join(project, 'train.js'), '');
  nowhere = await new Promise<string>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(`127.0.0.1:${port}`));
    });
  });
});

afterAll(async () => {
  await rm(empty, { recursive: true, force: true });
  await rm(project, { recursive: true, force: true });
});

async function run(argv: readonly string[], options: { readonly cwd?: string; readonly env?: object } = {}) {
  const io = recordedIo({ cwd: options.cwd ?? empty, env: { ...options.env } });
  const code = await main(argv, io);
  return { code, out: io.out(), err: io.err() };
}

describe('help', () => {
  it('lists every command on stdout, with exit codes', async () => {
    const { code, out, err } = await run(['--help']);
    expect(code).toBe(0);
    expect(err).toBe('');
    for (const { name } of commands) expect(out).toContain(`  ${name}`);
    expect(out).toContain('Exit codes: 0 done');
  });

  it.each(commands.map(({ name }) => name))(
    '%s --help shows examples, the JSON shape and the global options',
    async (name) => {
      const { code, out } = await run([name, '--help']);
      expect(code).toBe(0);
      expect(out).toContain(`$ retempo ${name}`);
      expect(out).toContain('With --json:');
      expect(out).toContain('--project <folder>');
    }
  );
});

describe('wrong arguments', () => {
  it.each<[readonly string[], string]>([
    [['plna'], 'Did you mean plan?'],
    [['apply', '--frce'], "unknown option '--frce'"],
    [['retrain', 'tiny'], "required option '--why <text>'"],
    [['retrain', '--why', 'x'], "missing required argument 'model'"],
    [['status', 'a', 'b'], 'too many arguments'],
    [['status', '--timeout', '15'], 'expected a duration such as 15s'],
    [['dev', '--port', '70000'], 'expected a whole number from 0 to 65535'],
    [['worker', '--role', 'cook'], 'Allowed choices are jobs, wait, serving, data'],
    [['schema', 'modle'], 'there is no schema "modle"; known: model, config, such as: retempo schema model'],
    [['schema', 'constructor'], 'there is no schema "constructor"; known: model, config'],
    [['status', '--timeout', '25h'], 'at most 24h'],
    [['retrain', 'tiny', '--why', ' '], 'expected text of 1 to 500 characters'],
    [['retrain', 'tiny', '--why', 'x'.repeat(501)], 'expected text of 1 to 500 characters'],
    [['retrain', 'tiny', '--why', 'x', '--id', 'a\u0000b'], 'without control characters'],
    [['rollback', 'tiny', '--why', 'x', '--actor', ''], 'expected text of 1 to 500 characters'],
    [['status', '--address', 'nowhere'], '--address: expected host:port, such as 127.0.0.1:7233, got "nowhere"'],
    [['status', '--address', 'http://x:1'], 'without http:// and the like, got "http://x:1"'],
    [['status', '--address', 'x:99999'], '--address: expected host:port'],
    [['status', '--address', 'x y:1'], '--address: expected host:port'],
  ])('%j ends with exit code 2 and says why', async (argv, message) => {
    const { code, out, err } = await run(argv);
    expect(code).toBe(2);
    expect(err).toContain(message);
    expect(out).toBe('');
  });

  it('are also told as JSON when it was asked for', async () => {
    const { code, out } = await run(['plan', '--json']);
    expect(code).toBe(2);
    expect(JSON.parse(out)).toEqual({
      v: 1,
      error: { code: 'noProject', exitCode: 2, message: expect.stringContaining('name it with --project') as string },
    });
  });
});

describe('the project', () => {
  it('is found upwards, or named', async () => {
    const inside = join(project, 'models');
    const worker = ['worker', '--site', 'onprem.mars'];
    expect((await run(worker, { cwd: inside })).err).toContain(
      'no site onprem.mars in retempo.yaml; known: onprem.local'
    );
    expect((await run([...worker, '--project', project])).err).toContain('no site onprem.mars');
    expect((await run([...worker, '--project', 'gone'])).err).toContain('holds no retempo.yaml');
  });

  it('is told with all its problems, with file and line, and nothing is started', async () => {
    const bad = await mkdtemp(join(tmpdir(), 'retempo-bad-'));
    try {
      await mkdir(join(bad, 'models'));
      await writeFile(join(bad, 'retempo.yaml'), 'sites:\n  onprem.local: { pools: { cpu: { slots: two } } }\n');
      await writeFile(join(bad, 'models', 'tiny.yaml'), `${minimal}aproval: none\n`);
      await writeFile(join(bad, 'train.js'), '');
      for (const command of ['plan', 'apply', 'dev', 'worker']) {
        const { code, err } = await run([command], { cwd: bad, env: { TEMPORAL_ADDRESS: nowhere } });
        expect(code).toBe(2);
        expect(err).toMatch(/retempo\.yaml:2:\d+ {2}sites\.onprem\.local\.pools\.cpu\.slots: .*"two"/);
        // Workers do without model files: their problems are none of a worker's.
        if (command !== 'worker') expect(err).toMatch(/models\/tiny\.yaml:5:1 {2}aproval: unknown key/);
        expect(err).not.toMatch(/^\s+at /m);
      }
    } finally {
      await rm(bad, { recursive: true, force: true });
    }
  });

  it('two sites in one folder are one clear problem, and nothing is started', async () => {
    const bad = await mkdtemp(join(tmpdir(), 'retempo-bad-'));
    try {
      await mkdir(join(bad, 'models'));
      await writeFile(join(bad, 'models', 'tiny.yaml'), minimal);
      await writeFile(join(bad, 'train.js'), '');
      await writeFile(join(bad, 'retempo.yaml'), 'sites:\n  onprem.east: { root: x }\n  onprem.west: { root: ./x }\n');
      for (const command of ['plan', 'dev', 'worker', 'status']) {
        const { code, err } = await run([command], { cwd: bad });
        expect(code).toBe(2);
        expect(err.split('\n')).toEqual([
          expect.stringMatching(
            /retempo\.yaml:3:18 {2}sites\.onprem\.west\.root: expected a folder of its own for onprem\.west, but .*\/\.retempo\/x is the folder of onprem\.east too$/
          ),
          '',
        ]);
      }
      expect(await readdir(bad)).toEqual(['models', 'retempo.yaml', 'train.js']);
    } finally {
      await rm(bad, { recursive: true, force: true });
    }
  });

  it('keeps its problems apart in the doctor, one a line', async () => {
    const bad = await mkdtemp(join(tmpdir(), 'retempo-bad-'));
    try {
      await writeFile(join(bad, 'retempo.yaml'), 'limit: 4\nmodel: 5\n');
      const { code, out } = await run(['doctor'], { cwd: bad });
      expect(code).toBe(1);
      const lines = out.trimEnd().split('\n');
      expect(lines[0]).toMatch(/^x {2}configuration {2}retempo\.yaml:1:1 {2}limit: unknown key/);
      expect(lines[1]).toMatch(/^ {18}retempo\.yaml:2:1 {2}model: unknown key/);
    } finally {
      await rm(bad, { recursive: true, force: true });
    }
  });

  it.each<readonly string[]>([
    ['status'],
    ['status', 'tiny'],
    ['watch', 'tiny'],
    ['retrain', 'tiny', '--why', 'x'],
    ...['approve', 'reject', 'pause', 'resume', 'promote', 'rollback', 'abort'].map((name) => [
      name,
      'tiny',
      '--why',
      'x',
    ]),
    ['delete', 'tiny', '--yes'],
    ['worker'],
  ])('with a broken model file, or none, what runs can still be seen and stopped: %s', async (...argv) => {
    const bad = await mkdtemp(join(tmpdir(), 'retempo-bad-'));
    try {
      await writeFile(join(bad, 'retempo.yaml'), '');
      const ask = () => run(argv, { cwd: bad, env: { TEMPORAL_ADDRESS: nowhere } });
      // The server is away; it was not the files that stood in the way.
      expect(await ask()).toMatchObject({
        code: 3,
        err: expect.stringContaining('no Temporal server answers') as string,
      });
      await mkdir(join(bad, 'models'));
      await writeFile(join(bad, 'models', 'tiny.yaml'), 'model: [tiny\n');
      expect(await ask()).toMatchObject({
        code: 3,
        err: expect.stringContaining('no Temporal server answers') as string,
      });
    } finally {
      await rm(bad, { recursive: true, force: true });
    }
  });
});

describe('a server that is away', () => {
  it.each([['plan'], ['apply'], ['status'], ['retrain', 'tiny', '--why', 'x'], ['watch', 'tiny']])(
    '%s ends with exit code 3, names the address and the next step, without a stack',
    async (...argv) => {
      const { code, out, err } = await run([...argv, '--address', nowhere], { cwd: project });
      expect(code).toBe(3);
      expect(out).toBe('');
      expect(err).toContain(
        `no Temporal server answers at ${nowhere} (named by --address); start one with: retempo dev`
      );
      expect(err).not.toMatch(/^\s+at /m);
    }
  );

  it('is traced with --verbose', async () => {
    const { err } = await run(['status', '--verbose', '--address', nowhere], { cwd: project });
    expect(err).toMatch(/^\s+at /m);
  });

  it.each([['status'], ['dev'], ['worker']])('%s says that TEMPORAL_ADDRESS is none', async (...argv) => {
    const { code, err } = await run(argv, { cwd: project, env: { TEMPORAL_ADDRESS: 'foo bar' } });
    expect(code).toBe(2);
    expect(err).toContain('TEMPORAL_ADDRESS: expected host:port, such as 127.0.0.1:7233, got "foo bar"');
  });

  it('is not what dev can be given: it starts its own', async () => {
    const { code, err } = await run(['dev', '--address', nowhere], { cwd: project });
    expect(code).toBe(2);
    expect(err).toContain('set TEMPORAL_ADDRESS, or start only workers with: retempo worker --address');
    expect(await readdir(project)).not.toContain('.temporal');
  });

  it('says where the address comes from', async () => {
    const env = { TEMPORAL_ADDRESS: nowhere };
    expect((await run(['status'], { cwd: project, env })).err).toContain('(named by TEMPORAL_ADDRESS)');
    // Without any project the environment is enough.
    expect((await run(['status'], { env })).code).toBe(3);
  });

  it('keeps the doctor from going on, who has looked at the rest', async () => {
    const { code, out } = await run(['doctor', '--json', '--address', nowhere], { cwd: project });
    expect(code).toBe(1);
    const { healthy, findings } = JSON.parse(out) as { healthy: boolean; findings: { level: string; what: string }[] };
    expect(healthy).toBe(false);
    expect(findings.map(({ level, what }) => `${level} ${what}`)).toEqual([
      'ok configuration',
      'ok disk',
      'ok site onprem.local',
      'error temporal',
    ]);
  });
});

describe('schema', () => {
  it('prints a schema, and writes both where editors look', async () => {
    const { out } = await run(['schema', 'config']);
    expect(JSON.parse(out)).toMatchObject({ title: 'Retempo configuration', type: 'object' });
    const { code } = await run(['schema', '--write'], { cwd: project });
    expect(code).toBe(0);
    const written = JSON.parse(await readFile(join(project, '.retempo', 'model.schema.json'), 'utf8')) as {
      title: string;
    };
    expect(written.title).toBe('Retempo model file');
  });
});

describe('version', () => {
  it('names what a report of a problem needs', async () => {
    expect(JSON.parse((await run(['version', '--json'])).out)).toMatchObject({ v: 1, node: process.versions.node });
    expect((await run(['--version'])).out).toMatch(/^\d+\.\d+\.\d+/);
  });
});
