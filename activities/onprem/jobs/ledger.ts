import { appendFileSync, rmSync } from 'node:fs';
import { errorCode, replaceJson } from './atomic-file.js';
import { journalPath, type JobPaths, type StateRecord } from './layout.js';
import type { ProcessIdentity } from '@retempo/activities/processes';

/** One line of `<root>/journal.ndjson`: what really happened to processes, for checks from outside. */
type JournalEvent =
  | { readonly event: 'started'; readonly key: string; readonly program: ProcessIdentity }
  | {
      readonly event: 'ended';
      readonly key: string;
      readonly program: ProcessIdentity | null;
      readonly result: string;
    };

/** Writes a supervisor's state and journal. */
export interface Ledger {
  /** Makes `state` the next to be written; replaces one that could not be written yet. */
  record(state: StateRecord): void;
  journal(event: JournalEvent): void;
  /** Tries to write what is due; false while the disk refuses. Errors other than a full or failing disk are thrown. */
  flush(): boolean;
}

const patient = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EMFILE', 'ENFILE']);

/**
 * Opens the ledger of one job. A full disk must not lose how a program ended: what cannot be written stays in memory and
 * is tried again at every `flush`, and old log is given up for it.
 */
export function openLedger(root: string, paths: JobPaths): Ledger {
  let state: StateRecord | null = null;
  const lines: string[] = [];
  const flush = (): boolean => {
    try {
      if (state !== null) replaceJson(paths.state, state);
      state = null;
      while (lines.length > 0) {
        appendFileSync(journalPath(root), lines[0] ?? '', { mode: 0o600 });
        lines.shift();
      }
      return true;
    } catch (error) {
      if (!patient.has(errorCode(error) ?? '')) throw error;
      for (const log of [paths.stdout, paths.stderr]) rmSync(`${log}.1`, { force: true });
      return false;
    }
  };
  return {
    record(next) {
      state = next;
      flush();
    },
    journal(event) {
      lines.push(`${JSON.stringify({ at: new Date().toISOString(), ...event })}\n`);
      flush();
    },
    flush,
  };
}
