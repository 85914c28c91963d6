import { FieldProblem } from './units.js';

/** Characters that mean something to a shell and nothing here, with what to do instead. */
const shellSyntax: { readonly [character: string]: string } = {
  '|': 'pipes',
  '&': '&& and background jobs',
  ';': 'several commands',
  '<': 'redirection',
  '>': 'redirection',
  $: 'variables and substitution',
  '`': 'substitution',
  '(': 'subshells',
  ')': 'subshells',
  '*': 'file patterns',
  '?': 'file patterns',
  '[': 'file patterns',
  ']': 'file patterns',
  '{': 'brace expansion',
  '}': 'brace expansion',
  '#': 'comments',
  '\n': 'several lines',
  '\r': 'several lines',
};

const noShell = (character: string): FieldProblem =>
  new FieldProblem(
    `expected a program and its arguments; there is no shell, so ${JSON.stringify(character)} ` +
      `(${shellSyntax[character] ?? 'shell syntax'}) would not work`,
    'quote it to pass it on as it is, or put the line into a script and run that'
  );

/** Reads a command: a list of texts, or one text that is split at blanks, with quotes and no shell. */
export function readCommand(value: unknown): readonly string[] {
  const expected = 'expected a command such as node train.js, or a list of program and arguments';
  const words = typeof value === 'string' ? splitCommand(value) : value;
  if (!Array.isArray(words)) throw new FieldProblem(expected);
  for (const [index, word] of (words as readonly unknown[]).entries()) {
    if (typeof word !== 'string') {
      const what = `${expected}; argument ${index} is not text`;
      // A mapping is no text that lacks quotes, and may have no text at all: its toString may be a key of the file.
      throw isPart(word) ? new FieldProblem(what) : new FieldProblem(what, `quote it: "${String(word)}"`);
    }
    if (word.includes('\0')) throw new FieldProblem(`${expected}; argument ${index} contains a NUL character`);
  }
  const result = words as readonly string[];
  if (result.length > 1_000 || result.join(' ').length > 32_768) {
    throw new FieldProblem('expected a command of at most 1 000 arguments and 32 768 characters');
  }
  const program = result[0] ?? '';
  if (program.trim() === '') throw new FieldProblem(expected);
  if (typeof value === 'string' && /^[A-Za-z_]\w*=/.test(program)) {
    throw new FieldProblem(
      `expected a program first; there is no shell, so ${program.split('=')[0]}=... would not set a variable`,
      'put it under env'
    );
  }
  return result;
}

const isPart = (value: unknown): value is object => typeof value === 'object' && value !== null;

/**
 * Splits at blanks. Single quotes keep everything, double quotes everything but `\"` and `\\`, a backslash keeps the next
 * character. Whatever a shell would interpret outside quotes is refused rather than passed on with another meaning.
 */
export function splitCommand(text: string): readonly string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quote: '"' | "'" | null = null;
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    const next = text.charAt(at + 1);
    if (quote !== null) {
      if (character === quote) quote = null;
      else if (quote === '"' && character === '\\' && (next === '"' || next === '\\')) {
        word = `${word ?? ''}${next}`;
        at++;
      } else if (quote === '"' && (character === '$' || character === '`')) throw noShell(character);
      else word = `${word ?? ''}${character}`;
    } else if (character === '"' || character === "'") {
      quote = character;
      word ??= '';
    } else if (character === '\\') {
      if (next === '') throw new FieldProblem('expected a character after the last backslash');
      word = `${word ?? ''}${next}`;
      at++;
    } else if (character === ' ' || character === '\t') {
      if (word !== null) words.push(word);
      word = null;
    } else if (Object.hasOwn(shellSyntax, character)) throw noShell(character);
    else word = `${word ?? ''}${character}`;
  }
  if (quote !== null) throw new FieldProblem(`expected a closing ${quote}`);
  if (word !== null) words.push(word);
  return words;
}
