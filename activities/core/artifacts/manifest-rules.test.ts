import { canonicalJson } from '@retempo/workflows/domain';
import { describe, expect, it } from 'vitest';
import { digestBytes, emptyDigest } from './digest.js';
import { openManifest, sealManifest, type ManifestFile } from './manifest.js';

// Files that only one rule of a manifest keeps out.

const digest = digestBytes('x');
const eight = 8 * 2 ** 20;
const large: ManifestFile = {
  path: 'large',
  size: eight + 1,
  digest: digestBytes('large'),
  parts: [
    { size: eight, digest },
    { size: 1, digest },
  ],
};

describe('A3: manifests', () => {
  it('take files of many parts, whose digest is their own', () => {
    const sealed = sealManifest([large]);
    expect(sealed.bytes).toBe(eight + 1);
    expect(openManifest(sealed.text, sealed.digest, 'here')).toEqual(sealed);
  });

  it.each<[string, unknown, string]>([
    ['a negative size without parts', { path: 'a', size: -1, digest: emptyDigest, parts: [] }, 'has no valid size'],
    ['a text for a size', { path: 'a', size: '1', digest, parts: [{ size: 1, digest }] }, 'has no valid size'],
    ['half a byte', { path: 'a', size: 0.5, digest, parts: [{ size: 0.5, digest }] }, 'has no valid size'],
    ['no digest of many parts', { ...large, digest: 'md5:1' }, 'has no valid digest'],
    ['parts that are no list', { ...large, parts: {} }, 'has no valid digest'],
    ['no parts at all', { ...large, parts: undefined }, 'has no valid digest'],
  ])('refuse a file with %s', (_what, file, says) => {
    expect(() => sealManifest([file as ManifestFile])).toThrow(says);
    const text = Buffer.from(canonicalJson({ v: 1, files: [JSON.parse(JSON.stringify(file)) as never] }));
    expect(() => openManifest(text, digestBytes(text), 'here')).toThrow(says);
  });

  it('are named by their metadata too', () => {
    const [none, one, two] = [
      sealManifest([large]),
      sealManifest([large], { run: 1 }),
      sealManifest([large], { run: 2 }),
    ];
    expect(new Set([none, one, two].map((sealed) => sealed.digest)).size).toBe(3);
    expect([one.manifest.metadata, 'metadata' in none.manifest]).toEqual([{ run: 1 }, false]);
  });

  it('with another digest are not even read', () => {
    const text = Buffer.from('no JSON');
    expect(() => openManifest(text, digest, 'here')).toThrow(
      `here: the manifest has digest ${digestBytes(text)}, expected ${digest}`
    );
  });
});
