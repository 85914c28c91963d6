import { relative, sep } from 'node:path';
import { listFiles, matcher } from './project-files.js';
import type { ProjectFile } from './project-files.js';
import type { FoundProblem } from './problems.js';

/** Files above this size are data, not program, unless they are named by `code.include`. */
const largestCodeFileBytes = 10 * 2 ** 20;
/** All program files together. They travel to every place where a job runs. */
const largestCodeBytes = 64 * 2 ** 20;
const mostCodeFiles = 10_000;

/**
 * Files of a model's program: everything in the project folder but `node_modules`, dot files, the configuration, the state
 * folder, the artifact store, the data and large files; then what `include` and `exclude` say.
 */
export async function findCodeFiles(options: {
  readonly folder: string;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Absolute paths, or globs, that are never program: state folder, artifact store, data source. */
  readonly never: readonly string[];
}): Promise<{ readonly files: readonly ProjectFile[]; readonly problems: readonly FoundProblem[] }> {
  const { folder, include } = options;
  // Those that lie elsewhere, or are the folder itself, match none of its files.
  const never = matcher(options.never.map((path) => relative(folder, path).split(sep).join('/')));
  const excluded = matcher(options.exclude);
  const included = matcher(include);
  const everything = include.includes('**');
  const hidden = (path: string): boolean =>
    path.split('/').some((part) => part.startsWith('.') || part === 'node_modules');
  const all = await listFiles(folder, (path) => !hidden(path) && !never(path));
  const files = all.filter(
    ({ path, bytes }) =>
      !hidden(path) &&
      !never(path) &&
      included(path) &&
      !excluded(path) &&
      (bytes <= largestCodeFileBytes || !everything)
  );
  return { files, problems: sizeProblems(files) };
}

function sizeProblems(files: readonly ProjectFile[]): readonly FoundProblem[] {
  const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  const path = ['code'];
  if (files.length === 0) {
    return [{ path, message: 'no program file is left', suggestion: 'widen code.include or narrow code.exclude' }];
  }
  if (files.length > mostCodeFiles) {
    const message = `expected at most ${mostCodeFiles} program files, found ${files.length}`;
    return [{ path, message, suggestion: 'leave folders out with code.exclude' }];
  }
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total <= largestCodeBytes) return [];
  const biggest = [...files].sort((left, right) => right.bytes - left.bytes).slice(0, 5);
  const named = biggest.map((file) => `${file.path} (${mebibytes(file.bytes)})`).join(', ');
  return [
    {
      path,
      message: `the program files have ${mebibytes(total)}, more than ${mebibytes(largestCodeBytes)}; biggest: ${named}`,
      suggestion: 'leave files out with code.exclude',
    },
  ];
}
