import type { Json } from '@retempo/workflows/contracts';
import type { RunStatus } from '@retempo/starters';
import { nextStep } from '../status/next-step.js';
import { elapsed, moment, percent, plural } from '../text/quantities.js';
import { harmless, paintPhase, type Style } from '../text/style.js';
import { troubleOf } from './activities.js';
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
  training: 'evaluation, then gate',
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
  const partly = status.detail?.phase ?? phaseOfPart(part);
  // A part that is done has handed over: the run knows to whom.
  const phase = running === null ? status.phase : partly === null || partly === 'done' ? running.phase : partly;
  // A log tail has many lines; the rewritten display has one.
  const [happens = '', ...more] = harmless(whatHappens(seen, now)).split('\n');
  const { label, what: short } = labelled(phase, happens);
  const what = more.length === 0 ? short : `${short}   (${plural(more.length, 'more line')}: retempo status ${model})`;
  const follows = running === null ? undefined : followedBy[phase];
  const clock = running === null ? '' : `    ${elapsed(now - Date.parse(running.since))}`;
  const step = nextStep(status);
  const candidate = status.detail?.candidate;
  const around = [
    `champion ${champion ?? 'none'}`,
    ...(running === null ? [] : [candidate === undefined ? `run ${running.runId}` : `candidate ${candidate}`]),
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

function whatHappens(seen: Observation, now: number): string {
  const { status, part } = seen;
  const { running, waitingFor, detail } = status;
  if (running === null) return status.sentence;
  if (waitingFor !== null) {
    return `waits for ${waitingFor.what}${waitingFor.until === null ? '' : ` until ${moment(waitingFor.until, now)}`}`;
  }
  const [activity] = part?.activities ?? [];
  const trouble = activity === undefined ? null : troubleOf(activity);
  const sentence = activityText(seen) ?? detail?.sentence ?? status.sentence;
  return [sentence, ...(trouble === null ? [] : [`trouble: ${trouble}`])].join('    ');
}

/** What the pipeline of a run does now, with the place and the progress of its job; null when no pipeline runs. */
export function activityText({ status, part }: Observation): string | null {
  const [activity] = part?.type === 'trainingPipeline' ? part.activities : [];
  if (activity === undefined) return null;
  const { type, started, attempt, queue, details } = activity;
  const { phase, progress, problem } = details;
  const site = queue?.split('.').slice(1, -1).join('.') ?? '';
  const place = status.detail?.job?.place ?? site;
  const waits = type === 'awaitJob';
  const name = waits ? jobText(status.detail?.job ?? null) : (doing[type] ?? type);
  const text = waits && typeof phase === 'string' && phase !== 'running' ? `${name}, ${phase},` : name;
  return [
    `${text}${place === '' ? '' : ` on ${place}`}`,
    !started && attempt === 1 ? 'waits for a worker' : '',
    progressText(progress ?? null),
    typeof problem === 'string' ? `trouble: ${problem}` : '',
  ]
    .filter((one) => one !== '')
    .join('    ');
}

/** `attempt 2` of the training; other steps by their name. */
function jobText(job: NonNullable<RunStatus['job']> | null): string {
  if (job === null) return 'job';
  return `${job.step === 'train' ? '' : `${job.step}, `}attempt ${job.attempt}`;
}

/** Pairs that are shown as one: `epoch 7/20`. */
const totals: { readonly [name: string]: string } = { epoch: 'epochs', step: 'steps' };

/**
 * `progress` as a percentage, every other number or text by its name, `epoch` and `step` with `epochs` and `steps` as
 * `epoch 7/20`; texts as they are.
 */
export function progressText(progress: Json): string {
  if (progress === null || progress === undefined) return '';
  if (typeof progress !== 'object' || Array.isArray(progress)) return String(progress).slice(0, 200);
  const entries = new Map(Object.entries(progress));
  const total = (name: string | undefined): string => {
    const all = name === undefined ? undefined : entries.get(totals[name] ?? '');
    return typeof all === 'number' && typeof entries.get(name!) === 'number' ? `/${all}` : '';
  };
  const shown = [...entries].flatMap(([name, value]) => {
    const counted = Object.entries(totals).find(([, all]) => all === name)?.[0];
    if (total(counted) !== '') return [];
    if (name === 'waitingFor' && typeof value === 'string') return [`waits for ${value.slice(0, 80)}`];
    if (name === 'progress' && typeof value === 'number') return [percent(Math.min(1, Math.max(0, value)))];
    if (typeof value === 'number') return [`${name} ${Number(value.toPrecision(4))}${total(name)}`];
    return typeof value === 'string' ? [`${name} ${value.slice(0, 80)}`] : [];
  });
  return shown.slice(0, 6).join('  ');
}
