import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';

// A small process between a host and its dev server. The server is its child, so the server's id cannot be mistaken;
// its standard input is a pipe from the host, which the operating system closes however the host ends: also on SIGKILL.
// Arguments: log file, milliseconds between SIGTERM and SIGKILL, program, arguments of the program.
// It writes one line of JSON when the server runs, or when it could not be started.

const [logFile, graceText, program, ...programArguments] = process.argv.slice(2);
if (logFile === undefined || program === undefined) throw new Error('guardian: log file and program are needed');
const graceMs = Number(graceText);

const tell = (message: object): void => {
  process.stdout.write(`${JSON.stringify(message)}\n`);
};
// The host may be gone; then nobody reads, and that is no reason to stop half-way.
process.stdout.on('error', () => undefined);

const log = openSync(logFile, 'a');
const server = spawn(program, programArguments, { stdio: ['ignore', log, log] });
let ending = false;

function end(): void {
  if (ending) return;
  ending = true;
  server.kill('SIGTERM');
  setTimeout(() => server.kill('SIGKILL'), graceMs).unref();
}

server.once('spawn', () => tell({ pid: server.pid }));
server.once('error', (error) => {
  tell({ error: error.message });
  process.exit(1);
});
server.once('exit', (code, signal) => {
  tell({ exit: signal ?? code });
  process.exit(0);
});
process.stdin.once('end', end);
process.stdin.once('error', end);
process.stdin.resume();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
