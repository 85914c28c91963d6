import {
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
  type Client,
  type ScheduleDescription,
  type ScheduleOptions,
} from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from '@temporalio/common';
import {
  controlQueue,
  digestOf,
  driftCheckId,
  driftScheduleId,
  reaperId,
  reaperScheduleId,
  searchAttributes,
  type Installation,
  type ModelSpec,
} from '@retempo/workflows/contracts';
import type { driftCheck, jobReaper } from '@retempo/workflows';
import { duration } from '../text/quantities.js';

/** How often stray jobs of a site are looked for, in milliseconds. */
const reapEveryMs = 600_000;
/** Jobs created longer ago than this are no longer looked at, in milliseconds: no release lives as long. */
const reapLookBackMs = 30 * 86_400_000;
/**
 * How late a missed run is still made up for, at most, in milliseconds. Each check looks at everything that is due, so one
 * run makes up for all that were missed.
 */
const longestCatchupMs = 86_400_000;

/** A Temporal Schedule as it should be. */
export interface WantedSchedule {
  readonly id: string;
  readonly everyMs: number;
  readonly workflowType: string;
  readonly workflowId: string;
  readonly args: readonly [object];
  readonly summary: string;
  readonly model: string | null;
  readonly site: string | null;
}

/** Looks at the windows of one model, every `watch.every`. */
export function driftSchedule(spec: ModelSpec, installation: Installation): WantedSchedule {
  const input: Parameters<typeof driftCheck>[0] = { v: 1, installation, spec };
  return {
    id: driftScheduleId(spec.model),
    everyMs: spec.watch.everyMs,
    workflowType: 'driftCheck',
    workflowId: driftCheckId(spec.model),
    args: [input],
    summary: `watch ${spec.model} every ${duration(spec.watch.everyMs)}`,
    model: spec.model,
    site: spec.release.site,
  };
}

/** Looks for stray jobs of one site. */
export function reaperSchedule(site: string, installation: Installation): WantedSchedule {
  const input: Parameters<typeof jobReaper>[0] = { v: 1, installation, site, lookBackMs: reapLookBackMs };
  return {
    id: reaperScheduleId(site),
    everyMs: reapEveryMs,
    workflowType: 'jobReaper',
    workflowId: reaperId(site),
    args: [input],
    summary: `stray jobs of ${site} every ${duration(reapEveryMs)}`,
    model: null,
    site,
  };
}

/** How a Schedule on the server compares with what it should be. */
export interface ScheduleDifference {
  readonly wanted: WantedSchedule;
  readonly state: 'new' | 'changed' | 'same';
  /** What is different, for people. */
  readonly details: readonly string[];
}

/** Compares one Schedule with the server's. Somebody's pause is theirs, and no difference. */
export async function compareSchedule(client: Client, wanted: WantedSchedule): Promise<ScheduleDifference> {
  const handle = client.schedule.getHandle(wanted.id);
  try {
    const { spec, action, policies, typedSearchAttributes: attributes } = await handle.describe();
    const details: string[] = [];
    const every = spec.intervals?.[0]?.every;
    if (every !== wanted.everyMs) {
      details.push(`every ${every === undefined ? 'never' : duration(every)} → every ${duration(wanted.everyMs)}`);
    }
    const { workflowType, workflowId, taskQueue, args, typedSearchAttributes } = action;
    const isRight =
      workflowType === wanted.workflowType && workflowId === wanted.workflowId && taskQueue === controlQueue;
    if (!isRight) details.push('which check it starts, or where');
    if (digestOf(args) !== digestOf(wanted.args)) details.push('what it starts the check with');
    if (!carries(attributes, wanted) || !carries(typedSearchAttributes, wanted)) details.push('search attributes');
    if (policies.overlap !== ScheduleOverlapPolicy.SKIP || policies.catchupWindow !== catchupMs(wanted)) {
      details.push('overlap or catch-up');
    }
    return { wanted, state: details.length === 0 ? 'same' : 'changed', details };
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
    return { wanted, state: 'new', details: [] };
  }
}

/** Whether search attributes are those of a Schedule as it should be. Others beside them are somebody else's. */
function carries(found: ScheduleDescription['action']['typedSearchAttributes'], wanted: WantedSchedule): boolean {
  const given = found instanceof TypedSearchAttributes ? found : new TypedSearchAttributes(found);
  return attributesOf(wanted).every(({ key, value }) => given.get(key) === value);
}

/** Creates or updates one Schedule; what is the same is left alone. */
export async function ensureSchedule(client: Client, difference: ScheduleDifference): Promise<void> {
  const { wanted, state } = difference;
  if (state === 'same') return;
  const options = scheduleOptions(wanted);
  if (state === 'new') {
    try {
      await client.schedule.create(options);
      return;
    } catch (error) {
      // Another apply has created it since it was looked for; what these files say is put into that one.
      if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    }
  }
  const { spec, action, policies, typedSearchAttributes } = options;
  await client.schedule.getHandle(wanted.id).update((before) => ({
    spec,
    action,
    ...(policies === undefined ? {} : { policies }),
    ...(typedSearchAttributes === undefined ? {} : { typedSearchAttributes }),
    state: before.state,
  }));
}

const catchupMs = ({ everyMs }: WantedSchedule): number =>
  // The server takes nothing below ten seconds.
  Math.max(10_000, Math.min(everyMs, longestCatchupMs));

function scheduleOptions(wanted: WantedSchedule): ScheduleOptions {
  const attributes = attributesOf(wanted);
  return {
    scheduleId: wanted.id,
    spec: { intervals: [{ every: wanted.everyMs }] },
    action: {
      type: 'startWorkflow',
      workflowType: wanted.workflowType,
      workflowId: wanted.workflowId,
      taskQueue: controlQueue,
      args: [...wanted.args],
      typedSearchAttributes: attributes,
      staticSummary: wanted.summary,
    },
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: catchupMs(wanted) },
    typedSearchAttributes: attributes,
  };
}

const keyword = (name: string) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD);

/** Search attributes that something is started with. */
export const attributesOf = (values: {
  readonly model: string | null;
  readonly site?: string | null;
  readonly phase?: string;
}) =>
  (['model', 'site', 'phase'] as const).flatMap((name) => {
    const value = values[name];
    return value === null || value === undefined ? [] : [{ key: keyword(searchAttributes[name]), value }];
  });

/** Deletes a Schedule; one that is not there is no failure. */
export async function deleteSchedule(client: Client, id: string): Promise<void> {
  try {
    await client.schedule.getHandle(id).delete();
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
  }
}
