import { ApplicationFailure, log, setHandler } from '@temporalio/workflow';
import { noWorkerTook } from './activity-failures.js';
import { failureType } from './contracts/failures.js';
import { splitPool } from './contracts/task-queues.js';
import type {
  ArtifactRef,
  Phase,
  PipelineInput,
  PipelineResult,
  SnapshotResult,
  StepAttempt,
  VersionRecord,
} from './contracts/index.js';
import { getRunStatus, releaseReported, type RunStatus } from './messages.js';
import { controlWrites, dataAt } from './proxies.js';
import { runJob, type FinishedJob } from './run-job.js';
import { tellGovernor } from './tell-governor.js';
import { phaseReporter, showDetails } from './visibility.js';

/**
 * Data -> train -> evaluate -> register, for one release. Owns every job it creates: cancelling it stops them all.
 *
 * @throws ApplicationFailure `Retempo.DataMissing`, `Retempo.NoPlace`, `Retempo.UserCodeFailed`, `Retempo.Integrity`.
 */
export async function trainingPipeline(input: PipelineInput): Promise<PipelineResult> {
  const { spec, installation, releaseId } = input;
  const tellPhase = phaseReporter('ingest');
  const attempts: StepAttempt[] = [];
  let status: RunStatus = {
    v: 1,
    phase: 'ingest',
    sentence: '',
    waitingFor: null,
    candidate: `v${input.seq}`,
    job: null,
  };
  setHandler(getRunStatus, () => status, { description: 'Phase, one sentence, and the job at hand with its place.' });
  const report = (phase: Phase, more: { readonly site?: string } = {}) => {
    status = { ...status, phase };
    tellPhase(phase, more);
  };
  const show = (title: string) => {
    status = { ...status, sentence: title };
    showDetails({
      title,
      facts: [
        ['model', spec.model],
        ['release', releaseId],
        ['spec', input.specDigest],
        ...attempts.map((a): [string, string] => [`${a.step}, attempt ${a.attempt}`, `${a.place}: ${a.ended}`]),
      ],
      can: 'Cancel stops every job of this pipeline and ends the release. Reset adopts the jobs that exist.',
    });
  };
  const onBegin = (job: NonNullable<RunStatus['job']>) => {
    status = { ...status, job };
  };
  const onAttempt = (attempt: StepAttempt) => {
    attempts.push(attempt);
    status = { ...status, job: null };
    show(`${attempt.step}: ${attempt.ended}`);
  };

  show('Freezing the data of this run');
  const frozen = await freeze(input);
  await tellGovernor(spec.model, releaseReported, { runId: releaseId, phase: 'training' });
  if (frozen.result === 'invalid') {
    return { result: 'dataInvalid', reason: frozen.breaches.join('; '), snapshot: frozen.snapshot };
  }
  const { snapshot } = frozen;

  report('training');
  show('Training');
  const trained = await runJob({
    installation,
    releaseId,
    step: 'train',
    places: spec.train.at,
    attemptsPerPool: spec.train.attemptsPerPool,
    resumable: true,
    onBegin,
    onAttempt,
    summary: `train on ${spec.train.at.join(', then ')}`,
    spec: {
      program: { command: spec.train.run },
      code: spec.code,
      inputs: { train: snapshot.train },
      parameters: spec.train.parameters,
      env: spec.train.env,
      capacity: 'onDemand',
      timeoutMs: spec.train.timeoutMs,
    },
  });
  report('training', { site: trained.site });
  const artifact = await collect(input, trained, 'versions');

  report('evaluating');
  await tellGovernor(spec.model, releaseReported, { runId: releaseId, phase: 'evaluating' });
  show('Evaluating candidate and champion on the same rows');
  const draft: Pick<VersionRecord, 'artifact' | 'code' | 'evaluator'> = {
    artifact,
    code: spec.code,
    evaluator: spec.evaluate,
  };
  // Every version is scored by the evaluator that belongs to it: the champion's own, not the newest.
  const score = async (role: string, record: typeof draft): Promise<ArtifactRef> => {
    const finished = await runJob({
      installation,
      releaseId,
      step: `evaluate-${role}`,
      places: [trained.place, ...spec.train.at.filter((place) => place !== trained.place)],
      attemptsPerPool: spec.train.attemptsPerPool,
      resumable: false,
      onBegin,
      onAttempt,
      summary: `evaluate the ${role}`,
      spec: {
        program: { command: record.evaluator.run },
        code: record.code,
        inputs: { evaluate: snapshot.evaluate, model: record.artifact },
        parameters: {},
        capacity: 'onDemand',
        timeoutMs: record.evaluator.timeoutMs,
      },
    });
    return collect(input, finished, 'predictions');
  };
  const { champion, anchor } = input;
  const candidatePredictions = await score('candidate', draft);
  const championPredictions = champion === null ? null : await score('champion', champion);
  const anchorPredictions =
    anchor === null ? null : anchor.version === champion?.version ? championPredictions : await score('anchor', anchor);

  report('registering');
  const version = await controlWrites(installation.limits, `register v${input.seq}`).registerVersion({
    seq: input.seq,
    record: {
      model: spec.model,
      artifact,
      releaseId,
      site: trained.site,
      jobKey: trained.ref.key,
      specDigest: input.specDigest,
      code: spec.code,
      evaluator: spec.evaluate,
      data: snapshot,
      parent: champion?.version ?? null,
    },
  });
  report('done');
  status = { ...status, candidate: version.version };
  show(`Registered ${version.version}`);
  return {
    result: 'trained',
    version,
    predictions: { candidate: candidatePredictions, champion: championPredictions, anchor: anchorPredictions },
    attempts,
  };
}

/** Reads the data at the first site of the list that has a worker. */
async function freeze(input: PipelineInput): Promise<SnapshotResult> {
  const sites = [...new Set(input.spec.train.at.map((place) => splitPool(place).site))];
  for (const site of sites) {
    try {
      return await dataAt(site, input.installation.limits, `freeze the data at ${site}`).snapshotData({
        releaseId: input.releaseId,
        data: input.spec.data,
        slices: input.spec.gate.slices?.by ?? [],
        evaluateOnlyAfter: input.champion?.data.trainWindow.to ?? null,
      });
    } catch (error) {
      if (!noWorkerTook(error)) throw error;
      log.warn('no worker of the data queue answered; trying the next site', { site });
    }
  }
  throw ApplicationFailure.create({
    type: failureType.noPlace,
    nonRetryable: true,
    message: `no site has a worker that could read the data (${sites.join(', ')}); start one with: retempo worker --site ${sites[0]}`,
  });
}

const collect = (input: PipelineInput, job: FinishedJob, kind: string): Promise<ArtifactRef> =>
  dataAt(job.site, input.installation.limits, `collect ${kind}`).collectOutput({
    ref: job.ref,
    // The model's name keeps its bytes apart: deleting a version of one model never touches another's.
    kind: `${kind}/${input.spec.model}`,
    required: [],
  });
