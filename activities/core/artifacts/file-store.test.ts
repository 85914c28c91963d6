import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import promises, {
  link,
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ArtifactStore, Call } from '../ports/index.js';
import { withFileLock } from './file-lock.js';
import { createFileStore } from './file-store.js';
import { partSizeBytes } from './part-size.js';
import { ownedName } from '../processes/index.js';
import { sealFolder } from './seal.js';
import { mountSmallDisk } from './small-disk.test.util.js';

let folder: string;
let root: string;
let store: ArtifactStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retempo-file-'));
  root = join(folder, 'root');
  await mkdir(root);
  store = createFileStore({ root });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const call = (timeoutMs = 30_000): Call => ({
  signal: new AbortController().signal,
  deadlineMs: Date.now() + timeoutMs,
});
const put = (key: string, text: string) => store.put(key, Buffer.from(text), { ifAbsent: true }, call());
async function read(key: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.read(key, {}, call())) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
async function list(prefix = ''): Promise<readonly string[]> {
  const keys: string[] = [];
  for await (const key of store.list(prefix, call())) keys.push(key);
  return keys;
}
const internal = (...path: string[]) => join(root, '.retempo-store', ...path);

describe('A4: nothing is reached through symbolic links', () => {
  beforeEach(async () => {
    await mkdir(join(folder, 'outside'));
    await writeFile(join(folder, 'outside', 'secret'), 'secret');
  });

  it.each([
    ['a link to a file outside', 'link', () => symlink(join(folder, 'outside', 'secret'), join(root, 'link'))],
    ['a link to a folder outside', 'link/secret', () => symlink(join(folder, 'outside'), join(root, 'link'))],
    ['a link further up', 'link/a/b/c', () => symlink(join(folder, 'outside'), join(root, 'link'))],
    ['a link to nowhere', 'link', () => symlink(join(folder, 'nowhere'), join(root, 'link'))],
    ['a link inside the store', 'link', () => put('real', 'x').then(() => symlink('real', join(root, 'link')))],
  ] as const)('%s', async (_, key, make) => {
    await make();
    const refused = { class: 'Integrity' };
    const bytes = Buffer.from('new');
    await expect(store.head(key, call())).rejects.toMatchObject(refused);
    await expect(read(key)).rejects.toMatchObject(refused);
    await expect(store.put(key, bytes, { ifAbsent: true }, call())).rejects.toMatchObject(refused);
    await expect(store.put(key, bytes, { ifVersion: 'x' }, call())).rejects.toMatchObject(refused);
    await expect(store.delete(key, call())).rejects.toMatchObject(refused);
    await expect(store.upload.begin(key, 1, call())).rejects.toMatchObject(refused);
    await expect(store.copy?.(key, 'copy', call())).rejects.toMatchObject(refused);
    await expect(list()).rejects.toMatchObject(refused);
    expect(await readdir(join(folder, 'outside'))).toEqual(['secret']);
    expect(await readFile(join(folder, 'outside', 'secret'), 'utf8')).toBe('secret');
    expect(await readdir(folder)).not.toContain('nowhere');
  });

  it('lists nothing through a link, and nothing above its root', async () => {
    await mkdir(join(folder, 'outside', 'deep'), { recursive: true });
    await writeFile(join(folder, 'outside', 'deep', 'secret'), 'x');
    await symlink(join(folder, 'outside'), join(root, 'out'));
    for (const prefix of ['out/', 'out/deep/', 'out/deep/sec']) {
      await expect(list(prefix)).rejects.toMatchObject({ class: 'Integrity' });
    }
    for (const prefix of ['../', '../outside/', '/', 'a/../..', 'a\0']) {
      await expect(list(prefix), prefix).rejects.toMatchObject({ class: 'InvalidSpec' });
    }
  });

  it('takes no id of an upload for a way out of its folder', async () => {
    const victim = join(folder, 'victim');
    await mkdir(victim);
    await writeFile(join(victim, 'about.json'), JSON.stringify({ v: 1, key: 'k', size: 1 }));
    await store.upload.begin('k', 1, call());
    for (const id of ['../../../victim', '..', '.', '', 'A'.repeat(32)]) {
      const upload = { key: 'k', id };
      const refused = { class: 'InvalidSpec' };
      await expect(store.upload.abort(upload, call())).rejects.toMatchObject(refused);
      await expect(store.upload.part(upload, 1, Buffer.from('x'), call())).rejects.toMatchObject(refused);
      await expect(store.upload.confirmed(upload, call())).rejects.toMatchObject(refused);
      await expect(store.upload.complete(upload, [], call())).rejects.toMatchObject(refused);
    }
    expect(await readdir(victim)).toEqual(['about.json']);
  });

  it('keeps its own folder to itself', async () => {
    await put('a', '1');
    for (const key of ['.retempo-store/locks/x', '.Retempo-Store/x', '.retempo-store']) {
      await expect(put(key, 'x')).rejects.toMatchObject({ class: 'InvalidSpec' });
    }
    expect(await list()).toEqual(['a']);
  });
});

