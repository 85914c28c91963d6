import { readdir } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { z } from 'zod';
import type { Provider } from '@retempo/activities/ports';
import { findCodeFiles } from './code-files.js';
import { configShape } from './config-schema.js';
import { resolveConfig } from './config.js';
import type { ConfigInput, RetempoConfig } from './config.js';
import { described } from './fields.js';
import { checkModel } from './model-checks.js';
import type { ModelSections, ProjectPlaces } from './model-checks.js';
import { modelSchema, modelShape } from './model-schema.js';
import { absolutePath } from './paths.js';
import { ConfigurationError } from './problems.js';
import type { ConfigurationProblem, FoundProblem } from './problems.js';
import { listFiles, matcher } from './project-files.js';
import type { ProjectFile } from './project-files.js';
import { endpointOf, resolveModel } from './resolve-model.js';
import type { ModelDraft } from './resolve-model.js';
import { check } from './schema-problems.js';
import { inlineSecrets } from './secrets.js';
import { didYouMean } from './suggestions.js';
import { readYamlFile } from './yaml-file.js';
import type { YamlFile } from './yaml-file.js';

/** One checked model file. */
export interface LoadedModel {
  /** Path of the file, relative to the project folder. */
  readonly file: string;
  /** Every default filled in; complete but for `code`. */
  readonly draft: ModelDraft;
  /** Files of the program, relative to `folder`; sealing them gives `code`. */
  readonly codeFiles: readonly ProjectFile[];
  /** Absolute path of the folder that `codeFiles` start in. */
  readonly folder: string;
}

export interface Project {
  readonly config: RetempoConfig;
  /** In the order of their names. */
  readonly models: readonly LoadedModel[];
}

/** What the checks of a site's entry need of a provider. */
export type ConfigurationChecker = Pick<Provider, 'name' | 'checkConfig' | 'checkSites'>;

/** Where a project is, and what may stand in its sites' entries. */
export interface LoadOptions {
  readonly folder: string;
  readonly providers: readonly ConfigurationChecker[];
}

/** See `on-demand.ts`, through which it is called. */
export async function loadConfig(options: LoadOptions): Promise<RetempoConfig> {
  const { config, problems } = await readConfig(options);
  if (problems.length > 0) throw new ConfigurationError(problems);
  return config;
}

/** See `on-demand.ts`, through which it is called. */
export async function loadProject(options: LoadOptions): Promise<Project> {
  const { folder, main, found, config, problems } = await readConfig(options);
  const files = await modelFiles(config);
  // A broken pattern has been told; then "no file" would only confuse.
  if (files.length === 0 && main.problems.length === 0 && !found.some(({ path }) => path[0] === 'models')) {
    problems.push(
      main.place({
        path: ['models'],
        message: `no model file matches ${config.models.join(', ')}`,
        suggestion: 'write one that says model, data, train and evaluate, or correct models',
      })
    );
  }
  const places = placesOf(config);
  const models: LoadedModel[] = [];
  const seen: SeenModel[] = [];
  for (const file of files) {
    const yaml = await readYamlFile({ path: join(folder, file), file });
    const result = await loadModel({ yaml, config, places, seen, files });
    problems.push(...result.problems);
    if (result.model !== undefined) models.push(result.model);
  }
  // Only when every model is known: an endpoint of a broken file is not one that nobody has.
  if (problems.length === 0) problems.push(...checkEndpoints(config, seen).map(main.place));
  if (problems.length > 0) throw new ConfigurationError(problems);
  return { config, models: models.sort((left, right) => (left.draft.model < right.draft.model ? -1 : 1)) };
}

/** `retempo.yaml` with its defaults, and everything that is wrong with it. */
async function readConfig(options: LoadOptions): Promise<{
  readonly folder: string;
  readonly main: YamlFile;
  readonly found: readonly FoundProblem[];
  readonly config: RetempoConfig;
  readonly problems: ConfigurationProblem[];
}> {
  const folder = resolve(options.folder);
  const main = await readYamlFile({ path: join(folder, 'retempo.yaml'), file: 'retempo.yaml' });
  const { sections, found } = checkSections(main, configShape);
  const input = sections as ConfigInput;
  const firstProvider = options.providers[0]?.name ?? 'onprem';
  const config = resolveConfig(input, { folder, defaultSite: `${firstProvider}.local` });
  const between = [...checkConfig(input, options.providers), ...checkSites(input, config, options.providers)];
  const problems = [...main.problems, ...[...found, ...between].map(main.place)];
  return { folder, main, found, config, problems };
}

interface SeenModel {
  readonly file: string;
  readonly model: string;
  readonly endpoint: string;
}

