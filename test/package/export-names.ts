import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * Every name that a declaration file exports, types included and marked, sorted. Understands what `tsc` writes: lists,
 * stars and declarations.
 */
export async function exportNames(file: string): Promise<readonly string[]> {
  const text = (await readFile(file, 'utf8')).replaceAll(/\/\*[\s\S]*?\*\//g, '');
  const names = new Set<string>();
  for (const [, star] of text.matchAll(/^export \* from '(\.[^']+)';/gm)) {
    for (const name of await exportNames(declarationOf(file, star!))) names.add(name);
  }
  for (const [, type, list, from] of text.matchAll(/^export (type )?\{([^}]*)\}(?: from '([^']+)')?;/gm)) {
    const known = from?.startsWith('.') === true ? await exportNames(declarationOf(file, from)) : [];
    for (const part of list!.split(',').map((name) => name.trim())) {
      if (part === '') continue;
      const name = part
        .replace(/^type /, '')
        .split(' as ')
        .at(-1)!;
      const isType = type !== undefined || part.startsWith('type ') || known.includes(`type ${name}`);
      names.add(isType ? `type ${name}` : name);
    }
  }
  for (const [, kind, name] of text.matchAll(
    /^export (?:declare )?(?:abstract )?(const|function|class|interface|type) (\w+)/gm
  )) {
    names.add(kind === 'interface' || kind === 'type' ? `type ${name}` : name!);
  }
  return [...names].toSorted();
}

const declarationOf = (file: string, specifier: string): string =>
  join(dirname(file), specifier.replace(/\.js$/, '.d.ts'));
