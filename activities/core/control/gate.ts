import { createHash } from 'node:crypto';
import { join } from 'node:path';
import {
  AnalysisInputError,
  auc,
  brier,
  logLoss,
  regressionErrors,
  runGate,
  type GateCheck,
  type GateResult,
  type GateRow,
} from '@retempo/analysis';
import {
  digestOf,
  type ArtifactRef,
  type CheckSummary,
  type GateEvaluation,
  type GateInput,
  type ModelSpec,
} from '@retempo/workflows/contracts';
import { canonicalJson } from '@retempo/workflows/domain';
import { materialize, type Stores } from '../artifacts/index.js';
import { joinPredictions, type EvaluatedRow } from '../data/index.js';
import { inTemporaryFolder } from '../monitor/snapshot.js';
import { isPortError, PortError, type Call } from '../ports/index.js';
import type { Registry, VersionMetrics } from '../registry/index.js';

/** Resamples of a gate that may refuse a version. */
const iterations = 10_000;

export const gateDocument = (model: string, releaseId: string): string =>
  `models/${model}/gates/${releaseId.split('/').at(-1) ?? 'unknown'}`;

/** The evidence of one gate: with it anybody can derive the decision again. */
export interface GateEvidence {
  readonly v: 1;
  /** What was asked: versions, evaluation rows, predictions, policy; digests. Another question has another document. */
  readonly subject: {
    readonly model: string;
    readonly labels: string;
    readonly candidate: string;
    readonly champion: string | null;
    readonly anchor: string | null;
    /** The versions behind the predictions: two of them may predict the same. */
    readonly comparedWith: GateInput['comparedWith'];
    readonly policy: string;
  };
  readonly seed: number;
  readonly policy: ModelSpec['gate'];
  /** Unbounded ends are null here. */
  readonly result: GateResult | null;
  /** What each version measures on these rows; null where there is no such version, or no result. */
  readonly metrics: { readonly [arm in 'candidate' | 'champion' | 'anchor']: VersionMetrics | null };
  /** Why there is no result: predictions that do not fit, and the like. */
  readonly problem: string | null;
  /** The candidate's mean loss on these rows, as the monitor will measure it; null without a watched loss. */
  readonly referenceLoss: {
    readonly metric: string;
    readonly clip: number;
    readonly mean: number;
    readonly n: number;
  } | null;
}

/**
 * Compares candidate and champion on the same rows and stores every number. The result belongs to its subject for good:
 * asked again, the stored one is returned.
 */
export async function evaluateGate(
  dependencies: { readonly registry: Registry; readonly stores: Stores },
  input: GateInput,
  call: Call
): Promise<GateEvaluation> {
  const { registry } = dependencies;
  const path = gateDocument(input.spec.model, input.releaseId);
  const subject: GateEvidence['subject'] = {
    model: input.version.artifact.digest,
    labels: input.version.data.labels.digest,
    candidate: input.predictions.candidate.digest,
    champion: input.predictions.champion?.digest ?? null,
    anchor: input.predictions.anchor?.digest ?? null,
    comparedWith: input.comparedWith,
    policy: input.policyDigest,
  };
  const known = (await registry.readDocument<GateEvidence>(path, call))?.value;
  const isKnown = known !== undefined && canonicalJson(known.subject) === canonicalJson(subject);
  const evidence = isKnown
    ? known
    : await keep(registry, path, await judge(dependencies.stores, input, subject, call), call);
  const { model, version } = input.version;
  const metrics = evidence.metrics.candidate;
  // Also when the evidence was there: whoever wrote it may have died before this.
  if (metrics !== null) await registry.setMetrics({ model, version, metrics }, call);
  return evaluationOf(evidence, path);
}

async function keep(registry: Registry, path: string, evidence: GateEvidence, call: Call): Promise<GateEvidence> {
  const subject = canonicalJson(evidence.subject);
  const { value } = await registry.updateDocument<GateEvidence>(
    path,
    (current) => (current !== null && canonicalJson(current.subject) === subject ? undefined : evidence),
    call
  );
  return value ?? evidence;
}

async function judge(
  stores: Stores,
  input: GateInput,
  subject: GateEvidence['subject'],
  call: Call
): Promise<GateEvidence> {
  const { spec } = input;
  // The seed comes from what is judged: the same question is resampled the same way by everybody.
  const seed = createHash('sha256').update(canonicalJson(subject)).digest().readUInt32BE(0);
  const base = { v: 1, subject, seed, policy: spec.gate } as const;
  try {
    const rows = await rowsOf(stores, input, call);
    const { metrics, minRows, confidence, slices, anchor } = spec.gate;
    const result = runGate({
      gate: {
        metrics,
        minRows,
        confidence,
        slices,
        anchor: anchor === null ? null : { notWorseBy: anchor.notWorseBy },
        iterations,
        seed,
      },
      rows: rows.map(asGateRow),
    });
    return {
      ...base,
      result: storable(result),
      metrics: storable({
        candidate: metricsOf(spec, rows, ({ candidate }) => candidate),
        champion: metricsOf(spec, rows, ({ champion }) => champion),
        anchor: metricsOf(spec, rows, ({ anchor }) => anchor),
      }),
      problem: null,
      referenceLoss: referenceLoss(spec, rows),
    };
  } catch (error) {
    // What a version or its evaluator got wrong is a verdict; what the infrastructure got wrong is tried again.
    const ours = error instanceof AnalysisInputError || (isPortError(error) && verdictClasses.has(error.class));
    if (!ours) throw error;
    const metrics = { candidate: null, champion: null, anchor: null };
    return { ...base, result: null, metrics, problem: (error as Error).message, referenceLoss: null };
  }
}

