// What a run cost, read from its history: events and bytes are the server's own; billable actions are counted by the rules
// of Temporal's own counter (common/rpc/interceptor/telemetry.go): a command or message costs what the table says.

/** Billable actions of an event; kinds that are not named cost nothing. Retries and heartbeats leave no event. */
const actionsOf: { readonly [eventType: string]: number } = {
  WORKFLOW_EXECUTION_STARTED: 1,
  WORKFLOW_EXECUTION_CONTINUED_AS_NEW: 1,
  ACTIVITY_TASK_SCHEDULED: 1,
  TIMER_STARTED: 1,
  WORKFLOW_EXECUTION_SIGNALED: 1,
  SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED: 1,
  WORKFLOW_EXECUTION_UPDATE_ACCEPTED: 1,
  START_CHILD_WORKFLOW_EXECUTION_INITIATED: 2,
  UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: 1,
  MARKER_RECORDED: 1,
};

export interface Cost {
  readonly events: number;
  readonly actions: number;
  /** Size of the history on the server at its last workflow task, in bytes. */
  readonly bytes: number;
  /** How often each activity was scheduled. */
  readonly activities: { readonly [name: string]: number };
  /** How often each kind of event happened. */
  readonly kinds: { readonly [eventType: string]: number };
  /** Timers of a canary before its first traffic write: waits for a deployed version that does not answer yet. */
  readonly polls: number;
}

interface Event {
  readonly eventType: string;
  readonly activityTaskScheduledEventAttributes?: { readonly activityType?: { readonly name?: string } };
  readonly workflowTaskStartedEventAttributes?: { readonly historySizeBytes?: string };
}

export function costOf(history: { readonly events: readonly Event[] }): Cost {
  const kinds: { [eventType: string]: number } = {};
  const activities: { [name: string]: number } = {};
  let bytes = 0;
  let polls = 0;
  for (const event of history.events) {
    const kind = event.eventType.replace('EVENT_TYPE_', '');
    kinds[kind] = (kinds[kind] ?? 0) + 1;
    const name = event.activityTaskScheduledEventAttributes?.activityType?.name;
    if (name !== undefined) activities[name] = (activities[name] ?? 0) + 1;
    if (kind === 'TIMER_STARTED' && activities['setTraffic'] === undefined) polls += 1;
    bytes = Math.max(bytes, Number(event.workflowTaskStartedEventAttributes?.historySizeBytes ?? 0));
  }
  const actions = Object.entries(kinds).reduce((sum, [kind, times]) => sum + times * (actionsOf[kind] ?? 0), 0);
  return { events: history.events.length, actions, bytes, activities, kinds, polls };
}
