import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { onprem } from '@retempo/onprem';
import { loadProject } from '@retempo/workers';
import { readmeBlock } from '../support/readme-block.js';
import { repositoryRoot } from '../support/repository.js';
import { missingServer } from '../support/server-peer.js';

const missing = await missingServer();

// Every command and snippet of the README is run, as it stands there, on a copy of the example. Only ports are changed:
// free ones instead of 7233, 8233 and 8500, which somebody may be using. The two commands at the top are run by CI itself.

const run = promisify(execFile);
const root = fileURLToPath(repositoryRoot);

describe.skipIf(missing !== null)('README', () => {
  let folder: string;
  let dev: ChildProcess;
  let shown = '';
  const elsewhere: string[] = [];
  const address = () => /Temporal\s+(127\.0\.0\.1:\d+)/.exec(shown)?.[1] ?? '';
  const endpoint = () => /endpoint flight-delay (http:\/\/127\.0\.0\.1:\d+)/.exec(shown)?.[1] ?? '';
  const bash = async (script: string) => {
    const env = { ...process.env, NO_COLOR: '1', RETEMPO_ACTOR: 'reader' };
    return (await run('bash', ['-euc', script], { cwd: folder, env, timeout: 150_000 })).stdout;
  };

  beforeAll(async () => {
    const outputs = join(root, '.test-output');
    await mkdir(outputs, { recursive: true });
    folder = await mkdtemp(join(outputs, 'readme-'));
    const example = join(root, 'examples/flight-delay');
    for (const part of ['train.js', 'predict.js', 'lib', 'data', 'models', 'package.json', 'retempo.yaml']) {
      await cp(join(example, part), join(folder, part), { recursive: true });
    }
    const config = await readFile(join(folder, 'retempo.yaml'), 'utf8');
    expect(config).toContain('8500');
    await writeFile(join(folder, 'retempo.yaml'), config.replace('8500', '0'));
    const [enter, command, ...more] = (await readmeBlock('runs: dev')).trim().split('\n');
    expect([enter, command, more]).toEqual(['cd examples/flight-delay', 'npx retempo dev', []]);
    dev = spawn('npx', ['retempo', 'dev', '--port', '0', '--ui-port', '0'], {
      cwd: folder,
      env: { ...process.env, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    dev.stdout?.on('data', (chunk) => (shown += String(chunk)));
    dev.stderr?.on('data', (chunk) => (shown += String(chunk)));
    const deadline = Date.now() + 90_000;
    while (!shown.includes('Ready in')) {
      if (dev.exitCode !== null || Date.now() > deadline) throw new Error(`retempo dev did not get ready:\n${shown}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  });
  afterAll(async () => {
    const ended = new Promise((resolve) => dev.once('exit', resolve));
    // The group: npx, and the command it runs.
    if (dev.pid !== undefined && dev.exitCode === null) {
      process.kill(-dev.pid, 'SIGINT');
      await ended;
    }
    for (const made of [folder, ...elsewhere]) await rm(made, { recursive: true, force: true });
  });

  it('your own model in ten minutes: every command works and says what the README promises', async () => {
    const [enter, ...commands] = (await readmeBlock('runs: session')).trim().split('\n');
    expect(enter).toBe('cd examples/flight-delay');
    const said: Record<string, string> = {};
    for (const command of commands) said[command.split(' ')[2]!] = await bash(command);
    expect(Object.keys(said)).toEqual(['plan', 'apply', 'retrain', 'watch', 'status', 'decisions']);
    expect(said['plan']).toContain('+ model flight-delay');
    expect(said['retrain']).toContain('accepted');
    expect(said['watch']).toMatch(/promoted\s+v1-/);
    expect(said['status']).toMatch(/flight-delay\s+healthy\s+v1-/);
    expect(said['decisions']).toContain('first version');
  });

  it('the served model answers the request', async () => {
    const command = await readmeBlock('runs: infer');
    expect(command).toContain('http://127.0.0.1:8500/');
    const answer = JSON.parse(await bash(command.replace('http://127.0.0.1:8500', endpoint()))) as {
      outputs: { name: string; data: number[] }[];
    };
    expect(answer.outputs[0]).toMatchObject({ name: 'probability' });
    expect(answer.outputs[0]!.data[0]).toBeGreaterThan(0);
    expect(answer.outputs[0]!.data[0]).toBeLessThan(1);
  });

  it('the starter is answered', async () => {
    const file = join(folder, 'starter.mjs');
    await writeFile(file, await readmeBlock('runs: starter'));
    const env = { ...process.env, TEMPORAL_ADDRESS: address() };
    const { stdout } = await run(process.execPath, [file], { cwd: folder, env, timeout: 60_000 });
    expect(stdout).toMatch(/^(accepted|coalesced) retempo\/flight-delay\/run\/2-/);
  });

  it('the smallest model file is one, and plan says what is missing', async () => {
    const project = await mkdtemp(join(tmpdir(), 'retempo-smallest-'));
    elsewhere.push(project);
    await mkdir(join(project, 'models'), { recursive: true });
    await writeFile(join(project, 'models/churn.yaml'), await readmeBlock('checked: model file'));
    for (const program of ['train.py', 'predict.py']) await writeFile(join(project, program), 'print()\n');
    await writeFile(join(project, 'retempo.yaml'), await readmeBlock('checked: project file'));
    const { models } = await loadProject({ folder: project, providers: [onprem()] });
    expect(models[0]?.draft).toMatchObject({ model: 'churn', train: { run: ['python3', 'train.py'] } });
    // The command of the checkout, in a folder that knows nothing of it.
    const script = [
      'shopt -s expand_aliases',
      await readmeBlock('runs: command'),
      `cd ${project}`,
      'retempo plan',
    ].join('\n');
    const env = { ...process.env, NO_COLOR: '1', TEMPORAL_ADDRESS: address() };
    const { stdout } = await run('bash', ['-euc', script], { cwd: root, env, timeout: 60_000 });
    expect(stdout).toContain('+ model churn    governor retempo/churn, watch every 7 d');
    expect(stdout.split('\n').filter((line) => line.startsWith('!'))).toEqual([
      `! churn: a run would end as it begins: there is no file ${project}/data/customers.parquet`,
    ]);
  });
});
