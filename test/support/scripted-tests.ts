import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { startScriptedInstallation, type ScriptedInstallation, type ScriptedWorld } from './scripted-world.js';

/**
 * One scripted installation for the tests of a `describe`, and a world of its own for each of them. Call it in the body.
 *
 * @param into Takes both before every test.
 * @param workflowIds Workflows that a test may have left, ended after it.
 */
export function useScriptedInstallation(
  into: (test: ScriptedInstallation, world: ScriptedWorld) => void,
  workflowIds: () => readonly string[]
): void {
  let test: ScriptedInstallation;
  beforeAll(async () => {
    test = await startScriptedInstallation();
  });
  afterAll(() => test?.close());
  beforeEach(() => into(test, test.begin()));
  afterEach(() => test.end(...workflowIds()));
}
