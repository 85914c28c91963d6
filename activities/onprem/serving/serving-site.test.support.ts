import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import type { Call } from '@retempo/activities/ports';
import type { EndpointState } from '@retempo/workflows/contracts';
import { type EndpointOptions, routerFiles, type RouterProcess } from './layout.js';
import { createOnpremServing, type OnpremServing } from './onprem-serving.js';
import { logisticModel } from './tiny-model.test.support.js';

// A real serving site for one test: router and model servers are processes; it is ended and removed after the test.

export const newCall = (): Call => ({ signal: new AbortController().signal, deadlineMs: Date.now() + 30_000 });
export const endpoint = 'flights';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

export interface Site extends OnpremServing {
  readonly root: string;
  readonly process: () => RouterProcess;
  deploy(version: string, files: { readonly [name: string]: Uint8Array }): Promise<void>;
  until(holds: (state: EndpointState) => boolean): Promise<EndpointState>;
  deployReady(version: string, model: Uint8Array): Promise<EndpointState>;
  weights(weights: { readonly [version: string]: number }): Promise<string>;
  infer(body: string, headers?: { readonly [name: string]: string }): Promise<Response>;
}

/** Opens a site in a folder of its own, or a second one on the same folder. */
export function openSite(options: EndpointOptions = {}, sameRoot?: string): Site {
  const root = sameRoot ?? mkdtempSync(join(tmpdir(), 'retempo-serving-'));
  const artifacts = new Map<string, { readonly [name: string]: Uint8Array }>();
  const site = createOnpremServing({
    id: 'onprem.test',
    root,
    endpoints: { [endpoint]: options },
    context: {
      materialize: async (ref, folder) => {
        for (const [name, bytes] of Object.entries(artifacts.get(ref.digest) ?? {}))
          writeFileSync(join(folder, name), bytes);
      },
    },
  });
  cleanups.push(async () => {
    await site.stop(endpoint);
    site.close();
    rmSync(root, { recursive: true, force: true });
  });
  const until = async (holds: (state: EndpointState) => boolean): Promise<EndpointState> => {
    for (let i = 0; i < 1_000; i++) {
      const state = await site.serving.describe(endpoint, newCall());
      if (holds(state)) return state;
      await new Promise((resolve) => {
        setTimeout(resolve, 20);
      });
    }
    throw new Error('the endpoint never got there');
  };
  const deploy = async (version: string, files: { readonly [name: string]: Uint8Array }): Promise<void> => {
    const hash = createHash('sha256');
    for (const [name, bytes] of Object.entries(files)) hash.update(name).update(bytes);
    const digest = `sha256:${hash.digest('hex')}`;
    artifacts.set(digest, files);
    const artifact = { v: 1, uri: 'test:/', digest, bytes: 1 } as const;
    await site.serving.deploy({ key: `key-${version}`, endpoint, version, artifact, epoch: 1 }, newCall());
  };
  return {
    ...site,
    root,
    process: () => JSON.parse(readFileSync(routerFiles(join(root, endpoint)).process, 'utf8')) as RouterProcess,
    until,
    deploy,
    deployReady: async (version, model) => {
      await deploy(version, { 'model.onnx': model });
      return until((state) => state.versions[version]?.ready === 1);
    },
    weights: async (weights) => {
      const { revision } = await site.serving.describe(endpoint, newCall());
      return (await site.serving.setTraffic({ endpoint, weights, ifRevision: revision, epoch: 1 }, newCall())).revision;
    },
    infer: async (body, headers = {}) =>
      fetch(`${await site.endpointUrl(endpoint, newCall())}/v2/models/${endpoint}/infer`, {
        method: 'POST',
        body,
        headers,
      }),
  };
}

export const good = logisticModel({ weight: 1, effects: [0, 1] });
export const same = logisticModel({ weight: 2, effects: [0, 1] });
export const narrow = logisticModel({ weight: 2, effects: [0] });
