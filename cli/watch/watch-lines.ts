import type { Json } from '@retempo/workflows/contracts';
import { nextStep } from '../status/next-step.js';
import { elapsed, moment, percent, plural } from '../text/quantities.js';
import { harmless, paintPhase, type Style } from '../text/style.js';
import { troubleOf, type PendingActivity } from './activities.js';
import type { Observation } from './observe.js';

/** What is shown of one moment: a line of what happens, and one of where it leads. */
export interface WatchLines {
  readonly now: string;
  readonly around: string;
  /** Changes when something other than a clock has changed: then a log gets a new line. */
  readonly key: string;
}

/** What follows a phase of a run. */
const followedBy: { readonly [phase: string]: string } = {
  open: 'training',
  ingest: 'training',
  training: 'evaluation',
  evaluating: 'gate',
  registering: 'gate',
  gate: 'canary',
  awaitingApproval: 'the decision',
  deploying: 'canary',
  step: 'promotion',
  held: 'promotion',
};

/** Formats what {@link observe} saw. */
export function watchLines(seen: Observation, context: { readonly style: Style; readonly now: number }): WatchLines {
  const { style, now } = context;
  const { status, part } = seen;
  const { model, running, champion, next } = status;
  const phase = running === null ? status.phase : (status.detail?.phase ?? phaseOfPart(part) ?? running.phase);
  // A log tail has many lines; the rewritten display has one.
  const [happens = '', ...more] = harmless(whatHappens(seen)).split('\n');
  const { label, what: short } = labelled(phase, happens);
  const what = more.length === 0 ? short : `${short}   (${plural(more.length, 'more line')}: retempo status ${model})`;
  const follows = running === null ? undefined : followedBy[phase];
  const clock = running === null ? '' : `    ${elapsed(now - Date.parse(running.since))}`;
  const step = nextStep(status);
  const around = [
    `champion ${champion ?? 'none'}`,
    ...(running === null ? [] : [`run ${running.runId}`]),
    ...(follows === undefined ? [] : [`next: ${follows}`]),
    ...(next === null ? [] : [`then ${next.runId} (${plural(next.causes, 'cause')})`]),
    ...(step === null ? [] : [`you can: ${step}`]),
  ].join('   ');
  return {
    now: `${style.bold(model)}   ${paintPhase(phase, style)(label)}   ${what}${clock}`,
    around,
    key: `${phase}\n${what}\n${around}`,
  };
}

/** The pipeline knows its steps; every other part is spoken for by the run. */
const phaseOfPart = (part: Observation['part']): string | null =>
  part?.type === 'trainingPipeline' ? part.phase : null;

/** `awaitingApproval` to `AWAITING APPROVAL`; a canary's sentence begins with its weight, which belongs to the label. */
function labelled(phase: string, sentence: string): { readonly label: string; readonly what: string } {
  const [head, weight] = /^canary (\d+ %),?\s*/.exec(sentence) ?? [];
  if (head !== undefined && weight !== undefined)
    return { label: `CANARY ${weight}`, what: sentence.slice(head.length) };
  return { label: phase.replaceAll(/([a-z])([A-Z])/g, '$1 $2').toUpperCase(), what: sentence };
}

/** What an activity does, for people; what is not listed is called by its name. */
const doing: { readonly [activity: string]: string } = {
  snapshotData: 'freezing the data',
  submitJob: 'submitting the job',
  awaitJob: 'job',
  collectOutput: 'collecting the output',
  stopJob: 'stopping the job',
  findCheckpoint: 'looking for a checkpoint',
  registerVersion: 'registering the version',
  exportRun: 'keeping the record',
};

function whatHappens({ status, part }: Observation): string {
  const { running, waitingFor, detail } = status;
  if (running === null) return status.sentence;
  if (waitingFor !== null) {
    return `waits for ${waitingFor.what}${waitingFor.until === null ? '' : ` until ${moment(waitingFor.until)}`}`;
  }
  const [activity] = part?.activities ?? [];
  const trouble = activity === undefined ? null : troubleOf(activity);
  const sentence =
    detail !== null
      ? detail.sentence
      : activity === undefined || part?.type !== 'trainingPipeline'
        ? status.sentence
        : activityText(activity);
  return [sentence, ...(trouble === null ? [] : [`trouble: ${trouble}`])].join('    ');
}

function activityText(activity: PendingActivity): string {
  const { type, started, attempt, queue, details } = activity;
  const { phase, progress, problem } = details;
  const name = doing[type] ?? type;
  const text = type === 'awaitJob' && typeof phase === 'string' && phase !== 'running' ? `${name} ${phase}` : name;
  const site = queue?.split('.').slice(1, -1).join('.') ?? '';
  return [
    `${text}${site === '' ? '' : ` on ${site}`}`,
    !started && attempt === 1 ? 'waits for a worker' : '',
    progressText(progress ?? null),
    typeof problem === 'string' ? `trouble: ${problem}` : '',
  ]
    .filter((one) => one !== '')
    .join('    ');
}

/** `progress` as a percentage, every other number or text by its name; texts as they are. */
export function progressText(progress: Json): string {
  if (progress === null || progress === undefined) return '';
  if (typeof progress !== 'object' || Array.isArray(progress)) return String(progress).slice(0, 200);
  const shown = Object.entries(progress).flatMap(([name, value]) => {
    if (name === 'waitingFor' && typeof value === 'string') return [`waits for ${value.slice(0, 80)}`];
    if (name === 'progress' && typeof value === 'number') return [percent(Math.min(1, Math.max(0, value)))];
    if (typeof value === 'number') return [`${name} ${Number(value.toPrecision(4))}`];
    return typeof value === 'string' ? [`${name} ${value.slice(0, 80)}`] : [];
  });
  return shown.slice(0, 6).join('  ');
}
