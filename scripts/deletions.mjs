// Takes the protections of source files away, one at a time, and runs the tests that use the file: each deletion should make
// one fail. Prints those that did not.
//
// node scripts/deletions.mjs <source.ts>... --tests <filter>... [--wider <filter>]... [--project unit]... [--lines 10-50]
// node scripts/deletions.mjs <source.ts>... --list [--lines 10-50]
//
// --tests names the tests that are run at every deletion, --wider those that are run where these noticed nothing. One Vitest runs
// them all: a deletion takes as long as its tests. A file is changed in place, with its compiled form beside it, and put back;
// run it on a clean work tree after `npm run build`. Killed with SIGKILL it leaves its last deletion: `git restore` the source and
// compile it again with `npx tsc -b --force`. Not every survivor is a gap: some deletions change nothing that anybody can see,
// and have to be read.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { parseSync, transformSync } from 'rolldown/utils';
import { createVitest } from 'vitest/node';

/** Methods whose call can be left out: what they are called on is of the same kind. */
const narrowing = new Set(['filter', 'slice', 'sort', 'toSorted', 'trim', 'catch', 'finally']);

const { values: options, positionals: sources } = parseArgs({
  allowPositionals: true,
  options: {
    project: { type: 'string', multiple: true, default: ['unit'] },
    tests: { type: 'string', multiple: true },
    wider: { type: 'string', multiple: true },
    lines: { type: 'string' },
    list: { type: 'boolean', default: false },
  },
});
if (sources.length === 0) throw new Error('name one or more source files');
if (options.tests === undefined && !options.list) throw new Error('name the tests to run: --tests <filter>');
const [firstLine = 1, lastLine = Infinity] = options.lines?.split('-').map(Number) ?? [];

/** Every deletion of a text: what becomes of which part. */
function deletionsOf(path, text) {
  const found = [];
  const shown = (node) => text.slice(node.start, node.end).replaceAll(/\s+/g, ' ').slice(0, 100);
  const put = (what, node, by) => {
    const line = text.slice(0, node.start).split('\n').length;
    if (line < firstLine || line > lastLine) return;
    found.push({ what: `${what}: ${shown(node)}`, line, start: node.start, end: node.end, by });
  };
  const part = (node) => `(${text.slice(node.start, node.end)})`;
  const kinds = {
    IfStatement(node) {
      if (node.alternate === null) return put('left out', node, ';');
      put('never', node.test, 'false');
      put('always', node.test, 'true');
    },
    ExpressionStatement: (node) => !node.directive && put('left out', node, ';'),
    LogicalExpression(node) {
      put('only the left', node, part(node.left));
      if (node.operator !== '??') put('only the right', node, part(node.right));
    },
    ConditionalExpression(node) {
      put('always the first', node, part(node.consequent));
      put('always the second', node, part(node.alternate));
    },
    TryStatement(node) {
      if (node.handler !== null) put('not caught', node, text.slice(node.block.start, node.block.end));
      if (node.finalizer !== null) put('not in the end', node.finalizer, '{}');
    },
    CallExpression(node) {
      const { callee } = node;
      if (callee.type !== 'MemberExpression' || !narrowing.has(callee.property.name)) return;
      put(`without .${callee.property.name}`, node, part(callee.object));
    },
    ObjectExpression(node, parent) {
      if (!['CallExpression', 'NewExpression'].includes(parent?.type)) return;
      for (const property of node.properties) put('option left out', property, '...{}');
    },
  };
  (function visit(node, parent) {
    kinds[node.type]?.(node, parent);
    for (const child of Object.values(node).flat())
      if (child !== null && typeof child === 'object' && typeof child.type === 'string') visit(child, node);
  })(parseSync(path, text).program);
  return found.sort((a, b) => a.start - b.start);
}

/** Where the compiler puts this source: in `dist` of its package. */
function compiledPath(source) {
  let folder = dirname(resolve(source));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return join(folder, 'dist', relative(folder, source)).replace(/\.ts$/, '.js');
}

/** Whole or not at all: whatever ends this program, no half of a file is left. */
function write(path, text) {
  const beside = `${path}.${process.pid}.tmp`;
  writeFileSync(beside, text);
  renameSync(beside, path);
}

function replace(source, text) {
  const { code, errors } = transformSync(source, text);
  if (errors.length > 0) throw new Error(`not a program any more: ${errors[0].message}`);
  write(source, text);
  write(compiledPath(source), code);
}

const vitest = await createVitest('test', {
  watch: false,
  project: options.project,
  bail: 1,
  reporters: [{}],
});

