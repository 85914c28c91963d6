import { digestOf, type ModelSpec } from '@retempo/workflows/contracts';
import type { LoadedModel } from '@retempo/workers';
import type { Session } from '../session.js';
import { storeCall } from './call.js';
import { fileChanges, specChanges, type FileChange, type SpecChange } from './difference.js';
import { lookAtGovernor, runningGovernors, type GovernorState } from './governors.js';
import { compareSchedule, driftSchedule, reaperSchedule, type ScheduleDifference } from './schedules.js';
import { filesOf, previewCode, sealCode } from './seal-code.js';
import { readSpec } from './spec-documents.js';

/** What `apply` would do, or does, about one model. */
export interface ModelChange {
  readonly model: string;
  /** `restore`: its governor had ended and comes back with its memory. */
  readonly change: 'add' | 'change' | 'restore' | 'none';
  /** Model file, relative to the project. */
  readonly file: string;
  readonly spec: ModelSpec;
  readonly specDigest: string;
  readonly governor: GovernorState;
  readonly specChanges: readonly SpecChange[];
  readonly fileChanges: readonly FileChange[];
  readonly schedule: ScheduleDifference;
  /** Whether owner and limits of `retempo.yaml` are those that the governor's next run gets. */
  readonly installation: 'same' | 'changed';
  /** Things to know that are no change. */
  readonly notes: readonly string[];
}

/** Everything that differs between the project and what runs. */
export interface ProjectChanges {
  readonly models: readonly ModelChange[];
  /** Per site: the Schedule that looks for stray jobs. */
  readonly reapers: readonly ScheduleDifference[];
  /** Governors that run and have no model file here. */
  readonly unknown: readonly string[];
}

/**
 * Compares the project with what runs. With `keep` the programs are put into the artifact store, otherwise nothing at all
 * is written.
 */
export async function projectChanges(session: Session, options: { readonly keep: boolean }): Promise<ProjectChanges> {
  const { models, config } = await session.project();
  const { client } = await session.temporal();
  const { installation } = await session.installation();
  const changes: ModelChange[] = [];
  for (const model of models) changes.push(await modelChange(session, model, options.keep));
  const known = new Set(models.map(({ draft }) => draft.model));
  const reapers: ScheduleDifference[] = [];
  for (const site of Object.keys(config.sites)) {
    reapers.push(await compareSchedule(client, reaperSchedule(site, installation)));
  }
  const unknown = (await runningGovernors(client)).filter((model) => !known.has(model));
  return { models: changes, reapers, unknown };
}

async function modelChange(session: Session, loaded: LoadedModel, keep: boolean): Promise<ModelChange> {
  const { client } = await session.temporal();
  const { store, stores, registry, installation } = await session.installation();
  const call = storeCall(session.io);
  const code = await (keep ? sealCode : previewCode)(loaded, store, call);
  const spec: ModelSpec = { ...loaded.draft, code: code.ref };
  const specDigest = digestOf(spec);
  const { model } = spec;
  const governor = await lookAtGovernor(client, model, session.options.timeoutMs);
  const base = { model, file: loaded.file, spec, specDigest, governor, installation: 'same' as const };
  const schedule = await compareSchedule(client, driftSchedule(spec, installation));
  const none = { specChanges: [], fileChanges: [], notes: [] };
  if (governor.state === 'missing') return { ...base, ...none, change: 'add', schedule };
  if (governor.state === 'ended') {
    const notes = [`its governor was ${governor.how}; it comes back with its memory`];
    return { ...base, ...none, change: 'restore', schedule, notes };
  }
  const notes: string[] = [];
  if (governor.specDigest === null) {
    notes.push('no worker answers, so what it runs with is not known; start one with: retempo worker');
  }
  const before =
    governor.specDigest === null || governor.specDigest === specDigest
      ? null
      : await readSpec(registry, model, governor.specDigest, call);
  const filesBefore = before === null ? null : await filesOf(stores, before.code, call).catch(() => null);
  if (governor.specDigest !== null && governor.specDigest !== specDigest && before === null) {
    notes.push(`it runs with spec ${governor.specDigest}, which is not kept in this artifact store`);
  }
  const { installationDigest } = governor;
  const sameInstallation = installationDigest === null || installationDigest === digestOf(installation);
  const same = governor.specDigest === specDigest && sameInstallation && schedule.state === 'same';
  return {
    ...base,
    change: same ? 'none' : 'change',
    installation: sameInstallation ? 'same' : 'changed',
    schedule,
    specChanges: before === null ? [] : specChanges(before, spec),
    fileChanges: filesBefore === null ? [] : fileChanges(filesBefore, code.files),
    notes,
  };
}
