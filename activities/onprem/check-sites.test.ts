import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, describe, expect, it } from 'vitest';
import { onprem } from './index.js';

const stateFolder = realpathSync(mkdtempSync(`${tmpdir()}/retempo-sites-`));
afterAll(() => rmSync(stateFolder, { recursive: true, force: true }));
mkdirSync(`${stateFolder}/east`);
symlinkSync(`${stateFolder}/east`, `${stateFolder}/link`);

const problemsOf = (sites: { readonly [id: string]: unknown }, ports: { readonly [key: string]: number } = {}) =>
  onprem().checkSites?.(sites, { stateFolder, ports }) ?? [];

describe('folders of several sites', () => {
  it.each([
    ['nothing said', { 'onprem.east': {}, 'onprem.west': null }],
    ['one each', { 'onprem.east': { root: 'east' }, 'onprem.west': { root: '/srv/west' } }],
    ['names that only begin alike', { 'onprem.east': { root: 'east' }, 'onprem.west': { root: 'east-2' } }],
    ['one is wrong in itself, and told as that', { 'onprem.east': { root: 7 }, 'onprem.west': { root: 'east' } }],
    [
      'one is wrong in another place, and told as that first',
      { 'onprem.east': { root: 'x', stopGrace: 1 }, 'onprem.west': { root: 'x' } },
    ],
  ])('are well where there is %s', (_what, sites) => {
    expect(problemsOf(sites)).toEqual([]);
  });

  it.each<[string, { readonly [id: string]: unknown }, string, string]>([
    [
      'the same',
      { 'onprem.a': { root: 'x' }, 'onprem.b': { root: './y/../x/' } },
      'onprem.b.root',
      'is the folder of onprem.a too',
    ],
    [
      'the default of another',
      { 'onprem.a': {}, 'onprem.b': { root: 'onprem.a' } },
      'onprem.b.root',
      'is the folder of onprem.a too',
    ],
    [
      'its default, taken by another',
      { 'onprem.a': { root: 'onprem.b' }, 'onprem.b': {} },
      'onprem.b',
      'is the folder of onprem.a too',
    ],
    [
      'absolute here, relative there',
      { 'onprem.a': { root: 'x' }, 'onprem.b': { root: `${stateFolder}/x` } },
      'onprem.b.root',
      'onprem.a',
    ],
    [
      'the same by a link',
      { 'onprem.a': { root: 'east' }, 'onprem.b': { root: 'link' } },
      'onprem.b.root',
      'is the folder of onprem.a too',
    ],
    [
      'the same by a link above it',
      { 'onprem.a': { root: 'east/new' }, 'onprem.b': { root: 'link/new' } },
      'onprem.b.root',
      'onprem.a too',
    ],
    [
      'inside another',
      { 'onprem.a': { root: 'x' }, 'onprem.b': { root: 'x/jobs' } },
      'onprem.b.root',
      `lies in the folder of onprem.a, ${stateFolder}/x`,
    ],
    [
      'around everything',
      { 'onprem.a': { root: '/srv/a' }, 'onprem.b': { root: '/' } },
      'onprem.b.root',
      'holds the folder of onprem.a, /srv/a',
    ],
    [
      'around another',
      { 'onprem.a': {}, 'onprem.b': { root: '.' } },
      'onprem.b.root',
      `holds the folder of onprem.a, ${stateFolder}/onprem.a`,
    ],
  ])('are refused where one has %s: one problem, with both names', (_what, sites, path, says) => {
    const problems = problemsOf(sites);
    expect(problems.map((one) => one.path.join('.'))).toEqual([path]);
    expect(problems[0]?.message).toMatch(/^expected a folder of its own for onprem\.b, but \//);
    expect(problems[0]?.message).toContain(says);
  });
});

describe('ports of several endpoints', () => {
  it('are well where each has its own, or any free one', () => {
    const any = { dataPort: 0, adminPort: 0 };
    const sites = {
      'onprem.a': { endpoints: { x: { dataPort: 8500, adminPort: 8501 }, y: any } },
      'onprem.b': { endpoints: { z: any } },
    };
    expect(problemsOf(sites)).toEqual([]);
  });

  it.each([
    [
      'one endpoint',
      { 'onprem.a': { endpoints: { x: { dataPort: 8500, adminPort: 8500 } } } },
      'onprem.a.endpoints.x.adminPort',
    ],
    [
      'two sites',
      { 'onprem.a': { endpoints: { x: { dataPort: 8500 } } }, 'onprem.b': { endpoints: { y: { dataPort: 8500 } } } },
      'onprem.b.endpoints.y.dataPort',
    ],
  ])('are refused where %s would open the same twice', (_what, sites, path) => {
    const [problem, ...more] = problemsOf(sites);
    expect(more).toEqual([]);
    expect(problem?.path.join('.')).toBe(path);
    expect(problem?.message).toBe(
      'expected a port of its own, got 8500, which sites.onprem.a.endpoints.x.dataPort has; 0 takes any free one'
    );
  });

  it('are refused where something else of the configuration has one', () => {
    const sites = { 'onprem.a': { endpoints: { x: { dataPort: 9464, adminPort: 0 } } } };
    expect(problemsOf(sites, { 'metrics.port': 9464 })).toEqual([
      {
        path: ['onprem.a', 'endpoints', 'x', 'dataPort'],
        message: 'expected a port of its own, got 9464, which metrics.port has; 0 takes any free one',
      },
    ]);
    expect(problemsOf(sites, { 'metrics.port': 9465 })).toEqual([]);
  });
});
