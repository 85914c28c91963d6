import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeFolder } from './make-folder.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'retempo-make-folder-'))));
afterEach(() => rmSync(folder, { recursive: true }));

it('makes what is missing with the given rights, and leaves what is there', () => {
  mkdirSync(join(folder, 'a'), { mode: 0o755 });
  symlinkSync(join(folder, 'a'), join(folder, 'link'));
  const made = ['a/b/c', 'a/b/c', 'link/d'].map((path) => makeFolder(join(folder, path), 0o700));
  expect(made).toEqual([join(folder, 'a/b'), undefined, join(folder, 'link/d')]);
  expect(readdirSync(join(folder, 'a'))).toEqual(['b', 'd']);
  expect(['a', 'a/b', 'a/b/c'].map((path) => statSync(join(folder, path)).mode & 0o777)).toEqual([0o755, 0o700, 0o700]);
});

it('says what is in its way', () => {
  writeFileSync(join(folder, 'file'), '');
  expect(() => makeFolder(join(folder, 'file'))).toThrow(`EEXIST: file already exists, mkdir '${folder}/file'`);
  expect(() => makeFolder(join(folder, 'file', 'a', 'b'))).toThrow(`mkdir '${folder}/file`);
});

it('makes a folder that several processes want at once', async () => {
  const program = `
    import { makeFolder } from '@retempo/activities/processes';
    process.send('ready');
    process.once('message', () => {
      for (let i = 0; i < 300; i++) makeFolder(${JSON.stringify(folder)} + '/' + i + '/a/b');
      process.disconnect();
    });`;
  const all = Array.from({ length: 4 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  );
  const ended = all.map((one) => once(one, 'exit') as Promise<[number]>);
  await Promise.all(all.map((one) => once(one, 'message')));
  for (const one of all) one.send('go');
  expect(await Promise.all(ended)).toEqual(all.map(() => [0, null]));
});
