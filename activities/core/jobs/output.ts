import { lstat, readdir } from 'node:fs/promises';
import { PortError } from '../ports/index.js';

const maxFiles = 100_000;

/**
 * Relative paths of all files below a folder, in code unit order. Throws `UserCodeFailed` for links, special files and
 * more than `most` files.
 */
export async function filesOf(folder: string, most = maxFiles): Promise<readonly string[]> {
  const files: string[] = [];
  const walk = async (below: string): Promise<void> => {
    for (const name of await readdir(`${folder}/${below}`)) {
      const path = `${below}${name}`;
      const info = await lstat(`${folder}/${path}`);
      if (info.isDirectory()) await walk(`${path}/`);
      else if (info.isFile()) files.push(path);
      else {
        const kind = info.isSymbolicLink() ? 'a symbolic link' : 'not a plain file';
        throw new PortError(
          'UserCodeFailed',
          `output ${JSON.stringify(path)} is ${kind}; write plain files to RETEMPO_OUTPUT`
        );
      }
      if (files.length > most) throw new PortError('UserCodeFailed', `output has more than ${most} files; pack them`);
    }
  };
  await walk('');
  return files.sort();
}

/** Regular expression of a glob: `**` any path, `*` any name part, `?` one character; everything else as it is. */
function globExpression(glob: string): RegExp {
  const pieces = glob.split(/(\*\*\/|\*\*|\*|\?)/).map((piece) => {
    if (piece === '**/') return '(?:[^/]+/)*';
    if (piece === '**') return '.*';
    if (piece === '*') return '[^/]*';
    return piece === '?' ? '[^/]' : piece.replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`);
  });
  return new RegExp(`^${pieces.join('')}$`, 's');
}

/** Throws `UserCodeFailed` when the output is empty or lacks a file that `required` (globs) asks for. */
export function checkRequired(files: readonly string[], required: readonly string[]): void {
  if (files.length === 0)
    throw new PortError(
      'UserCodeFailed',
      'the program wrote nothing to RETEMPO_OUTPUT; let it write its result into that folder'
    );
  const missing = required.filter((glob) => !files.some((file) => globExpression(glob).test(file)));
  if (missing.length === 0) return;
  const shown = files.slice(0, 10).join(', ');
  throw new PortError(
    'UserCodeFailed',
    `the program did not write ${missing.join(', ')} to RETEMPO_OUTPUT; it wrote ${shown}${files.length > 10 ? ', ...' : ''}`
  );
}
