import { readFileSync } from 'node:fs';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { onprem } from '@retempo/onprem';
import { createStarters, type Starters } from '@retempo/starters';
import {
  environmentSecrets,
  loadConfig,
  loadProject,
  openInstallation,
  type OpenInstallation,
  type Project,
  type RetempoConfig,
} from '@retempo/workers';
import { CliError, exitCode } from './failure.js';
import type { Io } from './io.js';
import { connectTemporal, credentialsFor, findTemporal, temporalAccess, type Temporal } from './temporal.js';
import { styleFor, type Style } from './text/style.js';

/** Options that every command has. */
export interface GlobalOptions {
  readonly project?: string;
  readonly json?: boolean;
  readonly verbose?: boolean;
  readonly address?: string;
  readonly namespace?: string;
  /** How long an answer of a worker may take, in milliseconds. */
  readonly timeoutMs: number;
}

/** The providers of this version. A new provider is one more line here. */
export const providers = () => [onprem()];

/** What commands work with; everything is opened when it is first asked for, and closed at the end. */
export interface Session {
  readonly io: Io;
  readonly options: GlobalOptions;
  /** Style of results on stdout. */
  readonly style: Style;
  /** Folder that holds `retempo.yaml`. */
  projectFolder(): string;
  /** `retempo.yaml` alone: what runs can be seen and stopped also while a model file is broken. */
  config(): Promise<RetempoConfig>;
  project(): Promise<Project>;
  temporal(): Promise<Temporal>;
  starters(): Promise<Starters>;
  installation(): Promise<OpenInstallation>;
  /** The result: one JSON document with `--json`, else lines. */
  result(json: object, lines: readonly string[] | string): void;
  /** Progress for people, on stderr. */
  say(line: string): void;
  /** Something to do when the command ends, however it ends; last in, first out. */
  defer(work: () => Promise<void>): void;
  close(): Promise<void>;
}

/** Opens a session. Throws nothing: what is missing is told when it is needed. */
export function openSession(io: Io, options: GlobalOptions): Session {
  const deferred: (() => Promise<void>)[] = [];
  const errorStyle = styleFor(io.env, io.terminal.stderr);
  const projectFolder = lazy(() => findProject(io, options.project));
  const project = lazy(() => loadProject({ folder: projectFolder(), providers: providers() }));
  const readConfig = lazy(() => loadConfig({ folder: projectFolder(), providers: providers() }));
  const secret = environmentSecrets(io.env);
  const temporal = lazy(async () => {
    // With a server named by hand, `status` and the buttons work without any project.
    const nameable = options.address !== undefined || (io.env['TEMPORAL_ADDRESS'] ?? '') !== '';
    const config = nameable && !hasProject(io, options.project) ? null : await readConfig();
    const place = await findTemporal({ io, address: options.address, namespace: options.namespace, config });
    const access = config === null ? {} : await temporalAccess(credentialsFor(place, config.temporal), secret);
    const opened = await connectTemporal(place, access);
    deferred.push(() => opened.close());
    return opened;
  });
  const installation = lazy(async () => {
    const opened = await openInstallation({ project: { config: await readConfig() }, providers: providers(), secret });
    deferred.push(() => opened.close());
    return opened;
  });
  const starters = lazy(async () =>
    createStarters({ client: (await temporal()).client, timeoutMs: options.timeoutMs })
  );
  return {
    io,
    options,
    style: styleFor(io.env, io.terminal.stdout),
    projectFolder,
    config: readConfig,
    project,
    temporal,
    starters,
    installation,
    result(json, lines) {
      const text = typeof lines === 'string' ? lines : lines.join('\n');
      if (options.json === true) io.stdout.write(`${JSON.stringify(json)}\n`);
      else if (text !== '') io.stdout.write(`${text}\n`);
    },
    say(line) {
      io.stderr.write(`${errorStyle.dim(line)}\n`);
    },
    defer(work) {
      deferred.push(work);
    },
    async close() {
      const failed: unknown[] = [];
      // What comes later is taken down all the same.
      for (const work of deferred.splice(0).toReversed()) await work().catch((error: unknown) => failed.push(error));
      if (failed.length > 0) throw failed[0];
    },
  };
}

function lazy<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

const configName = 'retempo.yaml';

const hasProject = (io: Io, option: string | undefined): boolean =>
  option !== undefined || nearestProject(io.cwd) !== undefined;

function nearestProject(from: string): string | undefined {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    if (existsSync(join(folder, configName))) return folder;
    if (folder === dirname(folder)) return undefined;
  }
}

function findProject(io: Io, option: string | undefined): string {
  if (option !== undefined) {
    const folder = resolve(io.cwd, option);
    if (existsSync(join(folder, configName))) return folder;
    throw new CliError(
      exitCode.usage,
      'noProject',
      `${folder} holds no ${configName}; create one, or name another folder with --project`
    );
  }
  const folder = nearestProject(io.cwd);
  if (folder !== undefined) return folder;
  throw new CliError(
    exitCode.usage,
    'noProject',
    `no ${configName} in ${io.cwd} or above; go to your project, name it with --project <folder>, or begin a new one: an empty ${configName} will do`
  );
}

/** Version of this package. */
export function packageVersion(): string {
  // From the source and from dist/ alike: the package's own file is one or no folder above.
  for (const above of ['./package.json', '../package.json']) {
    const file = new URL(above, import.meta.url);
    if (existsSync(file)) return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
  }
  return 'unknown';
}
