import { describe, expect, it } from 'vitest';
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
