import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOf, type ArtifactRef, type ModelSpec, type VersionRecord } from '@retempo/workflows/contracts';
import { createFileStore, createStores, sealFolder } from '../artifacts/index.js';
import { registerVersion, setChampion } from '../control/versions.js';
import { gateDocument, type GateEvidence } from '../control/gate.js';
import { DAY_MS, dataSpec, writeRows } from '../data/support.test.util.js';
import type { Call, MetricsSource } from '../ports/index.js';
import { createRegistry } from '../registry/index.js';
import { testRelease } from '../serving/release.test.util.js';

/** First day of the data, 10 days of which are what versions are trained on. */
export const firstDay = Date.parse('2026-01-01T00:00:00.000Z');
export const trainDays = 10;
export const perDay = 300;

export const call = (): Call => ({ signal: new AbortController().signal, deadlineMs: Date.now() + 60_000 });

/** Share of 0 to 1 that looks random and is always the same for the same number. */
export function share(n: number): number {
  let x = Math.imul(n ^ 0x9e3779b9, 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
}

export interface Row {
  readonly id: string;
  readonly at: string;
  readonly x: number | null;
  readonly place: string;
  readonly late: number | null;
}

/** What happens on the days of a test. */
export interface Days {
  /** Added to `x` on a day. */
  readonly shift?: (day: number) => number;
  /** Share of rows without `x` on a day; default 0. */
  readonly missing?: (day: number) => number;
  /** Share of rows at ORD on a day; default a third, as at the two other places. */
  readonly atOrd?: (day: number) => number;
  /** Share of rows that are late on a day; default .3. */
  readonly late?: (day: number) => number;
}

const placeOf = (u: number, atOrd: number): string => (u < atOrd ? 'ORD' : u < (1 + atOrd) / 2 ? 'JFK' : 'BOS');

const plainSpec: Omit<ModelSpec, 'data' | 'code'> = {
  v: 1,
  model: 'm',
  task: 'binary',
  train: {
    run: ['node', 'train.js'],
    at: ['onprem.east/cpu'],
    resources: {},
    parameters: {},
    env: {},
    timeoutMs: 60_000,
    atMost: null,
    attemptsPerPool: 2,
  },
  evaluate: { run: ['node', 'predict.js'], predictions: { key: 'id', probability: 'p' }, timeoutMs: 60_000 },
  gate: {
    metrics: { logLoss: { notWorseBy: 0.01 } },
    minRows: 100,
    confidence: 0.95,
    slices: null,
    anchor: null,
    approval: null,
  },
  release: testRelease,
  watch: {
    everyMs: DAY_MS,
    compare: ['training'],
    minRows: 200,
    loss: { metric: 'brier', tolerate: 0.02, clip: 1, falseAlarmEveryWindows: 365 },
  },
  retrain: {
    on: { drift: true, everyMs: null, events: [] },
    cooldownMs: 1_000,
    atMost: { runs: 5, cost: null, perMs: DAY_MS },
    breakerAfter: 3,
    minGain: 0,
  },
};

/** A store, a registry, a source that grows day by day and a request log, all in one temporary folder. */
export function createMonitorWorld(days: Days = {}, format: 'parquet' | 'csv' = 'parquet') {
  const root = mkdtempSync(join(tmpdir(), 'retempo-monitor-test-'));
  const folder = (...path: string[]): string => {
    const made = join(root, ...path);
    mkdirSync(made, { recursive: true });
    return made;
  };
  const live = folder('live');
  const log = join(folder('log'), 'requests.ndjson');
  writeFileSync(log, '');
  const store = createFileStore({ root: folder('store') });
  const stores = createStores([store]);
  const registry = createRegistry({ store });
  const metrics: MetricsSource = {
    capabilities: { lagMs: 0, periodMs: 1, slow: 'exact' },
    readArms: () => Promise.reject(new Error('no counts here')),
    requestLog: () => Promise.resolve({ glob: join(root, 'log', '*.ndjson') }),
  };
  let folders = 0;

  const rowsOf = (day: number): readonly Row[] =>
    Array.from({ length: perDay }, (_, i) => {
      const n = day * perDay + i;
      const at = new Date(firstDay + day * DAY_MS + (i * DAY_MS) / perDay).toISOString();
      return {
        id: `r${n}`,
        at: at.replace('T', ' ').replace('Z', ''),
        x:
          share(n + 4_000_037) < (days.missing?.(day) ?? 0)
            ? null
            : share(n) + share(n + 1_000_003) + (days.shift?.(day) ?? 0),
        place: placeOf(share(n + 2_000_003), days.atOrd?.(day) ?? 1 / 3),
        late: share(n + 3_000_017) < (days.late?.(day) ?? 0.3) ? 1 : 0,
      };
    });
  const columns = { id: 'VARCHAR', at: 'TIMESTAMP', x: 'DOUBLE', place: 'VARCHAR', late: 'INTEGER' };

  /** Puts files into a fresh folder and seals it. */
  async function seal(prefix: string, write: (folder: string) => Promise<unknown> | void): Promise<ArtifactRef> {
    const made = folder(`part-${++folders}`);
    await write(made);
    return sealFolder({ store, folder: made, prefix }, call());
  }

  const data = dataSpec(join(live, `*.${format}`), { label: { column: 'late', arrivesAfterMs: 2 * DAY_MS } });
  const day = (n: number) => new Date(firstDay + n * DAY_MS).toISOString();

  return {
    root,
    store,
    stores,
    registry,
    metrics,
    log,
    seal,
    rowsOf,
    day,
    remove: () => rmSync(root, { recursive: true, force: true }),
    spec: (change: Partial<ModelSpec> = {}): ModelSpec => ({
      ...plainSpec,
      data,
      code: { v: 1, uri: `${store.root}code/`, digest: `sha256:${'c'.repeat(64)}`, bytes: 1 },
      ...change,
    }),

    /** Days 0 to `last` have happened; labels are there for those more than two days old. */
    async advanceTo(last: number): Promise<void> {
      const known = Array.from({ length: last + 1 }, (_, n) => rowsOf(n)).flatMap((rows, n) =>
        rows.map((row) => ({ ...row, late: n <= last - 2 ? row.late : null }))
      );
      // The first event of the next day tells that the last one is over.
      const next = rowsOf(last + 1)[0]!;
      const all = [...known, { ...next, late: null }];
      if (format === 'parquet') {
        await writeRows(join(live, 'all.parquet'), columns, all);
        return;
      }
      const lines = all.map(({ id, at, x, place, late }) => [id, at, x, place, late].join(','));
      writeFileSync(join(live, 'all.csv'), `id,at,x,place,late\n${lines.join('\n')}\n`);
    },

    /** The version answers every request of these days with this probability. */
    answer(from: number, to: number, version: string, probability = 0.3): void {
      const lines: string[] = [];
      for (let n = from; n <= to; n++) {
        for (const { id, at } of rowsOf(n)) {
          lines.push(JSON.stringify({ key: id, version, revision: '1', at, status: 200, prediction: probability }));
        }
      }
      appendFileSync(log, `${lines.join('\n')}\n`);
    },

    /** Registers version `seq`, trained on the first ten days, and makes it the champion. */
    async promote(
      seq: number,
      options: { readonly loss?: GateEvidence['referenceLoss']; readonly from?: number } = {}
    ) {
      const spec = this.spec();
      const artifact = await seal('versions', (made) => writeFileSync(join(made, 'model'), `model ${seq}`));
      const train = await seal('data/train', (made) =>
        writeRows(join(made, 'train.parquet'), columns, Array.from({ length: trainDays }, (_, n) => rowsOf(n)).flat())
      );
      const releaseId = `retempo/m/run/${seq}-0000000${seq}`;
      const before = await registry.getAlias({ model: 'm', alias: 'champion' }, call());
      const record: Omit<VersionRecord, 'v' | 'version'> = {
        model: 'm',
        artifact,
        releaseId,
        site: 'onprem.east',
        jobKey: 'k'.repeat(64),
        specDigest: digestOf(spec),
        code: spec.code,
        evaluator: spec.evaluate,
        data: {
          train,
          evaluate: train,
          labels: train,
          trainWindow: { from: day(0), to: day(trainDays), rows: trainDays * perDay },
          evaluateWindow: { from: day(trainDays), to: day(options.from ?? trainDays), rows: 0 },
          watermark: day(options.from ?? trainDays),
        },
        parent: before?.version ?? null,
      };
      const version = await registerVersion(registry, { record, seq }, call());
      await setChampion(
        registry,
        { model: 'm', version: version.version, expected: before?.version ?? null, releaseId, reason: 'test' },
        call()
      );
      const reference = options.loss === undefined ? { metric: 'brier', clip: 1, mean: 0.21, n: 3_000 } : options.loss;
      await registry.updateDocument(gateDocument('m', releaseId), () => ({ v: 1, referenceLoss: reference }), call());
      return version;
    },
  };
}

export type MonitorWorld = ReturnType<typeof createMonitorWorld>;
