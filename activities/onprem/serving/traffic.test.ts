import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Counters, openCounters } from './counters.js';
import { type DeployedVersion, emptyRecord, type EndpointRecord } from './endpoint-record.js';
import { requestHeadReader, type RequestHead } from './http-wire.js';
import type { EndpointOptions } from './layout.js';
import { openRequestLog, type RequestLog } from './request-log.js';
import { openTraffic, type Traffic } from './traffic.js';
import { openUnitCounts, type UnitCounts } from './unit-counts.js';
import { openUpstream, type Upstream } from './upstream.js';

let folder: string;
let counters: Counters;
let unitCounts: UnitCounts;
let log: RequestLog;
let server: Server | undefined;
let upstream: Upstream | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retempo-traffic-'));
  counters = openCounters(join(folder, 'counters'));
  unitCounts = openUnitCounts(join(folder, 'units'));
  log = openRequestLog(join(folder, 'log'), { rotateBytes: 1e9, keepBytes: 1e9, onProblem: () => undefined });
});
afterEach(async () => {
  upstream?.close();
  server?.closeAllConnections();
  server?.close();
  [server, upstream] = [undefined, undefined];
  await log.close();
  rmSync(folder, { recursive: true, force: true });
});

const open = (stickiness?: EndpointOptions['stickiness'], beforePick: (nowMs: number) => void = () => undefined) =>
  openTraffic({
    endpoint: 'e',
    stickiness,
    requestTimeoutMs: 10_000,
    counters,
    units: unitCounts,
    log,
    upstreamOf: () => upstream,
    beforePick,
  });

/** Versions in the order of their deployment; the key of each is that of its release. */
function recordOf(revision: number, versions: readonly (readonly [id: string, weight: number, key?: string])[]) {
  const deployed = versions.map(([id, weight, key], i): DeployedVersion => ({
    id,
    digest: id,
    filesDigest: id,
    deployKey: key ?? `key-${id}`,
    order: i + 1,
    weight,
  }));
  return { ...emptyRecord('e'), revision, versions: deployed } satisfies EndpointRecord;
}

const headOf = (unit?: string): RequestHead => {
  const read = requestHeadReader('x-user');
  const line = unit === undefined ? '' : `\r\nX-User: ${unit}`;
  const head = read(`POST /v2/models/e/infer HTTP/1.1\r\nHost: x${line}`);
  if ('message' in head) throw new Error(head.message);
  return head;
};

/** Status of one request and the version that got it. Without a model server that is 503, which is told at once. */
function send(traffic: Traffic, unit?: string): { status: number; version: string | undefined } {
  let told: { status: number; version: string | undefined } | undefined;
  traffic.infer(headOf(unit), Buffer.from('{}'), (status, _body, extra = '') => {
    told = { status, version: /x-retempo-version: (\S+)/.exec(extra)?.[1] };
  });
  if (told === undefined) throw new Error('not answered yet');
  return told;
}
const versionsOf = (traffic: Traffic, count: number): Record<string, number> => {
  const tally: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const { version = 'none' } = send(traffic);
    tally[version] = (tally[version] ?? 0) + 1;
  }
  return tally;
};
const units = Array.from({ length: 1_000 }, (_, i) => `unit-${i}`);
const unitsOf = (traffic: Traffic, wanted: string): readonly string[] =>
  units.filter((unit) => send(traffic, unit).version === wanted);

describe('the split of an endpoint', () => {
  it('stays exact over deployments and renewals, which change nothing of it', () => {
    const traffic = open();
    const tally: Record<string, number> = {};
    for (let i = 0; i < 100; i++) {
      // A deployment, a retirement, a renewed lease: the record is given again at the same revision.
      traffic.apply(recordOf(1, [['v1', 90], ['v2', 10], ...(i % 2 ? [] : [['v3', 0] as const])]));
      const { version = 'none' } = send(traffic);
      tally[version] = (tally[version] ?? 0) + 1;
    }
    expect(tally).toEqual({ v1: 90, v2: 10 });
  });

  it('stays exact over a restart of the router', async () => {
    const record = recordOf(1, [
      ['v1', 93],
      ['v2', 7],
    ]);
    const before = open();
    before.apply(record);
    const first = versionsOf(before, 37);
    await counters.flush();
    counters = openCounters(join(folder, 'counters'));
    const after = open();
    after.apply(record);
    const second = versionsOf(after, 63);
    expect((first['v2'] ?? 0) + (second['v2'] ?? 0)).toBe(7);
  });

  it('begins anew with every revision: no revision shifts the order of the next one', () => {
    const record = (revision: number) =>
      recordOf(revision, [
        ['v1', 63],
        ['v2', 37],
      ]);
    const order = (traffic: Traffic) => Array.from({ length: 30 }, () => send(traffic).version);
    const traffic = open();
    traffic.apply(record(1));
    const first = order(traffic);
    versionsOf(traffic, 25);
    traffic.apply(record(2));
    expect(order(traffic)).toEqual(first);
  });

  it('follows a fallback that comes due with this very request', () => {
    const traffic = open(undefined, () =>
      traffic.apply(
        recordOf(2, [
          ['v1', 100],
          ['v2', 0],
        ])
      )
    );
    traffic.apply(
      recordOf(1, [
        ['v1', 0],
        ['v2', 100],
      ])
    );
    expect(send(traffic).version).toBe('v1');
  });

  it('of versions without weight gives none a request, and says what to do', () => {
    const traffic = open();
    expect(send(traffic)).toEqual({ status: 503, version: undefined });
    traffic.apply(
      recordOf(1, [
        ['v1', 0],
        ['v2', 0],
      ])
    );
    expect(send(traffic)).toEqual({ status: 503, version: undefined });
    expect(counters.total(1)).toBe(0);
  });
});

