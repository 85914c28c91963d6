import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { childId, type Decision, type PipelineResult } from '@retempo/workflows/contracts';
import { canarySteps } from './chaos-project.js';
import { call, endpoint, jsonLines, model, type ChaosWorld } from './chaos-world.js';

// What the outside world saw: journals of the site, logs of programs, the process table, the router's own record, the
// registry's documents, histories. Nothing here asks the product how it thinks it is doing.

/** A program process of a site, by its journal. */
export interface SeenJob {
  readonly key: string;
  readonly step: string;
  readonly attempt: number;
  readonly releaseId: string;
  readonly pid: number;
}

/** One line of the site's journal. */
export interface JournalLine {
  readonly event: 'started' | 'ended';
  readonly result?: string;
  readonly key: string;
  readonly program: { readonly pid: number } | null;
}

const journal = (world: ChaosWorld) => jsonLines(join(world.site.root, 'journal.ndjson')) as readonly JournalLine[];

const intentOf = (world: ChaosWorld, key: string): Omit<SeenJob, 'pid'> => {
  const text = readFileSync(join(world.site.root, 'jobs', key, 'job.json'), 'utf8');
  return (JSON.parse(text) as { intent: Omit<SeenJob, 'pid'> }).intent;
};

/** The site's journal of one release: starts and ends of processes. */
export const journalOf = (world: ChaosWorld, releaseId: string): readonly JournalLine[] =>
  journal(world).filter(({ key }) => intentOf(world, key).releaseId === releaseId);

/** Every process that was started for this release, once per process. */
export function startedJobs(world: ChaosWorld, releaseId: string): readonly SeenJob[] {
  return journalOf(world, releaseId)
    .filter(({ event }) => event === 'started')
    .map(({ key, program }) => {
      const { step, attempt } = intentOf(world, key);
      return { key, step, attempt, releaseId, pid: program?.pid ?? 0 };
    });
}

/** The trainers' own word: process ids in the logs of the given jobs. */
export function trainingLines(world: ChaosWorld, keys: readonly string[]): readonly number[] {
  return keys.flatMap((key) => {
    const path = join(world.site.root, 'jobs', key, 'stdout.log');
    const log = existsSync(path) ? readFileSync(path, 'utf8') : '';
    return [...log.matchAll(/training process (\d+) started/g)].map(([, pid]) => Number(pid));
  });
}

/** Processes of this machine that carry one of these job keys in their environment. */
export function liveProcesses(keys: readonly string[]): readonly string[] {
  const markers = keys.map((key) => `RETEMPO_JOB=${key}`);
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const state = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '')[0];
        const environ = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
        return state !== 'Z' && environ.some((entry) => markers.includes(entry));
      } catch {
        return false;
      }
    });
}

/** Changes of traffic as the router has recorded them, oldest first. */
export interface SeenChange {
  readonly revision: number;
  readonly epoch: number;
  readonly at: string;
  readonly reason: string;
  readonly weights: { readonly [version: string]: number };
}

export function trafficChanges(world: ChaosWorld): readonly SeenChange[] {
  const path = join(world.site.root, 'serving', endpoint, 'endpoint.json');
  if (!existsSync(path)) return [];
  const { changes } = JSON.parse(readFileSync(path, 'utf8')) as {
    changes: (Omit<SeenChange, 'weights'> & { weights: { version: string; weight: number }[] })[];
  };
  return changes.map((change) => ({
    ...change,
    weights: Object.fromEntries(change.weights.map(({ version, weight }) => [version, weight])),
  }));
}

/** Everything the registry has about a run, read from its documents. */
async function registered(world: ChaosWorld, releaseId: string) {
  const { registry } = world.opened;
  const versions = (await registry.listVersions(model, call())).filter(({ lineage }) => lineage.run === releaseId);
  const history = await registry.aliasHistory({ model, alias: 'champion' }, call());
  const decisions: Decision[] = [];
  for await (const path of registry.listDocuments(`models/${model}/decisions/`, call())) {
    const document = await registry.readDocument<{ decisions: Decision[] }>(path, call());
    decisions.push(...(document?.value.decisions ?? []));
  }
  return { versions, history, decisions: decisions.filter(({ runId }) => runId === releaseId) };
}

/** What a release should have led to. */
export interface Expected {
  readonly result: 'promoted' | 'rolledBack' | 'cancelled';
  /** Champion before the release. */
  readonly before: string | null;
}

/**
 * Everything that is wrong with a finished release; empty when its end state is that of an undisturbed run: one process
 * per recorded attempt (J1, J2), one version, traffic as the verdict says by read-back (G4), the alias equal to it, only
 * configured steps and sums of 100 on the way (G2), one terminal outcome.
 */
