import { defaultLimits } from './contracts/governor.js';
import type { ReleaseReport, Trigger, WindowReport } from './contracts/index.js';
import type { ApprovalVote, Button, ConfigureRequest, RestoredChampion } from './messages.js';

// People send messages from forms, and a message that cannot be read must never reach a handler: what a handler throws
// stops the whole workflow. Validators of updates throw, which leaves no history; signals have none, so what cannot be
// read is dropped. Only the shape is judged here: refusals that must be seen are answers.

const fieldsOf = (value: unknown): { readonly [name: string]: unknown } =>
  typeof value === 'object' && value !== null ? (value as { readonly [name: string]: unknown }) : {};

const isText = (value: unknown): value is string => typeof value === 'string' && value.trim() !== '';
const longest = 500;

function text(name: string, value: unknown): string {
  if (isText(value) && value.length <= longest) return value;
  throw new TypeError(`${name}: expected text of 1 to ${longest} characters`);
}

const kinds: readonly unknown[] = ['person', 'event', 'schedule', 'drift'];

/** @throws TypeError for anything but a trigger with all its texts. */
export function checkTrigger(trigger: Trigger): void {
  const fields = fieldsOf(trigger);
  if (!kinds.includes(fields['kind'])) throw new TypeError(`kind: expected one of ${kinds.join(', ')}`);
  for (const name of ['source', 'id', 'cause', 'at', 'actor']) {
    const value = text(name, fields[name]);
    // Source and id are joined by a line break to one identity, so neither may hold one.
    if ((name === 'source' || name === 'id') && /\p{Cc}/u.test(value)) {
      throw new TypeError(`${name}: expected text without control characters`);
    }
  }
}

/** @throws TypeError unless it names who and why. */
export function checkButton(button: Button): void {
  const { actor, reason } = fieldsOf(button);
  text('actor', actor);
  text('reason', reason);
}

/** @throws TypeError unless it names who, why and what about. Whether the digests are the right ones is an answer. */
export function checkVote(vote: ApprovalVote): void {
  checkButton(vote);
  const { digests } = fieldsOf(vote);
  for (const name of ['model', 'evidence', 'policy']) text(`digests.${name}`, fieldsOf(digests)[name]);
}

/** @throws TypeError unless the spec is one of this model and has what the governor itself works with. */
export function checkConfigure(request: ConfigureRequest, model: string): void {
  const { spec, specDigest, ifDigest } = fieldsOf(request);
  text('specDigest', specDigest);
  if (ifDigest !== null) text('ifDigest', ifDigest);
  const given = fieldsOf(spec);
  if (given['model'] !== model) throw new TypeError(`spec.model: expected ${model}`);
  const { site, endpoint } = fieldsOf(given['release']);
  text('spec.release.site', site);
  text('spec.release.endpoint', endpoint);
  const retrain = fieldsOf(given['retrain']);
  const { runs, perMs } = fieldsOf(retrain['atMost']);
  const numbers = { cooldownMs: retrain['cooldownMs'], breakerAfter: retrain['breakerAfter'], runs, perMs };
  for (const [name, value] of Object.entries(numbers)) {
    if (typeof value !== 'number') throw new TypeError(`spec.retrain: expected a number ${name}`);
  }
  if (!Array.isArray(fieldsOf(retrain['on'])['events'])) throw new TypeError('spec.retrain.on.events: expected a list');
  if (request.installation !== undefined) checkInstallation(request.installation);
}

/** Time-outs of zero, or none at all, would stop every run that is started with them. */
function checkInstallation(installation: unknown): void {
  const { owner, limits } = fieldsOf(installation);
  text('installation.owner', owner);
  const given = fieldsOf(limits);
  for (const name of Object.keys(defaultLimits)) {
    const ms = given[name];
    if (typeof ms !== 'number' || !(ms > 0))
      throw new TypeError(`installation.limits.${name}: expected a time above 0`);
  }
}

/** The readable triggers of a signal, at most 50. */
export function readableTriggers(signal: { readonly triggers: readonly Trigger[] }): readonly Trigger[] {
  const { triggers } = fieldsOf(signal);
  if (!Array.isArray(triggers)) return [];
  return (triggers as readonly Trigger[]).slice(0, 50).filter((trigger) => {
    try {
      checkTrigger(trigger);
      return true;
    } catch {
      return false;
    }
  });
}

export function isWindowReport(report: WindowReport): boolean {
  const { windowId, part, verdict, reason, revision, champion } = fieldsOf(report);
  const texts = [windowId, part, verdict, reason].every(isText);
  return texts && typeof revision === 'number' && (champion === null || isText(champion));
}

export function isReleaseReport(report: ReleaseReport): boolean {
  const { runId, phase, outcome } = fieldsOf(report);
  if (!isText(runId) || !isText(phase)) return false;
  const { result, reason } = fieldsOf(outcome);
  return outcome === undefined || (isText(result) && typeof reason === 'string');
}

export function isRestoredChampion(restored: RestoredChampion): boolean {
  const { version, actor, reason } = fieldsOf(restored);
  return [version, actor, reason].every(isText);
}