describe('stickiness', () => {
  const stickiness = { header: 'X-User' };

  it('gives every version its share of the units, to within chance', () => {
    const traffic = open(stickiness);
    traffic.apply(
      recordOf(1, [
        ['v1', 75],
        ['v2', 25],
      ])
    );
    // Six standard deviations of a share of 25 % among 1,000 units are 82.
    const chosen = unitsOf(traffic, 'v2');
    expect(Math.abs(chosen.length - 250)).toBeLessThan(82);
    // However often they come: the split of the units is counted, not that of their requests.
    for (let i = 0; i < 50; i++) send(traffic, chosen[0]);
    const shares = { v1: 1_000 - chosen.length, v2: chosen.length };
    expect(unitCounts.read(['v1', 'v2'], [1])).toEqual({ units: shares, mixed: 0 });
    expect(counters.read({ version: 'v2', revisions: [1] })?.requests).toBe(chosen.length + 50);
  });

  it('draws other units for the next release, and the same ones while the same release goes on', () => {
    const traffic = open(stickiness);
    traffic.apply(
      recordOf(1, [
        ['v1', 75],
        ['v2', 25, 'release-1'],
      ])
    );
    const first = unitsOf(traffic, 'v2');
    traffic.apply(
      recordOf(2, [
        ['v1', 75],
        ['v2', 25, 'release-1'],
        ['v3', 0],
      ])
    );
    expect(unitsOf(traffic, 'v2')).toEqual(first);
    traffic.apply(
      recordOf(3, [
        ['v1', 75],
        ['v2', 0],
        ['v3', 25, 'release-2'],
      ])
    );
    const second = unitsOf(traffic, 'v3');
    const both = second.filter((unit) => first.includes(unit)).length;
    // A quarter of a quarter by chance; all of them if they were drawn the same way.
    expect(both).toBeLessThan(first.length / 2);
  });

  it.each([stickiness, { by: 'id' } as const])('requests without a key are split exactly: %j', (how) => {
    const traffic = open(how);
    traffic.apply(
      recordOf(1, [
        ['v1', 60],
        ['v2', 40],
      ])
    );
    expect(versionsOf(traffic, 100)).toEqual({ v1: 60, v2: 40 });
    expect(unitCounts.read(['v1', 'v2'], [1]).units).toEqual({ v1: 0, v2: 0 });
  });
});

/** Starts the model server of all versions. */
async function serve(answer: (body: string, response: ServerResponse) => void): Promise<void> {
  const opened = (server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => answer(body, response));
  }));
  await new Promise<void>((resolve) => {
    opened.listen(0, '127.0.0.1', resolve);
  });
  upstream = openUpstream({ port: (opened.address() as AddressInfo).port, maxBodyBytes: 1_000 });
}

const ask = (traffic: Traffic, body: string) =>
  new Promise<{ readonly status: number; readonly body: string; readonly extra: string }>((resolve) => {
    traffic.infer(headOf(), Buffer.from(body), (status, answer, extra = '') =>
      resolve({ status, body: answer.toString(), extra })
    );
  });

