import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { copyArtifact } from '../artifacts/copy.js';
import { removeLeftovers } from '../artifacts/leftovers.js';
import { manifestName, openManifest } from '../artifacts/manifest.js';
import { isClass } from '../artifacts/objects.js';
import { partSizeBytes } from '../artifacts/part-size.js';
import { verifyArtifact } from '../artifacts/read.js';
import { sealFolder } from '../artifacts/seal.js';
import { createStores, uriOf } from '../artifacts/stores.js';
import { digestBytes } from '../artifacts/digest.js';
import type { ArtifactStore } from '../ports/index.js';
import { createRegistry } from '../registry/registry.js';
import { writeFiles } from './artifacts-data.js';
import type { ChildInput } from './child.js';
import {
  call,
  collectAll,
  contentOf,
  inTemporaryFolder,
  noise,
  withoutCopy,
  type ConformanceCase,
  type ElsewhereStore,
} from './suite.js';

const program = fileURLToPath(new URL('child.js', import.meta.url));

interface Ended {
  /** True when it finished its task. */
  readonly done: boolean;
  readonly killed: boolean;
  readonly lines: readonly string[];
}

/** Runs the child until it ends, or kills it with -9 when `until` resolves. */
async function runChild(input: ChildInput, until?: (started: Promise<unknown>) => Promise<unknown>): Promise<Ended> {
  const child = spawn(process.execPath, [program, JSON.stringify(input)], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  const started = new Promise<void>((resolve) => {
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString();
      resolve();
    });
    child.once('exit', () => resolve());
  });
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  if (until !== undefined) void until(started).then(() => child.kill('SIGKILL'));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  const killed = signal === 'SIGKILL';
  assert.ok(killed || code === 0, `the child failed: ${errors.slice(-2000)}`);
  return { done: code === 0, killed, lines: output.split('\n').filter((line) => line !== '' && line !== 'ready') };
}

/** Everything that a reader can see under a prefix must be whole. */
async function visibleArtifactsAreWhole(store: ArtifactStore, prefix: string): Promise<number> {
  let seen = 0;
  for (const key of await collectAll(store.list(`${prefix}/`, call()))) {
    if (!key.endsWith(`/${manifestName}`)) continue;
    const text = await contentOf(store, key);
    const { digest, bytes } = openManifest(text, digestBytes(text), key);
    const uri = uriOf(store, key.slice(0, -manifestName.length));
    await verifyArtifact({ stores: createStores([store]), ref: { v: 1, uri, digest, bytes } }, call());
    seen += 1;
  }
  return seen;
}

