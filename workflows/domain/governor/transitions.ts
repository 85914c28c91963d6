import type { Answer, Decision, ReleaseReport, RetrainSpec, Trigger, WindowReport } from '../../contracts/index.js';
import { releaseId, triggerKey } from '../../contracts/ids.js';
import { timeText } from '../times.js';
import { budgetFreeAt, coolUntil, holds, standingOf, startsInPeriod, treatmentOf } from './answers.js';
import {
  addRequester,
  answeredBefore,
  decided,
  longestCooldownFactor,
  longestFirstHoldMs,
  remember,
  rememberedWindows,
  type GovernorState,
  type NextRun,
} from './state.js';

// Every change of a governor, as pure functions of (state, event, policy, now). The workflow around them only waits,
// saves and starts what `state.running` says.

const iso = (at: number) => new Date(at).toISOString();

interface Context {
  readonly model: string;
  readonly policy: RetrainSpec;
  /** Epoch milliseconds of workflow time. */
  readonly now: number;
}

export const decision = (now: number, by: string, what: string, reason: string, runId?: string): Decision => ({
  at: iso(now),
  what,
  by,
  reason,
  ...(runId === undefined ? {} : { runId }),
});

/** A trigger arrives. The same source and id get the first answer again, and nothing changes. */
export function answerTrigger(
  state: GovernorState,
  trigger: Trigger,
  context: Context
): { readonly state: GovernorState; readonly answer: Answer } {
  const { policy, now } = context;
  const key = triggerKey(trigger.source, trigger.id);
  const earlier = answeredBefore(state, key);
  if (earlier !== undefined) {
    const [answer, runId, reason] = earlier;
    return { state, answer: { answer, repeated: true, reason, ...(runId === null ? {} : { runId }) } };
  }

  const settle = (
    next: GovernorState,
    answer: Answer['answer'],
    reason: string,
    more: { runId?: string; retryAt?: number | null } = {}
  ) => ({
    state: decided(
      remember(next, key, [answer, more.runId ?? null, reason]),
      decision(now, trigger.actor, `${answer}: ${trigger.cause}`, reason, more.runId)
    ),
    answer: {
      answer,
      repeated: false,
      reason,
      ...(more.runId === undefined ? {} : { runId: more.runId }),
      ...(more.retryAt === undefined || more.retryAt === null ? {} : { retryAt: iso(more.retryAt) }),
    },
  });

  if (trigger.kind === 'event' && policy.on.events.length > 0 && !policy.on.events.includes(trigger.source)) {
    const reason = `${context.model} does not retrain on events of ${trigger.source}; add it to retrain.on.events and apply`;
    return settle(state, 'refused', reason);
  }

  const standing = standingOf(state, policy, now);
  switch (treatmentOf(trigger, standing)) {
    case 'start': {
      const next = reserve(state, trigger, key, context);
      const started = startNext({ ...state, next }, context);
      const run = started.running?.runId ?? next.runId;
      return settle(started, 'accepted', `run ${run} starts now`, { runId: run });
    }
    case 'join': {
      const running = state.running!;
      const joined = {
        ...state,
        running: { ...running, causes: running.causes + 1, requestedBy: addRequester(running.requestedBy, trigger) },
      };
      return settle(joined, 'coalesced', `joins run ${running.runId}, whose data is not frozen yet`, {
        runId: running.runId,
      });
    }
    case 'reserve': {
      const next = reserve(state, trigger, key, context);
      const when = {
        paused: `after ${state.paused?.by ?? 'somebody'} resumes the model`,
        holding: `after the hold: ${state.hold?.reason ?? ''}`,
        runFrozen: `after run ${state.running?.runId ?? ''}, whose data is frozen already`,
        nextReserved: 'when the reserved run starts',
        coolingDown: `when the cooldown ends at ${timeText(coolUntil(state), now)}`,
        runOpen: '',
        overBudget: '',
        idle: '',
      }[standing];
      return settle({ ...state, next }, 'coalesced', `recorded on run ${next.runId}, which starts ${when}`, {
        runId: next.runId,
      });
    }
    case 'refuse':
      return settle(state, 'refused', refusal(state, standing, context), {
        retryAt:
          standing === 'overBudget'
            ? budgetFreeAt(state, policy, now)
            : standing === 'holding'
              ? (state.hold?.until ?? null)
              : null,
      });
    case 'note':
      return settle(state, 'coalesced', 'noted; looked at again later');
  }
}

