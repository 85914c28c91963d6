/** The four search attributes, all of type Keyword. Changed on phase change only: each upsert is an action. */
export const searchAttributes = {
  model: 'RetempoModel',
  phase: 'RetempoPhase',
  verdict: 'RetempoVerdict',
  site: 'RetempoSite',
} as const;

/** Phases an operator can filter by. */
export type Phase =
  | 'healthy'
  | 'suspect'
  | 'waiting'
  | 'hold'
  | 'paused'
  | 'running'
  | 'ingest'
  | 'training'
  | 'evaluating'
  | 'registering'
  | 'gate'
  | 'awaitingApproval'
  | 'deploying'
  | 'canary'
  | 'baking'
  | 'rollingBack'
  | 'rollbackBlocked'
  | 'done';
