import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  childId,
  deployKey,
  digestOf,
  driftCheckId,
  driftScheduleId,
  endpointId,
  governorId,
  isSiteId,
  isSlug,
  jobKey,
  modelOfId,
  reaperId,
  reaperScheduleId,
  releaseId,
  triggerKey,
  versionId,
} from './ids.js';

const slug = fc.stringMatching(/^[a-z][a-z0-9-]{0,62}$/);

describe('names', () => {
  it.each([
    ['flight-delay', true],
    ['a', true],
    [`a${'b'.repeat(62)}`, true],
    [`a${'b'.repeat(63)}`, false],
    ['', false],
    ['1st', false],
    ['-a', false],
    ['Flight', false],
    ['a_b', false],
    ['a/b', false],
    ['a b', false],
    ['a\n', false],
    ['ä', false],
  ])('%j as a name: %s', (name, ok) => {
    expect(isSlug(name)).toBe(ok);
  });

  it.each([
    ['onprem.east', true],
    ['onprem', false],
    ['onprem.', false],
    ['.east', false],
    ['aws.eu-west-1', true],
    ['aws.eu.west', false],
    ['aws.EU', false],
  ])('%j as a site: %s', (name, ok) => {
    expect(isSiteId(name)).toBe(ok);
  });
});

describe('ids on record', () => {
  // Ids of executions that run in somebody's installation: a change here starts everything a second time.
  it('are exactly these', () => {
    const release = releaseId('flight-delay', 3, 'abc');
    expect({
      governor: governorId('flight-delay'),
      release,
      pipeline: childId(release, 'pipeline'),
      endpoint: endpointId('onprem.east', 'flight-delay'),
      drift: [driftScheduleId('flight-delay'), driftCheckId('flight-delay')],
      reaper: [reaperScheduleId('onprem.east'), reaperId('onprem.east')],
      job: jobKey(release, 'train', 1),
      deployment: deployKey(release, 'v3-0a1b2c3d'),
      trigger: triggerKey('pricing', 'order-1'),
      version: versionId(3, 'sha256:0a1b2c3d4e5f'),
      digest: digestOf({ b: 1, a: [null] }),
    }).toMatchInlineSnapshot(`
      {
        "deployment": "e0fe0ec3176bc297c946692d643f50f1b5d73357eecaec98bf2ecd6a86b41aa4",
        "digest": "sha256:1bf05c0d625a0ef02a68ac100ecae45da7763ccc9dd8f7e46c28256467f2e58d",
        "drift": [
          "retempo/flight-delay/watch",
          "retempo/flight-delay/drift-check",
        ],
        "endpoint": "retempo/endpoint/onprem.east/flight-delay",
        "governor": "retempo/flight-delay",
        "job": "54908842657abf9d7c144e8fe2dd362f20b197bf7dd10365777c840cd0b4dcda",
        "pipeline": "retempo/flight-delay/run/3-aab0d3df/pipeline",
        "reaper": [
          "retempo/site/onprem.east/reap",
          "retempo/site/onprem.east/reaper",
        ],
        "release": "retempo/flight-delay/run/3-aab0d3df",
        "trigger": "8dc3b58b86675b73",
        "version": "v3-0a1b2c3d",
      }
    `);
  });

  it('of a model lead back to the model', () => {
    fc.assert(
      fc.property(slug, fc.nat(), fc.string(), (model, seq, cause) => {
        for (const id of [governorId(model), releaseId(model, seq, cause), driftCheckId(model)]) {
          expect(modelOfId(id)).toBe(model);
        }
      })
    );
    for (const foreign of ['', 'retempo', 'retempo/', 'retempo/No Slug', 'other/flight-delay', '/retempo/x']) {
      expect(modelOfId(foreign), foreign).toBeUndefined();
    }
  });
});

describe('keys', () => {
  it('differ whenever release, step or attempt do: no two texts are joined to the same one', () => {
    const part = fc.stringMatching(/^[a-z0-9/-]{1,20}$/);
    fc.assert(
      fc.property(part, part, fc.nat(20), part, part, fc.nat(20), (r1, s1, a1, r2, s2, a2) => {
        const same = r1 === r2 && s1 === s2 && a1 === a2;
        expect(jobKey(r1, s1, a1) === jobKey(r2, s2, a2)).toBe(same);
      })
    );
    expect(jobKey('ab', 'c', 1)).not.toBe(jobKey('a', 'bc', 1));
    expect(jobKey('r', 'train', 1)).not.toBe(deployKey('r', 'train'));
  });

  it('J: the key of a job holds no time and no run id: asked again, it is the same', () => {
    expect(jobKey('retempo/m/run/1-x', 'train', 2)).toBe(jobKey('retempo/m/run/1-x', 'train', 2));
    expect(jobKey('r', 's', 1)).toMatch(/^[0-9a-f]{64}$/);
  });

  it('what a caller supplies is in an id as a hash only', () => {
    const secret = 'customer 4711 / ../../etc';
    expect(releaseId('m', 1, secret)).toMatch(/^retempo\/m\/run\/1-[0-9a-f]{8}$/);
    expect(triggerKey(secret, secret)).toMatch(/^[0-9a-f]{16}$/);
  });

  it('I: the same source and id are the same trigger, another of either is another', () => {
    expect(triggerKey('a', 'b')).toBe(triggerKey('a', 'b'));
    expect(new Set([triggerKey('a', 'b'), triggerKey('a', 'c'), triggerKey('c', 'b'), triggerKey('b', 'a')]).size).toBe(
      4
    );
  });
});
