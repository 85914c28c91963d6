import { describe, expect, it } from 'vitest';
import { continuousTraining } from '@retempo/workflows';
import { controlQueue, governorId } from '@retempo/workflows/contracts';
import { pause, triggersReported } from '@retempo/workflows/messages';
import { useScriptedInstallation } from '../support/scripted-tests.js';
import { installation, spec, type ScriptedInstallation } from '../support/scripted-world.js';
import { missingServer } from '../support/server-peer.js';

const missing = await missingServer();

/** At rest a governor begins anew beyond this many events; a cancellation comes with three: itself, and its task. */
const mostAtRest = 50;
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
