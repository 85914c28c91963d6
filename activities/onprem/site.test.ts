import childProcess, { type ChildProcess } from 'node:child_process';
import fs, { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobIntent } from '@retempo/workflows/contracts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { probeMachine } from './probe.js';
import { openSite } from './site.js';

let folder: string;
const { spawn } = childProcess;
const { linkSync, statfsSync } = fs;
const readAsIs = fs.readFileSync;
const substitutes: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/retempo-site-`);
});
afterEach(() => {
  for (const child of substitutes.splice(0)) child.kill('SIGKILL');
  vi.unstubAllGlobals();
  Object.assign(childProcess, { spawn });
  Object.assign(fs, { linkSync, statfsSync, readFileSync: readAsIs });
  syncBuiltinESMExports();
  rmSync(folder, { recursive: true, force: true });
});

const id = 'onprem.here';
const open = (config: unknown) =>
  openSite({
    id,
    config,
    context: {
      stateFolder: folder,
      materialize: () => Promise.resolve(),
      secret: () => Promise.resolve(''),
    },
  });

describe('a local site', () => {
  it('lies where it is configured, for its user alone', async () => {
    for (const [config, root] of [
      [{}, `${folder}/${id}`],
      [{ root: 'inside' }, `${folder}/inside`],
      [{ root: `${folder}/elsewhere` }, `${folder}/elsewhere`],
    ] as const) {
      const site = open(config);
      expect(site.root).toBe(root);
      for (const path of [root, `${root}/serving`]) expect(statSync(path).mode & 0o777).toBe(0o700);
      await site.close();
    }
  });

  it.each([
    [{}, 'state', id],
    [{ root: 'inside' }, `sites.${id}.root`, 'inside'],
  ])('that has no folder names the setting to change: %j', (config, setting, name) => {
    writeFileSync(`${folder}/${name}`, 'a file in the way');
    const why = `${setting}: the folder ${folder}/${name} of site ${id} cannot be used (`;
    expect(() => open(config)).toThrow(
      expect.objectContaining({ class: 'InvalidSpec', message: expect.stringContaining(why) as string }) as Error
    );
  });

  it('gives programs as long to end as its configuration says', async () => {
    const site = open({ stopGrace: '7s', pools: { cpu: { slots: 3 } } });
    const order = `${folder}/order`;
    Object.assign(childProcess, {
      spawn: (_file: string, _args: readonly string[], options: object) => {
        const child = spawn('/bin/sh', ['-c', 'cat > "$0" && exec sleep 600', order], options);
        substitutes.push(child);
        return child;
      },
    });
    syncBuiltinESMExports();
    const intent: JobIntent = {
      key: 'a'.repeat(64),
      releaseId: 'r',
      step: 'train',
      attempt: 1,
      specDigest: 'd',
      owner: 'o',
      spec: { program: { command: ['x'] }, inputs: {}, parameters: {}, capacity: 'onDemand', timeoutMs: 1000 },
    };
    await site.jobs?.create(intent, { signal: new AbortController().signal, deadlineMs: Date.now() + 60_000 });
    while (!existsSync(order) || !readFileSync(order, 'utf8').endsWith('\n')) await sleep(10);
    expect(JSON.parse(readFileSync(order, 'utf8'))).toMatchObject({ stopGraceMs: 7000, slots: 3, root: site.root });
    await site.close();
  });
});

describe('the probe of a machine', () => {
  const root = () => `${folder}/site`;
  const change = (functions: object): void => {
    Object.assign(fs, functions);
    syncBuiltinESMExports();
  };
  const refused = (code: string) => (): never => {
    throw Object.assign(new Error(`${code}: refused`), { code });
  };
  const onNode = (node: string): void => {
    vi.stubGlobal('process', Object.create(process, { versions: { value: { ...process.versions, node } } }));
  };

  it('finds nothing here and leaves nothing but the folder, which is for its user alone', () => {
    expect(probeMachine(root())).toEqual([]);
    expect(readdirSync(root())).toEqual([]);
    expect(statSync(root()).mode & 0o777).toBe(0o700);
  });

  it.each<[what: string, begin: () => void, message: RegExp]>([
    [
      'there is no /proc',
      () =>
        change({
          readFileSync: (path: string, ...more: []) =>
            path.startsWith('/proc/') ? refused('ENOENT')() : readAsIs(path, ...more),
        }),
      /^local jobs need Linux with \/proc, run the worker there: there is no \/proc$/,
    ],
    [
      'Node is one minor version too old',
      () => onNode('20.18.9'),
      /^Node 20\.19 or newer is needed: this is 20\.18\.9$/,
    ],
    [
      'Node is one major version too old',
      () => onNode('18.99.0'),
      /^Node 20\.19 or newer is needed: this is 18\.99\.0$/,
    ],
    ['hard links are refused', () => change({ linkSync: refused('EPERM') }), /with hard links: EPERM: refused$/],
    ['a link replaces what is there', () => change({ linkSync: () => undefined }), /a file was created twice$/],
    [
      'the disk is nearly full',
      () => change({ statfsSync: () => ({ bavail: 16_383, bsize: 4096 }) }),
      /^the disk of the site is nearly full, free some: 65532 KiB free$/,
    ],
  ])('says so when %s, and leaves nothing', (_what, begin, message) => {
    begin();
    expect(probeMachine(root())).toEqual([{ where: root(), message: expect.stringMatching(message) as string }]);
    expect(readdirSync(root())).toEqual([]);
  });

  it.each(['20.19.0', '21.0.0', '22.1.0'])('Node %s is new enough, as is a disk with 64 MiB', (version) => {
    onNode(version);
    change({ statfsSync: () => ({ bavail: 16_384, bsize: 4096 }) });
    expect(probeMachine(root())).toEqual([]);
  });
});