async function loadModel(input: {
  readonly yaml: YamlFile;
  readonly config: RetempoConfig;
  readonly places: ProjectPlaces;
  readonly seen: SeenModel[];
  /** All model files: they are configuration, not program. */
  readonly files: readonly string[];
}): Promise<{ readonly model?: LoadedModel; readonly problems: readonly ConfigurationProblem[] }> {
  const { yaml, config, places, seen, files } = input;
  if (yaml.problems.length > 0) return { problems: yaml.problems };
  const { sections, found } = checkSections(yaml, modelShape);
  const given = sections as ModelSections;
  const problems: FoundProblem[] = [...found, ...checkModel(given, places), ...checkOthers(yaml.file, given, seen)];

  const code = await findCodeFiles({
    folder: config.folder,
    include: given.code?.include ?? config.code.include,
    exclude: [...config.code.exclude, ...(given.code?.exclude ?? [])],
    never: [
      ...['retempo.yaml', ...files].map((file) => join(config.folder, file)),
      config.stateFolder,
      fileURLToPath(config.artifacts),
      ...(given.data === undefined ? [] : [absolutePath(given.data.source, config.folder)]),
    ],
  });
  problems.push(...code.problems);
  if (problems.length > 0) return { problems: problems.map(yaml.place) };

  const complete = check(modelSchema, yaml.value);
  if (complete.value === undefined) return { problems: complete.problems.map(yaml.place) };
  const draft = resolveModel(complete.value, {
    folder: config.folder,
    pools: Object.entries(places.pools).flatMap(([site, pools]) => (pools ?? ['cpu']).map((pool) => `${site}/${pool}`)),
    siteOf: (endpoint) => siteOfEndpoint(config, endpoint),
  });
  return { model: { file: yaml.file, draft, codeFiles: code.files, folder: config.folder }, problems: [] };
}

/** Checks each section on its own, so that one broken section does not hide the problems of the others. */
function checkSections(
  yaml: YamlFile,
  shape: Readonly<Record<string, z.ZodType>>
): { readonly sections: Readonly<Record<string, unknown>>; readonly found: readonly FoundProblem[] } {
  const { value } = yaml;
  if (value === undefined) return { sections: {}, found: [] };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { sections: {}, found: [{ path: [], message: `expected a mapping, got ${described(value)}` }] };
  }
  const known = Object.keys(shape);
  const unknown = Object.keys(value)
    .filter((key) => !known.includes(key))
    .map((key) => ({ path: [key], message: 'unknown key', suggestion: didYouMean(key, known) }));
  const sections: Record<string, unknown> = {};
  const found: FoundProblem[] = [...inlineSecrets(value), ...unknown];
  for (const [name, schema] of Object.entries(shape)) {
    const result = check(schema, (value as Record<string, unknown>)[name], [name]);
    // What this version cannot do is told once, not also as the lack of what it would replace.
    const later = result.problems.some(
      (one) => one.path.at(-1) === 'image' && one.message.includes('not supported yet')
    );
    found.push(...result.problems.filter((one) => !(later && one.path.at(-1) === 'run')));
    if (result.problems.length === 0 && result.value !== undefined) sections[name] = result.value;
  }
  return { sections, found };
}

function checkConfig(input: ConfigInput, providers: readonly ConfigurationChecker[]): readonly FoundProblem[] {
  const found: FoundProblem[] = [];
  const names = providers.map(({ name }) => name);
  for (const [site, entry] of Object.entries(input.sites ?? {})) {
    const provider = providers.find(({ name }) => name === site.split('.')[0]);
    if (provider === undefined) {
      const near = didYouMean(site.split('.')[0] ?? '', names);
      found.push({ path: ['sites', site], message: 'no such provider in this version', suggestion: near });
      continue;
    }
    const problems = provider.checkConfig(entry ?? {});
    found.push(...problems.map(({ path, message }) => ({ path: ['sites', site, ...path], message })));
  }
  if (input.sites !== undefined && Object.keys(input.sites).length === 0) {
    found.push({ path: ['sites'], message: 'expected at least one site, got an empty mapping' });
  }
  const sites = Object.keys(input.sites ?? {});
  for (const [name, endpoint] of Object.entries(input.endpoints ?? {})) {
    if (input.sites !== undefined && !sites.includes(endpoint.site)) {
      const message = `unknown site ${endpoint.site}`;
      found.push({ path: ['endpoints', name, 'site'], message, suggestion: didYouMean(endpoint.site, sites) });
    }
  }
  const { clientCert, clientKey } = input.temporal?.tls ?? {};
  if ((clientCert === undefined) !== (clientKey === undefined)) {
    found.push({ path: ['temporal', 'tls'], message: 'expected clientCert and clientKey together, got one of them' });
  }
  return found;
}

