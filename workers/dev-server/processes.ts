import { execFile } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * A text that changes when a process id is given to another process: the start time as the operating system tells it.
 * Null when no such process runs. A zombie counts as not running.
 */
export async function processStart(pid: number): Promise<string | null> {
  if (process.platform === 'linux') {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
    // The name in parentheses may contain anything, so fields are counted from the last closing one.
    const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields === undefined || fields[0] === 'Z' ? null : (fields[19] ?? null);
  }
  const { stdout } = await run('ps', ['-o', 'lstart=,stat=', '-p', String(pid)]).catch(() => ({ stdout: '' }));
  const line = stdout.trim();
  return line === '' || /\sZ\S*$/.test(line) ? null : line.replace(/\s+\S+$/, '');
}

/** A loopback port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (address !== null && typeof address === 'object') resolve(address.port);
        else reject(new Error('no loopback port could be bound'));
      });
    });
  });
}

/** True when a server could listen on this loopback port now. */
export function portIsFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => {
      server.close(() => resolve(true));
    });
  });
}

/** Who listens on a loopback port, as `process 123 (name)`, where the system lets us see it; otherwise null. */
export async function listenerOf(port: number): Promise<string | null> {
  if (process.platform === 'linux') return linuxListenerOf(port);
  const { stdout } = await run('lsof', ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-Fpc']).catch(() => ({ stdout: '' }));
  const pid = /^p(\d+)/m.exec(stdout)?.[1];
  return pid === undefined ? null : `process ${pid} (${/^c(.+)/m.exec(stdout)?.[1] ?? 'name unknown'})`;
}

async function linuxListenerOf(port: number): Promise<string | null> {
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFile(path, 'utf8').catch(() => ''))
  );
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  const sockets = new Set<string>();
  for (const line of tables.join('\n').split('\n')) {
    const fields = line.trim().split(/\s+/);
    // 0A is the state LISTEN.
    if (fields[3] === '0A' && fields[1]?.endsWith(`:${wanted}`) === true) sockets.add(`socket:[${fields[9]}]`);
  }
  if (sockets.size === 0) return null;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    for (const descriptor of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      if (sockets.has(await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => ''))) {
        const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'name unknown');
        return `process ${pid} (${name.trim()})`;
      }
    }
  }
  return null;
}
