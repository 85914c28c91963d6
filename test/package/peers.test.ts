import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { repositoryRoot } from '../support/repository.js';

// What CI requires of its machine is there or makes the run fail: nothing is left out because a program is missing.

const root = fileURLToPath(repositoryRoot);
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retempo-peers-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

const program = (name: string, script: string): void => {
  writeFileSync(join(folder, name), `#!/bin/bash\n${script}\n`);
  chmodSync(join(folder, name), 0o755);
};
const journal = (): string => (existsSync(join(folder, 'log')) ? readFileSync(join(folder, 'log'), 'utf8') : '');

describe('.ci/peers', () => {
  const peers = () =>
    spawnSync('/bin/bash', [join(root, '.ci/peers')], { cwd: folder, env: { PATH: folder }, encoding: 'utf8' });
  const aptGet = (script = ''): void =>
    program('apt-get', `echo "apt-get $*, $DEBIAN_FRONTEND" >> '${folder}/log'\n${script}`);
  const user = (id: number): void => program('id', `echo ${id}`);

  it('leaves a machine that has everything alone', () => {
    for (const name of ['nginx', 'mount', 'ps']) program(name, '');
    aptGet();
    expect(peers()).toMatchObject({ status: 0, stdout: '', stderr: '' });
    expect(journal()).toBe('');
  });

  it('installs what is missing', () => {
    for (const name of ['mount', 'ps']) program(name, '');
    user(0);
    aptGet();
    expect(peers()).toMatchObject({ status: 0, stdout: 'installing nginx-light\n' });
    expect(journal().split('\n')).toEqual([
      'apt-get update -qq, noninteractive',
      'apt-get install -y -qq --no-install-recommends nginx-light, noninteractive',
      '',
    ]);
  });

  it('asks for the rights that a plain user lacks, and never for a password', () => {
    user(1000);
    program('sudo', `echo "sudo $1 $2" >> '${folder}/log'\nshift 2\n"$@"`);
    aptGet();
    expect(peers().status).toBe(0);
    const sudo = 'sudo -n --preserve-env=DEBIAN_FRONTEND';
    expect(journal().match(/^sudo .*$/gm)).toEqual([sudo, sudo]);
    expect(journal()).toContain('install -y -qq --no-install-recommends nginx-light mount procps,');
  });

  it.each([
    ['no apt-get', () => user(0)],
    ['no sudo', () => user(1000)],
    ['an apt-get that fails', () => (user(0), aptGet('exit 100'))],
    ['a package that apt-get does not find', () => (user(0), aptGet('[ "$1" = update ]'))],
  ])('ends with one line that names what to install: %s', (_, machine) => {
    for (const name of ['mount', 'ps']) program(name, '');
    machine();
    const { status, stderr } = peers();
    expect(status).toBe(1);
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(/^nginx-light: missing here, and apt-get cannot install it/);
  });

  it('is what .ci/run starts before anything else', () => {
    const lines = readFileSync(join(root, '.ci/run'), 'utf8').split('\n');
    expect(lines.indexOf('.ci/peers')).toBeGreaterThan(0);
    expect(lines.indexOf('.ci/peers')).toBeLessThan(lines.findIndex((line) => line.startsWith('npm ')));
  });
});

describe('a benchmark whose peer is missing', () => {
  const skipping = `import { skip } from '${new URL('test/bench/rows.mjs', repositoryRoot).href}'; skip('no /proc')`;
  it.each([
    ['nginx', [join(root, 'activities/onprem/serving/bench-router.mjs')], /nginx is not on the path/],
    ['/proc', ['--input-type=module', '-e', skipping], /no \/proc/],
  ])('fails where peers are required, and is skipped with its reason elsewhere: %s', (_, args, why) => {
    const run = (required: string) =>
      spawnSync(process.execPath, args, {
        cwd: folder,
        env: { PATH: folder, RETEMPO_REQUIRE_PEERS: required },
        encoding: 'utf8',
      });
    expect(run('1')).toMatchObject({ status: 1, stdout: '', stderr: expect.stringMatching(why) as string });
    expect(run('')).toMatchObject({ status: 0, stderr: '', stdout: expect.stringMatching(why) as string });
  });
});

describe('the tests that may be left out', () => {
  /** Everything that leaves out a test, and why that is no missing peer where `RETEMPO_REQUIRE_PEERS=1`. */
  const known: readonly (readonly [path: RegExp, call: string])[] = [
    // The Temporal server: `missingServer` and this test throw where peers are required.
    [/^test\/(integration|chaos)\//, 'skipIf(missing !== null)'],
    [/^test\/integration\/dev-server/, 'skip(first.message)'],
    // The schema from npm: `composeSchema` throws.
    [/^test\/package\/compose\.test/, "skip('the schema cannot be fetched here')"],
    // The short form of chaos leaves out 8 points on purpose; RETEMPO_RECORD chooses what is recorded.
    [/^test\/chaos\//, 'skipIf(isShort)'],
    [/^test\/replay\/record\//, 'skipIf(wanted.length > 0 && !wanted.includes(name))'],
    // A right that the machine withholds: `mountSmallDisk` throws when the program itself is missing.
    [/(file-store|onprem-programs)\.test/, 'skip(refusal)'],
    // Their own line throws.
    [/^activities\/core\/processes\/identity/, 'skipIf(missing !== undefined)'],
    [/^workers\/dev-server\/fetch-server-binary/, "skip('this machine has no pip')"],
    // Three million rows that are not kept here.
    [/^examples\/flight-delay\/data\/sample/, 'skipIf(!existsSync(source))'],
    // Another platform.
    [/./, "skipIf(process.platform !== 'linux')"],
    [/./, "runIf(process.platform === 'linux')"],
    [/file-store\.test/, "skip('Windows has no such permissions')"],
  ];

  it('are known, each with its reason', () => {
    const paths = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root })
      .toString()
      .split('\n')
      .filter((path) => /\.test\.ts$|^test\/.*\.ts$/.test(path) && existsSync(join(root, path)))
      .filter((path) => path !== 'test/package/peers.test.ts');
    const calls = paths.flatMap((path) => {
      const text = readFileSync(join(root, path), 'utf8');
      return [...text.matchAll(/\b((?:skip|skipIf|runIf|todo)\((?:[^()]|\([^()]*\))*\))/g)].map(
        ([call]) => [path, call] as const
      );
    });
    expect(calls.length).toBeGreaterThan(30);
    const unknown = calls.filter(([path, call]) => !known.some(([where, what]) => where.test(path) && what === call));
    expect(unknown).toEqual([]);
  });
});