describe('a request on the way', () => {
  it('belongs to the version and the revision it was given to, whatever changes meanwhile', async () => {
    let waiting: ((response: ServerResponse) => void) | undefined;
    const arrived = new Promise<ServerResponse>((resolve) => (waiting = resolve));
    const opened = (server = createServer((request, response) => {
      request.resume();
      waiting?.(response);
    }));
    await new Promise<void>((resolve) => {
      opened.listen(0, '127.0.0.1', resolve);
    });
    upstream = openUpstream({ port: (opened.address() as AddressInfo).port, maxBodyBytes: 1_000 });
    const traffic = open();
    traffic.apply(
      recordOf(1, [
        ['v1', 0],
        ['v2', 100],
      ])
    );
    const answered = new Promise<string>((resolve) => {
      traffic.infer(headOf(), Buffer.from('{"id":"a"}'), (_status, _body, extra = '') => resolve(extra));
    });
    const response = await arrived;
    traffic.apply(
      recordOf(2, [
        ['v1', 100],
        ['v2', 0],
      ])
    );
    response.writeHead(200, { 'content-length': 2 }).end('{}');
    expect(await answered).toBe('x-retempo-version: v2\r\nx-retempo-revision: r1\r\n');
    expect([counters.total(1), counters.total(2)]).toEqual([1, 0]);
    await log.flush();
    const lines = readdirSync(join(folder, 'log')).map((name) => readFileSync(join(folder, 'log', name), 'utf8'));
    expect(JSON.parse(lines.join(''))).toMatchObject({ key: 'a', version: 'v2', revision: 'r1', status: 200 });
    expect(counters.read({ version: 'v2', revisions: [1] })?.requests).toBe(1);
  });

  it('counts in the split from the moment on that it was given to a version', async () => {
    let letGo: (() => void) | undefined;
    const released = new Promise<void>((resolve) => (letGo = resolve));
    await serve((_body, response) => void released.then(() => response.end('{}')));
    const record = recordOf(1, [
      ['v1', 75],
      ['v2', 25],
    ]);
    const traffic = open();
    const answers = Array.from({ length: 20 }, () => {
      // As a deployment does, whatever is on the way.
      traffic.apply(record);
      return ask(traffic, '{}');
    });
    letGo?.();
    const tally = (await Promise.all(answers)).map(({ extra }) => /version: (\S+)/.exec(extra)?.[1]);
    expect(tally.filter((version) => version === 'v2')).toHaveLength(5);
  });

  it('that nobody serves is told as that, and is an error of its version', () => {
    const traffic = open();
    traffic.apply(recordOf(1, [['v1', 100]]));
    let told: readonly [status: number, body: string] | undefined;
    traffic.infer(headOf(), Buffer.from('{}'), (status, body) => (told = [status, body.toString()]));
    expect(told).toEqual([503, '{"error":"version v1: its model server is not running; it is being restarted"}']);
    const counts = counters.read({ version: 'v1' });
    expect(counts).toMatchObject({ requests: 1, errors: 1, callerErrors: 0, sums: { latencyMs: { n: 1 } } });
    expect(counts?.sums.latencyMs?.sum).toBeGreaterThanOrEqual(0);
  });

  it('stays with the version of its id, and is counted as one unit however often it comes', async () => {
    await serve((_body, response) => response.end('{}'));
    const traffic = open({ by: 'id' });
    traffic.apply(
      recordOf(1, [
        ['v1', 50],
        ['v2', 50],
      ])
    );
    const versions = async () => {
      const answers = await Promise.all(Array.from({ length: 30 }, (_, id) => ask(traffic, `{"id":"u${id}"}`)));
      return answers.map(({ extra }) => /version: (\S+)/.exec(extra)?.[1]);
    };
    const first = await versions();
    expect(new Set(first)).toEqual(new Set(['v1', 'v2']));
    expect(await versions()).toEqual(first);
    const counted = unitCounts.read(['v1', 'v2'], [1]).units;
    expect(counted).toEqual({
      v1: first.filter((version) => version === 'v1').length,
      v2: first.filter((version) => version === 'v2').length,
    });
  });

  const answerOf = (...outputs: readonly unknown[]) => ({ id: 'r', outputs });
  it.each<[what: string, answer: unknown, prediction: number | null]>([
    [
      'the output named probability',
      answerOf({ name: 'label', data: [1] }, { name: 'probability', data: [0.25] }),
      0.25,
    ],
    ['else the first one', answerOf({ name: 'label', data: [1] }, { name: 'more', data: [2] }), 1],
    ['the first number of rows', answerOf({ name: 'probability', data: [[0.5, 0.5], [1]] }), 0.5],
    ['nothing that is no number', answerOf({ name: 'label', data: ['yes'] }), null],
    ['nothing that is beyond all numbers', '{"id":"r","outputs":[{"name":"probability","data":[1e999]}]}', null],
    ['nothing that is empty', answerOf({ name: 'label', data: [] }), null],
    ['nothing where there is no output', answerOf(), null],
    ['nothing of outputs that are none', { id: 'r', outputs: 'none' }, null],
    ['nothing of outputs that are nothing', answerOf(null), null],
  ])('is counted and logged with its prediction: %s', async (_what, answer, prediction) => {
    const seen: string[] = [];
    const text = typeof answer === 'string' ? answer : JSON.stringify(answer);
    await serve((body, response) => {
      seen.push(body);
      response.end(text);
    });
    const traffic = open();
    traffic.apply(recordOf(1, [['v1', 100]]));
    const sent = '{"id":"ä","inputs":[]}';
    const { status, body } = await ask(traffic, sent);
    expect([status, seen]).toEqual([200, [sent]]);
    expect(body).toBe(text);
    const counts = counters.read({ version: 'v1' });
    expect(counts?.sums.prediction).toEqual(
      prediction === null
        ? { n: 0, sum: 0, sumSquares: 0 }
        : { n: 1, sum: prediction, sumSquares: prediction * prediction }
    );
    await log.flush();
    const lines = readdirSync(join(folder, 'log')).map((name) => readFileSync(join(folder, 'log', name), 'utf8'));
    expect(JSON.parse(lines.join(''))).toMatchObject({ key: 'r', prediction });
  });
});
