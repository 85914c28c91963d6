import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { jobPaths, type SupervisorOrder } from './layout.js';
import { clearWorkspace, minimalEnvironment, prepareWorkspace, programEnvironment } from './workspace.js';

const root = mkdtempSync(`${tmpdir()}/retempo-workspace-`);
afterAll(() => rmSync(root, { recursive: true, force: true }));

const key = 'a'.repeat(64);
const paths = jobPaths(root, key);
const orderWith = (part: Partial<SupervisorOrder>): SupervisorOrder => ({
  v: 1,
  root,
  key,
  slots: 1,
  stopGraceMs: 1000,
  logBytes: 1000,
  env: {},
  folders: { code: null, checkpoint: null, inputs: {} },
  refusal: null,
  ...part,
});
const bitsOf = (path: string): number => statSync(path).mode & 0o777;

/** A copy as the cache keeps it: nobody may write to its files. */
function cached(name: string): string {
  const folder = `${root}/cache/${name}`;
  mkdirSync(`${folder}/lib`, { recursive: true });
  for (const [file, mode] of [
    ['data.bin', 0o444],
    ['lib/run.sh', 0o555],
  ] as const) {
    writeFileSync(`${folder}/${file}`, name);
    chmodSync(`${folder}/${file}`, mode);
  }
  symlinkSync('/etc/passwd', `${folder}/link`);
  return folder;
}

describe('workspace of a job', () => {
  it('has copies of code and checkpoint that the program may change; those of the cache stay as they are', () => {
    const [code, checkpoint] = [cached('code'), cached('checkpoint')];
    prepareWorkspace(paths, orderWith({ folders: { code, checkpoint, inputs: { rows: '/cache/rows' } } }), { rate: 1 });
    for (const [copy, source] of [
      [paths.work, code],
      [paths.checkpoint, checkpoint],
    ] as const) {
      expect([bitsOf(`${copy}/data.bin`), bitsOf(`${copy}/lib/run.sh`)]).toEqual([0o644, 0o755]);
      writeFileSync(`${copy}/data.bin`, 'changed');
      expect(readFileSync(`${source}/data.bin`, 'utf8')).not.toBe('changed');
      expect([bitsOf(`${source}/data.bin`), bitsOf(`${source}/lib/run.sh`)]).toEqual([0o444, 0o555]);
      // Only plain files: a link would lead the program, or whoever collects what it made, out of its folder.
      expect(readdirSync(copy).sort()).toEqual(['data.bin', 'lib']);
    }
    expect(JSON.parse(readFileSync(paths.input, 'utf8'))).toEqual({
      v: 1,
      parameters: { rate: 1 },
      inputs: { rows: '/cache/rows' },
      checkpoint: paths.checkpoint,
    });
  });

  it('is made anew by a successor: nothing of a half-made one is left', () => {
    const folders = [paths.work, paths.temporary, paths.output, paths.checkpoint];
    for (const folder of folders) {
      mkdirSync(folder, { recursive: true });
      writeFileSync(`${folder}/half`, '');
    }
    prepareWorkspace(paths, orderWith({}), {});
    expect(folders.map((folder) => readdirSync(folder))).toEqual([[], [], [], []]);
    expect(JSON.parse(readFileSync(paths.input, 'utf8'))).toMatchObject({ checkpoint: null });
  });

  it('keeps after the end what the program made, and nothing else', () => {
    prepareWorkspace(paths, orderWith({}), {});
    for (const path of [paths.stdout, paths.stderr]) writeFileSync(path, '');
    clearWorkspace(paths);
    const { work, temporary, output, checkpoint, stdout, stderr, input } = paths;
    expect([work, temporary].map((path) => existsSync(path))).toEqual([false, false]);
    expect([output, checkpoint, stdout, stderr, input].map((path) => existsSync(path))).toEqual(Array(5).fill(true));
  });
});

describe('environment of a program', () => {
  const base = { PATH: '/bin', HOME: '/home/worker', LANG: 'C' };
  const contract = {
    RETEMPO_JOB_FOLDER: paths.folder,
    RETEMPO_JOB: key,
    RETEMPO_INPUT: paths.input,
    RETEMPO_OUTPUT: paths.output,
    RETEMPO_CHECKPOINT: paths.checkpoint,
  };

  it('entries of the intent win over the minimum, the contract wins over everything', () => {
    expect(programEnvironment(paths, orderWith({}), base)).toEqual({ ...base, TMPDIR: paths.temporary, ...contract });
    const own = { PATH: '/own', HOME: '/own', LANG: 'own', TMPDIR: '/own', TOKEN: 'own' };
    const stolen = Object.fromEntries(Object.keys(contract).map((name) => [name, '/own']));
    expect(programEnvironment(paths, orderWith({ env: { ...own, ...stolen } }), base)).toEqual({ ...own, ...contract });
  });

  it('of the environment of a worker remain path, home and language, or their defaults', () => {
    const node = dirname(process.execPath);
    expect(
      minimalEnvironment({ PATH: '/bin', HOME: '/home', LANG: 'C', AWS_SECRET_ACCESS_KEY: 'x', NODE_OPTIONS: '-r x' })
    ).toEqual({
      PATH: `/bin${delimiter}${node}`,
      HOME: '/home',
      LANG: 'C',
    });
    expect(minimalEnvironment({})).toEqual({
      PATH: `/usr/local/bin:/usr/bin:/bin${delimiter}${node}`,
      HOME: '/',
      LANG: 'C.UTF-8',
    });
  });
});
