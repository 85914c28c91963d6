import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { digestBytes } from '../artifacts/digest.js';
import { manifestName, sealManifest } from '../artifacts/manifest.js';
import { uriOf } from '../artifacts/stores.js';
import type { ArtifactStore } from '../ports/index.js';
import type { VersionInput } from '../registry/types.js';
import { call, text } from './suite.js';

/** Writes files into a folder. */
export async function writeFiles(
  folder: string,
  files: Readonly<Record<string, Uint8Array | string>>
): Promise<string> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  return folder;
}

/** A small artifact in the store and what `register` needs to record it as a version of model `m`. */
export async function registeredVersion(store: ArtifactStore, index: number): Promise<VersionInput> {
  const bytes = text(`model ${index}`);
  const digest = digestBytes(bytes);
  const sealed = sealManifest([
    { path: 'model.bin', size: bytes.length, digest, parts: [{ size: bytes.length, digest }] },
  ]);
  const folder = `versions/m/${index}/`;
  await store.put(`${folder}model.bin`, bytes, { ifAbsent: true }, call());
  await store.put(folder + manifestName, sealed.text, { ifAbsent: true }, call());
  const artifact = { v: 1 as const, uri: uriOf(store, folder), digest: sealed.digest, bytes: sealed.bytes };
  return {
    model: 'm',
    version: `v${index + 1}-${sealed.digest.slice(7, 15)}`,
    artifact,
    lineage: {
      data: {
        digest: digestBytes(`data ${index}`),
        window: { from: '2026-01-01T00:00:00.000Z', to: '2026-02-01T00:00:00.000Z' },
        rows: 1000 + index,
      },
      code: digestBytes('code'),
      spec: digestBytes('spec'),
      run: `retempo/m/run/${index + 1}-00000000`,
      site: 'onprem.local',
      jobKey: digestBytes(`job ${index}`).slice(7),
      evaluator: {
        run: ['node', 'predict.mjs'],
        code: artifact,
        predictions: { key: 'id', probability: 'p' },
        timeoutMs: 60_000,
      },
      parents: [],
    },
    metrics: { logLoss: 0.5, auc: null },
  };
}
