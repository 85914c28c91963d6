import { describe, expect, it } from 'vitest';
import { assertKey, assertPrefix, keyProblem } from './key.js';

// What is said of a key: each rule in its own words, so that no rule hides behind another one.

describe('A4: keys', () => {
  it.each([
    ['', 'is empty'],
    ['/a', 'is absolute'],
    ['a//b', 'has an empty segment'],
    ['a/../b', 'has the segment ".."'],
    ['./a', 'has the segment "."'],
    ['a./b', 'has a segment that ends in a dot'],
    ['a%', 'contains % that is not followed by two hex digits'],
    ['a%2', 'contains % that is not followed by two hex digits'],
    ['a%2x', 'contains % that is not followed by two hex digits'],
    ['a%ff', 'contains percent-encoded bytes that are not UTF-8'],
    ['a%2f%2e%2e', 'has the segment ".." after percent decoding'],
  ])('%j %s', (key, problem) => {
    expect(keyProblem(key)).toBe(problem);
  });

  it.each([[undefined], [7], [null], [{}]])('that are no text are refused, not tripped over: %j', (key) => {
    expect(() => assertKey(key as string)).toThrow(`the key ${JSON.stringify(key)} is not a string`);
  });

  it('are shown whole when they are short, and by their beginning when they are long', () => {
    expect(() => assertKey('a/../b')).toThrow('the key "a/../b" has');
    expect(() => assertKey('x'.repeat(2_000))).toThrow(`the key "${'x'.repeat(116)}... is longer`);
  });

  it('begun by a prefix may end in dots and spaces, and have none inside that a key may not have', () => {
    for (const prefix of ['a..', 'a. .', '...', 'a b', 'a.b']) expect(() => assertPrefix(prefix)).not.toThrow();
    for (const prefix of ['con.x', ' a', 'a\u0000. '])
      expect(() => assertPrefix(prefix)).toThrow('choose another name');
  });
});
