import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelSpec } from '@retempo/workflows/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seasonHint } from './season-hint.js';

const dayMs = 86_400_000;
let folder: string;
let source: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retempo-season-hint-'));
  source = join(folder, 'rows.csv');
  // Forty days from 1 January, ten rows each; the newest week whose labels have arrived ends on 7 February.
  const rows = Array.from({ length: 400 }, (_, i) => {
    const at = new Date(Date.UTC(2026, 0, 1) + Math.floor(i / 10) * dayMs + (i % 10) * 60_000).toISOString();
    return `r${i},${at},${i % 7},${i % 2}`;
  });
  await writeFile(source, `id,at,x,left\n${rows.join('\n')}\n`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const hint = (everyMs: number, compare: ModelSpec['watch']['compare'] = ['training', 'sameSlot'], from = source) =>
  seasonHint(
    {
      data: {
        source: from,
        time: 'at',
        key: 'id',
        unit: 'id',
        label: { column: 'left', arrivesAfterMs: 2 * dayMs },
        features: { include: 'all', except: [], important: [] },
        split: { trainMs: 14 * dayMs, gapMs: 2 * dayMs, evaluateMs: 7 * dayMs },
        validate: [],
      },
      watch: { everyMs, compare, minRows: 10, loss: null },
    },
    { signal: new AbortController().signal, deadlineMs: Date.now() + 60_000 }
  );

describe('what the same slot would need of the data', () => {
  it('is there for days of the week', async () => {
    expect(await hint(dayMs)).toBeNull();
  });

  it('is a year for windows of a week', async () => {
    expect(await hint(7 * dayMs)).toBe(
      'watch.compare: sameSlot needs data from 2025-02-08 on, those here begin at 2026-01-01: ' +
        'windows without an earlier slot are compared with the training data alone'
    );
  });

  it('is not spoken of where nobody asked, or the data cannot be read', async () => {
    expect(await hint(7 * dayMs, ['training'])).toBeNull();
    expect(await hint(7 * dayMs, undefined, '/nowhere/rows.csv')).toBeNull();
  });
});
