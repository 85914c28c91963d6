import { describe, expect, it } from 'vitest';
import { canaryDeployment, modelRelease } from '@retempo/workflows';
import {
  controlQueue,
  endpointId,
  failureType,
  jobKey,
  type JobOutcome,
  type ModelSpec,
  type PipelineResult,
  type ReleaseInput,
  type ReleaseOutcome,
} from '@retempo/workflows/contracts';
import { approve, getRunStatus } from '@retempo/workflows/messages';
import { ApplicationFailure } from '@temporalio/common';
import {
  artifact,
  gatePassed,
  hold,
  installation,
  runInput,
  spec,
  trouble,
  type ScriptedInstallation,
  type ScriptedWorld,
} from '../support/scripted-world.js';
import { useScriptedInstallation } from '../support/scripted-tests.js';
import { missingServer } from '../support/server-peer.js';

const missing = await missingServer();

// What a run makes of answers that it seldom gets. The oracle is the journal of that world: which jobs were submitted where,
// which were stopped, what the endpoint served. There is no governor: nobody listens to the run.

const endpoint = endpointId(spec.release.site, spec.release.endpoint);
const [east, west] = ['onprem.east', 'onprem.west'];
const outcome = (result: JobOutcome['result'], message = 'its words'): JobOutcome => ({ result, message });

