/** One thing that is wrong in a configuration file. Lines and columns count from 1. */
export interface ConfigurationProblem {
  /** Path of the file as the user wrote it, relative to the project folder. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Where in the file, such as `gate.metrics.auc.atLeast` or `release.steps[1]`; empty for the file itself. */
  readonly path: string;
  /** What is expected and what is there. */
  readonly message: string;
  /** What to write instead, when that can be guessed; otherwise null. */
  readonly suggestion: string | null;
}

/** A problem before it has a place in a file. */
export interface FoundProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly suggestion?: string | undefined;
}

/** `file:line:column  path: message; suggestion`, on one line. */
export function formatProblem(problem: ConfigurationProblem): string {
  const { file, line, column, path, message, suggestion } = problem;
  const subject = path === '' ? '' : `${path}: `;
  return `${file}:${line}:${column}  ${subject}${message}${suggestion === null ? '' : `; ${suggestion}`}`;
}

/** Path as people read it: `sites.onprem.local.pools`, `release.steps[1]`. */
export const formatPath = (path: readonly (string | number)[]): string =>
  path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`),
    ''
  );

/** Everything that is wrong with a project's configuration, at once. The message lists all problems, one per line. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
  readonly problems: readonly ConfigurationProblem[];

  constructor(problems: readonly ConfigurationProblem[]) {
    super(problems.map(formatProblem).join('\n'));
    this.problems = problems;
  }
}
