import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Signals that a platform interrupts a program with. */
type Interruption = 'SIGTERM' | 'SIGKILL';

/** What a program left behind. */
export interface Finished {
  readonly code: number | null;
  /** What ended it, when it did not exit by itself. */
  readonly signal: string | null;
  /** Lines of stdout. */
  readonly lines: readonly string[];
  readonly stderr: string;
}

/** One run of `train.js` or `predict.js`. */
export interface ProgramRun {
  readonly program: 'train.js' | 'predict.js';
  /** Folder for input, output and checkpoint; created. */
  readonly folder: string;
  readonly inputs: Readonly<Record<string, string>>;
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** Folder of a checkpoint that was brought from elsewhere. */
  readonly checkpoint?: string;
  /** Called with each line of stdout; what it returns is sent to the process. */
  readonly onLine?: (line: string) => Interruption | undefined;
}

/** Creates an empty temporary folder. */
export async function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'flight-delay-'));
}

/** Runs a program of this folder as a platform would, with `output` and `checkpoint` inside `folder`. */
export async function runProgram(run: ProgramRun): Promise<Finished> {
  const { program, folder, inputs, parameters = {}, checkpoint = null, onLine } = run;
  const [input, output, kept] = [join(folder, 'input.json'), join(folder, 'output'), join(folder, 'checkpoint')];
  // A result is only what the last attempt wrote; the checkpoint stays from attempt to attempt.
  await rm(output, { recursive: true, force: true });
  for (const path of [output, kept]) await mkdir(path, { recursive: true });
  await writeFile(input, JSON.stringify({ v: 1, parameters, inputs, checkpoint }));

  const child = spawn(process.execPath, [fileURLToPath(new URL(program, import.meta.url))], {
    env: { PATH: process.env['PATH'], RETEMPO_INPUT: input, RETEMPO_OUTPUT: output, RETEMPO_CHECKPOINT: kept },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  let [rest, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    for (const line of parts) {
      lines.push(line);
      const signal = onLine?.(line);
      if (signal !== undefined) child.kill(signal);
    }
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, lines, stderr }));
  });
}
