import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { afterAll, describe, expect, it } from 'vitest';
import { jobPaths, journalPath, readState, type StateRecord } from './layout.js';
import { openLedger } from './ledger.js';

const base = mkdtempSync(`${tmpdir()}/retempo-ledger-`);
afterAll(() => rmSync(base, { recursive: true, force: true }));

const key = 'a'.repeat(64);
const ended: StateRecord = { v: 1, phase: 'ended', outcome: { result: 'succeeded', message: 'exit code 0' } };
const end = { event: 'ended', key, program: null, result: 'succeeded' } as const;

/** Ledger of a job in a site of its own; whatever is appended to the journal of a full site meets a real ENOSPC. */
function newJob(isFull: boolean) {
  const root = mkdtempSync(`${base}/site-`);
  const paths = jobPaths(root, key);
  mkdirSync(paths.folder, { recursive: true });
  const journal = journalPath(root);
  if (isFull) symlinkSync('/dev/full', journal);
  return { root, paths, journal, ledger: openLedger(root, paths) };
}

describe('ledger', () => {
  it('the end of a job is in the journal before its state says so, also when the disk was full meanwhile', () => {
    const { paths, journal, ledger } = newJob(true);
    ledger.journal(end);
    ledger.record(ended);
    expect([ledger.flush(), readState(paths)]).toEqual([false, null]);
    rmSync(journal);
    expect([ledger.flush(), readState(paths)]).toEqual([true, ended]);
    const lines = readFileSync(journal, 'utf8').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as string, ...end },
    ]);
    expect(statSync(journal).mode & 0o777).toBe(0o600);
    ledger.flush();
    expect(readFileSync(journal, 'utf8').trim().split('\n')).toEqual(lines);
  });

  it('old log is given up for the state of a job, and nothing else is', () => {
    const { root, paths, ledger } = newJob(true);
    const kept = [paths.stdout, paths.stderr, `${paths.stdout}.10`, `${paths.folder}/job.json`];
    const old = [`${paths.stdout}.1`, `${paths.stderr}.1`];
    for (const path of [...kept, ...old]) writeFileSync(path, 'text');
    ledger.record({ v: 1, phase: 'queued' });
    expect(old.map((path) => existsSync(path))).toEqual([true, true]);
    ledger.journal(end);
    expect([...kept, ...old].filter((path) => existsSync(path))).toEqual(kept);
    expect(readdirSync(root).sort()).toEqual(['jobs', 'journal.ndjson']);
  });

  it.each(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EMFILE', 'ENFILE'])(
    '%s may pass: what could not be written is kept and written later',
    (code) => {
      const { paths, ledger } = newJob(false);
      const { renameSync } = fs;
      fs.renameSync = () => {
        throw Object.assign(new Error('refused'), { code });
      };
      syncBuiltinESMExports();
      try {
        ledger.record({ v: 1, phase: 'launching' });
        expect(ledger.flush()).toBe(false);
      } finally {
        fs.renameSync = renameSync;
        syncBuiltinESMExports();
      }
      expect(readState(paths)).toBeNull();
      expect(ledger.flush()).toBe(true);
      expect(readState(paths)).toEqual({ v: 1, phase: 'launching' });
    }
  );

  it('what never passes is thrown', () => {
    const { journal, ledger } = newJob(false);
    mkdirSync(journal);
    expect(() => ledger.journal(end)).toThrow(/EISDIR/);
  });
});
