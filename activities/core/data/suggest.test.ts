import { describe, expect, it } from 'vitest';

import { counted, didYouMean } from './suggest.js';

describe('didYouMean', () => {
  it('names the nearest, or what there is', () => {
    expect(didYouMean('orgin', ['origin', 'x'])).toBe(' (did you mean `origin`?)');
    expect(didYouMean('orgin', ['x', 'origins', 'origin'])).toBe(' (did you mean `origin`?)');
    expect(didYouMean('AT', ['at'])).toBe(' (did you mean `at`?)');
    expect(didYouMean('at', ['AT'])).toBe(' (did you mean `AT`?)');
    expect(didYouMean('x', ['y'])).toBe(' (did you mean `y`?)');
    expect(didYouMean('zzzzzz', ['origin', 'x'])).toBe(' (there are: origin, x)');
    expect(didYouMean('a', [])).toBe('');
  });

  it('takes a third of the letters for a slip, and no more', () => {
    expect(didYouMean('departure', ['dXpaXtuXe'])).toBe(' (did you mean `dXpaXtuXe`?)');
    expect(didYouMean('departure', ['dXpXXtuXe'])).toBe(' (there are: dXpXXtuXe)');
    // Of long names the first 64 letters count.
    const long = 'x'.repeat(64);
    expect(didYouMean(`${long}${'a'.repeat(500)}`, [`${long}b`])).toContain('did you mean');
    expect(didYouMean(`${long}b`, [`${long}${'a'.repeat(500)}`])).toContain('did you mean');
  });

  it('shows ten of many', () => {
    const names = (count: number) => Array.from({ length: count }, (_, i) => `column${i}`);
    expect(didYouMean('zzzzzz', names(10))).toMatch(/column8, column9\)$/);
    expect(didYouMean('zzzzzz', names(12))).toMatch(/column9, and 2 more\)$/);
  });
});

describe('counted', () => {
  it.each([
    [0, '0 rows'],
    [1, '1 row'],
    [1_234, '1,234 rows'],
  ])('%d is %s', (count, text) => expect(counted(count, 'row')).toBe(text));
});
