import { spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { holderOf, takeClaim } from './claim.js';

const folder = mkdtempSync(`${tmpdir()}/retempo-claim-`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('claim', () => {
  it('is taken by one, and taken over only when the holder is gone', () => {
    const claim = `${folder}/plain`;
    expect(holderOf(claim)).toBeNull();
    expect(takeClaim(claim, 'a', () => true)).toBe(true);
    expect(takeClaim(claim, 'b', () => false)).toBe(false);
    expect(holderOf(claim)).toBe('a');
    expect(takeClaim(claim, 'b', (holder) => holder === 'a')).toBe(true);
    expect(holderOf(claim)).toBe('b');
    expect(statSync(claim).mode & 0o777).toBe(0o700);
  });

  it('a contender that slept between its look and its claim does not take over a newer holder', () => {
    const claim = `${folder}/sleeper`;
    takeClaim(claim, 'first', () => true);
    const slept = takeClaim(claim, 'sleeper', () => {
      takeClaim(claim, 'second', () => true);
      takeClaim(claim, 'third', () => true);
      return true;
    });
    expect(slept).toBe(false);
    expect(holderOf(claim)).toBe('third');
    expect(takeClaim(claim, 'fourth', () => true)).toBe(true);
    expect(readdirSync(claim)).toEqual(['4']);
  });

  it('a holder that went while it was looked at was followed by another: the claim is not free', () => {
    const claim = `${folder}/going`;
    mkdirSync(claim);
    symlinkSync(`${claim}/nowhere`, `${claim}/5`);
    expect(takeClaim(claim, 'late', () => true)).toBe(false);
    expect(readdirSync(claim)).toEqual(['5']);
  });

  it('what a contender has only begun to write neither holds the claim nor is taken from it', () => {
    const claim = `${folder}/begun`;
    mkdirSync(claim);
    const begun = '7.4321.0123456789ab.tmp';
    writeFileSync(`${claim}/${begun}`, '');
    expect(holderOf(claim)).toBeNull();
    for (const holder of ['a', 'b']) expect(takeClaim(claim, holder, () => true)).toBe(true);
    expect(readdirSync(claim).sort()).toEqual(['2', begun]);
  });

  it('of many processes that see the same dead holder exactly one wins, in every round', async () => {
    const module = fileURLToPath(new URL('../dist/jobs/claim.js', import.meta.url));
    const script = `${folder}/contend.mjs`;
    writeFileSync(
      script,
      `import { appendFileSync } from 'node:fs';
       import { takeClaim } from ${JSON.stringify(module)};
       const [claim, log, name] = process.argv.slice(2);
       for (let round = 0; round < 40; round += 1) {
         while (Date.now() % 20 !== 0);
         if (takeClaim(claim + round, name, (holder) => holder === 'dead')) appendFileSync(log, round + '\\n');
       }`
    );
    for (let round = 0; round < 40; round += 1) takeClaim(`${folder}/many${round}`, 'dead', () => true);
    const log = `${folder}/winners`;
    const contenders = Array.from(
      { length: 6 },
      (_unused, index) =>
        new Promise((resolve) => {
          spawn(process.execPath, [script, `${folder}/many`, log, `c${index}`]).once('exit', resolve);
        })
    );
    expect(await Promise.all(contenders)).toEqual(Array(6).fill(0));
    const winners = readFileSync(log, 'utf8').trim().split('\n').map(Number);
    expect(winners.sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_unused, round) => round));
  });
});
