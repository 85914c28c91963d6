import { normalize } from 'node:path';
import { isSlug } from '@retempo/workflows/contracts';
import type { Pool } from '@retempo/activities/ports';
import { endpointOptionNames } from './serving/check-endpoint-options.js';
import { checkEndpointOptions, type EndpointOptions } from './serving/index.js';

/** Something wrong in a site's entry of `retempo.yaml`. */
export interface ConfigProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** A site's entry with its defaults filled in. */
export interface OnpremConfig {
  /** Absolute, or relative to the provider's state folder; null = a folder named after the site there. */
  readonly root: string | null;
  readonly pools: readonly Pool[];
  /** Between SIGTERM and SIGKILL, in milliseconds. */
  readonly stopGraceMs: number;
  /** How long folders of ended jobs and unused copies of artifacts are kept, in milliseconds. */
  readonly keepJobsMs: number;
  readonly endpoints: { readonly [endpoint: string]: EndpointOptions };
}

type Path = readonly (string | number)[];

interface Reader {
  readonly problems: ConfigProblem[];
  readonly refuse: (path: Path, message: string) => undefined;
}

const defaultPools: readonly Pool[] = [{ name: 'cpu', slots: 2 }];
const defaultStopGraceMs = 30_000;
const dayMs = 86_400_000;
const defaultKeepJobsMs = 7 * dayMs;
const maxSlots = 10_000;
const defaultLogRotateBytes = 16 * 1024 ** 2;
const defaultLogKeepBytes = 4 * 1024 ** 3;

const millisecondsPer: { readonly [unit: string]: number } = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: dayMs };

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) as string | undefined;
  return (text ?? String(value)).slice(0, 60);
};

function readDuration(
  reader: Reader,
  path: Path,
  value: unknown,
  limits: { readonly example: string; readonly maxMs: number; readonly max: string; readonly minMs?: number }
): number | undefined {
  const { example, maxMs, max, minMs = 0 } = limits;
  const match = typeof value === 'string' ? /^(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|m|h|d)$/.exec(value) : null;
  const duration = match === null ? Number.NaN : Number(match[1]) * (millisecondsPer[match[2] ?? ''] ?? Number.NaN);
  if (duration <= maxMs && Math.round(duration) >= minMs) return Math.round(duration);
  const bounds = `${minMs > 0 ? `at least ${minMs}ms and ` : ''}at most ${max}`;
  return reader.refuse(path, `expected a duration such as ${example}, ${bounds}, got ${shown(value)}`);
}

function readWhole(reader: Reader, path: Path, value: unknown, min: number, max: number): number | undefined {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  return reader.refuse(path, `expected a whole number >= ${min} and <= ${max}, got ${shown(value)}`);
}

/** Entries of a mapping; problems for anything else and for keys that are not in `known`. */
function readSection(
  reader: Reader,
  path: Path,
  value: unknown,
  known: readonly string[] | null
): { readonly [key: string]: unknown } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    reader.refuse(path, `expected a mapping, got ${shown(value)}`);
    return {};
  }
  if (known !== null) {
    for (const key of Object.keys(value)) {
      if (!known.includes(key)) reader.refuse([...path, key], `unknown key; expected one of ${known.join(', ')}`);
    }
  }
  return value as { readonly [key: string]: unknown };
}

function readPools(reader: Reader, value: unknown): readonly Pool[] {
  const section = readSection(reader, ['pools'], value, null);
  const entries = Object.entries(section);
  if (entries.length === 0 && section === value)
    reader.refuse(['pools'], 'expected at least one pool, such as cpu: { slots: 2 }');
  return entries.flatMap(([name, entry]) => {
    const path = ['pools', name];
    if (!isSlug(name)) reader.refuse(path, 'expected a name in lower-case letters, digits and -');
    const { slots } = readSection(reader, path, entry, ['slots']);
    const read = readWhole(reader, [...path, 'slots'], slots, 1, maxSlots);
    return read === undefined ? [] : [{ name, slots: read }];
  });
}

const bytesPer: { readonly [unit: string]: number } = {
  B: 1,
  ...Object.fromEntries(
    ['K', 'M', 'G', 'T'].flatMap((unit, power) => [
      [unit, 1000 ** (power + 1)],
      [`${unit}i`, 1024 ** (power + 1)],
    ])
  ),
};
const minLogBytes = 1024;
const maxLogBytes = 1024 ** 5;

function readSize(reader: Reader, path: Path, value: unknown): number | undefined {
  const match = typeof value === 'string' ? /^(\d{1,15}(?:\.\d{1,9})?) ?([KMGT]i?B?|B)$/.exec(value) : null;
  const unit = match?.[2] === 'B' ? 'B' : (match?.[2] ?? '').replace(/B$/, '');
  const bytes = match === null ? Number.NaN : Math.round(Number(match[1]) * (bytesPer[unit] ?? Number.NaN));
  if (bytes >= minLogBytes && bytes <= maxLogBytes) return bytes;
  return reader.refuse(
    path,
    `expected a size such as 16MiB or 100MB, at least 1KiB and at most 1024TiB, got ${shown(value)}`
  );
}

