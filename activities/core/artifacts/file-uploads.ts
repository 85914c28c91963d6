import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isPortError, PortError, type ArtifactStore, type Part, type UploadRef } from '../ports/index.js';
import { checkCall } from './calls.js';
import { digestPart } from './digest.js';
import { codeOf, guarded } from './file-errors.js';
import { inFolderOf, internalFolder, placeOf, realRoot } from './file-paths.js';
import { assertPrefix } from './key.js';
import { partCount, partRange } from './part-size.js';
import { ownIdentity } from '../processes/index.js';
import { syncFile, writeDurably } from './file-sync.js';
import { publishExclusively, withTemporary } from './file-writes.js';

// An upload is a folder: `about.json`, the growing file `data`, and one empty marker file per confirmed part, whose name
// holds size and digest. A marker appears after its bytes are in the file, so a killed process leaves no false marker.
// Only a crash of the machine can lose written bytes: markers carry the boot id, and those of an earlier boot are believed
// after the bytes have been read again. So are two markers of one part, which twins with other bytes can leave.

interface About {
  readonly v: 1;
  readonly key: string;
  readonly size: number;
}

interface Marker extends Part {
  readonly boot: string;
  readonly name: string;
}

/** Names the start of this machine in a marker; `none` where the system does not tell. */
const bootMark = (): string => ownIdentity().boot.slice(0, 8) || 'none';

const markerName = (part: Part): string =>
  `part-${part.number}-${part.size}-${part.digest.slice('sha256:'.length)}-${bootMark()}`;

function parseMarker(name: string): Marker | undefined {
  const match = /^part-(\d+)-(\d+)-([0-9a-f]{64})-(\w+)$/.exec(name);
  if (match === null) return undefined;
  const [, number, size, digest, boot] = match;
  return { number: Number(number), size: Number(size), digest: `sha256:${digest}`, boot: boot ?? '', name };
}

async function markersOf(folder: string): Promise<readonly Marker[]> {
  const names = await readdir(folder);
  return names
    .map(parseMarker)
    .filter((marker) => marker !== undefined)
    .sort((a, b) => a.number - b.number);
}

async function readRange(path: string, from: number, to: number): Promise<Uint8Array> {
  const handle = await open(path, 'r');
  try {
    const bytes = new Uint8Array(to - from);
    for (let at = 0; at < bytes.length;) {
      const { bytesRead } = await handle.read(bytes, at, bytes.length - at, from + at);
      if (bytesRead === 0) return bytes.subarray(0, at);
      at += bytesRead;
    }
    return bytes;
  } finally {
    await handle.close();
  }
}

async function writeAt(path: string, bytes: Uint8Array, position: number): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    for (let at = 0; at < bytes.length;) {
      at += (await handle.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
    }
  } finally {
    await handle.close();
  }
}

