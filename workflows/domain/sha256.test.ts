import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256Hex } from './sha256.js';

// The test knows Node, the sandbox does not: its types are left out of this package, so the oracle is asked for by name.
interface Crypto {
  createHash(algorithm: 'sha256'): { update(text: string, encoding: 'utf8'): { digest(encoding: 'hex'): string } };
}
const { process } = globalThis as unknown as { process: { getBuiltinModule(name: string): unknown } };
const node = process.getBuiltinModule('node:crypto') as Crypto;
const oracle = (text: string) => node.createHash('sha256').update(text, 'utf8').digest('hex');

describe('sha256Hex', () => {
  // FIPS 180-4 examples and NIST CAVP, SHA256ShortMsg / LongMsg for byte-oriented messages.
  it.each([
    ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    [
      'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
      '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
    ],
  ])('%j as published', (text, hex) => {
    expect(sha256Hex(text)).toBe(hex);
  });

  it('a million letters as published', () => {
    expect(sha256Hex('a'.repeat(1_000_000))).toBe('cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0');
  });

  it('every length around the edges of a block', () => {
    for (let length = 0; length <= 200; length++) {
      const text = 'x'.repeat(length);
      expect(sha256Hex(text), `${length} bytes`).toBe(oracle(text));
    }
  });

  it('any text, as UTF-8 of one to four bytes a character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        expect(sha256Hex(text)).toBe(oracle(text));
      }),
      { seed: 1, numRuns: 500 }
    );
  });
});