/** Cases that start processes and kill them with -9. */
export function processCases(elsewhere: (store: ArtifactStore) => ElsewhereStore): readonly ConformanceCase[] {
  return [
    {
      title: 'A1: killed -9 before every call of a seal: readers see nothing or a whole version; a repetition ends it',
      run: (store) =>
        inTemporaryFolder(async (temporary) => {
          const folder = await writeFiles(join(temporary, 'source'), {
            'model.bin': noise(partSizeBytes(1) + 99),
            'deep/small.json': '{}',
            empty: '',
          });
          // After one call and before the next one the store is in the same state: one kill for both.
          let kills = 0;
          for (let operation = 1; ; operation++) {
            const prefix = `p/${operation}`;
            const task = { kind: 'seal', folder, prefix } as const;
            const ended = await runChild({ elsewhere: elsewhere(store), task, killAt: operation });
            await visibleArtifactsAreWhole(store, prefix);
            const ref = await sealFolder({ store, folder, prefix }, call());
            assert.equal(await visibleArtifactsAreWhole(store, prefix), 1);
            await removeLeftovers({ store, prefix, olderThanMs: 0 }, call());
            await verifyArtifact({ stores: createStores([store]), ref }, call());
            if (ended.done) break;
            kills += 1;
          }
          assert.ok(kills >= 10, `only ${kills} kills`);
          assert.deepEqual(await collectAll(store.upload.open('', call())), []);
        }),
    },
    {
      title: 'A1: killed -9 at random moments of a seal, again and again on the same prefix',
      run: (store) =>
        inTemporaryFolder(async (temporary) => {
          const folder = await writeFiles(join(temporary, 'source'), { 'model.bin': noise(6 * partSizeBytes(1)) });
          let done = false;
          for (let round = 0; !done; round++) {
            const killAfterMs = 10 * 1.5 ** round;
            const task = { kind: 'seal', folder, prefix: 'random' } as const;
            const ended = await runChild({ elsewhere: elsewhere(store), task }, (started) =>
              started.then(() => sleep(killAfterMs))
            );
            await visibleArtifactsAreWhole(store, 'random');
            done = ended.done;
          }
          assert.equal(await visibleArtifactsAreWhole(store, 'random'), 1);
        }),
    },
    {
      title: 'A1: an upload killed -9 ten times sends again at most the parts that were in flight',
      run: (store) =>
        inTemporaryFolder(async (temporary) => {
          if (store.capabilities.resume === 'none') return;
          const parts = 16;
          const part = partSizeBytes(1);
          const size = parts * part;
          const journal = join(temporary, 'journal');
          await writeFile(journal, '');
          const folder = await writeFiles(join(temporary, 'source'), { 'model.bin': noise(size) });
          const task = { kind: 'seal', folder, prefix: 'resumed' } as const;
          const sentParts = async () => (await readFile(journal, 'utf8')).split('\n').length - 1;
          let kills = 0;
          for (;;) {
            const before = await sentParts();
            const waiting = new AbortController();
            const ended = await runChild(
              { elsewhere: elsewhere(store), task, journal },
              kills === 10
                ? undefined
                : async () => {
                    while (!waiting.signal.aborted && (await sentParts()) < before + 2) await sleep(2);
                  }
            );
            waiting.abort();
            if (ended.done) break;
            kills += 1;
          }
          const sent = (await readFile(journal, 'utf8')).split('\n').reduce((sum, line) => sum + Number(line), 0);
          // At most four parts are in flight by default: that many may be lost by each kill, and no more.
          assert.ok(sent - size <= kills * 4 * part, `${kills} kills, ${(sent - size) / part} parts sent again`);
          assert.equal(await visibleArtifactsAreWhole(store, 'resumed'), 1);
        }),
    },
    {
      title: 'A1: a relay between stores killed -9 before every call is never visible in part, and resumes',
      run: (store) =>
        inTemporaryFolder(async (temporary) => {
          const folder = await writeFiles(join(temporary, 'source'), {
            'model.bin': noise(partSizeBytes(1) + 99),
            small: '{}',
          });
          const ref = await sealFolder({ store, folder, prefix: 'versions' }, call());
          const other = withoutCopy(store);
          for (let operation = 1; ; operation++) {
            const prefix = `relay/${operation}`;
            const task = { kind: 'copy', ref, prefix } as const;
            const ended = await runChild({ elsewhere: elsewhere(store), task, killAt: operation });
            await visibleArtifactsAreWhole(store, prefix);
            const from = { stores: createStores([store]), ref };
            await copyArtifact({ from, to: { store: other, prefix } }, call());
            assert.equal(await visibleArtifactsAreWhole(store, prefix), 1);
            if (ended.done) break;
          }
          assert.deepEqual(await collectAll(store.upload.open('', call())), []);
        }),
    },
    {
      title: 'A6: a remover of leftovers killed -9 before every call is followed by the next; a seal ends whole again',
      run: (store) =>
        inTemporaryFolder(async (temporary) => {
          const folder = await writeFiles(join(temporary, 'source'), { a: 'one', b: 'two', c: 'three' });
          const stores = createStores([store]);
          for (let operation = 1; ; operation++) {
            const prefix = `tidied/${operation}`;
            // What a try leaves that was killed right before it published: files without a manifest.
            const { uri } = await sealFolder({ store, folder, prefix }, call());
            const { key } = stores.resolve(uri);
            await store.delete(`${key}/${manifestName}`, call());
            const ended = await runChild({
              elsewhere: elsewhere(store),
              task: { kind: 'tidy', prefix },
              killAt: operation,
            });
            const early = await sealFolder({ store, folder, prefix }, call()).catch((error: unknown) => {
              // Told to come back: only while the removal that was cut off stands.
              assert.ok(!ended.done && isClass(error, 'ServiceFault'), String(error));
              return null;
            });
            const later = Date.now() + 16 * 60_000;
            await removeLeftovers({ store, prefix, olderThanMs: 3_600_000, now: () => later }, call());
            const ref = await sealFolder({ store, folder, prefix }, call());
            assert.deepEqual(early ?? ref, ref);
            await verifyArtifact({ stores, ref }, call());
            assert.equal(await visibleArtifactsAreWhole(store, prefix), 1);
            if (ended.done) break;
            assert.ok(operation < 100);
          }
        }),
    },
    {
      title:
        'G6: four processes that update one document, two of them killed -9 again and again, lose no confirmed update',
      async run(store) {
        const update = (name: string, times: number, killAfterMs?: number) =>
          runChild(
            { elsewhere: elsewhere(store), task: { kind: 'append', path: 'shared/log', name, times } },
            killAfterMs === undefined ? undefined : (started) => started.then(() => sleep(killAfterMs))
          );
        const killed = async (name: string) => {
          const lines: string[] = [];
          for (let round = 0; round < 6; round++) {
            lines.push(...(await update(`${name}${round}`, 1000, 15 + 23 * round)).lines);
          }
          return lines;
        };
        const [a, b, c, d] = await Promise.all([
          update('a', 25).then(({ lines }) => lines),
          update('b', 25).then(({ lines }) => lines),
          killed('c'),
          killed('d'),
        ]);
        const registry = createRegistry({ store });
        const log = (await registry.readDocument<readonly string[]>('shared/log', call()))?.value ?? [];
        assert.equal(new Set(log).size, log.length, 'an update was made twice');
        const lost = [...a, ...b, ...c, ...d].filter((name) => !log.includes(name));
        assert.deepEqual(lost, []);
        assert.equal(a.length + b.length, 50);
        await registry.updateDocument<readonly string[]>('shared/log', (now) => [...(now ?? []), 'last'], call());
      },
    },
  ];
}
