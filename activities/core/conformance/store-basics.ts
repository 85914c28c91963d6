import assert from 'node:assert/strict';
import { digestBytes } from '../artifacts/digest.js';
import { partCount, partRange, partSizeBytes } from '../artifacts/part-size.js';
import { createStores, uriOf } from '../artifacts/stores.js';
import type { ArtifactStore, Part, UploadRef } from '../ports/index.js';
import { badKeys, goodKeys } from './bad-keys.js';
import {
  call,
  collectAll,
  collectBytes,
  contentOf,
  noise,
  overwrite,
  refuses,
  text,
  type ConformanceCase,
} from './suite.js';

const put = (store: ArtifactStore, key: string, value: string) =>
  store.put(key, text(value), { ifAbsent: true }, call());

/** Cases about single objects, listings, copies and the grammar of keys. */
export const basicCases: readonly ConformanceCase[] = [
  {
    title: 'a key that is not there: head is null, read throws NotFound, delete changes nothing',
    async run(store) {
      assert.equal(await store.head('a/b', call()), null);
      await refuses(contentOf(store, 'a/b'), 'NotFound', 'read');
      await store.delete('a/b', call());
    },
  },
  {
    title: 'put ifAbsent: the first writer wins, the second gets Conflict and changes nothing',
    async run(store) {
      const { version } = await put(store, 'a/b', 'first');
      await refuses(put(store, 'a/b', 'second'), 'Conflict', 'second put');
      assert.equal(Buffer.from(await contentOf(store, 'a/b')).toString(), 'first');
      assert.deepEqual(await store.head('a/b', call()), { size: 5, version });
    },
  },
  {
    title: 'put ifVersion: only the current version is replaced; nothing is created',
    async run(store) {
      const first = await put(store, 'd', '1');
      const second = await store.put('d', text('2'), { ifVersion: first.version }, call());
      assert.notEqual(first.version, second.version);
      await refuses(store.put('d', text('3'), { ifVersion: first.version }, call()), 'Conflict', 'old version');
      assert.equal(Buffer.from(await contentOf(store, 'd')).toString(), '2');
      assert.equal((await store.head('d', call()))?.version, second.version);
      await refuses(store.put('x', text('1'), { ifVersion: second.version }, call()), 'Conflict', 'absent key');
      assert.equal(await store.head('x', call()), null);
    },
  },
  {
    title: 'read gives exactly the bytes asked for, and Conflict for a version that is no longer current',
    async run(store) {
      const bytes = noise(3 * 1024 * 1024 + 17);
      const { version } = await store.put('r', bytes, { ifAbsent: true }, call());
      for (const [from, to] of [
        [0, 0],
        [0, 1],
        [5, 1_048_577],
        [1_048_576, bytes.length],
        [bytes.length, bytes.length],
      ] as const) {
        const part = await collectBytes(store.read('r', { from, to }, call()));
        assert.ok(Buffer.from(part).equals(bytes.subarray(from, to)), `bytes ${from} to ${to}`);
      }
      assert.ok(Buffer.from(await collectBytes(store.read('r', { version }, call()))).equals(bytes));
      await overwrite(store, 'r', text('other'));
      await refuses(collectBytes(store.read('r', { version }, call())), 'Conflict', 'old version');
    },
  },
  {
    title: 'an empty object exists, and is empty',
    async run(store) {
      await put(store, 'empty', '');
      assert.equal((await store.head('empty', call()))?.size, 0);
      assert.equal((await contentOf(store, 'empty')).length, 0);
    },
  },
  {
    title: 'list gives all keys of a prefix in code unit order, and only whole objects',
    async run(store) {
      const keys = [
        'a/b',
        'a/b.c',
        'a/b/c',
        'a-b',
        'a/z/1',
        'a/z/10',
        'a/z/2',
        'aa',
        'B',
        '\u00e9/x',
        '\u{1f600}',
        '\uff41',
      ];
      const usable = keys.filter((key) => key !== 'a/b');
      for (const key of usable.toReversed()) await put(store, key, key);
      const upload = await store.upload.begin('a/unfinished', 1, call());
      assert.deepEqual(await collectAll(store.list('', call())), usable.toSorted());
      for (const prefix of ['a', 'a/', 'a/b', 'a/z/1', 'a/z/', 'none/', 'a/b/c']) {
        const expected = usable.filter((key) => key.startsWith(prefix)).sort();
        assert.deepEqual(await collectAll(store.list(prefix, call())), expected, `prefix ${prefix}`);
      }
      await store.upload.abort(upload, call());
    },
  },
  {
    title: 'delete removes one key, and its name can be used again',
    async run(store) {
      await put(store, 'd/a', '1');
      await put(store, 'd/b', '2');
      await store.delete('d/a', call());
      assert.deepEqual(await collectAll(store.list('d/', call())), ['d/b']);
      await put(store, 'd/a', '3');
      assert.equal(Buffer.from(await contentOf(store, 'd/a')).toString(), '3');
    },
  },
  {
    title: 'a copy has the bytes, outlives its source, and never replaces anything',
    async run(store) {
      if (store.copy === undefined) return;
      const { version } = await put(store, 'from', 'bytes');
      await store.copy('from', 'deep/to', call());
      await put(store, 'taken', 'other');
      await refuses(store.copy('from', 'taken', call()), 'Conflict', 'copy over a key');
      assert.equal(Buffer.from(await contentOf(store, 'taken')).toString(), 'other');
      await store.put('from', text('changed'), { ifVersion: version }, call());
      assert.equal(Buffer.from(await contentOf(store, 'deep/to')).toString(), 'bytes');
      await store.delete('from', call());
      assert.equal(Buffer.from(await contentOf(store, 'deep/to')).toString(), 'bytes');
      await refuses(store.copy('from', 'x', call()), 'NotFound', 'copy of nothing');
      assert.equal(await store.head('x', call()), null);
    },
  },
  {
    title: 'a call that is cancelled or late does nothing and says so',
    async run(store) {
      const cancelled = { signal: AbortSignal.abort(), deadlineMs: Date.now() + 60_000 };
      const late = { signal: new AbortController().signal, deadlineMs: Date.now() - 1 };
      for (const [bad, expected] of [
        [cancelled, 'Cancelled'],
        [late, 'DeadlineExceeded'],
      ] as const) {
        await refuses(store.put('a', text('1'), { ifAbsent: true }, bad), expected, 'put');
        await refuses(store.head('a', bad), expected, 'head');
        await refuses(collectBytes(store.read('a', {}, bad)), expected, 'read');
        await refuses(store.upload.begin('a', 1, bad), expected, 'begin');
      }
      assert.deepEqual(await collectAll(store.list('', call())), []);
    },
  },
  {
    title: `A4: all ${badKeys.length} keys of the corpus are refused by every method, and nothing is written`,
    async run(store) {
      for (const { key, why } of badKeys) {
        const what = `${JSON.stringify(key.slice(0, 60))} (${why})`;
        await refuses(() => put(store, key, 'x'), 'InvalidSpec', `put ${what}`);
        await refuses(() => store.head(key, call()), 'InvalidSpec', `head ${what}`);
        await refuses(() => contentOf(store, key), 'InvalidSpec', `read ${what}`);
        await refuses(() => store.delete(key, call()), 'InvalidSpec', `delete ${what}`);
        await refuses(() => store.upload.begin(key, 1, call()), 'InvalidSpec', `begin ${what}`);
        await refuses(() => collectAll(store.list(`${key}/`, call())), 'InvalidSpec', `list ${what}`);
        if (store.copy !== undefined) {
          const copy = store.copy.bind(store);
          await refuses(() => copy('a', key, call()), 'InvalidSpec', `copy to ${what}`);
          await refuses(() => copy(key, 'a', call()), 'InvalidSpec', `copy from ${what}`);
        }
      }
      assert.deepEqual(await collectAll(store.list('', call())), []);
      assert.deepEqual(await collectAll(store.upload.open('', call())), []);
    },
  },
  {
    title: `A4: ${goodKeys.length} unusual but harmless keys go in and come out unchanged, also as URIs`,
    async run(store) {
      const stores = createStores([store]);
      for (const key of goodKeys) {
        // Under a folder of its own, because in some stores a key cannot also be the folder of another one.
        const own = Buffer.byteLength(key) > 1000 ? key : `${goodKeys.indexOf(key)}/${key}`;
        await put(store, own, key);
        assert.equal(Buffer.from(await contentOf(store, own)).toString(), key);
        assert.deepEqual(await collectAll(store.list(own, call())), [own]);
        assert.equal(stores.resolve(uriOf(store, own)).key, own);
      }
    },
  },
  {
    title: 'A4: a URI resolves only inside the root of a known store',
    async run(store) {
      const stores = createStores([store]);
      assert.deepEqual(stores.resolve(uriOf(store, 'a/b/')), { store, key: 'a/b' });
      const outside = [
        store.root.slice(0, -1),
        `${store.root.slice(0, -1)}-other/a`,
        `${store.root}../a`,
        `${store.root}a/../../b`,
        `${store.root}%2e%2e/a`,
        `${store.root}%252e%252e/a`,
        `${store.root}a%2fb`,
        `${store.root}a?x`,
        `${store.root}a#x`,
        `${store.root}/a`,
        store.root,
        `unknown:${store.root}a`,
        'http://127.0.0.1/a',
        'file:///etc/passwd',
        'a/b',
        '',
      ];
      for (const uri of outside) {
        await refuses(async () => Promise.resolve(stores.resolve(uri).key), 'InvalidSpec', `resolve ${uri}`);
      }
    },
  },
];

