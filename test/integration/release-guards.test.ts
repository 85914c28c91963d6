import type { WorkflowHandle } from '@temporalio/client';
import { describe, expect, it } from 'vitest';
import { modelRelease } from '@retempo/workflows';
import {
  controlQueue,
  endpointId,
  jobKey,
  type ApprovalDigests,
  type GateInput,
  type JobOutcome,
  type ModelSpec,
  type PipelineResult,
  type ReleaseInput,
} from '@retempo/workflows/contracts';
import { approve, getRunStatus, reject } from '@retempo/workflows/messages';
import { eventsOf, kindOf } from '../support/histories.js';
import { useScriptedInstallation } from '../support/scripted-tests.js';
import {
  artifact,
  gatePassed,
  hold,
  installation,
  runInput,
  spec,
  version,
  type ScriptedInstallation,
  type ScriptedWorld,
} from '../support/scripted-world.js';
import { missingServer } from '../support/server-peer.js';

const missing = await missingServer();

// What a run is compared with, where it goes when nobody is there, and what it asks of the server: how long each activity may
// take, and how often it is tried.

const endpoint = endpointId(spec.release.site, spec.release.endpoint);
const seconds = (duration: { readonly seconds?: unknown } | null | undefined) => Number(duration?.seconds ?? 0);

