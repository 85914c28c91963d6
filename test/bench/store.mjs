// What it costs to put an artifact into a file store, verified, against `cp` and a SHA-256 of the same file side by side:
//   npm run build && node test/bench/store.mjs [--mib 1024] [--rounds 5]
// Rounds are interleaved; the least counts. `cp` alone leaves the bytes to the page cache, the store does not answer before
// they are on the disk: the second baseline waits for that too.
import { execFile, spawn } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { held, least, report, shown, skip } from './rows.mjs';

const { values } = parseArgs({
  options: { mib: { type: 'string', default: '1024' }, rounds: { type: 'string', default: '5' } },
});
if (!existsSync('/proc/self/io')) skip('memory and reads of a process are read from /proc: Linux only');
const mebibytes = Number(values.mib);
const rounds = Number(values.rounds);
const folder = mkdtempSync(join(tmpdir(), 'retempo-bench-store-'));
const program = fileURLToPath(new URL('transfer.mjs', import.meta.url));

/** @param {...string} args */
async function transfer(...args) {
  const { stdout } = await promisify(execFile)(process.execPath, [program, ...args]);
  return JSON.parse(stdout);
}

/** A file that no file system stores in less space. @param {string} path @param {number} mib */
function writeNoise(path, mib) {
  const file = openSync(path, 'w');
  const block = Buffer.alloc(2 ** 20);
  for (let i = 0; i < mib; i++) writeSync(file, randomFillSync(block));
  // Nothing of it shall still be on its way to the disk while something else is measured.
  fsyncSync(file);
  closeSync(file);
}

/** Seconds until all commands are through, started at once. @param {...string} commands */
async function together(...commands) {
  const started = performance.now();
  await Promise.all(
    commands.map(
      (command) =>
        new Promise((resolve, reject) => {
          const child = spawn('sh', ['-c', command], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
          child.on('error', reject);
          child.on('exit', (code) => (code === 0 ? resolve(undefined) : reject(new Error(`${command}: exit ${code}`))));
        })
    )
  );
  return (performance.now() - started) / 1000;
}

/** Seals, relays to another store and fetches one file; what each needed. @param {number} mib */
async function once(mib) {
  for (const name of ['source', 'store', 'other']) {
    rmSync(join(folder, name), { recursive: true, force: true });
    mkdirSync(join(folder, name));
  }
  rmSync(join(folder, 'fetched'), { recursive: true, force: true });
  const at = (/** @type {string} */ name) => join(folder, name);
  writeNoise(join(at('source'), 'model.bin'), mib);
  const seal = await transfer('seal', at('source'), at('store'));
  const ref = JSON.stringify(seal.ref);
  const relay = await transfer('relay', ref, at('store'), at('other'));
  rmSync(at('other'), { recursive: true });
  const fetch = await transfer('fetch', ref, at('store'), at('fetched'));
  rmSync(at('fetched'), { recursive: true });
  return { seal, relay, fetch };
}

try {
  console.log(`file store, ${mebibytes} MiB, ${rounds} rounds`);
  const small = await once(Math.ceil(mebibytes / 4));
  const runs = [];
  const cached = [];
  const durable = [];
  const hash = 'if command -v openssl; then openssl dgst -sha256 source/model.bin; else sha256sum source/model.bin; fi';
  for (let round = 0; round < rounds; round++) {
    runs.push(await once(mebibytes));
    rmSync(join(folder, 'store'), { recursive: true });
    cached.push(await together('cp source/model.bin copy', hash));
    rmSync(join(folder, 'copy'));
    durable.push(await together('cp source/model.bin copy && sync copy', hash));
    rmSync(join(folder, 'copy'));
  }
  const seconds = least(runs.map(({ seal }) => seal.seconds));
  const size = mebibytes * 2 ** 20;
  const ofEach = (/** @type {(kind: 'seal' | 'relay' | 'fetch') => import('./rows.mjs').Row} */ row) =>
    /** @type {const} */ (['seal', 'relay', 'fetch']).map(row);
  const memory = (/** @type {'seal' | 'relay' | 'fetch'} */ kind) => runs.map((run) => run[kind].rssMiB);
  report([
    shown('seal, time of (cp and sha256)', seconds / least(cached), 'x', 1.1),
    shown('seal, time of (cp + sync and sha256)', seconds / least(durable), 'x', 1.1),
    ...ofEach((kind) => {
      const read = Math.max(...runs.map((run) => run[kind].readBytes)) / size;
      return held(`${kind}, bytes read of the size`, read, 'x', 1.01);
    }),
    ...ofEach((kind) => shown(`${kind}, memory of its process`, Math.max(...memory(kind)), 'MiB', 96)),
    // It varies with when garbage is collected; what held the file would need three quarters of it more.
    ...ofEach((kind) =>
      held(`${kind}, more of it for four times the bytes`, least(memory(kind)) - small[kind].rssMiB, 'MiB', 32)
    ),
  ]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
