import { readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { homedir, hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { repositoryRoot } from '../support/repository.js';
import { bundleWorkflows, replay, storedHistories } from './histories.js';
import { textOf } from './record/rewrite.js';

const histories = storedHistories();
const named = (name: string): { events: Event[] } =>
  JSON.parse(histories.find((history) => history.name === name)!.text) as { events: Event[] };
interface Event {
  readonly eventType: string;
  readonly [attributes: string]: unknown;
}

/** Every path that must have a history. A workflow that learns a new one gets its line here and a scene in the recorder. */
const paths: { readonly [workflowType: string]: readonly string[] } = {
  continuousTraining: [
    'accept',
    'breaker',
    'cancelled',
    'coalesce',
    'continue-as-new',
    'continued',
    'cooldown',
    'drift',
    'lost-run',
    'never-idle',
    'pause-resume',
    'recovery',
    'refuse',
    'rollback',
  ],
  modelRelease: [
    'approved-promoted',
    'canary-terminated',
    'cancelled',
    'data-invalid',
    'first-version',
    'no-data',
    'refused-by-gate',
    'rolled-back',
    'terminated',
    'user-code-failed',
  ],
  trainingPipeline: [
    'cancelled',
    'cancelled-by-parent',
    'data-invalid',
    'first-version',
    'hand-over',
    'no-data',
    'reset-adopted',
    'terminated',
    'user-code-failed',
    'with-anchor',
    'with-champion',
  ],
  validationGate: ['anchor', 'approved', 'cancelled', 'expired', 'fail', 'inconclusive', 'no-champion', 'rejected'],
  canaryDeployment: [
    'aborted',
    'approved',
    'baked',
    'cancelled',
    'champion-mismatch',
    'continued',
    'deadline',
    'first-version',
    'paused-resumed',
    'promoted',
    'rejected',
    'restore',
    'rollback-blocked',
    'rollback-by-person',
    'rolled-back',
  ],
  driftCheck: ['alarm', 'calm', 'nothing-due'],
  jobReaper: ['nothing', 'stray-job'],
};

describe('14: recorded histories ask for nothing that they did not ask for', () => {
  let bundle: WorkflowBundleWithSourceMap;
  beforeAll(async () => {
    bundle = await bundleWorkflows();
  }, 120_000);

  it.each(histories.map(({ name, text }) => ({ name, text })))('$name still replays', async ({ text }) => {
    await replay(bundle, JSON.parse(text));
  });

  it('a canary that continues as new replays up to the new run', async () => {
    const history = continuedCanary();
    expect(history.events.at(-1)?.eventType).toBe('EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW');
    await replay(bundle, history);
  });
});

describe('the set of histories', () => {
  it('has every path of every workflow type', () => {
    for (const [workflowType, wanted] of Object.entries(paths)) {
      const found = histories.filter((history) => history.workflowType === workflowType).map(({ path }) => path);
      expect(found, workflowType).toEqual(expect.arrayContaining([...wanted]));
    }
    expect(new Set(histories.map(({ workflowType }) => workflowType))).toEqual(new Set(Object.keys(paths)));
  });

  it('holds the type that its name says', () => {
    for (const { name, workflowType, text } of histories) {
      const [first] = (JSON.parse(text) as { events: Event[] }).events;
      expect(first?.['workflowExecutionStartedEventAttributes'], name).toMatchObject({
        workflowType: { name: workflowType },
      });
    }
  });

  it('names no machine, no folder and no process of where it was recorded', () => {
    for (const { name, text } of histories) {
      const readable = textOf(JSON.parse(text));
      expect(readable, name).not.toContain(fileURLToPath(repositoryRoot));
      expect(readable, name).not.toContain(hostname());
      expect(readable, name).not.toContain(homedir());
      expect(readable, name).not.toContain(tmpdir());
      expect(readable, name).not.toContain(process.execPath);
      expect(readable.replaceAll('1@machine', ''), name).not.toMatch(/\d+@/);
    }
  });

  it('stays small: at most 1.8 MB for 63 paths', () => {
    expect(histories.reduce((sum, { text }) => sum + text.length, 0)).toBeLessThan(1_800_000);
  });
});

describe('the protection', () => {
  it('a workflow that schedules another activity is a DeterminismViolationError', async () => {
    const output = fileURLToPath(new URL('.test-output/', repositoryRoot));
    await mkdir(output, { recursive: true });
    const folder = await mkdtemp(join(output, 'sabotage-'));
    try {
      const dist = fileURLToPath(import.meta.resolve('@retempo/workflows')).replace(/index\.js$/, '');
      const gate = await readFile(join(dist, 'validation-gate.js'), 'utf8');
      const other = gate
        .replaceAll('evaluateGate', 'judgeGate')
        .replaceAll(/from '\.\//g, `from '${await realpath(dist)}/`);
      expect(other).not.toBe(gate);
      await writeFile(join(folder, 'workflows.js'), other);
      const bundle = await bundleWorkflows(join(folder, 'workflows.js'));
      await expect(replay(bundle, named('validationGate-fail'))).rejects.toThrow(DeterminismViolationError);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('a history in which another activity ran is a DeterminismViolationError', async () => {
    const history = named('canaryDeployment-promoted');
    const text = JSON.stringify(history).replace('"name":"observe"', '"name":"glance"');
    expect(text).not.toBe(JSON.stringify(history));
    await expect(replay(await bundleWorkflows(), JSON.parse(text))).rejects.toThrow(DeterminismViolationError);
  });
});

describe('loading histories', () => {
  it('JSON histories load: historyFromJSON knows the types of protobufjs', () => {
    const { events } = historyFromJSON(named('jobReaper-nothing'));
    expect(events?.[0]?.workflowExecutionStartedEventAttributes?.workflowType?.name).toBe('jobReaper');
  });

  it('one copy of protobufjs 8 serves all of the SDK: with several, no JSON history loads', async () => {
    const root = fileURLToPath(new URL('node_modules/', repositoryRoot));
    const copies: string[] = [];
    const folders = readdirSync(join(root, '@temporalio')).map((name) => join('@temporalio', name));
    for (const parent of ['', ...folders.map((name) => join(name, 'node_modules'))]) {
      const version = await readFile(join(root, parent, 'protobufjs', 'package.json'), 'utf8').catch(() => null);
      if (version !== null && (JSON.parse(version) as { version: string }).version.startsWith('8.'))
        copies.push(parent);
    }
    expect(copies).toEqual(['']);
  });
});

/**
 * 2,000 events are too many to store: a recorded canary, cut after a look, at whose task the server suggests to continue
 * as new, and which does so instead of sleeping until the next look.
 */
function continuedCanary(): { events: Event[] } {
  const { events } = named('canaryDeployment-paused-resumed');
  const look = events.findIndex((event) => JSON.stringify(event).includes('"name":"observe"'));
  const timer = events.findIndex((event, i) => i > look && event.eventType === 'EVENT_TYPE_TIMER_STARTED');
  const kept = events.slice(0, timer).map((event): Event => {
    const started = event['workflowTaskStartedEventAttributes'];
    if (started === undefined || events.indexOf(event) < look) return event;
    return { ...event, workflowTaskStartedEventAttributes: { ...started, suggestContinueAsNew: true } };
  });
  const last = events[timer]!;
  return {
    events: [
      ...kept,
      {
        eventId: last['eventId'],
        eventTime: last['eventTime'],
        eventType: 'EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW',
        workflowExecutionContinuedAsNewEventAttributes: {
          workflowType: { name: 'canaryDeployment' },
          newExecutionRunId: '00000000-0000-0000-0000-000000000000',
          workflowTaskCompletedEventId: kept.at(-1)!['eventId'],
        },
      },
    ],
  };
}
