import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { loadProject } from './load-project.js';
import type { ConfigurationChecker, Project } from './load-project.js';
import { ConfigurationError } from './problems.js';
import type { ConfigurationProblem } from './problems.js';

/** Stands for the provider: sites may have pools and nothing else. */
const checker: ConfigurationChecker = {
  name: 'onprem',
  checkConfig: (config) =>
    Object.entries((config as { readonly pools?: object }).pools ?? {}).flatMap(([pool, { slots }]) =>
      Number.isInteger(slots)
        ? []
        : [{ path: ['pools', pool, 'slots'], message: `expected a whole number >= 1, got ${JSON.stringify(slots)}` }]
    ),
};

async function inNewFolder<T>(
  files: Readonly<Record<string, unknown>>,
  use: (folder: string) => Promise<T>
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'retempo-project-'));
  try {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      const bytes = typeof content === 'string' || content instanceof Uint8Array ? content : stringify(content);
      await writeFile(join(folder, name), bytes);
    }
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Writes files into a new folder, loads it as a project, and removes it. Values that are no text become YAML. */
export const load = (files: Readonly<Record<string, unknown>>): Promise<Project> =>
  inNewFolder(files, (folder) => loadProject({ folder, providers: [checker] }));

/** What is wrong with the project in a folder; empty when nothing is. */
export async function problemsIn(folder: string): Promise<readonly ConfigurationProblem[]> {
  try {
    await loadProject({ folder, providers: [checker] });
    return [];
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
}

/** What is wrong with a project of these files and one program file. */
export const problemsOf = (files: Readonly<Record<string, unknown>>): Promise<readonly ConfigurationProblem[]> =>
  inNewFolder({ 'train.js': 'x', ...files }, problemsIn);

/** A copy with the value at a path replaced. */
export function withValue(base: unknown, path: readonly (string | number)[], value: unknown): unknown {
  const [first, ...rest] = path;
  if (first === undefined) return value;
  if (Array.isArray(base))
    return base.map((item: unknown, index) => (index === first ? withValue(item, rest, value) : item));
  const object = base as Readonly<Record<string, unknown>>;
  return { ...object, [first]: withValue(object[first], rest, value) };
}
