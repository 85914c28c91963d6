import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { startDevServer, type DevServer } from '@retempo/workers';
import { controlQueue, governorId, searchAttributes } from '@retempo/workflows/contracts';
import { main } from 'retempo';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingServer } from '../support/server-peer.js';
import { createTinyProject, type TinyProject } from '../support/tiny-project.js';

// What the doctor finds on a real server, and what a status says where a part of the installation cannot be looked at.

const missing = await missingServer();
const keyword = (name: string) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD);

describe.skipIf(missing !== null)('retempo doctor', () => {
  let project: TinyProject;
  let state: string;
  let server: DevServer;
  let connection: Connection;
  let client: Client;

  beforeAll(async () => {
    project = await createTinyProject();
    state = await mkdtemp(join(tmpdir(), 'retempo-doctor-'));
    server = await startDevServer({ stateFolder: state, uiPort: null });
    connection = await Connection.connect({ address: server.address });
    client = new Client({ connection });
  });

  afterAll(async () => {
    await connection?.close();
    await server?.stop();
    await project?.remove();
    await rm(state, { recursive: true, force: true });
  });

  interface Around {
    readonly heard?: (text: string) => void;
    readonly interrupted?: AbortSignal;
  }

  async function retempoWith({ heard, interrupted }: Around, ...args: readonly string[]) {
    const written = { out: '', err: '' };
    const code = await main([...args], {
      stdout: {
        write(text: string) {
          written.out += text;
          heard?.(text);
        },
      },
      stderr: { write: (text: string) => (written.err += text) },
      cwd: project.folder,
      env: { TEMPORAL_ADDRESS: server.address, RETEMPO_ACTOR: 'ann' },
      terminal: { stdin: false, stdout: false, stderr: false },
      columns: undefined,
      interrupted: interrupted ?? new AbortController().signal,
      ask: () => Promise.resolve(null),
    });
    return { code, ...written };
  }
  const retempo = (...args: readonly string[]) => retempoWith({}, ...args);

  /** What the doctor finds, by what it is about. */
  async function examined(...args: readonly string[]) {
    const { code, out } = await retempo('doctor', '--json', ...args);
    const { healthy, findings } = JSON.parse(out) as {
      readonly healthy: boolean;
      readonly findings: readonly { readonly level: string; readonly what: string; readonly message: string }[];
    };
    expect(code).toBe(healthy ? 0 : 1);
    return { healthy, found: findings.map(({ level, what, message }) => `${level} ${what}: ${message}`) };
  }

  /** Changes a file for as long as `meanwhile` takes. */
  async function edited(name: string, change: (text: string) => string, meanwhile: () => Promise<void>): Promise<void> {
    const file = join(project.folder, name);
    const text = await readFile(file, 'utf8');
    await writeFile(file, change(text));
    try {
      await meanwhile();
    } finally {
      await writeFile(file, text);
    }
  }

  it('a namespace without search attributes: what has to be registered, and by what', async () => {
    const seconds = 86_400 as never;
    await connection.workflowService.registerNamespace({
      namespace: 'bare',
      workflowExecutionRetentionPeriod: { seconds },
    });
    let { found, healthy } = await examined('--namespace', 'bare');
    // The server learns of a namespace a moment later.
    while (found.some((line) => line.includes('has no namespace')))
      ({ found, healthy } = await examined('--namespace', 'bare'));
    expect(healthy).toBe(false);
    expect(found).toContain(
      `error search attributes: missing: ${Object.values(searchAttributes).join(', ')}; register them with: retempo apply`
    );
    expect((await examined()).found).toContain(`ok search attributes: ${Object.values(searchAttributes).join(', ')}`);
  });

  it('a model that was never applied, one without a worker, and one without a file', async () => {
    expect((await examined()).found).toEqual(
      expect.arrayContaining([
        'error model tiny: has no governor; start it with: retempo apply',
        'warning queue retempo.control: no worker; nothing waits yet; start one with: retempo worker --control',
      ])
    );
    expect((await retempo('status')).out).toContain(
      'no model runs in namespace default; create some with: retempo apply'
    );
    expect(await retempo('apply')).toMatchObject({ code: 0 });
    let { found } = await examined();
    // What runs is found by a list that the server keeps a moment later; so are tasks that wait.
    while (
      !found.some((line) => line.startsWith('error queue')) ||
      found.some((line) => line.includes('no governor'))
    ) {
      await sleep(100);
      ({ found } = await examined());
    }
    expect(found).toContain('ok model tiny: healthy');
    expect(found).toContainEqual(
      expect.stringMatching(
        /^error queue retempo\.control: no worker; \d+ tasks? waits? since \d\d:\d\d UTC; start one with: retempo worker --control$/
      )
    );
    const renamed = (text: string) =>
      text.replace('model: tiny', 'model: other').replace('release:', 'release:\n  to: endpoint:other');
    await edited(join('models', 'tiny.yaml'), renamed, async () => {
      expect((await examined()).found).toEqual(
        expect.arrayContaining([
          'error model other: has no governor; start it with: retempo apply',
          'warning model tiny: runs, but this project has no file of it; end it with: retempo delete tiny',
        ])
      );
    });
  });

  it('models for which a person has to do something, whatever else of them runs', async () => {
    const parts: readonly (readonly [type: string, id: string, model: string, phase: string])[] = [
      ['continuousTraining', governorId('held'), 'held', 'hold'],
      ['continuousTraining', governorId('stopped'), 'stopped', 'paused'],
      ['modelRelease', `${governorId('stopped')}/run/1-00000000`, 'stopped', 'training'],
      ['continuousTraining', governorId('blocked'), 'blocked', 'retraining'],
      ['modelRelease', `${governorId('blocked')}/run/1-00000000`, 'blocked', 'canary'],
      ['canaryDeployment', 'retempo/endpoint/onprem.local/blocked', 'blocked', 'rollbackBlocked'],
      ['driftCheck', 'retempo/alone/check', 'alone', 'healthy'],
    ];
    for (const [type, workflowId, model, phase] of parts) {
      await client.workflow.start(type, {
        workflowId,
        taskQueue: controlQueue,
        typedSearchAttributes: [
          { key: keyword(searchAttributes.model), value: model },
          { key: keyword(searchAttributes.phase), value: phase },
        ],
      });
    }
    const query = `${searchAttributes.model} IS NOT NULL AND ExecutionStatus = 'Running'`;
    while ((await client.workflow.count(query)).count < parts.length + 1) await sleep(100);
    const { found } = await examined();
    expect(found).toEqual(
      expect.arrayContaining([
        'warning model held: is on hold: look why with retempo status, then retempo resume',
        'warning model stopped: is paused: retempo resume lets runs start again',
        'warning model blocked: cannot be rolled back: its endpoint does not obey; look at its canary in the Web UI',
      ])
    );
    expect(found.filter((line) => line.includes('model alone'))).toEqual([]);
    for (const [, workflowId] of parts) await client.workflow.getHandle(workflowId).terminate();
  });

  it('an endpoint is looked at only where its site has a worker', async () => {
    const about = async () => (await examined()).found.filter((line) => line.includes('endpoint tiny'));
    expect(await about()).toEqual([]);
    const enough = new AbortController();
    let working: Promise<unknown> | undefined;
    await new Promise<void>((serves, ends) => {
      const around = { heard: () => serves(), interrupted: enough.signal };
      working = retempoWith(around, 'worker', '--site', 'onprem.local', '--role', 'serving');
      void working.then(ends, ends);
    });
    try {
      let seen = await about();
      // The server learns of a worker when it asks for work.
      while (seen.length === 0) seen = await about();
      expect(seen).toEqual(['ok endpoint tiny: serves nothing yet']);
    } finally {
      enough.abort();
      await working;
    }
  });

  it('a site that cannot be used does not hide the rest', async () => {
    const wrong = (text: string) => text.replace('onprem.local:', 'onprem.local:\n    root: /proc/retempo');
    await edited('retempo.yaml', wrong, async () => {
      const { found, healthy } = await examined();
      expect(healthy).toBe(false);
      expect(found).toContainEqual(expect.stringMatching(/^error sites: .*\/proc\/retempo/));
      expect(found).toContainEqual(expect.stringMatching(/^ok temporal: .*, namespace default \(environment\)$/));
      expect(found).toContain('ok model tiny: healthy');
      const status = await retempo('status');
      expect(status).toMatchObject({
        code: 0,
        out: expect.stringContaining('tiny') as string,
        err: expect.stringContaining('champions and addresses are not shown: ') as string,
      });
    });
    expect((await examined()).found).toContain('ok site onprem.local: can run jobs');
  });
});
