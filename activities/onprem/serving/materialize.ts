import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Call, PortError, type ProviderContext } from '@retempo/activities/ports';
import type { ArtifactRef, VersionId } from '@retempo/workflows/contracts';
import { errorCode, syncFolder } from '../jobs/atomic-file.js';
import { digestFolder, filesFolder, recordFile, sha256Text, type VersionRecord } from './version-folder.js';

const abandonedAfterMs = 24 * 3_600_000;
// A retirement may take the folder away as soon as it is there; twice in one call is no coincidence any more.
const maxAttempts = 3;

function readRecord(folder: string): { record: VersionRecord; filesDigest: string } | undefined {
  try {
    const text = readFileSync(join(folder, recordFile), 'utf8');
    return { record: JSON.parse(text) as VersionRecord, filesDigest: sha256Text(text) };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw new PortError(
      'Integrity',
      `${join(folder, recordFile)} cannot be read (${(error as Error).message}); look who changed it, delete the folder of the version, then deploy it again`,
      { cause: error }
    );
  }
}

// Downloads that a crash has cut off; nothing refers to them.
function removeAbandoned(versionsFolder: string): void {
  for (const name of readdirSync(versionsFolder)) {
    if (!name.startsWith('.new-')) continue;
    const folder = join(versionsFolder, name);
    const ageMs = Date.now() - (statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (ageMs > abandonedAfterMs) rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Brings a version's files to disk, verified, under their own folder; at once when they are there already. The folder appears
 * whole or not at all, also when the machine loses power, and two callers at the same time end with one folder.
 *
 * @returns SHA-256 of the version's record, by which its files are checked again when they are loaded.
 * @throws PortError class `Conflict` when the version id belongs to another artifact, `Integrity` when its record cannot be read,
 * `ServiceFault` when the folder goes away again and again or a folder without a record is in its place; what `materialize`
 * throws otherwise.
 */
export async function materializeVersion(options: {
  readonly versionsFolder: string;
  readonly version: VersionId;
  readonly artifact: ArtifactRef;
  readonly context: Pick<ProviderContext, 'materialize'>;
  readonly call: Call;
}): Promise<string> {
  const { versionsFolder, version, artifact } = options;
  const folder = join(versionsFolder, version);
  mkdirSync(versionsFolder, { recursive: true, mode: 0o700 });
  for (let attempt = 0; ; attempt++) {
    const present = readRecord(folder);
    if (present !== undefined) {
      if (present.record.digest === artifact.digest) {
        syncFolder(versionsFolder);
        return present.filesDigest;
      }
      throw new PortError(
        'Conflict',
        `version ${version} is ${present.record.digest} and can never be ${artifact.digest}; give the new bytes a new version id`
      );
    }
    if (attempt === maxAttempts) {
      throw new PortError(
        'ServiceFault',
        `the files of version ${version} were put at ${folder} ${maxAttempts} times and have no ${recordFile} there; look who removes them, delete what is left of the folder, then deploy the version again`
      );
    }
    removeAbandoned(versionsFolder);
    const temporary = join(versionsFolder, `.new-${randomBytes(8).toString('hex')}`);
    try {
      mkdirSync(join(temporary, filesFolder), { recursive: true, mode: 0o700 });
      await options.context.materialize(artifact, join(temporary, filesFolder), options.call);
      const files = await digestFolder(join(temporary, filesFolder));
      const record: VersionRecord = { v: 1, version, digest: artifact.digest, files };
      writeFileSync(join(temporary, recordFile), JSON.stringify(record), { flush: true });
      syncFolder(temporary);
      renameSync(temporary, folder);
    } catch (error) {
      rmSync(temporary, { recursive: true, force: true });
      if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw error;
    }
  }
}
