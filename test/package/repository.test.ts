import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { repositoryRoot } from '../support/repository.js';
import { compileBlocks, fencesOf } from './readme-code.js';

// What holds for the repository as a whole, file by file.

const root = fileURLToPath(repositoryRoot);
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const json = (path: string): unknown => JSON.parse(read(path));

interface Package {
  readonly name: string;
  readonly version?: string;
  readonly private?: boolean;
  readonly license?: string;
  readonly engines?: { readonly node?: string };
  readonly files?: readonly string[];
  readonly workspaces?: readonly string[];
  readonly type?: string;
  readonly dependencies?: { readonly [name: string]: string };
}

const { workspaces = [], license, engines } = json('package.json') as Package;
const packages = workspaces.map((folder) => ({ folder, ...(json(`${folder}/package.json`) as Package) }));
const published = packages.filter((one) => one.private !== true);

/** Files of the repository: tracked, or new and not ignored. */
const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root })
  .toString()
  .split('\0')
  .filter((path) => path !== '' && existsSync(join(root, path)));
const code = files.filter((path) => /\.(ts|mts|js|mjs|py|sh)$/.test(path) || path.startsWith('.ci/'));
const markdown = files.filter((path) => path.endsWith('.md'));

describe('the licence', () => {
  it('is the text of Apache-2.0', () => {
    // Digest of https://www.apache.org/licenses/LICENSE-2.0.txt
    const text = readFileSync(join(root, 'LICENSE'));
    expect(createHash('sha256').update(text).digest('hex')).toBe(
      'cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30'
    );
  });

  it('is named by every package', () => {
    for (const one of packages) expect(one.license, one.name).toBe('Apache-2.0');
    expect(license).toBe('Apache-2.0');
  });
});

describe('the packages', () => {
  it('have one version, and name exactly that one of each other', () => {
    const [version] = new Set(packages.map((one) => one.version));
    for (const one of packages) {
      expect(one.version, one.name).toBe(version);
      for (const [name, range] of Object.entries(one.dependencies ?? {})) {
        if (/^(@retempo\/|retempo$)/.test(name)) expect(range, `${one.name} needs ${name}`).toBe(version);
        else expect(range, `${one.name} needs ${name}`).toMatch(/^\d/);
      }
    }
  });

  it('are ES modules for the same Node, and ship their build without tests', () => {
    for (const one of published) {
      expect(one.type, one.name).toBe('module');
      expect(one.engines, one.name).toEqual(engines);
      expect(one.files, one.name).toContain('!dist/**/*.test.*');
    }
  });

  it('have a README each', () => {
    for (const { folder } of packages) expect(existsSync(join(root, folder, 'README.md')), folder).toBe(true);
  });
});

describe('the lockfile', () => {
  interface Locked {
    readonly version?: string;
    readonly resolved?: string;
    readonly link?: boolean;
    readonly optionalDependencies?: { readonly [name: string]: string };
  }
  const locked = (json('package-lock.json') as { readonly packages: { readonly [path: string]: Locked } }).packages;

  it('names no address of a registry', () => {
    const addressed = Object.entries(locked).filter(
      ([, { resolved, link }]) => link !== true && resolved !== undefined
    );
    expect(addressed).toEqual([]);
  });

  it('holds protobufjs 8 once', () => {
    const copies = Object.entries(locked).filter(([path]) => /(^|\/)node_modules\/protobufjs$/.test(path));
    expect(copies.filter(([, { version }]) => version?.startsWith('8.'))).toHaveLength(1);
  });

  it('holds every optional dependency, those of other platforms too: without, npm ci refuses it', () => {
    const missing: string[] = [];
    for (const [path, { optionalDependencies = {} }] of Object.entries(locked)) {
      for (const name of Object.keys(optionalDependencies)) {
        const above = path
          .split('/node_modules/')
          .map((_, index, parts) => parts.slice(0, index + 1).join('/node_modules/'));
        const places = ['', ...above].map((folder) => (folder === '' ? '' : `${folder}/`) + `node_modules/${name}`);
        if (!places.some((place) => locked[place] !== undefined)) missing.push(`${name} of ${path}`);
      }
    }
    expect(missing).toEqual([]);
  });
});

