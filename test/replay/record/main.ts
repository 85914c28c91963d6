import { describe, it } from 'vitest';
import { recordCanaries, recordLongCanaries } from './canaries.js';
import { recordChecks } from './checks.js';
import { recordDrift } from './drift.js';
import { recordGates } from './gates.js';
import { recordGovernors } from './governors.js';
import { recordJobs } from './jobs.js';
import { recordPlaces } from './places.js';
import { recordRefusals } from './refusals.js';
import { recordReleases } from './releases.js';

const parts = {
  governors: recordGovernors,
  releases: recordReleases,
  gates: recordGates,
  refusals: recordRefusals,
  canaries: recordCanaries,
  'long-canaries': recordLongCanaries,
  places: recordPlaces,
  jobs: recordJobs,
  drift: recordDrift,
  checks: recordChecks,
};

const wanted = (process.env['RETEMPO_RECORD'] ?? '').split(',').filter((part) => part !== '');

describe('recording', () => {
  for (const [name, record] of Object.entries(parts)) {
    it.skipIf(wanted.length > 0 && !wanted.includes(name))(name, record);
  }
});
