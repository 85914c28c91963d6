import { createReadStream, createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createInflateRaw } from 'node:zlib';

// Two readers, each just enough to take one program out of an archive: a wheel is a zip file, the vendor's archive is a
// gzipped tar. What comes out is believed only after its digest or its own version line was checked by the caller.

const endRecord = Buffer.from([0x50, 0x4b, 0x05, 0x06]);
const directoryEntry = 0x02014b50;
const localEntry = 0x04034b50;

/**
 * Writes the first entry of a zip file whose name passes `wanted` to `target`, streaming. False when there is none.
 * Throws an Error when the file is not a zip file or is cut short.
 */
export async function extractFromZip(
  archive: string,
  wanted: (name: string) => boolean,
  target: string
): Promise<boolean> {
  const file = await open(archive, 'r');
  try {
    const { size } = await file.stat();
    const readAt = async (position: number, length: number): Promise<Buffer> => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
      if (bytesRead !== length) throw new Error('zip file ends early');
      return buffer;
    };
    // The end record is the last 22 bytes when there is no comment, and wheels have none.
    const tailLength = Math.min(size, 22 + 65_535);
    const tail = await readAt(size - tailLength, tailLength);
    const end = tail.lastIndexOf(endRecord);
    if (end < 0 || tail.length - end < 22) throw new Error('not a zip file');
    const directory = await readAt(tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12));
    for (let at = 0; at + 46 <= directory.length && directory.readUInt32LE(at) === directoryEntry;) {
      const nameLength = directory.readUInt16LE(at + 28);
      const name = directory.toString('utf8', at + 46, at + 46 + nameLength);
      if (wanted(name)) {
        const method = directory.readUInt16LE(at + 10);
        const packed = directory.readUInt32LE(at + 20);
        const offset = directory.readUInt32LE(at + 42);
        const header = await readAt(offset, 30);
        if (header.readUInt32LE(0) !== localEntry) throw new Error('zip entry is damaged');
        const from = offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
        const bytes = createReadStream(archive, { start: from, end: from + packed - 1 });
        if (method === 8) await pipeline(bytes, createInflateRaw(), createWriteStream(target));
        else if (method === 0) await pipeline(bytes, createWriteStream(target));
        else throw new Error(`zip method ${method} is not supported`);
        return true;
      }
      at += 46 + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
    }
    return false;
  } finally {
    await file.close();
  }
}

/**
 * Writes the entry `name` of a gzipped tar stream to `target`. False when there is none. Throws an Error when the stream
 * is not a gzipped tar or is cut short.
 */
export async function extractFromTarGz(archive: Readable, name: string, target: string): Promise<boolean> {
  const plain = archive.pipe(createGunzip());
  archive.on('error', (error) => plain.destroy(error));
  let pending: Buffer = Buffer.alloc(0);
  const chunks = plain[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const take = async (): Promise<boolean> => {
    const next = await chunks.next();
    if (next.done === true) return false;
    pending = pending.length === 0 ? next.value : Buffer.concat([pending, next.value]);
    return true;
  };
  async function* content(length: number): AsyncGenerator<Buffer> {
    for (let left = length; left > 0;) {
      if (pending.length === 0 && !(await take())) throw new Error('tar archive ends early');
      const part = pending.subarray(0, left);
      pending = pending.subarray(part.length);
      left -= part.length;
      yield part;
    }
  }
  for (;;) {
    while (pending.length < 512) if (!(await take())) return false;
    const header = pending.subarray(0, 512);
    pending = pending.subarray(512);
    const entry = header.toString('utf8', 0, 100).replace(/\0.*$/s, '').replace(/^\.\//, '');
    const size = Number.parseInt(header.toString('latin1', 124, 136).replace(/[\0 ]+$/, ''), 8);
    if (entry === '') return false;
    if (!Number.isSafeInteger(size) || header.toString('latin1', 257, 262) !== 'ustar') {
      throw new Error('not a tar archive');
    }
    if (entry === name) {
      await pipeline(Readable.from(content(size)), createWriteStream(target));
      archive.destroy();
      return true;
    }
    const padded = Math.ceil(size / 512) * 512;
    // Skipped bytes are read and dropped: a gzip stream cannot seek.
    for await (const part of content(padded)) void part;
  }
}
