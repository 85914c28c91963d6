import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import { rowsOf, type ListRow } from './model-rows.js';

const key = (name: string) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD);
const row = (type: string, workflowId: string, model: string, phase: string, memo: object = {}): ListRow => ({
  type,
  workflowId,
  startTime: new Date('2026-11-21T12:00:00Z'),
  memo: { ...memo },
  typedSearchAttributes: new TypedSearchAttributes([
    { key: key('RetempoModel'), value: model },
    { key: key('RetempoPhase'), value: phase },
  ]),
});

describe('rowsOf', () => {
  it('makes one row per model, in order, with the phase of the part that has come furthest', () => {
    const rows = rowsOf([
      row('canaryDeployment', 'retempo/endpoint/onprem.local/b', 'b', 'canary'),
      row('modelRelease', 'retempo/b/run/2-x', 'b', 'deploying'),
      row('continuousTraining', 'retempo/b', 'b', 'running', { endpoint: 'b', site: 'onprem.local' }),
      row('continuousTraining', 'retempo/a', 'a', 'healthy', { endpoint: 'a', site: 'onprem.local' }),
    ]);
    expect(rows).toEqual([
      { model: 'a', phase: 'healthy', run: null, endpoint: 'a', site: 'onprem.local' },
      {
        model: 'b',
        phase: 'running',
        run: { runId: 'retempo/b/run/2-x', phase: 'canary', since: '2026-11-21T12:00:00.000Z' },
        endpoint: 'b',
        site: 'onprem.local',
      },
    ]);
  });

  it('shows a run whose governor was terminated, and ignores rows of others', () => {
    const foreign: ListRow = { ...row('x', 'y', 'z', 'w'), typedSearchAttributes: new TypedSearchAttributes([]) };
    const rows = rowsOf([row('modelRelease', 'retempo/a/run/1-x', 'a', 'training'), foreign]);
    expect(rows).toMatchObject([{ model: 'a', phase: 'absent', run: { phase: 'training' }, endpoint: null }]);
  });
});
