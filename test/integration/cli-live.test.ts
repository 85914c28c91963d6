import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repositoryRoot } from '../support/repository.js';
import { missingServer } from '../support/server-peer.js';
import { createTinyProject, type TinyProject } from '../support/tiny-project.js';

// What a person sees while something happens, with the limits that nobody has set: live progress of a training, and the
// power of canary and gate once there are requests and evidence.

const bin = fileURLToPath(new URL('cli/dist/bin.js', repositoryRoot));
const missing = await missingServer();
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(?:TEMPORAL_|RETEMPO_|FORCE_COLOR|NO_COLOR)/.test(name))
);

let project: TinyProject;

function retempo(
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [bin, ...args], { cwd: project.folder, env }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
  });
}

async function edit(file: string, change: (text: string) => string): Promise<void> {
  const path = join(project.folder, file);
  const text = await readFile(path, 'utf8');
  expect(change(text)).not.toBe(text);
  await writeFile(path, change(text));
}

describe.skipIf(missing !== null)('retempo dev and watch', () => {
  let dev: ChildProcess;
  let said = '';
  let endpointUrl = '';

  /** Starts dev and returns the address of the endpoint when it is ready. */
  async function startDev(): Promise<string> {
    said = '';
    const started = spawn(process.execPath, [bin, 'dev', '--port', '0', '--ui-port', '0', '--json'], {
      cwd: project.folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    dev = started;
    started.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const ready = await new Promise<string>((resolve, reject) => {
      let out = '';
      started.stdout.on('data', (chunk: Buffer) => {
        out += chunk.toString();
        if (out.includes('\n')) resolve(out);
      });
      started.once('exit', () => reject(new Error(`dev ended: ${said}`)));
    });
    return (JSON.parse(ready) as { endpoints: { url: string }[] }).endpoints[0]?.url ?? '';
  }

  async function interruptDev(): Promise<void> {
    const ended = new Promise((resolve) => dev.once('exit', resolve));
    dev.kill('SIGINT');
    await ended;
  }

  beforeAll(async () => {
    project = await createTinyProject();
    // The defaults: a heartbeat time-out of 75 s, as wherever every heartbeat costs something.
    await writeFile(
      join(project.folder, 'retempo.yaml'),
      'sites:\n  onprem.local: { pools: { cpu: { slots: 2 } }, stopGrace: 2s }\n'
    );
    await edit('models/tiny.yaml', (text) => text.replace('steps: 3, pauseMs: 20', 'steps: 40, pauseMs: 250'));
    endpointUrl = await startDev();
  });

  afterAll(async () => {
    if (dev !== undefined && dev.exitCode === null) await interruptDev();
    await project?.remove();
  });

  it('progress of a training is shown as it happens', async () => {
    expect((await retempo('apply')).code).toBe(0);
    expect((await retempo('retrain', 'tiny', '--why', 'first version')).code).toBe(0);
    const watched = await retempo('watch', 'tiny', '--every', '500ms', '--json');
    expect(watched.code, watched.err).toBe(0);
    interface Seen {
      readonly status?: {
        readonly detail: { readonly phase: string; readonly candidate?: string; readonly job?: object | null } | null;
      };
      readonly part?: {
        readonly activities: readonly { readonly details: { readonly progress?: { step?: number } } }[];
      };
    }
    const seen = watched.out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Seen);
    const steps = seen
      .flatMap(({ part }) => part?.activities ?? [])
      .flatMap(({ details }) => details.progress?.step ?? []);
    // A training of ten seconds; with one heartbeat a minute there would be its first word and nothing more.
    expect(new Set(steps).size, watched.out).toBeGreaterThanOrEqual(3);
    expect(steps).toEqual(steps.toSorted((a, b) => a - b));
    const details = seen.flatMap(({ status }) => status?.detail ?? []);
    expect(details).toContainEqual(
      expect.objectContaining({
        phase: 'training',
        candidate: 'v1',
        job: { step: 'train', attempt: 1, place: 'onprem.local/cpu' },
      })
    );
    const registered = new Set(details.flatMap(({ candidate }) => (candidate === 'v1' ? [] : (candidate ?? []))));
    expect([...registered]).toEqual([expect.stringMatching(/^v1-[0-9a-f]{8}$/)]);
  });

  it('plan says how long a canary takes at the traffic there is, and what the gate can prove', async () => {
    const body = JSON.stringify({ inputs: [{ name: 'x', shape: [1, 1], datatype: 'FP32', data: [0.5] }] });
    const infer = async () => {
      const answer = await fetch(`${endpointUrl}/v2/models/tiny/infer`, { method: 'POST', body });
      expect(answer.status).toBe(200);
    };
    await infer();
    // A rate needs some seconds between the first request and now.
    await sleep(11_000);
    await infer();
    // The gate of a second run compares two versions, whose losses differ from row to row; then its evidence says how wide
    // the interval is.
    await edit('models/tiny.yaml', (text) => text.replace('steps: 40, pauseMs: 250', 'steps: 2, pauseMs: 1'));
    await edit('predict.js', (text) => text.replace('`${id},0.3`', '`${id},${0.1 + (lines.length % 5) / 10}`'));
    expect((await retempo('apply')).code).toBe(0);
    expect((await retempo('retrain', 'tiny', '--why', 'again')).code).toBe(0);
    // It tells how the run ended also where that was before it began.
    const watched = await retempo('watch', 'tiny', '--every', '500ms');
    expect(watched.out).toContain('refusedByGate');
    await edit('models/tiny.yaml', (text) => text.replace('cooldown: 0s', 'cooldown: 1s'));
    const plan = await retempo('plan');
    expect(plan.out).toMatch(
      /i tiny: canary: at 0\.5 % errors a healthy candidate .* in all, .+ at the traffic of the last [\d. smin]+; from 1 %/
    );
    expect(plan.out).toMatch(
      /! tiny: gate: with \d+ rows an equal model passes logLoss notWorseBy 0\.01 only [\d.]+ % of the time; 0\.\d+ gives 9\d/
    );
  });

  it('Ctrl-C in the middle of a training: the next dev goes on with it, and nothing runs twice', async () => {
    await edit('models/tiny.yaml', (text) => text.replace('steps: 2, pauseMs: 1', 'steps: 60, pauseMs: 250'));
    expect((await retempo('apply')).code).toBe(0);
    expect((await retempo('retrain', 'tiny', '--force', '--why', 'interrupted')).code).toBe(0);
    const once = async () =>
      JSON.parse((await retempo('watch', 'tiny', '--once', '--json')).out) as {
        readonly status: { readonly running: { readonly runId: string } | null };
        readonly part: { readonly activities: readonly { readonly details: { readonly progress?: object } }[] } | null;
      };
    let seen = await once();
    while (seen.part?.activities[0]?.details.progress === undefined) seen = await once();
    const runId = seen.status.running?.runId;
    await interruptDev();
    expect(said).toContain(`still runs at onprem.local: job`);
    expect(said).toContain(`(${runId})`);

    await startDev();
    const ended = async () => {
      const { decisions } = JSON.parse((await retempo('decisions', 'tiny', '--json')).out) as {
        readonly decisions: readonly { readonly by: string; readonly what: string; readonly runId?: string }[];
      };
      return decisions.find((one) => one.by === 'release' && one.runId === runId);
    };
    let end = await ended();
    while (end === undefined) end = await ended();
    expect(end.what).toBe('refusedByGate');
    // The world's own record: every job of the project was started once.
    const journal = await readFile(join(project.folder, '.retempo', 'onprem.local', 'journal.ndjson'), 'utf8');
    const started = journal
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly event: string; readonly key: string })
      .filter(({ event }) => event === 'started')
      .map(({ key }) => key);
    // One training and one evaluation of the first run; one training and two evaluations of each later one.
    expect(started).toHaveLength(8);
    expect(new Set(started).size).toBe(8);
  });
});
