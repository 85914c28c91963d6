import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { continuousTraining, driftCheck, modelRelease } from '@retempo/workflows';
import {
  controlQueue,
  driftCheckId,
  endpointId,
  governorId,
  searchAttributes,
  type CheckSummary,
  type WindowReport,
} from '@retempo/workflows/contracts';
import { approve, getDecisions, type ApprovalVote } from '@retempo/workflows/messages';
import { eventsOf, kindOf } from '../support/histories.js';
import {
  gatePassed,
  hold,
  installation,
  look,
  spec,
  startScriptedInstallation,
  type ScriptedInstallation,
  type ScriptedWorld,
} from '../support/scripted-world.js';
import { missingServer } from '../support/server-peer.js';

const missing = await missingServer();

// What the pages of the workflows show in the Web UI, at the moments at which somebody looks at them.

interface Metadata {
  readonly currentDetails?: string;
  readonly definition: {
    readonly [kind in 'updateDefinitions' | 'signalDefinitions' | 'queryDefinitions']?: readonly {
      readonly name: string;
      readonly description?: string;
    }[];
  };
}

const endpoint = endpointId(spec.release.site, spec.release.endpoint);
const runId = 'retempo/m/run/1-00000000';
const [pipeline, gate] = [`${runId}/pipeline`, `${runId}/gate`];

