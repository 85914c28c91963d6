import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { ArtifactRef } from '@retempo/workflows/contracts';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { createFileStore, sealFolder } from '../artifacts/index.js';
import { PortError, type ArtifactStore } from '../ports/index.js';
import { createCheckpointActivities } from './activities.js';
import { portCalls, type PortCalls } from './calls.js';
import {
  checkpointPrefix,
  createCheckpointCopier,
  deleteCheckpoints,
  publishCheckpoint,
  type SealFolder,
} from './checkpoints.js';

const base = mkdtempSync(`${tmpdir()}/retempo-checkpoints-`);
afterAll(() => rmSync(base, { recursive: true, force: true }));

const step = { releaseId: 'retempo/test/run/1', step: 'train' };
const call = { signal: new AbortController().signal, deadlineMs: Date.now() + 600_000 };
let tests = 0;
let folder = '';
let store: ArtifactStore;

beforeEach(() => {
  tests += 1;
  folder = `${base}/${tests}/checkpoint`;
  mkdirSync(folder, { recursive: true });
  store = newStore('store');
});

function newStore(name: string): ArtifactStore {
  mkdirSync(`${base}/${tests}/${name}`);
  return createFileStore({ root: `${base}/${tests}/${name}` });
}

const inActivity = <T>(work: (calls: PortCalls) => Promise<T>, attempt = 1): Promise<T> =>
  new MockActivityEnvironment({ attempt }, { logger: new DefaultLogger('ERROR') }).run(() => work(portCalls(10_000)));

const find = (stores: readonly ArtifactStore[] = [store], attempt = 1): Promise<ArtifactRef | null> =>
  inActivity(() => createCheckpointActivities({ stores }).findCheckpoint(step), attempt);

const copierWith = (calls: PortCalls, seal: SealFolder = sealFolder) =>
  createCheckpointCopier({ store, seal, calls, ...step });

const ref = (digit: string): ArtifactRef => ({
  v: 1,
  uri: 'file:///x/',
  digest: `sha256:${digit.repeat(64)}`,
  bytes: 1,
});

