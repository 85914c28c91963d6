import { DevServerError } from './dev-server-error.js';
import { serverProblem } from './reach-server.js';
import type { DevServer } from './start-dev-server.js';

/** A server that runs already and is left alone. Throws {@link DevServerError} `notReachable` when it cannot be used. */
export async function existingServer(address: string, namespace: string): Promise<DevServer> {
  const problem = await serverProblem(address, namespace);
  if (problem !== null) {
    throw new DevServerError(
      'notReachable',
      `TEMPORAL_ADDRESS names ${address} (namespace ${namespace}), which cannot be used: ${problem}. ` +
        'Start that server, or unset TEMPORAL_ADDRESS to have one started here'
    );
  }
  return {
    address,
    uiUrl: null,
    namespace,
    pid: null,
    databaseFile: null,
    ended: new Promise(() => undefined),
    stop: () => Promise.resolve(),
    kill: () =>
      Promise.reject(
        new Error(
          `the Temporal server at ${address} was not started here and is not killed; end it where it was started`
        )
      ),
  };
}
