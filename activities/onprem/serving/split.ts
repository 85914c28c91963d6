import type { VersionId } from '@retempo/workflows/contracts';

/** One version's share of the traffic: a whole percent, 0 to 100. */
export interface Share {
  readonly version: VersionId;
  readonly weight: number;
}

/**
 * Order in which 100 consecutive requests go to versions, as indexes into `shares`, so that after any number of
 * requests every version has had its share to within one request. The cycle repeats without residue.
 *
 * Each version's j-th request gets the window `[floor((j-1)/p), ceil(j/p))` with p its share; the earliest deadline among
 * open windows goes first. Windows of this form are always feasible (Tijdeman 1980, the chairman assignment problem;
 * Baruah et al. 1996, proportionate progress), and earliest deadline first finds a feasible order whenever there is one.
 *
 * @param shares Weights are whole, not negative, and sum to exactly 100.
 */
export function splitCycle(shares: readonly Share[]): Uint8Array {
  const given = shares.map(() => 0);
  return Uint8Array.from({ length: 100 }, (_, slot) => {
    let chosen = -1;
    let earliest = Infinity;
    shares.forEach(({ weight }, index) => {
      const had = given[index] ?? 0;
      if (Math.floor((had * 100) / weight) > slot) return;
      // Infinite without a share: never the earliest.
      const deadline = Math.ceil(((had + 1) * 100) / weight);
      if (deadline < earliest) [chosen, earliest] = [index, deadline];
    });
    given[chosen] = (given[chosen] ?? 0) + 1;
    return chosen;
  });
}

/**
 * Uniform 32-bit hash of a text (FNV-1a over UTF-16 code units, finished with the mixer of MurmurHash3). Not for secrets:
 * it only spreads units over buckets.
 */
function bucketHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/**
 * Index of the version that serves a unit. Versions take hash buckets from 0 upwards, newest first, so a unit that the
 * newest version serves at some weight is served by it at every higher weight; another salt gives an independent order.
 *
 * @param shares Newest version first; weights sum to 100.
 * @param salt Fixed during one release, different for the next.
 */
export function stickyIndex(shares: readonly Share[], salt: string, key: string): number {
  const percent = (bucketHash(`${salt}\n${key}`) / 2 ** 32) * 100;
  let upper = 0;
  for (const [index, { weight }] of shares.entries()) {
    upper += weight;
    if (percent < upper) return index;
  }
  return shares.length - 1;
}
