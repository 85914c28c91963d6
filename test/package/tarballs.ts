import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { repositoryRoot } from '../support/repository.js';

export const root = fileURLToPath(repositoryRoot);
const run = promisify(execFile);

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly exports?: { readonly [entry: string]: { readonly types: string; readonly default: string } };
  readonly bin?: { readonly [name: string]: string };
  readonly dependencies?: { readonly [name: string]: string };
  readonly optionalDependencies?: { readonly [name: string]: string };
  readonly peerDependencies?: { readonly [name: string]: string };
}

export interface Tarball {
  readonly manifest: Manifest;
  readonly folder: string;
  readonly file: string;
  /** Paths inside the package. */
  readonly files: readonly string[];
  readonly unpackedBytes: number;
}

/** Output of a command; on failure the error holds its output, which is what one wants to read. */
export async function output(command: string, args: readonly string[], cwd: string): Promise<string> {
  try {
    return (await run(command, args, { cwd, maxBuffer: 64 * 1024 * 1024, env: cleanEnvironment() })).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${command} ${args.join(' ')}\n${stdout ?? ''}\n${stderr ?? String(error)}`, { cause: error });
  }
}

/** Without what `npm run` and Vitest put there: a host's npm is not run by ours. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const own =
    /^(npm_(?!config_(registry|cache|cafile|https?_proxy|noproxy|userconfig)$)|VITEST|NODE_OPTIONS|NODE_ENV|INIT_CWD)/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)));
}

/** Packs every package that is published, as `npm publish` would. Needs the build. */
export async function packAll(destination: string): Promise<readonly Tarball[]> {
  const { workspaces } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { workspaces: string[] };
  const folders: { folder: string; manifest: Manifest }[] = [];
  for (const folder of workspaces) {
    const manifest = JSON.parse(await readFile(join(root, folder, 'package.json'), 'utf8')) as Manifest;
    if (manifest.private !== true) folders.push({ folder: join(root, folder), manifest });
  }
  const names = folders.flatMap(({ manifest }) => ['-w', manifest.name]);
  const packed = JSON.parse(
    await output('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', destination, ...names], root)
  ) as { name: string; filename: string; unpackedSize: number; files: { path: string }[] }[];
  return folders.map(({ folder, manifest }) => {
    const entry = packed.find(({ name }) => name === manifest.name);
    if (entry === undefined) throw new Error(`npm pack made nothing of ${manifest.name}`);
    return {
      manifest,
      folder,
      file: join(destination, entry.filename.replace('@', '').replace('/', '-')),
      files: entry.files.map(({ path }) => path),
      unpackedBytes: entry.unpackedSize,
    };
  });
}
