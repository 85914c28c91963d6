import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  Client,
  Connection,
  ScheduleOverlapPolicy,
  type ScheduleDescription,
  type ScheduleUpdateOptions,
} from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from '@temporalio/common';
import { startDevServer, type DevServer } from '@retempo/workers';
import {
  controlQueue,
  driftScheduleId,
  governorId,
  reaperScheduleId,
  searchAttributes,
} from '@retempo/workflows/contracts';
import { main } from 'retempo';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repositoryRoot } from '../support/repository.js';
import { missingServer } from '../support/server-peer.js';
import { createTinyProject, type TinyProject } from '../support/tiny-project.js';

// What plan and apply make of what they find on a real server, where nobody answers for a governor.

const missing = await missingServer();
const bin = fileURLToPath(new URL('cli/dist/bin.js', repositoryRoot));

/** What of a Schedule decides when it starts what. */
const essence = ({ spec, action, policies, state, typedSearchAttributes }: ScheduleDescription) => ({
  intervals: spec.intervals?.map(({ every }) => every),
  starts: [action.workflowType, action.workflowId, action.taskQueue, action.args],
  overlap: policies.overlap,
  catchup: policies.catchupWindow,
  paused: state.paused,
  attributes: typedSearchAttributes.getAll().length,
});

describe.skipIf(missing !== null)('plan and apply', () => {
  let project: TinyProject;
  let state: string;
  let server: DevServer;
  let connection: Connection;
  let client: Client;

  beforeAll(async () => {
    project = await createTinyProject();
    state = await mkdtemp(join(tmpdir(), 'retempo-apply-'));
    server = await startDevServer({ stateFolder: state, uiPort: null });
    connection = await Connection.connect({ address: server.address });
    client = new Client({ connection });
    expect(await retempo('apply')).toMatchObject({ code: 0 });
  });

  afterAll(async () => {
    await connection?.close();
    await server?.stop();
    await project?.remove();
    await rm(state, { recursive: true, force: true });
  });

  const retempo = (...args: readonly string[]) => retempoWith(() => undefined, ...args);

  /** A command that is told of every line on stderr when it is written, before anything else is done. */
  async function retempoWith(heard: (line: string) => void, ...args: readonly string[]) {
    const written = { out: '', err: '' };
    const code = await main([...args], {
      stdout: { write: (text: string) => (written.out += text) },
      stderr: {
        write(text: string) {
          written.err += text;
          heard(text);
        },
      },
      cwd: project.folder,
      env: { TEMPORAL_ADDRESS: server.address, RETEMPO_ACTOR: 'ann' },
      terminal: { stdin: false, stdout: false, stderr: false },
      columns: undefined,
      interrupted: new AbortController().signal,
      ask: () => Promise.resolve(null),
    });
    return { code, ...written };
  }

  const reaper = () => client.schedule.getHandle(reaperScheduleId('onprem.local'));

  /** Nobody is asked for an answer then. */
  const endGovernor = () => client.workflow.getHandle(governorId('tiny')).terminate();

  /** What the plan says of the Schedules of sites. */
  async function reapers() {
    const { reapers } = JSON.parse((await retempo('plan', '--json')).out) as { readonly reapers: readonly object[] };
    return reapers;
  }

  const site = defineSearchAttributeKey(searchAttributes.site, SearchAttributeType.KEYWORD);
  const elsewhere = [{ key: site, value: 'onprem.elsewhere' }];

  type Change = (before: ScheduleDescription) => Partial<ScheduleUpdateOptions>;
  const changes: readonly (readonly [details: string, change: Change])[] = [
    ['every 1 h → every 10 min', () => ({ spec: { intervals: [{ every: 3_600_000 }] } })],
    ['every never → every 10 min', () => ({ spec: {} })],
    ['which check it starts', ({ action }) => ({ action: { ...action, workflowType: 'driftCheck' } })],
    ['which check it starts', ({ action }) => ({ action: { ...action, workflowId: 'mine' } })],
    ['which check it starts', ({ action }) => ({ action: { ...action, taskQueue: 'mine' } })],
    ['what it starts the check with', ({ action }) => ({ action: { ...action, args: [{ v: 2 }] } })],
    ['search attributes', ({ action }) => ({ action: { ...action, typedSearchAttributes: elsewhere } })],
    ['search attributes', () => ({ typedSearchAttributes: elsewhere })],
    [
      'overlap or catch-up',
      ({ policies }) => ({ policies: { ...policies, overlap: ScheduleOverlapPolicy.ALLOW_ALL } }),
    ],
    ['overlap or catch-up', ({ policies }) => ({ policies: { ...policies, catchupWindow: '1 day' } })],
  ];

  async function update(change: Change): Promise<void> {
    let told: ScheduleUpdateOptions['typedSearchAttributes'];
    await reaper().update((before) => {
      const { spec, action, policies, state: own, typedSearchAttributes } = before;
      const after = { spec, action, policies, state: own, typedSearchAttributes, ...change(before) };
      told = after.typedSearchAttributes;
      return after;
    });
    // The server takes over attributes of a Schedule's own a moment later.
    const wanted = new TypedSearchAttributes(told instanceof TypedSearchAttributes ? told.getAll() : told);
    const isThere = async () => (await reaper().describe()).typedSearchAttributes.get(site) === wanted.get(site);
    while (!(await isThere())) await sleep(50);
  }

  it('starts a governor that is found by its model and phase, and says what it is', async () => {
    const governor = await client.workflow.getHandle(governorId('tiny')).describe();
    expect(governor.memo).toMatchObject({ endpoint: 'tiny', site: 'onprem.local' });
    const keyword = (name: string) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD);
    expect(governor.typedSearchAttributes.get(keyword(searchAttributes.model))).toBe('tiny');
    expect(governor.typedSearchAttributes.get(keyword(searchAttributes.phase))).toBe('healthy');
    expect(await governor.staticSummary()).toBe('governor of tiny');
    expect(await governor.staticDetails()).toBe('Says the same for every row.');
  });

  it('is done also where another apply does the same between its look and its work', async () => {
    const schedules = [driftScheduleId('tiny'), reaperScheduleId('onprem.local')];
    const handles = schedules.map((id) => client.schedule.getHandle(id));
    await endGovernor();
    for (const handle of handles) await handle.delete();
    const others: string[] = [];
    const { code, out, err } = await retempoWith((line) => {
      if (!line.includes('apply tiny')) return;
      const env = { ...process.env, TEMPORAL_ADDRESS: server.address, RETEMPO_ACTOR: 'bob' };
      others.push(execFileSync(process.execPath, [bin, 'apply', '--json'], { cwd: project.folder, env }).toString());
    }, 'apply');
    expect(others.map((other) => JSON.parse(other) as object)).toEqual([expect.objectContaining({ applied: true })]);
    expect([code, out], err).toEqual([0, expect.stringContaining('Applied to namespace')]);
    for (const handle of handles) await handle.describe();
    await endGovernor();
    expect(await reapers()).toEqual([expect.objectContaining({ schedule: 'same' })]);
    expect(await retempo('apply')).toMatchObject({ code: 0 });
  });

  it('what somebody has changed of a Schedule is seen and mended; a pause is no difference and stays', async () => {
    await endGovernor();
    const right = await reaper().describe();
    await reaper().pause('somebody looks at it');
    expect(await reapers()).toEqual([expect.objectContaining({ schedule: 'same' })]);
    for (const [details, change] of changes) {
      await update(change);
      expect((await retempo('plan')).out).toContain(`schedule ${reaperScheduleId('onprem.local')}    ${details}`);
      await update(({ state }) => ({ ...right, state }));
    }
    for (const [, change] of changes) await update(change);
    expect(await retempo('apply')).toMatchObject({ code: 0 });
    while ((await reaper().describe()).typedSearchAttributes.get(site) !== 'onprem.local') await sleep(50);
    const mended = await reaper().describe();
    expect(essence(mended)).toEqual({ ...essence(right), paused: true });
    expect(mended.state.note).toBe('somebody looks at it');
    // The governor that had ended is there again.
    expect(await client.workflow.getHandle(governorId('tiny')).describe()).toMatchObject({
      status: { name: 'RUNNING' },
    });
  });

  it('look at the namespace that they are told, and at no other', async () => {
    const plan = await retempo('plan', '--namespace', 'nope');
    expect(plan).toMatchObject({ code: 3, out: '', err: expect.stringContaining('has no namespace "nope"') as string });
  });

  it('says that nobody answers for a governor, and gives it nothing', async () => {
    const watched = client.schedule.getHandle(driftScheduleId('tiny'));
    const before = essence(await watched.describe());
    const file = join(project.folder, 'models', 'tiny.yaml');
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace('every: 7d', 'every: 2d'));
    try {
      const plan = await retempo('plan', '--timeout', '1s');
      expect(plan).toMatchObject({ code: 0, out: expect.stringContaining('no worker answers') as string });
      expect(await retempo('apply', '--timeout', '1s')).toMatchObject({
        code: 3,
        out: '',
        err: expect.stringContaining(
          'tiny: no worker took the new spec within 1 s; start one with: retempo worker'
        ) as string,
      });
      // The check never goes by another spec than the governor.
      expect(essence(await watched.describe())).toEqual(before);
    } finally {
      await writeFile(file, text);
    }
  });

  it('a model whose file is gone is named, and left alone', async () => {
    const file = join(project.folder, 'models', 'tiny.yaml');
    const text = await readFile(file, 'utf8');
    await writeFile(
      file,
      text.replace('model: tiny', 'model: other').replace('release:', 'release:\n  to: endpoint:other')
    );
    try {
      // What runs is found by a list that the server keeps a moment later.
      const others = [governorId('zero'), governorId('a-model'), 'retempo/not/ours', 'not-ours'];
      for (const workflowId of others)
        await client.workflow.start('continuousTraining', { workflowId, taskQueue: controlQueue });
      const query = `WorkflowType = 'continuousTraining' AND ExecutionStatus = 'Running'`;
      while ((await client.workflow.count(query)).count < others.length + 1) await sleep(100);
      expect(JSON.parse((await retempo('apply', '--json')).out)).toMatchObject({
        unknown: ['a-model', 'tiny', 'zero'],
      });
      for (const workflowId of others) await client.workflow.getHandle(workflowId).terminate();
      expect((await client.workflow.getHandle(governorId('tiny')).describe()).status.name).toBe('RUNNING');
      await client.schedule.getHandle(driftScheduleId('tiny')).describe();
    } finally {
      await writeFile(file, text);
    }
  });
});
