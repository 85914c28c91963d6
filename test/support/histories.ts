import type { Client, WorkflowHandle } from '@temporalio/client';
import type { temporal } from '@temporalio/proto';

type Event = temporal.api.history.v1.IHistoryEvent;

/** Which attribute an event carries, such as `timerStarted` or `workflowExecutionUpdateAccepted`. */
export function kindOf(event: Event): string {
  const key = Object.keys(event).find((name) => name.endsWith('EventAttributes') && event[name as keyof Event] != null);
  return key === undefined ? 'unknown' : key.slice(0, -'EventAttributes'.length);
}

/** What one execution cost: events, and how many of each kind. */
export interface HistoryCount {
  readonly events: number;
  /** Events but those of workflow tasks: the server begins a task anew when a worker is slow to take it. */
  readonly besideTasks: number;
  readonly bytes: number;
  readonly kinds: { readonly [kind: string]: number };
}

/** Events of the run that a handle points to: the present one, or the one named. */
export async function eventsOf(handle: WorkflowHandle): Promise<readonly Event[]> {
  return (await handle.fetchHistory()).events ?? [];
}

export async function countHistory(handle: WorkflowHandle): Promise<HistoryCount> {
  const events = await eventsOf(handle);
  const kinds: Record<string, number> = {};
  for (const event of events) kinds[kindOf(event)] = (kinds[kindOf(event)] ?? 0) + 1;
  const { historySize } = await handle.describe();
  const besideTasks = events.filter((event) => !kindOf(event).startsWith('workflowTask')).length;
  return { events: events.length, besideTasks, bytes: historySize ?? 0, kinds };
}

/** Bytes of the arguments that the present run was started with. */
export async function carriedBytes(handle: WorkflowHandle): Promise<number> {
  const [first] = await eventsOf(handle);
  const payloads = first?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
  return payloads.reduce((sum, { data }) => sum + (data?.length ?? 0), 0);
}

/** Run ids of one workflow id, oldest first, as the list of the server knows them. */
export async function runsOf(client: Client, workflowId: string): Promise<readonly string[]> {
  const found: { runId: string; at: number }[] = [];
  for await (const { runId, startTime } of client.workflow.list({ query: `WorkflowId="${workflowId}"` })) {
    found.push({ runId, at: startTime.getTime() });
  }
  return found.toSorted((a, b) => a.at - b.at).map(({ runId }) => runId);
}

/** One line for the log of a test run: what was measured. */
export function measured(what: string, numbers: object): void {
  console.log(`measured: ${what}: ${JSON.stringify(numbers)}`);
}