describe.skipIf(missing !== null)('a run, what it compares and what it asks for', () => {
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
  const fails = () => ({ ...gatePassed, verdict: 'fail' as const });
  /** A site of which nobody has started a worker. */
  const north = 'onprem.north/cpu';
  /** Seconds, not less: the other sites have that long to take what is theirs. */
  const soon = { installation: { ...installation, limits: { ...installation.limits, noWorkerMs: 5_000 } } };

  it('an anchor that is another version than the champion is scored by its own program, and the gate is given both', async () => {
    world.next('getChampion', () => ({ champion: version('v1'), anchor: version('v0') }));
    world.next('evaluateGate', fails);
    await (await start()).result();
    const scored = world.calls('submitJob').find(({ step }) => step === 'evaluate-anchor');
    expect([scored?.spec.program, scored?.spec.inputs['model']]).toEqual([
      { command: ['evaluate v0'] },
      artifact('v0'),
    ]);
    const [gate] = world.calls('evaluateGate');
    expect(gate?.predictions).toEqual({
      candidate: artifact('evaluate-candidate 1'),
      champion: artifact('evaluate-champion 1'),
      anchor: artifact('evaluate-anchor 1'),
    });
    expect(gate?.comparedWith).toEqual({ champion: 'sha256:v1', anchor: 'sha256:v0' });
  });

  it('an anchor that is the champion is not scored twice', async () => {
    world.next('getChampion', () => ({ champion: version('v1'), anchor: version('v1') }));
    world.next('evaluateGate', fails);
    await (await start()).result();
    expect(world.calls('submitJob').map(({ step }) => step)).toEqual([
      'train',
      'evaluate-candidate',
      'evaluate-champion',
    ]);
    expect(world.calls('evaluateGate')[0]?.predictions.anchor).toEqual(artifact('evaluate-champion 1'));
  });

  it('no site with a worker that could read the data: the run ends, and says what to start', async () => {
    const running = await start({ train: { ...spec.train, at: [north] } }, soon);
    expect(await running.result()).toMatchObject({
      result: 'error',
      reason:
        'no site has a worker that could read the data (onprem.north); start one with: retempo worker --site onprem.north',
    });
    const pipeline = await handle(`${runId}/pipeline`)
      .result()
      .catch((error: unknown) => (error as { cause?: unknown }).cause);
    expect(pipeline).toMatchObject({ type: 'Retempo.NoPlace', nonRetryable: true });
  });

  it('a first site without a worker: the next one reads the data and trains', async () => {
    world.next('evaluateGate', fails);
    await (await start({ train: { ...spec.train, at: [north, 'onprem.west/cpu'] } }, soon)).result();
    const reads = world.journal.filter(({ name }) => name === 'snapshotData').map(({ queue }) => queue);
    expect(reads).toEqual(['retempo.onprem.west.data']);
    const pipeline = (await handle(`${runId}/pipeline`).result()) as Extract<PipelineResult, { result: 'trained' }>;
    expect(pipeline.attempts.map(({ step, place, submitted }) => [step, place, submitted])).toEqual([
      ['train', north, false],
      ['train', 'onprem.west/cpu', true],
      ['evaluate-candidate', 'onprem.west/cpu', true],
      ['evaluate-champion', 'onprem.west/cpu', true],
    ]);
  });

  it('an evaluation that is lost begins anew: a checkpoint is for what is trained', async () => {
    const ended = (result: JobOutcome['result']) => (): JobOutcome => ({ result, message: 'its words' });
    world.next('awaitJob', ended('succeeded'), ended('lost'));
    world.next('findCheckpoint', () => artifact('epoch 3'));
    world.next('evaluateGate', fails);
    await (await start()).result();
    const jobs = world.calls('submitJob').filter(({ step }) => step === 'evaluate-candidate');
    expect(jobs.map(({ attempt, spec: { checkpoint } }) => [attempt, checkpoint])).toEqual([
      [1, undefined],
      [2, undefined],
    ]);
    expect(world.calls('findCheckpoint')).toEqual([]);
  });

  describe('votes on a gate that come while nobody listens', () => {
    const digestsOf = ([asked]: readonly GateInput[]): ApprovalDigests => ({
      model: asked!.version.artifact.digest,
      evidence: gatePassed.evidenceDigest,
      policy: asked!.policyDigest,
    });
    /** A gate whose time runs: it is named as waiting a task earlier, and has no timer if its worker leaves in between. */
    const asks = async (expiresMs: number) => {
      const running = await start({ gate: { ...spec.gate, approval: { quorum: 1, from: [], expiresMs } } });
      const gate = handle(`${runId}/gate`);
      await happened(gate, 'timerStarted');
      return { running, gate, digests: digestsOf(world.calls('evaluateGate')) };
    };
    /** Until an event of this kind is in its history; a workflow that is not there yet has none. */
    const happened = async (one: WorkflowHandle, kind: string) => {
      const kinds = async () => (await eventsOf(one).catch(() => [])).map(kindOf);
      while (!(await kinds()).includes(kind)) await new Promise((resolve) => setTimeout(resolve, 50));
    };
    /** One that comes when the gate has closed has no effect either. */
    const late = () => ({ done: false });

    it('an approval that comes as the time ends is answered as it is counted', async () => {
      const { running, gate, digests } = await asks(3_000);
      let answer: Promise<{ readonly done: boolean }> | undefined;
      await test.whileAway(async () => {
        await happened(gate, 'timerFired');
        // Nothing of an update is in a history before a worker has seen it.
        answer = gate.executeUpdate(approve, { args: [{ actor: 'bob', reason: 'fine', digests }] }).catch(late);
        await gate.describe();
      });
      const { result } = await running.result();
      expect((await answer!).done).toBe(result === 'promoted');
    });

    it('a rejection that cannot be read is refused; of an approval and a rejection at once, one decides and only that one is told so', async () => {
      const { running, gate, digests } = await asks(600_000);
      expect((await gate.query(getRunStatus)).waitingFor?.digests).toEqual(digests);
      const bad = gate.executeUpdate<unknown, [unknown]>(reject.name, { args: [{ actor: 'bob' }] });
      await expect(bad).rejects.toMatchObject({ cause: { message: expect.stringContaining('expected') } });
      let answers: Promise<{ readonly done: boolean }>[] = [];
      await test.whileAway(async () => {
        const yes = gate.executeUpdate(approve, { args: [{ actor: 'bob', reason: 'fine', digests }] });
        const no = gate.executeUpdate(reject, { args: [{ actor: 'cara', reason: 'not so', digests }] });
        answers = [yes.catch(late), no.catch(late)];
        await gate.describe();
      });
      const { result } = await running.result();
      const [approved, rejected] = await Promise.all(answers);
      expect([approved!.done, rejected!.done]).toEqual([result === 'promoted', result === 'rejected']);
      expect(approved!.done).not.toBe(rejected!.done);
    });
  });

  describe('terminated', () => {
    it('G3: in its canary: that gives the traffic back by itself', async () => {
      const looking = hold();
      world.next('observe', (_, usual) => looking.wait(usual));
      const running = await start();
      await looking.there;
      await running.terminate('a test');
      expect(await handle(endpoint).result()).toMatchObject({ result: 'aborted', weights: { v1: 100 } });
      looking.letGo();
      expect(world.served.at(-1)).toEqual({ v1: 100 });
      expect(world.names).not.toContain('setChampion');
    });

    it('J4: in its training: the job is stopped', async () => {
      const waiting = hold();
      world.next('awaitJob', () => waiting.wait((): JobOutcome => ({ result: 'succeeded', message: '' })));
      const running = await start();
      await waiting.there;
      await running.terminate('a test');
      const pipeline = handle(`${runId}/pipeline`);
      await expect(pipeline.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
      waiting.letGo();
      expect(world.calls('stopJob').map(({ key }) => key)).toEqual([jobKey(runId, 'train', 1)]);
    });
  });

  it('time-outs and tries: what takes long may, what moves on does so in time, and what must not be lost is tried on', async () => {
    expect((await (await start()).result()).result).toBe('promoted');
    const { noWorkerMs, heartbeatMs } = installation.limits;
    const [inTime, beat] = [noWorkerMs / 1000, heartbeatMs / 1000];
    const asked: Record<string, readonly unknown[]> = {};
    for (const id of [runId, `${runId}/pipeline`, `${runId}/gate`, endpoint]) {
      for (const { activityTaskScheduledEventAttributes: one } of await eventsOf(handle(id))) {
        if (one == null) continue;
        asked[one.activityType!.name!] = [
          seconds(one.startToCloseTimeout) / 60,
          seconds(one.scheduleToStartTimeout) === inTime ? inTime : 'any',
          seconds(one.heartbeatTimeout),
          one.retryPolicy!.maximumAttempts!,
        ];
      }
    }
    const days = 24 * 60;
    // Minutes, seconds until somebody takes it, seconds between heartbeats, and tries; 0 of these is without end.
    expect(asked).toEqual({
      getChampion: [1, 'any', beat, 20],
      exportRun: [2, 'any', beat, 0],
      snapshotData: [30, inTime, beat, 30],
      submitJob: [5, inTime, beat, 30],
      awaitJob: [30 * days, inTime, beat, 0],
      collectOutput: [30, inTime, beat, 30],
      registerVersion: [2, 'any', beat, 0],
      evaluateGate: [30, 'any', beat, 20],
      describeEndpoint: [1, 'any', beat, 20],
      deployVersion: [2, 'any', beat, 8],
      observe: [1, inTime, beat, 20],
      setTraffic: [2, 'any', beat, 8],
      setChampion: [2, 'any', beat, 0],
      retireVersion: [2, 'any', beat, 8],
    });
  });
});
