import type { ModelStatus } from '@retempo/starters';
import { duration, elapsed, moment, plural } from '../text/quantities.js';
import { harmless, paintPhase, type Style } from '../text/style.js';
import { tableLines } from '../text/table.js';
import { inferUrl, type ModelRow, type ServedAt } from './model-rows.js';
import { nextStep } from './next-step.js';

/** The table over all models. */
export function tableOfModels(
  rows: readonly ModelRow[],
  context: {
    readonly style: Style;
    readonly now: number;
    readonly champions: ReadonlyMap<string, string>;
    /** Base addresses of endpoints that serve, by model. */
    readonly urls: ReadonlyMap<string, string>;
  }
): readonly string[] {
  const { style, now, champions, urls } = context;
  const head = ['MODEL', 'PHASE', 'CHAMPION', 'ENDPOINT', 'URL', 'RUN', 'SINCE'].map((text) => style.dim(text));
  const body = rows.map(({ model, phase, run, endpoint, site }) => [
    style.bold(model),
    paintPhase(run?.phase ?? phase, style)(run === null ? phase : run.phase),
    champions.get(model) ?? '-',
    endpoint === null ? '-' : `${endpoint}${site === null ? '' : ` at ${site}`}`,
    urls.get(model) ?? '-',
    run?.runId ?? '-',
    run === null ? '-' : elapsed(now - Date.parse(run.since)),
  ]);
  return tableLines([head, ...body]);
}

/** One model in full. `url` makes the Web UI's page of a workflow, or null. */
export function statusLines(
  status: ModelStatus,
  context: {
    readonly style: Style;
    readonly now: number;
    readonly url: (workflowId: string) => string | null;
    /** Null when it is not known. */
    readonly endpoint: ServedAt | null;
    /** What the job of the run does, with its progress; null when none is known. */
    readonly happens: string | null;
    /** What keeps failing. */
    readonly troubles: readonly string[];
  }
): readonly string[] {
  const { style, now, happens, endpoint } = context;
  const { model, phase, running, next, waitingFor, budget, detail } = status;
  const linked = (text: string, id: string) => {
    const url = context.url(id);
    return url === null ? text : `${text}   ${style.dim(url)}`;
  };
  const step = nextStep(status);
  const facts: readonly (readonly [string, string] | null)[] = [
    ['champion', status.champion ?? 'none'],
    endpoint === null
      ? null
      : [
          'endpoint',
          `${endpoint.name} at ${endpoint.site}   ${inferUrl(endpoint) ?? 'nothing listens on this machine now'}`,
        ],
    detail?.candidate === undefined ? null : ['candidate', detail.candidate],
    running === null
      ? null
      : [
          'run',
          linked(`${running.runId}   ${running.phase}, ${elapsed(now - Date.parse(running.since))}`, running.runId),
        ],
    happens === null ? null : ['now', happens],
    detail === null || happens !== null ? null : [detail.phase === 'gate' ? 'gate' : 'now', detail.sentence],
    ...context.troubles.map((trouble) => ['trouble', trouble] as const),
    waitingFor === null
      ? null
      : [
          'waits for',
          `${waitingFor.what}${waitingFor.until === null ? '' : ` until ${moment(waitingFor.until, now)}`}`,
        ],
    ...(waitingFor?.digests === undefined
      ? []
      : ([
          ['about', `model ${waitingFor.digests.model}`],
          ['you can', `retempo approve ${model} --why "..."   or   retempo reject ${model} --why "..."`],
        ] as const)),
    next === null ? null : ['next run', `${next.runId}, ${plural(next.causes, 'cause')}`],
    status.cooldownUntil === null
      ? null
      : [
          'cooldown',
          `until ${moment(status.cooldownUntil, now)}${status.cooldownFactor > 1 ? `, ${status.cooldownFactor}x as long as usual because the last retrain did not help` : ''}`,
        ],
    step === null ? null : ['you can', step],
    ['budget', `${budget.used} of ${plural(budget.of, 'run')} in ${duration(budget.perMs)}`],
    ['spec', status.specDigest],
  ];
  const present = facts.flatMap((fact) => (fact === null ? [] : [[`  ${style.dim(fact[0])}`, harmless(fact[1])]]));
  return [
    `${style.bold(model)}  ${paintPhase(phase, style)(phase.toUpperCase())}  ${harmless(status.sentence)}`,
    ...tableLines(present),
  ];
}