/** The multipart half of the file store. */
export function fileUploads(root: string): ArtifactStore['upload'] {
  const uploadsFolder = async () => join(await realRoot(root), internalFolder, 'uploads');

  async function folderOf(upload: UploadRef): Promise<string> {
    if (!/^[0-9a-f]{32}$/.test(upload.id)) {
      throw new PortError(
        'InvalidSpec',
        `${JSON.stringify(upload.id)} is not the id of an upload to a file store; begin a new one`
      );
    }
    return join(await uploadsFolder(), upload.id);
  }

  /** Removes an upload in one step: whoever still sends a part of it finds it gone, and does not hinder the removal. */
  async function discard(folder: string): Promise<void> {
    await withTemporary(await realRoot(root), (aside) =>
      rename(folder, aside).catch((error: unknown) => {
        if (codeOf(error) !== 'ENOENT') throw error;
      })
    );
  }

  async function aboutOf(upload: UploadRef): Promise<{ readonly folder: string; readonly about: About }> {
    const folder = await folderOf(upload);
    const text = await readFile(join(folder, 'about.json'), 'utf8').catch((error: unknown) => {
      if (codeOf(error) !== 'ENOENT') throw error;
      throw new PortError('NotFound', `there is no open upload ${upload.id} of "${upload.key}"; begin a new one`);
    });
    const about = JSON.parse(text) as About;
    if (about.key !== upload.key) {
      throw new PortError(
        'InvalidSpec',
        `upload ${upload.id} is of "${about.key}", not of "${upload.key}"; use the reference that began it`
      );
    }
    return { folder, about };
  }

  async function confirmedMarkers(folder: string, about: About): Promise<readonly Marker[]> {
    const markers = await markersOf(folder);
    const good = new Map<number, Marker>();
    for (const [index, marker] of markers.entries()) {
      const { from, to } = partRange(about.size, marker.number);
      const isContested = [markers[index - 1], markers[index + 1]].some((other) => other?.number === marker.number);
      if (isContested || marker.boot !== bootMark()) {
        const digest = await digestPart(await readRange(join(folder, 'data'), from, to));
        if (digest !== marker.digest) continue;
      }
      good.set(marker.number, marker);
    }
    return [...good.values()];
  }

  return {
    begin: (key, size, call) =>
      guarded(`begin the upload of "${key}"`, async () => {
        checkCall(call, `the upload of "${key}"`);
        if (!Number.isSafeInteger(size) || size < 0) {
          throw new PortError('InvalidSpec', `an upload needs its size in whole bytes, got ${size}`);
        }
        await placeOf(root, key);
        const id = randomBytes(16).toString('hex');
        const folder = join(await uploadsFolder(), id);
        // The folder gets its name when it is complete: nobody ever sees half of an upload.
        await withTemporary(await realRoot(root), async (making) => {
          await mkdir(making);
          const about: About = { v: 1, key, size };
          // On the disk before it is found: every later look at the uploads reads it.
          await writeDurably(join(making, 'about.json'), Buffer.from(JSON.stringify(about)));
          await writeFile(join(making, 'data'), '');
          await inFolderOf(folder, () => rename(making, folder));
        });
        return { key, id };
      }),

    confirmed: (upload, call) =>
      guarded(`read the confirmed parts of "${upload.key}"`, async () => {
        checkCall(call, `the upload of "${upload.key}"`);
        const { folder, about } = await aboutOf(upload);
        const markers = await confirmedMarkers(folder, about);
        return markers.map(({ number, size, digest }) => ({ number, size, digest }));
      }),

    part: (upload, number, bytes, call) =>
      guarded(`write part ${number} of "${upload.key}"`, async () => {
        checkCall(call, `the upload of "${upload.key}"`);
        const { folder, about } = await aboutOf(upload);
        const range = partRange(about.size, number);
        const expected = range.to - range.from;
        if (!Number.isSafeInteger(number) || number < 1 || expected <= 0 || bytes.length !== expected) {
          throw new PortError(
            'InvalidSpec',
            `part ${number} of "${upload.key}" has ${bytes.length} bytes; of ${about.size} bytes it must have ${Math.max(0, expected)}`
          );
        }
        const earlier = (await markersOf(folder)).filter((marker) => marker.number === number);
        if (earlier.length > 0) {
          // The same bytes again change nothing, not even for a moment: a twin may be completing the upload.
          const digest = await digestPart(bytes);
          if (
            (await confirmedMarkers(folder, about)).some(
              (marker) => marker.number === number && marker.digest === digest
            )
          ) {
            return { number, size: bytes.length, digest };
          }
          for (const marker of earlier) await rm(join(folder, marker.name), { force: true });
        }
        const [digest] = await Promise.all([digestPart(bytes), writeAt(join(folder, 'data'), bytes, range.from)]);
        const part: Part = { number, size: bytes.length, digest };
        await writeFile(join(folder, markerName(part)), '');
        return part;
      }),

    complete: (upload, parts, call) =>
      guarded(`complete the upload of "${upload.key}"`, async () => {
        checkCall(call, `the upload of "${upload.key}"`);
        const { folder, about } = await aboutOf(upload);
        const confirmed = new Map((await confirmedMarkers(folder, about)).map((marker) => [marker.number, marker]));
        const numbers = Array.from({ length: partCount(about.size) }, (_, index) => index + 1);
        const wrong = numbers.find((number) => {
          const given = parts.find((part) => part.number === number);
          return given === undefined || confirmed.get(number)?.digest !== given.digest;
        });
        if (wrong !== undefined || parts.length !== numbers.length) {
          throw new PortError(
            'Conflict',
            `the upload of "${upload.key}" cannot be completed: ${wrong === undefined ? 'there are parts beyond its size' : `part ${wrong} is missing or was replaced`}; send the parts again`
          );
        }
        const { path } = await placeOf(root, upload.key);
        const data = join(folder, 'data');
        await syncFile(data);
        try {
          await publishExclusively(data, path, upload.key);
        } catch (error) {
          if (!isPortError(error) || error.class !== 'Conflict') throw error;
          // The same file under both names: this upload was published before its folder could be removed.
          const [ours, theirs] = await Promise.all([stat(data), stat(path)]);
          if (ours.ino !== theirs.ino || ours.dev !== theirs.dev) throw error;
        }
        await discard(folder);
      }),

    abort: (upload, call) =>
      guarded(`abort the upload of "${upload.key}"`, async () => {
        checkCall(call, `the upload of "${upload.key}"`);
        await discard(await folderOf(upload));
      }),

    async *open(prefix, call) {
      assertPrefix(prefix);
      const found = await guarded(`list the open uploads under "${prefix}"`, async () => {
        checkCall(call, `listing the open uploads under "${prefix}"`);
        const folder = await uploadsFolder();
        const ids = await readdir(folder).catch((error: unknown) => {
          if (codeOf(error) === 'ENOENT') return [];
          throw error;
        });
        const uploads: UploadRef[] = [];
        for (const id of ids.filter((name) => /^[0-9a-f]{32}$/.test(name))) {
          const text = await readFile(join(folder, id, 'about.json'), 'utf8').catch((error: unknown) => {
            // Completed or aborted meanwhile.
            if (codeOf(error) === 'ENOENT') return undefined;
            throw error;
          });
          if (text === undefined) continue;
          const { key } = JSON.parse(text) as About;
          if (key.startsWith(prefix)) uploads.push({ key, id });
        }
        return uploads.sort((a, b) => (a.key < b.key || (a.key === b.key && a.id < b.id) ? -1 : 1));
      });
      yield* found;
    },
  };
}
