import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

// A state folder or a site's root where no folder can be made although its parent is there. Node's own way to make folders
// never returns there, and a command that is caught in it does not even end by Ctrl-C: so in a process of its own, which is
// killed when it takes far too long.

const program = fileURLToPath(new URL('retempo.js', import.meta.url));
const project = fileURLToPath(new URL('../test/support/tiny-model', import.meta.url));
const site = 'folder /proc/retempo of site onprem.local';

describe.runIf(process.platform === 'linux')('a folder below /proc', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'retempo-unusable-'));
    cpSync(project, folder, { recursive: true });
    mkdirSync(join(folder, 'data'));
    writeFileSync(join(folder, 'data', 'rows.csv'), 'id,at,x,late\n');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const run = (config: string, ...command: string[]) => {
    writeFileSync(join(folder, 'retempo.yaml'), config);
    const env = { ...process.env, TEMPORAL_ADDRESS: '' };
    const options = { cwd: folder, env, encoding: 'utf8', timeout: 50_000, killSignal: 'SIGKILL' } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...command], options);
    return { status, told: `${stdout}${stderr}`.trimEnd().split('\n') };
  };

  it.each([
    ['state: /proc/retempo', 'state: the state folder /proc/retempo cannot be used'],
    // There, but nothing can be made in it.
    ['state: /proc', 'state: the state folder /proc cannot be used'],
    [
      'artifacts: .\nstate: /proc/retempo',
      `state: the ${site.replace('retempo', 'retempo/onprem.local')} cannot be used`,
    ],
    ['sites: { onprem.local: { root: /proc/retempo } }', `sites.onprem.local.root: the ${site} cannot be used`],
    [
      'sites: { onprem.local: { root: /proc } }',
      'sites.onprem.local.root: the folder /proc of site onprem.local cannot be used',
    ],
  ])('is refused in one line that names the setting: %s', (config, message) => {
    // Nobody listens on port 1: what is wrong here is seen without a server.
    const { status, told } = run(`${config}\ntemporal: { address: "127.0.0.1:1" }\n`, 'doctor');
    expect(status).toBe(1);
    const lines = told.filter((line) => line.includes('cannot be used'));
    expect(lines).toEqual([expect.stringContaining(message)]);
    expect(lines[0]).toMatch(
      /\(ENOENT: no such file or directory, mkdir '\/proc\/\S+'\); name one that can be written$/
    );
  });

  it('stops dev before anything is started, and the state folder is named there too', () => {
    const { status, told } = run('state: /proc/retempo\n', 'dev', '--port', '0', '--ui-port', '0');
    expect(status).toBe(1);
    expect(told.at(-1)).toMatch(
      /^error {2}the state folder \/proc\/retempo cannot be used .*state: in retempo\.yaml\)$/
    );
  });
});
