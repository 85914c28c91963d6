import { onTestFinished } from 'vitest';
import { continuousTraining } from '@retempo/workflows';
import { controlQueue, digestOf, governorId, type ModelSpec } from '@retempo/workflows/contracts';
import { createWorld, type World } from '../../../examples/flight-delay/world.mjs';
import { startInstallation, type TestInstallation } from '../../support/installation.js';
import type { Sections } from '../../support/flight-project.js';
import { startTraffic } from '../../support/traffic.js';
import { createRecorder, type Recorder } from './recorder.js';

export const model = 'flight-delay';
export const site = 'onprem.east';

/** Small and quick: two epochs, one step at half of the traffic, two looks a second. */
export const quick: Sections = {
  train: { parameters: { rate: 0.05, epochs: 2 } },
  release: { steps: [50], lookEvery: '500ms' },
  retrain: { cooldown: '1s' },
};

/** An installation with the recorder and the moves that scenes are made of. */
export interface Stage {
  readonly test: TestInstallation;
  readonly recorder: Recorder;
  readonly world: World;
  readonly call: () => { readonly signal: AbortSignal; readonly deadlineMs: number };
  readonly retrain: TestInstallation['retrain'];
  readonly ended: TestInstallation['ended'];
  /** Changes sections of the model file on top of `quick` and applies them. */
  readonly change: (sections: Sections) => Promise<ModelSpec>;
  /** Starts the governor of a model of its own, made of the given spec; returns the first run's id. */
  readonly govern: (spec: ModelSpec) => Promise<string>;
  /** Live requests until stopped. */
  readonly traffic: () => Promise<ReturnType<typeof startTraffic>>;
  /** Waits until the workflow's own status has this phase. */
  readonly inPhase: (phase: string, of?: string) => Promise<void>;
  readonly keepRelease: (
    runId: string,
    names: { readonly [part in 'release' | 'pipeline' | 'gate']?: string }
  ) => Promise<void>;
}

export async function openStage(
  name: string,
  {
    week = 5,
    dynamicConfig = {},
  }: { readonly week?: number; readonly dynamicConfig?: { readonly [key: string]: number } } = {}
): Promise<Stage> {
  const test = await startInstallation({ name, sections: quick, dynamicConfig });
  onTestFinished(() => test.close());
  const world = await createWorld({ folder: test.project.live, peekMinutes: 30 });
  onTestFinished(() => world.close());
  await world.advanceTo(week);
  const recorder = createRecorder(test.client, test.project.folder);
  const call = () => ({ signal: AbortSignal.timeout(30_000), deadlineMs: Date.now() + 30_000 });
  return {
    test,
    recorder,
    world,
    call,
    retrain: test.retrain,
    ended: test.ended,
    async change(sections) {
      const merged = Object.fromEntries(
        [...new Set([...Object.keys(quick), ...Object.keys(sections)])].map((section) => [
          section,
          { ...quick[section], ...sections[section] },
        ])
      );
      await test.project.model(merged);
      return test.apply();
    },
    async govern(spec) {
      const { firstExecutionRunId } = await test.client.workflow.start(continuousTraining, {
        workflowId: governorId(spec.model),
        taskQueue: controlQueue,
        args: [{ v: 1, installation: test.installation, spec, specDigest: digestOf(spec) }],
      });
      return firstExecutionRunId;
    },
    async traffic() {
      const bodies = [];
      for await (const { body } of world.requestsOf(5, { limit: 500 })) bodies.push(body);
      return startTraffic(await test.site(site).routers.endpointUrl(model, call()), model, bodies);
    },
    async inPhase(phase, of = model) {
      await test.until(
        `phase ${phase}`,
        () => test.starters.getStatus(of),
        (status) => status.running?.phase === phase || status.detail?.phase === phase,
        120_000
      );
    },
    async keepRelease(runId, names) {
      if (names.release !== undefined) await recorder.keep(`modelRelease-${names.release}`, runId);
      if (names.pipeline !== undefined) await recorder.keep(`trainingPipeline-${names.pipeline}`, `${runId}/pipeline`);
      if (names.gate !== undefined) await recorder.keep(`validationGate-${names.gate}`, `${runId}/gate`);
    },
  };
}
