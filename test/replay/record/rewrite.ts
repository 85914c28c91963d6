import { homedir, hostname } from 'node:os';

// Histories are published: what names the machine they were recorded on is replaced, consistently, before they are
// stored. Replay reads no path and no identity, so the replacement changes nothing that it looks at.

/** Replaces every occurrence of a text by another. */
export interface Replacement {
  readonly find: string | RegExp;
  readonly by: string;
}

const machine = (): readonly Replacement[] => [
  { find: process.execPath, by: '/usr/bin/node' },
  { find: homedir(), by: '/home/retempo' },
  // Identities: `<queue> <pid>@<host>` of workers, `<pid>@<host>` of clients.
  { find: new RegExp(`\\d+@${escaped(hostname())}`, 'g'), by: '1@machine' },
  { find: hostname(), by: 'machine' },
  { find: /\btraining process \d+/g, by: 'training process 1' },
  { find: /\bpid(["']?\s*[:=]?\s*)\d+/g, by: 'pid$11' },
];

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}

/**
 * Fields of events that say who worked, for whom and how a call would have been repeated, not what happened. Replay reads
 * none of them, and they are half of a history's bytes.
 */
const unread = new Set([
  'identity',
  'requestId',
  'taskId',
  'workerVersion',
  'userMetadata',
  'retryPolicy',
  'header',
  'namespace',
  'namespaceId',
  'useWorkflowBuildId',
  'meteringMetadata',
]);

/** Events that repeat a command of the workflow: replay compares their kind and id, never what was handed over. */
const commands = new Set([
  'activityTaskScheduledEventAttributes',
  'startChildWorkflowExecutionInitiatedEventAttributes',
  'signalExternalWorkflowExecutionInitiatedEventAttributes',
  'upsertWorkflowSearchAttributesEventAttributes',
  'workflowExecutionContinuedAsNewEventAttributes',
]);

/** What a command hands over: the input, and what the server is to do about it. */
const handedOver = new Set([
  'input',
  'taskQueue',
  'searchAttributes',
  'scheduleToCloseTimeout',
  'scheduleToStartTimeout',
  'startToCloseTimeout',
  'heartbeatTimeout',
  'workflowExecutionTimeout',
  'workflowRunTimeout',
  'workflowTaskTimeout',
]);

/** The replacements of a project: its folder, then the repository it lies in, then the machine. Longest paths first. */
export function replacementsOf(projectFolder: string, repositoryFolder: string): readonly Replacement[] {
  const withoutSlash = (path: string) => path.replace(/\/$/, '');
  return [
    { find: withoutSlash(projectFolder), by: '/srv/retempo/flight-delay' },
    { find: withoutSlash(repositoryFolder), by: '/srv/retempo' },
    ...machine(),
  ];
}

type JsonObject = { readonly [key: string]: unknown };

/** A history as JSON value (`historyToJSON`) without what replay never reads, every text in it replaced, also in payloads. */
export function rewrite(value: unknown, replacements: readonly Replacement[]): unknown {
  if (typeof value === 'string') return replaced(value, replacements);
  if (Array.isArray(value)) return value.map((item) => rewrite(item, replacements));
  if (typeof value !== 'object' || value === null) return value;
  const data = payloadText(value);
  if (data !== null) {
    return { ...value, data: Buffer.from(replaced(data, replacements)).toString('base64') };
  }
  const entries = Object.entries(value).filter(([key]) => !unread.has(key));
  return Object.fromEntries(
    entries.map(([key, item]) => {
      if (key === 'workflowTaskScheduledEventAttributes') return [key, {}];
      return [key, rewrite(commands.has(key) ? bare(item) : item, replacements)];
    })
  );
}

function bare(attributes: unknown): unknown {
  return Object.fromEntries(Object.entries(attributes as JsonObject).filter(([key]) => !handedOver.has(key)));
}

/** Text of a payload whose encoding is JSON; null for everything else. */
export function payloadText(value: object): string | null {
  const { metadata, data } = value as JsonObject;
  if (typeof data !== 'string' || typeof metadata !== 'object' || metadata === null) return null;
  const { encoding } = metadata as JsonObject;
  if (typeof encoding !== 'string' || !Buffer.from(encoding, 'base64').toString().startsWith('json/')) return null;
  return Buffer.from(data, 'base64').toString();
}

function replaced(text: string, replacements: readonly Replacement[]): string {
  return replacements.reduce((result, { find, by }) => result.replaceAll(find, by), text);
}

/** Everything readable in a history: its strings, with JSON payloads decoded. For searching. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(textOf).join('\n');
  if (typeof value !== 'object' || value === null) return '';
  return payloadText(value) ?? Object.values(value).map(textOf).join('\n');
}
