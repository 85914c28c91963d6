// Takes the protections of source files away, one at a time, and runs the tests that use the file: each deletion should make
// one fail. Prints those that did not.
//
// node scripts/deletions.mjs <source.ts>... [--project unit] [--tests <filter>]... [--lines 10-50] [--list]
//
// Without --tests, Vitest finds the tests that import the file. Tests that start programs of it (a router, a supervisor) have to
// be named. A file is changed in place, with its compiled form beside it, and put back; run it on a clean work tree after
// `npm run build`. Not every survivor is a gap: some deletions change nothing that anybody can see, and have to be read.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { parseSync, transformSync } from 'rolldown/utils';

/** Methods whose call can be left out: what they are called on is of the same kind. */
const narrowing = new Set(['filter', 'slice', 'sort', 'toSorted', 'trim', 'catch', 'finally']);

const { values: options, positionals: sources } = parseArgs({
  allowPositionals: true,
  options: {
    project: { type: 'string', multiple: true, default: ['unit'] },
    tests: { type: 'string', multiple: true },
    lines: { type: 'string' },
    list: { type: 'boolean', default: false },
  },
});
if (sources.length === 0) throw new Error('name one or more source files');
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

function replace(source, text) {
  const { code, errors } = transformSync(source, text);
  if (errors.length > 0) throw new Error(`not a program any more: ${errors[0].message}`);
  writeFileSync(source, text);
  writeFileSync(compiledPath(source), code);
}

/** How a run of the tests ends: 'passed', 'failed', or 'too long' after this many milliseconds. */
function test(source, mostMs) {
  const projects = options.project.flatMap((name) => ['--project', name]);
  const chosen = options.tests === undefined ? ['related', source] : ['run', ...options.tests];
  const child = spawn(
    process.execPath,
    ['node_modules/vitest/vitest.mjs', ...chosen, '--run', '--bail', '1', ...projects],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    }
  );
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += data));
  return new Promise((resolve) => {
    let isLate = false;
    const end = (signal) => {
      isLate = true;
      try {
        process.kill(-Number(child.pid), signal);
      } catch {
        // It has ended by itself.
      }
    };
    const timers = [setTimeout(() => end('SIGTERM'), mostMs), setTimeout(() => end('SIGKILL'), mostMs + 10_000)];
    child.on('close', (code) => {
      timers.forEach(clearTimeout);
      resolve({ result: isLate ? 'too long' : code === 0 ? 'passed' : 'failed', said });
    });
  });
}

if (execFileSync('git', ['status', '--porcelain', '--', ...sources], { encoding: 'utf8' }) !== '')
  throw new Error('commit the sources first: they are changed and put back');
const survivors = [];
for (const source of sources) {
  const text = readFileSync(source, 'utf8');
  const deletions = deletionsOf(source, text);
  const compiled = readFileSync(compiledPath(source), 'utf8');
  const putBack = () => {
    writeFileSync(source, text);
    writeFileSync(compiledPath(source), compiled);
  };
  process.once('exit', putBack);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));
  console.log(`${source}: ${deletions.length} deletions`);
  if (options.list) {
    for (const { line, what } of deletions) console.log(`  ${line}: ${what}`);
    continue;
  }
  const begunAt = Date.now();
  const undisturbed = await test(source, 600_000);
  if (undisturbed.result !== 'passed' || !/Tests\s.*passed/.test(undisturbed.said))
    throw new Error(`its tests do not pass as it is:\n${undisturbed.said}`);
  const mostMs = 3 * (Date.now() - begunAt) + 60_000;
  for (const { line, what, start, end, by } of deletions) {
    replace(source, text.slice(0, start) + by + text.slice(end));
    const { result } = await test(source, mostMs);
    putBack();
    if (result === 'passed') survivors.push(`${source}:${line}: ${what}`);
    console.log(`  ${result === 'passed' ? 'SURVIVED' : result.padEnd(8)} ${line}: ${what}`);
  }
  process.off('exit', putBack);
}
if (!options.list) console.log([`${survivors.length} survived`, ...survivors].join('\n'));
