import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultLimits } from './contracts/index.js';
import {
  checkButton,
  checkConfigure,
  checkTrigger,
  checkVote,
  isReleaseReport,
  isRestoredChampion,
  isWindowReport,
  readableTriggers,
} from './message-checks.js';

const trigger = { kind: 'event', source: 's', id: 'i', cause: 'c', at: '2026-01-01T00:00:00Z', actor: 'a' } as const;
const button = { actor: 'ann', reason: 'because' };
const vote = { ...button, digests: { model: 'm', evidence: 'e', policy: 'p' } };
const spec = {
  model: 'm',
  release: { site: 'onprem.east', endpoint: 'e' },
  retrain: {
    on: { drift: true, everyMs: null, events: [] },
    cooldownMs: 1,
    breakerAfter: 3,
    atMost: { runs: 1, perMs: 1 },
  },
};
const request = { spec, specDigest: 'd', ifDigest: null, actor: 'ann' };
const configured = (value: unknown) => checkConfigure(value as never, 'm');

/** Every way to break a value: a member at any depth is taken away or replaced. */
function broken(value: object, path: string = ''): { readonly path: string; readonly value: unknown }[] {
  return Object.entries(value).flatMap(([name, member]) => {
    const at = `${path}.${name}`;
    const { [name]: _, ...without } = value as Record<string, unknown>;
    const replaced = [null, 7, [], {}, '', ' '].map((other) => ({
      path: `${at} = ${JSON.stringify(other)}`,
      value: { ...value, [name]: other },
    }));
    const deeper =
      typeof member === 'object' && member !== null && !Array.isArray(member)
        ? broken(member as object, at).map((inner) => ({ path: inner.path, value: { ...value, [name]: inner.value } }))
        : [];
    return [{ path: `${at} missing`, value: without }, ...replaced, ...deeper];
  });
}

describe('checks of messages', () => {
  it('let through what is whole', () => {
    checkTrigger(trigger);
    checkTrigger({ ...trigger, kind: 'person', force: true });
    checkButton(button);
    checkVote(vote);
    configured(request);
    configured({ ...request, ifDigest: 'd' });
    expect(readableTriggers({ triggers: [trigger] })).toEqual([trigger]);
    const window = {
      windowId: 'w',
      part: 'labels',
      revision: 1,
      verdict: 'pass',
      confirmed: false,
      reason: 'r',
      champion: null,
    };
    expect(isWindowReport(window as never)).toBe(true);
    expect(isReleaseReport({ runId: 'r', phase: 'gate' })).toBe(true);
    expect(
      isReleaseReport({ runId: 'r', phase: 'done', outcome: { result: 'promoted', helped: true, reason: '' } })
    ).toBe(true);
    expect(isRestoredChampion({ version: 'v1', ...button })).toBe(true);
  });

  const checks: readonly (readonly [string, object, (value: unknown) => void])[] = [
    ['a trigger', trigger, (value) => checkTrigger(value as never)],
    ['a button', button, (value) => checkButton(value as never)],
    ['a vote', vote, (value) => checkVote(value as never)],
  ];
  for (const [what, good, check] of checks) {
    it(`${what} with any part missing or of another kind is refused by the name of that part`, () => {
      for (const { path, value } of broken(good)) {
        expect(() => check(value), path).toThrow(TypeError);
        expect(() => check(value), path).toThrow(/: expected /);
      }
    });
  }

  it('a spec that the governor could not work with is refused', () => {
    // The rest of a spec is checked where it is read from a file.
    const unchecked = /\.actor|\.on\.drift|\.on\.everyMs|ifDigest = null|events = \[\]|= 7$/;
    for (const { path, value } of broken(request).filter((one) => !unchecked.test(one.path))) {
      expect(() => configured(value), path).toThrow(TypeError);
    }
    expect(() => configured({ ...request, spec: { ...spec, model: 'other' } })).toThrow('spec.model: expected m');
  });

  it('an installation that would stop every run is refused by the name of its part', () => {
    const installation = { owner: 'o', limits: defaultLimits };
    configured({ ...request, installation });
    for (const { path, value } of broken(installation).filter((one) => !one.path.endsWith('Ms = 7'))) {
      expect(() => configured({ ...request, installation: value }), path).toThrow(/^installation\..*: expected /);
    }
    for (const ms of [0, -1, Number.NaN]) {
      const limits = { ...defaultLimits, describeMs: ms };
      expect(() => configured({ ...request, installation: { ...installation, limits } })).toThrow('limits.describeMs');
    }
  });

  it('source and id cannot hold what joins them', () => {
    expect(() => checkTrigger({ ...trigger, source: 'a\nb' })).toThrow('control characters');
    expect(() => checkTrigger({ ...trigger, id: 'a\u0000b' })).toThrow('control characters');
    expect(() => checkTrigger({ ...trigger, cause: 'x'.repeat(501) })).toThrow('1 to 500');
    checkTrigger({ ...trigger, source: 'Zürich ✈', cause: 'two\nlines' });
  });

  it('of a signal the first 50 triggers that can be read are taken', () => {
    const many = Array.from({ length: 60 }, (_, i) => ({ ...trigger, id: `i${i}` }));
    expect(readableTriggers({ triggers: many })).toEqual(many.slice(0, 50));
    const mixed = [null, {}, trigger, 'x', { ...trigger, id: '' }] as never;
    expect(readableTriggers({ triggers: mixed })).toEqual([trigger]);
  });

  it('whatever arrives, a check refuses or agrees, and nothing else happens', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        const given = value as never;
        for (const check of [checkTrigger, checkButton, checkVote, configured]) {
          expect(() => check(given)).toThrow(TypeError);
        }
        for (const is of [isWindowReport, isReleaseReport, isRestoredChampion]) expect(is(given)).toBe(false);
        expect(readableTriggers(given)).toEqual([]);
      }),
      { numRuns: 2_000 }
    );
  });
});