function refusal(state: GovernorState, standing: string, { model, policy, now }: Context): string {
  if (standing === 'paused') {
    return `${model} is paused by ${state.paused?.by ?? 'somebody'} (${state.paused?.reason ?? ''}); resume it first`;
  }
  if (standing === 'holding') {
    const until = state.hold?.until ?? null;
    return `${model} is on hold${until === null ? '' : ` until ${timeText(until, now)}`}: ${state.hold?.reason ?? ''}; mend the cause and resume, or force with a reason`;
  }
  const free = timeText(budgetFreeAt(state, policy, now), now);
  const used = startsInPeriod(state, policy, now).length;
  const days = Math.round(policy.atMost.perMs / 86_400_000);
  const period = days >= 1 ? `${days} days` : `${Math.round(policy.atMost.perMs / 1000)} s`;
  return `${model} has used ${used} of ${policy.atMost.runs} retrains in ${period}; next possible ${free}; force with a reason`;
}

function reserve(state: GovernorState, trigger: Trigger, key: string, { model }: Context): NextRun {
  const forced = trigger.force === true && trigger.kind === 'person';
  if (state.next === null) {
    return {
      runId: releaseId(model, state.seq + 1, key),
      causes: 1,
      cause: trigger.cause,
      byDrift: trigger.kind === 'drift',
      requestedBy: addRequester([], trigger),
      forced,
    };
  }
  return {
    ...state.next,
    causes: state.next.causes + 1,
    byDrift: state.next.byDrift && trigger.kind === 'drift',
    requestedBy: addRequester(state.next.requestedBy, trigger),
    forced: state.next.forced || forced,
  };
}

/** Begins the reserved run. Whoever calls this has seen that there is one, and that none is under way. */
function startNext(state: GovernorState, { policy, now }: Context): GovernorState {
  const next = state.next!;
  return {
    ...state,
    seq: state.seq + 1,
    starts: [...startsInPeriod(state, policy, now), now],
    hold: null,
    next: null,
    drift: null,
    suspect: null,
    running: {
      runId: next.runId,
      seq: state.seq + 1,
      phase: 'open',
      since: now,
      causes: next.causes,
      byDrift: next.byDrift,
      requestedBy: next.requestedBy,
      cause: next.cause,
      heardAt: now,
      waitingFor: null,
      started: false,
    },
  };
}

/** Time has passed: a reserved run, confirmed drift or the maximum age may start a run now. */
export function tick(state: GovernorState, context: Context): GovernorState {
  const { policy, now } = context;
  if (state.running !== null || state.paused !== null || holds(state, now)) return state;
  if (state.next !== null) {
    const free = state.next.forced || (coolUntil(state) <= now && budgetFreeAt(state, policy, now) <= now);
    if (!free) return state;
    const { runId, causes, cause } = state.next;
    const started = startNext(state, context);
    return decided(started, decision(now, 'governor', 'started the reserved run', `${cause}; ${causes} causes`, runId));
  }
  if (standingOf(state, policy, now) !== 'idle') return state;
  if (state.drift !== null && policy.on.drift) {
    return startOwn(state, 'drift', `drift/${state.drift.windowId}/${state.seq + 1}`, state.drift.reason, context);
  }
  if (policy.on.everyMs !== null && state.ageFrom + policy.on.everyMs <= now) {
    const days = (policy.on.everyMs / 86_400_000).toFixed(1);
    return startOwn(state, 'schedule', `age/${state.seq + 1}`, `no retrain for ${days} days`, context);
  }
  return state;
}

function startOwn(
  state: GovernorState,
  kind: 'drift' | 'schedule',
  id: string,
  cause: string,
  context: Context
): GovernorState {
  const trigger: Trigger = { kind, source: 'governor', id, cause, at: iso(context.now), actor: 'governor' };
  return answerTrigger(state, trigger, context).state;
}

/** A monitoring window was judged. The governor alone decides what follows from it. */
export function takeWindow(state: GovernorState, report: WindowReport, context: Context): GovernorState {
  const id = `${report.windowId} ${report.part} ${report.revision}`;
  if (state.windows.includes(id)) return state;
  const seen = { ...state, windows: [...state.windows, id].slice(-rememberedWindows) };
  const about = `${report.part} of ${report.windowId}`;
  if (report.champion !== null && state.champion !== null && report.champion !== state.champion) {
    return decided(
      seen,
      decision(context.now, 'driftCheck', `${about}: ignored`, `judged ${report.champion}, not ${state.champion}`)
    );
  }
  const noted = decided(seen, decision(context.now, 'driftCheck', `${about}: ${report.verdict}`, report.reason));
  if (report.verdict === 'fail') {
    const found = { windowId: report.windowId, reason: report.reason };
    // While a run is on, its own gate looks at newer data: old drift is dropped, new drift is reported again afterwards.
    if (state.running !== null) return noted;
    return report.confirmed ? { ...noted, drift: found, suspect: null } : { ...noted, suspect: found };
  }
  if (report.verdict === 'pass' && report.part === 'features') return { ...noted, suspect: null };
  return noted;
}

