import { createServer } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { recordedIo } from './recorded-io.test.util.js';
import { installWorkerLog } from './worker-log.js';

const taken = createServer();
let port = 0;
beforeAll(
  () =>
    new Promise<void>((done) => {
      taken.listen(0, '127.0.0.1', () => {
        port = (taken.address() as { port: number }).port;
        done();
      });
    })
);
afterAll(() => new Promise((done) => taken.close(done)));

it('says which port of the metrics is taken, and what to do; afterwards another can be had', () => {
  const io = recordedIo();
  expect(() => installWorkerLog(io, { verbose: false, metricsPort: port })).toThrow(
    expect.objectContaining({
      code: 'portInUse',
      message: expect.stringMatching(
        new RegExp(
          `^worker metrics cannot be served at http://127\\.0\\.0\\.1:${port}/metrics \\(.+\\); .*metrics\\.port in retempo\\.yaml`
        )
      ) as string,
    })
  );
  installWorkerLog(io, { verbose: false, metricsPort: null });
});
