import type { ButtonAnswer, Press, Starters, WaitingFor } from '@retempo/starters';
import { Option } from 'commander';
import { actorOf, actorOption, whyOption } from '../actor.js';
import { exitCode } from '../failure.js';
import type { CommandDefinition } from '../program.js';
import type { Session } from '../session.js';

interface ButtonOptions {
  readonly why: string;
  readonly actor?: string;
  readonly rollout?: boolean;
  readonly digest?: string;
}

interface Button {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  readonly press: (starters: Starters, press: Press, options: ButtonOptions) => Promise<ButtonAnswer>;
  /** `--rollout` or `--digest`. */
  readonly option?: Option;
}

const rolloutOption = new Option('--rollout', 'of the running canary instead of the model');
const digestOption = new Option(
  '--digest <prefix>',
  'only if the digest of the model that waits begins with this, such as the one that you have reviewed'
);

/** A vote about exactly what waits now, when that is what the caller has seen. */
async function vote(
  starters: Starters,
  press: Press,
  { digest }: ButtonOptions,
  send: (about: Press & { readonly digests?: WaitingFor['digests'] }) => Promise<ButtonAnswer>
): Promise<ButtonAnswer> {
  if (digest === undefined) return send(press);
  const { waitingFor } = await starters.getStatus(press.model);
  const digests = waitingFor?.digests;
  if (digests === undefined) return send(press);
  const wanted = digest.replace(/^sha256:/, '');
  if (wanted.length >= 8 && digests.model.replace(/^sha256:/, '').startsWith(wanted))
    return send({ ...press, digests });
  return { done: false, reason: `what waits is the model ${digests.model}, not ${digest}; look again, then vote` };
}

const what = ({ rollout }: ButtonOptions) => ({ what: rollout === true ? ('rollout' as const) : ('model' as const) });

const table: readonly Button[] = [
  {
    name: 'approve',
    summary: 'approve what waits',
    description:
      'Approves the version or the canary step that waits now. The vote is bound to the digests of model, evidence and ' +
      'policy that are shown at this moment; who asked for the run cannot approve it.',
    press: (starters, press, options) => vote(starters, press, options, (about) => starters.approve(about)),
    option: digestOption,
  },
  {
    name: 'reject',
    summary: 'reject what waits, for good',
    description: 'Rejects the version or the canary step that waits now. One rejection decides, and it is final.',
    press: (starters, press, options) => vote(starters, press, options, (about) => starters.reject(about)),
    option: digestOption,
  },
  {
    name: 'pause',
    summary: 'start no new runs, or freeze a canary',
    description:
      'The model starts no new run until resume; requests are recorded. With --rollout the running canary keeps its weight ' +
      'and its guardrails stay on.',
    press: (starters, press, options) => starters.pause({ ...press, ...what(options) }),
    option: rolloutOption,
  },
  {
    name: 'resume',
    summary: 'end a pause, a hold or an open breaker',
    description: 'Lets runs start again; with --rollout the running canary goes on.',
    press: (starters, press, options) => starters.resume({ ...press, ...what(options) }),
    option: rolloutOption,
  },
  {
    name: 'promote',
    summary: 'skip the remaining proof of the running canary',
    description: 'Ends holds and remaining proof of the running canary. A guardrail that failed still rolls back.',
    press: (starters, press) => starters.promote(press),
  },
  {
    name: 'rollback',
    summary: 'give all traffic back to the champion',
    description: 'Ends the running canary as rolled back: the champion gets 100 % again.',
    press: (starters, press) => starters.rollback(press),
  },
  {
    name: 'abort',
    summary: 'as rollback, not counted as a failed retrain',
    description: 'Ends the running canary on your word: the champion gets 100 % again, the cooldown is not doubled.',
    press: (starters, press) => starters.abort(press),
  },
];

/** `retempo approve`, `reject`, `pause`, `resume`, `promote`, `rollback`, `abort`. */
export const buttons: readonly CommandDefinition[] = table.map(
  ({ name, summary, description, press, option }): CommandDefinition => ({
    name,
    args: '<model>',
    summary,
    description,
    options: [whyOption(), actorOption(), ...(option === undefined ? [] : [option])],
    examples: [
      `retempo ${name} flight-delay --why "seen the report" --actor mia`,
      ...(option === rolloutOption ? [`retempo ${name} flight-delay --rollout --why "incident 4711"`] : []),
    ],
    json: '{ v, model, done, reason }; exit code 1 when nothing was done',
    action: async (session: Session, options: ButtonOptions, [model = '']) => {
      const starters = await session.starters();
      const actor = actorOf(session.io, options.actor);
      const answer = await press(starters, { model, actor, reason: options.why }, options);
      const { style } = session;
      session.result(
        { v: 1, model, ...answer },
        `  ${answer.done ? style.good('done') : style.warn('nothing done')}   ${answer.reason}`
      );
      return answer.done ? exitCode.ok : exitCode.failed;
    },
  })
);
