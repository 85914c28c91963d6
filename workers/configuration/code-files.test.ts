import { writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findCodeFiles } from './code-files.js';
import { matcher } from './project-files.js';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retempo-code-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function files(sizes: Readonly<Record<string, number>>): Promise<void> {
  for (const [name, bytes] of Object.entries(sizes)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), '');
    await truncate(join(folder, name), bytes);
  }
}

const find = (options: Partial<Parameters<typeof findCodeFiles>[0]> = {}) =>
  findCodeFiles({ folder, include: ['**'], exclude: [], never: [], ...options });

const names = async (options: Partial<Parameters<typeof findCodeFiles>[0]> = {}): Promise<readonly string[]> =>
  (await find(options)).files.map(({ path }) => path);

const mebibyte = 2 ** 20;

it('takes the program and leaves out what never belongs to it', async () => {
  await files({
    'train.js': 5,
    'lib/größe.js': 5,
    'node_modules/x/index.js': 5,
    'lib/node_modules/y.js': 5,
    '.git/config': 5,
    '.env': 5,
    'lib/.secret': 5,
    'state/temporal.db': 5,
    'data/flights-1.parquet': 5,
    'data/readme.txt': 5,
    'big.bin': 10 * mebibyte + 1,
  });
  await symlink('/etc/passwd', join(folder, 'link'));
  await symlink('/etc', join(folder, 'folder-link'));
  const never = [join(folder, 'state'), join(folder, 'data/*.parquet'), '/elsewhere'];
  expect(await names({ never })).toEqual(['data/readme.txt', 'lib/größe.js', 'train.js']);
});

it('follows include and exclude; a large file can be named', async () => {
  await files({ 'train.js': 5, 'lib/a.js': 5, 'lib/deep/b.js': 5, 'notes/x.md': 5, 'weights.bin': 11 * mebibyte });
  expect(await names({ include: ['train.js', 'lib'] })).toEqual(['lib/a.js', 'lib/deep/b.js', 'train.js']);
  expect(await names({ include: ['lib/*.js'] })).toEqual(['lib/a.js']);
  expect(await names({ exclude: ['notes', '**/b.js'] })).toEqual(['lib/a.js', 'train.js']);
  expect(await names({ include: ['weights.bin'] })).toEqual(['weights.bin']);
});

it('names the biggest files when they are too much together', async () => {
  await files({
    'z.bin': 9 * mebibyte,
    'b.bin': 8 * mebibyte,
    ...Object.fromEntries(['c', 'd', 'e', 'f', 'g', 'h'].map((c) => [`${c}.bin`, 8 * mebibyte])),
  });
  const { problems } = await find();
  expect(problems).toEqual([
    {
      path: ['code'],
      message: expect.stringMatching(
        /^the program files have 65\.0 MiB, more than 64\.0 MiB; biggest: z\.bin \(9\.0 MiB\)(, \w\.bin \(8\.0 MiB\)){4}$/
      ),
      suggestion: 'leave files out with code.exclude',
    },
  ]);
});

it('says when there are too many', async () => {
  for (let at = 0; at <= 10_000; at++) writeFileSync(join(folder, `${at}.js`), '');
  expect((await find()).problems).toEqual([
    {
      path: ['code'],
      message: 'expected at most 10000 program files, found 10001',
      suggestion: 'leave folders out with code.exclude',
    },
  ]);
  expect((await find({ exclude: ['10000.js'] })).problems).toEqual([]);
});

it('takes the program also where the project folder itself is named as no program', async () => {
  await files({ 'train.js': 5 });
  expect(await names({ never: [folder, join(folder, '..')] })).toEqual(['train.js']);
});

it('says when nothing is left', async () => {
  await files({ 'notes.md': 5 });
  expect((await find({ exclude: ['**'] })).problems).toMatchObject([{ message: 'no program file is left' }]);
});

it.each([
  ['*.js', ['a.js'], ['a/b.js', 'a.jsx']],
  ['**/*.js', ['a.js', 'a/b/c.js'], ['a.ts']],
  ['a/**', ['a/b', 'a/b/c'], ['b/a']],
  ['a?.js', ['ab.js'], ['a/.js', 'abc.js']],
  ['a+(b).[c]', ['a+(b).[c]'], ['aab.c']],
  ['./a/', ['a', 'a/b'], ['ab']],
])('pattern %s', (pattern, yes, no) => {
  const matches = matcher([pattern]);
  expect(yes.filter((path) => !matches(path))).toEqual([]);
  expect(no.filter((path) => matches(path))).toEqual([]);
});
