import { lstat, readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';

/** One file of a project, `/`-separated and relative to its folder. */
export interface ProjectFile {
  readonly path: string;
  readonly bytes: number;
}

/**
 * A test for file patterns: `*` and `?` stay inside one folder, `**` crosses folders, `{a,b}` is not supported. A pattern
 * that names a folder means everything in it.
 */
export function matcher(patterns: readonly string[]): (path: string) => boolean {
  const expressions = patterns.map((pattern) => {
    const plain = pattern.replace(/^\.\//, '').replace(/\/+$/, '');
    const parts = plain.split('/').map((part, index, all) => {
      if (part === '**') return index === all.length - 1 ? '.*' : '(?:[^/]+/)*';
      const escaped = part
        .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
        .replaceAll(/\*+/g, '[^/]*')
        .replaceAll('?', '[^/]');
      return index === all.length - 1 ? escaped : `${escaped}/`;
    });
    return new RegExp(`^${parts.join('')}(?:/.*)?$`, 'u');
  });
  return (path) => expressions.some((expression) => expression.test(path));
}

/**
 * All regular files below a folder in code unit order; symbolic links are not followed, so nothing outside the folder is
 * ever reached. `enter` decides which folders are looked into.
 */
export async function listFiles(folder: string, enter: (path: string) => boolean): Promise<readonly ProjectFile[]> {
  const found: ProjectFile[] = [];
  const walk = async (at: string): Promise<void> => {
    for (const entry of await readdir(at, { withFileTypes: true })) {
      const full = join(at, entry.name);
      const path = relative(folder, full).split(sep).join('/');
      if (entry.isDirectory()) {
        if (enter(path)) await walk(full);
      } else if (entry.isFile()) found.push({ path, bytes: (await lstat(full)).size });
    }
  };
  await walk(folder);
  return found.sort((left, right) => (left.path < right.path ? -1 : 1));
}
