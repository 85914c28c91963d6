import { describe, expect, it } from 'vitest';
import { startAttributes, summaryLine } from './visibility.js';

describe('summaries', () => {
  it('stay one line that the server takes: at most 180 characters', () => {
    expect(summaryLine('retrain flight-delay')).toBe('retrain flight-delay');
    expect(summaryLine('x'.repeat(180))).toBe('x'.repeat(180));
    const cut = summaryLine('x'.repeat(1_000));
    expect([cut.length, cut.at(-1)]).toEqual([180, '…']);
  });
});

describe('search attributes at the start', () => {
  it('name model and phase, and the site where there is one', () => {
    const named = (site?: string) =>
      startAttributes('flight-delay', 'canary', site).map(({ key, value }) => [key.name, value]);
    expect(named()).toEqual([
      ['RetempoModel', 'flight-delay'],
      ['RetempoPhase', 'canary'],
    ]);
    expect(named('onprem.east').at(-1)).toEqual(['RetempoSite', 'onprem.east']);
  });
});
