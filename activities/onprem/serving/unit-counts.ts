import { constants, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { VersionId } from '@retempo/workflows/contracts';

// Distinct units (users, say) per (revision, version) of an endpoint that keeps the requests of one unit together. The split of
// such an endpoint is a split of units: a few busy ones say nothing about it.
// Reference: progressive-delivery 2.1, sample-ratio checks on units that are counted once.

/**
 * Units of one revision that are counted: the first ones that come. A split of that many shows the smallest deviation worth a
 * hold, and the memory of a router stays bounded.
 */
export const mostUnits = 100_000;
/** Revisions of which units are kept on disk: a canary asks for those of its present step, 50 at most. */
const revisionsKept = 64;
const bytesPerUnit = 8;

export interface UnitsReading {
  /** Null where what was stored cannot be read. */
  readonly units: { readonly [version: VersionId]: number } | null;
  /** Units that more than one of the versions served, which must not be. */
  readonly mixed: number;
}

export interface UnitCounts {
  /** Counts a unit that a version has served, once per revision. */
  add(revision: number, version: VersionId, unit: string): void;
  /** Distinct units per version, over these revisions together. */
  read(versions: readonly VersionId[], revisions: readonly number[]): UnitsReading;
  /** Writes what is new. What has been told was written before, so that counts never fall after a crash. */
  flush(): Promise<void>;
}

/** The units of one (revision, version), in the order in which they came; the first `stored` of them are on disk. */
interface Units {
  readonly seen: Set<number>;
  readonly fresh: number[];
  stored: number;
  /** What was stored cannot be read: the rest is never told as the whole. */
  readonly lost: boolean;
}

/**
 * 53 bits of a text, as two FNV-1a hashes with the mixer of MurmurHash3: among 100,000 units two are taken for one in one of a
 * million endpoints. It has nothing to do with the hash that assigns units to versions.
 */
export function unitHash(unit: string): number {
  let low = 0x811c9dc5;
  let high = 0x9747b28c;
  for (let i = 0; i < unit.length; i++) {
    const code = unit.charCodeAt(i);
    low = Math.imul(low ^ (code & 0xff), 0x01000193);
    low = Math.imul(low ^ (code >>> 8), 0x01000193);
    high = Math.imul(high ^ code, 0x5bd1e995);
    high ^= high >>> 15;
  }
  return (mix(high) & 0x1f_ffff) * 2 ** 32 + mix(low);
}

function mix(hash: number): number {
  let bits = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

/** Opens the units kept in `folder`: one file per revision and version, of 8-byte numbers that are only added to. */
export function openUnitCounts(folder: string): UnitCounts {
  mkdirSync(folder, { recursive: true });
  const revisions = new Map<number, Map<VersionId, Units>>();
  let newest = 0;
  for (const name of readdirSync(folder)) newest = Math.max(newest, revisionOf(name) ?? 0);
  const pathOf = (revision: number, version: VersionId): string => join(folder, `r${revision}-${version}`);

  function of(revision: number, version: VersionId): Units {
    let versions = revisions.get(revision);
    if (versions === undefined) revisions.set(revision, (versions = new Map<VersionId, Units>()));
    let units = versions.get(version);
    if (units === undefined) versions.set(version, (units = restored(pathOf(revision, version))));
    return units;
  }

  const total = (revision: number): number =>
    [...(revisions.get(revision)?.values() ?? [])].reduce((sum, { seen }) => sum + seen.size, 0);

  /** Revisions that get no more requests leave the memory, and in the end the disk. */
  function tidy(): void {
    for (const [revision, versions] of revisions) {
      if (revision < newest - 1 && [...versions.values()].every(({ fresh }) => fresh.length === 0))
        revisions.delete(revision);
    }
    for (const name of readdirSync(folder)) {
      if ((revisionOf(name) ?? newest) <= newest - revisionsKept) rmSync(join(folder, name), { force: true });
    }
  }

  let writing: Promise<void> = Promise.resolve();
  let tidied = newest;
  async function writeFresh(): Promise<void> {
    for (const [revision, versions] of revisions) {
      for (const [version, units] of versions) await append(pathOf(revision, version), units);
    }
    if (tidied === newest) return;
    tidied = newest;
    tidy();
  }

  return {
    add: (revision, version, unit) => {
      newest = Math.max(newest, revision);
      const { seen, fresh } = of(revision, version);
      const hash = unitHash(unit);
      if (seen.has(hash) || total(revision) >= mostUnits) return;
      seen.add(hash);
      fresh.push(hash);
    },
    read: (versions, asked) => {
      const found = versions.map((version) => asked.map((revision) => of(revision, version)));
      if (found.flat().some(({ lost }) => lost)) return { units: null, mixed: 0 };
      const all = found.map((parts) => new Set(parts.flatMap(({ seen }) => [...seen])));
      const union = new Set(all.flatMap((units) => [...units]));
      const sum = all.reduce((sizes, { size }) => sizes + size, 0);
      return {
        units: Object.fromEntries(versions.map((version, index) => [version, all[index]?.size ?? 0])),
        mixed: sum - union.size,
      };
    },
    flush: () => (writing = writing.catch(() => undefined).then(writeFresh)),
  };
}

const revisionOf = (name: string): number | undefined => {
  const [, digits] = /^r(\d+)-/.exec(name) ?? [];
  return digits === undefined ? undefined : Number(digits);
};

function restored(path: string): Units {
  const seen = new Set<number>();
  let lost = false;
  try {
    const bytes = readFileSync(path);
    // A unit that was not written whole is counted again when it comes again.
    for (let at = 0; at + bytesPerUnit <= bytes.length; at += bytesPerUnit) seen.add(bytes.readDoubleLE(at));
  } catch (error) {
    lost = (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
  return { seen, fresh: [], stored: seen.size, lost };
}

/** Writes behind what is stored, so that a part that was written before it failed is written over. */
async function append(path: string, units: Units): Promise<void> {
  const { fresh, lost } = units;
  if (lost || fresh.length === 0) return;
  const count = fresh.length;
  const bytes = Buffer.allocUnsafe(count * bytesPerUnit);
  for (let i = 0; i < count; i++) bytes.writeDoubleLE(fresh[i]!, i * bytesPerUnit);
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT);
  try {
    for (let done = 0; done < bytes.length;) {
      const at = units.stored * bytesPerUnit + done;
      done += (await file.write(bytes, done, bytes.length - done, at)).bytesWritten;
    }
  } finally {
    await file.close();
  }
  units.stored += count;
  fresh.splice(0, count);
}
