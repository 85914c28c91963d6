import { describe, it } from 'vitest';
import { recordCanaries } from './canaries.js';
import { recordDrift } from './drift.js';
import { recordGates } from './gates.js';
import { recordGovernors } from './governors.js';
import { recordPlaces } from './places.js';
import { recordReleases } from './releases.js';

const parts = {
  governors: recordGovernors,
  releases: recordReleases,
  gates: recordGates,
  canaries: recordCanaries,
  places: recordPlaces,
  drift: recordDrift,
};

const wanted = (process.env['RETEMPO_RECORD'] ?? '').split(',').filter((part) => part !== '');

describe('recording', () => {
  for (const [name, record] of Object.entries(parts)) {
    it.skipIf(wanted.length > 0 && !wanted.includes(name))(name, record);
  }
});
