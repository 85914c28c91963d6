import { describe, expect, it } from 'vitest';

import { durationText, instantMs, splitWindows } from './windows.js';

const DAY_MS = 86_400_000;

describe('instantMs', () => {
  it('takes a time, and names the field of what is none', () => {
    expect(instantMs('2001-01-01T02:00:00+02:00', 'from')).toBe(Date.UTC(2001, 0, 1));
    for (const time of ['soon', '', '2001-02-30T00:00:00Z1', '2001-13-01T00:00:00Z'])
      expect(() => instantMs(time, 'window.from'), time).toThrow(
        expect.objectContaining({
          class: 'InvalidSpec',
          message: `window.from: \`${time}\` is not a time`,
        }) as Error
      );
  });
});

describe('durationText', () => {
  it.each([
    [28 * DAY_MS, '28 d'],
    [36 * 3_600_000, '36 h'],
    [90 * 60_000, '90 min'],
    [90_000, '90 s'],
    [1_500, '1500 ms'],
    [0, '0 d'],
  ])('%d is %s', (durationMs, text) => expect(durationText(durationMs)).toBe(text));
});

describe('splitWindows', () => {
  it.each([
    ['days', DAY_MS, '2001-03-04T00:00:00.000Z'],
    ['hours', 3_600_000, '2001-03-04T05:00:00.000Z'],
    ['minutes', 60_000, '2001-03-04T05:06:00.000Z'],
    ['seconds', 1_000, '2001-03-04T05:06:07.000Z'],
    ['milliseconds', 1, '2001-03-04T05:06:07.089Z'],
  ])('a split in %s ends at a whole one', (_, stepMs, end) => {
    const split = { trainMs: 7 * stepMs, gapMs: stepMs, evaluateMs: 3 * stepMs };
    const label = { column: 'late', arrivesAfterMs: DAY_MS };
    const toMs = Date.parse(end);
    expect(splitWindows(Date.parse('2001-03-05T05:06:07.089Z'), { split, label })).toEqual({
      train: { fromMs: toMs - 11 * stepMs, toMs: toMs - 4 * stepMs },
      evaluate: { fromMs: toMs - 3 * stepMs, toMs },
      stepMs,
    });
  });
});
