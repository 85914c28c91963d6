import { expect, it } from 'vitest';
import type { ArtifactStore } from '../ports/index.js';
import { createFileStore } from './file-store.js';
import { createStores } from './stores.js';

const at = (root: string): ArtifactStore => ({ ...createFileStore({ root: '/' }), root });

it('of two roots that hold a URI the longer one counts, however they are named', () => {
  const roots = [at('file:///a/'), at('file:///a/b/c/'), at('file:///a/b/')];
  for (const stores of [createStores(roots), createStores(roots.toReversed())]) {
    const found = ['file:///a/x', 'file:///a/b/x', 'file:///a/b/c/x/'].map((uri) => stores.resolve(uri));
    expect(found.map(({ store, key }) => [store.root, key])).toEqual([
      ['file:///a/', 'x'],
      ['file:///a/b/', 'x'],
      ['file:///a/b/c/', 'x'],
    ]);
  }
});

it.each<[string, readonly string[], RegExp]>([
  ['one root twice', ['file:///a/', 'file:///b/', 'file:///a/'], /two stores have the root file:\/\/\/a\/; remove one/],
  ['a root that would hold its neighbours', ['file:///a'], /the store root file:\/\/\/a must end in \/; add it/],
])('%s is refused', (_what, roots, says) => {
  expect(() => createStores(roots.map(at))).toThrow(says);
});

it.each([
  ['file:///b/x', /"file:\/\/\/b\/x" is in no known store; known roots: file:\/\/\/a\//],
  ['file:///a/%zz', /is not a valid URI/],
  ['file:///a/x?y', /has a query, a fragment or an encoded slash/],
])('%s is refused with what to do', (uri, says) => {
  expect(() => createStores([at('file:///a/')]).resolve(uri)).toThrow(says);
});

it('says that no store is known', () => {
  expect(() => createStores([]).resolve('file:///a/x')).toThrow('known roots: none');
});
