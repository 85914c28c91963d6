import type { ModelSpec } from '@retempo/workflows/contracts';

/**
 * Keys of a model file that are kept with its spec but that nothing acts on in this version. Whoever wrote them expects
 * something of them, so `plan` says that they wait for nothing yet.
 */
export function notEnforced(spec: Pick<ModelSpec, 'train' | 'retrain'>): readonly string[] {
  const hints: string[] = [];
  if (spec.train.atMost !== null) {
    hints.push(
      'train.atMost is kept but not enforced: sites of this version report no cost; train.timeout bounds a run'
    );
  }
  if (spec.retrain.atMost.cost !== null) {
    hints.push(
      'retrain.atMost.cost is kept but not enforced: sites of this version report no cost; retrain.atMost.runs is'
    );
  }
  return hints;
}
