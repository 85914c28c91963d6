import type { ModelStatus } from '@retempo/starters';
import { describe, expect, it } from 'vitest';
import { styleFor } from '../text/style.js';
import { statusLines, tableOfModels } from './status-lines.js';

const style = styleFor({}, false);
const now = Date.parse('2026-11-21T12:01:00Z');
const url = (id: string) => `http://ui/${id}`;
const endpoint = { name: 'm', site: 'onprem.local', url: 'http://127.0.0.1:8500' };

const status: ModelStatus = {
  v: 1,
  model: 'm',
  phase: 'running',
  sentence: 'run r is in phase gate',
  champion: 'v1',
  running: { runId: 'r', phase: 'gate', since: '2026-11-21T12:00:00.000Z' },
  next: { runId: 'r2', causes: 3 },
  waitingFor: {
    workflowId: 'w',
    what: '1 approval of v2',
    until: '2026-11-23T12:00:00.000Z',
    digests: { model: 'sha256:a', evidence: 'sha256:b', policy: 'sha256:c' },
  },
  cooldownUntil: '2026-11-21T14:05:00.000Z',
  cooldownFactor: 2,
  budget: { used: 2, of: 8, perMs: 30 * 86_400_000 },
  specDigest: 'sha256:d',
  installationDigest: 'sha256:i',
  detail: null,
};

describe('statusLines', () => {
  it('says what runs, what waits for whom until when, and what one can do', () => {
    const text = statusLines(status, {
      style,
      now,
      url,
      endpoint,
      happens: null,
      troubles: ['evaluateGate failed 6 times'],
    }).join('\n');
    expect(text).toMatch(/^m {2}RUNNING {2}run r is in phase gate/);
    for (const part of [
      /endpoint +m at onprem\.local {3}http:\/\/127\.0\.0\.1:8500\/v2\/models\/m\/infer$/m,
      /run +r {3}gate, 1:00 {3}http:\/\/ui\/r/,
      /trouble +evaluateGate failed 6 times/,
      /waits for +1 approval of v2 until 2026-11-23 12:00 UTC/,
      /you can +retempo approve m --why/,
      /sha256:a/,
      /next run +r2, 3 causes/,
      /cooldown +until 2026-11-21 14:05 UTC, 2x as long/,
      /budget +2 of 8 runs in 30 d/,
    ]) {
      expect(text).toMatch(part);
    }
  });

  it.each([
    ['hold', null, /you can +retempo resume m --why "..." {3}or {3}retempo retrain m --force/],
    ['paused', null, /you can +retempo resume m --why "..."$/m],
    ['waiting', { runId: 'r2', causes: 1 }, /you can +retempo retrain m --force --why "..." {3}to start it now/],
  ] as const)('%s: names what lets it go on', (phase, next, told) => {
    const rest = { ...status, phase, next, running: null, waitingFor: null };
    expect(statusLines(rest, { style, now, url, endpoint, happens: null, troubles: [] }).join('\n')).toMatch(told);
  });

  it('says what the job does in place of the phase, and for which candidate', () => {
    const detail = { v: 1 as const, phase: 'training', sentence: 'Training', waitingFor: null, candidate: 'v2' };
    const happens = 'attempt 1 on onprem.local/cpu    35 %';
    const text = statusLines({ ...status, detail }, { style, now, url, endpoint, happens, troubles: [] }).join('\n');
    expect(text).toMatch(/now +attempt 1 on onprem\.local\/cpu {4}35 %/);
    expect(text).toMatch(/candidate +v2/);
    expect(text).not.toContain('Training');
  });

  it('says where requests go only while something listens there', () => {
    const told = (served: Parameters<typeof statusLines>[1]['endpoint']) =>
      statusLines(status, { style, now, url, endpoint: served, happens: null, troubles: [] }).join('\n');
    expect(told({ ...endpoint, url: null })).toMatch(
      /endpoint +m at onprem\.local {3}nothing listens on this machine now/
    );
    expect(told(null)).not.toMatch(/^ *endpoint/m);
  });

  it('leaves out what is not there', () => {
    const rest = {
      ...status,
      sentence: 'at rest',
      running: null,
      next: null,
      waitingFor: null,
      cooldownUntil: null,
      champion: null,
    };
    const text = statusLines(rest, { style, now, url, endpoint, happens: null, troubles: [] }).join('\n');
    expect(text).toMatch(/champion +none/);
    expect(text).not.toMatch(/run +r|waits for|cooldown|next run|you can/);
  });
});

describe('tableOfModels', () => {
  it('has one row per model, with its run', () => {
    const rows = tableOfModels(
      [
        { model: 'a', phase: 'healthy', run: null, endpoint: 'a', site: 'onprem.local' },
        {
          model: 'b',
          phase: 'running',
          run: { runId: 'r', phase: 'canary', since: '2026-11-21T12:00:00.000Z' },
          endpoint: null,
          site: null,
        },
      ],
      { style, now, champions: new Map([['a', 'v1']]), urls: new Map([['a', 'http://127.0.0.1:8500']]) }
    );
    expect(rows).toEqual([
      'MODEL  PHASE    CHAMPION  ENDPOINT           URL                    RUN  SINCE',
      'a      healthy  v1        a at onprem.local  http://127.0.0.1:8500  -    -',
      'b      canary   -         -                  -                      r    1:00',
    ]);
  });
});
