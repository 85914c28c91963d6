// Preload (`node --import`): kills this process with SIGKILL right before the n-th call that changes something outside it
// (n = KILL_AT, from 1). Looping n until the process ends by itself visits every state that a death can leave behind.
import childProcess from 'node:child_process';
import fs from 'node:fs';
import fsPromises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const killAt = Number(process.env.KILL_AT);
let calls = 0;

function guard(module, names) {
  for (const name of names) {
    const original = module[name];
    module[name] = (...args) => {
      calls += 1;
      if (calls === killAt) process.kill(process.pid, 'SIGKILL');
      return original(...args);
    };
  }
}

guard(fs, ['appendFileSync', 'copyFileSync', 'linkSync', 'mkdirSync', 'renameSync', 'rmSync', 'writeFileSync']);
guard(fsPromises, ['link', 'mkdir', 'rename', 'rm', 'writeFile']);
guard(childProcess, ['spawn']);
syncBuiltinESMExports();
