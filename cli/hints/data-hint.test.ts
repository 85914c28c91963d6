import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DataSpec, ModelSpec } from '@retempo/workflows/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dataHint } from './data-hint.js';

const dayMs = 86_400_000;
let folder: string;
let source: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retempo-data-hint-'));
  source = join(folder, 'rows.csv');
  // Forty days, ten rows each; labels arrive after two days.
  const rows = Array.from({ length: 400 }, (_, i) => {
    const at = new Date(Date.UTC(2026, 0, 1) + Math.floor(i / 10) * dayMs + (i % 10) * 60_000).toISOString();
    return `r${i},${at},${i % 7},${i % 2}`;
  });
  await writeFile(source, `id,at,x,left\n${rows.join('\n')}\n`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const spec = (minRows: number, change: Partial<DataSpec> = {}): Pick<ModelSpec, 'data' | 'gate'> => ({
  data: {
    source,
    time: 'at',
    key: 'id',
    unit: 'id',
    label: { column: 'left', arrivesAfterMs: 2 * dayMs },
    features: { include: 'all', except: [], important: [] },
    split: { trainMs: 14 * dayMs, gapMs: 2 * dayMs, evaluateMs: 7 * dayMs },
    validate: [],
    ...change,
  },
  gate: { metrics: {}, minRows, confidence: 0.95, slices: null, anchor: null, approval: null },
});
const hint = (asked: Pick<ModelSpec, 'data' | 'gate'>) =>
  dataHint(asked, { signal: new AbortController().signal, deadlineMs: Date.now() + 60_000 });

describe('what a run would find in the data', () => {
  it('is nothing to speak of where there are rows enough', async () => {
    expect(await hint(spec(70))).toBeNull();
  });

  it('is a window with too few rows for any verdict', async () => {
    expect(await hint(spec(1_000))).toMatch(
      /^gate: the newest window to evaluate on, 2026-01-31 to 2026-02-07, has 70 labelled rows and gate\.minRows is 1 000: .* data\.split\.evaluate, or lower gate\.minRows$/
    );
  });

  it.each<[string, Partial<DataSpec>, RegExp]>([
    ['no file', { source: '/nowhere/rows.csv' }, /^a run would end as it begins: there is no file \/nowhere/],
    [
      'no such column',
      { label: { column: 'leaves', arrivesAfterMs: 0 } },
      /as it begins: data\.label\.column: .*`leaves` \(there are: id, at, x, left\)/,
    ],
    [
      'too few days',
      { split: { trainMs: 60 * dayMs, gapMs: 0, evaluateMs: 7 * dayMs } },
      /not enough data yet: .*need events from/,
    ],
  ])('is an early end: %s', async (_what, change, told) => {
    expect(await hint(spec(1, change))).toMatch(told);
  });

  it('is said to be unknown where the data cannot be read', async () => {
    const broken = join(folder, 'broken.parquet');
    await writeFile(broken, 'PAR1 and nothing of it');
    const told = await hint(spec(1, { source: broken }));
    expect(told).toMatch(
      /^(?:the data could not be looked at \(.+\); see that data\.source names|a run would end as it begins: .+)/
    );
    expect(told).toContain('broken.parquet');
    expect(await hint(spec(1, { source: folder }))).toMatch(/^(?:the data could not be|a run would end)/);
    const late = dataHint(spec(1), { signal: AbortSignal.abort(), deadlineMs: Date.now() - 1 });
    expect(await late).toMatch(/^the data could not be looked at/);
  });

  it('is not looked for in a file that takes long to read', async () => {
    const huge = join(folder, 'huge.csv');
    await writeFile(huge, '');
    await truncate(huge, 2 ** 28 + 1);
    expect(await hint(spec(1, { source: huge }))).toBeNull();
  });
});
