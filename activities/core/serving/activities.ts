import type { Observation, ObserveInput, ServingActivities } from '@retempo/workflows/contracts';
import { portCalls } from '../jobs/calls.js';
import { withActivityFailures } from '../jobs/failures.js';
import { isPortError, PortError, type MetricsSource, type ServingBackend } from '../ports/index.js';
import type { Registry } from '../registry/index.js';
import { asIncomplete, judgeLook, withStep, type Judged, type StepCounts } from './guardrails.js';
import { setAndReadBack, weightsEqual } from './traffic.js';

export interface ServingDependencies {
  readonly serving: ServingBackend;
  readonly metrics: MetricsSource;
  /** Where the looks of every canary are kept as evidence. */
  readonly registry: Registry;
  /** Longest wait for one answer of a backend, in milliseconds. Default 30,000. */
  readonly callTimeoutMs?: number;
}

/** Document that holds every look of one release's canary. */
export const looksDocument = (model: string, releaseId: string): string =>
  `models/${model}/canaries/${releaseId.split('/').at(-1) ?? 'unknown'}`;

/** Activities of a site's `serving` queue, made of its serving backend and its metrics source. */
export function createServingActivities(dependencies: ServingDependencies): ServingActivities {
  const { serving, metrics, registry, callTimeoutMs = 30_000 } = dependencies;

  /** Renewing is part of looking: who has judged the split may keep it in force, nobody else. */
  async function renewLease(input: ObserveInput, revision: string): Promise<void> {
    const { release, champion, candidate, weight, endpoint, epoch } = input;
    if (release.leaseMs === null || champion === null || !serving.capabilities.lease) return;
    const lease = { seconds: Math.ceil(release.leaseMs / 1000), fallback: champion };
    const state = await portCalls(callTimeoutMs).read('describe', (call) => serving.describe(endpoint, call));
    const others = Object.fromEntries(Object.keys(state.versions).map((version) => [version, 0]));
    const weights = { ...others, [candidate]: weight, [champion]: 100 - weight };
    await portCalls(callTimeoutMs).change('renew the lease', (call) =>
      serving.setTraffic({ endpoint, weights, ifRevision: revision, epoch, lease }, call)
    );
  }

  async function observe(input: ObserveInput): Promise<Observation> {
    const calls = portCalls(callTimeoutMs);
    const { endpoint, candidate, champion, weight, revisions, release } = input;
    if (champion === null)
      throw new PortError(
        'InvalidSpec',
        'a canary without a champion has nothing to compare with; give the first version all traffic instead'
      );
    const state = await calls.read('describe', (call) => serving.describe(endpoint, call));
    const slowOverMs = release.guardrails.slow?.overMs;
    const reading = await calls.read('read counts', (call) =>
      metrics.readArms(
        { endpoint, versions: [candidate, champion], revisions, ...(slowOverMs === undefined ? {} : { slowOverMs }) },
        call
      )
    );
    const before = input.judged as Judged | null;
    const step: StepCounts = {
      weight,
      revision: revisions[0] ?? '',
      candidate: reading.arms[candidate] ?? null,
      champion: reading.arms[champion] ?? null,
      ...((reading.mixedUnits ?? 0) === 0 ? {} : { mixedUnits: reading.mixedUnits }),
    };
    const judged = judgeLook(
      release,
      { index: input.step, elapsedMs: input.stepElapsedMs },
      withStep(before, step),
      before
    );
    const judgement = reading.complete ? judged : asIncomplete(judged, reading.watermark);
    const weightsAsIntended =
      weightsEqual(state, { [candidate]: weight, [champion]: 100 - weight }) && state.revision === revisions.at(-1);
    await keep(input, judgement);
    if (weightsAsIntended && judgement.action !== 'rollback') await renewLease(input, state.revision);
    return {
      action: judgement.action,
      weightsAsIntended,
      endpoint: state,
      checks: judgement.checks,
      reasons: withNextStep(judgement, input),
      requests: step.candidate?.requests ?? 0,
      // Counts that are not final leave no trace in the next look, unless they were enough to end it all.
      judged: reading.complete || judgement.action === 'rollback' ? { ...judgement.judged } : input.judged,
    };
  }

  /** Evidence: the inputs and the outcome of every look, so that the decision can be derived again. */
  async function keep(input: ObserveInput, judgement: ReturnType<typeof judgeLook>): Promise<void> {
    const { release, look, weight, candidate, champion, model, releaseId, endpoint } = input;
    const entry = {
      look,
      at: new Date().toISOString(),
      weight,
      action: judgement.action,
      steps: judgement.judged.steps,
      checks: judgement.checks,
      reasons: judgement.reasons,
    };
    await portCalls(callTimeoutMs).change('keep the look', (call) =>
      registry.updateDocument(
        looksDocument(model, releaseId),
        (document) => {
          const known = (document ?? {
            v: 1,
            endpoint,
            candidate,
            champion,
            guardrails: release.guardrails,
            alpha: release.alpha,
            looks: [],
          }) as {
            looks: { look: number }[];
          };
          // A look that is taken again after a crash replaces itself.
          return { ...known, looks: [...known.looks.filter((other) => other.look !== look), entry] };
        },
        call
      )
    );
  }

  return withActivityFailures<ServingActivities>({
    describeEndpoint: ({ endpoint }) =>
      portCalls(callTimeoutMs)
        .read('describe', (call) => serving.describe(endpoint, call))
        .catch((error: unknown) => {
          if (isPortError(error) && error.class === 'NotFound') return null;
          throw error;
        }),
    deployVersion: (input) => portCalls(callTimeoutMs).transfer('deploy', (call) => serving.deploy(input, call)),
    async setTraffic({ lease, ...input }) {
      return portCalls(callTimeoutMs).change('set traffic', (call) =>
        setAndReadBack(serving, { ...input, ...(lease === null ? {} : { lease }) }, call)
      );
    },
    observe,
    retireVersion: (input) => portCalls(callTimeoutMs).change('retire', (call) => serving.retire(input, call)),
  });
}

/** The first reason is what people are told: of a rollback at the end, of a hold while it lasts. It says where to look. */
function withNextStep(
  { action, reasons }: ReturnType<typeof judgeLook>,
  { candidate, endpoint }: ObserveInput
): readonly string[] {
  const [first = 'a guardrail failed', ...more] = reasons;
  if (action === 'rollback')
    return [`${first}; find its cause in the requests of ${candidate} in the request log of ${endpoint}`, ...more];
  if (action === 'hold')
    return [`${first}; look at what reaches ${candidate} on ${endpoint}, then promote or roll back`, ...more];
  return reasons;
}