describe('checkpoints', () => {
  it('a folder is copied when it stands still, and again when it has changed, however often it changes', async () => {
    await inActivity(async (calls) => {
      let seals = 0;
      const copier = copierWith(calls, (input, inner) => {
        seals += 1;
        return sealFolder(input, inner);
      });
      const settle = async () => {
        await copier.look(folder);
        await copier.look(folder);
        await copier.finish(folder);
      };
      await settle();
      expect(seals).toBe(0);
      writeFileSync(`${folder}/step-1`, 'one');
      writeFileSync(`${folder}/step-2.tmp`, 'half');
      writeFileSync(`${folder}/.hidden`, 'half');
      // One look is enough: a program that saves more often than it is looked at still leaves a checkpoint.
      await copier.look(folder);
      await copier.finish(folder);
      expect(seals).toBe(1);
      const first = await find();
      expect(first?.bytes).toBe(3);
      await settle();
      expect(seals).toBe(1);
      writeFileSync(`${folder}/step-2`, 'second');
      await settle();
      expect(seals).toBe(2);
      expect((await find())?.bytes).toBe(9);
      expect(copier.problem()).toBeNull();
    });
  });

  it('a folder that changes during the copy is not published', async () => {
    writeFileSync(`${folder}/model`, 'complete');
    await inActivity(async (calls) => {
      const copier = copierWith(calls, async (input, inner) => {
        const ref = await sealFolder(input, inner);
        writeFileSync(`${folder}/model`, 'being written');
        return ref;
      });
      await copier.finish(folder);
      expect(await find()).toBeNull();
      const calm = copierWith(calls);
      await calm.finish(folder);
      expect((await find())?.bytes).toBe('being written'.length);
    });
  });

  it('a copy that fails is told until one works, shortly, and does not disturb', async () => {
    writeFileSync(`${folder}/model`, 'complete');
    await inActivity(async (calls) => {
      let isFull = true;
      const copier = copierWith(calls, (input, inner) =>
        isFull ? Promise.reject(new Error(`store is full${'!'.repeat(1000)}`)) : sealFolder(input, inner)
      );
      await copier.finish(folder);
      expect(copier.problem()).toBe(`store is full${'!'.repeat(287)}`);
      isFull = false;
      await copier.finish(folder);
      expect(copier.problem()).toBeNull();
      expect(await find()).not.toBeNull();
    });
  });

  it('a change deep inside counts; what is not finished, or not there, does not', async () => {
    mkdirSync(`${folder}/shards`);
    writeFileSync(`${folder}/shards/0`, 'one');
    await inActivity(async (calls) => {
      let seals = 0;
      const copier = copierWith(calls, async (input, inner) => {
        seals += 1;
        writeFileSync(`${folder}/next.tmp`, 'x'.repeat(seals));
        return await sealFolder(input, inner);
      });
      await copier.finish(folder);
      // In the folder of the file nothing has changed but the file.
      writeFileSync(`${folder}/shards/0`, 'second');
      await copier.finish(folder);
      expect((await find())?.bytes).toBe('second'.length);
      writeFileSync(`${folder}/next.tmp`, 'still being written');
      await copier.finish(folder);
      await copier.look(`${folder}/none`);
      await copier.finish(`${folder}/none`);
      // A program that takes the old one away before it writes the next.
      rmSync(`${folder}/shards/0`);
      await copier.finish(folder);
      expect(seals).toBe(2);
      expect(copier.problem()).toBeNull();
    });
  });

  it.each<readonly [string, (written: number) => void]>([
    ['is being written', (written) => writeFileSync(`${folder}/model`, 'x'.repeat(written))],
    ['is gone by then', () => rmSync(folder, { recursive: true, force: true })],
  ])('a folder that %s is not copied while the job runs', async (_, change) => {
    let seals = 0;
    await inActivity(async (calls) => {
      const copier = copierWith(calls, (input, inner) => {
        seals += 1;
        return sealFolder(input, inner);
      });
      for (let look = 1; look <= 5; look += 1) {
        mkdirSync(folder, { recursive: true });
        writeFileSync(`${folder}/model`, '');
        let written = 0;
        // Often enough for every look to see a change: the timer of the shorter time always goes first.
        const changing = setInterval(() => change((written += 1)), 30);
        await copier.look(folder);
        clearInterval(changing);
      }
    });
    expect(seals).toBe(0);
  });

  it('of a release that is over are deleted, first what would lead somebody to half of one', async () => {
    writeFileSync(`${folder}/model`, 'complete');
    await inActivity((calls) => copierWith(calls).finish(folder));
    const deleted: string[] = [];
    const dying: ArtifactStore = {
      ...store,
      async delete(...input) {
        deleted.push(input[0]);
        if (deleted.length === 2) throw new PortError('ServiceFault', 'the worker died');
        await store.delete(...input);
      },
    };
    await expect(deleteCheckpoints(dying, step.releaseId, call)).rejects.toThrow('the worker died');
    expect(deleted[0]).toMatch(/\/latest\.json$/);
    expect(await find()).toBeNull();
    await deleteCheckpoints(store, step.releaseId, call);
    const left: string[] = [];
    for await (const key of store.list('checkpoints/', call)) left.push(key);
    expect(left).toEqual([]);
  });

  it('a straggler never replaces a newer checkpoint, in whatever order they arrive', async () => {
    const times = [300, 100, 500, 200, 400];
    await Promise.all(
      times.map((savedAtMs) => publishCheckpoint(store, step, { ref: ref(String(savedAtMs / 100)), savedAtMs }, call))
    );
    await publishCheckpoint(store, step, { ref: ref('1'), savedAtMs: 100 }, call);
    expect(await find()).toEqual(ref('5'));
  });

  it('one that is replaced while it is read is read again', async () => {
    await publishCheckpoint(store, step, { ref: ref('1'), savedAtMs: 1 }, call);
    const plain = store;
    let replaced = 0;
    const racing: ArtifactStore = {
      ...plain,
      async *read(...input) {
        replaced += 1;
        if (replaced === 1) await publishCheckpoint(plain, step, { ref: ref('2'), savedAtMs: 2 }, call);
        yield* plain.read(...input);
      },
    };
    expect(await find([racing])).toEqual(ref('2'));
    replaced = 0;
    await publishCheckpoint(racing, step, { ref: ref('3'), savedAtMs: 3 }, call);
    expect(await find()).toEqual(ref('3'));
  });

  it('one that is deleted while it is read is none', async () => {
    await publishCheckpoint(store, step, { ref: ref('1'), savedAtMs: 1 }, call);
    const plain = store;
    const racing: ArtifactStore = {
      ...plain,
      async *read(...input) {
        await plain.delete(input[0], call);
        yield* plain.read(...input);
      },
    };
    expect(await find([racing])).toBeNull();
  });

  it('a race without an end is told after a few rounds; what is no race at once', async () => {
    await publishCheckpoint(store, step, { ref: ref('1'), savedAtMs: 1 }, call);
    const failing = (error: Error) => {
      let tried = 0;
      const fail = () => {
        tried += 1;
        throw error;
      };
      return { tried: () => tried, reading: { ...store, read: fail }, writing: { ...store, put: fail } };
    };
    for (const [error, rounds] of [
      [new PortError('Conflict', 'somebody was faster'), 5],
      [new PortError('ServiceFault', 'down'), 1],
      [new TypeError('no such field'), 1],
    ] as const) {
      const read = failing(error);
      await expect(find([read.reading])).rejects.toThrow(error.message);
      expect(read.tried()).toBe(rounds);
      const write = failing(error);
      const publishing = publishCheckpoint(write.writing, step, { ref: ref('2'), savedAtMs: 2 }, call);
      await expect(publishing).rejects.toBe(error);
      expect(write.tried()).toBe(rounds);
    }
  });

  it('the same checkpoint again writes nothing', async () => {
    const key = `${checkpointPrefix(step.releaseId, step.step)}/latest.json`;
    await publishCheckpoint(store, step, { ref: ref('1'), savedAtMs: 1 }, call);
    const head = await store.head(key, call);
    await publishCheckpoint(store, step, { ref: ref('1'), savedAtMs: 2 }, call);
    expect(await store.head(key, call)).toEqual(head);
  });

  it.each([
    ['far too large', JSON.stringify({ v: 1, ref: ref('1'), savedAtMs: 1, more: 'x'.repeat(64 * 1024) })],
    ['cut', JSON.stringify({ v: 1, ref: ref('1'), savedAtMs: 1 }).slice(0, -1)],
    ['empty', ''],
    ['nothing', 'null'],
    ['without a checkpoint', JSON.stringify({ v: 1, savedAtMs: 1 })],
    ['without a time', JSON.stringify({ v: 1, ref: ref('1') })],
  ])(
    'a record that is %s keeps no run from going on: it is none, and the next checkpoint replaces it',
    async (_, text) => {
      const key = `${checkpointPrefix(step.releaseId, step.step)}/latest.json`;
      await store.put(key, Buffer.from(text), { ifAbsent: true }, call);
      expect(await find()).toBeNull();
      await publishCheckpoint(store, step, { ref: ref('2'), savedAtMs: 1 }, call);
      expect(await find()).toEqual(ref('2'));
    }
  );

  it('the newest of several stores counts; a store that is gone is waited for, then left out', async () => {
    const other = newStore('other');
    await publishCheckpoint(store, step, { ref: ref('1'), savedAtMs: 1 }, call);
    await publishCheckpoint(other, step, { ref: ref('2'), savedAtMs: 2 }, call);
    for (const stores of [
      [store, other],
      [other, store],
    ])
      expect(await find(stores)).toEqual(ref('2'));
    // What is nobody's trouble but this program's is never left out.
    const wrong: ArtifactStore = {
      ...store,
      read: () => {
        throw new TypeError('no such field');
      },
    };
    await expect(find([wrong, other], 4)).rejects.toThrow('no such field');
    rmSync(`${base}/${tests}/other`, { recursive: true });
    await expect(find([store, other])).rejects.toMatchObject({ nonRetryable: false });
    expect(await find([store, other], 4)).toEqual(ref('1'));
    await expect(find([other], 9)).rejects.toThrow();
  });
});
