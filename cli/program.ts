import { Command, InvalidArgumentError, Option } from 'commander';
import type { Io } from './io.js';
import { openSession, packageVersion, type GlobalOptions, type Session } from './session.js';

/** What a command does; the number is its exit code, nothing means 0. */
type Action<Options extends object = object> = (
  session: Session,
  options: Options,
  args: readonly string[]
) => Promise<number | void>;

/** One command of `retempo`. */
export interface CommandDefinition {
  readonly name: string;
  /** `<model>`, `[model]`, ... */
  readonly args?: string;
  readonly summary: string;
  /** Paragraphs of the help: what it does, what it never does. */
  readonly description: string;
  readonly options?: readonly Option[];
  /** `command  # what for`, shown under the help. */
  readonly examples: readonly string[];
  /** Shape of the result with `--json`. */
  readonly json: string;
  readonly action: Action<never>;
}

/** Reads a duration of an option: `500ms`, `15s`, `2m`. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  const unit = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[match?.[2] ?? ''];
  const value = Number(match?.[1]) * (unit ?? Number.NaN);
  // Node's timers would be over at once if they were set to 25 days.
  if (Number.isFinite(value) && value > 0 && value <= 86_400_000) return value;
  throw new InvalidArgumentError('expected a duration such as 15s, 500ms or 2m, at most 24h.');
}

/** Reads a whole number of an option, at least `min`. */
export const parseWhole =
  (min: number, max: number) =>
  (text: string): number => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}.`);
  };

/** Most characters of a text that is recorded with a request: what governors take. */
const longestText = 500;

/** Reads a text that is recorded: who, why, an id. */
export function parseText(text: string): string {
  if (text.trim() !== '' && text.length <= longestText && !/[^\P{Cc}\n\t]/u.test(text)) return text;
  throw new InvalidArgumentError(`expected text of 1 to ${longestText} characters, without control characters.`);
}

/** Builds the command line. `onEnd` is told the exit code of the command that ran. */
export function buildProgram(input: {
  readonly io: Io;
  readonly commands: readonly CommandDefinition[];
  readonly onSession: (session: Session) => void;
  readonly onEnd: (code: number) => void;
}): Command {
  const { io } = input;
  const program = new Command('retempo')
    .description(
      'Keeps machine-learning models fresh: trains, judges, releases and watches them with durable Temporal workflows.'
    )
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      getOutHelpWidth: () => Math.min(io.columns ?? 100, 120),
      getErrHelpWidth: () => Math.min(io.columns ?? 100, 120),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(retempo --help, or retempo <command> --help, says more)')
    .version(packageVersion(), '--version', 'show the version')
    .addOption(new Option('--project <folder>', 'project folder; default: the nearest one upwards with a retempo.yaml'))
    .addOption(new Option('--json', 'print the result as one JSON document on stdout'))
    .addOption(new Option('--verbose', 'show where an error comes from'))
    .addOption(
      new Option(
        '--address <host:port>',
        'Temporal server; default: TEMPORAL_ADDRESS, the running dev server, retempo.yaml'
      )
    )
    .addOption(new Option('--namespace <name>', 'Temporal namespace'))
    .addOption(
      new Option('--timeout <duration>', 'longest wait for the answer of a worker')
        .argParser(parseDuration)
        .default(15_000, '15s')
    )
    .addHelpText(
      'after',
      '\nExit codes: 0 done; 1 refused or failed; 2 wrong arguments or configuration; 3 Temporal or its workers are away.\n' +
        'NO_COLOR switches colours off. Secrets come from environment variables RETEMPO_SECRET_<NAME>.\n' +
        '\nFirst steps:\n  $ retempo dev          # a real Temporal server, its Web UI and workers, until Ctrl-C\n  $ retempo plan         # in another terminal: what apply would change\n  $ retempo apply\n  $ retempo retrain flight-delay --why "first version"\n  $ retempo watch flight-delay'
    );
  for (const definition of input.commands) addCommand(program, definition, input);
  return program;
}

function addCommand(
  program: Command,
  definition: CommandDefinition,
  input: { readonly io: Io; readonly onSession: (session: Session) => void; readonly onEnd: (code: number) => void }
): void {
  const command = program
    .command(definition.args === undefined ? definition.name : `${definition.name} ${definition.args}`)
    .summary(definition.summary)
    .description(definition.description)
    .addHelpText(
      'after',
      `\nExamples:\n${definition.examples.map((line) => `  $ ${line}`).join('\n')}\n\nWith --json: ${definition.json}`
    );
  for (const option of definition.options ?? []) command.addOption(option);
  command.action(async (...given: unknown[]) => {
    const self = given.at(-1) as Command;
    const all = self.optsWithGlobals<GlobalOptions & { timeout: number }>();
    const session = openSession(input.io, { ...all, timeoutMs: all.timeout });
    input.onSession(session);
    const args = self.processedArgs.filter((arg): arg is string => typeof arg === 'string');
    const code = await (definition.action as Action)(session, self.opts(), args);
    input.onEnd(code ?? 0);
  });
}
