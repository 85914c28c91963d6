import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import { searchAttributes } from './contracts/search-attributes.js';
import type { Phase, Verdict } from './contracts/index.js';

const key = (name: string) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD);
export const attributeKeys = {
  model: key(searchAttributes.model),
  phase: key(searchAttributes.phase),
  verdict: key(searchAttributes.verdict),
  site: key(searchAttributes.site),
};

/** Search attributes a workflow is started with; free of charge there, an action each when changed later. */
export const startAttributes = (model: string, phase: Phase, site?: string) => [
  { key: attributeKeys.model, value: model },
  { key: attributeKeys.phase, value: phase as string },
  ...(site === undefined ? [] : [{ key: attributeKeys.site, value: site }]),
];

/** Temporal's limits of user metadata, in bytes; we count characters and stay well inside. */
const summaryCharacters = 180;
const detailCharacters = 9_000;

/** One line for lists and timelines. */
export const summaryLine = (text: string): string =>
  text.length <= summaryCharacters ? text : `${text.slice(0, summaryCharacters - 1)}…`;

/**
 * Markdown of the workflow's page in the Web UI: a heading, facts as a table, then what one can do. However much there is to
 * tell, the last part stays whole: people copy their vote from it.
 */
export function showDetails(details: {
  readonly title: string;
  readonly facts: readonly (readonly [string, string])[];
  readonly reasons?: readonly string[];
  readonly can?: string;
}): void {
  const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
  const table = details.facts.map(([name, value]) => `| ${cell(name)} | ${cell(value)} |`).join('\n');
  const reasons = (details.reasons ?? []).map((reason) => `- ${reason}`).join('\n');
  const text = `**${details.title}**\n\n| | |\n|---|---|\n${table}\n\n${reasons}`.slice(0, detailCharacters);
  setCurrentDetails(`${text}\n\n${details.can ?? ''}`.trim());
}

/** Remembers the last phase, so that only a change costs an action. */
export function phaseReporter(first: Phase) {
  let current = first;
  return (phase: Phase, more: { readonly verdict?: Verdict; readonly site?: string } = {}) => {
    if (phase === current && more.verdict === undefined && more.site === undefined) return;
    current = phase;
    upsertSearchAttributes([
      { key: attributeKeys.phase, value: phase },
      ...(more.verdict === undefined ? [] : [{ key: attributeKeys.verdict, value: more.verdict }]),
      ...(more.site === undefined ? [] : [{ key: attributeKeys.site, value: more.site }]),
    ]);
  };
}
