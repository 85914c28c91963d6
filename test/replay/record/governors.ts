import { governorId, type ModelSpec } from '@retempo/workflows/contracts';
import { windowReported } from '@retempo/workflows/messages';
import { openStage, type Stage } from './stage.js';

// Governors of models of their own: their runs are refused by the gate or have no data, so that no endpoint is needed.

/** Every run of it trains quickly and is refused by the gate. */
const refusedBy = (spec: ModelSpec, name: string, retrain: Partial<ModelSpec['retrain']> = {}): ModelSpec => ({
  ...spec,
  model: name,
  gate: { ...spec.gate, metrics: { logLoss: { atMost: 0.01 } } },
  retrain: { ...spec.retrain, ...retrain },
});

/** Every run of it ends at once: there is no data at all. */
const withoutData = (spec: ModelSpec, name: string, retrain: Partial<ModelSpec['retrain']> = {}): ModelSpec => ({
  ...spec,
  model: name,
  data: { ...spec.data, split: { ...spec.data.split, trainMs: 700 * 86_400_000 } },
  retrain: { ...spec.retrain, ...retrain },
});

export async function recordGovernors(): Promise<void> {
  const stage = await openStage('governors');
  const spec = await stage.test.apply();
  await Promise.all([coalesce(stage, spec), refuseAndHold(stage, spec)]);
  await Promise.all([cooldown(stage, spec), pauseAndCancel(stage, spec), breaker(stage, spec)]);
  await Promise.all([recovery(stage, spec), lostRun(stage, spec), continueAsNew(stage, spec)]);
  await neverIdle();
}

const event = (of: string, id: string) => ({ model: of, source: 'pricing', id, cause: `new fares ${id}` });
const person = (of: string, id: string) => ({ ...event(of, id), kind: 'person' as const, actor: 'ann' });

async function coalesce({ test, recorder, govern, ended, inPhase }: Stage, spec: ModelSpec): Promise<void> {
  const name = 'coalesce';
  const first = await govern(refusedBy(spec, name));
  const answers = await Promise.all(['a', 'b', 'a', 'c'].map((id) => test.starters.requestRetrain(event(name, id))));
  if (new Set(answers.map(({ runId }) => runId)).size !== 1) throw new Error(JSON.stringify(answers));
  await inPhase('training', name);
  const later = await test.starters.requestRetrain(event(name, 'later'));
  await test.starters.reportEvents(
    name,
    Array.from({ length: 5 }, (_, i) => ({ ...event(name, `batch-${i}`), actor: 'pricing' }))
  );
  await ended(later.runId!, name);
  await recorder.keep('continuousTraining-coalesce', governorId(name), first);
}

async function refuseAndHold({ test, recorder, govern, ended }: Stage, spec: ModelSpec): Promise<void> {
  const name = 'refuse';
  const first = await govern(withoutData(spec, name, { atMost: { runs: 1, cost: null, perMs: 86_400_000 } }));
  const { runId } = await test.starters.requestRetrain(event(name, '1'));
  await ended(runId!, name);
  const held = await test.starters.requestRetrain(person(name, '2'));
  await test.starters.resume({ model: name, actor: 'ann', reason: 'mended' });
  const overBudget = await test.starters.requestRetrain(person(name, '3'));
  if (held.answer !== 'refused' || overBudget.answer !== 'refused' || overBudget.retryAt === undefined) {
    throw new Error(JSON.stringify({ held, overBudget }));
  }
  await recorder.keep('continuousTraining-refuse', governorId(name), first);
  await recorder.keep('modelRelease-no-data', runId!);
  await recorder.keep('trainingPipeline-no-data', `${runId!}/pipeline`);
}

async function cooldown({ test, recorder, govern, ended }: Stage, spec: ModelSpec): Promise<void> {
  const name = 'cooldown';
  // The first version is promoted, because there is nothing to be better than; the second run is refused.
  const gate = { ...spec.gate, metrics: { logLoss: { betterBy: 5 } } };
  const first = await govern({ ...spec, model: name, gate, retrain: { ...spec.retrain, cooldownMs: 5_000 } });
  const { runId } = await test.starters.requestRetrain(event(name, '1'));
  await ended(runId!, name);
  const reserved = await test.starters.requestRetrain(event(name, '2'));
  if (reserved.answer !== 'coalesced') throw new Error(JSON.stringify(reserved));
  await ended(reserved.runId!, name);
  await recorder.keep('continuousTraining-cooldown', governorId(name), first);
}

async function pauseAndCancel({ test, recorder, govern, ended }: Stage, spec: ModelSpec): Promise<void> {
  const name = 'pause';
  const first = await govern(withoutData(spec, name));
  await test.starters.pause({ model: name, actor: 'ann', reason: 'inventory' });
  const refused = await test.starters.requestRetrain(person(name, '1'));
  const reserved = await test.starters.requestRetrain(event(name, '2'));
  await test.starters.resume({ model: name, actor: 'ann', reason: 'done' });
  if (refused.answer !== 'refused' || reserved.answer !== 'coalesced') throw new Error('pause has no effect');
  await ended(reserved.runId!, name);
  const governor = test.client.workflow.getHandle(governorId(name));
  await governor.cancel();
  await test.until(
    'cancelled',
    () => governor.describe(),
    ({ status }) => status.name === 'CANCELLED'
  );
  const runs = await recorder.chain(governorId(name), first);
  await recorder.keep('continuousTraining-pause-resume', governorId(name), first);
  await recorder.keep('continuousTraining-cancelled', governorId(name), runs.at(-1));
}

