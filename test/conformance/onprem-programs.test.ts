import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCheckpointActivities, createStores, materialize, sealFolder } from '@retempo/activities';
import { eventually, freeCall, jobSteps, rejectsWith } from '@retempo/activities/conformance';
import { PortError } from '@retempo/activities/ports';
import type { JobRef, JobSpec } from '@retempo/workflows/contracts';
import { describe, expect, it } from 'vitest';
import { mountSmallDisk } from '../../activities/core/artifacts/small-disk.test.util.js';
import { createLocalJobsWorld, isRunning } from '../support/local-jobs-world.js';
import { openJobsUnderTest } from './jobs-under-test.js';

const { newWorld, world, steps, startRunning } = openJobsUnderTest();
const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [`${entry.parentPath}/${entry.name}`] : []
  );

const outputFile = (ref: JobRef, name: string): string =>
  readFileSync(`${world.jobFolder(ref.key)}/output/${name}`, 'utf8');

describe('onprem jobs: what the program is given', () => {
  const hostile = [
    '$(touch pwned)',
    '`touch pwned`',
    '; touch pwned',
    '&& touch pwned #',
    '| touch pwned',
    '> pwned',
    "it's",
    '"quoted"',
    '\\',
    'line\nbreak\r\n',
    '\ttab',
    '--flag=1',
    '-e',
    '*',
    '~',
    '{{ template }}',
    '${HOME}',
    '%0a',
    'Grüße 東京 🚀 \u202e',
    ' leading and trailing ',
    '',
    'x'.repeat(100_000),
  ];

  it('X6 hostile parameters and arguments arrive byte for byte and start no other process', async () => {
    const echo = world.job('echo');
    const [node = '', program = ''] = 'command' in echo.spec.program ? echo.spec.program.command : [];
    const parameters = { texts: hostile, nested: { 'a key with spaces': [1.5, true, null] } };
    const ref = await steps.submit({
      ...echo,
      spec: { ...echo.spec, program: { command: [node, program, 'echo', ...hostile] }, parameters },
    });
    expect(await steps.await(ref)).toMatchObject({ result: 'succeeded' });
    const seen = JSON.parse(outputFile(ref, 'echo.json')) as { argv: string[]; input: { parameters: unknown } };
    expect(seen.argv).toEqual(hostile);
    expect(seen.input.parameters).toEqual(parameters);
    expect(filesBelow(world.folder).filter((path) => path.includes('pwned'))).toEqual([]);
    const running = await startRunning('run', { parameters });
    const marker = `RETEMPO_JOB=${running.key}`;
    const members = readdirSync('/proc').filter((pid) => {
      try {
        return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(marker);
      } catch {
        return false;
      }
    });
    expect(members.map(Number)).toEqual([world.started(running.key)[0]?.pid]);
    await steps.stop(running.key);
  });

  it('the environment is minimal: nothing of the worker, secrets by reference and on no disk', async () => {
    process.env['CLOUD_KEY_OF_THE_WORKER'] = 'do-not-leak-5021';
    const vault = newWorld({ context: { secret: (name) => Promise.resolve(`value-of-${name}-7731`) } });
    const vaultSteps = jobSteps(vault);
    const echo = vault.job('echo', { env: { TOKEN: 'secret:warehouse', PLAIN: 'a=b' } });
    const ref = await vaultSteps.submit(echo);
    expect(await vaultSteps.await(ref)).toMatchObject({ result: 'succeeded' });
    delete process.env['CLOUD_KEY_OF_THE_WORKER'];
    const output = `${vault.jobFolder(ref.key)}/output/echo.json`;
    const { env } = JSON.parse(readFileSync(output, 'utf8')) as { env: { [name: string]: string } };
    expect(env).toMatchObject({ TOKEN: 'value-of-warehouse-7731', PLAIN: 'a=b', RETEMPO_JOB: ref.key });
    expect(
      Object.keys(env)
        .filter((name) => !name.startsWith('RETEMPO_'))
        .sort()
    ).toEqual(['HOME', 'LANG', 'ORACLE', 'PATH', 'PLAIN', 'TMPDIR', 'TOKEN'].sort());
    rmSync(output);
    // The supervisor outlives the worker for days: it is given no more than its program.
    process.env['CLOUD_KEY_OF_THE_WORKER'] = 'do-not-leak-5021';
    const { key } = await vaultSteps.submit(vault.job('run'));
    await vaultSteps.untilRunning(key);
    delete process.env['CLOUD_KEY_OF_THE_WORKER'];
    const names = readFileSync(`/proc/${vault.supervisor(key)?.pid}/environ`, 'utf8')
      .split('\0')
      .map((entry) => entry.split('=')[0] ?? '');
    expect(new Set(names)).toEqual(new Set(['HOME', 'LANG', 'PATH', '']));
    await vaultSteps.stop(key);
    const leaks = filesBelow(vault.root).filter((path) => /-7731|-5021/.test(readFileSync(path, 'utf8')));
    expect(leaks).toEqual([]);
  });

  it('code and inputs are verified copies; the code finds node_modules of the project above; a changed copy is replaced', async () => {
    const stores = createStores([world.store]);
    let downloads = 0;
    const project = newWorld({
      parent: world.folder,
      context: {
        materialize: async (ref, folder, call) => {
          downloads += 1;
          await materialize({ stores, ref, folder }, call);
        },
      },
    });
    const projectSteps = jobSteps(project);
    mkdirSync(`${project.folder}/node_modules/house`, { recursive: true });
    writeFileSync(
      `${project.folder}/node_modules/house/package.json`,
      '{"name":"house","type":"module","main":"index.js"}'
    );
    writeFileSync(`${project.folder}/node_modules/house/index.js`, 'export const roof = "red";');
    mkdirSync(`${project.folder}/code/lib`, { recursive: true });
    const train = `
      import { roof } from 'house';
      import { readFileSync, writeFileSync, appendFileSync } from 'node:fs';
      import { here } from './lib/here.mjs';
      const input = JSON.parse(readFileSync(process.env.RETEMPO_INPUT, 'utf8'));
      appendFileSync('train.mjs', ' ');
      writeFileSync(process.env.RETEMPO_OUTPUT + '/seen', [roof, here, readFileSync(input.inputs.rows + '/rows.csv', 'utf8')].join());`;
    writeFileSync(`${project.folder}/code/train.mjs`, train);
    writeFileSync(`${project.folder}/code/lib/here.mjs`, 'export const here = "lib";');
    mkdirSync(`${project.folder}/data`);
    writeFileSync(`${project.folder}/data/rows.csv`, '1,2');
    const seal = (name: string) =>
      sealFolder({ store: world.store, folder: `${project.folder}/${name}`, prefix: 'snapshots' }, freeCall());
    const [code, rows] = [await seal('code'), await seal('data')];
    const spec: Partial<JobSpec> = { program: { command: ['node', 'train.mjs'] }, code, inputs: { rows } };
    const runOnce = async () => {
      const ref = await projectSteps.submit(project.job('unused', spec));
      expect(await projectSteps.await(ref)).toMatchObject({ result: 'succeeded' });
      return readFileSync(`${project.jobFolder(ref.key)}/output/seen`, 'utf8');
    };
    expect(await runOnce()).toBe('red,lib,1,2');
    expect(await runOnce()).toBe('red,lib,1,2');
    expect(downloads).toBe(2);
    const cached = filesBelow(`${project.root}/cache`).find((path) => path.endsWith('rows.csv')) ?? '';
    rmSync(cached);
    writeFileSync(cached, '6,6');
    expect(await runOnce()).toBe('red,lib,1,2');
    expect(downloads).toBe(3);
  });

  it('inputs that cannot be had for good end the job with their class; passing trouble is shown and tried again', async () => {
    let isBack = false;
    const broken = newWorld({
      context: {
        materialize: async (ref) => {
          if (ref.uri.includes('rotten')) throw new PortError('Integrity', 'bytes do not match');
          if (!isBack) throw new PortError('ServiceFault', 'the store is away');
        },
      },
    });
    const brokenSteps = jobSteps(broken);
    const ref = (name: string, digit: string) =>
      ({ v: 1, uri: `file:///${name}/`, digest: `sha256:${digit.repeat(64)}`, bytes: 1 }) as const;
    const rotten = await brokenSteps.submit(broken.job('succeed', { inputs: { rows: ref('rotten', 'a') } }));
    expect(await brokenSteps.await(rotten)).toMatchObject({ result: 'failed', class: 'Integrity' });
    const away = await brokenSteps.submit(broken.job('succeed', { inputs: { rows: ref('away', 'b') } }));
    const backend = broken.open();
    const state = await eventually('problem is shown', async () => {
      const now = await backend.describe(away, freeCall());
      return JSON.stringify(now).includes('the store is away') ? now : undefined;
    });
    expect(state.phase).toBe('starting');
    isBack = true;
    expect(await brokenSteps.await(away)).toMatchObject({ result: 'succeeded' });
  });

  it('J4 a stop does not wait for a download that it makes pointless', async () => {
    const slow = newWorld({ context: { materialize: () => new Promise(() => undefined) } });
    const slowSteps = jobSteps(slow);
    const rows = { v: 1, uri: 'file:///never/', digest: `sha256:${'c'.repeat(64)}`, bytes: 1 } as const;
    const backend = slow.open();
    const ref = await slowSteps.submit(slow.job('succeed', { inputs: { rows } }), backend);
    expect(await backend.describe(ref, freeCall())).toMatchObject({
      phase: 'starting',
      progress: { waitingFor: 'inputs' },
    });
    await slowSteps.stop(ref.key, backend);
    expect(await slowSteps.await(ref)).toMatchObject({ result: 'stopped', class: 'Cancelled' });
    expect(slow.started(ref.key)).toEqual([]);
  });

  it('J7 a checkpoint is copied while the program runs, and the next attempt finds it', async () => {
    const stores = createStores([world.store]);
    const resumable = newWorld({
      context: { materialize: (ref, folder, call) => materialize({ stores, ref, folder }, call) },
    });
    const resumableSteps = jobSteps({ ...resumable, store: world.store });
    const finder = createCheckpointActivities({ stores: [world.store] });
    const step = { releaseId: 'release', step: 'train' };
    const find = () => resumableSteps.inActivity(() => finder.findCheckpoint(step));
    expect(await find()).toBeNull();
    const first = await resumableSteps.submit(resumable.job('checkpoint'));
    const waiting = resumableSteps.await(first);
    const checkpoint = await eventually('checkpoint', async () => (await find()) ?? undefined);
    await resumableSteps.stop(first.key);
    expect(await waiting).toMatchObject({ result: 'stopped' });
    const second = await resumableSteps.submit(resumable.job('checkpoint', { checkpoint }));
    expect(await resumableSteps.await(second)).toMatchObject({ result: 'succeeded' });
    const seen = JSON.parse(readFileSync(`${resumable.jobFolder(second.key)}/output/before.json`, 'utf8')) as object;
    expect(seen).toEqual({ before: ['step 7'], told: `${resumable.jobFolder(second.key)}/checkpoint` });
  });
});

