import { PortError, type ArtifactStore } from '../ports/index.js';
import { assertKey } from './key.js';

/** A store and a key in it. */
export interface Located {
  readonly store: ArtifactStore;
  /** Without the `/` that ends the URI of a folder. */
  readonly key: string;
}

/** The stores that a process knows; nothing outside their roots can be reached through them. */
export interface Stores {
  readonly all: readonly ArtifactStore[];
  /**
   * Store and key of a URI.
   *
   * @throws PortError `InvalidSpec`: unknown scheme, root outside the known ones, or a bad key.
   */
  resolve(uri: string): Located;
}

/** URI of a key in a store; a key that ends in `/` gives the URI of a folder. */
export function uriOf(store: ArtifactStore, key: string): string {
  assertKey(key.endsWith('/') ? key.slice(0, -1) : key);
  return store.root + encodeURI(key).replaceAll('#', '%23');
}

/** Makes the list of known stores. Of two roots that both contain a URI the longer one counts. */
export function createStores(stores: readonly ArtifactStore[]): Stores {
  const all = stores.toSorted((a, b) => b.root.length - a.root.length);
  const twin = all.find(({ root }, index) => all.findIndex((other) => other.root === root) !== index);
  if (twin !== undefined) throw new PortError('InvalidSpec', `two stores have the root ${twin.root}; remove one`);
  const unclosed = all.find((store) => !store.root.endsWith('/'));
  if (unclosed !== undefined)
    throw new PortError('InvalidSpec', `the store root ${unclosed.root} must end in /; add it`);
  return {
    all,
    resolve(uri) {
      const store = all.find(({ root }) => uri.startsWith(root));
      if (store === undefined) {
        const known = all.length === 0 ? 'none' : all.map(({ root }) => root).join(', ');
        throw new PortError(
          'InvalidSpec',
          `${JSON.stringify(uri)} is in no known store; known roots: ${known}; use a URI below one of them`
        );
      }
      const rest = uri.slice(store.root.length).replace(/\/$/, '');
      if (/[?#]|%2f/i.test(rest)) {
        throw new PortError(
          'InvalidSpec',
          `${JSON.stringify(uri)} has a query, a fragment or an encoded slash; give it as sealing or copying returned it`
        );
      }
      // One decoding undoes `uriOf`; assertKey then judges every further one.
      let key: string;
      try {
        key = decodeURIComponent(rest);
      } catch (error) {
        throw new PortError(
          'InvalidSpec',
          `${JSON.stringify(uri)} is not a valid URI; give it as sealing or copying returned it`,
          { cause: error }
        );
      }
      assertKey(key);
      return { store, key };
    },
  };
}
