import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { processStart } from './processes.js';

/** A dev server that runs on a state folder, as others find it. */
export interface RunningDevServer {
  /** `127.0.0.1:<port>`. */
  readonly address: string;
  /** Address of the Web UI, or null when the server was started without one. */
  readonly uiUrl: string | null;
  readonly namespace: string;
  readonly pid: number;
  readonly databaseFile: string;
}

interface ServerRecord extends RunningDevServer {
  readonly v: 1;
  /** Start time of the process; a process id alone may have been given to somebody else since. */
  readonly processStart: string;
}

const recordFile = (stateFolder: string): string => join(stateFolder, 'temporal', 'server.json');

/** The dev server that runs on this state folder now, or null. A record that a killed server left behind is ignored. */
export async function findDevServer(stateFolder: string): Promise<RunningDevServer | null> {
  const text = await readFile(recordFile(stateFolder), 'utf8').catch(() => null);
  if (text === null) return null;
  let record: ServerRecord;
  try {
    record = JSON.parse(text) as ServerRecord;
  } catch {
    return null;
  }
  if (record.v !== 1 || (await processStart(record.pid)) !== record.processStart) return null;
  const { address, uiUrl, namespace, pid, databaseFile } = record;
  return { address, uiUrl, namespace, pid, databaseFile };
}

/** Leaves the record by which {@link findDevServer} finds a server. */
export async function recordDevServer(stateFolder: string, server: RunningDevServer): Promise<void> {
  const started = await processStart(server.pid);
  if (started === null) return;
  const file = recordFile(stateFolder);
  await mkdir(dirname(file), { recursive: true });
  const record: ServerRecord = { v: 1, ...server, processStart: started };
  await writeFile(`${file}.${process.pid}`, `${JSON.stringify(record)}\n`);
  await rename(`${file}.${process.pid}`, file);
}

/** Removes the record, unless it meanwhile names another server. */
export async function forgetDevServer(stateFolder: string, pid: number): Promise<void> {
  const text = await readFile(recordFile(stateFolder), 'utf8').catch(() => '{}');
  if (text.includes(`"pid":${pid},`)) await rm(recordFile(stateFolder), { force: true });
}
