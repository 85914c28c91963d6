import { PortError } from '../ports/index.js';

/** Longest key in UTF-8 bytes: the limit of S3 and of Cloud Storage. */
export const maxKeyBytes = 1024;
/** Longest segment in UTF-8 bytes: the limit of ext4, APFS and NTFS file names. */
export const maxSegmentBytes = 255;

const maxDecodings = 8;

// Control and format characters, line separators, surrogates, private use and unassigned code points; U+FFFD stands for
// a file name that is not UTF-8.
const invisible = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}\uFFFD]/u;
const windowsReserved = /[\\:*?"<>|]/;
// Characters that look like `.`, `/`, `\` or `:`, or that NFKC maps to them.
const lookAlike =
  /[\u0589\u05C3\u06D4\u0701-\u0704\u2024-\u2027\u2044\u2215\u2216\u2219\u2236\u22C5\u27CB\u27CD\u29F5\u29F8\u29F9\u3002\uA789\uA4F8\uFE52\uFE55\uFE68\uFF0E\uFF0F\uFF1A\uFF3C\uFF61]/u;
const deviceName = /^(con|prn|aux|nul|conin\$|conout\$|com[0-9]|lpt[0-9])(\.|$)/i;
const encoder = new TextEncoder();
const byteLength = (text: string): number => encoder.encode(text).length;

function segmentProblem(segment: string): string | undefined {
  if (segment === '') return 'has an empty segment';
  if (/^\.+$/.test(segment)) return `has the segment "${segment}"`;
  if (segment.endsWith('.')) return 'has a segment that ends in a dot';
  if (segment !== segment.trim()) return 'has a segment that starts or ends in white space';
  if (deviceName.test(segment)) return `has the segment "${segment}", a reserved device name`;
  if (byteLength(segment) > maxSegmentBytes) return `has a segment longer than ${maxSegmentBytes} bytes`;
  return undefined;
}

function formProblem(text: string): string | undefined {
  if (text === '') return 'is empty';
  if (invisible.test(text)) return 'contains a control, invisible or undefined character';
  if (windowsReserved.test(text)) return 'contains one of \\ : * ? " < > |';
  if (lookAlike.test(text)) return 'contains a character that looks like a dot, slash, backslash or colon';
  if (text.startsWith('/')) return 'is absolute';
  for (const segment of text.split('/')) {
    const problem = segmentProblem(segment);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** What is wrong with a key, as the rest of a sentence that starts with the key; undefined when nothing is. */
export function keyProblem(key: string): string | undefined {
  if (typeof key !== 'string') return 'is not a string';
  if (byteLength(key) > maxKeyBytes) return `is longer than ${maxKeyBytes} bytes`;
  let text = key;
  for (let round = 0; round <= maxDecodings; round++) {
    // A name that becomes something else when a store, proxy or file system decodes or normalises it is judged by all
    // that it may become.
    const problem = formProblem(text) ?? formProblem(text.normalize('NFKC'));
    if (problem !== undefined) return round === 0 ? problem : `${problem} after percent decoding`;
    if (!text.includes('%')) return undefined;
    if (/%(?![0-9a-f]{2})/i.test(text)) return 'contains % that is not followed by two hex digits';
    try {
      text = decodeURIComponent(text);
    } catch {
      return 'contains percent-encoded bytes that are not UTF-8';
    }
  }
  return `is percent-encoded more than ${maxDecodings} times`;
}

const shown = (key: unknown): string => {
  const text = JSON.stringify(key) ?? String(key);
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
};

/**
 * Checks an object key: relative, `/`-separated, at most {@link maxKeyBytes} bytes, no segment that any file system,
 * shell, proxy or cloud could read as a way out of its root. The key is judged as it stands, after Unicode
 * normalisation, and after every round of percent decoding.
 *
 * @throws PortError class `InvalidSpec`.
 */
export function assertKey(key: string): void {
  const problem = keyProblem(key);
  if (problem !== undefined)
    throw new PortError('InvalidSpec', `the key ${shown(key)} ${problem}; choose another name`);
}

/** Checks the prefix of a listing: empty, or a key, or a key and `/`, or a key whose last segment is incomplete. */
export function assertPrefix(prefix: string): void {
  const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  if (folder !== '') assertKey(folder.slice(0, -1));
  const rest = prefix.slice(folder.length);
  if (rest !== '') assertKey(rest.replace(/[. ]+$/, '') || 'x');
}

/** The form in which two paths are the same name to a file system that ignores case or normalises Unicode. */
export const foldedKey = (key: string): string => key.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFC');
