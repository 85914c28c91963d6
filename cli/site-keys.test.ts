import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { configJsonSchema, ConfigurationError, formatProblem, loadConfig } from '@retempo/workers';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { providers } from './session.js';

// What stands in a site's entry is checked by its provider. Its keys are read out of its own refusals, so that a key that
// is added there without a line here fails.

const [onprem] = providers();
const long = 'x'.repeat(100_000);
const notDuration = [7, '7', '7 days', 'd', '-1s', '1e9s', '99999d', null, true, ['7s'], { s: 7 }, '٣s', long];

/** A mapping whose names are chosen by the user, with one of them. */
const names: { readonly [path: string]: string } = { pools: 'cpu', endpoints: 'flight-delay' };

const notSize = [
  16,
  '16',
  '16 megabytes',
  '16mb',
  '16MBB',
  'MiB',
  '-1MiB',
  '0MiB',
  '1023B',
  '9999TiB',
  '1e9B',
  '٣MiB',
  16e6,
].concat([null, true, ['16MiB'], { bytes: 16 }, Number.NaN, long] as never[]);

const bad: { readonly [path: string]: readonly unknown[] } = {
  root: [7, null, true, '', '   ', 'a\0b', '../x', 'a/../../x', '..', ['x'], { x: 1 }, long],
  'pools.cpu.slots': ['two', '2', 0, -1, 1.5, 1e9, null, true, [1], { x: 1 }, Number.NaN],
  stopGrace: notDuration,
  keepJobs: notDuration,
  'endpoints.flight-delay.dataPort': ['8500', -1, 1.5, 65_536, 1e9, null, true, [1]],
  'endpoints.flight-delay.adminPort': ['8500', -1, 1.5, 65_536, 1e9, null, true, [1]],
  'endpoints.flight-delay.stickiness': [
    'id',
    5,
    null,
    true,
    [],
    {},
    { by: 'user' },
    { header: '' },
    { header: 'a b' },
    { header: 'x\r\ny' },
    { header: 'Größe' },
    { header: long },
    { header: 'a', by: 'id' },
    { cookie: 'a' },
  ],
  'endpoints.flight-delay.requestTimeout': [...notDuration, '0s', '11m'],
  'endpoints.flight-delay.logRotateAt': notSize,
  'endpoints.flight-delay.logKeep': notSize,
};

function problemsOf(path: readonly string[], value: unknown) {
  const entry = path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
  return onprem!.checkConfig(entry);
}

/** A right value for every key. */
const complete = {
  root: '/srv/site',
  pools: { cpu: { slots: 2 } },
  stopGrace: '30s',
  keepJobs: '7d',
  endpoints: {
    'flight-delay': {
      dataPort: 8500,
      adminPort: 0,
      stickiness: { header: 'x-customer' },
      requestTimeout: '10s',
      logRotateAt: '16MiB',
      logKeep: '4 GB',
    },
  },
};

/** Keys that are known at a path, as the refusal of an unknown one lists them. */
function keysAt(path: readonly string[]): readonly string[] {
  const told = problemsOf([...path, 'nothingLikeIt'], 1).find(({ message }) => message.includes('unknown key'));
  return /(?:expected one of|known:) (.+)$/.exec(told?.message ?? '')?.[1]?.split(', ') ?? [];
}

/** Every key of a site's entry. */
function leaves(path: readonly string[] = []): readonly string[] {
  const inner = names[path.join('.')];
  const keys = inner === undefined ? keysAt(path) : [inner];
  return keys.length === 0 ? [path.join('.')] : keys.flatMap((key) => leaves([...path, key]));
}

describe('the entry of a local site', () => {
  it('has a wrong value of every kind for every key', () => {
    expect(leaves()).toContain('pools.cpu.slots');
    expect(leaves().filter((path) => bad[path] === undefined)).toEqual([]);
  });

  it.each(Object.entries(bad))('%s: refuses every wrong value in one sentence at its place', (path, values) => {
    for (const value of values) {
      const problems = problemsOf(path.split('.'), value);
      const shown = `${path} = ${JSON.stringify(value).slice(0, 60)}`;
      expect(
        problems.map((problem) => problem.path.join('.')),
        shown
      ).toEqual([path]);
      expect(problems[0]?.message.length, shown).toBeLessThan(300);
    }
  });

  it('is known to editors: the JSON Schema of retempo.yaml has every key, and marks what is wrong', () => {
    const valid = new Ajv2020({ strict: false }).compile(configJsonSchema(providers()));
    const entry = (value: unknown) => ({ sites: { 'onprem.local': value } });
    expect(onprem!.checkConfig(complete)).toEqual([]);
    expect([valid(entry(complete)), valid.errors]).toEqual([true, null]);
    expect(valid(entry(null))).toBe(true);
    // Sites of providers that are not here may hold anything.
    expect(valid({ sites: { 'aws.eu': { region: 'eu-west-1' } } })).toBe(true);
    for (const path of leaves()) {
      const wrong = path
        .split('.')
        .reduceRight<unknown>(
          (inner, key) => ({ [key]: inner }),
          path.includes('Port') || path.endsWith('slots') ? 'two' : 7
        );
      expect(valid(entry(wrong)), path).toBe(false);
      const unknown = [...path.split('.').slice(0, -1), 'nothingLikeIt'];
      expect(valid(entry(unknown.reduceRight<unknown>((inner, key) => ({ [key]: inner }), 1))), path).toBe(false);
      const here = path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], complete);
      expect(here, `${path} is not in the complete entry`).toBeDefined();
    }
  });

  it.each(['pools', 'pools.cpu', 'endpoints', 'endpoints.flight-delay'])('%s: is a mapping', (path) => {
    for (const value of [5, 'x', true, null, ['x'], long]) {
      expect(
        problemsOf(path.split('.'), value).length,
        `${path} = ${JSON.stringify(value).slice(0, 60)}`
      ).toBeGreaterThan(0);
    }
  });

  it.each(['pools', 'endpoints'])('%s: names are names', (path) => {
    for (const name of ['Größe', 'UPPER', 'with space', '../up', '🛫', 'a'.repeat(64), '']) {
      expect(problemsOf([path, name], path === 'pools' ? { slots: 1 } : {}).length, name).toBeGreaterThan(0);
    }
  });
});

describe('a port of an endpoint', () => {
  it('is refused where the metrics of the workers have it, before anything is started', async () => {
    const folder = mkdtempSync(`${tmpdir()}/retempo-ports-`);
    mkdirSync(`${folder}/models`);
    const problemsWith = (port: number): Promise<readonly string[]> => {
      const sites = 'sites:\n  onprem.local: { endpoints: { late: { dataPort: 9464 } } }\n';
      writeFileSync(`${folder}/retempo.yaml`, `${sites}metrics: { port: ${port} }\n`);
      return loadConfig({ folder, providers: providers() }).then(
        () => [],
        (error: unknown) => {
          if (error instanceof ConfigurationError) return error.problems.map(formatProblem);
          throw error;
        }
      );
    };
    try {
      expect(await problemsWith(9464)).toEqual([
        'retempo.yaml:2:40  sites.onprem.local.endpoints.late.dataPort: expected a port of its own, got 9464, which metrics.port has; 0 takes any free one',
      ]);
      expect(await problemsWith(9465)).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
