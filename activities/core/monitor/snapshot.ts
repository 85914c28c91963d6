import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApplicationFailure } from '@temporalio/activity';
import {
  failureType,
  modelOfId,
  type DataActivities,
  type SnapshotInput,
  type SnapshotSummary,
} from '@retempo/workflows/contracts';
import { sealFolder } from '../artifacts/index.js';
import { snapshotData, validateRows } from '../data/index.js';
import { isPortError, type ArtifactStore, type Call } from '../ports/index.js';

/** Runs `work` in a fresh folder that is removed afterwards, whatever happens. */
export async function inTemporaryFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'retempo-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Freezes the windows of a run as three artifacts and validates the rows. The same data give the same artifacts, so a
 * repeated call costs a comparison and moves nothing.
 */
export async function freezeData(
  store: ArtifactStore,
  input: SnapshotInput,
  call: Call
): ReturnType<DataActivities['snapshotData']> {
  return inTemporaryFolder(async (folder) => {
    const { data, slices, evaluateOnlyAfter } = input;
    const cut = await snapshotData(
      { data, folder, sliceBy: slices, ...(evaluateOnlyAfter === null ? {} : { evaluateOnlyAfter }) },
      call
    ).catch((error: unknown) => {
      // Not a fault and not a reason to try again at once: the data are not there yet.
      if (isPortError(error) && error.class === 'NotFound') throw dataMissing(error.message);
      throw error;
    });
    const seal = (name: keyof typeof cut.folders) =>
      sealFolder(
        { store, folder: cut.folders[name], prefix: `data/${modelOfId(input.releaseId) ?? 'other'}/${name}` },
        call
      );
    const snapshot: SnapshotSummary = {
      train: await seal('train'),
      evaluate: await seal('evaluate'),
      labels: await seal('labels'),
      trainWindow: cut.train,
      evaluateWindow: cut.evaluate,
      watermark: cut.watermark,
    };
    const files = [join(cut.folders.train, 'train.parquet')];
    const breaches = await validateRows({ files, rules: data.validate }, call);
    if (breaches.length === 0) return { result: 'ok', snapshot };
    return { result: 'invalid', breaches: breaches.map(({ message }) => message), snapshot };
  });
}

function dataMissing(message: string): ApplicationFailure {
  return ApplicationFailure.create({ type: failureType.dataMissing, nonRetryable: true, message });
}
