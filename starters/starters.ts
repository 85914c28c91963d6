import { createHash } from 'node:crypto';
import type { Client } from '@temporalio/client';
import {
  childId,
  governorId,
  type Answer,
  type Decision,
  type GovernorStatus,
  type ReleasePhase,
  type WaitingFor,
} from '@retempo/workflows/contracts';
import {
  abort,
  approve,
  getDecisions,
  getRunStatus,
  getStatus,
  pause,
  promote,
  reject,
  requestRetrain,
  resume,
  rollback,
  triggersReported,
  type ButtonAnswer,
  type RunStatus,
} from '@retempo/workflows/messages';
import { call } from './call.js';
import { checkEvents, checkLimit, checkModel, checkPress, triggerOf } from './checks.js';
import { StarterError } from './errors.js';

export interface StarterOptions {
  /** The Temporal client the host already has. Its interceptors, codec and namespace are used as they are. */
  readonly client: Client;
  /** How long an answer may take, in milliseconds. Default 15,000. */
  readonly timeoutMs?: number;
}

export interface RetrainRequest {
  readonly model: string;
  /** Who reports, such as `pricing`. */
  readonly source: string;
  /** Your id of this occurrence. The same source and id are answered once, however often they are sent. */
  readonly id: string;
  /** Half a sentence for people: `new fares loaded`. */
  readonly cause: string;
  /** Default `event`. */
  readonly kind?: 'event' | 'person';
  /** Who asks, from the caller's authenticated context. Default: the source. */
  readonly actor?: string;
  /** Overrides cooldown, budget and hold; needs `kind: 'person'`. */
  readonly force?: boolean;
  /** When it happened; default now. */
  readonly at?: Date;
}

export interface Press {
  readonly model: string;
  /** Who presses, from the caller's authenticated context. */
  readonly actor: string;
  readonly reason: string;
}

/** `getStatus`: the governor's status and that of the part of the release under way: pipeline, gate or canary. */
export interface ModelStatus extends GovernorStatus {
  readonly detail: RunStatus | null;
}

/** Functions of Retempo over a caller's Temporal client. Every one throws {@link StarterError} and nothing else expected. */
export interface Starters {
  /** Asks for a retrain and waits for the governor's answer. Never starts a model that does not exist. */
  requestRetrain(request: RetrainRequest): Promise<Answer>;
  /** Reports many events of one model without waiting for answers; at least once, deduplicated by source and id. */
  reportEvents(model: string, events: readonly Omit<RetrainRequest, 'model' | 'kind' | 'force'>[]): Promise<void>;
  getStatus(model: string): Promise<ModelStatus>;
  /** Newest first, at most 20; older ones are in the registry. */
  getDecisions(model: string, limit?: number): Promise<readonly Decision[]>;
  /** Approves what waits. The digests are read from what waits now unless they are given. */
  approve(vote: Press & { readonly digests?: WaitingFor['digests'] }): Promise<ButtonAnswer>;
  reject(vote: Press & { readonly digests?: WaitingFor['digests'] }): Promise<ButtonAnswer>;
  /** `what: 'model'` (default): no new runs. `what: 'rollout'`: freeze the weight of the running canary. */
  pause(press: Press & { readonly what?: 'model' | 'rollout' }): Promise<ButtonAnswer>;
  resume(press: Press & { readonly what?: 'model' | 'rollout' }): Promise<ButtonAnswer>;
  /** Of the running canary: skip the remaining proof. */
  promote(press: Press): Promise<ButtonAnswer>;
  /**
   * Of the running canary: 100 % back to the champion. When nothing runs: back to the champion before the present one, or
   * to the present one when the endpoint serves something else.
   */
  rollback(press: Press): Promise<ButtonAnswer>;
  /** As rollback, but recorded as a person's abort and not as a failed retrain. */
  abort(press: Press): Promise<ButtonAnswer>;
}

/** Canaries are named by their endpoint; a gate has other buttons. */
const endpointPrefix = 'retempo/endpoint/';

/** Phases of a release in which its pipeline knows most. */
const pipelinePhases: readonly ReleasePhase[] = ['open', 'training', 'evaluating'];

const isUnknown = (error: unknown): boolean => error instanceof StarterError && error.problem === 'unknownModel';

/** At most this many triggers travel in one signal. */
const triggersPerSignal = 50;

/**
 * @example
 * const retempo = createStarters({ client });
 * await retempo.requestRetrain({ model: 'flight-delay', source: 'pricing', id: order.id, cause: 'new fares loaded' });
 */