describe.skipIf(missing !== null)('a run in a world that answers as it seldom does', () => {
  let test: ScriptedInstallation;
  let world: ScriptedWorld;
  let runId = '';
  let started = 0;
  useScriptedInstallation(
    (...opened) => ([test, world] = opened),
    () => [runId, `${runId}/pipeline`, `${runId}/gate`, endpoint]
  );

  const handle = (id: string) => test.client.workflow.getHandle(id);
  const start = (change: Partial<ModelSpec> = {}, more: Partial<ReleaseInput> = {}) => {
    runId = `retempo/m/run/${++started}-00000000`;
    const args: [ReleaseInput] = [{ ...runInput(runId), spec: { ...spec, ...change }, ...more }];
    return test.client.workflow.start(modelRelease, { workflowId: runId, taskQueue: controlQueue, args });
  };
  const run = async (change: Partial<ModelSpec> = {}, more: Partial<ReleaseInput> = {}): Promise<ReleaseOutcome> =>
    (await start(change, more)).result();
  const attempts = async () => {
    const result = (await handle(`${runId}/pipeline`).result()) as PipelineResult;
    if (result.result !== 'trained') throw new Error(result.reason);
    return result.attempts
      .filter(({ step }) => step === 'train')
      .map(({ place, submitted, ended }) => [place, submitted, ended]);
  };
  /** Queues to which jobs of a step were submitted, in order. */
  const submitted = (step = 'train') =>
    world.journal.flatMap(({ name, queue, input }) =>
      name === 'submitJob' && (input as { step: string }).step.startsWith(step) ? [queue] : []
    );
  const stopped = () => world.calls('stopJob').map(({ key }) => key);
  const keyOf = (attempt: number) => jobKey(runId, 'train', attempt);
  const nothingServed = () => {
    expect(world.served).toEqual([]);
    expect(world.names).not.toContain('setChampion');
  };

  describe('helped', () => {
    it.each([
      ['asked for by a person, however small the gain', false, 0.001, 'v1', true],
      ['caused by drift, with the gain that is asked for', true, 0.01, 'v1', true],
      ['caused by drift, with less', true, 0.009, 'v1', false],
      ['caused by drift, and nobody can tell the gain', true, null, 'v1', false],
      ['caused by drift, and there was no champion', true, null, null, true],
    ] as const)('%s', async (_, causedByDrift, gain, champion, helped) => {
      if (champion === null) {
        world.champion = null;
        world.endpoint = null;
      }
      world.next('evaluateGate', () => ({ ...gatePassed, gain }));
      expect(await run({}, { causedByDrift })).toMatchObject({ result: 'promoted', helped, version: 'v2' });
    });
  });

  describe('places', () => {
    it.each([
      ['CapacityUnavailable', 'no capacity in time'],
      ['QuotaExceeded', 'quota exceeded'],
    ] as const)('a pool that refuses with %s hands over, visibly', async (errorClass, ended) => {
      world.next('submitJob', () => {
        throw trouble(errorClass);
      });
      expect((await run()).result).toBe('promoted');
      expect(submitted()).toEqual([`retempo.${east}.jobs`, `retempo.${west}.jobs`]);
      expect(await attempts()).toEqual([
        [`${east}/cpu`, false, ended],
        [`${west}/cpu`, true, 'succeeded'],
      ]);
      // Whoever trained it evaluates it.
      expect(new Set(submitted('evaluate'))).toEqual(new Set([`retempo.${west}.jobs`]));
    });

    it('a job that waits too long for its pool is stopped there, and goes to the next', async () => {
      world.next('awaitJob', () => {
        throw trouble('CapacityUnavailable');
      });
      expect((await run()).result).toBe('promoted');
      expect(stopped()).toEqual([keyOf(1)]);
      expect(await attempts()).toEqual([
        [`${east}/cpu`, true, 'no capacity in time'],
        [`${west}/cpu`, true, 'succeeded'],
      ]);
    });

    it.each(['preempted', 'lost'] as const)(
      'what was %s is tried again at its pool, then at the next, each time from the newest checkpoint',
      async (result) => {
        world.next(
          'awaitJob',
          () => outcome(result),
          () => outcome(result)
        );
        world.next(
          'findCheckpoint',
          () => artifact('epoch 3'),
          () => artifact('epoch 5')
        );
        expect((await run()).result).toBe('promoted');
        expect(await attempts()).toEqual([
          [`${east}/cpu`, true, `${result}: its words`],
          [`${east}/cpu`, true, `${result}: its words`],
          [`${west}/cpu`, true, 'succeeded'],
        ]);
        const jobs = world.calls('submitJob').filter(({ step }) => step === 'train');
        expect(jobs.map((job) => [job.attempt, job.key, job.spec.checkpoint?.digest])).toEqual([
          [1, keyOf(1), undefined],
          [2, keyOf(2), 'sha256:epoch 3'],
          [3, keyOf(3), 'sha256:epoch 5'],
        ]);
        // A first attempt has nothing to resume from, and an evaluation begins anew.
        expect(world.calls('findCheckpoint')).toHaveLength(2);
        expect(stopped()).toEqual([]);
      }
    );

    it('a job of which nobody knows how it ended is stopped before another one starts', async () => {
      world.next('awaitJob', () => outcome('unknown'));
      expect((await run()).result).toBe('promoted');
      expect(stopped()).toEqual([keyOf(1)]);
      const order = world.journal
        .filter(({ input }) => [keyOf(1), keyOf(2)].includes((input as { key?: string }).key ?? ''))
        .map(({ name }) => name);
      expect(order).toEqual(['submitJob', 'stopJob', 'submitJob']);
    });

    it.each([
      ['failed', 'UserCodeFailed'],
      ['stopped', 'Cancelled'],
    ] as const)('a program that %s is not tried again', async (result, errorClass) => {
      world.next('awaitJob', () => outcome(result, 'no column x'));
      const ended = await run();
      expect(ended).toMatchObject({ result: 'error', helped: false, reason: expect.stringContaining('no column x') });
      expect(submitted()).toHaveLength(1);
      const pipeline = await handle(`${runId}/pipeline`)
        .result()
        .catch((error: unknown) => (error as { cause?: unknown }).cause);
      expect(pipeline).toMatchObject({ type: failureType.port(errorClass) });
      nothingServed();
    });

    it('a submit that failed for good may have left a job: it is stopped by its key', async () => {
      world.next('submitJob', () => {
        throw trouble('InvalidSpec', 'what is that?');
      });
      expect((await run()).reason).toBe('what is that?');
      expect(stopped()).toEqual([keyOf(1)]);
    });

    it('no pool can do it: the run ends, names every try, and says what to do', async () => {
      const full = () => {
        throw trouble('CapacityUnavailable');
      };
      world.next('submitJob', full, full);
      expect((await run()).reason).toBe(
        'train: no pool could finish it: onprem.east/cpu attempt 1: no capacity in time; onprem.west/cpu attempt 2: no capacity in time; start a worker at one of them, or add a pool to train.at'
      );
    });

    it('the champion is scored with the program and the files of its own version', async () => {
      await run();
      const of = (step: string) => world.calls('submitJob').find((job) => job.step === step)!.spec;
      expect([of('evaluate-champion').program, of('evaluate-champion').code]).toEqual([
        { command: ['evaluate v1'] },
        artifact('code of v1'),
      ]);
      expect([of('evaluate-candidate').program, of('evaluate-candidate').code]).toEqual([
        { command: ['evaluate'] },
        artifact('code'),
      ]);
      // On the same frozen rows.
      expect(of('evaluate-champion').inputs['evaluate']).toEqual(of('evaluate-candidate').inputs['evaluate']);
    });
  });

  describe('J4: cancelled', () => {
    const ended = async (running: Awaited<ReturnType<typeof start>>) => {
      expect(await running.result()).toEqual({
        result: 'cancelled',
        helped: false,
        reason: 'cancelled by a person; jobs are stopped and the champion serves',
      });
      const [exported] = world.calls('exportRun');
      expect(exported?.decisions.at(-1)).toMatchObject({ by: 'release', what: 'cancelled' });
    };

    it('while it submits: the submit is not cut short, and what it made is stopped', async () => {
      const submitting = hold();
      world.next('submitJob', (_, usual) => submitting.wait(usual));
      const running = await start();
      await submitting.there;
      await running.cancel();
      await test.handled(handle(`${runId}/pipeline`));
      submitting.letGo();
      await ended(running);
      expect(stopped()).toEqual([keyOf(1)]);
      expect(submitted()).toHaveLength(1);
    });

    it('while a worker dies in its submit: the key is taken before it is stopped, however late that worker wakes', async () => {
      const dead = hold();
      world.next('submitJob', (_, usual) => dead.wait(usual));
      const limits = { ...installation.limits, heartbeatMs: 1_000 };
      const running = await start({}, { installation: { ...installation, limits } });
      await dead.there;
      await running.cancel();
      await ended(running);
      // The other order would leave a job that nobody knows: what is not there cannot be stopped, and comes later.
      const order = world.names.filter((name) => name === 'submitJob' || name === 'stopJob');
      expect(order).toEqual(['submitJob', 'submitJob', 'stopJob']);
      expect(new Set(world.calls('submitJob').map(({ key }) => key))).toEqual(new Set(stopped()));
      dead.letGo();
    });

    it('while it waits: the job is stopped by its key, and the run waits for that', async () => {
      const [waiting, stopping] = [hold(), hold()];
      world.next('awaitJob', () => waiting.wait(() => outcome('succeeded')));
      world.next('stopJob', (_, usual) => stopping.wait(usual));
      const running = await start();
      await waiting.there;
      await running.cancel();
      await stopping.there;
      expect((await running.describe()).status.name).toBe('RUNNING');
      stopping.letGo();
      await ended(running);
      waiting.letGo();
      expect(stopped()).toEqual([keyOf(1)]);
    });

    it('a site that cannot stop it does not keep the run from ending: its reaper does that later', async () => {
      const waiting = hold();
      world.next('awaitJob', () => waiting.wait(() => outcome('succeeded')));
      world.next('stopJob', () => {
        throw trouble('AuthDenied', 'not mine to stop');
      });
      const running = await start();
      await waiting.there;
      await running.cancel();
      await ended(running);
      waiting.letGo();
    });
  });

  describe('data and gate', () => {
    it.each([
      ['pass', 'promoted'],
      ['fail', 'refusedByGate'],
      ['inconclusive', 'refusedByGate'],
      ['noData', 'noData'],
      ['error', 'error'],
    ] as const)('five verdicts: %s ends as %s', async (verdict, result) => {
      world.next('evaluateGate', () => ({ ...gatePassed, verdict, reasons: ['the numbers'] }));
      const ended = await run();
      expect(ended.result).toBe(result);
      if (verdict === 'pass') return;
      expect(ended).toMatchObject({ helped: false, version: 'v2', reason: `gate ${verdict}: the numbers` });
      nothingServed();
    });

    it('a verdict that is no pass asks nobody to approve', async () => {
      const approval = { quorum: 1, from: [], expiresMs: 60_000 };
      world.next('evaluateGate', () => ({ ...gatePassed, verdict: 'inconclusive' as const }));
      expect((await run({ gate: { ...spec.gate, approval } })).result).toBe('refusedByGate');
    });

    it('an approval before anything waits for one is answered, not kept; one that nobody gives in time rejects', async () => {
      const judging = hold();
      world.next('evaluateGate', (_, usual) => judging.wait(usual));
      const approval = { quorum: 1, from: [], expiresMs: 2_000 };
      const running = await start({ gate: { ...spec.gate, approval } });
      await judging.there;
      const digests = { model: 'm', evidence: 'e', policy: 'p' };
      const early = await handle(`${runId}/gate`).executeUpdate(approve, {
        args: [{ actor: 'bob', reason: 'blindly', digests }],
      });
      expect(early).toEqual({
        done: false,
        reason: 'nothing waits for an approval here; the status of the model names what does',
      });
      judging.letGo();
      expect(await running.result()).toMatchObject({
        result: 'rejected',
        helped: false,
        reason: 'nobody approved in time; ask for a retrain to ask again',
      });
      nothingServed();
    });

    it('data that are not there and data that are not valid cost no job', async () => {
      world.next('snapshotData', () => {
        throw ApplicationFailure.create({ type: failureType.dataMissing, message: '200 rows more' });
      });
      expect(await run()).toMatchObject({ result: 'noData', reason: '200 rows more' });
      expect(submitted()).toEqual([]);
      world.next('snapshotData', (_, usual) => {
        const { snapshot } = usual();
        return { result: 'invalid', breaches: ['distance is negative', 'origin is missing'], snapshot };
      });
      expect(await run()).toMatchObject({ result: 'dataInvalid', reason: 'distance is negative; origin is missing' });
      expect(submitted()).toEqual([]);
    });
  });

  describe('the endpoint', () => {
    it('serves something else than the champion: the run ends, and nobody touches the traffic', async () => {
      world.endpoint = { ...world.endpoint!, versions: { v0: { weight: 100, ready: 1 }, v1: { weight: 0, ready: 1 } } };
      expect(await run()).toMatchObject({
        result: 'error',
        reason:
          'endpoint e serves {"v0":100}, but the registry\'s champion is v1; bring them together with: retempo rollback m',
      });
      nothingServed();
    });

    it('18: has its writer already: the run waits for it, says so, and goes on after it', async () => {
      const back = hold();
      world.next('setTraffic', (_, usual) => back.wait(usual));
      const v1 = { version: 'v1', artifact: artifact('v1') };
      await test.client.workflow.start(canaryDeployment, {
        workflowId: endpoint,
        taskQueue: controlQueue,
        args: [
          {
            v: 1,
            mode: 'restore',
            installation,
            releaseId: 'retempo/m/run/0-00000000',
            model: 'm',
            release: spec.release,
            policyDigest: '',
            candidate: v1,
            evidenceDigest: '',
            champion: v1,
            requestedBy: [],
          },
        ],
      });
      await back.there;
      const running = await start();
      const refused = async () =>
        (await running.fetchHistory()).events!.some((e) => e.startChildWorkflowExecutionFailedEventAttributes != null);
      while (!(await refused())) await new Promise((resolve) => setTimeout(resolve, 100));
      expect((await running.query(getRunStatus)).phase).toBe('canary');
      back.letGo();
      expect((await running.result()).result).toBe('promoted');
    });

    it('G3: its canary is terminated: another one gives the champion everything back, and the run says so', async () => {
      const looking = hold();
      world.next('observe', (_, usual) => looking.wait(usual));
      const running = await start();
      await looking.there;
      await handle(endpoint).terminate('a test');
      const ended = await running.result();
      looking.letGo();
      expect(ended).toMatchObject({ result: 'rolledBack', helped: false });
      expect(ended.reason).toMatch(/^the canary was ended from outside .*; the champion is restored$/);
      expect(world.served.at(-1)).toEqual({ v1: 100 });
      expect(world.names).not.toContain('setChampion');
    });
  });
});
