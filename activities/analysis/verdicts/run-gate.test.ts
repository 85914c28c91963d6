import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.js';
import { runGate, type GateResult, type GateRow, type GateSpec } from './index.js';
import { check, gate, logit, rowsOf, squash, verdictOf } from './run-gate.test.util.js';

const bad = (field: string): Error => expect.objectContaining({ name: 'AnalysisInputError', field }) as Error;

describe('runGate: comparison with the champion', () => {
  it('passes an equal candidate, fails a worse one, and says when it cannot tell', () => {
    const equal = runGate({ gate, rows: rowsOf(4000) });
    expect(equal.verdict).toBe('pass');
    const worse = runGate({ gate, rows: rowsOf(4000, { candidate: 1.5 }) });
    expect(worse.verdict).toBe('fail');
    expect(worse.gain!).toBeLessThan(-0.1);
    expect(verdictOf({ metrics: { logLoss: { notWorseBy: 0.0001 } } }, rowsOf(600))).toBe('inconclusive');
    const one = check(equal, 'logLoss notWorseBy');
    expect(one).toMatchObject({
      kind: 'notWorse',
      metric: 'logLoss',
      slice: null,
      threshold: 0.02,
      n: 4000,
      clusterCount: 4000,
    });
    expect(one.lower!).toBeLessThan(one.estimate!);
    expect(one.upper!).toBeGreaterThan(one.estimate!);
    expect(equal.gain).toBe(-one.estimate!);
  });

  it('knows the direction of every metric', () => {
    const metrics = { logLoss: 0.01, brier: 0.01, accuracy: 0.03, auc: 0.02, mae: 0.02, mse: 0.01 };
    for (const [name, notWorseBy] of Object.entries(metrics)) {
      const spec = { metrics: { [name]: { notWorseBy } } };
      const worse = runGate({ gate: { ...gate, ...spec }, rows: rowsOf(4000, { candidate: 3, champion: 0 }) });
      expect([name, worse.verdict]).toEqual([name, 'fail']);
      expect(worse.gain!).toBeLessThan(-notWorseBy);
      const better = runGate({ gate: { ...gate, ...spec }, rows: rowsOf(4000, { candidate: 0, champion: 3 }) });
      expect([name, better.verdict]).toEqual([name, 'pass']);
      expect(better.gain!).toBeGreaterThan(notWorseBy);
      const asked = { metrics: { [name]: { betterBy: notWorseBy } } };
      expect([name, verdictOf(asked, rowsOf(4000, { candidate: 0, champion: 3 }))]).toEqual([name, 'pass']);
      expect([name, verdictOf(asked, rowsOf(4000, { candidate: 3, champion: 0 }))]).toEqual([name, 'fail']);
    }
  });

  it('equal versions pass non-inferiority at any margin and fail superiority (21)', () => {
    const rows = rowsOf(600).map((row) => ({ ...row, champion: row.candidate }));
    const metrics = ['logLoss', 'brier', 'accuracy', 'auc', 'mae', 'mse'];
    for (const name of metrics) {
      expect([name, verdictOf({ metrics: { [name]: { notWorseBy: 0 } } }, rows)]).toEqual([name, 'pass']);
      expect([name, verdictOf({ metrics: { [name]: { betterBy: 0 } } }, rows)]).toEqual([name, 'fail']);
    }
  });

  it('takes heavy tails, few clusters and few disagreements for inconclusive', () => {
    const random = createRandom(3);
    const heavy = rowsOf(4000).map((row) => {
      const truth = row.label === 1 ? 0.6 : 0.4;
      const wrecked = random.uniform() < 1 / 400;
      return { ...row, champion: truth, candidate: wrecked ? 1 - squash(12) * row.label : truth, label: row.label };
    });
    const judged = check(runGate({ gate, rows: heavy }), 'logLoss notWorseBy');
    expect(judged.verdict).toBe('inconclusive');
    expect(judged.reason).toContain('heavy tail');
    expect(verdictOf({}, rowsOf(4000, { days: 4 }))).toBe('inconclusive');
    expect(verdictOf({}, rowsOf(4000, { days: 5 }))).toBe('pass');
    const rare = rowsOf(4000).map((row, i) => ({
      ...row,
      label: i < 2000 ? 1 : 0,
      champion: i < 2000 ? 0.9 : 0.1,
      candidate: i < 2000 === i % 300 > 0 ? 0.9 : 0.1,
    }));
    const few = check(
      runGate({ gate: { ...gate, metrics: { accuracy: { notWorseBy: 0.05 } } }, rows: rare }),
      'accuracy notWorseBy'
    );
    expect(few).toMatchObject({ verdict: 'inconclusive' });
    expect(few.reason).toContain('fewer than 20 rows');
  });

  it('resamples whole clusters', () => {
    const clustered = rowsOf(4000, { days: 20 }).map((row) => ({
      ...row,
      candidate: squash(logit(row.champion!) * (Number(row.cluster) % 2 === 0 ? 0.2 : 1)),
    }));
    const width = (rows: readonly GateRow[]): number => {
      const { lower, upper } = check(runGate({ gate, rows }), 'logLoss notWorseBy');
      return upper! - lower!;
    };
    const independent = clustered.map(({ cluster: _cluster, ...row }) => row);
    expect(check(runGate({ gate, rows: clustered }), 'logLoss notWorseBy').clusterCount).toBe(20);
    expect(width(clustered)).toBeGreaterThan(1.5 * width(independent));
    const auc = { ...gate, metrics: { auc: { notWorseBy: 0.1, atLeast: 0.6 } } };
    const judged = runGate({ gate: auc, rows: rowsOf(2000, { days: 20 }) });
    expect(judged.verdict).toBe('pass');
    expect(check(judged, 'auc notWorseBy').clusterCount).toBe(20);
    expect(verdictOf({ metrics: { auc: { notWorseBy: 0.1 } } }, rowsOf(2000, { days: 4 }))).toBe('inconclusive');
    // A day without one of the classes makes resamples without an AUC.
    const split = rowsOf(600, { days: 5 }).map((row) => ({ ...row, label: row.cluster === 0 ? 1 : 0 }));
    expect(verdictOf({ metrics: { auc: { notWorseBy: 0.1 } } }, split)).toBe('inconclusive');
  });
});