describe('versions', () => {
  it('G6: a tag never fits other content, whatever size, time and inode say', async () => {
    await put('doc', 'aaaa');
    const wholeSecond = 1_700_000_000;
    await utimes(join(root, 'doc'), wholeSecond, wholeSecond);
    const { version } = (await store.head('doc', call())) ?? { version: '' };
    await writeFile(join(root, 'doc'), 'bbbb');
    await utimes(join(root, 'doc'), wholeSecond, wholeSecond);
    const changed = store.put('doc', Buffer.from('cccc'), { ifVersion: version }, call());
    await expect(changed).rejects.toMatchObject({ class: 'Conflict' });
    expect(await read('doc')).toBe('bbbb');
  });

  it('gives a writer the version of its own bytes although another one was faster afterwards', async () => {
    let { version } = await put('doc', '0');
    for (let round = 0; round < 30; round++) {
      const first = store.put('doc', Buffer.from(`first ${round}`), { ifVersion: version }, call());
      const second = first.then(async (own) => {
        const later = await store.put('doc', Buffer.from(`second ${round}`), { ifVersion: own.version }, call());
        return [own.version, later.version];
      });
      const [own, later] = await second;
      expect(later).not.toBe(own);
      version = later ?? '';
    }
    expect((await store.head('doc', call()))?.version).toBe(version);
  });

  it('a reader of a file that somebody cuts short is told, and never given less than it asked for', async () => {
    await store.put('doc', Buffer.alloc(3 * 1024 * 1024, 'o'), { ifAbsent: true }, call());
    const reading = async () => {
      for await (const _ of store.read('doc', {}, call())) await truncate(join(root, 'doc'), 1024 * 1024);
    };
    await expect(reading()).rejects.toMatchObject({
      class: 'Conflict',
      message: expect.stringContaining('shorter') as string,
    });
  });

  it('a reader that has begun gets the old bytes to the end while they are replaced', async () => {
    const old = Buffer.alloc(3 * 1024 * 1024, 'o');
    const { version } = await store.put('doc', old, { ifAbsent: true }, call());
    const chunks: Uint8Array[] = [];
    for await (const chunk of store.read('doc', { version }, call())) {
      chunks.push(Buffer.from(chunk));
      if (chunks.length === 1) await store.put('doc', Buffer.from('new'), { ifVersion: version }, call());
    }
    expect(Buffer.concat(chunks).equals(old)).toBe(true);
  });
});

describe('G6: a key that is deleted while somebody changes it', () => {
  const lockOf = (key: string) => createHash('sha256').update(key).digest('hex').slice(0, 32);

  /** Runs `work` while another process, so to say, holds the lock of a key: under another name of the same folder. */
  async function whileHeld(key: string, work: () => Promise<void>): Promise<void> {
    await mkdir(internal('locks'), { recursive: true });
    await symlink(internal('locks'), join(folder, 'locks'));
    await withFileLock(join(folder, 'locks'), lockOf(key), call(), work);
  }

  it('stays until that change is made', async () => {
    await put('doc', '1');
    await whileHeld('doc', async () => {
      await expect(store.delete('doc', call(100))).rejects.toMatchObject({ class: 'DeadlineExceeded' });
      expect(await read('doc')).toBe('1');
    });
    await store.delete('doc', call());
    expect(await store.head('doc', call())).toBeNull();
  });

  it('and is gone when its turn comes is deleted all the same', async () => {
    await put('doc', '1');
    let deleting: Promise<void> | undefined;
    await whileHeld('doc', async () => {
      deleting = store.delete('doc', call());
      // It has looked, found the key, and waits: two tickets lie beside the lock.
      while ((await readdir(internal('locks'))).length < 3) await sleep(5);
      await rm(join(root, 'doc'));
    });
    await deleting;
    expect(await store.head('doc', call())).toBeNull();
  });

  it('is not replaced by who has held the lock so long that another machine may have taken it over', async () => {
    const { version } = await put('doc', '1');
    let now = performance.now();
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += 60_000));
    try {
      const late = store.put('doc', Buffer.from('2'), { ifVersion: version }, call());
      await expect(late).rejects.toMatchObject({
        class: 'Conflict',
        message: expect.stringContaining('too long') as string,
      });
    } finally {
      clock.mockRestore();
    }
    expect(await read('doc')).toBe('1');
    await store.put('doc', Buffer.from('2'), { ifVersion: version }, call());
  });
});

