import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createFileStore } from '@retempo/activities';
import { artifactStoreConformance, badKeys } from '@retempo/activities/conformance';
import { describe, expect, it } from 'vitest';

const cases = artifactStoreConformance({
  name: 'file store',
  elsewhere: (store) => ({
    module: import.meta.resolve('@retempo/activities'),
    open: 'createFileStore',
    options: { root: fileURLToPath(store.root) },
  }),
});

describe('A1 to A6, G6: the file store conforms', () => {
  for (const { title, run } of cases) {
    it(title, async () => {
      const root = await mkdtemp(join(tmpdir(), 'retempo-file-store-'));
      try {
        await run(createFileStore({ root }));
      } finally {
        await rm(root, { recursive: true, force: true });
      }
    });
  }

  it('A4: the corpus holds at least 120 distinct keys', () => {
    console.log(`${badKeys.length} bad keys`);
    expect(new Set(badKeys.map(({ key }) => key)).size).toBeGreaterThanOrEqual(120);
  });
});