describe('runGate: floors', () => {
  it('has three regions about the limit', () => {
    const rows = rowsOf(4000);
    const own = (metrics: GateSpec['metrics']) => runGate({ gate: { ...gate, metrics }, rows });
    const loss = check(own({ logLoss: { atMost: 1 } }), 'logLoss atMost');
    expect(loss.verdict).toBe('pass');
    expect(own({ logLoss: { atMost: loss.estimate! } }).verdict).toBe('inconclusive');
    expect(own({ logLoss: { atMost: loss.lower! - 1e-9 } }).verdict).toBe('fail');
    expect(own({ logLoss: { atMost: loss.upper! } }).verdict).toBe('pass');
    for (const name of ['auc', 'accuracy']) {
      const floor = check(own({ [name]: { atLeast: 0.5 } }), `${name} atLeast`);
      expect(floor).toMatchObject({ verdict: 'pass', threshold: 0.5 });
      expect(own({ [name]: { atLeast: floor.estimate! } }).verdict).toBe('inconclusive');
      expect(own({ [name]: { atLeast: floor.upper! + 1e-9 } }).verdict).toBe('fail');
      expect(own({ [name]: { atLeast: floor.lower! } }).verdict).toBe('pass');
    }
  });

  it('does not believe in perfection on few rows', () => {
    const perfect = rowsOf(500).map((row) => ({ ...row, candidate: row.label }));
    const exact = check(
      runGate({ gate: { ...gate, metrics: { accuracy: { atLeast: 0.99 } } }, rows: perfect }),
      'accuracy atLeast'
    );
    expect(exact).toMatchObject({ estimate: 1, upper: 1, verdict: 'pass' });
    // 1 - .05^(1/500), Clopper-Pearson.
    expect(exact.lower).toBeCloseTo(0.05 ** (1 / 500), 9);
    const clustered = perfect.map((row, i) => ({ ...row, cluster: i % 10 }));
    expect(verdictOf({ metrics: { accuracy: { atLeast: 0.99 } } }, clustered)).toBe('inconclusive');
  });

  it('has no AUC with one class', () => {
    const rows = rowsOf(600).map((row) => ({ ...row, label: 1 }));
    const result = runGate({
      gate: { ...gate, metrics: { auc: { atLeast: 0.6, notWorseBy: 0.01, betterBy: 0 } } },
      rows,
    });
    expect(result.verdict).toBe('noData');
    expect(result.reasons[0]).toContain('one class');
    expect(verdictOf({ metrics: { auc: { atLeast: 0.6 }, logLoss: { atMost: 5 } } }, rows)).toBe('inconclusive');
    expect(verdictOf({ metrics: { auc: { atLeast: 0.6 }, logLoss: { atMost: 0.001 } } }, rows)).toBe('fail');
  });
});

