import { canonicalJson } from '../domain/canonical-json.js';
import { sha256Hex } from '../domain/sha256.js';
import type { VersionId } from './artifacts.js';

// The only place where ids are put together. Ids are readable slugs of names that are not secret; whatever a caller
// supplies appears in them as a hash only.

const slug = /^[a-z][a-z0-9-]{0,62}$/;

/** True for names usable in ids: lower-case letters, digits and `-`, starting with a letter, at most 63 characters. */
export const isSlug = (name: string): boolean => slug.test(name);

/** True for site names: `<provider>.<name>`, both slugs. */
export function isSiteId(name: string): boolean {
  const parts = name.split('.');
  return parts.length === 2 && parts.every(isSlug);
}

export const governorId = (model: string): string => `retempo/${model}`;

/** Id of the governor's `seq`-th accepted run (from 1); `cause` is the id of the trigger that opened it. */
export const releaseId = (model: string, seq: number, cause: string): string =>
  `retempo/${model}/run/${seq}-${sha256Hex(`${model}\n${seq}\n${cause}`).slice(0, 8)}`;

export const childId = (parent: string, step: string): string => `${parent}/${step}`;

/** One writer per endpoint: the id of the canary is the id of the endpoint, not of the release. */
export const endpointId = (site: string, endpoint: string): string => `retempo/endpoint/${site}/${endpoint}`;

export const driftScheduleId = (model: string): string => `retempo/${model}/watch`;
export const driftCheckId = (model: string): string => `retempo/${model}/drift-check`;
export const reaperScheduleId = (site: string): string => `retempo/site/${site}/reap`;
export const reaperId = (site: string): string => `retempo/site/${site}/reaper`;

/** Model a workflow id belongs to, or undefined when it is not one of ours. */
export function modelOfId(id: string): string | undefined {
  const [prefix, model] = id.split('/');
  return prefix === 'retempo' && model !== undefined && isSlug(model) ? model : undefined;
}

/** Key of one job: never the Temporal run id (Reset and continue-as-new change it), never the endpoint alone. */
export const jobKey = (release: string, step: string, attempt: number): string =>
  sha256Hex(`retempo/job/v1\n${release}\n${step}\n${attempt}`);

/** Key of one deployment: contains the release, so that a later release of the same bytes is a new deployment. */
export const deployKey = (release: string, version: VersionId): string =>
  sha256Hex(`retempo/deploy/v1\n${release}\n${version}`);

/** Identity of a trigger: the same source and id are the same event, however often it arrives. */
export const triggerKey = (source: string, id: string): string => sha256Hex(`${source}\n${id}`).slice(0, 16);

export const versionId = (seq: number, manifestDigest: string): VersionId =>
  `v${seq}-${manifestDigest.replace(/^sha256:/, '').slice(0, 8)}`;

/** SHA-256 of the canonical JSON of a value, as `sha256:<hex>`. */
export const digestOf = (value: unknown): string => `sha256:${sha256Hex(canonicalJson(value))}`;
