/** `RETEMPO_CHAOS=short`: at most 5 minutes on 2 cores for all files together. Default: every point. */
export const isShort = process.env['RETEMPO_CHAOS'] === 'short';

/** Chooses what a short run visits; printed with every result. */
export const seed = Number(process.env['RETEMPO_CHAOS_SEED'] ?? 20_261_121);

/** Numbers in [0, 1), the same for one seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One element, chosen by the seed. */
export function chosen<T>(values: readonly T[], random: () => number): T {
  const value = values[Math.floor(random() * values.length)];
  if (value === undefined) throw new Error('nothing to choose from');
  return value;
}

interface Row {
  readonly point: string;
  readonly outcome: string;
  readonly seconds: number;
}

/** Keeps what was done to print it at the end of a file. */
export interface Report {
  /** Runs `work`, which returns what came out, and keeps its time. */
  timed(point: string, work: () => Promise<string>): Promise<void>;
  print(title: string): void;
}

export function createReport(): Report {
  const rows: Row[] = [];
  return {
    async timed(point, work) {
      const startedMs = Date.now();
      let outcome = 'failed';
      try {
        outcome = await work();
      } finally {
        rows.push({ point, outcome, seconds: (Date.now() - startedMs) / 1000 });
      }
    },
    print(title) {
      const width = Math.max(10, ...rows.map(({ point }) => point.length));
      const lines = rows.map(
        ({ point, outcome, seconds }) => `  ${point.padEnd(width)}  ${seconds.toFixed(1).padStart(6)} s  ${outcome}`
      );
      const total = rows.reduce((sum, { seconds }) => sum + seconds, 0);
      const head = `${title}: ${rows.length} points, ${total.toFixed(0)} s, seed ${seed}${isShort ? ', short' : ''}`;
      process.stdout.write(`\n${head}\n${lines.join('\n')}\n`);
    },
  };
}
