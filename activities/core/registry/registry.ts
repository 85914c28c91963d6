import { isSlug, type VersionId } from '@retempo/workflows/contracts';
import { canonicalJson } from '@retempo/workflows/domain';
import { manifestName } from '../artifacts/manifest.js';
import { isClass } from '../artifacts/objects.js';
import { createStores, type Stores } from '../artifacts/stores.js';
import { deleteArtifact } from '../artifacts/delete.js';
import { PortError, type ArtifactStore, type Call } from '../ports/index.js';
import { createDocuments, type Documents } from './documents.js';
import {
  emptyState,
  entryOf,
  pageLength,
  protectionOf,
  withEntry,
  withoutEntry,
  type AliasState,
  type ModelState,
} from './model-state.js';
import type { Alias, AliasChange, CollectReport, ModelVersion, Pin, VersionInput, VersionMetrics } from './types.js';

/** Input of {@link Registry.setAlias}. */
export interface SetAliasInput {
  readonly model: string;
  readonly alias: string;
  readonly version: VersionId;
  /** Generation that the caller has seen; null when the alias must not exist yet. */
  readonly ifVersion: number | null;
  readonly actor: string;
  readonly reason: string;
}

/**
 * Versions, aliases and pins of models, and documents for everybody else, on any artifact store that can compare and set.
 * Every method may throw what the store throws.
 */
export interface Registry extends Documents {
  /**
   * Records a version. The same content again changes nothing and gives the first record; other content under the same
   * name throws `Conflict`. Throws `NotFound` when the artifact should lie in this store and does not.
   */
  register(input: VersionInput, call: Call): Promise<ModelVersion>;
  /**
   * Replaces the metrics of a version: they are measured after it was registered, on the rows of its gate. The same again
   * changes nothing. Throws `NotFound` for an unknown version.
   */
  setMetrics(
    input: { readonly model: string; readonly version: VersionId; readonly metrics: VersionMetrics },
    call: Call
  ): Promise<void>;
  /** Null when there is none. */
  getVersion(input: { readonly model: string; readonly version: VersionId }, call: Call): Promise<ModelVersion | null>;
  /** All versions of a model, oldest first; collected ones too. */
  listVersions(model: string, call: Call): Promise<readonly ModelVersion[]>;
  /**
   * Points an alias to a version if its generation is still the one given. Of callers that have seen the same generation
   * exactly one wins, the others get `Conflict`. Repeating a change that was made (same version, actor and reason on the
   * same generation) gives its result. Throws `NotFound` for an unknown version, `Conflict` for a collected one.
   */
  setAlias(input: SetAliasInput, call: Call): Promise<Alias>;
  /** Null when the alias was never set. */
  getAlias(input: { readonly model: string; readonly alias: string }, call: Call): Promise<Alias | null>;
  /** Every change of an alias, oldest first. */
  aliasHistory(input: { readonly model: string; readonly alias: string }, call: Call): Promise<readonly AliasChange[]>;
  /** Protects a version; a second pin of the same name and version only replaces the reason. */
  pin(
    input: { readonly model: string; readonly version: VersionId; readonly name: string; readonly reason: string },
    call: Call
  ): Promise<void>;
  /** Taking away what is not there changes nothing. */
  unpin(
    input: { readonly model: string; readonly version: VersionId; readonly name: string },
    call: Call
  ): Promise<void>;
  pinsOf(model: string, call: Call): Promise<readonly Pin[]>;
  /**
   * Deletes the bytes of versions that were registered before `olderThan` (ISO 8601) and have neither alias nor pin;
   * records stay. A repetition finishes what was interrupted.
   */
  collect(
    input: { readonly model: string; readonly olderThan: string; readonly stores?: Stores },
    call: Call
  ): Promise<CollectReport>;
}

/** Input of {@link createRegistry}. */
export interface RegistryOptions {
  readonly store: ArtifactStore;
  /** Key under which everything lies; default `registry`. */
  readonly prefix?: string;
  /** Clock, as ISO 8601 in UTC; default the machine's. */
  readonly now?: () => string;
}

