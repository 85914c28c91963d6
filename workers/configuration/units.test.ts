import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readCommand, splitCommand } from './command.js';
import { nearest } from './suggestions.js';
import {
  FieldProblem,
  readDuration,
  readFraction,
  readMoney,
  readRatio,
  readSize,
  readWholePercent,
  readWindows,
} from './units.js';

describe('units', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5h', 5_400_000],
    ['10m', 600_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['7 d', 604_800_000],
  ])('reads the duration %s', (text, expected) => {
    expect(readDuration(text)).toBe(expected);
  });

  it('reads shares, ratios, sizes, money and windows exactly', () => {
    expect(readFraction('7%')).toBe(0.07);
    expect(readFraction('0.1%')).toBe(0.001);
    expect(readFraction(0.25)).toBe(0.25);
    expect(readFraction('100%')).toBe(1);
    expect(readWholePercent('5%', { min: 0, max: 50 })).toBe(5);
    expect(readRatio('1.5x')).toBe(1.5);
    expect(readSize('4Gi')).toBe(4_294_967_296);
    expect(readSize('1.5M')).toBe(1_500_000);
    expect(['512B', '4GiB', '4Gi', '2MB', '2 KB'].map(readSize)).toEqual([512, 2 ** 32, 2 ** 32, 2e6, 2_000]);
    expect(readMoney('20.50 EUR')).toEqual({ amount: 20.5, currency: 'EUR' });
    expect(readWindows('1 window')).toBe(1);
    expect(readWindows('365 windows')).toBe(365);
  });

  it('says the bound in the unit that one would write', () => {
    expect(() => readDuration('1ms', { minMs: 1_000 })).toThrow('expected a duration of at least 1s');
    expect(() => readDuration('0s', { minMs: 100 })).toThrow('at least 100ms');
    expect(() => readDuration('2d', { maxMs: 86_400_000 })).toThrow('at most 1d');
    expect(() => readDuration('1s', { minMs: 90_000 })).toThrow('at least 90s');
    expect(readDuration('1s', { minMs: 1_000, maxMs: 1_000 })).toBe(1_000);
  });

  it('knows no unit that only JavaScript knows', () => {
    for (const unit of ['toString', 'constructor', '__proto__', 'BB', 'KiBB', 'kb', 'b', '']) {
      expect(() => readDuration(`7${unit}`), unit).toThrow(FieldProblem);
      expect(() => readSize(`7${unit}`), unit).toThrow(FieldProblem);
    }
  });

  it('answers any text quickly: with a number, or with what is expected', () => {
    const readers = [readDuration, readFraction, readRatio, readSize, readMoney, readWindows];
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.string({ maxLength: 5_000 })), (value) => {
        for (const read of readers) {
          try {
            read(value);
          } catch (error) {
            expect(error).toBeInstanceOf(FieldProblem);
          }
        }
      }),
      { seed: 20_261_121, numRuns: 500 }
    );
  });
});

describe('commands', () => {
  it.each([
    ['node train.js', ['node', 'train.js']],
    ['  node   "my file.js"\t--x=1 ', ['node', 'my file.js', '--x=1']],
    [`python -c 'print("a;b|c")'`, ['python', '-c', 'print("a;b|c")']],
    ['node a\\ b "c\\"d" \'\'', ['node', 'a b', 'c"d', '']],
    ['./run.sh --größe=5', ['./run.sh', '--größe=5']],
    ["a'b'c", ['abc']],
  ])('splits %s', (text, expected) => {
    expect(readCommand(text)).toEqual(expected);
  });

  it('takes a list as it is', () => {
    expect(readCommand(['sh', '-c', 'a | b > $C'])).toEqual(['sh', '-c', 'a | b > $C']);
  });

  it.each(['|', '&', ';', '<', '>', '$', '`', '(', ')', '*', '?', '[', ']', '{', '}', '#', '\n', '\r'])(
    'refuses %j outside quotes and takes it inside single ones',
    (character) => {
      expect(() => splitCommand(`node a${character}b`)).toThrow('there is no shell');
      expect(splitCommand(`node 'a${character}b'`)).toEqual(['node', `a${character}b`]);
    }
  );

  it('gives back what was quoted, whatever it is', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), (words) => {
        const quoted = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
        expect(splitCommand(quoted)).toEqual(words);
      }),
      { seed: 20_261_121 }
    );
  });
});

describe('suggestions', () => {
  it.each([
    ['aproval', 'approval'],
    ['Approval', 'approval'],
    ['arpoval', 'approval'],
    ['metrcs', 'metrics'],
    ['zzz', null],
    ['x'.repeat(10_000), null],
  ])('for %s', (word, expected) => {
    expect(nearest(word, ['approval', 'metrics', 'slices'])).toBe(expected);
  });
});
