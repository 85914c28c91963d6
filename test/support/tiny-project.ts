import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { repositoryRoot } from './repository.js';

/** A copy of `tiny-model` with its data, for one test file. */
export interface TinyProject {
  readonly folder: string;
  remove(): Promise<void>;
}

const source = fileURLToPath(new URL('./tiny-model/', import.meta.url));
const outputs = fileURLToPath(new URL('.test-output/', repositoryRoot));

const firstAt = Date.UTC(2026, 0, 5);
const hours = 24 * 7 * 5;

/** Five weeks of hourly rows, the same every time: 30 % of them late. */
export function tinyRows(): string {
  const lines = ['id,at,x,late'];
  for (let hour = 0; hour < hours; hour++) {
    const at = new Date(firstAt + hour * 3_600_000).toISOString();
    // A full cycle of residues: no two runs of the test see other data.
    const x = (hour * 37) % 100;
    lines.push(`r${hour},${at},${x / 100},${x < 30 ? 1 : 0}`);
  }
  return `${lines.join('\n')}\n`;
}

/** Copies the project into a folder below the repository, where its programs find their libraries, and writes its data. */
export async function createTinyProject(): Promise<TinyProject> {
  await mkdir(outputs, { recursive: true });
  const folder = await mkdtemp(join(outputs, 'tiny-'));
  await cp(source, folder, { recursive: true });
  await mkdir(join(folder, 'data'));
  await writeFile(join(folder, 'data', 'rows.csv'), tinyRows());
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}