export function createStarters({ client, timeoutMs = 15_000 }: StarterOptions): Starters {
  const ask = async <T>(model: string, what: string, run: () => Promise<T>): Promise<T> => {
    checkModel(model);
    return call({ client, model, timeoutMs }, what, run);
  };
  const governor = (model: string) => client.workflow.getHandle(governorId(model));

  /** Asks a part of a release, which may have ended since it was seen, or has yet to begin: there is a model all the same. */
  const askPart = <T>(model: string, what: string, run: () => Promise<T>): Promise<T> =>
    ask(model, what, run).catch((error: unknown) => {
      if (!isUnknown(error)) throw error;
      throw new StarterError(
        'nothingToDo',
        `what waited has ended meanwhile, or has yet to begin (${what} ${model}); see: retempo status ${model}`,
        error
      );
    });

  const status = async (model: string): Promise<ModelStatus> => {
    const known = await ask(model, 'ask the status of', () => governor(model).query(getStatus));
    return { ...known, detail: await detailOf(known) };
  };

  const detailOf = async (known: GovernorStatus): Promise<RunStatus | null> => {
    const { running } = known;
    const trains = running !== null && known.waitingFor === null && pipelinePhases.includes(running.phase);
    const id = trains ? childId(running.runId, 'pipeline') : await workflowOf(known);
    if (id === null) return null;
    return ask(known.model, 'ask the run of', () => client.workflow.getHandle(id).query(getRunStatus)).catch(
      () => null
    );
  };

  /** The part of the running release that people act on: what waits, else its gate or canary. */
  const workflowOf = async (known: GovernorStatus): Promise<string | null> => {
    if (known.running === null) return null;
    if (known.waitingFor !== null) return known.waitingFor.workflowId;
    if (known.running.phase !== 'canary' && known.running.phase !== 'gate') return null;
    const described = await ask(known.model, 'describe the run of', () =>
      client.workflow.getHandle(known.running!.runId).describe()
    ).catch((error: unknown) => {
      if (isUnknown(error)) return null;
      throw error;
    });
    const child = described?.raw.pendingChildren?.find(
      ({ workflowTypeName }) => workflowTypeName === 'canaryDeployment' || workflowTypeName === 'validationGate'
    );
    return child?.workflowId ?? null;
  };

  const canaryButton = async (press: Press, what: string, message: typeof rollback): Promise<ButtonAnswer> => {
    checkPress(press);
    const known = await ask(press.model, 'ask the status of', () => governor(press.model).query(getStatus));
    const id = await workflowOf(known);
    if (id === null || !id.startsWith(endpointPrefix)) {
      throw new StarterError(
        'nothingToDo',
        `${press.model} has no canary under way (${known.sentence}), so there is nothing to ${what}; see: retempo status ${press.model}`
      );
    }
    return askPart(press.model, what, () =>
      client.workflow.getHandle(id).executeUpdate(message, { args: [{ actor: press.actor, reason: press.reason }] })
    );
  };

  const vote = async (
    press: Press & { readonly digests?: WaitingFor['digests'] },
    what: string,
    message: typeof approve
  ): Promise<ButtonAnswer> => {
    checkPress(press);
    const { model, actor, reason, digests } = press;
    const { waitingFor, sentence } = await status(model);
    if (waitingFor?.digests === undefined) {
      throw new StarterError(
        'nothingToDo',
        `${model} waits for no approval (${sentence}); see: retempo status ${model}`
      );
    }
    const about = digests ?? waitingFor.digests;
    return askPart(model, what, () =>
      client.workflow
        .getHandle(waitingFor.workflowId)
        .executeUpdate(message, { args: [{ digests: about, actor, reason }] })
    );
  };

  const modelButton = (press: Press, what: string, message: typeof pause): Promise<ButtonAnswer> =>
    ask(press.model, what, () =>
      governor(press.model).executeUpdate(message, { args: [{ actor: press.actor, reason: press.reason }] })
    );

  /** The canary's button or the model's, as `what` says. */
  const eitherButton = async (
    press: Press & { readonly what?: 'model' | 'rollout' },
    name: string,
    message: typeof pause
  ): Promise<ButtonAnswer> => {
    checkPress(press);
    return press.what === 'rollout' ? canaryButton(press, name, message) : modelButton(press, name, message);
  };

  return {
    async requestRetrain(request) {
      const trigger = triggerOf(request);
      // The update id makes a repeated call harmless inside one run of the governor; its own memory does beyond.
      const updateId = createHash('sha256').update(`${trigger.source}\n${trigger.id}`).digest('hex');
      return ask(request.model, 'retrain', () =>
        governor(request.model).executeUpdate(requestRetrain, { args: [trigger], updateId })
      );
    },
    async reportEvents(model, events) {
      checkModel(model);
      checkEvents(events);
      // All are looked at before the first is sent: what is wrong with one is not half a report.
      const all = events.map((event) => triggerOf({ ...event, model }, 'event'));
      for (let from = 0; from < all.length; from += triggersPerSignal) {
        const triggers = all.slice(from, from + triggersPerSignal);
        await ask(model, 'report events to', () => governor(model).signal(triggersReported, { triggers }));
      }
    },
    getStatus: status,
    async getDecisions(model, limit) {
      checkLimit(limit);
      return ask(model, 'ask the decisions of', () =>
        governor(model).query(getDecisions, limit === undefined ? {} : { limit })
      );
    },
    approve: (press) => vote(press, 'approve', approve),
    reject: (press) => vote(press, 'reject', reject),
    pause: (press) => eitherButton(press, 'pause', pause),
    resume: (press) => eitherButton(press, 'resume', resume),
    promote: (press) => canaryButton(press, 'promote', promote),
    async rollback(press) {
      checkPress(press);
      const known = await ask(press.model, 'ask the status of', () => governor(press.model).query(getStatus));
      return known.running === null
        ? modelButton(press, 'roll back', rollback)
        : canaryButton(press, 'roll back', rollback);
    },
    abort: (press) => canaryButton(press, 'abort', abort),
  };
}
