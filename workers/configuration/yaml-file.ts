import { readFile, stat } from 'node:fs/promises';
import {
  CST,
  isAlias,
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  parseAllDocuments,
  visit,
} from 'yaml';
import type { Document, Node, ParsedNode } from 'yaml';
import { formatPath } from './problems.js';
import type { ConfigurationProblem, FoundProblem } from './problems.js';

/** Largest configuration file, in bytes. */
const largestFileBytes = 1_048_576;
const deepestNesting = 20;
const widestIndentation = 200;
const tooDeep = `expected at most ${deepestNesting} levels of nesting`;

/** A parsed file: its value, and where each part of it stands. */
export interface YamlFile {
  readonly file: string;
  /** Undefined when the file could not be parsed; {@link YamlFile.problems} says why. */
  readonly value: unknown;
  readonly problems: readonly ConfigurationProblem[];
  /** Gives a problem its line and column: of the key, or of the nearest part above that exists. */
  readonly place: (problem: FoundProblem) => ConfigurationProblem;
}

/** Reads one configuration file. Never throws for what is in it; the file system's errors become problems too. */
export async function readYamlFile(options: { readonly path: string; readonly file: string }): Promise<YamlFile> {
  const { path, file } = options;
  const broken = (message: string, suggestion?: string): YamlFile => unplaced(file, message, suggestion);
  let bytes: Buffer;
  try {
    // Asked before opening: opening a named pipe that nobody writes to would wait for ever.
    const found = await stat(path);
    if (found.isDirectory()) return broken('expected a file, this is a folder');
    if (!found.isFile()) return broken('expected a file');
    if (found.size > largestFileBytes) return broken(`expected at most 1 MiB, the file has ${found.size} bytes`);
    bytes = await readFile(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    if (code === 'ENOENT')
      return broken('there is no such file', 'create it, or run the command in the project folder');
    return broken(`the file cannot be read (${code})`);
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return broken('expected UTF-8 text', 'save the file as UTF-8');
  }
  return parseYamlText(text, file);
}

/** Parses the text of one configuration file; `file` is its name in problems. */
export function parseYamlText(text: string, file: string): YamlFile {
  const lines = new LineCounter();
  const at = (offset: number): { line: number; column: number } => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const problem = (offset: number, message: string, suggestion: string | null = null): ConfigurationProblem => ({
    file,
    ...at(offset),
    path: '',
    message,
    suggestion,
  });
  const deep = offsetOfDeepNesting(text);
  if (deep !== null) {
    const { line, col } = linesOf(text).linePos(deep);
    return unplaced(file, tooDeep, null, { line, column: col });
  }
  const control = text.search(/[^\P{Cc}\n\r\t\u0085]/u);
  let documents: readonly Document.Parsed[];
  let problems: ConfigurationProblem[] = [];
  try {
    const parsed = parseAllDocuments(text, {
      lineCounter: lines,
      version: '1.2',
      schema: 'core',
      merge: false,
      stringKeys: true,
      uniqueKeys: true,
      prettyErrors: false,
    });
    documents = Array.isArray(parsed) ? parsed : [];
    if (control >= 0) problems.push(problem(control, 'expected text, found a control character'));
    if (documents.length > 1) {
      const second = documents[1]?.range[0] ?? 0;
      problems.push(problem(second, 'expected one document, found several', 'keep one file per model'));
    }
    const document = documents[0];
    if (document !== undefined) {
      problems.push(...document.errors.map((error) => problem(error.pos[0], yamlMessage(error.code, error.message))));
      problems.push(...forbiddenParts(document, problem));
    }
    problems = problems.filter((one, index) => problems.findIndex((other) => sameProblem(one, other)) === index);
    const value: unknown =
      problems.length > 0 || document === undefined ? undefined : document.toJS({ maxAliasCount: 0 });
    return {
      file,
      value: problems.length > 0 ? undefined : (value ?? {}),
      problems,
      place: (found) => placed({ file, document, at, found }),
    };
  } catch (error) {
    if (error instanceof RangeError) return unplaced(file, tooDeep);
    throw error;
  }
}

/**
 * Where the nesting gets deeper than any parser should be asked to follow, or null. Asked before parsing: the parser
 * recurses, and on a nearly full stack a regular expression ends the whole process instead of throwing (seen with Node
 * 20.20 and 100 000 brackets). Every block level needs a column or shares one with its key, so columns bound the depth.
 */
function offsetOfDeepNesting(text: string): number | null {
  let offset = 0;
  let lineStart = 0;
  let lineIsEmpty = true;
  let brackets = 0;
  for (const token of new Lexer().lex(text)) {
    const kind = CST.tokenType(token);
    // Marks that the lexer puts in by itself stand for no text.
    if (kind === 'doc-mode' || kind === 'flow-error-end' || kind === 'scalar') continue;
    if (kind === 'flow-seq-start' || kind === 'flow-map-start') brackets++;
    else if (kind === 'flow-seq-end' || kind === 'flow-map-end') brackets--;
    const filler = kind === 'space' || kind === 'newline' || kind === 'comment';
    const opensBlock = (lineIsEmpty && !filler) || kind === 'seq-item-ind' || kind === 'explicit-key-ind';
    const tooFarRight = brackets === 0 && opensBlock && offset - lineStart > widestIndentation;
    if (brackets > deepestNesting || tooFarRight) return offset;
    if (!filler) lineIsEmpty = false;
    const lastBreak = token.lastIndexOf('\n');
    if (lastBreak >= 0) {
      lineStart = offset + lastBreak + 1;
      lineIsEmpty = true;
    }
    offset += token.length;
  }
  return null;
}

function linesOf(text: string): LineCounter {
  const lines = new LineCounter();
  lines.addNewLine(0);
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines.addNewLine(at + 1);
  return lines;
}

const sameProblem = (left: ConfigurationProblem, right: ConfigurationProblem): boolean =>
  left.line === right.line && left.column === right.column && left.message === right.message;

function unplaced(
  file: string,
  message: string,
  suggestion: string | null = null,
  at = { line: 1, column: 1 }
): YamlFile {
  const problem = { file, ...at, path: '', message, suggestion };
  return {
    file,
    value: undefined,
    problems: [problem],
    place: (found) => ({ ...problem, path: formatPath(found.path), message: found.message }),
  };
}

const yamlMessage = (code: string, message: string): string =>
  code === 'DUPLICATE_KEY'
    ? 'this key is there twice'
    : code === 'NON_STRING_KEY'
      ? 'expected a plain text as key'
      : `this is not valid YAML: ${message.split('\n')[0] ?? ''}`;

/** Parts of YAML that make a file mean something else than what one reads. */
function forbiddenParts(
  document: Document.Parsed,
  problem: (offset: number, message: string, suggestion?: string | null) => ConfigurationProblem
): readonly ConfigurationProblem[] {
  const found: ConfigurationProblem[] = [];
  const offsetOf = (node: Node): number => (node as ParsedNode).range?.[0] ?? 0;
  visit(document, (_key, node, ancestors) => {
    if (isPair(node)) {
      const name = isScalar(node.key) ? node.key.value : undefined;
      const offset = isScalar(node.key) ? offsetOf(node.key) : 0;
      if (name === '<<') found.push(problem(offset, 'merge keys (<<) are not supported', 'write the keys out'));
      if (name === '__proto__' || name === 'constructor' || name === 'prototype') {
        found.push(problem(offset, `"${name}" cannot be a key`));
      }
      return undefined;
    }
    if (isAlias(node)) {
      found.push(problem(offsetOf(node), 'aliases (*name) are not supported', 'write the value out'));
      return undefined;
    }
    if (isScalar(node) || isCollection(node)) {
      if (node.anchor !== undefined) {
        found.push(
          problem(offsetOf(node), 'anchors (&name) are not supported', 'write the value out where it is used')
        );
      }
      if (node.tag !== undefined) {
        found.push(problem(offsetOf(node), `tags (${node.tag.slice(0, 40)}) are not supported`, 'remove the tag'));
      }
      if (isCollection(node) && ancestors.filter(isCollection).length >= deepestNesting) {
        found.push(problem(offsetOf(node), tooDeep));
        return visit.BREAK;
      }
    }
    return undefined;
  });
  return found;
}

function placed(input: {
  readonly file: string;
  readonly document: Document.Parsed | undefined;
  readonly at: (offset: number) => { line: number; column: number };
  readonly found: FoundProblem;
}): ConfigurationProblem {
  const { file, document, at, found } = input;
  let offset = 0;
  let node: unknown = document?.contents;
  for (const part of found.path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(part));
      if (pair === undefined) break;
      offset = (pair.key as ParsedNode).range[0];
      node = pair.value;
    } else if (isSeq(node)) {
      const item = node.items[Number(part)] as ParsedNode | undefined;
      if (item === undefined) break;
      offset = item.range[0];
      node = item;
    } else break;
  }
  const { message, suggestion } = found;
  return { file, ...at(offset), path: formatPath(found.path), message, suggestion: suggestion ?? null };
}
