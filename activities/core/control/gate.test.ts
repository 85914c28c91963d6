import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runGate } from '@retempo/analysis';
import type { ArtifactRef, ModelSpec } from '@retempo/workflows/contracts';
import { createStores } from '../artifacts/index.js';
import { call } from '../monitor/world.test.util.js';
import { PortError, type ArtifactStore } from '../ports/index.js';
import { createGateWorld, labelOf, predict, releaseId, rows, type GateWorld } from './gate-world.test.util.js';
import { evaluateGate, gateDocument } from './gate.js';

// Real Parquet and CSV files through a real store in a folder; nothing is played.

let world: GateWorld;
beforeEach(() => {
  world = createGateWorld();
});
afterEach(() => world.remove());

const predictions: GateWorld['predictions'] = (...input) => world.predictions(...input);
const question: GateWorld['question'] = (...input) => world.question(...input);
const ask: GateWorld['ask'] = (input) => world.ask(input);
const evidence: GateWorld['evidence'] = () => world.evidence();
const named = (result: Awaited<ReturnType<typeof ask>>, name: string) =>
  result.checks.find((check) => check.name === name)!;

describe('the gate on files', () => {
  it('compares candidate and champion on the same rows and keeps every number', async () => {
    const result = await ask(await question({ champion: await predictions(predict(0.3)) }));
    expect(result.verdict).toBe('pass');
    expect(result.gain).toBeGreaterThan(0);
    expect(result.reasons[0]).toContain('logLoss notWorseBy');
    expect(result.evidence).toBe(gateDocument('m', releaseId));
    expect(named(result, 'logLoss notWorseBy')).toMatchObject({ verdict: 'pass', n: rows, threshold: 0.01 });
    expect((await evidence()).result).toMatchObject({ rubberStamp: false, rowsJudged: rows });
    expect(JSON.parse(JSON.stringify(result))).toEqual(result);
  });

  it('says what each version measures on these rows, and the registry keeps it with the version', async () => {
    const input = await question({ champion: await predictions(predict(0.3)) });
    await ask(input);
    const { candidate, champion, anchor } = (await evidence()).metrics;
    // Computed here from the definition: half of the truth is known.
    const losses = Array.from(
      { length: rows },
      (_, n) => -Math.log(labelOf(n) === 1 ? predict(0.5)(n) : 1 - predict(0.5)(n))
    );
    expect(candidate!['logLoss']).toBeCloseTo(losses.reduce((sum, loss) => sum + loss, 0) / rows, 9);
    expect(candidate!['auc']).toBe(1);
    expect(champion!['brier']).toBeGreaterThan(candidate!['brier']!);
    expect(anchor).toBeNull();
    const { version } = input.version;
    expect((await world.registry.getVersion({ model: 'm', version }, call()))?.metrics).toEqual(candidate);
  });

  it('measures again what died between the evidence and the registry', async () => {
    const input = await question();
    await ask(input);
    const { version } = input.version;
    await world.registry.setMetrics({ model: 'm', version, metrics: {} }, call());
    await ask(input);
    const found = await world.registry.getVersion({ model: 'm', version }, call());
    expect(found?.metrics).toEqual((await evidence()).metrics.candidate);
  });

  it('refuses a worse candidate, the decisive reason first', async () => {
    const better = await predictions(predict(0.6));
    const metrics = { logLoss: { atMost: 5, notWorseBy: 0.01 }, auc: { atLeast: 0.5 } };
    const { gate } = world.spec();
    const result = await ask(
      await question(
        { candidate: await predictions(predict(0.2)), champion: better },
        { spec: { gate: { ...gate, metrics } } }
      )
    );
    expect(result.verdict).toBe('fail');
    expect(result.reasons[0]).toMatch(/^logLoss notWorseBy: .*margin/);
    expect(result.reasons.at(-1)).toMatch(/^next: improve data or training and ask for a retrain/);
    expect(result.gain).toBeLessThan(0);
  });

  it('what varies together counts once: rows of eight days that rise and fall together prove nothing', async () => {
    /** Knows the truth to 60 %, on every other day a little less and on those between a little more. */
    const truth = (swing: number) => (n: number) => {
      const p = 0.6 * Math.exp(n % 8 < 4 ? swing : -swing);
      return labelOf(n) === 1 ? p : 1 - p;
    };
    const arms = { candidate: await predictions(truth(0.05)), champion: await predictions(truth(0)) };
    const of = async (unitOf: (n: number) => string) =>
      named(await ask(await question(arms, { unitOf })), 'logLoss notWorseBy');
    const single = await of((n) => `u${n}`);
    expect([single.verdict, single.n]).toEqual(['pass', rows]);
    const daily = await of((n) => `day ${n % 8}`);
    expect([daily.verdict, daily.n, daily.estimate]).toEqual(['inconclusive', rows, single.estimate]);
    const width = ({ lower, upper }: typeof daily) => upper! - lower!;
    expect(width(daily)).toBeGreaterThan(5 * width(single));
  });

  it('the interval has the confidence that is asked for', async () => {
    const arms = { champion: await predictions(predict(0.48)) };
    const { gate } = world.spec();
    const at = async (confidence: number) => {
      const input = await question(arms, { spec: { gate: { ...gate, confidence } }, policyDigest: `c ${confidence}` });
      return named(await ask(input), 'logLoss notWorseBy');
    };
    const [wide, narrow] = [await at(0.99), await at(0.8)];
    expect(wide.estimate).toBe(narrow.estimate);
    expect(wide.upper! - wide.lower!).toBeGreaterThan(1.5 * (narrow.upper! - narrow.lower!));
  });

  it('22: without a champion the comparison passes visibly', async () => {
    const result = await ask(await question());
    expect([result.verdict, result.gain]).toEqual(['pass', null]);
    expect((await evidence()).result?.rubberStamp).toBe(true);
    expect(named(result, 'logLoss notWorseBy').reason).toContain('no champion');
  });

  it('asked again about the same, it gives the stored result and reads no file', async () => {
    const input = await question({ champion: await predictions(predict(0.3)) });
    const first = await ask(input);
    rmSync(fileURLToPath(input.predictions.candidate.uri), { recursive: true });
    expect(await ask(input)).toEqual(first);
  });

  it('of two that judge the same at once both give what was kept first', async () => {
    const input = await question();
    const damaged: ArtifactStore = {
      ...world.store,
      async *read(key, ...asked) {
        for await (const chunk of world.store.read(key, ...asked))
          yield key.endsWith('predictions.csv') ? Buffer.alloc(chunk.length) : chunk;
      },
    };
    // It begins after the other one has looked for an answer, and ends before that one has its own.
    let faster: ReturnType<typeof ask> | undefined;
    const slow: ArtifactStore = {
      ...world.store,
      async *read(...asked) {
        await (faster ??= evaluateGate({ ...world, stores: createStores([damaged]) }, input, call()));
        yield* world.store.read(...asked);
      },
    };
    const slower = await evaluateGate({ ...world, stores: createStores([slow]) }, input, call());
    expect([slower.verdict, slower]).toEqual(['error', await faster]);
  });

  it('another policy, other predictions or another model are another question', async () => {
    const champion = await predictions(predict(0.5));
    const input = await question({ champion });
    const first = await ask(input);
    expect(first.verdict).toBe('pass');
    const { gate } = world.spec();
    const strict = { ...gate, metrics: { logLoss: { betterBy: 0.1 } } };
    const second = await ask({ ...input, spec: { ...input.spec, gate: strict }, policyDigest: 'policy-2' });
    expect(second.checks.map(({ name }) => name)).toContain('logLoss betterBy');
    expect(second.verdict).not.toBe('pass');
    expect(second.evidenceDigest).not.toBe(first.evidenceDigest);
    expect((await evidence()).subject.policy).toBe('policy-2');
    const third = await ask({
      ...input,
      predictions: { ...input.predictions, champion: await predictions(predict(0.9)) },
    });
    expect(third.verdict).toBe('fail');
  });

  it('15: another anchor is another question: an approval of the first answer is void', async () => {
    const { gate } = world.spec();
    const anchored = { ...gate, anchor: { version: 'pinned', notWorseBy: 0.05 } };
    const ask1 = await question({ anchor: await predictions(predict(0.5)) }, { spec: { gate: anchored } });
    const first = await ask(ask1);
    expect(first.verdict).toBe('pass');
    const again = { ...ask1.predictions, anchor: await predictions(predict(0.95)) };
    const second = await ask({ ...ask1, predictions: again });
    expect(second.verdict).toBe('fail');
    expect(second.evidenceDigest).not.toBe(first.evidenceDigest);
    expect((await evidence()).subject.anchor).toBe(again.anchor.digest);
  });

  it.each(['champion', 'anchor'] as const)(
    '15: another %s is another question, also when it predicts the same',
    async (arm) => {
      const input = await question();
      const first = await ask(input);
      const comparedWith = { ...input.comparedWith, [arm]: `sha256:${'b'.repeat(64)}` };
      expect((await ask({ ...input, comparedWith })).evidenceDigest).not.toBe(first.evidenceDigest);
      expect((await evidence()).subject.comparedWith).toEqual(comparedWith);
    }
  );

  it('15: the digest of the evidence names what was judged, and the seed comes from it', async () => {
    const input = await question({ champion: await predictions(predict(0.4)) });
    const first = await ask(input);
    const { seed } = await evidence();
    await world.registry.deleteDocument(gateDocument('m', releaseId), call());
    expect(await ask(input)).toEqual(first);
    expect((await evidence()).seed).toBe(seed);
  });

  it('anybody can derive the decision again: rows, recorded policy and recorded seed give every number', async () => {
    await ask(await question({ champion: await predictions(predict(0.48)) }));
    const { seed, policy, result } = await evidence();
    const { metrics, minRows, confidence, slices } = policy;
    const again = runGate({
      gate: { metrics, minRows, confidence, slices, anchor: null, iterations: 10_000, seed },
      rows: Array.from({ length: rows }, (_, n) => ({
        key: `r${n}`,
        cluster: `u${n}`,
        label: labelOf(n),
        candidate: predict(0.5)(n),
        champion: predict(0.48)(n),
      })),
    });
    expect(result).toEqual(JSON.parse(JSON.stringify(again)));
  });

  const broken: readonly (readonly [string, () => Promise<ArtifactRef>, string])[] = [
    ['rows are missing', () => predictions(predict(0.5), rows - 3), '3 keys not predicted'],
    ['a row is too much', () => predictions(predict(0.5), rows + 1), 'nobody asked for'],
    ['a prediction is no number', () => predictions((n) => (n === 5 ? 'NaN' : 0.5)), 'finite number'],
    ['a probability is above 1', () => predictions((n) => (n === 5 ? 1.5 : 0.5)), 'outside [0, 1]'],
    [
      'there is no file of predictions',
      () => world.seal('predictions', (folder) => writeFileSync(join(folder, 'other.csv'), 'id,p\n')),
      'wrote no predictions',
    ],
  ];
  for (const [why, candidate, text] of broken) {
    it(`${why}: the verdict is error, never a pass and never a throw`, async () => {
      const result = await ask(await question({ candidate: await candidate() }));
      expect(result).toMatchObject({ verdict: 'error', checks: [], gain: null });
      expect(result.reasons[0]).toContain(text);
      expect(await evidence()).toMatchObject({ result: null, problem: expect.stringContaining(text) });
      expect(result.reasons.at(-1)).toMatch(/^next: mend what is named here/);
    });
  }

  it('rows of one class have no AUC: it is told as null, and the verdict is what the checks say', async () => {
    const result = await ask(await question({}, { happened: () => 0 }));
    expect([result.verdict, named(result, 'rows').verdict]).toEqual(['pass', 'pass']);
    expect(await evidence()).toMatchObject({ problem: null, metrics: { candidate: { auc: null } } });
  });

  it('slices of one unit have no bounds: they are told as null', async () => {
    const { gate } = world.spec();
    const spec = { gate: { ...gate, slices: { by: ['place'], minRows: 50 } } };
    const unitOf = (n: number) => (n % 4 === 0 ? 'one' : `u${n}`);
    await ask(await question({ champion: await predictions(predict(0.3)) }, { spec, unitOf }));
    const { problem, result } = await evidence();
    expect([problem, result?.verdict]).toEqual([null, 'inconclusive']);
    expect(result?.slices).toContainEqual(expect.objectContaining({ value: 'ORD', lower: null, upper: null }));
  });

  it('a quantity has errors and no classes: they are measured, and no loss of probabilities is', async () => {
    const { gate, evaluate, watch } = world.spec();
    const spec: Partial<ModelSpec> = {
      task: 'regression',
      gate: { ...gate, metrics: { mae: { notWorseBy: 0.01 } } },
      evaluate: { ...evaluate, predictions: { key: 'id', value: 'p' } },
      watch: { ...watch, loss: { ...watch.loss!, metric: 'brier' } },
    };
    const candidate = await predictions((n) => labelOf(n) + (n % 2 === 0 ? 1 : -3));
    const input = await question({ candidate, champion: await predictions((n) => labelOf(n) + 4) }, { spec });
    expect(await ask(input)).toMatchObject({ verdict: 'pass', gain: 2 });
    const { metrics, referenceLoss } = await evidence();
    expect(referenceLoss).toBeNull();
    const errors = [metrics.candidate!, metrics.champion!].flatMap(({ mae, rmse }) => [mae, rmse]);
    for (const [i, expected] of [2, Math.sqrt(5), 4, 4].entries()) expect(errors[i]).toBeCloseTo(expected, 9);
    const version = await world.registry.getVersion(input.version, call());
    expect(version?.metrics).toEqual(metrics.candidate);
  });

  it('8: too few rows are no verdict', async () => {
    const { gate } = world.spec();
    const result = await ask(await question({}, { spec: { gate: { ...gate, minRows: rows + 1 } } }));
    expect(['inconclusive', 'noData']).toContain(result.verdict);
    expect(result.reasons.at(-1)).toMatch(/^next: .*data\.split\.evaluate/);
  });

  it('a store that cannot be read is a throw: it is tried again, and nothing is written', async () => {
    const input = await question();
    const down = {
      ...world.store,
      // oxlint-disable-next-line require-yield -- fails before its first byte
      async *read(): AsyncGenerator<Uint8Array> {
        await Promise.resolve();
        throw new PortError('ServiceFault', 'the store is down');
      },
    };
    const stores = createStores([down]);
    await expect(evaluateGate({ registry: world.registry, stores }, input, call())).rejects.toMatchObject({
      class: 'ServiceFault',
    });
    expect(await world.registry.readDocument(gateDocument('m', releaseId), call())).toBeNull();
  });

  it('bytes that do not match their digest are an error of the version', async () => {
    const input = await question();
    writeFileSync(join(fileURLToPath(input.predictions.candidate.uri), 'predictions.csv'), 'id,p\nr0,1\n');
    expect(await ask(input)).toMatchObject({
      verdict: 'error',
      reasons: [expect.any(String), expect.stringMatching(/^next: /)],
    });
  });

  it('a pinned anchor is compared as well: a slow slide is caught though the champion is as bad', async () => {
    const same = await predictions(predict(0.3));
    const anchor = await predictions(predict(0.6));
    const { gate } = world.spec();
    const spec = { gate: { ...gate, anchor: { version: 'pinned', notWorseBy: 0.02 } } };
    const result = await ask(await question({ candidate: same, champion: same, anchor }, { spec }));
    expect(named(result, 'logLoss notWorseBy').verdict).toBe('pass');
    const check = result.checks.find(({ name }) => name.includes('anchor'))!;
    expect([result.verdict, check.verdict]).toEqual(['fail', 'fail']);
    expect(result.reasons[0]).toContain('anchor');
  });

  it('slices are judged by the columns of the snapshot', async () => {
    const { gate } = world.spec();
    const spec = { gate: { ...gate, slices: { by: ['place'], minRows: 50 } } };
    // As good as the champion but at ORD, a quarter of the rows.
    const uneven = (n: number) => (n % 4 === 0 ? 0.4 : predict(0.5)(n));
    const result = await ask(
      await question({ candidate: await predictions(uneven), champion: await predictions(predict(0.5)) }, { spec })
    );
    expect(result.verdict).toBe('fail');
    expect(result.checks.find(({ name }) => name.startsWith('slices'))?.name).toContain('place=ORD');
  });
});