/** Vitest keeps what it has read of a file, compiled ones too, also which of its tests import which. */
function forget(source) {
  for (const path of [resolve(source), compiledPath(source)]) {
    vitest.invalidateFile(path);
    for (const { vite } of vitest.projects) vite.moduleGraph.onFileChange(path);
  }
}

/** Ends every program below this one, children of children too: tests begin programs that begin others. */
function endPrograms() {
  const parents = new Map(
    execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/).map(Number))
  );
  const isBelow = (pid) => pid !== undefined && pid > 1 && (pid === process.pid || isBelow(parents.get(pid)));
  for (const pid of parents.keys()) {
    if (pid === process.pid || !isBelow(pid)) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
}

/** Whether programs were ended that Vitest still waits for. */
let hasEnded = false;
// It says so of each of them, also where nobody listens; whatever else nobody expects ends this.
process.on('unhandledRejection', (error) => {
  if (!hasEnded) throw error;
});

/**
 * How a run of these tests ends: 'passed', 'failed', 'too long' after this many milliseconds, or 'not run' when fewer than so
 * many passed without one that failed: what ends an earlier run early may still reach the next one and skip its tests.
 */
async function test(specifications, mostMs, atLeast = 1) {
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    hasEnded = true;
    endPrograms();
  }, mostMs);
  // What an earlier run said of tests that are not among these would be told again.
  vitest.state.filesMap.clear();
  try {
    const { testModules, unhandledErrors } = await vitest.rerunTestSpecifications(specifications, true);
    const failed = testModules.filter((module) => !module.ok());
    if (isLate) return { result: 'too long' };
    const passed = testModules.flatMap((module) => [...module.children.allTests('passed')]).length;
    if (failed.length === 0 && unhandledErrors.length === 0)
      return { result: passed < atLeast ? 'not run' : 'passed', passed, why: `${passed} tests ran` };
    const why = failed.flatMap((module) => [
      ...module.errors().map(({ message }) => `${module.moduleId}: ${message}`),
      ...[...module.children.allTests('failed')].map((each) => `${each.fullName}: ${each.result().errors[0]?.message}`),
    ]);
    return { result: 'failed', why: [...why, ...unhandledErrors.map(String)].join('\n') };
  } catch (error) {
    return { result: isLate ? 'too long' : 'failed', why: String(error) };
  } finally {
    clearTimeout(timer);
  }
}

/** The tests to run one after the other until one fails, with the longest that each may take. */
async function roundsOf(source) {
  const rounds = [];
  for (const filters of [options.tests, options.wider]) {
    if (filters === undefined) continue;
    const specifications = await vitest.globTestSpecifications(filters);
    if (specifications.length === 0) throw new Error(`no tests for ${filters.join(', ')}`);
    const begunAt = Date.now();
    const { result, passed, why } = await test(specifications, 600_000);
    if (result !== 'passed') throw new Error(`the tests of ${source} do not pass as it is: ${result}\n${why ?? ''}`);
    rounds.push({ specifications, passed, mostMs: 3 * (Date.now() - begunAt) + 30_000 });
  }
  return rounds;
}

if (execFileSync('git', ['status', '--porcelain', '--', ...sources], { encoding: 'utf8' }) !== '')
  throw new Error('commit the sources first: they are changed and put back');
const survivors = [];
for (const source of sources) {
  const text = readFileSync(source, 'utf8');
  const deletions = deletionsOf(source, text);
  const compiled = readFileSync(compiledPath(source), 'utf8');
  const putBack = () => {
    write(source, text);
    write(compiledPath(source), compiled);
  };
  process.once('exit', putBack);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));
  console.log(`${source}: ${deletions.length} deletions`);
  if (options.list) {
    for (const { line, what } of deletions) console.log(`  ${line}: ${what}`);
    continue;
  }
  const rounds = await roundsOf(source);
  for (const { line, what, start, end, by } of deletions) {
    replace(source, text.slice(0, start) + by + text.slice(end));
    forget(source);
    let result = 'passed';
    for (const { specifications, passed, mostMs } of rounds) {
      if (result !== 'passed') break;
      for (let tries = 0; tries === 0 || (result === 'not run' && tries < 3); tries += 1)
        ({ result } = await test(specifications, mostMs, passed));
    }
    putBack();
    forget(source);
    if (result === 'passed') survivors.push(`${source}:${line}: ${what}`);
    console.log(`  ${result === 'passed' ? 'SURVIVED' : result.padEnd(8)} ${line}: ${what}`);
  }
  process.off('exit', putBack);
}
if (!options.list) console.log([`${survivors.length} survived`, ...survivors].join('\n'));
// It may wait for a program that was ended.
await Promise.race([vitest.close(), sleep(10_000)]);
process.exit(0);
