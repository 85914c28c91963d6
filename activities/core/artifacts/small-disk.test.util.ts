import { spawnSync } from 'node:child_process';

/** What `mount` says to one who may not: no superuser, or one without CAP_SYS_ADMIN, as in many containers. */
const notAllowed = /must be superuser|permission denied|not permitted/i;

/**
 * Mounts a file system of so many mebibytes at a folder, so that a disk can be full; `umount` it afterwards. Null when it is
 * there, else why not, which is a reason to skip. A machine without the program `mount`, or where it fails for another
 * reason than a missing right, is a failure where `RETEMPO_REQUIRE_PEERS=1` asks for that. The right itself stays a reason to
 * skip: a user namespace does not replace it, what is mounted in one is seen only inside, and many containers have none.
 */
export function mountSmallDisk(folder: string, mebibytes: number): string | null {
  const { status, error, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', folder], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  if (status === 0) return null;
  const said = error?.message ?? stderr.split('\n', 1)[0] ?? '';
  const why = `no small disk can be mounted here: ${said}`;
  if (!notAllowed.test(said) && process.env['RETEMPO_REQUIRE_PEERS'] === '1') throw new Error(why);
  console.warn(`skipped, ${why}`);
  return why;
}
