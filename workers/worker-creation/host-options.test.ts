import { describe, expect, it } from 'vitest';
import { joinHostOptions, type HostOptions } from './host-options.js';

const activity = () => Promise.resolve();
const interceptors = (file: string): NonNullable<HostOptions['interceptors']> => ({
  activity: [() => ({})],
  workflowModules: [file],
  client: { workflow: [{ start: (input, next) => next(input) }] },
});

describe("a host's options for every Worker and for the control Worker", () => {
  it('are both kept: activities, sinks, plugins, interceptors of every kind', () => {
    const every: HostOptions = {
      activities: { one: activity },
      sinks: { a: { log: { fn: () => undefined } } },
      plugins: [{ name: 'host.One' }],
      interceptors: interceptors('/one.js'),
      maxCachedWorkflows: 1,
      identity: 'every',
    };
    const near: HostOptions = {
      activities: { two: activity },
      sinks: { b: { log: { fn: () => undefined } } },
      plugins: [{ name: 'host.Two' }],
      interceptors: interceptors('/two.js'),
      maxCachedWorkflows: 2,
    };
    const joined = joinHostOptions(every, near);
    expect(Object.keys(joined.activities ?? {})).toEqual(['one', 'two']);
    expect(Object.keys(joined.sinks ?? {})).toEqual(['a', 'b']);
    expect(joined.plugins?.map(({ name }) => name)).toEqual(['host.One', 'host.Two']);
    expect(joined.interceptors?.workflowModules).toEqual(['/one.js', '/two.js']);
    expect(joined.interceptors?.activity).toHaveLength(2);
    expect(joined.interceptors?.client?.workflow).toHaveLength(2);
    // Of a single setting the nearer one counts.
    expect(joined).toMatchObject({ maxCachedWorkflows: 2, identity: 'every' });
  });

  const nexus = (name: string): NonNullable<HostOptions['nexusServices']>[number] =>
    ({ name }) as unknown as NonNullable<HostOptions['nexusServices']>[number];

  it('are both kept: services of Nexus', () => {
    const joined = joinHostOptions({ nexusServices: [nexus('one')] }, { nexusServices: [nexus('two')] });
    expect(joined.nexusServices).toEqual([nexus('one'), nexus('two')]);
  });

  it('lose nothing to what is said to be undefined: it is as if it were left out', () => {
    const every: HostOptions = {
      activities: { one: activity },
      sinks: { a: { log: { fn: () => undefined } } },
      plugins: [{ name: 'host.One' }],
      nexusServices: [nexus('one')],
      dataConverter: { payloadCodecs: [] },
      interceptors: interceptors('/one.js'),
    };
    const undefinedOf = (options: object) => Object.fromEntries(Object.keys(options).map((key) => [key, undefined]));
    expect(joinHostOptions(every, undefinedOf(every))).toEqual(every);
    expect(joinHostOptions(undefinedOf(every), every)).toEqual(every);
    // Inside of the interceptors too, and inside of those of clients.
    const inside = { interceptors: { ...undefinedOf(every.interceptors ?? {}), client: { workflow: undefined } } };
    expect(joinHostOptions(every, inside as never)).toEqual(every);
    const without = { interceptors: undefinedOf(every.interceptors ?? {}) };
    expect(joinHostOptions(every, without)).toEqual(every);
    // Nor does anything of ours get lost: no setting is left that says nothing.
    expect(Object.keys(joinHostOptions({ shutdownGraceTime: undefined }, {}))).toEqual([]);
  });

  it('lose nothing where only one has them', () => {
    const one: HostOptions = {
      activities: { one: activity },
      sinks: { a: { log: { fn: () => undefined } } },
      interceptors: interceptors('/one.js'),
      plugins: [{ name: 'host.One' }],
      nexusServices: [nexus('one')],
    };
    expect(joinHostOptions(one, {})).toEqual(one);
    expect(joinHostOptions({}, one)).toEqual(one);
    // Interceptors of different kinds, and of clients only on one side.
    const inbound: HostOptions = { interceptors: { workflowModules: ['/two.js'] } };
    const client = one.interceptors?.client;
    for (const joined of [joinHostOptions(one, inbound), joinHostOptions(inbound, one)]) {
      expect(joined.interceptors?.client).toEqual(client);
      expect(joined.interceptors?.activity).toHaveLength(1);
      expect(joined.interceptors?.workflowModules).toHaveLength(2);
    }
  });
});