/** What is wrong between sites that are right by themselves. */
function checkSites(
  input: ConfigInput,
  { stateFolder, metricsPort }: RetempoConfig,
  providers: readonly ConfigurationChecker[]
): readonly FoundProblem[] {
  const sites = Object.entries(input.sites ?? {});
  const ports = metricsPort === null ? {} : { 'metrics.port': metricsPort };
  const found = providers.flatMap((provider): readonly FoundProblem[] => {
    const own = Object.fromEntries(sites.filter(([site]) => site.split('.')[0] === provider.name));
    const problems = provider.checkSites?.(own, { stateFolder, ports }) ?? [];
    return problems.map(({ path, message }) => ({ path: ['sites', ...path], message }));
  });
  const listedBy = new Map<string, string>();
  for (const [site, entry] of sites) {
    for (const endpoint of keysUnder(entry, 'endpoints') ?? []) {
      const path = ['sites', site, 'endpoints', endpoint];
      const chosen = input.endpoints?.[endpoint]?.site;
      const other = listedBy.get(endpoint);
      if (chosen !== undefined && chosen !== site) {
        const suggestion = `move it to ${chosen}, or correct endpoints.${endpoint}.site`;
        found.push({ path, message: `endpoints.${endpoint}.site says that ${chosen} serves it`, suggestion });
      } else if (other !== undefined) {
        const message = `${other} lists this endpoint too, and one site serves it`;
        found.push({ path, message, suggestion: 'keep it at one of them' });
      }
      listedBy.set(endpoint, site);
    }
  }
  return found;
}

/** A model's name and its endpoint belong to one file only. */
function checkOthers(file: string, given: ModelSections, seen: SeenModel[]): readonly FoundProblem[] {
  const { model, release } = given;
  if (model === undefined) return [];
  const found: FoundProblem[] = [];
  const same = seen.find((other) => other.model === model);
  if (same !== undefined) found.push({ path: ['model'], message: `the name ${model} is also used by ${same.file}` });
  const endpoint = endpointOf({ model, release });
  const shared = seen.find((other) => other.endpoint === endpoint && other.model !== model);
  if (shared !== undefined) {
    const path = release?.to === undefined ? ['model'] : ['release', 'to'];
    const message = `endpoint ${endpoint} belongs to model ${shared.model} (${shared.file}); an endpoint serves one model`;
    found.push({ path, message });
  }
  seen.push({ file, model, endpoint });
  return found;
}

/** An endpoint that no model is released to is mostly a typing error, and what is set for it would never count. */
function checkEndpoints(config: RetempoConfig, seen: readonly SeenModel[]): readonly FoundProblem[] {
  const released = seen.map(({ endpoint }) => endpoint);
  const named = [
    ...Object.keys(config.endpoints).map((endpoint) => ['endpoints', endpoint]),
    ...Object.entries(config.sites).flatMap(([site, entry]) =>
      (keysUnder(entry, 'endpoints') ?? []).map((endpoint) => ['sites', site, 'endpoints', endpoint])
    ),
  ];
  return named.flatMap((path): readonly FoundProblem[] => {
    const endpoint = path.at(-1) ?? '';
    if (released.includes(endpoint)) return [];
    const message = `no model is released to endpoint ${endpoint}`;
    return [{ path, message, suggestion: didYouMean(endpoint, released) }];
  });
}

/** Where `endpoints` says; else the site whose entry lists the endpoint; else the first site. */
function siteOfEndpoint(config: RetempoConfig, endpoint: string): string {
  const lists = ([, entry]: [string, unknown]): boolean => keysUnder(entry, 'endpoints')?.includes(endpoint) === true;
  const sites = Object.entries(config.sites);
  return config.endpoints[endpoint]?.site ?? (sites.find(lists) ?? sites[0])?.[0] ?? '';
}

/** Names under one key of a site's entry, or null when the entry has no such mapping. */
function keysUnder(entry: unknown, key: string): readonly string[] | null {
  if (typeof entry !== 'object' || entry === null) return null;
  const inner = (entry as Readonly<Record<string, unknown>>)[key];
  return typeof inner === 'object' && inner !== null ? Object.keys(inner) : null;
}

/** By convention every provider lists its pools under `pools`; what a site does not list is not checked here. */
function placesOf(config: RetempoConfig): ProjectPlaces {
  return {
    pools: Object.fromEntries(Object.entries(config.sites).map(([site, entry]) => [site, keysUnder(entry, 'pools')])),
    endpoints: config.endpoints,
  };
}

async function modelFiles(config: RetempoConfig): Promise<readonly string[]> {
  const matches = matcher(config.models);
  const state = relative(config.folder, config.stateFolder).split(sep).join('/');
  const present = await readdir(config.folder).catch(() => null);
  if (present === null) return [];
  const files = await listFiles(
    config.folder,
    (path) => path !== state && !path.split('/').some((part) => part.startsWith('.') || part === 'node_modules')
  );
  return files.map(({ path }) => path).filter((path) => path !== 'retempo.yaml' && matches(path));
}