describe('the loss at the gate', () => {
  const watched = (metric: 'logLoss' | 'brier', clip: number) => {
    const { watch } = world.spec();
    return { watch: { ...watch, loss: { ...watch.loss!, metric, clip } } };
  };
  // One row that is certain and wrong: its loss is far above the clip.
  const p = (n: number) => (n === 0 ? 1 - labelOf(0) : predict(0.5)(n));

  it('is the mean of the losses, each clipped as production’s will be', async () => {
    const asked = await question({ candidate: await predictions(p) }, { spec: watched('logLoss', 1.2) });
    await ask(asked);
    let sum = 0;
    for (let n = 0; n < rows; n++) {
      const certain = labelOf(n) === 1 ? p(n) : 1 - p(n);
      sum += certain === 0 ? 1.2 : Math.min(1.2, -Math.log(certain));
    }
    const { referenceLoss } = await evidence();
    expect(referenceLoss).toMatchObject({ metric: 'logLoss', clip: 1.2, n: rows });
    expect(referenceLoss!.mean).toBeCloseTo(sum / rows, 12);
  });

  it('brier: squares', async () => {
    await ask(await question({ candidate: await predictions(p) }, { spec: watched('brier', 1) }));
    let sum = 0;
    for (let n = 0; n < rows; n++) sum += (p(n) - labelOf(n)) ** 2;
    expect((await evidence()).referenceLoss!.mean).toBeCloseTo(sum / rows, 12);
  });

  it('is null where no loss is watched', async () => {
    const { watch } = world.spec();
    await ask(await question({}, { spec: { watch: { ...watch, loss: null } } }));
    expect((await evidence()).referenceLoss).toBeNull();
  });
});
