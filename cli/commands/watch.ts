import { setTimeout as sleep } from 'node:timers/promises';
import type { Starters } from '@retempo/starters';
import type { Decision } from '@retempo/workflows/contracts';
import { Option } from 'commander';
import { CliError, exitCode, failureOf } from '../failure.js';
import { parseDuration, type CommandDefinition } from '../program.js';
import type { Session } from '../session.js';
import { workflowUrl } from '../temporal.js';
import { harmless } from '../text/style.js';
import { observe } from '../watch/observe.js';
import { createDisplay } from '../watch/display.js';
import { watchLines } from '../watch/watch-lines.js';

interface WatchOptions {
  readonly once?: boolean;
  readonly run?: string;
  readonly every: number;
}

/** Failures that pass by themselves: workers or the server are away. */
const momentary: readonly string[] = ['noWorker', 'unavailable'];

/** `retempo watch`. */
export const watch: CommandDefinition = {
  name: 'watch',
  args: '<model>',
  summary: 'follow a run until it ends',
  description:
    'Shows what the run of a model does: progress of its jobs, the gate, the numbers of the canary, and what it waits for ' +
    'until when. On a terminal the lines are rewritten; elsewhere each change is one line. Ends with the run. When nothing ' +
    'runs and nothing is reserved it says how the last run ended. With --run it ends with that run, also where that run ' +
    'has ended before watch began: a script that retrains and watches learns the outcome in any case.',
  options: [
    new Option('--once', 'show the present state and end'),
    new Option('--run <id>', 'the run to follow, as retempo retrain told it').conflicts('once'),
    new Option('--every <duration>', 'how often to look').argParser(parseDuration).default(1_000, '1s'),
  ],
  examples: [
    'retempo watch flight-delay',
    'retempo watch flight-delay --once --json',
    'retempo watch flight-delay --run retempo/flight-delay/run/3-5f0c11ab',
  ],
  json: 'one document per change { v, at, status, part }, at the end { v, ended: Decision | null }; exit code 1 when the run that was followed did not promote',
  action: async (session: Session, options: WatchOptions, [model = '']) => {
    const starters = await session.starters();
    const temporal = await session.temporal();
    const { io, style } = session;
    const json = session.options.json === true;
    const display = createDisplay(io, { rewrite: options.once !== true && io.terminal.stdout });
    let followed: string | null = null;
    let linked = false;
    let away: string | null = null;
    for (let looks = 0; !io.interrupted.aborted; looks++) {
      const seen = await observe(starters, temporal.client, model).catch((error: unknown) => {
        // A worker or server that is away for a moment ends no watch that has begun.
        const { code, message } = failureOf(error);
        if (looks === 0 || options.once === true || !momentary.includes(code)) throw error;
        const now = `${model}   no answer: ${message}`;
        // Of documents nothing but documents may stand on stdout.
        if (!json) display.show({ now, around: 'waiting for it to come back', key: code });
        else if (away !== code) session.say(now);
        away = code;
        return null;
      });
      if (seen !== null) {
        away = null;
        const { running, next, phase } = seen.status;
        const lines = watchLines(seen, { style, now: Date.now() });
        const mine: string | null = followed ?? options.run ?? null;
        if (mine !== null && running?.runId !== mine && next?.runId !== mine) {
          const decision = await outcomeOf(starters, model, mine);
          if (decision === null && followed === null) throw unknownRun(model, mine);
          display.end();
          session.result({ v: 1, ended: decision }, endLines(model, mine, decision, session));
          return decision?.what === 'promoted' ? exitCode.ok : exitCode.failed;
        }
        if (json) display.json(lines.key, { v: 1, at: new Date().toISOString(), ...seen });
        else display.show(lines);
        if (running !== null && !linked) {
          linked = true;
          const url = workflowUrl(temporal, running.runId);
          if (url !== null) session.say(url);
        }
        if (options.run === undefined || running?.runId === options.run) followed = running?.runId ?? followed;
        const waits = running !== null || next !== null || phase === 'waiting' || phase === 'confirmed';
        if (options.once === true || !waits) {
          display.end();
          if (options.once !== true) {
            const last = await lastRun(starters, model);
            const ended = last?.decision ?? null;
            session.result({ v: 1, ended }, last === null ? [] : endLines(model, last.runId, ended, session));
          }
          return exitCode.ok;
        }
      }
      await sleep(options.every, undefined, { signal: io.interrupted }).catch(() => undefined);
    }
    display.end();
    return exitCode.ok;
  },
};

/** How a run ended, as its governor recorded it. */
async function outcomeOf(starters: Decisions, model: string, runId: string): Promise<Decision | null> {
  const decisions = await starters.getDecisions(model, 20);
  return decisions.find((one) => one.runId === runId && one.by === 'release') ?? null;
}

/** How the run ended that was the last to end; null when none has. */
async function lastRun(
  starters: Decisions,
  model: string
): Promise<{ readonly runId: string; readonly decision: Decision } | null> {
  // Newest first.
  for (const decision of await starters.getDecisions(model, 20)) {
    if (decision.by === 'release' && decision.runId !== undefined) return { runId: decision.runId, decision };
  }
  return null;
}

type Decisions = Pick<Starters, 'getDecisions'>;

const unknownRun = (model: string, runId: string): CliError =>
  new CliError(
    exitCode.failed,
    'unknownRun',
    `${model} has no run ${runId}: it neither runs nor is reserved, and is not among the last decisions\n` +
      `next: retempo decisions ${model}`
  );

function endLines(model: string, runId: string, decision: Decision | null, session: Session): readonly string[] {
  const { style } = session;
  if (decision === null) return [`${model}   ${runId} ended; see: retempo decisions ${model}`];
  const paint = decision.what === 'promoted' ? style.good : style.bad;
  const version = decision.version === undefined ? '' : `   ${decision.version}`;
  return [
    `${style.bold(model)}   ${paint(decision.what)}${version}   ${harmless(decision.reason).replaceAll('\n', '\n    ')}`,
    `run ${runId}   more: retempo ${decision.what === 'promoted' ? 'decisions' : 'status'} ${model}`,
  ];
}
