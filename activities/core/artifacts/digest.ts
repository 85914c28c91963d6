import { createHash, webcrypto } from 'node:crypto';

/** `sha256:` + 64 hex digits of the bytes, computed at once on the calling thread. */
export const digestBytes = (bytes: Uint8Array | string): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** Same as {@link digestBytes}, computed off the calling thread so that it overlaps with reading and writing. */
export async function digestPart(bytes: Uint8Array): Promise<string> {
  if (bytes.length < 256 * 1024) return digestBytes(bytes);
  const hash = await webcrypto.subtle.digest('SHA-256', bytes);
  return `sha256:${Buffer.from(hash).toString('hex')}`;
}

/** True for `sha256:` + 64 lower-case hex digits. */
export const isDigest = (text: unknown): text is string =>
  typeof text === 'string' && /^sha256:[0-9a-f]{64}$/.test(text);

/** Digest of no bytes. */
export const emptyDigest = digestBytes('');
