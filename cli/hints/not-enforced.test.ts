import { describe, expect, it } from 'vitest';
import type { ModelSpec } from '@retempo/workflows/contracts';
import { notEnforced } from './not-enforced.js';

type Part = Parameters<typeof notEnforced>[0];
const plain = {
  train: { atMost: null },
  retrain: { atMost: { cost: null } },
} as unknown as Part;

describe('keys that nothing acts on yet', () => {
  it('says nothing about a model that uses none of them', () => {
    expect(notEnforced(plain)).toEqual([]);
  });

  it('names every one that is used', () => {
    const money = { amount: 20, currency: 'USD' };
    const spec = {
      train: { ...plain.train, atMost: money },
      retrain: { atMost: { cost: 100 } },
    } as unknown as Pick<ModelSpec, 'train' | 'retrain'>;
    expect(notEnforced(spec).map((hint) => hint.split(' ')[0])).toEqual(['train.atMost', 'retrain.atMost.cost']);
  });
});
