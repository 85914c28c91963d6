/** What a command reads from and writes to: the process's own, or a test's. */
export interface Io {
  /** Results, and nothing else. */
  readonly stdout: { write(text: string): unknown };
  /** Progress, questions and errors. */
  readonly stderr: { write(text: string): unknown };
  readonly cwd: string;
  readonly env: { readonly [name: string]: string | undefined };
  /** Whether a person looks: decides on colours, on lines that are rewritten and on questions. */
  readonly terminal: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean };
  /** Width of the terminal in characters, or undefined when there is none. */
  readonly columns: number | undefined;
  /** Aborted by Ctrl-C and by SIGTERM: long commands end in order. */
  readonly interrupted: AbortSignal;
  /** Asks on the terminal and returns the answer; null when nobody can answer. */
  ask(question: string): Promise<string | null>;
}
