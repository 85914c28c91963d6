import { canonicalJson } from '@retempo/workflows/domain';
import { describe, expect, it } from 'vitest';
import { isPortError } from '../ports/index.js';
import { digestBytes, emptyDigest } from './digest.js';
import { openManifest, sealManifest, type ManifestFile } from './manifest.js';
import { partCount, partRange, partSizeBytes } from './part-size.js';

const file = (path: string, content = 'x'): ManifestFile => {
  const digest = digestBytes(content);
  return { path, size: content.length, digest, parts: [{ size: content.length, digest }] };
};
const empty = (path: string): ManifestFile => ({ path, size: 0, digest: emptyDigest, parts: [] });

const classOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return isPortError(error) ? error.class : String(error);
  }
  return 'nothing thrown';
};

describe('A3: manifests', () => {
  it('names the same files by the same digest, in whatever order they come', () => {
    const one = sealManifest([file('b'), file('a/c'), empty('a/b')], { run: 7 });
    const two = sealManifest([empty('a/b'), file('a/c'), file('b')], { run: 7 });
    expect(two).toEqual(one);
    expect(one.manifest.files.map(({ path }) => path)).toEqual(['a/b', 'a/c', 'b']);
    expect(one.bytes).toBe(2);
    expect(openManifest(one.text, one.digest, 'here')).toEqual(one);
  });

  it('stands as documented: canonical JSON with path, size, digest and parts', () => {
    const { text, digest } = sealManifest([file('a', 'hello')]);
    const hello = 'sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824';
    expect(Buffer.from(text).toString()).toBe(
      `{"files":[{"digest":"${hello}","parts":[{"digest":"${hello}","size":5}],"path":"a","size":5}],"v":1}`
    );
    expect(digest).toBe(digestBytes(text));
  });

  it.each<[string, readonly ManifestFile[]]>([
    ['no files', []],
    ['a path that leaves the folder', [file('../a')]],
    ['the name of the manifest', [file('manifest.json')]],
    ['the name of the manifest in other case', [file('Manifest.json')]],
    ['the same path twice', [file('a'), file('a')]],
    ['two paths that differ in case', [file('a/Model'), file('a/model')]],
    ['a file that is also a folder', [file('a'), file('a/b')]],
    ['a file that is also a folder further up', [file('A'), file('a/b/c')]],
    ['a negative size', [{ ...file('a'), size: -1 }]],
    ['half a byte', [{ ...file('a'), size: 0.5 }]],
    ['no digest', [{ ...file('a'), digest: 'md5:1' }]],
    ['parts that do not add up', [{ ...file('a'), size: 2 }]],
    ['no parts', [{ ...file('a'), parts: [] }]],
    ['a part in an empty file', [{ ...empty('a'), parts: [{ size: 0, digest: emptyDigest }] }]],
    ['a digest that contradicts its only part', [{ ...file('a'), digest: digestBytes('y') }]],
    ['an empty file with a digest of something', [{ ...empty('a'), digest: digestBytes('y') }]],
    ['more files than allowed', Array.from({ length: 10_001 }, (_, index) => empty(`f${index}`))],
  ])('refuses %s when it is made and when it is read', (_, files) => {
    expect(classOf(() => sealManifest(files))).toBe('InvalidSpec');
    const text = Buffer.from(canonicalJson({ v: 1, files }));
    expect(classOf(() => openManifest(text, digestBytes(text), 'here'))).toBe('Integrity');
  });

  it.each<[string, unknown]>([
    ['another version', { v: 2, files: [file('a')] }],
    ['files out of order', { v: 1, files: [file('b'), file('a')] }],
    ['an array', []],
  ])('refuses to read %s', (_, value) => {
    const text = Buffer.from(canonicalJson(value));
    expect(classOf(() => openManifest(text, digestBytes(text), 'here'))).toBe('Integrity');
  });

  it('refuses a text that is not canonical or not JSON although its digest fits', () => {
    const { text } = sealManifest([file('a')]);
    for (const other of [Buffer.concat([text, Buffer.from('\n')]), Buffer.from('{"v":1'), Buffer.alloc(0)]) {
      expect(classOf(() => openManifest(other, digestBytes(other), 'here'))).toBe('Integrity');
    }
  });

  it('refuses any other digest', () => {
    const { text } = sealManifest([file('a')]);
    expect(classOf(() => openManifest(text, digestBytes('other'), 'here'))).toBe('Integrity');
  });
});

describe('parts', () => {
  it.each([
    [0, 0, 8],
    [1, 1, 8],
    [8 * 2 ** 20, 1, 8],
    [8 * 2 ** 20 + 1, 2, 8],
    [9000 * 8 * 2 ** 20, 9000, 8],
    [9000 * 8 * 2 ** 20 + 1, 8001, 9],
    [5 * 2 ** 40, 8993, 583],
  ])('%d bytes are %d parts of %d MiB', (size, count, mebibytes) => {
    expect([partCount(size), partSizeBytes(size) / 2 ** 20]).toEqual([count, mebibytes]);
    expect(count).toBeLessThanOrEqual(9000);
    if (count > 0) expect(partRange(size, count).to).toBe(size);
  });
});
