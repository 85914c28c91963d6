import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadProject, modelJsonSchema } from '@retempo/workers';
import { describe, expect, it } from 'vitest';
import { providers } from '../session.js';
import type { ModelSpec } from '@retempo/workflows/contracts';
import { fileChanges, specChanges } from './difference.js';

const spec = (change: object = {}): ModelSpec =>
  ({
    v: 1,
    model: 'm',
    code: { v: 1, uri: 'file:///a/', digest: 'sha256:1', bytes: 1 },
    gate: { metrics: { logLoss: { atMost: 0.6 } }, slices: null },
    train: { atMost: null, resources: { memoryBytes: 1024 }, run: ['node', 'train.js'] },
    retrain: { cooldownMs: 86_400_000 },
    ...change,
  }) as unknown as ModelSpec;

describe('specChanges', () => {
  it('finds nothing in equal specs, whatever their code', () => {
    expect(specChanges(spec(), spec({ code: { v: 1, uri: 'file:///b/', digest: 'sha256:2', bytes: 2 } }))).toEqual([]);
  });

  it('names each value as the model file does, with units for people', () => {
    const after = spec({
      gate: { metrics: { logLoss: { atMost: 0.6, notWorseBy: 0.005 } }, slices: { by: ['origin'], minRows: 5 } },
      train: {
        atMost: { amount: 20, currency: 'USD' },
        resources: { memoryBytes: 2048 },
        run: ['node', 'train.js', '-v'],
      },
      retrain: { cooldownMs: 3_600_000 },
    });
    expect(specChanges(spec(), after)).toEqual([
      { path: 'gate.metrics.logLoss.notWorseBy', before: null, after: '0.005' },
      { path: 'gate.slices.by', before: null, after: '["origin"]' },
      { path: 'gate.slices.minRows', before: null, after: '5' },
      { path: 'train.atMost', before: 'none', after: '{"amount":20,"currency":"USD"}' },
      { path: 'train.resources.memory', before: '1 KiB', after: '2 KiB' },
      { path: 'train.run', before: '["node","train.js"]', after: '["node","train.js","-v"]' },
      { path: 'retrain.cooldown', before: '1 d', after: '1 h' },
      { path: 'gate.slices', before: 'none', after: null },
    ]);
  });
});

/** A model file with most of what it can say. */
const rich = `model: late
description: Will it be late?
data:
  { source: rows.csv, time: at, key: id, unit: day, label: { column: late, arrivesAfter: 7d }, features: { except: [id] } }
train: { run: node train.js, resources: { cpu: 2, memory: 4Gi }, parameters: { rate: 1 }, env: { A: b }, atMost: 20 USD }
evaluate: { run: node predict.js }
gate:
  metrics: { logLoss: { atMost: 0.6, notWorseBy: 0.005, worstRow: 4 }, auc: { atLeast: 0.6 } }
  slices: { by: [day], minRows: 50 }
  anchor: { version: pinned, notWorseBy: 0.01 }
  approval: { quorum: 2, from: [ann, bob], expires: 2d }
release:
  guardrails: { slow: { over: 50ms } }
  approval: { before: 50%, quorum: 1, expires: 1h }
retrain: { on: { every: 30d, events: [fares] }, atMost: { cost: 100 USD } }
`;

interface Schema {
  readonly properties?: { readonly [key: string]: Schema };
  readonly anyOf?: readonly Schema[];
  readonly additionalProperties?: Schema | boolean;
}

function knows(schema: Schema, path: readonly string[]): boolean {
  const [key, ...rest] = path;
  if (key === undefined) return true;
  return [schema, ...(schema.anyOf ?? [])].some(({ properties, additionalProperties }) => {
    const inner = properties !== undefined && Object.hasOwn(properties, key) ? properties[key] : additionalProperties;
    return typeof inner === 'object' && knows(inner, rest);
  });
}

it('calls every value of a spec by the key that a model file has for it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'retempo-difference-'));
  try {
    await mkdir(join(folder, 'models'));
    await writeFile(join(folder, 'retempo.yaml'), '');
    await writeFile(join(folder, 'train.js'), '');
    await writeFile(join(folder, 'models', 'late.yaml'), rich);
    const { models } = await loadProject({ folder, providers: providers() });
    const changes = specChanges({} as ModelSpec, { ...models[0]!.draft, code: spec().code });
    const paths = changes.map(({ path }) => path).filter((path) => !['v', 'code'].includes(path));
    expect(paths.length).toBeGreaterThan(50);
    expect(paths.filter((path) => !knows(modelJsonSchema() as Schema, path.split('.')))).toEqual([
      'endpoints.<name>.site of retempo.yaml',
    ]);
    const after = (path: string) => changes.find((change) => change.path === path)?.after;
    expect(after('release.to')).toBe('endpoint:late');
    expect(after('release.approval.before')).toBe('50%');
    expect(after('watch.loss.falseAlarmEvery')).toBe('365 windows');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

describe('fileChanges', () => {
  it('tells added, changed and removed files in order', () => {
    const file = (path: string, digest: string) => ({ path, digest });
    expect(
      fileChanges([file('b', '1'), file('c', '1'), file('d', '1')], [file('a', '1'), file('b', '1'), file('c', '2')])
    ).toEqual([
      { path: 'a', what: 'added' },
      { path: 'c', what: 'changed' },
      { path: 'd', what: 'removed' },
    ]);
  });
});