describe('runGate: rows', () => {
  const rows = rowsOf(600);
  const broken = (change: object, index = 3): GateResult =>
    runGate({ gate, rows: rows.map((row, i) => (i === index ? { ...row, ...change } : row)) });

  it.each([
    ['a duplicate key', { key: 'row5' }, 'row row5 has a key that another row has too'],
    ['no key', { key: '' }, 'row number 4 has no key'],
    ['a missing key', { key: undefined }, 'row number 4 has no key'],
    ['a NaN prediction', { candidate: Number.NaN }, 'row row3 has a candidate that is no finite number'],
    ['an infinite prediction', { champion: Infinity }, 'row row3 has a champion that is no finite number'],
    ['a missing prediction', { candidate: undefined }, 'row row3 has no candidate, others have one'],
    ['a missing champion', { champion: null }, 'row row3 has no champion, others have one'],
    ['a NaN label', { label: Number.NaN }, 'row row3 has a label that is no finite number'],
    ['a label of 2', { label: 2 }, 'row row3 has a label other than 0 and 1'],
    ['a probability of 1.2', { candidate: 1.2 }, 'row row3 has a candidate outside [0, 1]'],
    ['a text', { candidate: '0.5' }, 'row row3 has a candidate that is no finite number'],
  ])('%s is an error, never left out', (_name, change, sentence) => {
    const result = broken(change);
    expect(result.verdict).toBe('error');
    expect(result.reasons).toEqual([`rows: error: ${sentence}`]);
  });

  it('finds bad rows among those that were trained on, too, and counts them by kind', () => {
    const result = broken({ candidate: Number.NaN, trainedOn: true });
    expect(result.verdict).toBe('error');
    const many = runGate({ gate, rows: rows.map((row, i) => (i < 40 ? { ...row, candidate: Number.NaN } : row)) });
    expect(many.reasons).toEqual([
      'rows: error: row row0 has a candidate that is no finite number, and 39 more rows like it',
    ]);
    expect(runGate({ gate, rows: [null, ...rows] as never }).reasons).toEqual([
      'rows: error: row number 1 is no object',
    ]);
    const half = rows.map((row, i) => (i % 2 === 0 ? { ...row, cluster: 'a' } : row));
    expect(runGate({ gate, rows: half }).reasons[0]).toContain('has no cluster');
    const anchors = rows.map((row, i) => (i === 0 ? row : { ...row, anchor: 0.5 }));
    expect(runGate({ gate, rows: anchors }).reasons[0]).toContain('row row0 has no anchor');
  });

  it('takes numbers of any size for mae and mse, and labels of any kind', () => {
    const numbers = rows.map((row, i) => ({
      ...row,
      label: i * 3,
      champion: i * 3 + 1 + (i % 3),
      candidate: i * 3 - 1 - (i % 2),
    }));
    expect(verdictOf({ metrics: { mae: { notWorseBy: 0.1 } } }, numbers)).toBe('pass');
    expect(verdictOf({ metrics: { mse: { notWorseBy: 0.1 } } }, numbers)).toBe('pass');
    expect(verdictOf({ metrics: { mae: { notWorseBy: 0.1 }, logLoss: { notWorseBy: 1 } } }, numbers)).toBe('error');
  });

  it('leaves out rows a version was trained on, and counts them', () => {
    const marked = rows.map((row, i) => (i < 50 ? { ...row, candidate: 1 - row.label, trainedOn: true } : row));
    const result = runGate({ gate, rows: marked });
    expect(result).toMatchObject({ rowsJudged: 550, rowsTrainedOn: 50 });
    expect(check(result, 'rows').reason).toBe(
      '550 rows were judged; 50 more were left out because a version was trained on them'
    );
    const clean = runGate({ gate, rows: marked.slice(50) });
    expect(check(result, 'logLoss notWorseBy')).toEqual(check(clean, 'logLoss notWorseBy'));
    const rest = rows.map((row, i) => ({ ...row, trainedOn: i > 100 }));
    const few = runGate({ gate, rows: rest });
    expect(few).toMatchObject({ verdict: 'noData', rowsJudged: 101, rowsTrainedOn: 499 });
  });

  it('is noData below minRows', () => {
    expect(verdictOf({}, rows.slice(0, 499))).toBe('noData');
    expect(verdictOf({}, [])).toBe('noData');
    expect(verdictOf({}, rows.slice(0, 500))).not.toBe('noData');
    expect(verdictOf({ minRows: 700 }, rows)).toBe('noData');
  });
});

