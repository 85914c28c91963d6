import { mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { format } from 'prettier';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportNames } from './export-names.js';
import {
  bytesOf,
  compile,
  installedPackages,
  installHost,
  runProgram,
  temporalVersion,
  writeProgram,
} from './hosts.js';
import { everyEntry, jsProgram, ownWorkflows, startersProgram, workerHost, workflowHost } from './programs.js';
import { packAll, type Tarball } from './tarballs.js';

// The packages as a stranger gets them: packed, installed from the tarballs into hosts outside the repository, compiled
// and run there.

let folder: string;
let tarballs: readonly Tarball[];
const names = () => tarballs.map(({ manifest }) => manifest.name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retempo-package-'));
  tarballs = await packAll(folder);
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('the tarballs', () => {
  it('are those of every published package', () => {
    expect(names()).toEqual([
      '@retempo/workflows',
      '@retempo/analysis',
      '@retempo/activities',
      '@retempo/onprem',
      '@retempo/workers',
      '@retempo/starters',
      'retempo',
    ]);
  });

  it('hold what their exports and commands name, and no test and no build state', () => {
    for (const { manifest, files } of tarballs) {
      const targets = [
        ...Object.values(manifest.exports ?? {}).flatMap((entry) => [entry.types, entry.default]),
        ...Object.values(manifest.bin ?? {}),
      ].map((path) => path.replace(/^\.\//, ''));
      expect(files, manifest.name).toEqual(expect.arrayContaining(targets));
      expect(
        files.filter((path) => /\.test\.|\.test\b.*fixture|tsbuildinfo|(?<!\.d)\.ts$/.test(path)),
        manifest.name
      ).toEqual([]);
      const code = files.filter((path) => path.startsWith('dist/') && path.endsWith('.js'));
      expect(files, manifest.name).toEqual(expect.arrayContaining(code.map((path) => path.replace(/\.js$/, '.d.ts'))));
    }
  });

  it('hold the analysis in one file, since import costs by the module', () => {
    const analysis = tarballs.find(({ manifest }) => manifest.name === '@retempo/analysis')!;
    expect(analysis.files.filter((path) => /\.[cm]?js$/.test(path))).toEqual(['dist/analysis.js']);
    expect(Object.keys(analysis.manifest.dependencies ?? {})).toEqual([]);
  });

  it('carry one version, and name each other by exactly that', () => {
    const [first] = tarballs;
    for (const { manifest } of tarballs) {
      expect(manifest.version, manifest.name).toBe(first!.manifest.version);
      for (const [name, range] of Object.entries(manifest.dependencies ?? {})) {
        if (names().includes(name)) expect(range, `${manifest.name} -> ${name}`).toBe(first!.manifest.version);
      }
    }
  });

  it('are what publint expects, strictly', async () => {
    const found: string[] = [];
    for (const { manifest, file } of tarballs) {
      const bytes = await readFile(file);
      const tarball = new Uint8Array(bytes).buffer;
      const { messages, pkg } = await publint({ strict: true, pack: { tarball } });
      found.push(...messages.map((message) => `${manifest.name}: ${formatMessage(message, pkg) ?? message.code}`));
    }
    expect(found).toEqual([]);
  });

  it('export the names that are on record', async () => {
    const exported: { [entry: string]: readonly string[] } = {};
    for (const { manifest, folder: pkgDir } of tarballs) {
      for (const [entry, { types }] of Object.entries(manifest.exports ?? {})) {
        exported[join(manifest.name, entry)] = await exportNames(join(pkgDir, types));
      }
    }
    // Formatted as the repository formats JSON. A wanted change: npx vitest run --project package -u
    const text = await format(JSON.stringify(exported), { parser: 'json', printWidth: 120 });
    await expect(text).toMatchFileSnapshot('export-names.json');
  });
});

describe('a host that embeds the starters', () => {
  let host: string;
  beforeAll(async () => {
    host = join(folder, 'starters-host');
    const dependencies = { '@temporalio/client': await temporalVersion() };
    await installHost({ folder: host, tarballs, uses: ['@retempo/starters'], dependencies });
  });

  it('installs no worker, no native bridge, no database, no inference engine, no validation library', async () => {
    const installed = await installedPackages(host);
    const megabytes = (await bytesOf(join(host, 'node_modules'))) / 1e6;
    console.log(`starters host: ${installed.length} packages, ${megabytes.toFixed(0)} MB`);
    expect(installed).toEqual(
      expect.arrayContaining(['@retempo/starters', '@retempo/workflows', '@temporalio/client'])
    );
    const heavy =
      /^(@temporalio\/(worker|core-bridge|activity|testing)|@duckdb\/|onnxruntime|zod$|yaml$|@swc\/|webpack$)/;
    expect(installed.filter((name) => heavy.test(name))).toEqual([]);
    expect(installed.filter((name) => name.startsWith('@retempo/'))).toEqual([
      '@retempo/starters',
      '@retempo/workflows',
    ]);
    expect(new Set(installed.filter((name) => name.startsWith('@temporalio/'))).size).toBe(
      installed.filter((name) => name.startsWith('@temporalio/')).length
    );
  });

  it.each([
    { what: 'ESM, module nodenext', type: 'module', module: 'nodenext', resolution: 'nodenext' },
    { what: 'CommonJS, module node20', type: 'commonjs', module: 'node20', resolution: 'node16' },
    { what: 'bundler resolution', type: 'module', module: 'esnext', resolution: 'bundler' },
  ] as const)('compiles and asks: TypeScript, $what', async ({ what, type, module, resolution }) => {
    const program = { host, name: `ts-${module}`, type, files: { 'main.ts': startersProgram } };
    const at = await writeProgram(program);
    await compile(at, module, resolution);
    expect(JSON.parse(await runProgram(at, 'out/main.js')), what).toEqual(['malformed', 'unavailable', 'function']);
  });
});

describe('a host with everything', () => {
  let host: string;
  beforeAll(async () => {
    host = join(folder, 'full-host');
    const version = await temporalVersion();
    const parts = ['activity', 'client', 'common', 'plugin', 'worker', 'workflow'];
    const dependencies = Object.fromEntries(parts.map((part) => [`@temporalio/${part}`, version]));
    await installHost({ folder: host, tarballs, uses: names(), dependencies: { ...dependencies } });
  });

  it('has one copy of each of our packages and of the SDK', async () => {
    const installed = await installedPackages(host);
    const ours = installed.filter((name) => name === 'retempo' || /^@(retempo|temporalio)\//.test(name));
    expect(ours).toEqual([...new Set(ours)]);
    for (const { manifest, unpackedBytes } of tarballs) {
      const count = (part: object | undefined) => Object.keys(part ?? {}).length;
      const foreign = Object.keys(manifest.dependencies ?? {}).filter((name) => !names().includes(name));
      console.log(
        `${manifest.name}: ${(unpackedBytes / 1e3).toFixed(0)} KB, ${count(manifest.dependencies)} dependencies ` +
          `(foreign: ${foreign.join(', ') || 'none'}), ${count(manifest.optionalDependencies)} optional, ${count(manifest.peerDependencies)} peers`
      );
    }
    console.log(`full host: ${installed.length} packages`);
  });

  it('ESM TypeScript: every entry is imported, by name and with its types', async () => {
    const at = await writeProgram({
      host,
      name: 'esm',
      type: 'module',
      files: { 'main.ts': await everyEntry(tarballs) },
    });
    await compile(at, 'nodenext', 'nodenext');
    expect(JSON.parse(await runProgram(at, 'out/main.js'))).toEqual(entryCounts());
  });

  it('CommonJS TypeScript: the same by require', async () => {
    const at = await writeProgram({
      host,
      name: 'cjs',
      type: 'commonjs',
      files: { 'main.ts': await everyEntry(tarballs) },
    });
    await compile(at, 'node20', 'node16');
    expect(JSON.parse(await runProgram(at, 'out/main.js'))).toEqual(entryCounts());
  });

  it('plain JavaScript, ESM', async () => {
    const at = await writeProgram({ host, name: 'js', type: 'module', files: { 'main.js': jsProgram } });
    expect(await runProgram(at, 'main.js')).toBe('retempo/flight-delay function retempo.Orchestrator\n');
  });

  it('re-exports the workflows beside its own and bundles both', async () => {
    const files = { 'workflows.js': ownWorkflows, 'main.js': workflowHost };
    const at = await writeProgram({ host, name: 'worker', type: 'module', files });
    const told = JSON.parse(await runProgram(at, 'main.js')) as { modules: string[]; registered: string[] };
    expect(told.registered).toEqual(['hostOwn', 'modelRelease']);
    expect(
      told.modules.filter((name) => /node_modules\/(zod|@duckdb|@temporalio\/(client|worker))\//.test(name))
    ).toEqual([]);
  });

  it('loads no validation library, no YAML, no database and no inference engine until they are needed', async () => {
    const at = await writeProgram({ host, name: 'heavy', type: 'module', files: { 'main.js': workerHost } });
    expect(JSON.parse(await runProgram(at, 'main.js'))).toEqual({
      sites: [true],
      described: 'object',
      ready: [],
      owner: 'from-the-file',
      configured: ['yaml', 'zod'],
      data: { rows: 1 },
      read: ['@duckdb/node-api', 'yaml', 'zod'],
    });
  });

  it('says what to do when the database cannot be loaded, which other work does not notice', async () => {
    const at = await writeProgram({ host, name: 'no-database', type: 'module', files: { 'main.js': workerHost } });
    const packages = join(host, 'node_modules', '@duckdb');
    const native = (await readdir(packages)).filter((name) => name.startsWith('node-bindings-'));
    expect(native).not.toEqual([]);
    for (const name of native) await rename(join(packages, name), join(host, name));
    try {
      const { sites, data } = JSON.parse(await runProgram(at, 'main.js')) as {
        sites: readonly boolean[];
        data: { class: string; message: string };
      };
      expect(sites).toEqual([true]);
      // Retried, since another worker, or this one after a repair, has it.
      expect(data.class).toBe('ServiceFault');
      expect(data.message).toMatch(/^reading data needs the package @duckdb\/node-api, .*install .*"npm ci".*restart/);
      expect(data.message).toContain('node-bindings');
    } finally {
      for (const name of native) await rename(join(host, name), join(packages, name));
    }
  });

  it('runs the command', async () => {
    const version = tarballs[0]!.manifest.version;
    expect((await runProgram(host, join('node_modules', '.bin', 'retempo'), ['--version'])).trim()).toContain(version);
  });

  /** Every entry has something to import at run time. */
  function entryCounts() {
    const entries = tarballs.flatMap(({ manifest }) =>
      Object.keys(manifest.exports ?? {}).map((entry) => join(manifest.name, entry))
    );
    return Object.fromEntries(entries.map((entry) => [entry, true]));
  }
});
