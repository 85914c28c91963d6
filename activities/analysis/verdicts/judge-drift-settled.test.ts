import { describe, expect, it } from 'vitest';
import { calm, moved } from './drift-features.test.support.js';
import { judgeDrift, type DriftFeature, type DriftPolicy, type DriftWindow } from './index.js';

describe('judgeDrift: the end of a drift', () => {
  it('leaves a drift unsettled until three windows in a row were calm: below 80 % of the limit', () => {
    const at = (effect: 'calm' | 'near' | 'drift' | 'none'): DriftFeature => {
      const current = { calm: [500, 300, 200], near: [420, 330, 250], drift: [300, 300, 400], none: [5, 3, 2] }[effect];
      return { ...moved, current: { counts: current } };
    };
    // The effect of `near` is no drift and not calm: between 80 % of the limit and the limit, of a limit made for it.
    const near = judgeDrift({ features: [at('near')] }).features[0]!.effect!;
    const policy: DriftPolicy = { effectAtLeast: near * 1.1 };
    const walk = (effects: readonly Parameters<typeof at>[0][], more: DriftPolicy = {}) => {
      let history: DriftWindow[] = [];
      return effects.map((effect) => {
        const judgement = judgeDrift({ features: [calm, at(effect)], history, policy: { ...policy, ...more } });
        history = [...history, judgement.window].slice(-2);
        return judgement.unsettled.length === 0 ? 'settled' : judgement.window.unsettled!['origin'];
      });
    };
    expect(walk(['calm', 'calm'])).toEqual(['settled', 'settled']);
    expect(walk(['near', 'calm'])).toEqual(['settled', 'settled']);
    expect(walk(['drift', 'calm', 'calm', 'calm', 'calm'])).toEqual([0, 1, 2, 'settled', 'settled']);
    expect(walk(['drift', 'calm', 'near', 'calm', 'calm', 'calm'])).toEqual([0, 1, 0, 1, 2, 'settled']);
    expect(walk(['drift', 'calm', 'calm', 'drift', 'calm'])).toEqual([0, 1, 2, 0, 1]);
    expect(walk(['drift', 'calm', 'none', 'calm', 'none', 'calm'])).toEqual([0, 1, 1, 2, 2, 'settled']);
    expect(walk(['drift', 'calm'], { settledAfter: 1 })).toEqual([0, 'settled']);
    expect(walk(['drift', 'near', 'near', 'near'], { calmBelow: 0.95 })).toEqual([0, 1, 2, 'settled']);
  });

  it('keeps nothing unsettled that is not judged any more, or never decides', () => {
    const history = [{ verdict: 'pass', drifted: [], unsettled: { origin: 1, gone: 0 } }] as const;
    expect(judgeDrift({ features: [calm], history }).unsettled).toEqual([]);
    const unused = { ...moved, importance: 0 };
    expect(judgeDrift({ features: [calm, unused], history }).unsettled).toEqual([]);
    expect(judgeDrift({ features: [calm, moved], history }).unsettled).toEqual(['origin']);
  });

  it('refuses a memory and limits that cannot be', () => {
    const bad = (field: string): Error => expect.objectContaining({ name: 'AnalysisInputError', field }) as Error;
    const judge = (unsettled: object, policy: DriftPolicy = {}) =>
      judgeDrift({
        features: [calm],
        history: [{ verdict: 'pass', drifted: [], unsettled: unsettled as never }],
        policy,
      });
    expect(() => judge({ origin: -1 })).toThrow(bad('history[0].unsettled.origin'));
    expect(() => judge(3 as never)).toThrow(bad('history[0].unsettled'));
    expect(() => judge({}, { settledAfter: 0 })).toThrow(bad('policy.settledAfter'));
    expect(() => judge({}, { calmBelow: 1 })).toThrow(bad('policy.calmBelow'));
  });
});