/** Options whose keys have units here: the key, the option in its smallest unit, and how it is read. */
const withUnits: { readonly [key: string]: { readonly option: keyof EndpointOptions; readonly read: UnitReader } } = {
  requestTimeout: {
    option: 'requestTimeoutMs',
    read: (reader, path, value) =>
      readDuration(reader, path, value, { example: '10s', minMs: 1, maxMs: 600_000, max: '10m' }),
  },
  logRotateAt: { option: 'logRotateBytes', read: readSize },
  logKeep: { option: 'logKeepBytes', read: readSize },
};
type UnitReader = (reader: Reader, path: Path, value: unknown) => number | undefined;

const unitOptions: readonly string[] = Object.values(withUnits).map(({ option }) => option);

/** Keys of an endpoint's entry: options by name, those with units by another. */
const endpointKeys = [...endpointOptionNames.filter((name) => !unitOptions.includes(name)), ...Object.keys(withUnits)];

function readEndpoint(reader: Reader, name: string, value: unknown): EndpointOptions {
  const path = ['endpoints', name];
  if (!isSlug(name)) reader.refuse(path, 'expected a name in lower-case letters, digits and -');
  const entries = Object.entries(readSection(reader, path, value, endpointKeys));
  const plain = entries.filter(([key]) => endpointKeys.includes(key) && !Object.hasOwn(withUnits, key));
  const options: EndpointOptions = Object.fromEntries(plain);
  for (const problem of checkEndpointOptions(options)) reader.refuse([...path, ...problem.path], problem.message);
  const read = entries.flatMap(([key, given]) => {
    const unit = Object.hasOwn(withUnits, key) ? withUnits[key] : undefined;
    const amount = unit === undefined || given === undefined ? undefined : unit.read(reader, [...path, key], given);
    return unit === undefined || amount === undefined ? [] : [[unit.option, amount] as const];
  });
  const measured: EndpointOptions = Object.fromEntries(read);
  const { logRotateBytes = defaultLogRotateBytes, logKeepBytes = defaultLogKeepBytes } = measured;
  if (logKeepBytes < logRotateBytes) {
    const key = measured.logKeepBytes === undefined ? 'logRotateAt' : 'logKeep';
    reader.refuse(
      [...path, key],
      'expected logKeep of at least logRotateAt: the file that is written to is always kept'
    );
  }
  return { ...options, ...measured };
}

/** A relative root that climbs means another place on the next machine: as everywhere in `retempo.yaml`, it is refused. */
function readRoot(reader: Reader, value: unknown): string | null {
  if (value === undefined) return null;
  const isFolder = typeof value === 'string' && value.trim() !== '' && value.length <= 1024 && !value.includes('\0');
  if (!isFolder) {
    reader.refuse(['root'], `expected a folder, got ${shown(value)}`);
    return null;
  }
  if (normalize(value).split('/')[0] === '..') {
    reader.refuse(
      ['root'],
      `expected a folder inside the state folder, got ${shown(value)}; to use a place outside it, write the absolute path`
    );
  }
  return value;
}

/**
 * Reads a site's entry: `root` (folder; a relative one starts at the state folder and stays inside it), `pools` (`<name>: { slots }`, default `cpu: { slots: 2 }`), `stopGrace`
 * (duration, default 30s), `keepJobs` (duration, default 7d), `endpoints` (options by name, see {@link EndpointOptions};
 * with units there: `requestTimeout` is a duration, `logRotateAt` and `logKeep` are sizes). Returns every problem there is; the configuration is only meant to be used when there is none.
 */
export function readConfig(value: unknown): {
  readonly config: OnpremConfig;
  readonly problems: readonly ConfigProblem[];
} {
  const problems: ConfigProblem[] = [];
  const reader: Reader = { problems, refuse: (path, message) => void problems.push({ path, message }) };
  const known = ['root', 'pools', 'stopGrace', 'keepJobs', 'endpoints'];
  const { root, pools, stopGrace, keepJobs, endpoints } = readSection(reader, [], value ?? {}, known);
  const entries = endpoints === undefined ? [] : Object.entries(readSection(reader, ['endpoints'], endpoints, null));
  const config: OnpremConfig = {
    root: readRoot(reader, root),
    pools: pools === undefined ? defaultPools : readPools(reader, pools),
    stopGraceMs:
      stopGrace === undefined
        ? defaultStopGraceMs
        : (readDuration(reader, ['stopGrace'], stopGrace, { example: '30s', maxMs: dayMs, max: '24h' }) ??
          defaultStopGraceMs),
    keepJobsMs:
      keepJobs === undefined
        ? defaultKeepJobsMs
        : (readDuration(reader, ['keepJobs'], keepJobs, { example: '7d', maxMs: 3660 * dayMs, max: '3660d' }) ??
          defaultKeepJobsMs),
    endpoints: Object.fromEntries(entries.map(([name, entry]) => [name, readEndpoint(reader, name, entry)])),
  };
  return { config, problems };
}