describe('A3: where the file system does not tell case apart', () => {
  it('a key is there under its own name only', async () => {
    await put('Model', 'bytes');
    // What such a file system answers: the other name opens the same file, whose real name is the first one.
    await link(join(root, 'Model'), join(root, 'model'));
    const { realpath } = promises;
    vi.spyOn(promises, 'realpath').mockImplementation(((path: string) =>
      realpath(path === join(root, 'model') ? join(root, 'Model') : path)) as typeof realpath);
    syncBuiltinESMExports();
    try {
      expect(await read('Model')).toBe('bytes');
      expect(await store.head('model', call())).toBeNull();
      await expect(read('model')).rejects.toMatchObject({ class: 'NotFound' });
      await expect(store.copy?.('model', 'copy', call())).rejects.toMatchObject({ class: 'NotFound' });
      await store.delete('model', call());
    } finally {
      vi.restoreAllMocks();
      syncBuiltinESMExports();
    }
    expect(await list()).toEqual(['Model', 'model']);
  });
});

describe('what the file system refuses', () => {
  it('a missing root is an error, never an empty store', async () => {
    await rename(root, join(folder, 'unmounted'));
    const missing = { class: 'ServiceFault', message: expect.stringContaining('does not exist') as string };
    await expect(store.head('a', call())).rejects.toMatchObject(missing);
    await expect(put('a', 'x')).rejects.toMatchObject(missing);
    await expect(read('a')).rejects.toMatchObject(missing);
    await expect(list()).rejects.toMatchObject(missing);
    await expect(store.upload.begin('a', 1, call())).rejects.toMatchObject(missing);
    expect(await readdir(folder)).toEqual(['unmounted']);
  });

  it.runIf(process.platform === 'linux')(
    'a root in which nothing can be made is an error at once: Node’s own way to make folders never returns there',
    () => {
      const compiled = new URL('../dist/artifacts/file-store.js', import.meta.url).href;
      const script = `
        import { createFileStore } from ${JSON.stringify(compiled)};
        const store = createFileStore({ root: '/proc' });
        const call = { signal: new AbortController().signal, deadlineMs: Date.now() + 30_000 };
        const writes = [
          () => store.put('a', Buffer.from('x'), { ifAbsent: true }, call),
          () => store.upload.begin('a', 1, call),
        ];
        for (const write of writes) await write().then(() => console.log('done'), (error) => console.log(error.message));`;
      // In a process of its own, which is ended when it hangs.
      const options = { timeout: 60_000, killSignal: 'SIGKILL', encoding: 'utf8' } as const;
      const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], options);
      expect(said.trimEnd().split('\n')).toEqual(
        ['write "a"', 'begin the upload of "a"'].map((what) => `cannot ${what}: there is no such file; check the path`)
      );
    }
  );

  it('a key cannot be a file and a folder', async () => {
    await put('a', '1');
    await expect(put('a/b', '2')).rejects.toMatchObject({ class: 'Conflict' });
    await put('c/d', '3');
    await expect(put('c', '4')).rejects.toMatchObject({ class: 'Conflict' });
    expect(await store.head('c', call())).toBeNull();
    expect(await store.head('a/b', call())).toBeNull();
    await store.delete('c', call());
    expect(await list()).toEqual(['a', 'c/d']);
  });

  it('permission denied is AuthDenied and names the key', async ({ skip }) => {
    if (process.platform === 'win32') skip('Windows has no such permissions');
    await put('a', '1');
    await chmod(folder, 0o755);
    await chmod(join(root, 'a'), 0o600);
    await chmod(root, 0o555);
    try {
      // The superuser may do everything: for this question the process becomes nobody.
      const nobody = 65534;
      if (process.getuid?.() === 0) process.seteuid?.(nobody);
      const refused = { class: 'AuthDenied' };
      await expect(put('b', 'x')).rejects.toMatchObject({
        ...refused,
        message: expect.stringContaining('"b"') as string,
      });
      if (process.getuid?.() === 0) await expect(store.head('a', call())).rejects.toMatchObject(refused);
    } finally {
      if (process.getuid?.() === 0) process.seteuid?.(0);
      await chmod(root, 0o755);
    }
  });

  it('A6: a full disk is QuotaExceeded, leaves nothing visible, and what was there stays whole', async ({ skip }) => {
    const small = join(folder, 'small');
    await mkdir(small);
    const refusal = mountSmallDisk(small, 12);
    if (refusal !== null) return skip(refusal);
    try {
      store = createFileStore({ root: small });
      await put('here', 'stays');
      const source = join(folder, 'source');
      await mkdir(source);
      await writeFile(join(source, 'big'), Buffer.alloc(2 * partSizeBytes(1), 'x'));
      const full = { class: 'QuotaExceeded', message: expect.stringContaining('the disk is full') as string };
      await expect(sealFolder({ store, folder: source, prefix: 'versions' }, call())).rejects.toMatchObject(full);
      expect(await list()).toEqual(['here']);
      for await (const upload of store.upload.open('', call())) expect.unreachable(upload.key);
      const bytes = Buffer.alloc(13 * 1024 * 1024);
      await expect(store.put('huge', bytes, { ifAbsent: true }, call())).rejects.toMatchObject(full);
      expect(await read('here')).toBe('stays');
      const { version } = (await store.head('here', call())) ?? { version: '' };
      await store.put('here', Buffer.from('space is back'), { ifVersion: version }, call());
      expect(await list()).toEqual(['here']);
    } finally {
      execFileSync('umount', [small]);
    }
  });
});

