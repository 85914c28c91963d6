import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readmeBlock } from '../support/readme-block.js';
import { repositoryRoot } from '../support/repository.js';
import { missingServer } from '../support/server-peer.js';

// What a reader of the README does with data of their own: an empty folder, the smallest model file as it is printed there
// (its three names of files changed), two programs that follow the contract, and the commands, to a model that answers.

const run = promisify(execFile);
const root = fileURLToPath(repositoryRoot);
const programs = fileURLToPath(new URL('test/support/small-model/', repositoryRoot));
const missing = await missingServer();
const env = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(?:TEMPORAL_|RETEMPO_ACTOR|FORCE_COLOR)/.test(name))
  ),
  NO_COLOR: '1',
};

/** A hundred days of customers, so many an hour: 30 % of them leave. */
function customers(perHour: number): string {
  const lines = ['id,seenAt,x,left'];
  for (let i = 0; i < 100 * 24 * perHour; i++) {
    const at = new Date(Date.UTC(2026, 0, 1) + Math.floor((i * 3_600_000) / perHour)).toISOString();
    const x = (i * 37) % 100;
    lines.push(`c${i},${at},${x / 100},${x < 30 ? 1 : 0}`);
  }
  return `${lines.join('\n')}\n`;
}

describe.skipIf(missing !== null)('a model of your own, from an empty folder', () => {
  let folder: string;
  let dev: ChildProcess;
  let shown = '';
  /** A command as the README has it, with its name for the checkout's command. */
  const retempo = async (command: string): Promise<string> => {
    const script = ['shopt -s expand_aliases', await readmeBlock('runs: command'), `cd ${folder}`, command].join('\n');
    return (await run('bash', ['-euc', script], { cwd: root, env, timeout: 120_000 })).stdout;
  };

  beforeAll(async () => {
    const outputs = join(root, '.test-output');
    await mkdir(outputs, { recursive: true });
    // Below the checkout, so that the programs find the one library that they use, as they would in a project of their own.
    folder = await mkdtemp(join(outputs, 'own-model-'));
    await cp(programs, folder, { recursive: true });
    await mkdir(join(folder, 'models'));
    await mkdir(join(folder, 'data'));
    await writeFile(join(folder, 'data', 'customers.csv'), customers(2));
    const printed = await readmeBlock('checked: model file');
    const own = printed
      .replace('customers.parquet', 'customers.csv')
      .replace('python3 train.py', 'node train.js')
      .replace('python3 predict.py', 'node predict.js');
    expect(own.match(/\.csv #|node \w+\.js/g)).toHaveLength(3);
    await writeFile(join(folder, 'models', 'churn.yaml'), own);
    await writeFile(join(folder, 'retempo.yaml'), await readmeBlock('checked: project file'));
    dev = spawn(process.execPath, [join(root, 'cli', 'retempo.js'), 'dev', '--port', '0', '--ui-port', '0'], {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
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
    if (dev !== undefined && dev.exitCode === null) {
      const ended = new Promise((resolve) => dev.once('exit', resolve));
      dev.kill('SIGINT');
      await ended;
    }
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  it('plan says beforehand that the gate would have too few rows', async () => {
    expect(await retempo('retempo plan')).toMatch(
      /^! churn: gate: the newest window to evaluate on, 2026-03-04 to 2026-03-11, has 336 labelled rows and gate\.minRows is 1 000/m
    );
  });

  it('with rows enough it is trained, judged and served', async () => {
    await writeFile(join(folder, 'data', 'customers.csv'), customers(8));
    const plan = await retempo('retempo plan');
    expect(plan).toContain('+ model churn');
    expect(plan.split('\n').filter((line) => line.startsWith('!'))).toEqual([]);
    await retempo('retempo apply');
    expect(await retempo('retempo retrain churn --why "first version"')).toContain('accepted');
    expect(await retempo('retempo watch churn')).toMatch(/promoted\s+v1-/);
    expect(await retempo('retempo status')).toMatch(/churn\s+healthy\s+v1-/);

    const url = /endpoint churn (http:\/\/127\.0\.0\.1:\d+)/.exec(shown)?.[1] ?? '';
    const inputs = [{ name: 'x', shape: [1, 1], datatype: 'FP32', data: [0.5] }];
    const answer = await fetch(`${url}/v2/models/churn/infer`, { method: 'POST', body: JSON.stringify({ inputs }) });
    const { outputs } = (await answer.json()) as { outputs: { name: string; data: number[] }[] };
    expect(outputs[0]).toMatchObject({ name: 'probability' });
    // The sigmoid of 0.5.
    expect(outputs[0]?.data[0]).toBeCloseTo(0.622459, 5);
    // One training and one evaluation: no program was started twice.
    const journal = await readFile(join(folder, '.retempo', 'onprem.local', 'journal.ndjson'), 'utf8');
    expect(journal.match(/"event":"started"/g)).toHaveLength(2);
  });
});