describe('the code', () => {
  /** Tables and generated data may be longer. */
  const long = /(^|\/)testdata\/|^workers\/configuration\/(every-key\.test|json-schema-data)\.ts$/;

  it('has no file above 400 lines, tables and data excepted', () => {
    const tooLong = code.filter((path) => !long.test(path) && read(path).split('\n').length > 401);
    expect(tooLong).toEqual([]);
  });

  it('leaves nothing for later', () => {
    // Written so that this file does not contain what it looks for.
    const mark = /\b(TO{1}DO|FIXM{1}E)\b/;
    const left = [...code, ...markdown].filter((path) => mark.test(read(path)));
    expect(left).toEqual([]);
  });

  it('skips what needs a Temporal server where none can be had, in every file that does', () => {
    const needing = files.filter((path) => /^test\/(integration|chaos)\/.*\.test\.ts$/.test(path));
    expect(needing.length).toBeGreaterThan(15);
    const open = needing.filter((path) => {
      const suites = [...read(path).matchAll(/^(?:describe|it)\b.*$/gm)].map(([line]) => line);
      // Some need one that is not there.
      const guarded = (line: string) => /\.skipIf\(missing !== null\)\(|without a Temporal server/.test(line);
      return suites.length === 0 || !suites.every(guarded);
    });
    expect(open).toEqual([]);
  });

  it('names no folder of the machine that it was written on', () => {
    const named = [...code, ...markdown].filter((path) => read(path).includes(['', 'work', 'main'].join('/')));
    expect(named).toEqual([]);
  });
});

describe('the documents', () => {
  it('link to files that exist', () => {
    const broken: string[] = [];
    for (const path of markdown) {
      const text = fencesOf(read(path)).reduce((left, { code: block }) => left.replace(block, ''), read(path));
      for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^(https?:|mailto:|#)/.test(target)) continue;
        const to = join(root, dirname(path), decodeURI(target.split('#')[0] ?? ''));
        if (!existsSync(to)) broken.push(`${path}: ${target}`);
      }
    }
    expect(broken).toEqual([]);
  });

  it('link to headings that exist', () => {
    const slugOf = (heading: string): string =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replaceAll(' ', '-');
    const broken: string[] = [];
    for (const path of markdown) {
      for (const [, file = '', heading = ''] of read(path).matchAll(/\]\(([^)\s#:]*)#([^)\s]+)\)/g)) {
        const to = file === '' ? path : join(dirname(path), file);
        if (!to.endsWith('.md') || !existsSync(join(root, to))) continue;
        const headings = [...read(to).matchAll(/^#+ (.+)$/gm)].map(([, text = '']) => slugOf(text));
        if (!headings.includes(heading)) broken.push(`${path}: ${file}#${heading}`);
      }
    }
    expect(broken).toEqual([]);
  });

  it('name scripts of package.json that exist', () => {
    const { scripts } = json('package.json') as { readonly scripts: { readonly [name: string]: string } };
    const unknown: string[] = [];
    for (const path of markdown.filter((one) => !one.startsWith('examples/'))) {
      for (const [, name = ''] of read(path).matchAll(/\bnpm run ([\w:-]+)/g)) {
        if (!Object.hasOwn(scripts, name)) unknown.push(`${path}: npm run ${name}`);
      }
    }
    expect(unknown).toEqual([]);
  });

  it('show TypeScript that compiles', async () => {
    const readmes = ['README.md', ...packages.map(({ folder }) => `${folder}/README.md`)].filter((path) =>
      existsSync(join(root, path))
    );
    const blocks = readmes.flatMap((path) =>
      fencesOf(read(path))
        .filter(({ language }) => language === 'ts')
        .map(({ code: block, line }) => ({ name: `${path.replaceAll(/[/.]/g, '-')}-line-${line}`, code: block }))
    );
    expect(blocks.length).toBeGreaterThan(10);
    expect(await compileBlocks(blocks)).toBe('');
  });

  it('would notice TypeScript that does not compile', async () => {
    const code = "import { createStarter } from '@retempo/starters';\nconst x: number = 'one';";
    const said = await compileBlocks([{ name: 'wrong', code }]);
    expect(said).toContain('createStarter');
    expect(said).toContain("Type 'string' is not assignable to type 'number'");
  });
});

describe('the fences of a Markdown text', () => {
  it('are found with language, code and line', () => {
    const text = ['a', '```ts', 'x', '```', '', '```', 'y', '', 'z', '```'].join('\n');
    expect(fencesOf(text)).toEqual([
      { language: 'ts', code: 'x', line: 2 },
      { language: '', code: 'y\n\nz', line: 6 },
    ]);
    expect(() => fencesOf('```ts\nx')).toThrow('line 1');
  });
});
