import { cp, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { output, root, type Tarball } from './tarballs.js';

/** The SDK version of the repository: the one that the peer ranges are tested with. */
export async function temporalVersion(): Promise<string> {
  const { devDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    devDependencies: { readonly [name: string]: string };
  };
  return devDependencies['@temporalio/client']!;
}

export interface HostOptions {
  readonly folder: string;
  readonly tarballs: readonly Tarball[];
  /** Our packages that the host itself names; the others come as dependencies of these. */
  readonly uses: readonly string[];
  readonly dependencies: { readonly [name: string]: string };
}

/** Makes a host with the packed packages and installs it with the ordinary npm, from its cache where that has it. */
export async function installHost({ folder, tarballs, uses, dependencies }: HostOptions): Promise<void> {
  await mkdir(folder, { recursive: true });
  const files = Object.fromEntries(tarballs.map(({ manifest, file }) => [manifest.name, `file:${file}`]));
  const own = Object.fromEntries(uses.map((name) => [name, files[name]!]));
  const overrides = Object.fromEntries(Object.entries(files).filter(([name]) => !uses.includes(name)));
  const manifest = { name: 'host', private: true, dependencies: { ...own, ...dependencies }, overrides };
  await writeFile(join(folder, 'package.json'), JSON.stringify(manifest, null, 2));
  // Install scripts are not needed: `onnxruntime-node` would fetch CUDA libraries, the SDK works without its own.
  const quiet = ['--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline', '--loglevel=error'];
  await output('npm', ['install', ...quiet], folder);
}

/** Names of everything that is installed, sorted. */
export async function installedPackages(host: string): Promise<readonly string[]> {
  const names: string[] = [];
  async function visit(modules: string): Promise<void> {
    for (const name of await readdir(modules).catch(() => [])) {
      if (name.startsWith('.')) continue;
      if (name.startsWith('@') && !modules.endsWith(name)) {
        for (const inner of await readdir(join(modules, name)))
          await take(join(modules, name, inner), `${name}/${inner}`);
      } else await take(join(modules, name), name);
    }
  }
  async function take(folder: string, name: string): Promise<void> {
    if (!(await stat(join(folder, 'package.json')).catch(() => null))) return;
    names.push(name);
    await visit(join(folder, 'node_modules'));
  }
  await visit(join(host, 'node_modules'));
  return names.toSorted();
}

/** Bytes of a folder and everything in it. */
export async function bytesOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const sizes = entries.filter((entry) => entry.isFile()).map((entry) => stat(join(entry.parentPath, entry.name)));
  return (await Promise.all(sizes)).reduce((sum, { size }) => sum + size, 0);
}

/** A program of a host, in a folder of its own below it, so that each may have its own module type. */
export interface Program {
  readonly host: string;
  readonly name: string;
  readonly type: 'module' | 'commonjs';
  /** File name to text. */
  readonly files: { readonly [name: string]: string };
}

export async function writeProgram({ host, name, type, files }: Program): Promise<string> {
  const folder = join(host, name);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type }));
  for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text);
  // Types of Node for the host's own program; the repository's, so that no host has to install them.
  await cp(join(root, 'node_modules/@types/node'), join(host, 'node_modules/@types/node'), { recursive: true });
  await cp(join(root, 'node_modules/undici-types'), join(host, 'node_modules/undici-types'), { recursive: true });
  return folder;
}

/** Compiles with the repository's TypeScript and the strictest usual options. */
export async function compile(folder: string, module: string, moduleResolution: string): Promise<void> {
  const compilerOptions = {
    target: 'es2022',
    module,
    moduleResolution,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: true,
    types: ['node'],
    rootDir: '.',
    outDir: 'out',
  };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  await output(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder], folder);
}

export const runProgram = (folder: string, file: string, args: readonly string[] = []): Promise<string> =>
  output(process.execPath, ['--no-warnings', file, ...args], folder);
