import { connect } from 'node:net';
import { Connection } from '@temporalio/client';
import { messageOf } from './dev-server-error.js';
import { ensureSearchAttributes } from './search-attributes.js';

/**
 * Asks a server for a namespace and registers the search attributes. Null when everything is in place; otherwise why not
 * yet. `local` looks first whether anything listens.
 */
export async function serverProblem(address: string, namespace: string, local = false): Promise<string | null> {
  let connection: Connection | undefined;
  try {
    if (local && !(await accepts(address))) return 'nothing listens there';
    connection = Connection.lazy({ address, connectTimeout: '2s' });
    await connection.ensureConnected();
    const { workflowService } = connection;
    await connection.withDeadline(Date.now() + 5_000, () => workflowService.describeNamespace({ namespace }));
    await ensureSearchAttributes(connection, { namespace });
    return null;
  } catch (error) {
    return messageOf(error);
  } finally {
    await connection?.close();
  }
}

/** Asked first, because a gRPC client that was refused once waits for a second before it tries again. */
function accepts(address: string): Promise<boolean> {
  const { hostname, port } = new URL(`http://${address}`);
  return new Promise((done) => {
    const socket = connect({ host: hostname, port: Number(port) });
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });
}
