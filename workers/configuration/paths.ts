import { isAbsolute, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FieldProblem } from './units.js';

// Paths and addresses in configuration files. Relative ones start at the project folder and stay inside it: a path that
// leaves it means another thing on the next machine, so it has to be written as an absolute path, on purpose.

const laterSchemes: readonly string[] = ['s3:', 'gs:', 'az:', 'abfs:', 'abfss:', 'http:', 'https:'];

/** Splits off the scheme of an address; one letter is a drive, not a scheme. */
const schemeOf = (value: string): string | undefined => /^([a-z][a-z0-9+.-]+:)/i.exec(value)?.[1]?.toLowerCase();

/** Checks a path, a glob or a `file:` address. Returns it as it was written. */
export function readLocation(value: unknown, options: { readonly what: string; readonly glob: boolean }): string {
  const expected = `expected ${options.what}`;
  if (typeof value !== 'string' || value.trim() === '') throw new FieldProblem(expected);
  if (value.length > 1_024) throw new FieldProblem(`${expected} of at most 1 024 characters`);
  if (/\p{Cc}/u.test(value)) throw new FieldProblem(`${expected} without control characters`);
  if (/\p{Surrogate}/u.test(value)) throw new FieldProblem(`${expected}, in well-formed Unicode`);
  const scheme = schemeOf(value);
  if (scheme !== undefined && laterSchemes.includes(scheme)) {
    throw new FieldProblem(
      `${scheme}//... is not supported yet in this version; expected a local path or file: address`
    );
  }
  if (scheme === 'file:') {
    absoluteOfFileUri(value, expected);
    return value;
  }
  if (scheme !== undefined) throw new FieldProblem(`${expected}; ${scheme} is not a known kind of address`);
  if (!options.glob && /[*?[\]{}]/.test(value)) throw new FieldProblem(`${expected} without wildcards`);
  if (!isAbsolute(value) && leaves(value)) {
    throw new FieldProblem(
      `${expected} inside the project folder`,
      'to use a place outside it, write the absolute path'
    );
  }
  return value;
}

/** True when a relative path points outside the folder it starts in. */
export function leaves(path: string): boolean {
  const base = resolve('/base');
  const inside = relative(base, resolve(base, path.replaceAll('\\', '/')));
  return inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside);
}

function absoluteOfFileUri(value: string, expected: string): string {
  try {
    if (!value.startsWith('file:///') || /%(?:2f|5c|00)/i.test(value)) throw new Error('not a plain local address');
    return fileURLToPath(value);
  } catch {
    throw new FieldProblem(`${expected}; a file: address has the form file:///absolute/path`);
  }
}

/** Absolute path of a checked location. */
export const absolutePath = (location: string, folder: string): string =>
  location.startsWith('file:') ? absoluteOfFileUri(location, 'expected a path') : resolve(folder, location);
