import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EndpointState } from '@retempo/workflows/contracts';
import { PortError, type Call, type ServingBackend } from '../ports/index.js';
import { checkWeights, setAndReadBack, weightsEqual } from './traffic.js';

const call: Call = { signal: new AbortController().signal, deadlineMs: Number.MAX_SAFE_INTEGER };
const state = (epoch: number, weights: { readonly [version: string]: number }, revision = 'now'): EndpointState => ({
  revision,
  epoch,
  busy: false,
  versions: Object.fromEntries(Object.entries(weights).map(([version, weight]) => [version, { weight, ready: 1 }])),
});

/** A backend that answers a write with `answer` and shows `shown` when read back. */
function backend(answer: PortError | null, shown: EndpointState) {
  const calls: string[] = [];
  const port = {
    describe: () => {
      calls.push('describe');
      return Promise.resolve(shown);
    },
    setTraffic: () => {
      calls.push('setTraffic');
      return answer === null ? Promise.resolve({ revision: shown.revision }) : Promise.reject(answer);
    },
  } as unknown as ServingBackend;
  return { port, calls };
}
const wanted = { endpoint: 'e', weights: { a: 95, b: 5 }, ifRevision: 'before', epoch: 3 };

describe('weights', () => {
  it('1: only whole percents from 0 to 100 with sum 100 are let through', () => {
    for (const good of [{ a: 100 }, { a: 95, b: 5 }, { a: 0, b: 100, c: 0 }]) {
      expect(() => checkWeights(good)).not.toThrow();
    }
    for (const bad of [
      {},
      { a: 99 },
      { a: 101 },
      { a: 50.5, b: 49.5 },
      { a: 110, b: -10 },
      { a: 60, b: 50, c: -10 },
      { a: Number.NaN, b: 100 },
      { a: 50, b: 51 },
    ]) {
      expect(() => checkWeights(bad)).toThrow(expect.objectContaining({ class: 'InvalidSpec' }));
    }
  });

  it('1: any map of whole shares is judged by its sum alone', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 6 }), (list) => {
        const weights = Object.fromEntries(list.map((weight, i) => [`v${i}`, weight]));
        const whole = list.reduce((sum, weight) => sum + weight, 0) === 100;
        if (whole) expect(() => checkWeights(weights)).not.toThrow();
        else expect(() => checkWeights(weights)).toThrow(/add up to 100/);
      })
    );
  });

  it('a version that is not named has weight 0, on either side', () => {
    expect(weightsEqual(state(1, { a: 100, b: 0 }), { a: 100 })).toBe(true);
    expect(weightsEqual(state(1, { a: 100 }), { a: 100, b: 0 })).toBe(true);
    expect(weightsEqual(state(1, { a: 95, b: 5 }), { a: 95 })).toBe(false);
    expect(weightsEqual(state(1, { a: 95 }), { a: 95, b: 5 })).toBe(false);
  });
});

describe('setting and reading back', () => {
  it('returns the endpoint as read back, not as asked for', async () => {
    const shown = state(3, { a: 90, b: 10 }, 'after');
    const { port, calls } = backend(null, shown);
    expect(await setAndReadBack(port, wanted, call)).toBe(shown);
    expect(calls).toEqual(['setTraffic', 'describe']);
  });

  it('refuses bad weights before anything is sent', async () => {
    const { port, calls } = backend(null, state(3, {}));
    await expect(setAndReadBack(port, { ...wanted, weights: { a: 99 } }, call)).rejects.toMatchObject({
      class: 'InvalidSpec',
    });
    expect(calls).toEqual([]);
  });

  for (const lost of ['UnknownOutcome', 'Conflict'] as const) {
    it(`${lost}: our epoch and our weights read back are a yes`, async () => {
      const shown = state(3, { a: 95, b: 5, old: 0 }, 'after');
      const { port } = backend(new PortError(lost, 'no answer'), shown);
      expect(await setAndReadBack(port, wanted, call)).toBe(shown);
    });

    it(`${lost}: our weights under another epoch are somebody else's`, async () => {
      const { port } = backend(new PortError(lost, 'no answer'), state(4, { a: 95, b: 5 }));
      await expect(setAndReadBack(port, wanted, call)).rejects.toMatchObject({ class: lost });
    });

    it(`${lost}: other weights under our epoch are a no`, async () => {
      const { port } = backend(new PortError(lost, 'no answer'), state(3, { a: 100, b: 0 }));
      await expect(setAndReadBack(port, wanted, call)).rejects.toMatchObject({ class: lost });
    });
  }

  it('any other trouble is thrown without a second look', async () => {
    const { port, calls } = backend(new PortError('AuthDenied', 'no'), state(3, { a: 95, b: 5 }));
    await expect(setAndReadBack(port, wanted, call)).rejects.toMatchObject({ class: 'AuthDenied' });
    expect(calls).toEqual(['setTraffic']);
  });
});
