import { manifestName, sealManifest } from '../artifacts/manifest.js';
import { partSizeBytes } from '../artifacts/part-size.js';
import type { ArtifactStore } from '../ports/index.js';
import { call, contentOf, overwrite, text } from './suite.js';

/** Size of the large file `model.onnx` of the artifact that is damaged: three parts, the last one short. */
export const big = 2 * partSizeBytes(1) + 4321;

/** The bytes with the lowest bit of one of them turned. */
export const flipped = (bytes: Uint8Array, at: number): Uint8Array => {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
};

/** What may happen to an artifact behind our back; each must be found by everybody who reads it. */
export const damages: readonly {
  readonly what: string;
  readonly apply: (store: ArtifactStore, key: string) => Promise<void>;
}[] = [
  ...[0, partSizeBytes(1) - 1, partSizeBytes(1), big - 1].map((at) => ({
    what: `one bit flipped in byte ${at} of a large file`,
    apply: async (store: ArtifactStore, key: string) =>
      overwrite(store, `${key}model.onnx`, flipped(await contentOf(store, `${key}model.onnx`), at)),
  })),
  {
    what: 'one bit flipped in a small file',
    apply: async (store, key) => overwrite(store, `${key}labels.txt`, flipped(text('late\non time\n'), 3)),
  },
  {
    what: 'a large file cut by one byte',
    apply: async (store, key) =>
      overwrite(store, `${key}model.onnx`, (await contentOf(store, `${key}model.onnx`)).subarray(0, big - 1)),
  },
  {
    what: 'a file cut to nothing',
    apply: async (store, key) => overwrite(store, `${key}labels.txt`, text('')),
  },
  {
    what: 'one byte appended to a file',
    apply: async (store, key) => overwrite(store, `${key}labels.txt`, text('late\non time\n\n')),
  },
  {
    what: 'one byte in a file that was empty',
    apply: async (store, key) => overwrite(store, `${key}deep/er/empty`, text('x')),
  },
  {
    what: 'a file missing',
    apply: (store, key) => store.delete(`${key}labels.txt`, call()),
  },
  {
    what: 'an empty file missing',
    apply: (store, key) => store.delete(`${key}deep/er/empty`, call()),
  },
  {
    what: 'an extra file',
    apply: async (store, key) => void (await store.put(`${key}extra.bin`, text('x'), { ifAbsent: true }, call())),
  },
  {
    what: 'an extra file in a folder',
    apply: async (store, key) => void (await store.put(`${key}deep/x`, text(''), { ifAbsent: true }, call())),
  },
  {
    what: 'a name in other case',
    async apply(store, key) {
      await store.delete(`${key}labels.txt`, call());
      await store.put(`${key}Labels.txt`, text('late\non time\n'), { ifAbsent: true }, call());
    },
  },
  {
    what: 'two files exchanged',
    async apply(store, key) {
      await overwrite(store, `${key}labels.txt`, text('{}'));
      await overwrite(store, `${key}a b.json`, text('late\non time\n'));
    },
  },
  {
    what: 'another manifest that fits other bytes',
    async apply(store, key) {
      const file = { path: 'labels.txt', size: 0, digest: `sha256:${'0'.repeat(64)}`, parts: [] };
      const empty = { ...file, digest: 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' };
      await overwrite(store, key + manifestName, sealManifest([empty]).text);
    },
  },
  {
    what: 'one bit flipped in the manifest',
    apply: async (store, key) =>
      overwrite(store, key + manifestName, flipped(await contentOf(store, key + manifestName), 20)),
  },
  {
    what: 'a manifest with one space more',
    apply: async (store, key) =>
      overwrite(store, key + manifestName, Buffer.concat([await contentOf(store, key + manifestName), text(' ')])),
  },
  {
    what: 'an empty manifest',
    apply: (store, key) => overwrite(store, key + manifestName, text('')),
  },
];
