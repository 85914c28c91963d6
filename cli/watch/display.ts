import type { Io } from '../io.js';
import { widthOf } from '../text/style.js';
import type { WatchLines } from './watch-lines.js';

/** Shows lines that change: rewritten on a terminal, appended elsewhere. */
export interface Display {
  show(lines: WatchLines): void;
  /** One JSON document per line, each change once. */
  json(key: string, value: object): void;
  /** Leaves the last lines standing. */
  end(): void;
}

/** Shortest time between two lines of a log that differ only in a job's progress, in milliseconds. */
const logEveryMs = 5_000;

/** Makes a display on stdout. With `rewrite` it uses the cursor, otherwise only ever appends. */
export function createDisplay(io: Io, options: { readonly rewrite: boolean }): Display {
  let key: string | null = null;
  let phase: string | null = null;
  let lastAt = 0;
  let rows = 0;
  return {
    show(lines) {
      if (options.rewrite) {
        const width = io.columns ?? 80;
        const up = rows === 0 ? '' : `\u001b[${rows}A`;
        io.stdout.write(`${up}\r\u001b[J${lines.now}\n${lines.around}\n`);
        rows = [lines.now, lines.around].reduce((sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / width)), 0);
        return;
      }
      const nextPhase = lines.key.split('\n')[0] ?? '';
      if (lines.key === key || (nextPhase === phase && Date.now() - lastAt < logEveryMs)) return;
      key = lines.key;
      phase = nextPhase;
      lastAt = Date.now();
      io.stdout.write(`${new Date().toISOString().slice(11, 19)}  ${lines.now}   ${lines.around}\n`);
    },
    json(nextKey, value) {
      if (nextKey === key) return;
      key = nextKey;
      io.stdout.write(`${JSON.stringify(value)}\n`);
    },
    end() {
      rows = 0;
    },
  };
}
