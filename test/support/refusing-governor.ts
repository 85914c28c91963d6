import { ApplicationFailure, condition, defineQuery, setHandler } from '@temporalio/workflow';
import { configure, type ConfigureRequest } from '@retempo/workflows/messages';

/** Stands for a governor whose workers know less than the files ask for: it answers, and refuses every new spec. */
export async function continuousTraining(): Promise<void> {
  setHandler(defineQuery('getStatus'), () => ({ specDigest: 'sha256:before', installationDigest: 'sha256:before' }));
  setHandler(configure, ({ specDigest }) => ({ changed: true, specDigest }), {
    validator(_request: ConfigureRequest) {
      throw ApplicationFailure.nonRetryable('a spec of another version');
    },
  });
  await condition(() => false);
}
