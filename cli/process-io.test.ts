import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';

// The process's own signals and streams, so in a process of its own: the compiled form is what runs.
const compiled = JSON.stringify(new URL('./dist/process-io.js', import.meta.url).href);

/** Runs a program that has an `io`; `shell` may put something around it. */
function start(body: string, shell = '"$0" "$@"') {
  const script = `const { processIo } = await import(${compiled}); const io = processIo(); ${body}`;
  const child = spawn('/bin/bash', ['-c', shell, process.execPath, '--input-type=module', '-e', script], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const said = { out: '', err: '' };
  child.stdout.on('data', (data) => (said.out += String(data)));
  child.stderr.on('data', (data) => (said.err += String(data)));
  const ended = new Promise<unknown>((resolve) => child.once('close', (code, signal) => resolve(signal ?? code)));
  const line = (text: string) =>
    new Promise<void>((resolve) => {
      const look = () => said.out.includes(`${text}\n`) && resolve();
      child.stdout.on('data', look);
      look();
    });
  return { child, said, ended, line };
}

const goOn = 'setInterval(() => undefined, 1_000);';

it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('the first %s asks to end, the second ends', async (signal) => {
  const body = `io.interrupted.addEventListener('abort', () => console.log('asked')); ${goOn} console.log('ready');`;
  const { child, ended, line } = start(body, 'exec "$0" "$@"');
  await line('ready');
  child.kill(signal);
  await line('asked');
  child.kill(signal);
  expect(await ended).toBe(130);
});

it('a reader that has gone is no error', async () => {
  const body = `for (let line = 0; line < 100_000; line++) io.stdout.write('line\\n'); await new Promise(setImmediate);`;
  const { said, ended } = start(body, '"$0" "$@" | head -1; exit "${PIPESTATUS[0]}"');
  expect([await ended, said]).toEqual([0, { out: 'line\n', err: '' }]);
});

it.runIf(process.platform === 'linux')('any other trouble of a stream is one', async () => {
  const { said, ended } = start(`io.stdout.write('x'); io.stdout.write('y');`, '"$0" "$@" > /dev/full');
  expect(await ended).not.toBe(0);
  expect(said.err).toContain('ENOSPC');
});

it('nobody is asked where nobody sits', async () => {
  const { said, ended } = start(`console.log(await io.ask('really?'), io.terminal.stdin);`);
  expect([await ended, said]).toEqual([0, { out: 'null false\n', err: '' }]);
});

describe.runIf(process.platform === 'linux')('who sits at a terminal is asked', () => {
  const asked = `console.log('answer', JSON.stringify(await io.ask('really? ')));`;
  // `script` brings a terminal of its own.
  const terminal = `SHELL=/bin/bash exec script -qec "$(printf '%q ' "$0" "$@")" /dev/null`;

  it.each([
    ['an answer', 'tiny\n', '"tiny"'],
    ['Ctrl-C', '\u0003', 'null'],
    ['Ctrl-D', '\u0004', 'null'],
  ])('%s', async (_what, typed, answer) => {
    const { child, said, ended } = start(asked, terminal);
    // Once: a terminal shows what is typed, and that is not the question again.
    let isTyped = false;
    child.stdout.on('data', () => {
      if (isTyped || !said.out.includes('really? ')) return;
      isTyped = true;
      child.stdin.write(typed);
    });
    expect([await ended, said.out]).toEqual([0, expect.stringContaining(`answer ${answer}\r\n`)]);
  });
});
