import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { startScriptedInstallation, type ScriptedInstallation, type ScriptedWorld } from './scripted-world.js';

/**
 * One scripted installation for the tests of a `describe`, and a world of its own for each of them. Call it in the body.
 *
 * @param into Takes both before every test.
 * @param workflowIds Workflows that a test may have left, ended after it.
 * @param dynamicConfig Settings of the server.
 */
export function useScriptedInstallation(
  into: (test: ScriptedInstallation, world: ScriptedWorld) => void,
  workflowIds: () => readonly string[],
  dynamicConfig?: Parameters<typeof startScriptedInstallation>[0]
): void {
  let test: ScriptedInstallation;
  beforeAll(async () => {
    test = await startScriptedInstallation(dynamicConfig);
  });
  afterAll(() => test?.close());
  beforeEach(() => into(test, test.begin()));
  afterEach(() => test.end(...workflowIds()));
}
