import { readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { homedir, hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { beforeAll, describe, expect, it } from 'vitest';
import * as workflows from '@retempo/workflows';
import { repositoryRoot } from '../support/repository.js';
import { bundleWorkflows, replay, storedHistories } from './histories.js';
import { kinds, paths } from './paths.js';
import { textOf } from './record/rewrite.js';

const histories = storedHistories();
const named = (name: string): { events: Event[] } =>
  JSON.parse(histories.find((history) => history.name === name)!.text) as { events: Event[] };
interface Event {
  readonly eventType: string;
  readonly [attributes: string]: unknown;
}

describe('14: recorded histories ask for nothing that they did not ask for', () => {
  let bundle: WorkflowBundleWithSourceMap;
  beforeAll(async () => {
    bundle = await bundleWorkflows();
  }, 120_000);

  it.each(histories.map(({ name, text }) => ({ name, text })))('$name still replays', async ({ text }) => {
    await replay(bundle, JSON.parse(text));
  });
});

describe('the set of histories', () => {
  it('every workflow type that a worker registers has its paths', () => {
    expect(Object.keys(paths).toSorted()).toEqual(Object.keys(workflows).toSorted());
  });

  it.each(Object.entries(paths))(
    '%s: each path is recorded, and each recorded path is named',
    (workflowType, kindsOf) => {
      expect(Object.keys(kindsOf).toSorted()).toEqual([...kinds].toSorted());
      const wanted = Object.values(kindsOf).flatMap((names) => (typeof names === 'string' ? [] : names));
      expect(Object.values(kindsOf)).not.toContainEqual([]);
      // Those of a later release have its version behind the name.
      const found = histories.filter((history) => history.workflowType === workflowType);
      expect([...new Set(found.map(({ path }) => path.split('@')[0]!))].toSorted()).toEqual(
        [...new Set(wanted)].toSorted()
      );
    }
  );

  const ofKind = (kind: (typeof kinds)[number]) =>
    Object.entries(paths).flatMap(([workflowType, { [kind]: names }]) =>
      typeof names === 'string' ? [] : names.map((name) => `${workflowType}-${name}`)
    );

  it.each(ofKind('cancel'))('%s was cancelled', (name) => {
    const types = named(name).events.map(({ eventType }) => eventType);
    expect(types).toContain('EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED');
  });

  it.each(ofKind('continue-as-new'))('%s begins anew, or goes on from where a run before it was', (name) => {
    const { events } = named(name);
    const went = events.at(-1)?.eventType === 'EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW';
    const started = events[0]?.['workflowExecutionStartedEventAttributes'] as { continuedExecutionRunId?: string };
    expect(went || started.continuedExecutionRunId !== undefined || textOf(started).includes('"resume":')).toBe(true);
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

  it('stays small: at most 1.95 MB', () => {
    expect(histories.reduce((sum, { text }) => sum + text.length, 0)).toBeLessThan(1_950_000);
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