/** What is stored is JSON: an unbounded end, or a number that could not be had, is null. */
function storable<T>(value: T): T {
  if (typeof value === 'number') return (Number.isFinite(value) ? value : null) as T;
  if (Array.isArray(value)) return value.map((item: unknown) => storable(item)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, storable(item)])) as T;
}

const verdictClasses = new Set(['UserCodeFailed', 'InvalidSpec', 'Integrity']);

async function rowsOf(stores: Stores, input: GateInput, call: Call): Promise<readonly EvaluatedRow[]> {
  const { spec, version, predictions } = input;
  return inTemporaryFolder(async (root) => {
    const fetch = async (name: string, ref: ArtifactRef | null): Promise<string | null> => {
      if (ref === null) return null;
      const folder = join(root, name);
      await materialize({ stores, ref, folder }, call);
      return folder;
    };
    const labels = await fetch('labels', version.data.labels);
    const candidate = await fetch('candidate', predictions.candidate);
    if (labels === null || candidate === null)
      throw new PortError('InvalidSpec', 'a gate needs labels and predictions');
    return joinPredictions(
      {
        labels: join(labels, 'labels.parquet'),
        candidate,
        champion: await fetch('champion', predictions.champion),
        anchor: await fetch('anchor', predictions.anchor),
        evaluate: spec.evaluate,
        sliceBy: spec.gate.slices?.by ?? [],
        task: spec.task,
      },
      call
    );
  });
}

const asGateRow = ({ key, cluster, slice, label, candidate, champion, anchor }: EvaluatedRow): GateRow => ({
  key,
  cluster,
  slice,
  label,
  candidate,
  ...(champion === undefined ? {} : { champion }),
  ...(anchor === undefined ? {} : { anchor }),
});

/** The metrics of a task for one version; null where a row has no prediction of it. */
function metricsOf(
  spec: ModelSpec,
  rows: readonly EvaluatedRow[],
  predictionOf: (row: EvaluatedRow) => number | null | undefined
): VersionMetrics | null {
  const predicted = rows.map(predictionOf).filter((value) => typeof value === 'number');
  if (predicted.length < rows.length) return null;
  const labels = rows.map(({ label }) => label);
  const scored = { labels, probabilities: predicted };
  return spec.task === 'binary'
    ? { logLoss: logLoss(scored), brier: brier(scored), auc: auc(scored) }
    : { ...regressionErrors({ actual: labels, predicted }) };
}

/** Same metric, clip and rows as production will be measured with, so that the monitor starts from a true baseline. */
function referenceLoss(spec: ModelSpec, rows: readonly EvaluatedRow[]): GateEvidence['referenceLoss'] {
  if (spec.watch.loss === null || spec.task !== 'binary') return null;
  const { metric, clip } = spec.watch.loss;
  const loss = ({ label, candidate: p }: EvaluatedRow) =>
    metric === 'brier' ? (p - label) ** 2 : -Math.log(Math.max(1e-15, label === 1 ? p : 1 - p));
  const mean = rows.reduce((sum, row) => sum + Math.min(clip, loss(row)), 0) / rows.length;
  return { metric, clip, mean, n: rows.length };
}

function evaluationOf(evidence: GateEvidence, path: string): GateEvaluation {
  const { result, problem } = evidence;
  const evidenceDigest = digestOf(evidence.subject);
  if (result === null) {
    return {
      verdict: 'error',
      checks: [],
      reasons: [problem ?? 'no result', nextSteps.error],
      evidence: path,
      evidenceDigest,
      gain: null,
    };
  }
  return {
    verdict: result.verdict,
    checks: result.checks.map(summary),
    reasons: [...decisiveFirst(result.checks), ...(result.verdict === 'pass' ? [] : [nextSteps[result.verdict]])],
    evidence: path,
    evidenceDigest,
    gain: result.gain,
  };
}

/** What to do about a version that may not meet traffic; the champion serves on in any case. */
const nextSteps: Readonly<Record<Exclude<GateEvaluation['verdict'], 'pass'>, string>> = {
  fail: 'next: improve data or training and ask for a retrain, or, if the check asks too much, change the gate and apply',
  inconclusive: 'next: let more rows decide (a longer data.split.evaluate, a wider margin); retempo plan says how many',
  noData: 'next: evaluate over more rows (a longer data.split.evaluate), or lower gate.minRows, and apply',
  error:
    'next: mend what is named here (what the evaluate command said is in the log of its job) and ask for a retrain',
};

const severity: readonly GateCheck['verdict'][] = ['fail', 'error', 'noData', 'inconclusive', 'pass'];
/** What people ask first: is it better than what serves? */
const interest: readonly GateCheck['kind'][] = ['notWorse', 'better', 'anchor', 'slices', 'floor', 'data'];

const mostReasons = 12;

function decisiveFirst(checks: readonly GateCheck[]): readonly string[] {
  const rank = ({ verdict, kind }: GateCheck) => severity.indexOf(verdict) * interest.length + interest.indexOf(kind);
  return checks
    .toSorted((a, b) => rank(a) - rank(b))
    .map(({ name, reason }) => `${name}: ${reason}`)
    .slice(0, mostReasons);
}

const bounded = (value: number | null): number | null => (value === null || !Number.isFinite(value) ? null : value);

const summary = (check: GateCheck): CheckSummary => ({
  name: check.slice === null ? check.name : `${check.name} (${check.slice})`,
  verdict: check.verdict,
  estimate: bounded(check.estimate),
  lower: bounded(check.lower),
  upper: bounded(check.upper),
  threshold: bounded(check.threshold),
  n: check.n,
  reason: check.reason,
});
