import { isPinned } from './compose-rules.js';

/** One instruction of a Dockerfile. */
export interface Instruction {
  /** Upper-case, such as `FROM`. */
  readonly name: string;
  /** All after the name, continuation lines joined. */
  readonly text: string;
}

/** The instructions of one `FROM`, which is the first. */
export type Stage = readonly Instruction[];

/** Splits a Dockerfile into stages. Comments and empty lines are dropped, lines that end in `\` are joined. */
export function parseDockerfile(text: string): readonly Stage[] {
  const stages: Instruction[][] = [];
  const lines = text.split('\n').filter((line) => !/^\s*(#|$)/.test(line));
  for (const line of lines
    .join('\n')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')) {
    const [, name = '', rest = ''] = /^\s*(\w+)\s+(.*)$/.exec(line) ?? [];
    const instruction = { name: name.toUpperCase(), text: rest };
    if (instruction.name === 'FROM') stages.push([]);
    const stage = stages.at(-1);
    if (stage === undefined) throw new Error(`${instruction.name} stands before the first FROM`);
    stage.push(instruction);
  }
  return stages;
}

/** Sources of a COPY from the build context; none of one that copies from another stage. */
export function contextSources(instruction: Instruction): readonly string[] {
  if (instruction.name !== 'COPY' || /--from=/.test(instruction.text)) return [];
  return instruction.text
    .split(/\s+/)
    .filter((word) => !word.startsWith('--'))
    .slice(0, -1);
}

const compilers = /\b(gcc|g\+\+|make|build-essential|clang|cmake|cargo|rustc|golang|node-gyp)\b/;

/** Everything in which a Dockerfile breaks the rules of this repository, one sentence each. */
export function dockerfileProblems(stages: readonly Stage[]): readonly string[] {
  const problems: string[] = [];
  const final = stages.at(-1) ?? [];
  const last = (name: string): string | undefined => final.findLast((instruction) => instruction.name === name)?.text;
  for (const instruction of stages.flat()) {
    const { name, text } = instruction;
    const image = text.split(/\s+/)[0] ?? '';
    if (name === 'FROM' && !isPinned(image)) problems.push(`FROM ${image} is not pinned to an exact version`);
    if (name === 'FROM' && /alpine|musl/.test(image)) problems.push(`FROM ${image}: the SDK has no build for musl`);
    if (name === 'ADD') problems.push(`ADD ${text}: use COPY`);
    if ((name === 'ARG' || name === 'ENV') && /PASSWORD|SECRET|TOKEN|API_?KEY|CREDENTIAL/i.test(text)) {
      problems.push(`${name} ${text}: a secret would stay in the image`);
    }
    if (name === 'RUN' && /npm (install|i)\b/.test(text)) problems.push(`RUN ${text}: installs past the lockfile`);
  }
  const user = last('USER');
  if (user === undefined || /^(root|0)(:|$)/.test(user)) problems.push('the final stage runs as root');
  if (final.some(({ name, text }) => name === 'RUN' && compilers.test(text))) {
    problems.push('the final stage installs a compiler');
  }
  if (last('ENTRYPOINT')?.startsWith('["tini", "--"') !== true) {
    problems.push('the final stage has no init: SIGTERM would not arrive and ended jobs would stay as zombies');
  }
  if (last('STOPSIGNAL') !== 'SIGTERM') problems.push('the final stage does not stop with SIGTERM');
  if (last('HEALTHCHECK') === undefined) problems.push('the final stage has no health check');
  return problems;
}
