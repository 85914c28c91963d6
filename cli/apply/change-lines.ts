import { governorId } from '@retempo/workflows/contracts';
import type { Style } from '../text/style.js';
import { tableLines } from '../text/table.js';
import { duration, plural } from '../text/quantities.js';
import type { ModelChange, ProjectChanges } from './changes.js';
import type { ScheduleDifference } from './schedules.js';

/** Most changed values or files that are listed one by one. */
const mostListed = 30;

const signs = { add: '+', change: '~', restore: '+', none: '=' } as const;

/** What apply would do, or did, for people: one line per thing, its parts below it. */
export function changeLines(changes: ProjectChanges, style: Style): readonly string[] {
  return [
    ...changes.models.flatMap((change) => modelLines(change, style)),
    ...changes.reapers.flatMap((reaper) => reaperLines(reaper, style)),
    ...changes.unknown.map(
      (model) =>
        `${style.warn('?')} model ${style.bold(model)}    its governor runs, but no model file is here; end it with: retempo delete ${model}`
    ),
  ];
}

/** True when there is nothing to do. */
export const isUpToDate = (changes: ProjectChanges): boolean =>
  changes.models.every(({ change }) => change === 'none') && changes.reapers.every(({ state }) => state === 'same');

function modelLines(change: ModelChange, style: Style): readonly string[] {
  const { model, spec } = change;
  const paint = { add: style.good, change: style.warn, restore: style.good, none: style.dim }[change.change];
  const what = {
    add: `governor ${governorId(model)}, watch every ${duration(spec.watch.everyMs)}`,
    change: changeSummary(change),
    restore: `governor ${governorId(model)} again`,
    none: 'no change',
  }[change.change];
  const parts = [
    ...change.specChanges.map(({ path, before, after }) => [path, `${before ?? 'absent'} → ${after ?? 'absent'}`]),
    ...change.fileChanges.map(({ path, what: how }) => [path, how]),
    // What the check is started with changes with every spec: that is no news.
    ...(change.schedule.state === 'changed' &&
    change.specChanges.length + change.fileChanges.length === 0 &&
    change.installation === 'same'
      ? [['watch schedule', change.schedule.details.join(', ')]]
      : []),
  ];
  return [
    `${paint(signs[change.change])} model ${style.bold(model)}    ${what}`,
    ...tableLines(parts.slice(0, mostListed)).map((line) => `    ${line}`),
    ...(parts.length > mostListed ? [`    and ${parts.length - mostListed} more`] : []),
    ...change.notes.map((note) => `  ${style.warn('!')} ${note}`),
  ];
}

function changeSummary({ specChanges, fileChanges, schedule, installation }: ModelChange): string {
  const parts = [
    ...(specChanges.length > 0 ? [plural(specChanges.length, 'value')] : []),
    ...(fileChanges.length > 0 ? [`${plural(fileChanges.length, 'file')} of its program`] : []),
    ...(installation === 'changed' ? ['owner or limits of retempo.yaml'] : []),
    ...(schedule.state === 'new' ? ['its watch schedule is missing'] : []),
    ...(schedule.state === 'changed' && specChanges.length + fileChanges.length === 0 && installation === 'same'
      ? ['its watch schedule']
      : []),
  ];
  return parts.length === 0 ? 'its spec' : parts.join(', ');
}

function reaperLines({ wanted, state, details }: ScheduleDifference, style: Style): readonly string[] {
  if (state === 'same') return [];
  const [sign, paint] = state === 'new' ? ['+', style.good] : ['~', style.warn];
  return [
    `${paint(sign)} schedule ${style.bold(wanted.id)}    ${state === 'new' ? wanted.summary : details.join(', ')}`,
  ];
}

/** Stable shape of `plan --json` and `apply --json`. */
export const changesJson = (changes: ProjectChanges) => ({
  v: 1 as const,
  upToDate: isUpToDate(changes),
  models: changes.models.map(({ model, file, change, specDigest, specChanges, fileChanges, schedule, notes }) => ({
    model,
    file,
    change,
    specDigest,
    specChanges,
    fileChanges,
    schedule: schedule.state,
    notes,
  })),
  reapers: changes.reapers.map(({ wanted, state }) => ({ site: wanted.site, schedule: state })),
  unknown: changes.unknown,
});
