import { pinnedServerVersion } from '@retempo/workers';
import type { CommandDefinition } from '../program.js';
import { packageVersion, type Session } from '../session.js';

/** `retempo version`. */
export const version: CommandDefinition = {
  name: 'version',
  summary: 'show the versions of Retempo, Node and the dev server',
  description: 'Shows what to put into a report of a problem.',
  examples: ['retempo version', 'retempo version --json'],
  json: '{ v, retempo, node, devServer, platform }',
  action: (session: Session) => {
    const facts = {
      retempo: packageVersion(),
      node: process.versions.node,
      devServer: pinnedServerVersion,
      platform: `${process.platform}-${process.arch}`,
    };
    session.result(
      { v: 1, ...facts },
      `retempo ${facts.retempo}   node ${facts.node}   dev server ${facts.devServer}   ${facts.platform}`
    );
    return Promise.resolve();
  },
};
