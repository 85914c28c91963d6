/** ` (did you mean \`x\`?)` for the nearest known name, or a list of what there is; empty when nothing is known. */
export function didYouMean(name: string, known: readonly string[]): string {
  const near = known
    .map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0];
  if (near === undefined) return '';
  if (near.distance <= Math.max(1, Math.floor(name.length / 3))) return ` (did you mean \`${near.candidate}\`?)`;
  const shown = known.slice(0, 10).join(', ');
  return ` (there are: ${shown}${known.length > 10 ? `, and ${known.length - 10} more` : ''})`;
}

/** Levenshtein distance of the first 64 characters. */
function editDistance(left: string, right: string): number {
  const a = left.slice(0, 64);
  const b = right.slice(0, 64);
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      current.push(Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + cost));
    }
    previous = current;
  }
  return previous[b.length]!;
}

/** `1 row`, `1,234 rows`. */
export function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`;
}