describe.skipIf(missing !== null)('pages of workflows', () => {
  let test: ScriptedInstallation;
  let world: ScriptedWorld;
  beforeAll(async () => {
    test = await startScriptedInstallation();
  });
  afterAll(() => test?.close());
  beforeEach(() => {
    world = test.begin();
  });
  afterEach(() => test.end(runId, pipeline, gate, endpoint, governorId('m'), driftCheckId('m')));

  const handle = (id: string) => test.client.workflow.getHandle(id);
  const page = (of: WorkflowHandle) => of.query<Metadata>('__temporal_workflow_metadata');
  const details = async (of: WorkflowHandle) => (await page(of)).currentDetails ?? '';
  type Attributes = { readonly [name: string]: unknown };
  const attributes = async (id: string): Promise<Attributes> => {
    const { typedSearchAttributes } = await handle(id).describe();
    const own = typedSearchAttributes.getAll().filter(({ key }) => key.name.startsWith('Retempo'));
    return Object.fromEntries(own.map(({ key, value }) => [key.name, value]));
  };
  /** Every message that a page offers says what it is for, and what to send. */
  const described = async (id: string): Promise<readonly string[]> => {
    const { definition } = await page(handle(id));
    const { updateDefinitions = [], signalDefinitions = [], queryDefinitions = [] } = definition;
    const offered = [...updateDefinitions, ...signalDefinitions, ...queryDefinitions].filter(
      ({ name }) => !name.startsWith('__')
    );
    for (const { name, description = '' } of offered) expect(description.length, `${id} ${name}`).toBeGreaterThan(20);
    for (const { name, description } of updateDefinitions)
      expect(description, `${id} ${name}`).toContain('actor, reason }');
    return offered.map(({ name }) => name).toSorted();
  };
  const until = async <T>(read: () => Promise<T>, holds: (value: T) => boolean): Promise<T> => {
    for (;;) {
      const value = await read();
      if (holds(value)) return value;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const { model, phase, verdict, site } = searchAttributes;

  it('a run, from its training to its end: what is offered is described, what waits is named, a vote can be copied', async () => {
    const [training, looking] = [hold(), hold()];
    world.next('awaitJob', (_, usual) => training.wait(usual));
    world.next('observe', () => looking.wait(() => look('advance')));
    const check = (n: number): CheckSummary => ({
      name: `slice ${n} | of many`,
      verdict: 'pass',
      estimate: 0,
      lower: 0,
      upper: 0,
      threshold: 0,
      n: 1,
      reason: `first line\nsecond line ${'and so on '.repeat(100)}`,
    });
    world.next('evaluateGate', () => ({ ...gatePassed, checks: Array.from({ length: 30 }, (_, n) => check(n)) }));
    const approval = { quorum: 1, from: [], expiresMs: 600_000 };
    const running = await test.client.workflow.start(modelRelease, {
      workflowId: runId,
      taskQueue: controlQueue,
      args: [
        {
          v: 1,
          installation,
          releaseId: runId,
          seq: 2,
          spec: { ...spec, gate: { ...spec.gate, approval } },
          specDigest: 'sha256:spec',
          cause: 'fares | prices\nwere loaded',
          requestedBy: ['ann'],
          causedByDrift: false,
        },
      ],
    });

    await training.there;
    expect(await described(runId)).toEqual(['getRunStatus']);
    expect(await described(pipeline)).toEqual(['getRunStatus']);
    expect(await details(running)).toContain('\n| why | fares \\| prices were loaded |\n');
    expect(await details(handle(pipeline))).toMatch(/^\*\*Training\*\*\n\n\| \| \|\n\|---\|---\|\n\| model \| m \|/);
    expect(await attributes(pipeline)).toEqual({ [model]: 'm', [phase]: 'training' });
    training.letGo();

    await until(
      () => attributes(gate).catch((): Attributes => ({})),
      (seen) => seen[phase] === 'awaitingApproval'
    );
    expect(await attributes(gate)).toEqual({ [model]: 'm', [phase]: 'awaitingApproval', [verdict]: 'pass' });
    expect(await attributes(pipeline)).toEqual({ [model]: 'm', [phase]: 'done', [site]: 'onprem.east' });
    expect(await described(gate)).toEqual(['approve', 'getRunStatus', 'reject']);
    const shown = await details(handle(gate));
    expect(shown).toMatch(/^\*\*waits for 1 approval of v2 until /);
    expect(shown).toContain('| slice 0 \\| of many | pass: first line second line and so on');
    // However many checks there are, and however long their reasons, what one has to send is there in full.
    expect(shown.length).toBeLessThan(10_000);
    const vote = JSON.parse(/`approve` or `reject` with `(\{.*\})`\.$/.exec(shown)![1]!) as ApprovalVote;
    const sent = { args: [{ ...vote, actor: 'bob' }] as [ApprovalVote] };
    expect(await handle(gate).executeUpdate(approve, sent)).toEqual({ done: true, reason: 'approved' });

    await looking.there;
    expect(await described(endpoint)).toEqual(
      ['abort', 'approve', 'getRunStatus', 'pause', 'promote', 'reject', 'resume', 'rollback'].toSorted()
    );
    expect(await attributes(endpoint)).toEqual({ [model]: 'm', [phase]: 'canary', [site]: 'onprem.east' });
    expect((await attributes(runId))[phase]).toBe('deploying');
    looking.letGo();

    expect((await running.result()).result).toBe('promoted');
    expect(await attributes(runId)).toMatchObject({ [phase]: 'done', [verdict]: 'pass' });
    expect((await attributes(endpoint))[phase]).toBe('done');
    const named: string[] = [];
    for (const id of [runId, pipeline, gate, endpoint]) {
      for (const event of await eventsOf(handle(id))) {
        const what = event.activityTaskScheduledEventAttributes?.activityType?.name ?? kindOf(event);
        if (event.userMetadata?.summary?.data != null) named.push(what);
        else expect(['timerStarted', 'activityTaskScheduled'], `${id}: ${what}`).not.toContain(kindOf(event));
      }
    }
    for (const what of ['snapshotData', 'submitJob', 'awaitJob', 'collectOutput', 'evaluateGate', 'deployVersion'])
      expect(named).toContain(what);
    for (const what of ['observe', 'setTraffic', 'timerStarted']) expect(named).toContain(what);
  });

  it('a drift check lists what it reported; reports that nobody took are not confirmed, and are told again', async () => {
    const reports: WindowReport[] = (['features', 'labels'] as const).map((part) => ({
      windowId: '2026-01-01T00:00:00.000Z/2026-01-02T00:00:00.000Z',
      part,
      revision: 1,
      verdict: 'pass',
      confirmed: false,
      reason: `calm ${part}`,
      champion: null,
    }));
    const check = () => {
      world.next('checkWindows', () => ({ reports }));
      return test.client.workflow.start(driftCheck, {
        workflowId: driftCheckId('m'),
        taskQueue: controlQueue,
        args: [{ v: 1, installation, spec }],
      });
    };
    await expect((await check()).result()).rejects.toMatchObject({
      cause: { message: 'm has no governor that listens; start it with: retempo apply' },
    });
    expect(world.names).toEqual(['checkWindows']);

    const governor = await test.client.workflow.start(continuousTraining, {
      workflowId: governorId('m'),
      taskQueue: controlQueue,
      args: [{ v: 1, installation, spec, specDigest: 'sha256:spec' }],
    });
    const checked = await check();
    expect(await checked.result()).toEqual({ reports });
    expect(world.calls('confirmReports')).toEqual([{ model: 'm', reports }]);
    const decisions = await until(
      () => governor.query(getDecisions),
      (list) => list.length === 2
    );
    expect(decisions.map(({ by, reason }) => [by, reason])).toEqual([
      ['driftCheck', 'calm labels'],
      ['driftCheck', 'calm features'],
    ]);
    const shown = await details(checked);
    expect(shown).toMatch(/^\*\*2 windows reported\*\*/);
    for (const { windowId, part } of reports) expect(shown).toContain(`| ${windowId} ${part} | pass: calm ${part} |`);
  });
});
