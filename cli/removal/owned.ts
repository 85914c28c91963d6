import { isSlug, isSiteId } from '@retempo/workflows/contracts';
import { storeCall } from '../apply/call.js';
import { keptSpecs } from '../apply/spec-documents.js';
import { isLocalSite } from '../local-site.js';
import type { Session } from '../session.js';

/** Where a model is served. */
export interface Endpoint {
  readonly endpoint: string;
  readonly site: string;
}

/** Documents that are working memory; all others are the record of what was decided and why. */
const memory: readonly string[] = ['governor', 'monitor'];

/** Prefixes under which the store keeps what only one model uses. */
const folders: readonly string[] = ['code', 'data', 'checkpoints', 'predictions', 'versions', 'histories/models'];

/** The endpoint that a governor's memo names. */
export function endpointIn(memo: Readonly<Record<string, unknown>>): Endpoint | undefined {
  const { endpoint, site } = memo;
  return typeof endpoint === 'string' && typeof site === 'string' ? { endpoint, site } : undefined;
}

/**
 * Endpoints of a model: those that are known now, and those of every spec that was ever applied, also when server and
 * model file have forgotten them. Never one that another model has now. Those of which nothing is left are not named.
 */
export async function endpointsOf(
  session: Session,
  model: string,
  from: {
    readonly known: readonly (Endpoint | undefined)[];
    readonly others: readonly {
      readonly model: string;
      readonly endpoint: string | null;
      readonly site: string | null;
    }[];
    /** True while the governor runs. */
    readonly running: boolean;
    readonly purge: boolean;
  }
): Promise<readonly Endpoint[]> {
  const { registry, sites } = await session.installation();
  const specs = await keptSpecs(registry, model, storeCall(session.io));
  const found = new Map<string, Endpoint>();
  for (const one of [...from.known, ...specs.map(({ release }) => release)]) {
    if (one === undefined || !isSlug(one.endpoint) || !isSiteId(one.site)) continue;
    const { endpoint, site } = one;
    const isTaken = from.others.some((other) => other.model !== model && other.endpoint === endpoint);
    if (!isTaken) found.set(`${site}/${endpoint}`, { endpoint, site });
  }
  return [...found.values()].filter(({ endpoint, site: id }) => {
    const site = sites.find((other) => other.id === id);
    // Nobody can look at a site that is not in the configuration any more: it is named once, for whoever can.
    if (site === undefined || !isLocalSite(site)) return from.running;
    const left = site.routers.leftOf(endpoint);
    return left === 'running' || left === 'died' || (left === 'files' && from.purge);
  });
}

/** Registry documents of a model: with `purge` all, else its working memory. */
export async function documentsOf(session: Session, model: string, purge: boolean): Promise<readonly string[]> {
  const { registry } = await session.installation();
  const prefix = `models/${model}/`;
  const found: string[] = [];
  for await (const path of registry.listDocuments(prefix, storeCall(session.io))) {
    if (purge || memory.includes(path.slice(prefix.length))) found.push(path);
  }
  return found;
}

/** Keys of everything that only this model uses, records first: bytes without a record are rubbish, the reverse a lie. */
export async function keysOf(session: Session, model: string): Promise<readonly string[]> {
  const { store } = await session.installation();
  const keys: string[] = [];
  for (const prefix of ['registry/models', ...folders]) {
    for await (const key of store.list(`${prefix}/${model}/`, storeCall(session.io))) keys.push(key);
  }
  return keys;
}
