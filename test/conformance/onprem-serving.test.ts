import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { missingForCase, servingBackendCases, type ServingHarness } from '@retempo/activities/conformance';
import { createOnpremServing } from '../../activities/onprem/serving/index.js';
import { routerFiles, type RouterProcess } from '../../activities/onprem/serving/layout.js';
import { logisticModel, logisticRequest } from '../../activities/onprem/serving/tiny-model.test.support.js';
import type { ArtifactRef } from '@retempo/workflows/contracts';

const models = {
  champion: logisticModel({ weight: 1, effects: [0, 0.5] }),
  candidate: logisticModel({ weight: 2, effects: [0, 0.5] }),
};

const refOf = (name: 'champion' | 'candidate'): ArtifactRef => ({
  v: 1,
  uri: `test:${name}/`,
  digest: `sha256:${createHash('sha256').update(models[name]).digest('hex')}`,
  bytes: models[name].length,
});

function post(agent: Agent, url: string, body: string): Promise<{ status: number; version: string | null }> {
  return new Promise((resolve) => {
    const outgoing = request(url, { method: 'POST', agent, headers: { 'content-length': Buffer.byteLength(body) } });
    // A connection that breaks is a failed request, whatever the reason.
    outgoing.on('error', () => resolve({ status: 0, version: null }));
    outgoing.on('response', (response) => {
      const chunks: Buffer[] = [];
      const version = response.headers['x-retempo-version'];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', () => resolve({ status: 0, version: null }));
      response.on('end', () => {
        const status = response.statusCode ?? 0;
        const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { readonly model_version?: string };
        // An answer must come from the version it is counted for.
        const isHonest = status !== 200 || body.model_version === version;
        resolve({ status: isHonest ? status : 0, version: version?.toString() ?? null });
      });
    });
    outgoing.end(body);
  });
}

/** Passes requests on to a port and closes the connection instead of passing the answer back. */
function openAnswerLosingProxy(port: number): Promise<{ port: number; server: Server }> {
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    client.on('data', (chunk) => upstream.write(chunk));
    client.on('error', () => upstream.destroy());
    client.on('close', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
    upstream.on('data', () => client.destroy());
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve({ port: (server.address() as { port: number }).port, server }));
  });
}

async function openHarness(): Promise<ServingHarness> {
  const root = mkdtempSync(join(tmpdir(), 'retempo-serving-'));
  const endpoint = `ep-${randomBytes(4).toString('hex')}`;
  const site = createOnpremServing({
    id: 'onprem.test',
    root,
    context: {
      materialize: async (ref, folder) => {
        writeFileSync(
          join(folder, 'model.onnx'),
          ref.digest === refOf('champion').digest ? models.champion : models.candidate
        );
      },
    },
  });
  const files = routerFiles(join(root, endpoint));
  const processOf = () => JSON.parse(readFileSync(files.process, 'utf8')) as RouterProcess;
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const infer = (body: string) =>
    post(agent, `http://127.0.0.1:${processOf().dataPort}/v2/models/${endpoint}/infer`, body);

  return {
    serving: site.serving,
    metrics: site.metrics,
    endpoint,
    artifact: async (name) => refOf(name),
    infer: (id) => infer(logisticRequest(id, [[0.25, 1]])),
    inferWrongly: (id) => infer(JSON.stringify({ id, inputs: [] })),
    loseAnswers: async () => {
      const before = processOf();
      const proxy = await openAnswerLosingProxy(before.adminPort);
      writeFileSync(files.process, JSON.stringify({ ...before, adminPort: proxy.port }));
      return async () => {
        proxy.server.close();
        writeFileSync(files.process, JSON.stringify({ ...processOf(), adminPort: before.adminPort }));
      };
    },
    crash: async () => {
      process.kill(processOf().process.pid, 'SIGKILL');
    },
    crashVersion: async (version) => {
      const server = processOf().servers.find(({ pid }) =>
        readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`--version=${version}`)
      );
      if (server === undefined) throw new Error(`no server of ${version}`);
      process.kill(server.pid, 'SIGKILL');
    },
    readLog: async (glob) =>
      readdirSync(dirname(glob)).flatMap((name) =>
        readFileSync(join(dirname(glob), name), 'utf8')
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line) as { readonly [column: string]: unknown })
      ),
    close: async () => {
      agent.destroy();
      await site.stop(endpoint);
      site.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

describe('onprem serving backend', () => {
  for (const servingCase of servingBackendCases) {
    it(servingCase.name, async () => {
      const harness = await openHarness();
      try {
        // This backend and this harness have everything that a case may ask for: nothing is left out.
        expect(missingForCase(servingCase, harness)).toBeUndefined();
        await servingCase.run(harness);
      } finally {
        await harness.close();
      }
    });
  }
});
