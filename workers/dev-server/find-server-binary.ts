import { execFile } from 'node:child_process';
import { access, constants, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { DevServerError, messageOf } from './dev-server-error.js';
import { fetchServerBinary, sha256OfFile } from './fetch-server-binary.js';
import type { DownloadSources } from './fetch-server-binary.js';
import { oldestServerVersion, pinnedServerVersion, serverPins } from './pins.js';

const run = promisify(execFile);

/** A Temporal CLI that can run the dev server. */
export interface ServerBinary {
  readonly path: string;
  /** `TEMPORAL_CLI`, `PATH`, `cache` (fetched earlier) or `fetched` (just now). */
  readonly from: 'TEMPORAL_CLI' | 'PATH' | 'cache' | 'fetched';
  /** Version of the CLI, such as `1.9.1`. */
  readonly version: string;
}

export interface FindServerBinaryOptions {
  /** Environment to read `TEMPORAL_CLI`, `PATH`, `RETEMPO_CACHE` and `XDG_CACHE_HOME` from; default `process.env`. */
  readonly environment?: NodeJS.ProcessEnv;
  /** Platform as `<process.platform>-<process.arch>`; default this machine's. */
  readonly platform?: string;
  readonly sources?: DownloadSources;
  /** Told in one sentence before something slow happens, such as a download. */
  readonly onProgress?: (message: string) => void;
}

/** The user's cache folder of Retempo: `RETEMPO_CACHE`, or where the operating system keeps caches. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const given = environment['RETEMPO_CACHE'];
  if (given !== undefined && given !== '') return given;
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'retempo');
  const base = environment['XDG_CACHE_HOME'];
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'retempo');
}

/**
 * Finds a Temporal CLI: `TEMPORAL_CLI`, then `temporal` on `PATH` when it is new enough, then the copy in the user's
 * cache folder, then a download into it (pinned version, checked digest). A damaged copy in the cache is fetched anew.
 *
 * Throws {@link DevServerError} with problem `notExecutable`, `tooOld`, `unsupportedPlatform`, `cacheFolder`, `noSource`, `wrongHash`
 * or `corruptArchive`.
 */
export async function findServerBinary(options: FindServerBinaryOptions = {}): Promise<ServerBinary> {
  const environment = options.environment ?? process.env;
  const named = environment['TEMPORAL_CLI'];
  if (named !== undefined && named !== '') return namedBinary(named);
  const onPath = await binaryOnPath(environment['PATH'] ?? '');
  if (onPath !== null) return onPath;

  const platform = options.platform ?? `${process.platform}-${process.arch}`;
  const pin = serverPins[platform];
  if (pin === undefined) {
    throw new DevServerError(
      'unsupportedPlatform',
      `there is no Temporal server to fetch for ${platform} (there is for ${Object.keys(serverPins).join(', ')}); ` +
        'install the Temporal CLI (https://docs.temporal.io/cli) so that "temporal" is on PATH, or set TEMPORAL_CLI'
    );
  }
  const target = join(cacheFolder(environment), 'temporal-cli', `${pinnedServerVersion}-${platform}`, 'temporal');
  const state = await cachedState(target);
  if (state === 'good') return { path: target, from: 'cache', version: pinnedServerVersion };
  options.onProgress?.(
    state === 'absent'
      ? `fetching Temporal CLI ${pinnedServerVersion} into ${target}`
      : `the copy of the Temporal CLI at ${target} is damaged: fetching it again`
  );
  await fetchServerBinary({ pin, target, ...(options.sources === undefined ? {} : { sources: options.sources }) });
  return { path: target, from: 'fetched', version: pinnedServerVersion };
}

async function namedBinary(path: string): Promise<ServerBinary> {
  const version = await versionOf(path).catch((error: unknown) => {
    throw new DevServerError(
      'notExecutable',
      `TEMPORAL_CLI names ${path}, which cannot be run (${messageOf(error).split('\n')[0]}); ` +
        'make it executable, correct the path, or unset TEMPORAL_CLI to have one fetched'
    );
  });
  if (olderThan(version, oldestServerVersion)) {
    throw new DevServerError(
      'tooOld',
      `TEMPORAL_CLI names ${path}, version ${version}; ${oldestServerVersion} or later is needed. ` +
        'Update it, or unset TEMPORAL_CLI to have one fetched'
    );
  }
  return { path, from: 'TEMPORAL_CLI', version };
}

async function binaryOnPath(path: string): Promise<ServerBinary | null> {
  for (const folder of path.split(delimiter).filter((part) => part !== '')) {
    const candidate = join(folder, 'temporal');
    const executable = await access(candidate, constants.X_OK).then(
      () => true,
      () => false
    );
    if (!executable) continue;
    // Something else of this name, or one that is too old, is no reason to fail: the search goes on.
    const version = await versionOf(candidate).catch(() => null);
    if (version !== null && !olderThan(version, oldestServerVersion)) return { path: candidate, from: 'PATH', version };
  }
  return null;
}

async function versionOf(path: string): Promise<string> {
  const { stdout } = await run(path, ['--version'], { timeout: 10_000 });
  const version = /^temporal version v?(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  if (version === undefined) throw new Error('it does not answer --version as the Temporal CLI does');
  return version;
}

function olderThan(version: string, other: string): boolean {
  const [left, right] = [version, other].map((text) => text.split('.').map(Number)) as [number[], number[]];
  for (const [index, part] of left.entries()) {
    const difference = part - (right[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

async function cachedState(target: string): Promise<'good' | 'damaged' | 'absent'> {
  const record = await readFile(`${target}.json`, 'utf8').catch(() => null);
  const present = await access(target, constants.F_OK).then(
    () => true,
    () => false
  );
  if (!present) return 'absent';
  const executable = await access(target, constants.X_OK).then(
    () => true,
    () => false
  );
  if (record === null || !executable) return 'damaged';
  try {
    const { sha256 } = JSON.parse(record) as { readonly sha256?: unknown };
    return sha256 === (await sha256OfFile(target)) ? 'good' : 'damaged';
  } catch {
    return 'damaged';
  }
}
