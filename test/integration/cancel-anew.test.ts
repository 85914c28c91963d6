import { describe, expect, it } from 'vitest';
import { continuousTraining } from '@retempo/workflows';
import { controlQueue, governorId } from '@retempo/workflows/contracts';
import { pause, triggersReported } from '@retempo/workflows/messages';
import { useScriptedCanary } from '../support/scripted-canary.js';
import { useScriptedInstallation } from '../support/scripted-tests.js';
import {
  hold,
  installation,
  look,
  spec,
  type ScriptedInstallation,
  type ScriptedWorld,
} from '../support/scripted-world.js';
import { missingServer } from '../support/server-peer.js';

const missing = await missingServer();

/** At rest a governor begins anew beyond this many events; a cancellation comes with three: itself, and its task. */
const mostAtRest = 50;
/** And a canary when the server suggests it, here beyond this many; its first look begins long before. */
const suggestedAt = 300;
const button = { actor: 'ann', reason: 'because' };

describe.skipIf(missing !== null)('a governor that is about to begin anew', () => {
  let test: ScriptedInstallation;
  useScriptedInstallation(
    (opened) => (test = opened),
    () => [governorId('m')]
  );

  it('ends when the cancellation is what makes it long enough', async () => {
    const governor = await test.client.workflow.start(continuousTraining, {
      workflowId: governorId('m'),
      taskQueue: controlQueue,
      args: [{ v: 1, installation, spec, specDigest: 'sha256:spec' }],
    });
    const describeRun = () => test.client.workflow.getHandle(governorId('m')).describe();
    /** Its length when nothing has been added for a while. */
    const lengthAtRest = async (): Promise<number> => {
      for (let before = -1; ;) {
        const { historyLength } = await describeRun();
        if (historyLength === before) return before;
        before = historyLength;
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
    };
    const first = (await describeRun()).runId;
    for (let length = await lengthAtRest(); length + 3 <= mostAtRest; length = await lengthAtRest()) {
      // Four events or five: any length can be reached.
      if ((mostAtRest - length) % 4 === 3) await governor.executeUpdate(pause, { args: [button] });
      else await governor.signal(triggersReported, { triggers: [] });
    }
    // It is still the run that was filled, and not long enough yet.
    expect((await describeRun()).runId).toBe(first);
    await governor.cancel();
    const filled = test.client.workflow.getHandle(governorId('m'), first, { followRuns: false });
    await expect(filled.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
    expect(await describeRun()).toMatchObject({ runId: first, status: { name: 'CANCELLED' } });
  });
});

describe.skipIf(missing !== null)('a canary that is about to begin anew', () => {
  let test: ScriptedInstallation;
  let world: ScriptedWorld;
  const { start, rolledBack } = useScriptedCanary((...opened) => ([test, world] = opened), {
    'limit.historyCount.suggestContinueAsNew': suggestedAt,
  });

  it('gives the traffic back when the cancellation comes with the end of a look and with what makes it long enough', async () => {
    const looking = hold();
    world.next('observe', () => looking.wait(() => look('continue')));
    const canary = await start();
    await looking.there;
    const answers = async () => {
      const { events } = await canary.fetchHistory();
      return (events ?? []).filter((event) => event.activityTaskCompletedEventAttributes != null).length;
    };
    const before = await answers();
    await test.whileAway(async () => {
      looking.letGo();
      while ((await answers()) === before) await new Promise((resolve) => setTimeout(resolve, 50));
      // Nobody listens to them, but each is an event.
      for (let left = suggestedAt; left > 0; left -= 100)
        await Promise.all(Array.from({ length: 100 }, () => canary.signal('filler')));
      await canary.cancel();
    });
    const result = await canary.result();
    expect([result.result, result.reason]).toEqual(['aborted', 'cancelled']);
    rolledBack(result);
    expect((await canary.describe()).runId).toBe(canary.firstExecutionRunId);
  });
});
