// Program that the process cases start and kill. Argument: one JSON object {@link ChildInput}.

import { appendFileSync } from 'node:fs';
import { verifyArtifact } from '../artifacts/read.js';
import { removeLeftovers } from '../artifacts/leftovers.js';
import { sealFolder } from '../artifacts/seal.js';
import { createStores } from '../artifacts/stores.js';
import { copyArtifact } from '../artifacts/copy.js';
import type { ArtifactStore } from '../ports/index.js';
import { createRegistry } from '../registry/registry.js';
import type { ArtifactRef } from '@retempo/workflows/contracts';
import { metered } from './metered.js';
import { call, withoutCopy, type ElsewhereStore } from './suite.js';

/** What the child does, and when it kills itself. */
export interface ChildInput {
  readonly elsewhere: ElsewhereStore;
  readonly task:
    | { readonly kind: 'seal'; readonly folder: string; readonly prefix: string }
    | { readonly kind: 'copy'; readonly ref: ArtifactRef; readonly prefix: string }
    | { readonly kind: 'tidy'; readonly prefix: string }
    | { readonly kind: 'append'; readonly path: string; readonly name: string; readonly times: number };
  /** File to which the bytes sent by every call are appended, one line each, before they are sent. */
  readonly journal?: string;
  /** SIGKILL to itself before this call of the store, counted from 1. */
  readonly killAt?: number;
}

const input = JSON.parse(process.argv[2] ?? '') as ChildInput;
const { elsewhere, task, journal, killAt } = input;
const opener = ((await import(elsewhere.module)) as Record<string, (options: unknown) => Promise<ArtifactStore>>)[
  elsewhere.open
];
if (opener === undefined) throw new Error(`${elsewhere.module} has no export ${elsewhere.open}`);

const { store: watched } = metered(
  await opener(elsewhere.options),
  () => true,
  (operation) => {
    if (killAt === operation) process.kill(process.pid, 'SIGKILL');
  }
);
const store: ArtifactStore = {
  ...watched,
  upload: {
    ...watched.upload,
    part(upload, number, bytes, options) {
      if (journal !== undefined) appendFileSync(journal, `${bytes.length}\n`);
      return watched.upload.part(upload, number, bytes, options);
    },
  },
};
process.stdout.write('ready\n');

switch (task.kind) {
  case 'seal': {
    const ref = await sealFolder({ store, folder: task.folder, prefix: task.prefix }, call());
    await verifyArtifact({ stores: createStores([store]), ref }, call());
    break;
  }
  case 'copy': {
    // Without `copy` the bytes go through this process, as between two stores.
    const other = withoutCopy(store);
    await copyArtifact(
      { from: { stores: createStores([store]), ref: task.ref }, to: { store: other, prefix: task.prefix } },
      call()
    );
    break;
  }
  case 'tidy': {
    await removeLeftovers({ store, prefix: task.prefix, olderThanMs: 0 }, call());
    break;
  }
  case 'append': {
    const registry = createRegistry({ store });
    for (let index = 0; index < task.times; index++) {
      const name = `${task.name}.${index}`;
      await registry.updateDocument<readonly string[]>(task.path, (log) => [...(log ?? []), name], call());
      process.stdout.write(`${name}\n`);
    }
    break;
  }
}