describe('runGate: no champion, anchor, slices', () => {
  it('lets comparisons pass without a champion, and shows it (22)', () => {
    const rows = rowsOf(600, { champion: null });
    const spec: GateSpec = {
      ...gate,
      metrics: { logLoss: { atMost: 0.8, notWorseBy: 0.01, betterBy: 0.1 } },
      slices: { by: ['origin'], minRows: 50 },
      anchor: { notWorseBy: 0.01 },
    };
    const result = runGate({ gate: spec, rows });
    expect(result).toMatchObject({ verdict: 'pass', rubberStamp: true, gain: null });
    expect(result.reasons.filter((reason) => reason.includes('no champion'))).toHaveLength(4);
    expect(verdictOf({ metrics: { logLoss: { atMost: 0.1, notWorseBy: 0.01 } } }, rows)).toBe('fail');
    expect(runGate({ gate, rows: rowsOf(600) }).rubberStamp).toBe(false);
    // A champion that predicts null on all rows is none.
    expect(runGate({ gate, rows: rows.map((row) => ({ ...row, champion: null })) }).rubberStamp).toBe(true);
  });

  it('holds the budget of the pinned version, whatever the champion has become', () => {
    const rows = rowsOf(4000, { candidate: 1, champion: 1, anchor: 0 });
    const spec = { metrics: { logLoss: { notWorseBy: 0.05 } }, anchor: { notWorseBy: 0.05 } };
    const result = runGate({ gate: { ...gate, ...spec }, rows });
    expect(check(result, 'logLoss notWorseBy').verdict).toBe('pass');
    expect(check(result, 'logLoss anchor')).toMatchObject({ verdict: 'fail', threshold: 0.05 });
    expect(result.verdict).toBe('fail');
    expect(verdictOf({ ...spec, anchor: { notWorseBy: 0.5 } }, rows)).toBe('pass');
    expect(verdictOf({ ...spec, anchor: { notWorseBy: 0.005, metric: 'brier' } }, rows)).toBe('fail');
    expect(verdictOf({ ...spec, anchor: { notWorseBy: 0.3, metric: 'accuracy' } }, rows)).toBe('pass');
    expect(verdictOf({ metrics: {}, anchor: { notWorseBy: 0.5, metric: 'brier' } }, rows)).toBe('pass');
    const none = runGate({ gate: { ...gate, ...spec }, rows: rowsOf(4000) });
    expect(none.verdict).toBe('inconclusive');
    expect(check(none, 'logLoss anchor').verdict).toBe('noData');
  });

  it('finds the slice that got worse, and no slice by chance', () => {
    const spec: GateSpec = { ...gate, slices: { by: ['origin', 'day'], minRows: 300 } };
    const calm = runGate({ gate: spec, rows: rowsOf(4000) });
    expect(calm.verdict).toBe('pass');
    expect(calm.slices).toHaveLength(11);
    expect(calm.slicesTooSmall).toBe(0);
    const hit = rowsOf(4000).map((row) =>
      row.slice!['origin'] === 'ORD' ? { ...row, candidate: squash(logit(row.candidate) * -1) } : row
    );
    const result = runGate({ gate: { ...spec, metrics: { logLoss: { notWorseBy: 0.2 } } }, rows: hit });
    expect(check(result, 'logLoss notWorseBy').verdict).toBe('pass');
    expect(check(result, 'slices origin')).toMatchObject({
      verdict: 'fail',
      slice: 'origin=ORD',
      metric: 'logLoss',
      threshold: 0.2,
    });
    expect(result.slices[0]).toMatchObject({ property: 'origin', value: 'ORD' });
    expect(result.verdict).toBe('fail');
    // Holm over all 11: a p-value of .02 in one of them is no finding.
    expect(result.slices[0]!.adjustedPValue).toBeGreaterThanOrEqual(result.slices[0]!.pValue);
    for (const slice of calm.slices) expect(slice.adjustedPValue).toBeGreaterThan(0.05);
  });

  it('judges no slice that is too small, and says so', () => {
    const rows = rowsOf(4000).map((row, i) => ({ ...row, slice: { origin: i < 100 ? 'rare' : 'common' } }));
    const result = runGate({ gate: { ...gate, slices: { by: ['origin'], minRows: 101 } }, rows });
    expect(result).toMatchObject({ verdict: 'pass', slicesTooSmall: 1 });
    expect(result.slices.map(({ value }) => value)).toEqual(['common']);
    expect(runGate({ gate: { ...gate, slices: { by: ['origin'], minRows: 100 } }, rows }).slices).toHaveLength(2);
    expect(verdictOf({ slices: { by: ['origin'], minRows: 4000 } }, rows)).toBe('inconclusive');
    expect(verdictOf({ slices: { by: ['nowhere'], minRows: 100 } }, rows)).toBe('inconclusive');
    const some = rows.map((row, i) => (i % 2 === 0 ? { ...row, slice: {} } : row));
    expect(
      runGate({ gate: { ...gate, slices: { by: ['origin'], minRows: 500 } }, rows: some }).slices.map(
        ({ value }) => value
      )
    ).toContain('(missing)');
  });

  it('does not believe a heavy-tailed slice', () => {
    const rows = rowsOf(4000).map((row, i) => {
      const even = { ...row, label: 1, champion: 0.5, slice: { part: i < 1000 ? 'a' : 'b' } };
      return { ...even, candidate: i < 10 ? 1e-12 : i < 1000 ? 0.499 : 0.5 };
    });
    const result = runGate({
      gate: { ...gate, metrics: { logLoss: { notWorseBy: 0.001 } }, slices: { by: ['part'], minRows: 500 } },
      rows,
    });
    expect(check(result, 'slices part').verdict).toBe('inconclusive');
  });
});

