import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tar, zip } from './archives.test.fixture.js';
import { extractFromTarGz, extractFromZip } from './archives.js';

let folder: string;
let target: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retempo-archives-'));
  target = join(folder, 'program');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const program = Buffer.from('the program\n'.repeat(1_000));
const other = { name: 'LICENSE', content: Buffer.from('license'), comment: 'as it is' };

describe('extractFromZip', () => {
  async function extract(bytes: Buffer): Promise<boolean> {
    const archive = join(folder, 'archive.zip');
    await writeFile(archive, bytes);
    return extractFromZip(archive, (name) => name === 'program', target);
  }

  it.each([
    ['deflated', 8],
    ['stored', 0],
  ])('takes an entry that is %s, from between others', async (_title, method) => {
    const entries = [other, { name: 'program', content: program, method }, { ...other, name: 'NOTICE' }];
    expect(await extract(zip(...entries))).toBe(true);
    expect(await readFile(target)).toEqual(program);
  });

  it('finds nothing where nothing has the name', async () => {
    expect(await extract(zip(other, { ...other, name: 'NOTICE' }))).toBe(false);
  });

  const whole = zip(other, { name: 'program', content: program });
  const first = whole.indexOf(Buffer.from([0x50, 0x4b, 0x01, 0x02]));
  const localOfProgram = whole.indexOf(Buffer.from([0x50, 0x4b, 0x03, 0x04]), 4);

  it.each([
    ['is cut off before its directory', whole.subarray(localOfProgram), 'zip file ends early'],
    ['is cut off in its last record', whole.subarray(0, -4), 'not a zip file'],
    ['has another entry than its directory says', damaged(localOfProgram), 'zip entry is damaged'],
    [
      'is packed in another way',
      zip({ name: 'program', content: program, method: 12 }),
      'zip method 12 is not supported',
    ],
    ['is empty', Buffer.alloc(0), 'not a zip file'],
  ])('says so when the file %s', async (_title, bytes, reason) => {
    await expect(extract(bytes)).rejects.toThrow(reason);
  });

  it('believes nothing that does not look like a directory', async () => {
    expect(await extract(damaged(first))).toBe(false);
  });

  it.runIf(process.platform === 'linux')('keeps no file open, however it ends', async () => {
    await extract(whole);
    await extract(damaged(localOfProgram)).catch(() => undefined);
    const open = await Promise.all(
      (await readdir('/proc/self/fd')).map((name) => readlink(`/proc/self/fd/${name}`).catch(() => ''))
    );
    expect(open.filter((path) => path.startsWith(folder))).toEqual([]);
  });

  function damaged(at: number): Buffer {
    const bytes = Buffer.from(whole);
    bytes[at] = 0;
    return bytes;
  }
});

describe('extractFromTarGz', () => {
  const extract = (archive: Readable): Promise<boolean> => extractFromTarGz(archive, 'program', target);
  const files = { LICENSE: Buffer.alloc(700, 'l'), program };

  it('takes what arrives in pieces of any length, and asks for nothing more than it needs', async () => {
    const bytes = gzipSync(tar(files), { level: 0 });
    let sent = 0;
    const archive = Readable.from(
      (function* pieces() {
        for (; sent < bytes.length; sent += 100) yield bytes.subarray(sent, sent + 100);
        for (; ; sent += 100) yield Buffer.alloc(100);
      })()
    );
    expect(await extract(archive)).toBe(true);
    expect(await readFile(target)).toEqual(program);
    expect(archive.destroyed).toBe(true);
  });

  it.each([
    ['at its end mark', tar({ LICENSE: program })],
    ['at its last byte', tar({ LICENSE: program }).subarray(0, -1_024)],
  ])('finds nothing where nothing has the name, and stops %s', async (_title, bytes) => {
    expect(await extract(Readable.from([gzipSync(bytes)]))).toBe(false);
  });

  /** With another text at this place of the program's own header. */
  const changed = (at: number, text: string): Buffer => {
    const bytes = tar({ program });
    bytes.write(text, at);
    return bytes;
  };
  it.each([
    ['is cut off in a file', tar(files).subarray(0, 3_000), 'tar archive ends early'],
    ['is none', Buffer.alloc(2_048, 'x'), 'not a tar archive'],
    ['has a file of no length', changed(124, 'no length   '), 'not a tar archive'],
    ['is of another kind', changed(257, 'other'), 'not a tar archive'],
  ])('says so when the archive %s', async (_title, bytes, reason) => {
    await expect(extract(Readable.from([gzipSync(bytes)]))).rejects.toThrow(reason);
  });

  it('says why the bytes stopped coming', async () => {
    const archive = Readable.from(
      // oxlint-disable-next-line require-await -- a stream that breaks
      (async function* broken() {
        yield gzipSync(tar(files)).subarray(0, 30);
        throw new Error('the connection broke');
      })()
    );
    await expect(extract(archive)).rejects.toThrow('the connection broke');
  });
});
