import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { createJson, readJson } from './atomic-file.js';

// A lock that survives its holders: generations 1, 2, 3 ... as files that are created whole and exclusively. The highest
// one holds. Taking over means creating the next one after the holder has been seen to be gone for good, so two
// contenders can never both win, and no contender ever removes a lock that somebody else has just taken.

const generations = (folder: string): number[] =>
  readdirSync(folder)
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

function highest(folder: string): number {
  try {
    return Math.max(0, ...generations(folder));
  } catch {
    return 0;
  }
}

/** Who holds the claim kept in `folder`, or null when nobody ever has. */
export function holderOf(folder: string): unknown {
  for (;;) {
    const generation = highest(folder);
    if (generation === 0) return null;
    const holder = readJson(`${folder}/${generation}`);
    // Gone between listing and reading: a newer generation exists by now.
    if (holder !== null) return holder;
  }
}

/**
 * Takes the claim kept in `folder` when nobody holds it or `isFree(holder)` says that the holder is gone for good.
 * Returns true for exactly one of any number of contenders.
 */
export function takeClaim<T>(folder: string, holder: T, isFree: (current: T) => boolean): boolean {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const seen = highest(folder);
  if (seen > 0) {
    const current = readJson(`${folder}/${seen}`);
    if (current === null || !isFree(current as T)) return false;
  }
  const mine = seen + 1;
  if (!createJson(`${folder}/${mine}`, holder)) return false;
  // A contender that slept here for long may have created a number that was already history; the next holder removes it.
  if (highest(folder) !== mine) return false;
  for (const generation of generations(folder)) {
    if (generation < mine) rmSync(`${folder}/${generation}`, { force: true });
  }
  return true;
}
