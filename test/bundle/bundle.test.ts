import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';
import { beforeAll, describe, expect, it } from 'vitest';
import * as workflows from '@retempo/workflows';
import { repositoryRoot } from '../support/repository.js';

const entry = fileURLToPath(import.meta.resolve('@retempo/workflows'));
const dist = entry.replace(/index\.js$/, '');

/** What a host's worker registers: a name more or less is a change of the contract. */
const workflowTypes = [
  'canaryDeployment',
  'continuousTraining',
  'driftCheck',
  'jobReaper',
  'modelRelease',
  'trainingPipeline',
  'validationGate',
];

/** Bytes of minified code that Retempo may add to the bundle of a hello-world worker. */
const budgetBytes = 80 * 1024;

interface Bundle {
  /** Without the inline source map. */
  readonly code: string;
  readonly withSourceMap: number;
  /** Bytes without comments and white space, names shortened: how much there is to parse and to keep. */
  readonly minified: number;
  /** Path of every module in it. */
  readonly modules: readonly string[];
  /** Modules that the bundler left out because the sandbox has none of them. */
  readonly ignored: readonly string[];
}

// The compiler that the SDK's own bundler works with.
const sdk = createRequire(createRequire(import.meta.url).resolve('@temporalio/worker'));
const swc = sdk('@swc/core') as {
  minify(code: string, options: { compress: boolean; mangle: boolean }): Promise<{ code: string }>;
};

async function bundle(workflowsPath: string): Promise<Bundle> {
  const nothing = () => undefined;
  const logger = { log: nothing, trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };
  const { code: whole } = await bundleWorkflowCode({ workflowsPath, logger });
  const code = whole.slice(0, whole.lastIndexOf('//# sourceMappingURL='));
  const { code: minified } = await swc.minify(code, { compress: true, mangle: true });
  const all = (pattern: RegExp) => [...code.matchAll(pattern)].map((match) => match[1] ?? '');
  return {
    code,
    withSourceMap: whole.length,
    minified: minified.length,
    modules: all(/^\/\*{3}\/ "([^"?]+)"$/gm),
    ignored: all(/^ {2}!\*{3} (\S+) \(ignored\)/gm).toSorted(),
  };
}

describe('the workflow bundle', () => {
  let ours: Bundle;
  let hello: Bundle;
  beforeAll(async () => {
    const outputs = fileURLToPath(new URL('.test-output/', repositoryRoot));
    await mkdir(outputs, { recursive: true });
    // Inside the repository, so that the same @temporalio/workflow is bundled.
    const folder = await mkdtemp(join(outputs, 'hello-'));
    try {
      const file = join(folder, 'hello.js');
      await writeFile(
        file,
        "import { proxyActivities } from '@temporalio/workflow';\nconst { greet } = proxyActivities({ startToCloseTimeout: '1 minute' });\nexport async function hello(name) {\n  return greet(name);\n}\n"
      );
      hello = await bundle(file);
    } finally {
      await rm(folder, { recursive: true });
    }
    ours = await bundle(entry);
  }, 120_000);

  it('registers exactly the seven workflow types', () => {
    const functions = Object.entries(workflows).filter(([, value]) => typeof value === 'function');
    expect(Object.keys(workflows).toSorted()).toEqual(workflowTypes);
    expect(functions).toHaveLength(workflowTypes.length);
  });

  it('holds our modules and what hello world holds, and nothing else', () => {
    const known = new Set(hello.modules);
    const added = ours.modules.filter((module) => !known.has(module));
    const foreign = added.filter((module) => module.includes('node_modules/') && !allowed(module));
    expect(foreign).toEqual([]);
    expect(added.some((module) => module.includes('workflows/dist/continuous-training.js'))).toBe(true);
  });

  it('reaches no Node module, no validation library, no client, worker or activity', () => {
    const names = ['zod', 'protobufjs', 'yaml', 'commander', '@temporalio/client', '@temporalio/worker'];
    const forbidden = [...names, '@temporalio/activity', '@temporalio/core-bridge', '@temporalio/proto', '@grpc'];
    const found = ours.modules.filter((module) => forbidden.some((name) => module.includes(`node_modules/${name}/`)));
    expect(found).toEqual([]);
    expect(ours.modules.length).toBeGreaterThan(50);
    // A Node module would be replaced by an empty one that names it.
    expect(ours.ignored).toEqual(hello.ignored);
  });

  it(`adds at most ${budgetBytes / 1024} KB of minified code to hello world`, () => {
    const kb = (bytes: number) => `${(bytes / 1024).toFixed(1)} KB`;
    const line = (what: string, a: number, b: number) =>
      `${what}: ${kb(a)}, hello world ${kb(b)}, +${kb(a - b)} (${a - b} bytes)`;
    console.log(
      [
        line('workflow bundle, minified', ours.minified, hello.minified),
        line('as bundled, without source map', ours.code.length, hello.code.length),
        line('as bundled, with source map', ours.withSourceMap, hello.withSourceMap),
      ].join('\n')
    );
    expect(ours.minified - hello.minified).toBeLessThanOrEqual(budgetBytes);
  });
});

/** Parts of the SDK that hello world does not happen to use. */
function allowed(module: string): boolean {
  return /node_modules\/@temporalio\/(workflow|common)\//.test(module);
}

describe('the compiled workflow modules', () => {
  /** Globals that the sandbox lacks or that would make a replay differ; lint forbids them in the source. */
  const forbidden = /(?<![.\w$'"`/-])(process|Buffer|fetch|crypto|require|setImmediate|XMLHttpRequest)\b(?=\s*[.([])/;

  it('touch no global of Node', async () => {
    const found: string[] = [];
    for (const file of await readdir(dist, { recursive: true })) {
      if (!file.endsWith('.js') || file.includes('.test.')) continue;
      const lines = withoutComments(await readFile(join(dist, file), 'utf8')).split('\n');
      for (const [i, line] of lines.entries()) if (forbidden.test(line)) found.push(`${file}:${i + 1} ${line.trim()}`);
    }
    expect(found).toEqual([]);
  });

  it('the search finds them where they are', () => {
    const bad = [
      'const a = process.env;',
      'await fetch(url)',
      'Buffer.from(x)',
      'crypto.randomUUID()',
      "require('fs')",
    ];
    for (const line of bad) expect(line).toMatch(forbidden);
    for (const line of ['state.process.env', 'prefetch(x)', 'this.fetch(y)']) expect(line).not.toMatch(forbidden);
  });
});

function withoutComments(code: string): string {
  return code
    .replaceAll(/\/\*[\s\S]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, ''))
    .replaceAll(/\/\/.*$/gm, '');
}