const assertName = (name: string, what: string): void => {
  if (isSlug(name)) return;
  throw new PortError(
    'InvalidSpec',
    `${JSON.stringify(name)} is not a name of ${what}: use lower-case letters, digits and "-", starting with a letter`
  );
};

/** Makes the registry of a store. See {@link Registry}. */
export function createRegistry({ store, prefix = 'registry', now }: RegistryOptions): Registry {
  const clock = now ?? (() => new Date().toISOString());
  const models = createDocuments({ store, prefix: `${prefix}/models` });
  const documents = createDocuments({ store, prefix: `${prefix}/documents` });

  const modelPath = (model: string, rest: string): string => {
    assertName(model, 'a model');
    return `${model}/${rest}`;
  };
  const versionPath = (model: string, version: VersionId): string => {
    assertName(version, 'a version');
    return modelPath(model, `versions/${version}`);
  };
  const stateOf = async (model: string, call: Call): Promise<ModelState> =>
    (await models.readDocument<ModelState>(modelPath(model, 'state'), call))?.value ?? emptyState;
  const changeState = (model: string, change: (state: ModelState) => ModelState | undefined, call: Call) =>
    models.updateDocument<ModelState>(modelPath(model, 'state'), (state) => change(state ?? emptyState), call);

  /** A record counts from the moment its model knows of it; until then its registration is unfinished. */
  const withState = (record: ModelVersion, state: ModelState): ModelVersion | null => {
    const entry = entryOf(state.versions, record.version);
    if (entry === undefined) return null;
    const { metrics = record.metrics, collectedAt } = entry;
    return { ...record, metrics, ...(collectedAt === undefined ? {} : { collectedAt }) };
  };

  /** Throws unless the version can be given a name. */
  function assertUsable(state: ModelState, model: string, version: VersionId): void {
    const known = entryOf(state.versions, version);
    if (known === undefined)
      throw new PortError('NotFound', `model ${model} has no version ${version}; register it first`);
    if (known.collecting === true || known.collectedAt !== undefined) {
      throw new PortError(
        'Conflict',
        `the bytes of ${model} ${version} have been deleted; it cannot be used any more, name another version`
      );
    }
  }

  async function register(input: VersionInput, call: Call): Promise<ModelVersion> {
    const { model, version, artifact, lineage, metrics = {} } = input;
    const path = versionPath(model, version);
    const record: ModelVersion = { v: 1, model, version, artifact, lineage, metrics, registeredAt: clock() };
    const stored = await models
      .writeDocument(path, record, { ifAbsent: true }, call)
      .then(() => record)
      .catch(async (error: unknown) => {
        const existing = (await models.readDocument<ModelVersion>(path, call))?.value;
        if (existing === undefined || !(isClass(error, 'Conflict') || isClass(error, 'UnknownOutcome'))) throw error;
        if (canonicalJson({ ...record, registeredAt: existing.registeredAt }) === canonicalJson(existing))
          return existing;
        throw new PortError(
          'Conflict',
          `${model} ${version} is registered with other content; versions never change, give the new content a new id`
        );
      });
    const { uri } = artifact;
    const { value } = await changeState(
      model,
      (state) => {
        if (entryOf(state.versions, version) !== undefined) return undefined;
        // Bytes that are being deleted for another version of the same content must not be relied on.
        const doomed = Object.values(state.versions).some((entry) => entry.uri === uri && entry.collecting === true);
        if (doomed) throw new PortError('Conflict', `${uri} is being deleted; seal the artifact again, then register`);
        return { ...state, versions: withEntry(state.versions, version, { uri, registeredAt: stored.registeredAt }) };
      },
      call
    );
    if (uri.startsWith(store.root) && entryOf(value?.versions ?? {}, version)?.collectedAt === undefined) {
      const { key } = createStores([store]).resolve(uri);
      if ((await store.head(`${key}/${manifestName}`, call)) === null) {
        // The entry was made first, to keep a collector away; without the bytes it must not be used.
        await changeState(
          model,
          (state) =>
            protectionOf(state, version) === undefined
              ? { ...state, versions: withoutEntry(state.versions, version) }
              : undefined,
          call
        );
        throw new PortError(
          'NotFound',
          `there is no artifact at ${uri}; seal it again, then register ${model} ${version}`
        );
      }
    }
    return stored;
  }

  async function setAlias(input: SetAliasInput, call: Call): Promise<Alias> {
    const { model, alias, version, ifVersion, actor, reason } = input;
    assertName(alias, 'an alias');
    if (actor.trim() === '' || reason.trim() === '') {
      throw new PortError(
        'InvalidSpec',
        `a change of alias ${alias} of ${model} needs an actor and a reason; give both`
      );
    }
    const before = entryOf((await stateOf(model, call)).aliases, alias);
    const saved =
      before !== undefined && before.recent.length >= 2 * pageLength
        ? await writePage(model, alias, before, call)
        : undefined;

    let change: AliasChange | undefined;
    await changeState(
      model,
      (state) => {
        const current = entryOf(state.aliases, alias);
        const generation = (ifVersion ?? 0) + 1;
        const repeated = current?.generation === generation && current.version === version;
        if (repeated && current.actor === actor && current.reason === reason) {
          change = current.recent.at(-1);
          return undefined;
        }
        if ((current?.generation ?? null) !== ifVersion) {
          throw new PortError(
            'Conflict',
            `alias ${alias} of ${model} is ${current === undefined ? 'not set' : `${current.version} at generation ${current.generation}`}, ` +
              `not at generation ${ifVersion ?? 'none'}; read it again, then decide`
          );
        }
        assertUsable(state, model, version);
        change = { generation, version, actor, reason, at: clock() };
        return { ...state, aliases: withEntry(state.aliases, alias, nextAlias(current, change, saved)) };
      },
      call
    );
    if (change === undefined)
      throw new PortError('ServiceFault', `alias ${alias} of ${model} was not changed; read it, then repeat the call`);
    return { alias, ...change };
  }

  const pagePath = (model: string, alias: string, first: number): string =>
    modelPath(model, `aliases/${alias}/${String(first).padStart(10, '0')}`);

  /** Saves the oldest changes before they are cut from the state; the same changes always make the same page. */
  async function writePage(model: string, alias: string, { recent }: AliasState, call: Call): Promise<number> {
    const page = recent.slice(0, pageLength);
    const first = page[0]?.generation ?? 0;
    try {
      await models.writeDocument(pagePath(model, alias, first), { v: 1, changes: page }, { ifAbsent: true }, call);
    } catch (error) {
      if (!isClass(error, 'Conflict')) throw error;
    }
    return first;
  }

  async function collect(
    { model, olderThan, stores = createStores([store]) }: Parameters<Registry['collect']>[0],
    call: Call
  ): Promise<CollectReport> {
    const limit = Date.parse(olderThan);
    if (Number.isNaN(limit))
      throw new PortError(
        'InvalidSpec',
        `${JSON.stringify(olderThan)} is not a time; write it as 2026-01-31T00:00:00Z`
      );
    const collected: VersionId[] = [];
    const kept: { version: VersionId; reason: string }[] = [];
    const known = Object.entries((await stateOf(model, call)).versions).filter(
      ([, entry]) => entry.collectedAt === undefined
    );
    for (const [version] of known) {
      let reason: string | undefined;
      let shared = false;
      await changeState(
        model,
        (state) => {
          const entry = entryOf(state.versions, version);
          if (entry === undefined || entry.collectedAt !== undefined) reason = 'collected meanwhile';
          else if (Date.parse(entry.registeredAt) >= limit) reason = `not older than ${olderThan}`;
          else reason = protectionOf(state, version);
          if (entry === undefined || reason !== undefined) return undefined;
          shared = Object.entries(state.versions).some(
            ([name, other]) => name !== version && other.uri === entry.uri && other.collectedAt === undefined
          );
          return { ...state, versions: withEntry(state.versions, version, { ...entry, collecting: true as const }) };
        },
        call
      );
      if (reason !== undefined) {
        kept.push({ version, reason });
        continue;
      }
      const record = await models.readDocument<ModelVersion>(versionPath(model, version), call);
      if (!shared && record !== null) await deleteArtifact({ stores, ref: record.value.artifact }, call);
      await changeState(
        model,
        (state) => {
          const entry = entryOf(state.versions, version);
          if (entry === undefined) return undefined;
          const { collecting: _done, ...left } = entry;
          return { ...state, versions: withEntry(state.versions, version, { ...left, collectedAt: clock() }) };
        },
        call
      );
      collected.push(version);
    }
    return { looked: known.length, collected, kept };
  }

  return {
    ...documents,
    register,
    async setMetrics({ model, version, metrics }, call) {
      await changeState(
        model,
        (state) => {
          const entry = entryOf(state.versions, version);
          if (entry === undefined)
            throw new PortError('NotFound', `model ${model} has no version ${version}; register it first`);
          if (entry.metrics !== undefined && canonicalJson(entry.metrics) === canonicalJson(metrics)) return undefined;
          return { ...state, versions: withEntry(state.versions, version, { ...entry, metrics }) };
        },
        call
      );
    },
    async getVersion({ model, version }, call) {
      const record = await models.readDocument<ModelVersion>(versionPath(model, version), call);
      return record === null ? null : withState(record.value, await stateOf(model, call));
    },
    async listVersions(model, call) {
      const state = await stateOf(model, call);
      const records: ModelVersion[] = [];
      for await (const path of models.listDocuments(modelPath(model, 'versions/'), call)) {
        const stored = await models.readDocument<ModelVersion>(path, call);
        const record = stored === null ? null : withState(stored.value, state);
        if (record !== null) records.push(record);
      }
      const order = ({ registeredAt, version }: ModelVersion) => `${registeredAt} ${version}`;
      return records.sort((a, b) => (order(a) < order(b) ? -1 : 1));
    },
    setAlias,
    async getAlias({ model, alias }, call) {
      assertName(alias, 'an alias');
      const current = entryOf((await stateOf(model, call)).aliases, alias)?.recent.at(-1);
      return current === undefined ? null : { alias, ...current };
    },
    async aliasHistory({ model, alias }, call) {
      assertName(alias, 'an alias');
      const current = entryOf((await stateOf(model, call)).aliases, alias);
      if (current === undefined) return [];
      const changes: AliasChange[] = [];
      for (const first of current.pages) {
        const page = await models.readDocument<{ readonly changes: readonly AliasChange[] }>(
          pagePath(model, alias, first),
          call
        );
        if (page === null) {
          throw new PortError(
            'Integrity',
            `the history of alias ${alias} of ${model} lacks generation ${first}; restore it`
          );
        }
        changes.push(...page.value.changes);
      }
      return [...changes, ...current.recent];
    },
    async pin({ model, version, name, reason }, call) {
      assertName(name, 'a pin');
      await changeState(
        model,
        (state) => {
          assertUsable(state, model, version);
          const others = state.pins.filter((pin) => pin.version !== version || pin.name !== name);
          return { ...state, pins: [...others, { version, name, reason, at: clock() }] };
        },
        call
      );
    },
    async unpin({ model, version, name }, call) {
      await changeState(
        model,
        (state) => {
          const pins = state.pins.filter((pin) => pin.version !== version || pin.name !== name);
          return pins.length === state.pins.length ? undefined : { ...state, pins };
        },
        call
      );
    },
    pinsOf: async (model, call) => (await stateOf(model, call)).pins,
    collect,
  };
}

/** Alias after a change. The oldest changes are cut off when they have been saved as the page that starts at `saved`. */
function nextAlias(current: AliasState | undefined, change: AliasChange, saved: number | undefined): AliasState {
  const recent = [...(current?.recent ?? []), change];
  const pages = current?.pages ?? [];
  if (saved === undefined || recent[0]?.generation !== saved) return { ...change, recent, pages };
  return { ...change, recent: recent.slice(pageLength), pages: [...pages, saved] };
}
