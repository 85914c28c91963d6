import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { superviseModelServer, type SupervisedServer } from './supervisor.js';

// The log of one long life: a real process writes more to it in one life than a log may hold.

const mebibyte = 1024 * 1024;
let folder: string;
let supervised: SupervisedServer | undefined;
const reasons: string[] = [];
const logFile = () => join(folder, 'server.log');
const asked = () => Number(existsSync(join(folder, 'asked')) ? readFileSync(join(folder, 'asked'), 'utf8') : 0);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retempo-supervisor-log-'));
  reasons.length = 0;
});
afterEach(async () => {
  await supervised?.stop();
  supervised = undefined;
  rmSync(folder, { recursive: true, force: true });
});

/** Supervises a server that writes 3 MiB to its log each time it is asked for its health. */
function supervise(): void {
  const program = join(folder, 'program.mjs');
  writeFileSync(
    program,
    `import { writeFileSync, writeSync } from 'node:fs';
     import { createServer } from 'node:http';
     let asked = 0;
     process.on('disconnect', () => process.exit(0));
     const server = createServer((_request, response) => {
       asked += 1;
       const line = Buffer.from(('request ' + asked + ' ').padEnd(${3 * mebibyte}, 'x'));
       for (let at = 0; at < line.length; ) at += writeSync(2, line, at);
       writeFileSync(${JSON.stringify(join(folder, 'asked'))}, String(asked));
       response.end('{"inputs":[],"outputs":[]}');
     });
     server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));`
  );
  supervised = superviseModelServer({
    program,
    arguments: [],
    metadataPath: '/model',
    logFile: logFile(),
    maxBodyBytes: 1_000,
    onChange: () => undefined,
    log: (reason) => reasons.push(reason),
  });
}

describe('the log of a model server', () => {
  it('is bounded within one life, and what comes next is its beginning', async () => {
    writeFileSync(logFile(), Buffer.alloc(5 * mebibyte, 'o'));
    supervise();
    while (asked() < 5) await sleep(20);
    await supervised?.stop();
    // Too large at its start, after the second request and after the fourth. One that was begun anew under a server that does not
    // append would have a hole at its beginning.
    const text = readFileSync(logFile(), 'latin1');
    expect(text.slice(0, 8)).toBe('request ');
    expect(text.length).toBeLessThanOrEqual(7 * mebibyte);
    expect(reasons).toEqual([]);
  });

  it('that cannot be looked at any more is no reason to end a server that serves', async () => {
    supervise();
    while (asked() < 1) await sleep(20);
    const life = supervised?.identity();
    rmSync(logFile());
    symlinkSync(logFile(), logFile());
    expect(() => statSync(logFile())).toThrow('ELOOP');
    while (asked() < 3) await sleep(20);
    expect([supervised?.isReady(), supervised?.identity(), reasons]).toEqual([true, life, []]);
  });
});
