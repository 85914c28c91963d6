import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import type { VersionId } from '@retempo/workflows/contracts';

// A materialized version on disk: `files/` with the artifact's files and `record.json` with the digest of each. The record's own
// digest is kept by the router, so whoever loads a version can tell that it is the one that was deployed.

export interface VersionRecord {
  readonly v: 1;
  readonly version: VersionId;
  /** Digest of the artifact. */
  readonly digest: string;
  /** Sorted by path; paths are relative to `files/`, with `/`. */
  readonly files: readonly { readonly path: string; readonly size: number; readonly sha256: string }[];
}

export const recordFile = 'record.json';
export const filesFolder = 'files';

const versionPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** True for ids that are safe as one folder name: letters, digits, `.`, `_`, `-`, not starting with a sign. */
export const isVersionId = (id: unknown): id is VersionId => typeof id === 'string' && versionPattern.test(id);

/** SHA-256 of a text as 64 hex digits. */
export const sha256Text = (text: string): string => createHash('sha256').update(text).digest('hex');

async function sha256File(path: string): Promise<{ size: number; sha256: string }> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    hash.update(chunk as Buffer);
    size += (chunk as Buffer).length;
  }
  return { size, sha256: hash.digest('hex') };
}

/** Digest of every file under a folder. Throws for anything that is neither a file nor a folder. */
export async function digestFolder(folder: string): Promise<VersionRecord['files']> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = [];
  for (const entry of entries) {
    if (entry.isDirectory()) continue;
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile()) throw new Error(`${path} is neither a file nor a folder; remove it`);
    files.push({ path: relative(folder, path).split(sep).join('/'), ...(await sha256File(path)) });
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/**
 * Reads a version folder and checks that it holds exactly the files it was materialized with.
 *
 * @param filesDigest SHA-256 of the record, as the router keeps it.
 * @throws Error that names the first file that differs.
 */
export async function verifyVersionFolder(folder: string, filesDigest: string): Promise<VersionRecord> {
  const text = await readFile(join(folder, recordFile), 'utf8');
  if (sha256Text(text) !== filesDigest)
    throw new Error(
      `${join(folder, recordFile)} was changed after the version was deployed; retire the version and release it again`
    );
  const record = JSON.parse(text) as VersionRecord;
  const actual = new Map((await digestFolder(join(folder, filesFolder))).map((file) => [file.path, file]));
  for (const { path, sha256 } of record.files) {
    const file = actual.get(path);
    if (file === undefined)
      throw new Error(`${join(folder, filesFolder, path)} is missing; retire the version and release it again`);
    if (file.sha256 !== sha256)
      throw new Error(
        `${join(folder, filesFolder, path)} does not match its digest; retire the version and release it again`
      );
    actual.delete(path);
  }
  const extra = [...actual.keys()][0];
  if (extra !== undefined)
    throw new Error(
      `${join(folder, filesFolder, extra)} does not belong to the version; retire the version and release it again`
    );
  return record;
}
