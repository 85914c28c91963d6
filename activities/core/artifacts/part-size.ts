const mebibyte = 1024 * 1024;

/**
 * Size of every part but the last of an upload of `sizeBytes`: 8 MiB, or for very large files what keeps the number of
 * parts at 9,000 or below (S3 allows 10,000), rounded up to whole MiB. Memory of a transfer is this times the parts in
 * flight. Every store cuts by this rule, so that an interrupted upload can be resumed by anybody.
 */
export const partSizeBytes = (sizeBytes: number): number =>
  Math.max(8 * mebibyte, Math.ceil(sizeBytes / 9000 / mebibyte) * mebibyte);

/** Number of parts of an upload of `sizeBytes`; none for an empty file. */
export const partCount = (sizeBytes: number): number => Math.ceil(sizeBytes / partSizeBytes(sizeBytes));

/** Place of part `number` (from 1) in a file of `sizeBytes`: bytes `[from, to)`. */
export function partRange(sizeBytes: number, number: number): { readonly from: number; readonly to: number } {
  const part = partSizeBytes(sizeBytes);
  return { from: (number - 1) * part, to: Math.min(number * part, sizeBytes) };
}
