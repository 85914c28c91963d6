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

/** Writes a supervisor's state and journal, in the order in which it is told of them. */
export interface Ledger {
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
  const due: (() => void)[] = [];
  const flush = (): boolean => {
    try {
      for (let write = due[0]; write !== undefined; write = due[0]) {
        write();
        due.shift();
      }
      return true;
    } catch (error) {
      if (!patient.has(errorCode(error) ?? '')) throw error;
      for (const log of [paths.stdout, paths.stderr]) rmSync(`${log}.1`, { force: true });
      return false;
    }
  };
  const add = (write: () => void): void => {
    due.push(write);
    flush();
  };
  return {
    record: (state) => add(() => replaceJson(paths.state, state)),
    journal(event) {
      const line = `${JSON.stringify({ at: new Date().toISOString(), ...event })}\n`;
      add(() => appendFileSync(journalPath(root), line, { mode: 0o600 }));
    },
    flush,
  };
}
