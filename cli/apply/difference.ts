import type { Json, ModelSpec } from '@retempo/workflows/contracts';
import { canonicalJson } from '@retempo/workflows/domain';
import { bytes, duration, plural } from '../text/quantities.js';

/** One value of a spec that is not as it was. */
export interface SpecChange {
  /** As in the model file, units taken off: `retrain.cooldown`, `gate.metrics.logLoss.notWorseBy`. */
  readonly path: string;
  /** For people; null = it was not there. */
  readonly before: string | null;
  /** For people; null = it is gone. */
  readonly after: string | null;
}

/** Whole values that are shown as one: their parts mean nothing alone. */
const wholes: readonly string[] = ['train.atMost', 'data.validate'];

/** Everything that differs between two specs, in the order of the new one. The code is compared file by file elsewhere. */
export function specChanges(before: ModelSpec, after: ModelSpec): readonly SpecChange[] {
  const old = leaves({ ...before, code: null });
  const now = leaves({ ...after, code: null });
  const paths = [...new Set([...now.keys(), ...old.keys()])];
  return paths.flatMap((path): SpecChange[] => {
    const was = old.get(path);
    const is = now.get(path);
    if (was === is) return [];
    return [{ path: keyOf(path), before: was ?? null, after: is ?? null }];
  });
}

/** Keys of a model file whose values have another name in the spec. */
const keys: { readonly [path: string]: string } = {
  'release.endpoint': 'release.to',
  'release.site': 'endpoints.<name>.site of retempo.yaml',
};

const keyOf = (path: string): string => keys[path] ?? path.replace(/(?:Ms|Bytes|Percent|Windows)$/, '');

function leaves(spec: object): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const visit = (path: string, value: Json | undefined): void => {
    if (value === undefined) return;
    const nested = typeof value === 'object' && value !== null && !Array.isArray(value) && !wholes.includes(path);
    if (nested && Object.keys(value).length > 0) {
      for (const [key, inner] of Object.entries(value)) visit(path === '' ? key : `${path}.${key}`, inner);
    } else {
      found.set(path, readable(path, value));
    }
  };
  visit('', spec as unknown as Json);
  return found;
}

function readable(path: string, value: Json): string {
  if (value === null) return 'none';
  if (typeof value === 'number' && path.endsWith('Ms')) return duration(value);
  if (typeof value === 'number' && path.endsWith('Bytes')) return bytes(value);
  // The spec has the most that is given without a person; the file, what is given only with one.
  if (path === 'release.approval.beforePercent') return `${Number(value) + 1}%`;
  if (typeof value === 'number' && path.endsWith('Percent')) return `${value}%`;
  if (typeof value === 'number' && path.endsWith('Windows')) return plural(value, 'window');
  if (path === 'release.endpoint' && typeof value === 'string') return `endpoint:${value}`;
  return typeof value === 'string' ? value : canonicalJson(value);
}

/** One file of the program that is not as it was. */
export interface FileChange {
  readonly path: string;
  readonly what: 'added' | 'changed' | 'removed';
}

/** Files of two manifests compared by digest, in the order of their paths. */
export function fileChanges(
  before: readonly { readonly path: string; readonly digest: string }[],
  after: readonly { readonly path: string; readonly digest: string }[]
): readonly FileChange[] {
  const old = new Map(before.map(({ path, digest }) => [path, digest]));
  const now = new Map(after.map(({ path, digest }) => [path, digest]));
  const paths = [...new Set([...old.keys(), ...now.keys()])].toSorted();
  return paths.flatMap((path): FileChange[] => {
    if (old.get(path) === now.get(path)) return [];
    return [{ path, what: !old.has(path) ? 'added' : now.has(path) ? 'changed' : 'removed' }];
  });
}
