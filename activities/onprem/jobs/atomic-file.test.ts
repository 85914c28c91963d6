import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs, { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { createFolder, createJson, readJson, replaceJson } from './atomic-file.js';

const folder = mkdtempSync(`${tmpdir()}/retempo-atomic-`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const compiled = fileURLToPath(new URL('../dist/jobs/atomic-file.js', import.meta.url));

describe('files of a site', () => {
  it('are old or new and never a part, for readers, and after a kill -9 at any moment', async () => {
    const path = `${folder}/state.json`;
    const script = `
      import { replaceJson } from ${JSON.stringify(compiled)};
      for (let i = 0; ; i += 1) replaceJson(${JSON.stringify(path)}, { i, filling: 'x'.repeat(1 + (i % 7) * 30_000) });`;
    for (let round = 0; round < 5; round += 1) {
      replaceJson(path, { i: -1, filling: 'x' });
      const writer = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' });
      const seen = new Set<number>();
      while (seen.size < 50) {
        const { i, filling } = JSON.parse(readFileSync(path, 'utf8')) as {
          readonly i: number;
          readonly filling: string;
        };
        if (i >= 0) expect(filling).toHaveLength(1 + (i % 7) * 30_000);
        seen.add(i);
      }
      writer.kill('SIGKILL');
      await once(writer, 'exit');
      expect(JSON.parse(readFileSync(path, 'utf8'))).toHaveProperty('i');
    }
  });

  it('are for their user only: they may hold what a program was given', () => {
    createJson(`${folder}/one.json`, {});
    replaceJson(`${folder}/one.json`, {});
    createFolder(`${folder}/job`, (inside) => replaceJson(`${inside}/job.json`, {}));
    const modes = ['one.json', 'job', 'job/job.json'].map((name) => statSync(`${folder}/${name}`).mode & 0o777);
    expect(modes).toEqual([0o600, 0o700, 0o600]);
  });

  it('are on the disk before they can be found, and their names before they are told', () => {
    const own = `${folder}/durable`;
    mkdirSync(own);
    const inode = (path: string) => statSync(path).ino;
    const synced: { readonly inode: number; readonly found: string }[] = [];
    const { fsyncSync } = fs;
    vi.spyOn(fs, 'fsyncSync').mockImplementation((descriptor) => {
      const found = readdirSync(own).filter((name) => !/^\.new-|\.tmp$/.test(name));
      synced.push({ inode: fs.fstatSync(descriptor).ino, found: found.join() });
      fsyncSync(descriptor);
    });
    syncBuiltinESMExports();
    try {
      createJson(`${own}/a`, {});
      expect(synced.splice(0)).toEqual([
        { inode: inode(`${own}/a`), found: '' },
        { inode: inode(own), found: 'a' },
      ]);
      const before = inode(`${own}/a`);
      replaceJson(`${own}/a`, {});
      expect(inode(`${own}/a`)).not.toBe(before);
      expect(synced.splice(0)).toEqual([
        { inode: inode(`${own}/a`), found: 'a' },
        { inode: inode(own), found: 'a' },
      ]);
      createFolder(`${own}/b`, (inside) => fs.writeFileSync(`${inside}/c`, ''));
      expect(synced).toEqual([
        { inode: inode(`${own}/b`), found: 'a' },
        { inode: inode(own), found: 'a,b' },
      ]);
    } finally {
      vi.restoreAllMocks();
      syncBuiltinESMExports();
    }
  });

  it('that cannot be written leave nothing beside them', () => {
    const own = `${folder}/own`;
    mkdirSync(own);
    createFolder(`${own}/taken`, (inside) => replaceJson(`${inside}/a.json`, {}));
    expect(() => replaceJson(`${own}/taken`, {})).toThrow();
    expect(createFolder(`${own}/taken`, (inside) => replaceJson(`${inside}/b.json`, {}))).toBe(false);
    expect(createJson(`${own}/taken/a.json`, { other: true })).toBe(false);
    expect(readdirSync(`${own}/taken`)).toEqual(['a.json']);
    expect(readdirSync(own)).toEqual(['taken']);
  });

  it('are nothing where they are not, and named when they hold no JSON any more', () => {
    expect(readJson(`${folder}/nowhere.json`)).toBe(null);
    const path = `${folder}/damaged.json`;
    for (const text of ['', '{"v":1,', 'no JSON']) {
      writeFileSync(path, text);
      expect(() => readJson(path)).toThrow(`${path} was changed from outside and is no JSON any more (`);
      expect(() => readJson(`${path}/below`)).not.toThrow();
    }
    expect(() => readJson(folder)).toThrow('EISDIR');
  });
});