/** A run without a usable result opens the breaker: no time ends that hold, a person does. */
async function breaker({ test, recorder, govern, ended }: Stage, spec: ModelSpec): Promise<void> {
  const name = 'breaker';
  const first = await govern(withoutData(spec, name, { breakerAfter: 1, cooldownMs: 500 }));
  const { runId } = await test.starters.requestRetrain(event(name, '1'));
  await ended(runId!, name);
  const { sentence } = await test.starters.getStatus(name);
  const refused = await test.starters.requestRetrain(person(name, '2'));
  if (!sentence.startsWith('on hold: 1 run without a usable result') || refused.answer !== 'refused')
    throw new Error(sentence);
  await test.starters.resume({ model: name, actor: 'ann', reason: 'mended' });
  await recorder.keep('continuousTraining-breaker', governorId(name), first);
}

async function recovery({ test, recorder, govern, ended, inPhase }: Stage, spec: ModelSpec): Promise<void> {
  const name = 'recovery';
  await govern(refusedBy(spec, name));
  const { runId } = await test.starters.requestRetrain(event(name, '1'));
  await inPhase('training', name);
  await test.client.workflow.getHandle(governorId(name)).terminate('recorded: its memory is in the registry');
  const second = await govern(refusedBy(spec, name));
  const repeated = await test.starters.requestRetrain(event(name, '1'));
  if (!repeated.repeated || repeated.runId !== runId) throw new Error(JSON.stringify(repeated));
  await ended(runId!, name);
  await recorder.keep('continuousTraining-recovery', governorId(name), second);
}

async function lostRun({ test, recorder, govern, ended, inPhase }: Stage, spec: ModelSpec): Promise<void> {
  const name = 'lost';
  const first = await govern(refusedBy(spec, name));
  const { runId } = await test.starters.requestRetrain(event(name, '1'));
  await inPhase('training', name);
  await test.client.workflow.getHandle(runId!).terminate('recorded: the governor notices');
  await ended(runId!, name);
  await recorder.keep('continuousTraining-lost-run', governorId(name), first);
  await test.until(
    'pipeline ended',
    () => test.client.workflow.getHandle(`${runId!}/pipeline`).describe(),
    ({ status }) => status.name !== 'RUNNING'
  );
  await recorder.keep('trainingPipeline-cancelled-by-parent', `${runId!}/pipeline`);
}

async function continueAsNew({ test, recorder, govern }: Stage, spec: ModelSpec): Promise<void> {
  const name = 'continue';
  const first = await govern(withoutData(spec, name));
  const governor = test.client.workflow.getHandle(governorId(name));
  for (let day = 1; (await recorder.chain(governorId(name), first)).length < 2; day++) {
    if (day > 30) throw new Error('never continued as new');
    const date = `2001-03-${String(day).padStart(2, '0')}`;
    await governor.signal(windowReported, {
      windowId: `${date}T00:00:00.000Z/${date}T23:59:59.000Z`,
      part: 'features',
      revision: 1,
      verdict: 'pass',
      confirmed: false,
      reason: 'a calm window',
      champion: null,
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  await test.starters.pause({ model: name, actor: 'ann', reason: 'after continue-as-new' });
  await governor.terminate('recorded');
  const runs = await recorder.chain(governorId(name), first);
  await recorder.keep('continuousTraining-continue-as-new', governorId(name), runs[0]);
  await recorder.keep('continuousTraining-continued', governorId(name), runs[1]);
}

/**
 * Signals and requests without a pause: the governor begins anew in the middle of its work, and takes along what it must. The
 * server suggests it early here, so that the history stays short.
 */
async function neverIdle(): Promise<void> {
  const dynamicConfig = { 'limit.historyCount.suggestContinueAsNew': 80 };
  const { test, recorder, govern } = await openStage('never-idle', { dynamicConfig });
  const spec = await test.apply();
  const name = 'busy';
  const first = await govern({ ...spec, model: name, retrain: { ...spec.retrain, cooldownMs: 3_600_000 } });
  const load = { on: true, sent: 0 };
  const sender = async () => {
    while (load.on) {
      const trigger = { ...event(name, `s${load.sent++}`), actor: 'pricing' };
      await test.starters.reportEvents(name, [trigger]);
    }
  };
  const caller = async () => {
    while (load.on) await test.starters.requestRetrain(event(name, `r${load.sent++}`));
  };
  const busy = Promise.all([sender(), caller(), caller()]);
  await test.until(
    'begun anew',
    () => recorder.chain(governorId(name), first),
    (runs) => runs.length > 1,
    120_000
  );
  load.on = false;
  await busy;
  await test.client.workflow.getHandle(governorId(name)).terminate('recorded');
  await recorder.keep('continuousTraining-never-idle', governorId(name), first);
}
