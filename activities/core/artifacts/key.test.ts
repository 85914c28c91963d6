import { join, posix, sep, win32 } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { badKeys, goodKeys } from '../conformance/bad-keys.js';
import { isPortError } from '../ports/index.js';
import { assertKey, assertPrefix, foldedKey, keyProblem } from './key.js';

describe('A4: keys', () => {
  it.each(badKeys.map(({ key, why }) => [key.slice(0, 40), why, key] as const))('refuses %j: %s', (_, __, key) => {
    try {
      assertKey(key);
    } catch (error) {
      expect(isPortError(error) && error.class).toBe('InvalidSpec');
      expect((error as Error).message.length).toBeLessThan(400);
      return;
    }
    expect.unreachable();
  });

  it.each(goodKeys)('accepts %j', (key) => {
    expect(keyProblem(key)).toBeUndefined();
  });

  it('never accepts what leaves its root in any reading', () => {
    const piece = fc.constantFrom(
      '.',
      '..',
      '/',
      '\\',
      '%2e',
      '%2f',
      '%25',
      '%5c',
      'a',
      ' ',
      ':',
      '\uff0e',
      '\0',
      '~',
      ''
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const key = pieces.join('');
        if (keyProblem(key) !== undefined) return;
        let text = key;
        for (let round = 0; round < 12; round++) {
          for (const reading of [text, text.normalize('NFKC')]) {
            expect(join('/root', reading).startsWith(`/root${sep}`)).toBe(true);
            expect(posix.normalize(reading)).toBe(reading);
            expect(win32.join('C:\\root', reading).startsWith('C:\\root\\')).toBe(true);
          }
          if (!text.includes('%')) return;
          text = decodeURIComponent(text);
        }
      }),
      { seed: 20261121, numRuns: 20_000 }
    );
  });

  it('checks the folder of a prefix and leaves the incomplete last segment free', () => {
    for (const prefix of ['', 'a', 'a/', 'a/b', 'a/b.']) expect(() => assertPrefix(prefix)).not.toThrow();
    for (const prefix of ['/', '../', 'a//', 'a/../b', '%2e%2e/', 'a\\b']) expect(() => assertPrefix(prefix)).toThrow();
  });

  it('folds names that some file system takes for one', () => {
    expect(foldedKey('Model.ONNX')).toBe(foldedKey('model.onnx'));
    expect(foldedKey('de\u0301ja\u0300')).toBe(foldedKey('d\u00e9j\u00e0'));
    expect(foldedKey('stra\u00dfe')).toBe(foldedKey('STRASSE'));
    expect(foldedKey('a')).not.toBe(foldedKey('b'));
  });
});
