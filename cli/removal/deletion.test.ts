import { describe, expect, it } from 'vitest';
import { deletionLines, isNothing, type Deletion } from './deletion.js';
import { endpointIn } from './owned.js';

const nothing: Deletion = {
  model: 'm',
  file: null,
  schedule: null,
  governor: false,
  run: null,
  canary: null,
  endpoints: [],
  documents: [],
  keys: [],
  purge: false,
};

describe('what a delete will do', () => {
  it.each<[Partial<Deletion>, string]>([
    [{ schedule: 's' }, 'delete the schedule s'],
    [{ governor: true }, 'end the governor retempo/m'],
    [{ canary: 'c' }, 'roll the canary c back: the champion gets all traffic'],
    [{ run: 'r' }, 'cancel the run r: its jobs are stopped'],
    [{ endpoints: [{ endpoint: 'e', site: 'a.b' }] }, 'stop the endpoint e at a.b: it no longer answers'],
    [
      { endpoints: [{ endpoint: 'e', site: 'a.b' }], purge: true },
      'stop the endpoint e at a.b and delete its request log and counts: it no longer answers',
    ],
    [{ documents: ['d'] }, 'delete 1 registry document (working memory; decisions and evidence stay)'],
    [{ documents: ['d', 'e'], purge: true }, 'delete 2 registry documents: decisions and evidence too'],
    [
      { keys: ['k'], purge: true },
      'delete 1 file of programs, data, checkpoints, versions, predictions and histories, for good',
    ],
  ])('%j is something, and told', (found, line) => {
    expect(isNothing({ ...nothing, ...found })).toBe(false);
    expect(deletionLines({ ...nothing, ...found })).toEqual([line]);
  });

  it('a file of the project alone is nothing: it is not deleted', () => {
    expect(isNothing({ ...nothing, file: 'models/m.yaml', purge: true })).toBe(true);
    expect(deletionLines({ ...nothing, file: 'models/m.yaml', purge: true })).toEqual([]);
  });

  it('an endpoint is read of a memo that has a whole one', () => {
    expect(endpointIn({ endpoint: 'e', site: 'a.b', more: 1 })).toEqual({ endpoint: 'e', site: 'a.b' });
    for (const memo of [
      {},
      { endpoint: 'e' },
      { site: 'a.b' },
      { endpoint: 1, site: 'a.b' },
      { endpoint: 'e', site: [] },
    ])
      expect(endpointIn(memo)).toBeUndefined();
  });
});
