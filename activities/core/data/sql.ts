/** Text as an SQL literal; any text is safe. */
export function sqlText(text: string): string {
  // A NUL would end the statement there.
  const parts = text.split('\0').map((part) => `'${part.replaceAll("'", "''")}'`);
  return parts.length === 1 ? parts[0]! : `(${parts.join(' || chr(0) || ')})`;
}

/** A name as an SQL identifier. Any name is safe but NUL, which sources refuse in names. */
export function sqlName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Texts as an SQL list literal. */
export function sqlTexts(texts: readonly string[]): string {
  return `[${texts.map(sqlText).join(', ')}]`;
}

/** Numbers as an SQL list of DOUBLE; the shortest decimal form of a double is read back as the same double. */
export function sqlDoubles(numbers: readonly number[]): string {
  return `CAST(${sqlText(`[${numbers.join(', ')}]`)} AS DOUBLE[])`;
}

/** An instant (epoch milliseconds) as an SQL TIMESTAMP in UTC. */
export function sqlInstant(epochMs: number): string {
  return `TIMESTAMP ${sqlText(new Date(epochMs).toISOString().replace('T', ' ').replace('Z', ''))}`;
}