const partOf = (bytes: Uint8Array, number: number): Uint8Array => {
  const { from, to } = partRange(bytes.length, number);
  return bytes.subarray(from, to);
};

const sendPart = (store: ArtifactStore, upload: UploadRef, bytes: Uint8Array, number: number): Promise<Part> =>
  store.upload.part(upload, number, partOf(bytes, number), call());

async function sendAll(store: ArtifactStore, key: string, bytes: Uint8Array) {
  const upload = await store.upload.begin(key, bytes.length, call());
  const parts: Part[] = [];
  for (let number = 1; number <= partCount(bytes.length); number++) {
    parts.push(await sendPart(store, upload, bytes, number));
  }
  return { upload, parts };
}

const threeParts = 2 * partSizeBytes(1) + 1000;

/** Cases about uploads in parts. */
export const uploadCases: readonly ConformanceCase[] = [
  {
    title: 'A1: an upload is invisible until complete, and then whole',
    async run(store) {
      const bytes = noise(threeParts);
      const { upload, parts } = await sendAll(store, 'up/load', bytes);
      assert.equal(await store.head('up/load', call()), null);
      assert.deepEqual(await collectAll(store.list('', call())), []);
      assert.deepEqual(
        parts.map(({ number, size, digest }) => ({ number, size, digest })),
        [1, 2, 3].map((number) => ({
          number,
          size: partOf(bytes, number).length,
          digest: digestBytes(partOf(bytes, number)),
        }))
      );
      await store.upload.complete(upload, parts, call());
      assert.ok(Buffer.from(await contentOf(store, 'up/load')).equals(bytes));
      assert.deepEqual(await collectAll(store.upload.open('', call())), []);
    },
  },
  {
    title: 'an upload is found again by prefix, with the parts that are confirmed, and is resumed',
    async run(store) {
      if (store.capabilities.resume === 'none') return;
      const bytes = noise(threeParts);
      const begun = await store.upload.begin('up/load', bytes.length, call());
      const first = await sendPart(store, begun, bytes, 1);
      assert.deepEqual(await collectAll(store.upload.open('other/', call())), []);
      const [found, ...more] = await collectAll(store.upload.open('up/', call()));
      assert.deepEqual([found?.key, more.length], ['up/load', 0]);
      const upload = found ?? begun;
      const confirmed = await store.upload.confirmed(upload, call());
      assert.deepEqual(
        confirmed.map(({ number, size, digest }) => [number, size, digest]),
        [[1, first.size, first.digest]]
      );
      const rest = [await sendPart(store, upload, bytes, 2), await sendPart(store, upload, bytes, 3)];
      await store.upload.complete(upload, [...confirmed, ...rest], call());
      assert.ok(Buffer.from(await contentOf(store, 'up/load')).equals(bytes));
    },
  },
  {
    title: 'A1: an upload with a part missing, replaced, or of the wrong size cannot be completed',
    async run(store) {
      const bytes = noise(threeParts);
      const { upload, parts } = await sendAll(store, 'a', bytes);
      const [one, two, three] = parts as [Part, Part, Part];
      await refuses(store.upload.part(upload, 1, bytes.subarray(0, 1000), call()), 'InvalidSpec', 'short part');
      await refuses(
        store.upload.part(upload, 4, bytes.subarray(0, 1000), call()),
        'InvalidSpec',
        'part beyond the end'
      );
      await refuses(store.upload.part(upload, 0, partOf(bytes, 1), call()), 'InvalidSpec', 'part 0');
      await refuses(store.upload.complete(upload, [one, three], call()), ['Conflict', 'InvalidSpec'], 'part left out');
      const flipped = Buffer.from(partOf(bytes, 3));
      flipped[0] = (flipped[0] ?? 0) ^ 1;
      await store.upload.part(upload, 3, flipped, call());
      await refuses(store.upload.complete(upload, [one, two, three], call()), 'Conflict', 'part replaced');
      assert.equal(await store.head('a', call()), null);
      await store.upload.complete(upload, [one, two, await sendPart(store, upload, bytes, 3)], call());
      assert.ok(Buffer.from(await contentOf(store, 'a')).equals(bytes));
    },
  },
  {
    title: 'A2: of two uploads of one key one is published, the other gets Conflict; never a mix',
    async run(store) {
      const contents = [noise(threeParts), noise(threeParts)];
      const uploads = await Promise.all(contents.map((bytes) => sendAll(store, 'same', bytes)));
      const results = await Promise.allSettled(
        uploads.map(({ upload, parts }) => store.upload.complete(upload, parts, call()))
      );
      assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
      const winner = results.findIndex(({ status }) => status === 'fulfilled');
      const loser = results.find(({ status }) => status === 'rejected') as PromiseRejectedResult;
      await refuses(Promise.reject(loser.reason as Error), 'Conflict', 'the second complete');
      assert.ok(Buffer.from(await contentOf(store, 'same')).equals(contents[winner] ?? noise(1)));
    },
  },
  {
    title: 'A6: an aborted upload is gone, aborting again changes nothing, and its id is of no more use',
    async run(store) {
      const bytes = noise(threeParts);
      const { upload, parts } = await sendAll(store, 'gone', bytes);
      await store.upload.abort(upload, call());
      await store.upload.abort(upload, call());
      assert.deepEqual(await collectAll(store.upload.open('', call())), []);
      await refuses(store.upload.complete(upload, parts, call()), 'NotFound', 'complete after abort');
      await refuses(sendPart(store, upload, bytes, 1), 'NotFound', 'part after abort');
      assert.deepEqual(await collectAll(store.list('', call())), []);
    },
  },
  {
    title: 'A4: a made-up upload reference reaches nothing',
    async run(store) {
      const real = await store.upload.begin('real', 10, call());
      const madeUp = [
        { key: 'real', id: '../../etc' },
        { key: 'real', id: '' },
        { key: 'other', id: real.id },
      ];
      for (const upload of madeUp) {
        const what = JSON.stringify(upload);
        await refuses(store.upload.part(upload, 1, noise(10), call()), ['InvalidSpec', 'NotFound'], what);
        await refuses(store.upload.confirmed(upload, call()), ['InvalidSpec', 'NotFound'], what);
      }
      await store.upload.abort(real, call());
    },
  },
];