describe('onprem jobs: limits', () => {
  it('a log never grows without bound, and its very end is in the outcome', async () => {
    const chatty = newWorld({ logBytes: 256 * 1024 });
    const chattySteps = jobSteps(chatty);
    const ref = await chattySteps.submit(chatty.job('chatter', { parameters: { bytes: 30 * 1024 * 1024 } }));
    const outcome = await chattySteps.await(ref);
    expect(outcome).toMatchObject({ result: 'failed', class: 'UserCodeFailed' });
    expect(outcome.message.endsWith('the very last line')).toBe(true);
    expect(Buffer.byteLength(outcome.message)).toBeLessThanOrEqual(2048);
    const logs = readdirSync(chatty.jobFolder(ref.key)).filter((name) => name.startsWith('std'));
    const bytes = logs.map((name) => statSync(`${chatty.jobFolder(ref.key)}/${name}`).size);
    expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(3 * 256 * 1024);
  });

  it('a full disk: the end of the program is still recorded; a new job is refused by class', async ({ skip }) => {
    const mountPoint = mkdtempSync(`${tmpdir()}/retempo-full-`);
    const refusal = mountSmallDisk(mountPoint, 4);
    if (refusal !== null) {
      rmSync(mountPoint, { recursive: true });
      return skip(refusal);
    }
    try {
      const full = createLocalJobsWorld({ parent: mountPoint });
      const fullSteps = jobSteps(full);
      const ref = await fullSteps.submit(full.job('fillDisk'));
      await eventually(
        'program has ended',
        async () => (await full.starts(ref.key)) === 1 && (await full.running(ref.key)) === 0
      );
      await rejectsWith('CapacityUnavailable', full.open().create(full.job('succeed'), freeCall()));
      rmSync(`${full.jobFolder(ref.key)}/output/big`);
      expect(await fullSteps.await(ref)).toMatchObject({ result: 'failed', class: 'UserCodeFailed' });
      await full.close();
    } finally {
      spawnSync('umount', ['-l', mountPoint]);
      rmSync(mountPoint, { recursive: true });
    }
  });

  it('A4 an output with a link out of its folder is refused, whatever it points to', async () => {
    const ref = await steps.submit(world.job('succeed'));
    await steps.await(ref);
    const output = `${world.jobFolder(ref.key)}/output`;
    for (const [target, name] of [
      ['/etc/passwd', 'absolute'],
      ['../job.json', 'relative'],
      [output, 'folder'],
      ['result.txt', 'inside'],
    ] as const) {
      symlinkSync(target, `${output}/${name}`);
      const collecting = steps.inActivity(() =>
        steps.activities().collectOutput({ ref, kind: 'versions', required: [] })
      );
      expect(await rejectsWith('UserCodeFailed', collecting)).toContain('symbolic link');
      rmSync(`${output}/${name}`);
    }
  });

  it('InvalidSpec: each wrong part is named, and nothing is started', async () => {
    const { key } = world.job('run');
    const wrong: readonly [RegExp, Partial<JobSpec>][] = [
      [/commands only/, { program: { native: {} } }],
      [/empty/, { program: { command: [] } }],
      [/NUL/, { program: { command: ['node', 'a\0b'] } }],
      [/replicas/, { replicas: 2 }],
      [/RETEMPO_/, { env: { RETEMPO_OUTPUT: '/etc' } }],
      [/environment variable/, { env: { 'A=B': 'x' } }],
      [/NUL/, { env: { A: '\0' } }],
      [/input/, { inputs: { '../x': { v: 1, uri: 'file:///x/', digest: 'x', bytes: 1 } } }],
      [/timeoutMs/, { timeoutMs: Number.POSITIVE_INFINITY }],
      [/timeoutMs/, { timeoutMs: 0 }],
    ];
    for (const [pattern, spec] of wrong) {
      const intent = { ...world.job('run'), key };
      const creating = world.open().create({ ...intent, spec: { ...intent.spec, ...spec } }, freeCall());
      expect(await rejectsWith('InvalidSpec', creating)).toMatch(pattern);
    }
    const badKeys = ['../../../etc', 'A'.repeat(64), '', `${'a'.repeat(63)}/`];
    for (const badKey of badKeys) {
      await rejectsWith('InvalidSpec', world.open().create({ ...world.job('run'), key: badKey }, freeCall()));
      expect(await world.open().find(badKey, freeCall())).toEqual([]);
    }
    const creating = world.open().create({ ...world.job('run'), pool: 'h100' }, freeCall());
    expect(await rejectsWith('InvalidSpec', creating)).toContain('cpu');
    expect(existsSync(world.jobFolder(key))).toBe(false);
  });

  it('InvalidSpec: a program that is not there ends the job at once, without a retry', async () => {
    const ref = await steps.submit(world.job('run', { program: { command: ['no-such-trainer', '--fast'] } }));
    const outcome = await steps.await(ref);
    expect(outcome).toMatchObject({ result: 'failed', class: 'InvalidSpec' });
    expect(outcome.message).toContain('no-such-trainer');
  });

  it('InvalidSpec: a program that cannot be started says what to change', async () => {
    writeFileSync(`${world.folder}/train.js`, 'process.exit(0);');
    const cases: readonly [Partial<JobSpec>, RegExp][] = [
      [{ program: { command: [`${world.folder}/train.js`] } }, /not executable; start it through its interpreter/],
      [
        { program: { command: [process.execPath, '-e', '0', 'x'.repeat(3_000_000)] } },
        /too large; hand large values over/,
      ],
    ];
    for (const [spec, message] of cases) {
      const outcome = await steps.await(await steps.submit(world.job('run', spec)));
      expect(outcome).toMatchObject({ result: 'failed', class: 'InvalidSpec' });
      expect(outcome.message).toMatch(message);
    }
  });

  it('jobs are listed from a time on, for their owner', async () => {
    const listed = async (owner: string, since: number): Promise<readonly string[]> => {
      const keys: string[] = [];
      for await (const { key } of world.open().listOwned(owner, new Date(since).toISOString(), freeCall()))
        keys.push(key);
      return keys;
    };
    const first = await steps.submit(world.job('succeed'));
    await sleep(5);
    const between = Date.now();
    const second = await steps.submit(world.job('succeed'));
    expect(await listed(world.owner, 0)).toEqual(expect.arrayContaining([first.key, second.key]));
    const late = await listed(world.owner, between);
    expect([late.includes(first.key), late.includes(second.key)]).toEqual([false, true]);
    expect(await listed('somebody-else', 0)).toEqual([]);
    for (const ref of [first, second]) await steps.await(ref);
  });
});

describe('onprem jobs: nothing is left', () => {
  it('every supervisor of this file ends with its job', async () => {
    const ref = await steps.submit(world.job('succeed'));
    await steps.await(ref);
    await eventually('supervisor has ended', () => {
      const supervisor = world.supervisor(ref.key);
      return Promise.resolve(supervisor !== null && !isRunning(supervisor));
    });
    expect(readdirSync(world.jobFolder(ref.key)).sort()).not.toContain('work');
  });
});