describe('A6: leftovers of killed processes', () => {
  it('unfinished writes of dead processes are removed by the first write, those of living ones are not', async () => {
    await put('a', '1');
    const child = spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' });
    await once(child, 'exit');
    const alive = ownedName();
    const [place, , , nonce] = alive.split('-');
    const dead = `${place}-${child.pid}-0123456789-${nonce}`;
    for (const name of [alive, dead]) await writeFile(internal('tmp', name), 'half');
    await createFileStore({ root }).put('b', Buffer.from('2'), { ifAbsent: true }, call());
    expect(await readdir(internal('tmp'))).toEqual([alive]);
  });

  it('every write and every failed write cleans up after itself', async () => {
    const { version } = await put('a', '1');
    await put('a', '2').catch(() => undefined);
    await store.put('a', Buffer.from('3'), { ifVersion: version }, call());
    await store.put('a', Buffer.from('4'), { ifVersion: version }, call()).catch(() => undefined);
    await store.copy?.('a', 'b', call());
    await store.delete('a', call());
    expect(await readdir(internal('tmp'))).toEqual([]);
    expect(await readdir(internal('locks'))).toEqual([]);
  });
});

describe('A1: parts confirmed before the machine crashed', () => {
  it('are believed only after their bytes have been read again', async () => {
    const size = 2 * partSizeBytes(1);
    const upload = await store.upload.begin('a', size, call());
    const bytes = Buffer.alloc(partSizeBytes(size), 'x');
    await store.upload.part(upload, 1, bytes, call());
    await store.upload.part(upload, 2, bytes, call());
    const uploads = internal('uploads', upload.id);
    for (const name of await readdir(uploads)) {
      if (name.startsWith('part-')) await rename(join(uploads, name), join(uploads, name.replace(/-\w+$/, '-earlier')));
    }
    expect((await store.upload.confirmed(upload, call())).map(({ number }) => number)).toEqual([1, 2]);
    const data = await readFile(join(uploads, 'data'));
    data[size - 1] = 0;
    await writeFile(join(uploads, 'data'), data);
    expect((await store.upload.confirmed(upload, call())).map(({ number }) => number)).toEqual([1]);
  });
});
