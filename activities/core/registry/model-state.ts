import type { VersionId } from '@retempo/workflows/contracts';
import type { AliasChange, Pin, VersionMetrics } from './types.js';

/** What the registry knows of one version beside its immutable record. */
export interface VersionState {
  /** URI of its artifact: versions made of the same bytes share one. */
  readonly uri: string;
  /** ISO 8601 in UTC. */
  readonly registeredAt: string;
  /** What was measured after it was registered. */
  readonly metrics?: VersionMetrics;
  /** Deletion of the bytes has been decided; the version can no longer be aliased or pinned. */
  readonly collecting?: true;
  /** The bytes are gone. */
  readonly collectedAt?: string;
}

/** An alias with its latest changes; older ones have been moved to pages. */
export interface AliasState extends AliasChange {
  /** Ascending generations, the current one last. */
  readonly recent: readonly AliasChange[];
  /** First generations of the full pages, ascending. */
  readonly pages: readonly number[];
}

/**
 * Everything about a model that changes, in one document: an alias, a pin and a deletion are decided against each other by
 * one compare-and-set, so no version is ever both named and deleted.
 */
export interface ModelState {
  readonly v: 1;
  readonly versions: Readonly<Record<VersionId, VersionState>>;
  readonly aliases: Readonly<Record<string, AliasState>>;
  readonly pins: readonly Pin[];
}

/** State of a model that nothing is known of. */
export const emptyState: ModelState = { v: 1, versions: {}, aliases: {}, pins: [] };

/** Changes of one alias that stay in the document; twice as many are cut into a page and the rest. */
export const pageLength = 100;

/** Why a version must be kept, or undefined. */
export function protectionOf(state: ModelState, version: VersionId): string | undefined {
  const alias = Object.entries(state.aliases).find(([, entry]) => entry.version === version)?.[0];
  if (alias !== undefined) return `alias ${alias}`;
  const pin = state.pins.find((entry) => entry.version === version);
  return pin === undefined ? undefined : `pin ${pin.name}: ${pin.reason}`;
}

/** Copies a record without an entry. */
export const withoutEntry = <T>(record: Readonly<Record<string, T>>, key: string): Readonly<Record<string, T>> =>
  Object.fromEntries(Object.entries(record).filter(([name]) => name !== key));

/** Copies an entry into a record under a key that may be any string. */
export const withEntry = <T>(record: Readonly<Record<string, T>>, key: string, value: T): Readonly<Record<string, T>> =>
  Object.fromEntries([...Object.entries(withoutEntry(record, key)), [key, value]]);

/** Entry of a record under its own key, never an inherited one. */
export const entryOf = <T>(record: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined;