const runs = (n: number) => (n === 1 ? '1 run' : `${n} runs in a row`);

/** The release told how far it is, or how it ended. Reports of other runs change nothing. */
export function takeReport(state: GovernorState, report: ReleaseReport, context: Context): GovernorState {
  const { running } = state;
  const { policy, now } = context;
  if (running === null || running.runId !== report.runId) return state;
  if (report.outcome === undefined) {
    return {
      ...state,
      running: {
        ...running,
        phase: report.phase,
        heardAt: now,
        started: true,
        waitingFor: report.waitingFor === undefined ? running.waitingFor : report.waitingFor,
      },
    };
  }
  const { result, helped, reason, version } = report.outcome;
  const unusable = result === 'noData' || result === 'error' || result === 'dataInvalid';
  const champion = result === 'promoted' && version !== undefined ? version : state.champion;
  const unhelpful = !helped && !unusable && result !== 'cancelled' && result !== 'rejected' && champion !== null;
  const factor = helped
    ? 1
    : unhelpful
      ? Math.min(longestCooldownFactor, state.cooldownFactor * 2)
      : state.cooldownFactor;
  const failures = unusable ? state.failures + 1 : result === 'cancelled' ? state.failures : 0;
  const cooldownMs = policy.cooldownMs * factor;
  // Whoever waits for a first version mends a program: the hold keeps events from trying at once, not people for a month.
  const holdMs = champion === null ? Math.min(cooldownMs, longestFirstHoldMs) : cooldownMs;
  const broken = failures >= policy.breakerAfter;
  const ended: GovernorState = {
    ...state,
    running: null,
    champion,
    cooldownFactor: factor,
    cooldownUntil: now + cooldownMs,
    failures,
    ageFrom: now,
    hold: unusable
      ? {
          reason: broken ? `${runs(failures)} without a usable result; the last: ${reason}` : reason,
          until: broken ? null : now + holdMs,
        }
      : null,
  };
  return decided(ended, {
    ...decision(now, 'release', result, reason, report.runId),
    ...(version === undefined ? {} : { version }),
  });
}

/** The run is gone without a word (terminated, or its history was deleted). */
export function loseRun(state: GovernorState, context: Context): GovernorState {
  if (state.running === null) return state;
  return takeReport(
    state,
    {
      runId: state.running.runId,
      phase: 'done',
      outcome: {
        result: 'error',
        helped: false,
        reason: `run ${state.running.runId} ended without a report (terminated); its jobs are stopped and the champion is restored`,
      },
    },
    context
  );
}

export function pauseModel(state: GovernorState, by: string, reason: string, now: number): GovernorState {
  if (state.paused !== null) return state;
  return decided({ ...state, paused: { by, reason, since: now } }, decision(now, by, 'paused', reason));
}

/** Ends a pause, a hold and an open breaker. */
export function resumeModel(state: GovernorState, by: string, reason: string, now: number): GovernorState {
  if (state.paused === null && state.hold === null) return state;
  return decided({ ...state, paused: null, hold: null, failures: 0 }, decision(now, by, 'resumed', reason));
}

/** A person asked for the version before; recorded whether or not there was one. */
export function noteRollback(
  state: GovernorState,
  by: string,
  reason: string,
  done: boolean,
  now: number
): GovernorState {
  return decided(state, decision(now, by, done ? 'rollback asked for' : 'rollback refused', reason));
}

/** The endpoint and the registry have followed a person's rollback: what was known about drift belonged to another version. */
export function takeRestored(
  state: GovernorState,
  version: string,
  by: string,
  reason: string,
  now: number
): GovernorState {
  if (state.champion === version) return state;
  const restored = { ...state, champion: version, drift: null, suspect: null };
  return decided(restored, { ...decision(now, by, 'champion restored', reason), version });
}

/** Epoch milliseconds at which `tick` may have something to do; null = only an event can change anything. */
export function nextWake(state: GovernorState, policy: RetrainSpec, now: number): number | null {
  if (state.running !== null || state.paused !== null) return null;
  const times: number[] = [];
  if (holds(state, now)) {
    const until = state.hold?.until ?? null;
    if (until === null) return null;
    times.push(until);
  } else if (state.next !== null || (state.drift !== null && policy.on.drift)) {
    times.push(Math.max(coolUntil(state), budgetFreeAt(state, policy, now)));
  }
  if (policy.on.everyMs !== null) {
    times.push(Math.max(state.ageFrom + policy.on.everyMs, coolUntil(state), budgetFreeAt(state, policy, now)));
  }
  return times.length === 0 ? null : Math.max(now, Math.min(...times));
}
