import { describe, expect, it } from 'vitest';
import { bytes, count, duration, elapsed, moment, percent, plural } from './quantities.js';
import { harmless, styleFor, widthOf } from './style.js';
import { tableLines } from './table.js';

describe('quantities', () => {
  it.each([
    [0, '0 ms'],
    [50, '50 ms'],
    [2_100, '2.1 s'],
    [60_000, '1 min'],
    [90_000, '1 min 30 s'],
    [5_400_000, '1 h 30 min'],
    [86_400_000, '1 d'],
    [7 * 86_400_000, '7 d'],
    [86_400_000 + 60_000, '1 d 1 min'],
  ])('writes %d ms as %s', (ms, text) => expect(duration(ms)).toBe(text));

  it('writes time that has passed as a clock, never a negative one', () => {
    expect(elapsed(14_400)).toBe('0:14');
    expect(elapsed(3_750_000)).toBe('1:02:30');
    expect(elapsed(-5)).toBe('0:00');
  });

  it('parts thousands with blanks', () => {
    expect(count(999)).toBe('999');
    expect(count(22_731)).toBe('22 731');
    expect(count(1_234_567)).toBe('1 234 567');
    expect(plural(1, 'cause')).toBe('1 cause');
    expect(plural(0, 'cause')).toBe('0 causes');
  });

  it('writes sizes, shares and moments', () => {
    expect(bytes(512)).toBe('512 B');
    expect(bytes(1_536)).toBe('1.5 KiB');
    expect(bytes(2 ** 50)).toBe('1024 TiB');
    expect(percent(0.123)).toBe('12.3 %');
  });

  it('writes a moment as the workflows do: to come rounded up, past rounded down, near to the second', () => {
    const at = '2026-12-02T09:00:12.000Z';
    const from = (minutes: number) => moment(at, Date.parse(at) - minutes * 60_000);
    // Who comes at 09:00 is twelve seconds too early.
    expect(from(60)).toBe('2026-12-02 09:01 UTC');
    expect(from(-60)).toBe('2026-12-02 09:00 UTC');
    expect(from(2)).toBe('2026-12-02 09:00:12 UTC');
    expect(moment('2026-12-02T09:00:00.000Z', Date.parse(at) - 3_600_000)).toBe('2026-12-02 09:00 UTC');
  });
});

describe('style', () => {
  const red = styleFor({}, true).bad('x');

  it('colours a terminal only', () => {
    expect(red).toBe('\u001b[31mx\u001b[39m');
    expect(styleFor({}, false).bad('x')).toBe('x');
  });

  it('obeys NO_COLOR unless it is empty, FORCE_COLOR and dumb terminals', () => {
    expect(styleFor({ NO_COLOR: '1' }, true).bad('x')).toBe('x');
    expect(styleFor({ NO_COLOR: '' }, true).bad('x')).toBe(red);
    expect(styleFor({ NO_COLOR: '1', FORCE_COLOR: '1' }, true).bad('x')).toBe('x');
    expect(styleFor({ FORCE_COLOR: '1' }, false).bad('x')).toBe(red);
    expect(styleFor({ TERM: 'dumb' }, true).bad('x')).toBe('x');
  });

  it('measures what is seen, and takes away what would move the cursor', () => {
    expect(widthOf(red)).toBe(1);
    expect(harmless('a\u001b[2Jb\u0007\u202ec\nd')).toBe('a[2Jbc\nd');
  });
});

describe('tableLines', () => {
  it('aligns columns, with colours, without trailing blanks', () => {
    const style = styleFor({}, true);
    expect(
      tableLines([
        ['a', 'bb', ''],
        [style.bad('aaa'), 'b', 'c'],
      ])
    ).toEqual(['a    bb', `${style.bad('aaa')}  b   c`]);
  });
});
