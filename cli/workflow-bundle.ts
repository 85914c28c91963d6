import { createHash } from 'node:crypto';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { makeFolder } from '@retempo/activities/processes';
import { retempoWorkflowsPath } from '@retempo/workers';

interface StoredBundle {
  readonly v: 1;
  /** SHA-256 of the code, hex. */
  readonly digest: string;
  readonly code: string;
}

const hex = (text: string): string => createHash('sha256').update(text).digest('hex');

/**
 * The bundle of all workflows, made once and kept in `folder`: making it takes seconds of a worker's start, also of the
 * worker that takes over from one that was killed. Named by what it is made of, so that another version of Retempo or of
 * the SDK makes its own; a file that is not as it was written is made again.
 */
export async function workflowBundle(folder: string): Promise<{ readonly code: string }> {
  const file = join(folder, `workflows-${await sourceDigest()}.json`);
  const known = await readStored(file);
  if (known !== null) return { code: known };
  const { code } = await bundleWorkflowCode({
    workflowsPath: retempoWorkflowsPath(),
    logger: new DefaultLogger('WARN'),
  });
  const stored: StoredBundle = { v: 1, digest: hex(code), code };
  await keep(file, JSON.stringify(stored)).catch(() => undefined);
  return { code };
}

async function readStored(file: string): Promise<string | null> {
  try {
    const { v, digest, code } = JSON.parse(await readFile(file, 'utf8')) as StoredBundle;
    return v === 1 && hex(code) === digest ? code : null;
  } catch {
    return null;
  }
}

/** A full disk or a folder that cannot be written costs time only, so callers ignore what this throws. */
async function keep(file: string, text: string): Promise<void> {
  const folder = dirname(file);
  makeFolder(folder);
  const temporary = `${file}.${process.pid}`;
  await writeFile(temporary, text);
  await rename(temporary, file);
  for (const name of await readdir(folder)) {
    if (/^workflows-[0-9a-f]+\.json$/.test(name) && join(folder, name) !== file)
      await rm(join(folder, name), { force: true });
  }
}

/** Digest of the workflows' files and of the versions that make a bundle of them. */
async function sourceDigest(): Promise<string> {
  const root = dirname(retempoWorkflowsPath());
  const hash = createHash('sha256');
  const { version } = createRequire(import.meta.url)('@temporalio/worker/package.json') as { version: string };
  hash.update(`1 ${version} ${process.versions.node}\n`);
  for (const entry of (await readdir(root, { recursive: true })).toSorted()) {
    if (!entry.endsWith('.js') || entry.endsWith('.test.js')) continue;
    hash.update(`${entry}\n`).update(await readFile(join(root, entry)));
  }
  return hash.digest('hex').slice(0, 16);
}