export async function problemsOf(world: ChaosWorld, releaseId: string, expected: Expected): Promise<readonly string[]> {
  const problems: string[] = [];
  const check = (ok: boolean, what: string): void => void (ok || problems.push(what));

  const { status, outcome } = await ending(world, releaseId);
  check(status === 'COMPLETED', `the release is ${status}`);
  check(outcome?.result === expected.result, `outcome ${JSON.stringify(outcome)}, expected ${expected.result}`);

  const jobs = startedJobs(world, releaseId);
  const keys = [...new Set(jobs.map(({ key }) => key))];
  for (const key of keys) {
    const count = jobs.filter((job) => job.key === key).length;
    check(count === 1, `${count} processes were started for job ${key.slice(0, 8)}`);
  }
  const attempts = await recordedAttempts(world, releaseId);
  if (attempts !== null) {
    const count = (steps: readonly { readonly step: string }[], step: string) =>
      steps.filter((s) => s.step === step).length;
    for (const step of new Set([...jobs, ...attempts].map(({ step }) => step))) {
      const [seen, recorded] = [count(jobs, step), count(attempts, step)];
      check(seen === recorded, `${seen} processes for ${recorded} recorded attempts of ${step}`);
    }
    const trainKeys = jobs.filter(({ step }) => step === 'train').map(({ key }) => key);
    const lines = trainingLines(world, trainKeys);
    check(lines.length === count(attempts, 'train'), `${lines.length} trainers said that they had started`);
  }
  const alive = liveProcesses(keys);
  check(alive.length === 0, `processes ${alive.join(', ')} of its jobs still run`);

  // The governor answers questions from what it knows; that it knows it is on record a moment later, also after a crash.
  const { versions, history, decisions } = await world.until(
    `the end of ${releaseId} on record`,
    () => registered(world, releaseId),
    (found) => found.decisions.some(({ by }) => by === 'release')
  );
  const [version] = versions;
  const champion = expected.result === 'promoted' ? version?.version : expected.before;
  if (expected.result !== 'cancelled') check(versions.length === 1, `${versions.length} versions are registered`);
  const settings = history.filter(({ actor }) => actor === releaseId).length;
  check(settings === (expected.result === 'promoted' ? 1 : 0), `the alias was set ${settings} times`);
  check(history.at(-1)?.version === champion, `the alias names ${history.at(-1)?.version}, expected ${champion}`);
  const weights = await world.weights();
  check(JSON.stringify(weights) === JSON.stringify({ [champion ?? '']: 100 }), `read back ${JSON.stringify(weights)}`);
  const ends = decisions.filter(({ by }) => by === 'release');
  check(ends.length === 1 && ends[0]?.what === expected.result, `recorded ends: ${JSON.stringify(ends)}`);
  if (version !== undefined) problems.push(...trafficProblems(trafficChanges(world), version.version));
  if (version !== undefined && jobs.length > 0) {
    const trained = jobs.find(({ step }) => step === 'train');
    const maker = makerOf(world, version.artifact.uri);
    check(maker === trained?.pid, `the version was made by process ${maker}, the journal has ${trained?.pid}`);
  }
  return problems;
}

/** How the release ended, by its history. */
async function ending(world: ChaosWorld, releaseId: string) {
  const handle = world.client.workflow.getHandle(releaseId);
  const { status } = await handle.describe();
  const outcome = status.name === 'COMPLETED' ? ((await handle.result()) as { result: string; reason: string }) : null;
  return { status: status.name, outcome };
}

/** Attempts that reached a site, as the pipeline's result in its history says; null when it has none. */
async function recordedAttempts(world: ChaosWorld, releaseId: string) {
  const handle = world.client.workflow.getHandle(childId(releaseId, 'pipeline'));
  const { status } = await handle.describe();
  if (status.name !== 'COMPLETED') return null;
  const result = (await handle.result()) as PipelineResult;
  return result.result === 'trained' ? result.attempts.filter(({ submitted }) => submitted) : null;
}

/** Process that wrote the bytes of an artifact of the file store. */
function makerOf(world: ChaosWorld, uri: string): number | null {
  const folder = uri.startsWith('file:') ? fileURLToPath(uri) : fileURLToPath(new URL(uri, world.opened.store.root));
  const found = readdirSync(folder, { recursive: true, encoding: 'utf8' }).find((path) =>
    path.endsWith('made-by.json')
  );
  if (found === undefined) return null;
  return (JSON.parse(readFileSync(join(folder, found), 'utf8')) as { pid: number }).pid;
}

/** G2: sums of 100, only configured steps, never up again after 0. */
export function trafficProblems(changes: readonly SeenChange[], candidate: string): readonly string[] {
  const problems: string[] = [];
  const own = changes.filter(({ weights }) => candidate in weights);
  for (const { revision, weights } of own) {
    const sum = Object.values(weights).reduce((total, weight) => total + weight, 0);
    if (sum !== 100) problems.push(`revision ${revision} sums to ${sum}`);
  }
  const first = own.findIndex(({ weights }) => (weights[candidate] ?? 0) > 0);
  const steps = own.slice(Math.max(0, first)).map(({ weights }) => weights[candidate] ?? 0);
  const isAllowed = (weight: number) => weight === 0 || weight === 100 || canarySteps.some((step) => step === weight);
  if (!steps.every(isAllowed)) problems.push(`weights of ${candidate} on the way: ${steps.join(', ')}`);
  const rising = steps.filter((weight, index) => index > 0 && weight > 0 && (steps[index - 1] ?? 0) > weight);
  if (rising.length > 0) problems.push(`weights of ${candidate} went down and not to 0: ${steps.join(', ')}`);
  if (new Set(steps).size !== steps.length) problems.push(`${candidate} got a weight twice: ${steps.join(', ')}`);
  return problems;
}