describe('runGate: the gate itself', () => {
  const rows = rowsOf(10);
  it.each([
    ['gate', { metrics: {} }],
    ['gate', null],
    ['gate.metrics', { metrics: undefined }],
    ['gate.metrics.logLoss', { metrics: { logLoss: {} } }],
    ['gate.metrics.logLoss', { metrics: { logLoss: null } }],
    ['gate.metrics.loss', { metrics: { loss: { atMost: 1 } } }],
    ['gate.metrics.logLoss.atLeast', { metrics: { logLoss: { atLeast: 1 } } }],
    ['gate.metrics.auc.atMost', { metrics: { auc: { atMost: 1 } } }],
    ['gate.metrics.auc.atLeast', { metrics: { auc: { atLeast: Number.NaN } } }],
    ['gate.metrics.logLoss.notWorseBy', { metrics: { logLoss: { notWorseBy: -0.1 } } }],
    ['gate.metrics.logLoss.betterBy', { metrics: { logLoss: { betterBy: Infinity } } }],
    ['gate.minRows', { minRows: 1 }],
    ['gate.confidence', { confidence: 0.5 }],
    ['gate.confidence', { confidence: 1 }],
    ['gate.iterations', { iterations: 99 }],
    ['gate.threshold', { threshold: Number.NaN }],
    ['gate.seed', { seed: -1 }],
    ['gate.seed', { seed: undefined }],
    ['gate.slices.by', { slices: { by: [], minRows: 5 } }],
    ['gate.slices.minRows', { slices: { by: ['a'], minRows: 1 } }],
    ['gate.slices', { metrics: { auc: { atLeast: 0.5 } }, slices: { by: ['a'], minRows: 5 } }],
    ['gate.anchor.notWorseBy', { anchor: { notWorseBy: -1 } }],
    ['gate.anchor.metric', { metrics: { auc: { atLeast: 0.5 } }, anchor: { notWorseBy: 1 } }],
    ['gate.anchor.metric', { anchor: { notWorseBy: 1, metric: 'auc' } }],
    ['gate.anchor.metric.loss', { anchor: { notWorseBy: 1, metric: 'loss' } }],
  ])('names %s when it is wrong', (field, change) => {
    const spec = change === null ? null : { ...gate, ...change };
    expect(() => runGate({ gate: spec as never, rows })).toThrow(bad(field));
  });

  it('names rows that are no list', () => {
    expect(() => runGate({ gate, rows: 'no' as never })).toThrow(bad('rows'));
  });

  it('takes null for no slices and no anchor', () => {
    expect(verdictOf({ slices: null, anchor: null }, rowsOf(4000))).toBe('pass');
  });

  it('asks for more proof at a higher confidence', () => {
    const sure = check(runGate({ gate: { ...gate, confidence: 0.999 }, rows: rowsOf(600) }), 'logLoss notWorseBy');
    const usual = check(runGate({ gate, rows: rowsOf(600) }), 'logLoss notWorseBy');
    expect(sure.upper! - sure.lower!).toBeGreaterThan(1.4 * (usual.upper! - usual.lower!));
  });

  it('takes the threshold of accuracy', () => {
    const spec = { metrics: { accuracy: { atLeast: 0.01 } } };
    const at = (threshold: number) =>
      check(runGate({ gate: { ...gate, ...spec, threshold }, rows: rowsOf(600) }), 'accuracy atLeast').estimate!;
    expect(at(0.5)).toBeGreaterThan(at(0.95) + 0.1);
  });

  it('says every kind of reason', () => {
    const metrics = {
      logLoss: { atMost: 0.9, notWorseBy: 0.02, betterBy: 0 },
      auc: { atLeast: 0.6, notWorseBy: 0.01 },
    };
    const full: GateSpec = { ...gate, metrics, slices: { by: ['origin'], minRows: 300 }, anchor: { notWorseBy: 0.05 } };
    const say = (spec: GateSpec, list: readonly GateRow[]) => runGate({ gate: spec, rows: list }).reasons;
    const all = { champion: 0.3, candidate: 0.3, anchor: 0.3 };
    expect({
      usual: say(full, rowsOf(4000, all)),
      worse: say(full, rowsOf(4000, { ...all, candidate: 2, days: 10 })),
      'first version': say(full, rowsOf(4000, { ...all, champion: null, anchor: null })),
      'no pinned version': say(full, rowsOf(4000, { ...all, anchor: null })),
      'not enough': say(full, rowsOf(20)),
      'few clusters': say(gate, rowsOf(4000, { days: 2 })),
      'no slice': say({ ...full, slices: { by: ['origin', 'nowhere'], minRows: 5000 } }, rowsOf(4000, all)),
    }).toMatchSnapshot();
  });
});
