import type { GovernorStatus } from '@retempo/workflows/contracts';

/** What a person can do about a model that starts nothing by itself now; null when there is nothing to be done. */
export function nextStep({ model, phase, next }: Pick<GovernorStatus, 'model' | 'phase' | 'next'>): string | null {
  const resume = `retempo resume ${model} --why "..."`;
  const force = `retempo retrain ${model} --force --why "..."`;
  switch (phase) {
    case 'hold':
      return `${resume}   or   ${force}`;
    case 'paused':
      return resume;
    case 'waiting':
      return next === null ? null : `${force}   to start it now`;
    case 'healthy':
    case 'suspect':
    case 'confirmed':
    case 'running':
      return null;
    default:
      return phase satisfies never;
  }
}
