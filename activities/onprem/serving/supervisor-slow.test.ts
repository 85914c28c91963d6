import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { superviseModelServer } from './supervisor.js';

// When a model server that does not say that it is well is ended, and when it is left alone: real processes, whose program does
// what a busy server and a server that hangs do.

/** Never answers for its health; answers requests unless its second argument says otherwise. Its log names who was asked. */
const program = `
import { createServer } from 'node:http';
const isStuck = process.argv[2] === 'stuck';
const server = createServer((request, response) => {
  if (request.url === '/metadata') return response.end('{"inputs":[],"outputs":[]}');
  if (request.url === '/v2/health/ready') return console.log('asked ' + process.pid);
  if (!isStuck) response.end('{}');
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.on('disconnect', () => process.exit(0));
`;

const wait = (ms: number) =>
  new Promise<void>((resolve) => {
    setTimeout(resolve, ms);
  });

describe('a model server that does not answer for its health', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'retempo-model-server-'));
    writeFileSync(join(folder, 'server.mjs'), program);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Sends one request after the other until its health was asked for a fourth time: three without an answer are a hang. */
  async function askedFourTimes(how: 'busy' | 'stuck') {
    const logFile = join(folder, `${how}.log`);
    const said: string[] = [];
    const server = superviseModelServer({
      program: join(folder, 'server.mjs'),
      arguments: [how],
      metadataPath: '/metadata',
      logFile,
      maxBodyBytes: 1_000,
      onChange: () => undefined,
      log: (message) => said.push(message),
    });
    const asked = () => (existsSync(logFile) ? (readFileSync(logFile, 'utf8').match(/^asked \d+$/gm) ?? []) : []);
    let answers = 0;
    try {
      while (asked().length < 4) {
        const upstream = server.upstream();
        if (upstream === undefined) await wait(20);
        else {
          const request = Buffer.from('POST /infer HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n');
          const answered = await new Promise<boolean>((resolve) => {
            upstream.send(request, Date.now() + 500, ({ kind }) => resolve(kind === 'response'));
          });
          if (answered) answers += 1;
          await wait(20);
        }
      }
      return { servers: new Set(asked().slice(0, 4)).size, said, answers };
    } finally {
      await server.stop();
    }
  }

  it.concurrent('is left alone while it answers requests: it is slow, and does not hang', async () => {
    const { servers, said, answers } = await askedFourTimes('busy');
    expect({ servers, said }).toEqual({ servers: 1, said: [] });
    expect(answers).toBeGreaterThan(0);
  });

  it.concurrent('is ended and started again when it answers nothing', async () => {
    const { servers, said, answers } = await askedFourTimes('stuck');
    expect({ servers, answers }).toEqual({ servers: 2, answers: 0 });
    expect(said).toEqual([
      expect.stringMatching(/^the model server hangs \(no answer within 2000 ms\) and is started/),
    ]);
  });
});
