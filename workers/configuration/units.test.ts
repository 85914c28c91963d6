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

const percent = (value: unknown): number => readWholePercent(value, { min: 2, max: 50 });

/** What a reader throws. */
function refusal(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    return error;
  }
}

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
    expect(readDuration('0s', { zero: true })).toBe(0);
  });

  it.each<[(value: unknown) => unknown, unknown, string, string | undefined]>([
    [readDuration, 5, 'expected a duration such as 30s', 'write the unit: 5s, 5m, 5h or 5d'],
    [readDuration, Number.NaN, 'expected a duration such as 30s', undefined],
    [readDuration, Infinity, 'expected a duration such as 30s', undefined],
    [readDuration, ['5s'], 'expected a duration such as 30s', undefined],
    [readDuration, 'soon', 'expected a duration such as 30s', 'units are ms, s, m, h and d'],
    [readDuration, '5 weeks', 'expected a duration such as 30s', 'units are ms, s, m, h and d'],
    [readDuration, '0s', 'expected a duration above zero', undefined],
    [readDuration, '3661d', 'expected a duration of at most ten years (3660d)', undefined],
    [readFraction, 5, 'expected a percentage such as 1%', 'write 5%'],
    [readFraction, 100, 'expected a percentage such as 1%', 'write 100%'],
    [readFraction, 101, 'expected a percentage such as 1%', undefined],
    [readFraction, -0.1, 'expected a percentage such as 1%', undefined],
    [readFraction, Number.NaN, 'expected a percentage such as 1%', undefined],
    [readFraction, '101%', 'expected a percentage such as 1%', undefined],
    [readFraction, '0.5', 'expected a percentage such as 1%', undefined],
    [readFraction, ['5%'], 'expected a percentage such as 1%', undefined],
    [percent, 5, 'expected a whole percentage from 2% to 50%', 'write 5%'],
    [percent, Infinity, 'expected a whole percentage from 2% to 50%', undefined],
    [percent, '1%', 'expected a whole percentage from 2% to 50%', undefined],
    [percent, '51%', 'expected a whole percentage from 2% to 50%', undefined],
    [percent, '2.5%', 'expected a whole percentage from 2% to 50%', undefined],
    [percent, '5', 'expected a whole percentage from 2% to 50%', undefined],
    [percent, ['5%'], 'expected a whole percentage from 2% to 50%', undefined],
    [readRatio, 2, 'expected a ratio such as 1x', 'write 2x'],
    [readRatio, Number.NaN, 'expected a ratio such as 1x', undefined],
    [readRatio, '2', 'expected a ratio such as 1x', undefined],
    [readRatio, ['2x'], 'expected a ratio such as 1x', undefined],
    [readRatio, '0x', 'expected a ratio above 0x and at most 1000x', undefined],
    [readRatio, '1001x', 'expected a ratio above 0x and at most 1000x', undefined],
    [readSize, 4, 'expected a size such as 512Mi', 'write the unit: 4Mi or 4Gi'],
    [readSize, Infinity, 'expected a size such as 512Mi', undefined],
    [readSize, '4', 'expected a size such as 512Mi', 'units are B, Ki, Mi, Gi, Ti and K, M, G, T'],
    [readSize, ['4Gi'], 'expected a size such as 512Mi', 'units are B, Ki, Mi, Gi, Ti and K, M, G, T'],
    [readSize, '0Gi', 'expected a size above zero and at most 1024Ti', undefined],
    [readSize, '1025Ti', 'expected a size above zero and at most 1024Ti', undefined],
    [readMoney, 20, 'expected an amount of money such as 20 USD', 'write the currency: 20 USD'],
    [readMoney, Number.NaN, 'expected an amount of money such as 20 USD', undefined],
    [readMoney, '20', 'expected an amount of money such as 20 USD', undefined],
    [readMoney, ['20 USD'], 'expected an amount of money such as 20 USD', undefined],
    [readMoney, '0 USD', 'expected an amount above zero', undefined],
    [readWindows, 5, 'expected a number of windows such as 365 windows', 'write 5 windows'],
    [readWindows, Infinity, 'expected a number of windows such as 365 windows', undefined],
    [readWindows, '0 windows', 'expected a number of windows such as 365 windows', undefined],
    [readWindows, ['5 windows'], 'expected a number of windows such as 365 windows', undefined],
  ])('%o: of %j says what is expected, and what to write instead where that can be known', (read, value, ...said) => {
    const [expected, suggestion] = said;
    const told = refusal(() => read(value));
    expect(told).toBeInstanceOf(FieldProblem);
    expect(told).toMatchObject({ message: expect.stringContaining(expected) as string, suggestion });
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
    ['node \\$A', ['node', '$A']],
  ])('splits %s', (text, expected) => {
    expect(readCommand(text)).toEqual(expected);
  });

  it('takes a list as it is', () => {
    expect(readCommand(['sh', '-c', 'a | b > $C'])).toEqual(['sh', '-c', 'a | b > $C']);
  });

  it.each([
    [5, 'quote it: "5"'],
    [true, 'quote it: "true"'],
    [null, 'quote it: "null"'],
    [{ toString: 'a' }, undefined],
    [['a'], undefined],
  ])('refuses %j in a list, and says how it becomes text where it can', (word, suggestion) => {
    const refused = refusal(() => readCommand(['node', word]));
    expect(refused).toBeInstanceOf(FieldProblem);
    expect(refused).toMatchObject({
      message: expect.stringContaining('argument 1 is not text') as string,
      suggestion,
    });
  });

  it.each(['|', '&', ';', '<', '>', '$', '`', '(', ')', '*', '?', '[', ']', '{', '}', '#', '\n', '\r'])(
    'refuses %j outside quotes and takes it inside single ones',
    (character) => {
      expect(() => splitCommand(`node a${character}b`)).toThrow('there is no shell');
      expect(splitCommand(`node 'a${character}b'`)).toEqual(['node', `a${character}b`]);
    }
  );

  it('refuses inside double quotes what a shell would put something else for', () => {
    for (const character of ['$', '`'])
      expect(() => splitCommand(`node "a${character}b"`)).toThrow('there is no shell');
    expect(splitCommand('node "a|b;c*" "d\\"e" "f\\\\g" "h\\i"')).toEqual(['node', 'a|b;c*', 'd"e', 'f\\g', 'h\\i']);
  });

  it.each<[what: string, command: unknown, says: string]>([
    ['no text', 5, 'expected a command such as'],
    ['an empty text', ' ', 'expected a command such as'],
    ['an empty list', [], 'expected a command such as'],
    ['no program', ['', 'a'], 'expected a command such as'],
    ['a program of blanks', "' ' a", 'expected a command such as'],
    ['a NUL character', ['node', 'a\0b'], 'argument 1 contains a NUL character'],
    ['too many arguments', Array.from({ length: 1_001 }, () => 'a'), 'at most 1 000 arguments'],
    ['too long a line', ['node', 'a'.repeat(32_768)], 'at most 1 000 arguments and 32 768 characters'],
    ['a variable before the program', 'A=1 node a.js', 'so A=... would not set a variable'],
    ['a backslash before nothing', 'node a\\', 'expected a character after the last backslash'],
    ['an open quote', "node 'a", "expected a closing '"],
  ])('refuses %s', (_what, command, says) => {
    const refused = refusal(() => readCommand(command));
    expect(refused).toBeInstanceOf(FieldProblem);
    expect(refused).toMatchObject({ message: expect.stringContaining(says) as string });
  });

  it('takes a program whose name has an equals sign where it stands in a list', () => {
    expect(readCommand(['A=1', 'a'])).toEqual(['A=1', 'a']);
  });

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
