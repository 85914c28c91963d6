import { existsSync } from 'node:fs';
import { SimplePlugin } from '@temporalio/plugin';
import type { WorkerInterceptors, WorkerOptions } from '@temporalio/worker';
import { controlQueue } from '@retempo/workflows/contracts';
import { describe, expect, it } from 'vitest';
import { OrchestratorPlugin, retempoWorkflowsPath } from './orchestrator-plugin.js';
import { ProviderPlugin } from './provider-plugin.js';

const ours = { 'registry.read': () => Promise.resolve('ours') };
const orchestrator = (): OrchestratorPlugin => new OrchestratorPlugin({ activities: ours });
const provider = (): ProviderPlugin => new ProviderPlugin({ site: 'onprem.east', role: 'jobs', activities: ours });

/** Plugins with the Worker options that suit them. */
const both: readonly (readonly [string, () => OrchestratorPlugin | ProviderPlugin, string])[] = [
  ['retempo.Orchestrator', orchestrator, controlQueue],
  ['retempo.Onprem', provider, 'retempo.onprem.east.jobs'],
];

const hostInterceptors = (): WorkerInterceptors => ({
  client: {
    workflow: [{ start: (input, next) => next(input) }],
    schedule: [{ create: (input, next) => next(input) }],
    activity: [{ start: (input, next) => next(input) }],
    nexus: [{ startOperation: (input, next) => next(input) }],
  },
  activity: [() => ({})],
  activityInbound: [() => ({ execute: (input, next) => next(input) })],
  nexus: [() => ({})],
  workflowModules: ['/host/interceptors.js'],
});

describe.each(both)('%s', (name, create, taskQueue) => {
  it('has a readable name', () => {
    expect(create().name).toBe(name);
  });

  it("keeps everything of the host's", () => {
    const interceptors = hostInterceptors();
    const dataConverter = { payloadCodecs: [] };
    const sinks = { host: { log: { fn: () => undefined } } };
    const host: WorkerOptions = Object.freeze({
      taskQueue,
      workflowsPath: '/host/workflows.js',
      activities: Object.freeze({ hostActivity: () => Promise.resolve('host') }),
      interceptors,
      dataConverter,
      sinks,
      nexusServices: [],
      maxCachedWorkflows: 7,
    });
    const result = create().configureWorker(host);
    expect(result).toMatchObject({ ...host, activities: { ...host.activities, ...ours } });
    expect(result.interceptors).toBe(interceptors);
    expect(result.dataConverter).toBe(dataConverter);
    expect(result.sinks).toBe(sinks);
    expect(host.activities).not.toHaveProperty(['registry.read']);
  });

  it('does the same once or twice, also with another plugin in between', () => {
    const plugin = create();
    const other = new SimplePlugin({ name: 'host.Other', activities: { more: () => Promise.resolve('more') } });
    const once = other.configureWorker(plugin.configureWorker({ taskQueue }));
    const twice = plugin.configureWorker(once);
    expect(twice).toBe(once);
    expect(Object.keys(twice.activities ?? {}).sort()).toEqual(['more', 'registry.read']);
  });

  it('names an activity that the host has too', () => {
    const activities = { 'registry.read': () => Promise.resolve('host'), other: () => Promise.resolve('x') };
    expect(() => create().configureWorker({ taskQueue, activities })).toThrow(
      `${name}: the worker on ${taskQueue} already has an activity named registry.read; rename yours`
    );
    const two = { b: () => Promise.resolve('ours'), a: () => Promise.resolve('ours') };
    const plugin =
      name === 'retempo.Orchestrator'
        ? new OrchestratorPlugin({ activities: two })
        : new ProviderPlugin({ site: 'onprem.east', role: 'jobs', activities: two });
    const same = { a: () => Promise.resolve('host'), b: () => Promise.resolve('host') };
    expect(() => plugin.configureWorker({ taskQueue, activities: same })).toThrow(
      `the worker on ${taskQueue} already has activities named b, a; rename yours`
    );
  });

  it('takes the very same function for no collision', () => {
    expect(create().configureWorker({ taskQueue, activities: { ...ours } }).activities).toEqual(ours);
  });

  it.each(['', 'host', `${taskQueue}.x`])('refuses the foreign queue "%s"', (foreign) => {
    expect(() => create().configureWorker({ taskQueue: foreign })).toThrow(
      new RegExp(`${name}.*${foreign === '' ? 'none' : foreign}`)
    );
  });

  it('leaves clients, connections and bundles alone', () => {
    const plugin = create();
    const interceptors = hostInterceptors().client ?? {};
    const client = plugin.configureClient({ interceptors, dataConverter: { payloadCodecs: [] } });
    expect(client.interceptors).toBe(interceptors);
    const connection = { address: 'x:1', apiKey: 'k', tls: true };
    expect(plugin.configureConnection(connection)).toMatchObject(connection);
    expect(plugin.configureNativeConnection(connection)).toMatchObject(connection);
    const bundle = { workflowsPath: '/host/workflows.js', workflowInterceptorModules: ['/host/interceptors.js'] };
    expect(plugin.configureBundler(bundle)).toMatchObject(bundle);
  });
});

describe('OrchestratorPlugin', () => {
  it('brings the workflows where a host has none', () => {
    const workflowsPath = retempoWorkflowsPath();
    expect(existsSync(workflowsPath)).toBe(true);
    expect(orchestrator().configureWorker({ taskQueue: controlQueue })).toMatchObject({ workflowsPath });
    expect(orchestrator().configureReplayWorker({})).toMatchObject({ workflowsPath });
  });

  it("keeps a host's finished bundle alone", () => {
    const workflowBundle = { code: '' };
    const worker = orchestrator().configureWorker({ taskQueue: controlQueue, workflowBundle });
    expect(worker).toMatchObject({ workflowBundle });
    expect(worker).not.toHaveProperty('workflowsPath');
    const replay = orchestrator().configureReplayWorker({ workflowBundle });
    expect(replay).toMatchObject({ workflowBundle });
    expect(replay).not.toHaveProperty('workflowsPath');
    // A path of its own beside it is the host's: Temporal tells it what it thinks of that.
    const both = { workflowBundle, workflowsPath: '/host/workflows.js' };
    expect(orchestrator().configureWorker({ taskQueue: controlQueue, ...both })).toMatchObject(both);
    expect(orchestrator().configureReplayWorker(both)).toMatchObject(both);
  });

  it("keeps a host's workflows for replays", () => {
    const workflowsPath = '/host/workflows.js';
    expect(orchestrator().configureReplayWorker({ workflowsPath })).toMatchObject({ workflowsPath });
  });
});

describe('ProviderPlugin', () => {
  it('brings no workflows', () => {
    expect(provider().configureWorker({ taskQueue: 'retempo.onprem.east.jobs' }).workflowsPath).toBeUndefined();
  });

  it.each(['onprem', 'onprem.', '.east', 'OnPrem.east', 'onprem.east.jobs', '../x.y'])(
    'refuses the site "%s"',
    (site) => {
      expect(() => new ProviderPlugin({ site, role: 'jobs', activities: {} })).toThrow('is not a site id');
    }
  );
});
