// Random numbers that are the same for the same seed.

/**
 * Generator of numbers in [0, 1): mulberry32.
 * @param {number} seed Whole number, 32 bits.
 * @returns {() => number}
 */
export function seededRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Shuffles in place (Fisher and Yates).
 * @template {{ length: number, [index: number]: number }} T
 * @param {T} values
 * @param {() => number} random
 * @returns {T}
 */
export function shuffle(values, random) {
  for (let last = values.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    const kept = values[last];
    values[last] = values[other];
    values[other] = kept;
  }
  return values;
}
