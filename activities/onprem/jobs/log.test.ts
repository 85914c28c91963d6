import fs, {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { basename } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { lastBytes, latestProgress, logTail, parseProgress, printable, rotateLog } from './log.js';

const folder = mkdtempSync(`${tmpdir()}/retempo-log-`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const fileWith = (text: string): string => {
  files += 1;
  const path = `${folder}/${files}.log`;
  writeFileSync(path, text);
  return path;
};

describe('progress', () => {
  it.each([
    ['{"progress":0.5}', { progress: 0.5 }],
    ['  {"step":3,"loss":0.497,"note":"warm"}', { step: 3, loss: 0.497, note: 'warm' }],
    ['{"epoch":"7/20","nested":{"a":1},"list":[1]}', { epoch: '7/20' }],
    ['{"loss":1,"__proto__":{"polluted":true},"constructor":"x"}', { loss: 1, constructor: 'x' }],
    ['{"level":"info","msg":"hello"}', null],
    ['{"loss":1e999,"step":1}', { step: 1 }],
    ['{"loss":null,"epoch":[]}', null],
    ['[{"progress":1}]', null],
    ['{"progress":1', null],
    ['progress 7', null],
    ['null', null],
  ])('%s', (line, progress) => {
    expect(parseProgress(line)).toEqual(progress);
  });

  it('of a hostile line remain few, short, printable, flat values', () => {
    const line = JSON.stringify({
      ...Object.fromEntries(Array.from({ length: 500 }, (_unused, index) => [`key${index}`, 'x'.repeat(10_000)])),
      loss: 0.1,
      evil: '\u001b[2Jgone\u202e',
    });
    const progress = parseProgress(line);
    expect(Object.keys(progress as object)).toHaveLength(16);
    expect(progress).toMatchObject({ loss: 0.1 });
    expect(JSON.stringify(progress).length).toBeLessThan(5000);
    expect(parseProgress('{"loss":1,"evil":"\\u001b[2Jgone\\u202e"}')).toEqual({
      loss: 1,
      evil: '\uFFFD[2Jgone\uFFFD',
    });
  });

  it('never throws and never gives anything but a flat record or null', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.json().map((json) => `{"loss":${json}}`)
        ),
        (line) => {
          const progress = parseProgress(line);
          if (progress === null) return true;
          return Object.values(progress as object).every((value) =>
            ['string', 'number', 'boolean'].includes(typeof value)
          );
        }
      )
    );
  });

  it('the newest complete line counts, before and after a rotation', () => {
    const path = fileWith('{"step":1}\nlog\n{"step":2}\nmore log\n{"step":3');
    expect(latestProgress(path)).toEqual({ step: 2 });
    rotateLog(path, 10);
    expect(latestProgress(path)).toBeNull();
    appendFileSync(path, 'x\n{"step":4}\n');
    expect(latestProgress(path)).toEqual({ step: 4 });
    expect(latestProgress(`${folder}/absent`)).toBeNull();
    expect(latestProgress(fileWith('{"step":5}\n{"step":6}'))).toEqual({ step: 5 });
    const rotated = fileWith(`${'log\n'.repeat(20)}{"step":7}\n`);
    rotateLog(rotated, 50);
    appendFileSync(rotated, 'log\n');
    expect(latestProgress(rotated)).toEqual({ step: 7 });
  });
});

describe('log', () => {
  it('a rotated log keeps its end, within its limit', () => {
    const path = fileWith(`${'a'.repeat(5000)}the end\n`);
    rotateLog(path, 10_000);
    expect(statSync(path).size).toBe(5008);
    rotateLog(path, 1000);
    expect(statSync(path).size).toBe(0);
    expect(readFileSync(`${path}.1`, 'utf8')).toBe(`${'a'.repeat(992)}the end\n`);
    expect(logTail({ stdout: path, stderr: `${folder}/absent` }, 8)).toBe('the end');
  });

  it('for whose older half there is no room is emptied all the same: that frees the disk', () => {
    const path = fileWith('x'.repeat(5000));
    symlinkSync('/dev/full', `${path}.1`);
    rotateLog(path, 1000);
    expect(statSync(path).size).toBe(0);
    expect(readdirSync(folder)).not.toContain(`${basename(path)}.1`);
  });

  /** Rotates, and does this before each read. */
  const rotateWhile = (path: string, maxBytes: number, happens: (read: number) => void): void => {
    const { readSync } = fs;
    let reads = 0;
    const watched = (...input: Parameters<typeof fs.readSync>): number => {
      happens((reads += 1));
      return readSync(...input);
    };
    Object.assign(fs, { readSync: watched });
    syncBuiltinESMExports();
    try {
      rotateLog(path, maxBytes);
    } finally {
      Object.assign(fs, { readSync });
      syncBuiltinESMExports();
    }
  };

  it('that its program empties while it is rotated is not waited for', () => {
    const path = fileWith('x'.repeat(200_000));
    let reads = 0;
    rotateWhile(path, 150_000, (read) => {
      if ((reads = read) > 10) throw new Error('read again and again');
      if (read === 2) truncateSync(path, 0);
    });
    expect([statSync(path).size, statSync(`${path}.1`).size, reads]).toEqual([0, 64 * 1024, 2]);
  });

  it('keeps what is written while it is rotated, in order, and stays within half as much again', () => {
    const path = fileWith('a'.repeat(5_000));
    rotateWhile(path, 1_000, (read) => {
      if (read <= 2) appendFileSync(path, `${read}${'b'.repeat(199)}`);
      if (read === 3) appendFileSync(path, `${'c'.repeat(900)}the end`);
    });
    const kept = ('a'.repeat(1_000) + `1${'b'.repeat(199)}2${'b'.repeat(199)}${'c'.repeat(900)}the end`).slice(-1_000);
    expect([statSync(path).size, readFileSync(`${path}.1`, 'utf8')]).toEqual([0, kept]);
    const other = fileWith('a'.repeat(5_000));
    rotateWhile(other, 1_000, (read) => read === 1 && appendFileSync(other, 'the end'));
    expect(readFileSync(`${other}.1`, 'utf8')).toBe(`${'a'.repeat(1_000)}the end`);
  });

  it('of a program that writes on and on is rotated all the same', () => {
    const path = fileWith('a'.repeat(5_000));
    rotateWhile(path, 1_000, () => appendFileSync(path, 'b'.repeat(700)));
    expect(statSync(path).size).toBe(0);
    expect(statSync(`${path}.1`).size).toBeLessThanOrEqual(1_500);
  });

  it('errors come before ordinary output; control characters of the program do no harm', () => {
    const stdout = fileWith('ordinary\n');
    expect(logTail({ stdout, stderr: fileWith('\n') }, 100)).toBe('ordinary');
    expect(logTail({ stdout, stderr: fileWith('bad \u001b[31mred\n') }, 100)).toBe('bad \uFFFD[31mred');
  });

  it('text is cut by bytes and never inside a character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(40), (text, limit) => {
        const cut = lastBytes(text, limit);
        return Buffer.byteLength(cut) <= limit && text.endsWith(cut) && !cut.includes('\uFFFD');
      })
    );
    expect(printable('a\tb\nc')).toBe('a\tb\nc');
  });
});
