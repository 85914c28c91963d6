import { isSlug, type Trigger } from '@retempo/workflows/contracts';
import { StarterError } from './errors.js';
import type { Press, RetrainRequest } from './starters.js';

// A host may be plain JavaScript, and what it passes on comes from the outside. What a governor would refuse is refused
// here, before anything is sent: a signal that cannot be read is dropped without a word.

const malformed = (message: string): StarterError => new StarterError('malformed', message);

/** Longest text that governors take, in characters. */
const longest = 500;
/** Decisions that a governor has in memory. */
const mostDecisions = 20;

/** @throws StarterError `malformed` unless it can be part of ids. */
export function checkModel(model: unknown): asserts model is string {
  if (typeof model === 'string' && isSlug(model)) return;
  const shown = typeof model === 'string' ? `"${model.slice(0, 80)}"` : `a value of type ${typeof model}`;
  throw malformed(`${shown} is no model name: lower-case letters, digits and "-", at most 63 characters`);
}

function checkText(name: string, value: unknown, options: { readonly line?: boolean } = {}): asserts value is string {
  if (typeof value !== 'string' || value.trim() === '' || value.length > longest) {
    throw malformed(`${name}: expected text of 1 to ${longest} characters`);
  }
  if (options.line === true && /\p{Cc}/u.test(value))
    throw malformed(`${name}: expected text without control characters`);
}

function checkObject(what: string, value: unknown): asserts value is { readonly [name: string]: unknown } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(`${what}: expected an object with its parts by name`);
  }
}

/** @throws StarterError `malformed` unless it says who and why. The model is looked at with every question. */
export function checkPress(press: Press & { readonly what?: unknown; readonly digests?: unknown }): void {
  checkObject('request', press);
  checkText('actor', press.actor);
  checkText('reason', press.reason);
  const { what, digests } = press;
  if (what !== undefined && what !== 'model' && what !== 'rollout') {
    throw malformed("what: expected 'model' or 'rollout'");
  }
  if (digests === undefined) return;
  checkObject('digests', digests);
  for (const name of ['model', 'evidence', 'policy']) checkText(`digests.${name}`, digests[name]);
}

/** @throws StarterError `malformed` unless it is a whole number that a governor can answer. */
export function checkLimit(limit: unknown): void {
  if (limit === undefined) return;
  if (Number.isInteger(limit) && (limit as number) >= 1 && (limit as number) <= mostDecisions) return;
  throw malformed(`limit: expected a whole number from 1 to ${mostDecisions}; older decisions are in the registry`);
}

/** @throws StarterError `malformed` unless it is a list. */
export function checkEvents(events: unknown): void {
  if (!Array.isArray(events)) throw malformed('events: expected a list of { source, id, cause }');
}

/** Makes a trigger of a request. @throws StarterError `malformed` with the name of the part that is wrong. */
export function triggerOf(request: RetrainRequest, kind?: Trigger['kind']): Trigger {
  checkObject('request', request);
  const { source, id, cause, actor = source, at = new Date(), force = false } = request;
  // Source and id are joined by a line break to one identity, so neither may hold one.
  checkText('source', source, { line: true });
  checkText('id', id, { line: true });
  checkText('cause', cause);
  checkText('actor', actor);
  const { kind: asked = 'event' } = request;
  const given: unknown = kind ?? asked;
  if (given !== 'event' && given !== 'person') throw malformed("kind: expected 'event' or 'person'");
  if (typeof force !== 'boolean') throw malformed('force: expected true or false');
  if (force && given !== 'person') throw malformed("force: needs kind 'person'");
  if (!((at as unknown) instanceof Date) || Number.isNaN(at.getTime())) throw malformed('at: expected a valid Date');
  return { kind: given, source, id, cause, at: at.toISOString(), actor, ...(force ? { force } : {}) };
}
