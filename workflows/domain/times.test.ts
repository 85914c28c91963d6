import { describe, expect, it } from 'vitest';
import { timeText } from './times.js';

const at = Date.parse('2026-11-21T12:24:45.726Z');
const minute = 60_000;

describe('times for people', () => {
  it.each([
    ['far ahead: to the minute, never too early', -60 * minute, '2026-11-21 12:25 UTC'],
    ['near and ahead: to the second, never too early', -minute, '2026-11-21 12:24:46 UTC'],
    ['near and past: to the second', minute, '2026-11-21 12:24:45 UTC'],
    ['long past: to the minute', 60 * minute, '2026-11-21 12:24 UTC'],
    ['now', 0, '2026-11-21 12:24:45 UTC'],
  ])('%s', (_, away, text) => {
    expect(timeText(at, at + away)).toBe(text);
  });

  it('rounds over the end of a day and of a year', () => {
    const late = Date.parse('2026-12-31T23:59:59.999Z');
    expect(timeText(late, late - 60 * minute)).toBe('2027-01-01 00:00 UTC');
    expect(timeText(late, late - minute)).toBe('2027-01-01 00:00:00 UTC');
  });

  it('a whole minute stays what it is', () => {
    const noon = Date.parse('2026-11-21T12:00:00Z');
    expect(timeText(noon, noon - 60 * minute)).toBe('2026-11-21 12:00 UTC');
    expect(timeText(noon, noon + 60 * minute)).toBe('2026-11-21 12:00 UTC');
  });
});
